"""Troubles in which most things go on: each is said while it lasts, with its remedy, and no longer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from app import wiring
from app.adapters.local_files import LocalBlobs
from app.adapters.redis.job_queue import QueueCounts
from app.adapters.sql import tables as t
from app.adapters.sql.store import SqlStore
from app.core.policy import ProviderChoice
from app.ops import metrics
from app.orchestrator.records import KEY_FOREIGN, LIST_READ, MADE_UP_FOR, BootClock, PauseSubject
from app.processes import heartbeats
from app.recall.signatures import Secret
from app.recall.types import Answer
from app.settings.workspaces import WorkspaceSettings
from app.web.health import NO_WEB, PARTS, Readiness, Report, ToldAfter
from tests import migrated
from tests.contract.store_builders import RECORDING, WORKSPACE, begin, delivery
from tests.policies import built_in
from tests.web.test_health import settings_of
from workers.readiness_log import Watch

DAY_S = 86_400.0
UP = ("web", "inbox", "outgoing", "worker-1", "worker-2")


class WellQueue:
    """Redis answers, and each queue has a worker."""

    def check_write(self) -> None: ...

    def counts(self) -> tuple[QueueCounts, ...]:
        return tuple(QueueCounts(name, 0, 0, 0, 0, 1) for name in ("recall", "inbox", "outgoing"))


@dataclass
class Place:
    """A service that runs and is well, until something is done to it; its clock is the database's."""

    store: SqlStore
    blobs: LocalBlobs
    silent: frozenset[str] = frozenset()
    is_poll_only: bool = False
    is_list_read: bool = True
    others: tuple[WorkspaceSettings, ...] = ()

    @property
    def now(self) -> float:
        return self.store.now()

    @property
    def workspace(self) -> WorkspaceSettings:
        policy = replace(
            built_in(),
            providers=(ProviderChoice("a"),),
            poll_only=self.is_poll_only,
            reconcile=self.is_list_read,
        )
        secrets = (Secret("label", b"s" * 24),)
        return WorkspaceSettings(WORKSPACE, "https://recall.test", "key", secrets, policy)

    def later(self, seconds: float) -> None:
        """All who live give signs."""
        self.store.clock_offset_s += seconds
        self.signs()

    def signs(self) -> None:
        self.store.beat("dispatcher")
        detail = {"host": "here", "started_at": self.began_at, "workers": 2}
        self.store.beat("up@here", detail=json.dumps(detail))
        for role in UP:
            if role not in self.silent:
                self.store.beat(f"{role}@here")

    def begins(self) -> None:
        self.began_at = self.now
        self.signs()

    def readiness(self) -> Readiness:
        queue: Any = WellQueue()
        workspaces = [self.workspace, *self.others]
        return Readiness(self.store, queue, self.blobs, workspaces=workspaces, told=ToldAfter())

    def report(self) -> Report:
        return self.readiness().ask(within_s=20)

    @property
    def ailing(self) -> list[str]:
        return list(self.report().by_part())

    def note(self, kind: str, *, ago_s: float = 0.0) -> None:
        self.store.set_mark(kind + WORKSPACE, self.now - ago_s)

    def answered(self, *told: tuple[str, str]) -> None:
        self.store.note_answers(WORKSPACE, [Answer(*one) for one in told])


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    settings = settings_of(tmp_path)
    migrated.migrate(settings)
    made = Place(wiring.open_store(settings), LocalBlobs(tmp_path / "results"))
    made.begins()
    made.later(120)
    assert made.report().parts == dict.fromkeys(PARTS, "ok")
    yield made
    made.store.close()


# -- processes -------------------------------------------------------------------------------------
@pytest.mark.parametrize("role", UP)
def test_one_process_without_heartbeat_is_named_until_it_leaves_one(place: Place, role: str) -> None:
    place.silent = frozenset({role})
    place.later(50)
    assert place.ailing == []
    place.later(20)
    (sentence,) = place.report().by_part().values()
    if role == "web":
        assert sentence == NO_WEB
    else:
        assert f"{role}@here" in sentence
        assert place.report().body()["parts"]["workers"] == "down"  # type: ignore[index]
    place.silent = frozenset()
    place.later(1)
    assert place.ailing == []


@pytest.mark.parametrize("role", UP)
def test_process_that_never_left_a_heartbeat_is_missed_once_it_had_its_time(place: Place, role: str) -> None:
    with place.store.writing() as connection:
        connection.execute(t.heartbeats.delete().where(t.heartbeats.c.name == f"{role}@here"))
    place.silent = frozenset({role})
    place.begins()
    assert place.ailing == []
    place.later(70)
    assert place.ailing == ["web" if role == "web" else "workers"]


