"""Processes started one by one, as a Procfile does: what is wrong is a sentence and an exit code."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from app.processes.early_signals import mind_signals
from tests.process_checks import settings_without_recall
from tests.workers.programs import ROOT, eventually
from tests.workers.test_supervisor import RENEWED, Start

BY_HAND = {
    "workers": ["-m", "workers"],
    "dispatcher": ["-m", "workers.dispatcher"],
    "web": ["-m", "gunicorn", "app.web:create_app()"],
}
WRONG = {
    "RECALL_API_KEY": "",
    "AFTERWORD_WORKERS": "many",
    "REDIS_URL": "redis://cache..internal/0",
    "STORAGE_URL": "file:///srv/%FF",
    "HOST": "web..internal",
    "PORT": "0",
}
WRONG_POLICY = {"AFTERWORD_POLICY": "~nobody-of-that-name/policy.toml"}
pytestmark = pytest.mark.slow


def environment(home: Path, **more: str) -> dict[str, str]:
    settings = settings_without_recall(home / "home")
    return {**os.environ, **settings, "PYTHONPATH": str(ROOT), **more}


def run(
    arguments: list[str], environ: Mapping[str, str], folder: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [*((arguments, WRONG | WRONG_POLICY) for arguments in BY_HAND.values()), (BY_HAND["web"], WRONG_POLICY)],
    ids=[*BY_HAND, "web, by its policy alone"],
)
def test_wrong_settings_are_all_told_and_end_with_78(
    tmp_path: Path, arguments: list[str], wrong: dict[str, str]
) -> None:
    ended = run(arguments, environment(tmp_path, **wrong))
    assert ended.returncode == 78, ended.stderr
    assert "Traceback" not in ended.stderr + ended.stdout
    assert [name for name in wrong if name not in ended.stderr] == []


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, for a `.env`, whose place is beside it. What is compiled already comes along."""
    place = tmp_path_factory.mktemp("copy")
    for part in ("app", "workers"):
        half_written = shutil.ignore_patterns("*.pyc.*")
        shutil.copytree(ROOT / part, place / part, ignore=half_written)
    shutil.copy2(ROOT / "gunicorn.conf.py", place)
    return place


@pytest.mark.parametrize("arguments", BY_HAND.values(), ids=BY_HAND)
def test_an_env_file_that_is_no_text_is_told_and_ends_with_78(
    tmp_path: Path, copy: Path, arguments: list[str]
) -> None:
    (copy / ".env").write_bytes("PORT=1\n".encode("utf-16"))
    environ = environment(tmp_path, PYTHONPATH=str(copy), AFTERWORD_ISOLATED="")
    ended = run(arguments, environ, copy)
    assert ended.returncode == 78, ended.stderr
    assert ".env: the file cannot be read (not text)." in ended.stderr
    assert "Traceback" not in ended.stderr + ended.stdout


def test_gunicorn_by_hand_listens_where_the_env_file_says(tmp_path: Path, copy: Path) -> None:
    (copy / ".env").write_bytes(b"PORT= 8123 \r\nHOST=::1\r\n")
    environ = environment(tmp_path, PYTHONPATH=str(copy), AFTERWORD_ISOLATED="")
    del environ["PORT"]
    told = run(["-c", "import runpy; print(runpy.run_path('gunicorn.conf.py')['bind'])"], environ, copy)
    assert told.stdout == "[::1]:8123\n", told.stderr


@pytest.mark.parametrize("arguments", BY_HAND.values(), ids=BY_HAND)
def test_a_closed_stdout_is_no_reason_to_end(tmp_path: Path, arguments: list[str]) -> None:
    words = " ".join(f"'{word}'" for word in [sys.executable, *arguments])
    process = subprocess.Popen(
        ["/bin/sh", "-c", f"exec {words} <&- >&-"],
        cwd=ROOT,
        env=environment(tmp_path, RECALL_API_KEY=""),
        stderr=subprocess.PIPE,
        text=True,
    )
    _, said = process.communicate(timeout=60)
    assert process.returncode == 78
    assert "RECALL_API_KEY" in said
    assert "Traceback" not in said


def test_sigterm_ends_a_start_also_as_process_1(program: Start) -> None:
    """For which a signal without a handler is none; so there has to be one."""
    up = program(
        "from app.processes.early_signals import mind_signals; "
        'mind_signals(); print(\'{"event": "minds"}\', flush=True); '
        "assert callable(signal.getsignal(signal.SIGTERM)); time.sleep(60)"
    )
    eventually(lambda: up.events("minds"))
    up.send(signal.SIGTERM)
    assert up.wait() == 0


def test_a_sigterm_that_came_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        mind_signals()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_hang_up_during_the_start_is_a_reload_after_it(program: Start) -> None:
    source = RENEWED.format(specs='[ChildSpec("a", idle, tells_ready=True)]').replace(
        "made = []",
        "made = []\nfrom app.processes.early_signals import mind_signals\n"
        "mind_signals(kept=frozenset({signal.SIGHUP}))\n"
        "os.kill(os.getpid(), signal.SIGHUP)",
    )
    up = program(source)
    eventually(lambda: up.events("reloaded"))
    up.send(signal.SIGTERM)
    assert up.wait() == 0
