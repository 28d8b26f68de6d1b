"""The application runs under its own worker with its own settings, or not at all; it says how to start it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.web.gunicorn_app import COMMAND
from tests.process_checks import settings_without_recall
from tests.web.receiver import ROOT

GUNICORN = ["-m", "gunicorn", "--pythonpath", str(ROOT)]
CONF = str(ROOT / "gunicorn.conf.py")
APP = "app.web:create_app()"
WSGIREF = (
    "from wsgiref.simple_server import make_server; from app.web import create_app; "
    "make_server('127.0.0.1', 0, create_app()).serve_forever()"
)
WRONG = {
    "gunicorn in another folder": [*GUNICORN, APP],
    "with threads": [*GUNICORN, "--threads", "8", APP],
    "preloaded": [*GUNICORN, "--preload", APP],
    "with several workers": [*GUNICORN, "-w", "2", APP],
    "our worker without its settings": [
        *GUNICORN,
        "-k",
        "app.web.deferred_response.DeferredResponseWorker",
        APP,
    ],
    "our worker without its settings, preloaded": [
        *GUNICORN, "--preload", "-k", "app.web.deferred_response.DeferredResponseWorker", APP,
    ],
    "our settings with another worker": [*GUNICORN, "-c", CONF, "-k", "gthread", APP],
    "flask": ["-m", "flask", "--app", "app.web.application", "run", "--port", "0"],
    "flask, debugging": ["-m", "flask", "--app", "app.web:create_app", "run", "--debug", "--port", "0"],
    "wsgiref": ["-c", WSGIREF],
    "any other": ["-c", "import app.web; application = app.web.create_app()"],
}  # fmt: skip


def run(arguments: list[str], folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    settings = settings_without_recall(folder / "home")
    environment = os.environ | settings | {"PYTHONPATH": str(ROOT), "HOME": str(folder)} | more
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("arguments", WRONG.values(), ids=WRONG)
def test_wrong_server_is_refused_with_the_command_to_use(arguments: list[str], tmp_path: Path) -> None:
    refused = run(arguments, tmp_path)

    # 4 is gunicorn's, of an application that does not load; 1, with its own traceback, when another worker
    # ended while it was stopping for the first.
    is_race = "-w" in arguments and "HaltServer" in refused.stderr
    assert refused.returncode in ((1,) if is_race else (4, 78)), refused.stderr
    assert COMMAND in refused.stderr
    assert is_race or "Traceback" not in refused.stderr
    assert not (tmp_path / "home").exists()


@pytest.mark.slow
def test_gunicorn_with_our_settings_starts_from_any_folder(tmp_path: Path) -> None:
    checked = run([*GUNICORN, "-c", CONF, "--check-config", APP], tmp_path)

    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.slow
def test_settings_that_are_wrong_are_told_one_a_line_and_end_with_78(tmp_path: Path) -> None:
    refused = run([*GUNICORN, "-c", CONF, APP], tmp_path, RECALL_API_KEY="")

    assert refused.returncode == 78, refused.stderr
    assert "Traceback" not in refused.stderr
    assert "RECALL_API_KEY" in refused.stderr
