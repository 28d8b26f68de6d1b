"""How the service is, with real parts that are away, that stand still, that refuse."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app import wiring
from app.adapters.sql import tables as t
from app.adapters.sql.outgoing_tables import endpoints
from app.adapters.sql.store import SqlStore
from app.core import events
from app.core.machine import Decision
from app.core.state import Phase
from app.orchestrator.records import Announcement, Closing, PauseSubject
from app.recall.client import RecallClient
from app.recall.http_exchange import HttpTimeouts
from app.settings.environment import Settings, load_settings
from app.settings.workspaces import workspaces_of
from app.web.health import PARTS, Probe, Readiness, Report, ToldAfter
from tests import migrated
from tests.announce.receiver import endpoint
from tests.bench.receivers import hung_valkey, receiver, valkey
from tests.contract.store_builders import HAND, RECORDING, WORKSPACE, begin, delivery
from tests.patience import SLOW_MACHINE
from tests.taking import take_deliveries
from tests.web.receiver import Receiver, head
from tests.web.receiver_app import FileInbox

SECRET = "whsec_" + "A" * 32


def settings_of(home: Path, **more: str) -> Settings:
    return load_settings(
        {
            "AFTERWORD_ISOLATED": "1",
            "AFTERWORD_HOME": str(home),
            "RECALL_API_KEY": "key-of-nobody",
            "RECALL_API_BASE_URL": "http://127.0.0.1:1",
            "RECALL_WEBHOOK_SECRETS": SECRET,
            **more,
        }
    )


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with valkey(tmp_path_factory.mktemp("valkey")) as url:
        yield url


@pytest.fixture
def settings(tmp_path: Path, redis_url: str) -> Settings:
    """Of an installation that is migrated; its Valkey runs."""
    made = settings_of(tmp_path, REDIS_URL=redis_url)
    migrated.migrate(made)
    return made


@pytest.fixture
def store(settings: Settings) -> Iterator[SqlStore]:
    """A hand on its database, with a dispatcher that lives."""
    opened = wiring.open_store(settings)
    opened.beat("dispatcher")
    yield opened
    opened.close()


def probes() -> int:
    return sum(thread.name == "probe" for thread in threading.enumerate())


def within_a_second(readiness: Readiness) -> Report:
    started = time.monotonic()
    report = readiness.ask()
    assert time.monotonic() - started < 1.0 * SLOW_MACHINE
    return report


def asked(settings: Settings) -> Report:
    return within_a_second(wiring.open_readiness(settings))


def put(store: SqlStore, table: Any, **values: Any) -> None:
    with store.writing() as connection:
        connection.execute(table.insert().values(**values))


# -- what hangs ------------------------------------------------------------------------------------
@contextmanager
def silent_server() -> Iterator[int]:
    """A port that takes connections and never says a word, as the host of a database that hangs."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@pytest.mark.slow
def test_valkey_that_stands_still_is_unknown_within_a_second_and_holds_one_thread(tmp_path: Path) -> None:
    with hung_valkey(tmp_path / "valkey") as url:
        settings = settings_of(tmp_path / "home", REDIS_URL=url)
        migrated.migrate(settings)
        wiring.open_store(settings).beat("dispatcher")
        readiness = wiring.open_readiness(settings)
        before = probes()
        reports = [within_a_second(readiness) for _ in range(12)]

        assert {report.parts["queue"] for report in reports} == {"unknown"}
        assert {report.parts["workers"] for report in reports} == {"unknown"}
        assert {report.parts["database"] for report in reports} == {"ok"}
        assert {report.status for report in reports} == {"degraded"}
        assert probes() - before <= 2, "one that would write, one that would count"
        assert any("Redis does not answer" in sentence for sentence in reports[-1].by_part().values())


