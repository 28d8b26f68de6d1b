"""The console of a real service: shut without the password, on loopback too; and heartbeats."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from app.processes.heartbeats import read
from app.settings.program_name import ROOT
from tests.flow.stage import Installation, running, wait_until
from tests.ports import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

PLACES = ("/ops", "/ops/", "/ops/rq/", "/ops/rq/0/data/queues.json", "/metrics")


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with running(tmp_path_factory.mktemp("console"), workers=2) as place:
        yield place


def test_first_start_makes_a_password_and_nothing_is_open_without_it(up: Installation) -> None:
    user, password = up.operator
    assert len(password) >= 20
    for path in PLACES:
        for auth in (None, (user, ""), (user, password[:-1])):
            assert requests.get(f"{up.url}{path}", auth=auth, timeout=9).status_code == 401
        assert requests.get(f"{up.url}{path}", auth=up.operator, timeout=9).status_code == 200
        posted = requests.post(
            f"{up.url}{path}", auth=up.operator, headers={"Origin": "http://elsewhere.example"}, timeout=9
        )
        assert posted.status_code in (403, 405)


def test_password_is_in_no_line_and_the_command_shows_it(up: Installation) -> None:
    assert up.operator[1] not in up.log()
    shown = up.afterword("ops")
    assert shown.returncode == 0
    assert up.operator[1] in shown.stdout
    assert f"{up.url}/ops/" in shown.stdout


def test_every_process_leaves_a_heartbeat(up: Installation) -> None:
    wanted = {"web", "inbox", "outgoing", "worker-1", "worker-2"}
    wait_until(
        lambda: {beat.role for beat in read(up.store.heartbeats())} >= wanted, within_s=20, what="all beat"
    )
    beats = {beat.role: beat for beat in read(up.store.heartbeats())}
    assert {beats[role].host for role in wanted} == {socket.gethostname()}
    assert beats["worker-1"].pid == up.child("worker-1").pid
    assert beats["web"].pid in [process.pid for process in up.children_of("web")]


@pytest.mark.parametrize("password", [None, "set by hand"])
def test_gunicorn_by_hand_opens_nothing_unless_a_password_is_set(
    up: Installation, tmp_path: Path, password: str | None
) -> None:
    port = free_port()
    environment = {**up.environment, "PORT": str(port)}
    if password is not None:
        environment["AFTERWORD_OPS_PASSWORD"] = password
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "app.web:create_app()"],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        wait_until(lambda: _answers(port), within_s=30, what="gunicorn answers")
        for path in PLACES:
            answers = [
                requests.get(f"http://127.0.0.1:{port}{path}", auth=auth, timeout=9).status_code
                for auth in (None, up.operator, ("ops", password or ""))
            ]
            assert answers == ([404, 404, 404] if password is None else [401, 401, 200]), path
    finally:
        server.terminate()
        server.wait(30)
    assert os.environ.get("AFTERWORD_OPS_PASSWORD") is None


def _answers(port: int) -> bool:
    with suppress(requests.RequestException):
        return requests.get(f"http://127.0.0.1:{port}/healthz", timeout=2).status_code == 200
    return False