def test_of_two_machines_one_without_web_is_no_trouble_and_one_that_left_is_not_missed(place: Place) -> None:
    for role in ("web", "worker-9"):
        place.store.beat(f"{role}@there")
    place.later(DAY_S / 2)
    place.note(LIST_READ)
    assert place.ailing == []


def test_version_before_says_nothing_of_its_processes_and_none_is_missed() -> None:
    beats = {"up@here": (3.0, json.dumps({"pid": 7, "started_at": 1.0})), "worker-3@here": (900.0, "")}
    assert heartbeats.silent(beats, now=5000.0) == ()


# -- Recall ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "outcome",
    ["http_401", "http_402", "http_403", "http_429", "3xx", "5xx", "silence", "unexpected", "unreadable"],
)
def test_recall_that_answers_nothing_else_is_down_after_a_minute_until_a_good_answer(
    place: Place, outcome: str
) -> None:
    place.answered(("list", "2xx"), ("create", outcome))
    assert place.ailing == []
    place.later(61)
    place.answered(("retrieve", outcome), ("download", "2xx"))
    assert place.ailing == ["recall"]
    place.answered(("retrieve", "4xx"))
    assert place.ailing == []


@pytest.mark.parametrize("outcome", ["4xx", "http_403", "5xx", "silence"])
def test_downloads_that_all_fail_are_said_while_one_is_wanted(place: Place, outcome: str) -> None:
    begin(place.store)
    values = {
        "workspace": WORKSPACE, "recording_id": RECORDING, "key": "f", "kind": "fetch_transcript",
        "args": "{}", "due_at": place.now, "tries": 0, "is_held": False, "wanted_since": place.now,
    }  # fmt: skip
    with place.store.writing() as connection:
        connection.execute(t.commands.insert().values(**values))
    place.answered(("retrieve", "2xx"), ("download", outcome))
    place.later(61)
    assert place.ailing == ["recall"]
    assert "cannot be downloaded" in next(iter(place.report().by_part().values()))
    place.answered(("download", "2xx"))
    assert place.ailing == []
    place.answered(("download", outcome))
    place.later(61)
    assert place.ailing == ["recall"]
    with place.store.writing() as connection:
        connection.execute(t.commands.delete())
    assert place.ailing == [], "none is wanted any more: nothing would ever end it"


def test_list_that_is_not_read_for_hours_is_said_of_a_service_that_had_the_time(place: Place) -> None:
    place.later(7000)
    assert place.ailing == []
    place.later(300)
    assert place.ailing == ["recall"]
    assert "reconcile_put_off" in next(iter(place.report().by_part().values()))
    place.note(LIST_READ)
    assert place.ailing == []
    place.later(7300)
    assert place.ailing == ["recall"]
    place.begins()
    assert place.ailing == [], "it has just begun"


def test_list_that_is_not_to_be_read_is_missed_by_nothing(place: Place) -> None:
    place.is_list_read = False
    place.later(DAY_S)
    assert place.ailing == []


# -- webhooks --------------------------------------------------------------------------------------
def webhook(place: Place) -> None:
    place.store.count_deliveries({}, accepted=1, is_refused=False)


def refusal(place: Place) -> None:
    place.store.count_deliveries({"bad_signature": 1}, accepted=0, is_refused=True)


def test_recordings_that_are_found_while_no_webhook_came_for_a_day_are_said_until_one_comes(
    place: Place,
) -> None:
    webhook(place)
    place.later(DAY_S / 2)
    place.note(LIST_READ)
    place.note(MADE_UP_FOR)
    assert place.ailing == [], "one that was lost is no trouble"
    place.later(DAY_S / 2 + 60)
    place.note(LIST_READ)
    assert place.ailing == ["inbox"]
    assert "that no webhook told of" in next(iter(place.report().by_part().values()))
    webhook(place)
    assert place.ailing == []


def test_without_any_webhook_ever_a_recording_that_is_found_is_said_after_the_first_day(
    place: Place,
) -> None:
    place.note(MADE_UP_FOR)
    assert place.ailing == [], "it has just been installed"
    place.later(DAY_S + 60)
    place.note(LIST_READ)
    place.note(MADE_UP_FOR)
    assert place.ailing == ["inbox"]
    place.is_poll_only = True
    assert place.ailing == []
    place.is_poll_only = False
    place.later(DAY_S + 60)
    place.note(LIST_READ)
    assert place.ailing == []


def test_no_webhook_for_days_is_no_trouble_where_nothing_is_found_either(place: Place) -> None:
    webhook(place)
    for _ in range(3):
        place.later(DAY_S)
        place.note(LIST_READ)
    assert place.ailing == []