@pytest.mark.slow
def test_database_that_does_not_answer_is_unknown_within_a_second_and_the_service_unavailable(
    tmp_path: Path, redis_url: str
) -> None:
    with silent_server() as port:
        settings = settings_of(
            tmp_path, DATABASE_URL=f"postgresql://u:p@127.0.0.1:{port}/afterword", REDIS_URL=redis_url
        )
        readiness = wiring.open_readiness(settings)
        before = probes()
        reports = [within_a_second(readiness) for _ in range(8)]

        assert {report.parts["database"] for report in reports} == {"unknown"}
        assert {report.status for report in reports} == {"unavailable"}
        assert not any(report.is_ready for report in reports)
        assert reports[0].parts["queue"] == reports[0].parts["storage"] == "ok"
        assert {reports[-1].parts[part] for part in ("workers", "recall", "providers", "inbox")} == {
            "unknown"
        }
        assert reports[-1].oldest_undone_s is None
        assert probes() - before <= 3, "one that would write, one that would read, one for the queues' names"


class HungMount:
    """Storage on a mount whose server is gone; may come back."""

    def __init__(self) -> None:
        self.is_back = threading.Event()
        self.asked = 0

    def check(self) -> None:
        self.asked += 1
        assert self.is_back.wait(30)


@pytest.mark.slow
def test_storage_on_a_dead_mount_is_unknown_asked_once_and_well_once_it_is_back(
    settings: Settings, store: SqlStore
) -> None:
    mount: Any = HungMount()
    readiness = Readiness(
        store, wiring.open_queue(settings), mount,
        workspaces=workspaces_of(settings).values(), told=ToldAfter(),
    )  # fmt: skip
    started = time.monotonic()
    states = [within_a_second(readiness).parts["storage"] for _ in range(50)]

    assert set(states) == {"unknown"}
    assert mount.asked == 1
    assert time.monotonic() - started < 10, "of many who ask, each waits for the rest of the first one's time"
    assert readiness.ask().parts["database"] == "ok"
    mount.is_back.set()
    deadline = time.monotonic() + 5
    while readiness.ask().parts["storage"] != "ok":
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
def test_all_parts_that_hang_at_once_are_asked_at_once(tmp_path: Path) -> None:
    with hung_valkey(tmp_path / "valkey") as url, silent_server() as port:
        settings = settings_of(
            tmp_path / "home", REDIS_URL=url, DATABASE_URL=f"postgresql://u:p@127.0.0.1:{port}/afterword"
        )
        report = asked(settings)

    assert report.parts == {**dict.fromkeys(PARTS, "unknown"), "storage": "ok"}


@pytest.mark.slow
def test_readyz_and_metrics_of_the_service_answer_while_valkey_stands_still(tmp_path: Path) -> None:
    with (
        hung_valkey(tmp_path / "valkey") as url,
        receiver("hung", tmp_path / "home", REDIS_URL=url, AFTERWORD_OPS_PASSWORD="p" * 16) as one,
    ):
        assert one.process is not None
        web = Receiver(one.port, FileInbox(tmp_path / "none"), one.process, tmp_path / "log")
        get = {"Connection": "close", "Authorization": "Basic b3BzOnBwcHBwcHBwcHBwcHBwcHA="}
        ready = [web.send(head(get, path="/readyz", method="GET")) for _ in range(6)]
        metrics = web.send(head(get, path="/metrics", method="GET"))

    assert {answer.status for answer in ready} == {200}, "webhooks are taken"
    assert min(answer.took_s for answer in ready) < 0.9
    assert max(answer.took_s for answer in ready) < 1.5 * SLOW_MACHINE
    assert all(b'"queue": "unknown"' in answer.body for answer in ready)
    assert metrics.status == 200
    assert metrics.took_s < 3.5 * SLOW_MACHINE
    assert b'afterword_up{part="queue"} 0.0' in metrics.body
    assert b"afterword_commands_pending 0.0" in metrics.body


# -- what is away ----------------------------------------------------------------------------------
def test_what_is_away_at_once_is_down_and_says_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("no folder")
    settings = settings_of(
        tmp_path / "home",
        DATABASE_URL="postgresql://u:p@127.0.0.1:1/afterword",
        REDIS_URL="redis://127.0.0.1:1/0",
        STORAGE_URL=f"file://{file}/below",
    )
    report = asked(settings)

    assert {part: report.parts[part] for part in ("database", "queue", "storage")} == dict.fromkeys(
        ("database", "queue", "storage"), "down"
    )
    assert len(report.by_part()) == len(PARTS)


