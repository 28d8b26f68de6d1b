"""`up` and its neighbours: who may start, and with which exit code and words it is refused."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.adapters.redis import embedded_server
from app.settings.program_name import ROOT
from tests.flow.programme import assert_each_is_paid_once_and_stored
from tests.flow.stage import Installation, installation, running
from tests.ports import free_port

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("one up")]


@pytest.fixture
def down(tmp_path: Path) -> Iterator[Installation]:
    with installation(tmp_path) as place:
        yield place


def test_a_second_up_on_the_same_home_exits_75_naming_the_holder(tmp_path: Path) -> None:
    with running(tmp_path) as place:
        second = place.afterword("up", PORT=str(free_port()))
        assert second.returncode == 75
        assert place.service is not None
        assert f"process {place.service.pid}" in second.stderr
        assert str(place.home) in second.stderr
        assert "Traceback" not in second.stdout + second.stderr
        place.wait_until_well()


def test_a_taken_port_exits_75_and_leaves_nothing_behind(down: Installation) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = down.afterword("up", PORT=port)
    assert refused.returncode == 75
    assert port in refused.stderr
    assert "Traceback" not in refused.stdout + refused.stderr
    assert list(down.home.rglob("*.sock")) == []


def test_missing_and_wrong_settings_exit_78_with_every_problem_and_no_secret(down: Installation) -> None:
    refused = down.afterword(
        "up",
        RECALL_WEBHOOK_SECRETS=None,
        RECALL_API_KEY="Token hunter2-hunter2",
        AFTERWORD_WORKERS="many",
        AFTERWORD_PROVIDERS="meeting_captions",
        DATABASE_URL="mysql://root:hunter2@localhost/x",
    )
    assert refused.returncode == 78
    for name in (
        "RECALL_WEBHOOK_SECRETS", "RECALL_API_KEY", "AFTERWORD_WORKERS", "meeting_captions", "DATABASE_URL",
    ):  # fmt: skip
        assert name in refused.stderr, f"{name} is not told"
    assert "hunter2" not in refused.stdout + refused.stderr
    assert not down.home.exists(), "a start that is refused makes nothing"


def test_check_tells_a_missing_secret_to_programs_too(down: Installation) -> None:
    checked = down.afterword("check", "--json", RECALL_WEBHOOK_SECRETS=None)
    assert checked.returncode == 78
    told = json.loads(checked.stdout)
    assert told["ok"] is False
    assert any("RECALL_WEBHOOK_SECRETS" in problem for problem in told["problems"])


def test_an_isolated_home_refuses_a_recall_that_is_not_on_this_machine(down: Installation) -> None:
    refused = down.afterword("up", RECALL_API_BASE_URL="https://us-east-1.recall.ai")
    assert refused.returncode == 78
    assert "RECALL_API_BASE_URL" in refused.stderr


def test_web_workers_and_dispatcher_do_without_up(down: Installation, tmp_path: Path) -> None:
    """As the Procfile has it: nobody's children, a Redis from elsewhere, one database."""
    down.environment["REDIS_URL"] = embedded_server.url(tmp_path / "elsewhere")
    programs = {
        "valkey": ["-c", _VALKEY, str(tmp_path / "elsewhere")],
        "web": ["-m", "gunicorn", "app.web:create_app()"],
        "worker": ["-m", "workers"],
        "dispatcher": ["-m", "workers.dispatcher"],
    }
    assert down.afterword("migrate").returncode == 0
    running_ones = {name: _run(down, arguments) for name, arguments in programs.items()}
    try:
        recording = down.recall.record()
        assert_each_is_paid_once_and_stored(down, [recording], within_s=45)
    finally:
        codes = {name: _end(process) for name, process in reversed(running_ones.items())}
    assert codes == dict.fromkeys(programs, 0), down.log()[-2000:]


_VALKEY = (
    "import sys; from pathlib import Path; from app.adapters.redis.embedded_server import serve; "
    "sys.exit(serve(Path(sys.argv[1])))"
)


def _run(place: Installation, arguments: list[str]) -> subprocess.Popen[bytes]:
    with place.log_path.open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-P", *arguments],
            cwd=ROOT,
            env=place.environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def _end(process: subprocess.Popen[bytes]) -> int:
    process.terminate()
    try:
        return process.wait(timeout=30)
    finally:
        process.kill()