# -- a clock that was set back ---------------------------------------------------------------------
def test_clock_set_back_hides_no_trouble(place: Place) -> None:
    place.store.record_heartbeat(quiet_s=600, boot=BootClock("b", lambda: 1000.0))
    webhook(place)
    place.store.add_deliveries([delivery("m1")])
    with place.store.writing() as connection:
        connection.execute(t.deliveries.update().values(received_at=place.now, applied_at=place.now))
    place.answered(("list", "silence"))
    place.store.clock_offset_s -= 7200
    place.store.record_heartbeat(quiet_s=600, boot=BootClock("b", lambda: 1001.0))
    place.later(601)
    refusal(place)
    assert place.ailing == ["recall", "inbox"]


def test_heartbeat_from_the_future_is_none(place: Place) -> None:
    place.store.clock_offset_s -= 7200
    assert place.report().parts["workers"] == "down"
    place.signs()
    assert place.report().parts["workers"] == "ok"


def test_delivery_of_a_web_whose_clock_is_ahead_is_undone_all_the_same(place: Place) -> None:
    place.store.add_deliveries([delivery("m1")])
    with place.store.writing() as connection:
        connection.execute(t.deliveries.update().values(received_at=place.now + 900))
    assert place.report().oldest_undone_s == pytest.approx(0, abs=5)


# -- in the log, in the metrics --------------------------------------------------------------------
class Lines:
    """What is said in the log."""

    def __init__(self) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []

    def error(self, event: str, **fields: Any) -> None:
        self.told.append((event, fields))

    warning = error

    def taken(self) -> list[tuple[str, str]]:
        told, self.told = self.told, []
        return [(event, fields["part"]) for event, fields in told]


def break_storage(place: Place) -> None:
    incoming = place.blobs.root / "~incoming"
    incoming.rmdir()
    incoming.write_text("no folder")


def mend_storage(place: Place) -> None:
    (place.blobs.root / "~incoming").unlink()


def list_is_unread(place: Place) -> None:
    place.note(LIST_READ, ago_s=9000)


def list_is_read(place: Place) -> None:
    place.note(LIST_READ)


def account_is_refused(place: Place) -> None:
    place.store.pause(WORKSPACE, PauseSubject.CREATES, 402, probe_after_s=9)


def account_is_accepted(place: Place) -> None:
    place.store.unpause(WORKSPACE)


@pytest.mark.parametrize(
    ("part", "begins", "ends"),
    [
        ("storage", break_storage, mend_storage),
        ("inbox", refusal, webhook),
        ("recall", list_is_unread, list_is_read),
        ("recall", account_is_refused, account_is_accepted),
    ],
)
def test_each_trouble_is_one_line_when_it_begins_and_one_when_it_ends(
    place: Place, part: str, begins: Callable[[Place], None], ends: Callable[[Place], None]
) -> None:
    place.began_at -= DAY_S
    place.note(LIST_READ)
    with place.store.writing() as connection:
        connection.execute(t.installation.update().where(t.installation.c.key == "first_start").values(at=0))
    place.signs()
    lines = Lines()
    watch = Watch(place.readiness(), log=lines)
    for step, told in ((begins, [("part_ailing", part)]), (ends, [("part_well_again", part)])):
        step(place)
        for expected in (told, []):
            watch._readiness = place.readiness()  # an answer holds for a second
            watch.look()
            assert lines.taken() == expected


def test_what_is_not_known_with_the_database_is_not_said_again_nor_taken_back(
    place: Place, tmp_path: Path
) -> None:
    lines = Lines()
    watch = Watch(place.readiness(), log=lines)
    refusal(place)
    watch.look()
    assert lines.taken() == [("part_ailing", "inbox")]
    away = wiring.open_readiness(settings_of(tmp_path, DATABASE_URL="postgresql://u:p@127.0.0.1:1/afterword"))
    watch._readiness = away
    watch.look()
    assert lines.taken() == []
    watch._readiness = place.readiness()
    watch.look()
    assert lines.taken() == []


def test_metrics_say_when_the_list_was_read(place: Place) -> None:
    place.note(LIST_READ)
    report = place.report()
    text = metrics.render(None, None, parts=report.parts, facts=report.facts).decode()
    assert "afterword_list_read_last_timestamp_seconds" in text


def test_a_part_ails_when_it_does_in_one_of_several_workspaces(place: Place) -> None:
    theirs = replace(place.workspace, name="theirs", api_key="their key")
    place.others = (theirs,)
    assert place.report().status == "ok"
    place.store.pause("theirs", PauseSubject.ACCOUNT, 402, probe_after_s=60)
    report = place.report()
    assert (report.parts["recall"], report.parts["providers"]) == ("paused", "ok")
    assert report.body()["recall_paused"]["cause"] == "recall_answers_402"  # type: ignore[index]
    place.store.unpause("theirs")
    place.store.set_key_status("theirs", place.workspace.fingerprint, KEY_FOREIGN)
    assert place.report().parts["recall"] == "ok", "that is what is known of another key"
    place.store.set_key_status("theirs", theirs.fingerprint, KEY_FOREIGN)
    assert place.report().parts["recall"] == "paused"