@pytest.mark.slow
def test_readyz_says_all_and_nothing_else(settings: Settings, store: SqlStore) -> None:
    body = asked(settings).body()

    assert body == {
        "status": "degraded",
        "parts": {**dict.fromkeys(PARTS, "ok"), "workers": "down"},  # none serves the queues
        "oldest_undone_s": None,
    }


# -- what the database knows -----------------------------------------------------------------------
def test_recall_is_down_after_a_minute_of_trouble_and_paused_while_a_hand_is_needed(
    settings: Settings, store: SqlStore
) -> None:
    def state() -> str:
        return wiring.open_readiness(settings, store=store).ask().parts["recall"]

    put(store, t.installation, key="recall_trouble:default", at=store.now() - 50)
    assert state() == "ok"
    store.clock_offset_s = 15
    assert state() == "down"
    for status, cause in (("unseeing", "pass_sees_nothing_known"), ("foreign", "key_sees_nothing_here")):
        store.set_key_status("default", fingerprint_of(settings), status)
        report = wiring.open_readiness(settings, store=store).ask()
        assert report.parts["recall"] == "paused"
        assert report.body()["recall_paused"] == {"cause": cause, "since_s": None}
    store.pause("default", PauseSubject.ACCOUNT, 402, probe_after_s=60)
    report = wiring.open_readiness(settings, store=store).ask()
    since_s = pytest.approx(0, abs=3)
    assert report.body()["recall_paused"] == {"cause": "recall_answers_402", "since_s": since_s}


def fingerprint_of(settings: Settings) -> str:
    """The fingerprint as workers write it."""
    from app.clock import SystemClock

    client = RecallClient(settings.api_base_url, settings.api_key, HttpTimeouts(), clock=SystemClock())
    return client.fingerprint


def test_providers_are_down_when_every_one_of_the_policy_is_passed_over(
    settings: Settings, store: SqlStore
) -> None:
    def state() -> str:
        return wiring.open_readiness(settings, store=store).ask().parts["providers"]

    names = [choice.key for choice in settings.policy.providers]
    assert len(names) == 3
    for name in names:
        assert state() == "ok"
        for _ in range(5):
            store.record_result("default", name, worked=False, open_s=120)
    assert state() == "down"
    store.record_result("default", names[1], worked=True, open_s=120)
    assert state() == "ok"


Change = Callable[[SqlStore], None]


def refused(store: SqlStore) -> None:
    store.count_deliveries({"bad_signature": 1}, accepted=0, is_refused=True)


def accepted(store: SqlStore) -> None:
    store.count_deliveries({}, accepted=1, is_refused=False)


def by_strangers(store: SqlStore) -> None:
    store.count_deliveries({"missing_headers": 9}, accepted=0, is_refused=False)


def later(store: SqlStore) -> None:
    store.clock_offset_s += 605


def unreadable(store: SqlStore) -> None:
    store.add_deliveries([delivery("m1")])
    (one,) = take_deliveries(store, 1)
    store.close_deliveries([Closing(one.id, "unreadable: not JSON")])


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ([], "ok"),
        ([refused], "down"),
        ([by_strangers], "ok"),
        ([refused, later], "ok"),
        ([refused, accepted], "ok"),
        ([accepted, refused], "ok"),
        ([accepted, later, refused], "down"),
        ([unreadable, later, later], "down"),
        ([unreadable, lambda store: store.put_aside(1, kind="a")], "ok"),
    ],
    ids=lambda given: (
        given if isinstance(given, str) else "-".join(c.__name__.strip("<>") for c in given) or "-"
    ),
)
def test_inbox_is_down_while_webhooks_are_refused_and_none_accepted_or_unreadable_ones_stand(
    settings: Settings, store: SqlStore, changes: list[Change], state: str
) -> None:
    for change in changes:
        change(store)

    # Anew each time, as another process or one after a restart.
    assert wiring.open_readiness(settings, store=store).ask().parts["inbox"] == state


