"""SIGHUP: settings are read again while webhooks come in; none is refused, and a problem changes nothing."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from standardwebhooks.webhooks import Webhook as Hook
from svix.webhooks import Webhook

from app.settings.program_name import ROOT
from app.simulator.server import default_key, default_secret
from tests.announce.receiver import OLD_SECRET, SECRET, receiving
from tests.flow.stage import Installation, installation, is_port_free, wait_until
from tests.ports import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("reload")]

SECOND_KEY = "second-key-of-this-workspace"
SECOND_SECRET = "whsec_" + base64.b64encode(b"another secret of 32 bytes, made").decode()


def said(place: Installation, event: str) -> list[dict[str, Any]]:
    return [line for line in place.log_lines() if line.get("event") == event]


@dataclass
class Files:
    """Where the settings of this installation stand."""

    key: Path
    secrets: Path
    policy: Path

    def secret_of(self, endpoint: str) -> Path:
        return self.policy.with_name(f"{endpoint}.secret")


@pytest.fixture
def files(tmp_path: Path) -> Files:
    found = Files(tmp_path / "key", tmp_path / "secrets", tmp_path / "policy.toml")
    found.key.write_text(default_key(1))
    found.secrets.write_text(default_secret(1))
    found.policy.write_text('providers = ["deepgram_async"]\n')
    for path in (found.key, found.secrets):
        path.chmod(0o600)
    return found


@pytest.fixture
def place(tmp_path: Path, files: Files) -> Iterator[Installation]:
    with installation(tmp_path, workers=1) as made:
        for name in ("RECALL_API_KEY", "RECALL_WEBHOOK_SECRETS"):
            del made.environment[name]
        made.environment |= {
            "RECALL_API_KEY_FILE": str(files.key),
            "RECALL_WEBHOOK_SECRETS_FILE": str(files.secrets),
            "AFTERWORD_POLICY": str(files.policy),
        }
        made.start()
        yield made


def hang_up(place: Installation, *, until: str, times: int = 1) -> dict[str, Any]:
    """SIGHUP, as `systemctl reload` sends it; the line that says what came of it."""
    assert place.service is not None
    before = len(said(place, until))
    place.service.send_signal(signal.SIGHUP)
    wait_until(
        lambda: len(said(place, until)) >= before + times, within_s=40, what=f"{until}: {place.log()[-2000:]}"
    )
    return said(place, until)[-1]


def wait_until_replaced(place: Installation, number: int) -> None:
    wait_until(
        lambda: len(said(place, "child_replaced")) >= number, within_s=40, what="the old ones are gone"
    )


@dataclass
class Stream:
    """Webhooks that come in without a pause, each on a connection of its own or all on one that is kept."""

    place: Installation
    is_kept: bool
    came: Counter[str] = field(default_factory=Counter)
    is_over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        number = 0
        with requests.Session() as session:
            while not self.is_over.is_set():
                number += 1
                post = session.post if self.is_kept else requests.post
                try:
                    answer = deliver(self.place, f"msg_{self.is_kept}_{number}", default_secret(1), post=post)
                    self.came[str(answer.status_code)] += 1
                except requests.RequestException as error:
                    self.came[repr(error)] += 1


def deliver(
    place: Installation, webhook_id: str, secret: str, *, post: Any = requests.post
) -> requests.Response:
    body, now = '{"event": "bot.unheard_of", "data": {}}', datetime.now(UTC)
    headers = {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(webhook_id, now, body),
    }
    answer: requests.Response = post(f"{place.url}/webhooks/recall", data=body, headers=headers, timeout=20)
    return answer


def taken_soon(place: Installation, webhook_id: str, secret: str) -> None:
    """The web process from before may have accepted a connection as its last one."""
    wait_until(
        lambda: deliver(place, webhook_id, secret).status_code == 202,
        within_s=10,
        what=f"{webhook_id} is taken",
    )


@contextmanager
def streams(place: Installation) -> Iterator[list[Stream]]:
    running = [Stream(place, is_kept=True), Stream(place, is_kept=False)]
    threads = [threading.Thread(target=stream.run) for stream in running]
    for thread in threads:
        thread.start()
    try:
        yield running
    finally:
        for stream in running:
            stream.is_over.set()
        for thread in threads:
            thread.join()


def test_no_request_is_lost_and_the_new_key_and_secret_are_used(place: Installation, files: Files) -> None:
    assert deliver(place, "msg_before", SECOND_SECRET).status_code == 401
    with streams(place) as came:
        wait_until(lambda: all(s.came["202"] > 20 for s in came), within_s=20, what="webhooks come in")
        files.key.write_text(SECOND_KEY)
        files.secrets.write_text(f"{default_secret(1)} {SECOND_SECRET}")
        line = hang_up(place, until="reloaded")
        wait_until_replaced(place, 4)
        at_the_end = [sum(s.came.values()) for s in came]
        wait_until(
            lambda: all(sum(s.came.values()) > n + 20 for s, n in zip(came, at_the_end, strict=True)),
            within_s=20,
            what="webhooks still come in",
        )
    assert [set(s.came) for s in came] == [{"202"}, {"202"}], [s.came for s in came]
    assert line["changed"] == ["RECALL_API_KEY", "RECALL_WEBHOOK_SECRETS"]
    assert line["waits_for_restart"] == []
    taken_soon(place, "msg_after", SECOND_SECRET)
    place.recall.settings(api_keys=[SECOND_KEY])
    place.recall.key = SECOND_KEY
    recording = place.recall.record()
    place.wait_for_ends(recording, within_s=40)
    assert len(place.stored(recording)) == 1
    assert "Traceback" not in place.log()
    assert SECOND_KEY not in place.log()
    assert len(said(place, "ready")) == 1
    assert place.stop() == 0
    assert place.family() == []


def test_a_problem_keeps_everything_as_it_was_and_is_said(place: Installation, files: Files) -> None:
    files.secrets.write_text(SECOND_SECRET)
    files.key.write_text("Token two words")
    before = {child.pid for child in place.family()}
    line = hang_up(place, until="reload_refused")
    assert any("RECALL_API_KEY" in problem for problem in line["problems"])
    assert before <= {child.pid for child in place.family()}
    assert deliver(place, "msg_1", default_secret(1)).status_code == 202
    assert deliver(place, "msg_2", SECOND_SECRET).status_code == 401
    files.key.write_text(default_key(1))
    files.policy.write_text("no_such_key = 1\n")
    assert "no_such_key" in str(hang_up(place, until="reload_refused")["problems"])
    files.policy.write_text('providers = ["assembly_ai_async"]\n')
    assert hang_up(place, until="reloaded")["changed"] == ["RECALL_WEBHOOK_SECRETS", "the policy"]
    taken_soon(place, "msg_3", SECOND_SECRET)


def hooks(files: Files, **urls: str) -> None:
    """A policy with these endpoints, each with its secret in a file."""
    table = '[webhooks.{0}]\nurl = "{1}"\nsecret_file = "{2}"\nallow_private = true\n'
    tables = [table.format(name, url, files.secret_of(name)) for name, url in urls.items()]
    files.policy.write_text('providers = ["deepgram_async"]\n' + "".join(tables))


def test_an_added_endpoint_receives_and_a_removed_one_gets_nothing_more(
    place: Installation, files: Files
) -> None:
    with receiving() as first, receiving() as second:
        first.answer = lambda _: (503, {})  # so that an announcement waits for it
        files.secret_of("first").write_text(SECRET)
        hooks(files, first=first.url)
        assert hang_up(place, until="reloaded")["changed"] == ["the policy"]
        wait_until_replaced(place, 4)
        recording = place.recall.record()
        first.wait_for(2, within_s=40)
        assert recording.encode() in first.received[0].body

        files.secret_of("first").write_text(OLD_SECRET)
        assert "webhooks.first.secret_file (a reload takes it" in checked(place)
        files.secret_of("first").unlink()
        assert "secret_file" in str(hang_up(place, until="reload_refused")["problems"])

        files.secret_of("second").write_text(OLD_SECRET)
        hooks(files, second=second.url)
        hang_up(place, until="reloaded", times=1)
        wait_until_replaced(place, 8)
        wait_until(
            lambda: "Changed on disk" not in checked(place), within_s=10, what="the new ones are in use"
        )
        before = len(first.received)
        recording = place.recall.record()
        (told,) = second.wait_for(1, within_s=40)
        assert json.loads(told.body)["data"]["recording_id"] == recording
        Hook(OLD_SECRET).verify(told.body, dict(told.headers))
        time.sleep(1.0)  # the schedule's first step takes a tenth of a second here
        assert len(first.received) == before


def checked(place: Installation) -> str:
    said = place.afterword("check")
    return " ".join(f"{said.stdout} {said.stderr}".split())


def test_many_at_once_are_a_few_and_the_service_stays_well(place: Installation) -> None:
    assert place.service is not None
    with streams(place) as came:
        for _ in range(50):
            os.kill(place.service.pid, signal.SIGHUP)
        wait_until(lambda: len(said(place, "reloaded")) >= 1, within_s=40, what="reloaded")
        os.kill(place.service.pid, signal.SIGHUP)  # while the old ones leave
        wait_until(lambda: len(said(place, "reloaded")) >= 2, within_s=60, what="reloaded again")
        wait_until_replaced(place, 8)
    assert [set(s.came) for s in came] == [{"202"}, {"202"}], [s.came for s in came]
    assert len(said(place, "reloaded")) <= 3
    place.wait_until_well()


def test_what_waits_for_a_restart_is_named_and_the_rest_is_taken(tmp_path: Path) -> None:
    """With a `.env`, whose place is beside the program: so this is a copy of it."""
    copy = tmp_path / "a copy"
    for part in ("app", "workers"):
        shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(ROOT / "gunicorn.conf.py", copy)
    with installation(tmp_path, workers=1) as place:
        assert place.settings.port  # read while all of it stands in the environment
        in_file = {name: place.environment.pop(name) for name in ("PORT", "RECALL_WEBHOOK_SECRETS")}
        del place.environment["AFTERWORD_ISOLATED"]
        place.environment["PYTHONPATH"] = str(copy)
        write_env(copy / ".env", in_file)
        place.service = place.spawn("up")
        place.environment["PORT"] = in_file["PORT"]  # for `place.url`
        place.wait_until_well(within_s=30)
        other = str(free_port())
        write_env(copy / ".env", {"PORT": other, "RECALL_WEBHOOK_SECRETS": SECOND_SECRET})
        line = hang_up(place, until="reloaded")
        assert line["changed"] == ["RECALL_WEBHOOK_SECRETS"]
        assert line["waits_for_restart"] == ["PORT"]
        taken_soon(place, "msg_1", SECOND_SECRET)
        assert is_port_free(int(other))
        (copy / ".env").write_text("RECALL_WEBHOOK_SECRETS=whsec_broken\n")
        hang_up(place, until="reload_refused")
        assert deliver(place, "msg_2", SECOND_SECRET).status_code == 202


def write_env(path: Path, values: Mapping[str, str]) -> None:
    path.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    path.chmod(0o600)


def test_stopping_in_the_middle_of_it_leaves_nothing(place: Installation) -> None:
    assert place.service is not None
    place.service.send_signal(signal.SIGHUP)
    wait_until(lambda: len(said(place, "child_started")) > 5, within_s=20, what="new ones start")
    left = place.family()
    began_at = time.monotonic()
    assert place.stop() == 0
    assert time.monotonic() - began_at < 15, "a web that has just been forked hears it, too"
    assert [process for process in left if process.is_running()] == []