def test_policy_without_webhooks_has_no_inbox_to_be_down(settings: Settings, store: SqlStore) -> None:
    refused(store)

    without = settings.model_copy(update={"webhook_secrets": ()})
    assert wiring.open_readiness(without, store=store).ask().parts["inbox"] == "ok"


@pytest.mark.parametrize(
    ("learnt", "state", "said"),
    [
        ({}, "ok", ""),
        ({"failures": 2}, "ok", ""),
        ({"failures": 5, "open_until": 1.0}, "down", "to crm fail again and again"),
        ({"name": "other", "failures": 5, "open_until": 1.0}, "ok", ""),  # nothing waits for it
        ({"digest": "of another address"}, "ok", ""),
        ({"digest": endpoint("http://a/", "crm").digest}, "paused", "`./afterword webhooks enable crm`"),
    ],
)
def test_outgoing_says_which_endpoint_fails_or_is_disabled(
    settings: Settings, store: SqlStore, learnt: Mapping[str, Any], state: str, said: str
) -> None:
    told = [endpoint("http://a/", "crm"), endpoint("http://b/", "other")]
    begin(store)
    news = Announcement("id", "crm", "transcription.failed", None, "{}")
    before = store.load(WORKSPACE, RECORDING)
    failed = Decision(replace(before.transcription, phase=Phase.FAILED))
    event = events.Published(1.0, "t1", "deepgram_async", None)
    store.commit(before, failed, event=event, source=HAND, news=[news])
    store.write(endpoints.insert().values(**{"name": "crm", "failures": 0, **learnt}))
    store.write(endpoints.insert().values(name="no more", failures=9, open_until=1.0))
    with_endpoints = settings.model_copy(update={"endpoints": told})
    report = wiring.open_readiness(with_endpoints, store=store).ask()
    assert report.parts["outgoing"] == state
    assert said in report.by_part().get("outgoing", "")


# -- one question ----------------------------------------------------------------------------------
class Question:
    """Hangs on request; with a clock the test moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.times = 0
        self.error: Exception | None = None
        self.is_open = threading.Event()
        self.is_open.set()
        self.probe = Probe(self._ask, monotonic=lambda: self.now)

    def _ask(self) -> int:
        self.times += 1
        assert self.is_open.wait(10)
        if self.error is not None:
            raise self.error
        return self.times

    def state(self, within_s: float = 5.0) -> tuple[str, int | None]:
        self.probe.begin()
        return self.probe.result(within_s)


def test_answer_holds_for_a_second() -> None:
    question = Question()
    for _ in range(50):
        assert question.state()[0] == "ok"
        question.now += 0.1

    assert question.times == 5


def test_question_that_hangs_is_not_asked_again_and_nobody_waits_for_it_anew() -> None:
    question = Question()
    question.is_open.clear()
    assert question.state(0.01) == ("unknown", None)
    question.now += 10
    started = time.monotonic()
    assert question.state(5.0) == ("unknown", None)
    assert time.monotonic() - started < 4
    question.is_open.set()
    while question.state() == ("unknown", None):
        threading.Event().wait(0.005)
    assert question.times == 1


@pytest.mark.slow
@pytest.mark.parametrize("error", [RuntimeError("secret"), OSError("secret")])
def test_our_own_fault_in_a_question_is_down_and_asked_again(error: Exception) -> None:
    question = Question()
    question.error = error
    assert question.state() == ("down", None)
    question.error = None
    question.now += 1.1
    assert question.state() == ("ok", 2)


@pytest.mark.slow
def test_failure_after_the_time_is_over_is_no_answer() -> None:
    question = Question()
    question.error = OSError("timed out, at last")
    question.is_open.clear()
    question.probe.begin()
    question.now += 2.0
    question.is_open.set()
    while question.probe._is_out:
        threading.Event().wait(0.005)

    assert question.probe.result(0.7) == ("unknown", None)
