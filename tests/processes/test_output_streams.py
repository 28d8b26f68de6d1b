"""The output of commands: where letters cannot be shown, where a reader leaves, where a disk is full."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.core import events
from app.settings.program_name import ROOT
from tests.cli.conftest import Home

pytestmark = pytest.mark.slow

# rich's output, ours, click's; each with its exit code
COMMANDS = [(["list"], 0), (["show", "aaaaaaaa"], 0), (["nonsense"], 2)]
each_command = pytest.mark.parametrize(
    ("arguments", "code"), COMMANDS, ids=[" ".join(c) for c, _ in COMMANDS]
)


@pytest.fixture
def filled(home: Home) -> Home:
    """With a recording about which letters beyond ASCII are told."""
    metadata = (("title", "Grüße – “Ana”"),)
    home.happens("aaaaaaaa-0000-4000-8000-000000000000", events.RecordingDone(0.0, "bot-ä…", metadata))
    return home


def run(home: Home, *arguments: str, **more: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "app", *arguments],
        cwd=ROOT,
        env={**home.place.environment, **more.pop("env", {})},
        stdin=subprocess.DEVNULL,
        check=False,
        timeout=60,
        **more,
    )


@each_command
def test_reader_that_leaves_changes_neither_exit_code_nor_says_a_word(
    filled: Home, arguments: list[str], code: int
) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    left = run(filled, *arguments, stdout=write_end, stderr=subprocess.PIPE)
    os.close(write_end)
    assert left.returncode == code
    assert left.stderr == (run(filled, *arguments, capture_output=True).stderr if code else b"")
    assert b"Traceback" not in left.stderr


@each_command
@pytest.mark.parametrize("setting", ["PYTHONIOENCODING=ascii", "LC_ALL=C"])
def test_letters_that_a_terminal_lacks_are_written_plainly(
    filled: Home, arguments: list[str], code: int, setting: str
) -> None:
    name, value = setting.split("=")
    plain = {"PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"} if name == "LC_ALL" else {}
    ran = run(filled, *arguments, env={name: value, **plain}, capture_output=True)
    assert b"Traceback" not in ran.stderr
    assert ran.returncode == code
    assert ran.stdout.isascii()
    assert ran.stderr.isascii()
    assert_no_log_line(ran)


@pytest.mark.parametrize("arguments", [["list"], ["--help"]], ids=" ".join)
def test_full_disk_behind_the_output_is_a_sentence(filled: Home, arguments: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        ran = run(filled, *arguments, stdout=full, stderr=subprocess.PIPE)
    assert ran.returncode == 1
    assert ran.stderr.decode().strip().endswith("could not be written (No space left on device).")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", ">&- 2>&-", "<&- >&-"])
def test_any_closed_standard_stream_leads_nowhere(filled: Home, closed: str) -> None:
    # `list` opens files, too; that none takes a stream's place, the next test asks with all of them closed.
    command = "list" if closed == ">&-" else "--help"
    code = f'exec "{sys.executable}" -P -m app {command} {closed}'
    ran = subprocess.run(
        ["/bin/sh", "-c", code],
        cwd=ROOT,
        env=filled.place.environment,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert bool(ran.stdout) == (">&-" not in closed.replace("2>&-", ""))


def test_closed_standard_streams_are_no_trouble_and_no_file_of_ours_takes_their_place(filled: Home) -> None:
    before = filled.settings.database_url
    code = f'exec "{sys.executable}" -P -m app list >&- 2>&- <&-'
    ran = subprocess.run(
        ["/bin/sh", "-c", code], cwd=ROOT, env=filled.place.environment, check=False, timeout=60
    )
    assert ran.returncode == 0
    assert Path(before.removeprefix("sqlite:///")).read_bytes().startswith(b"SQLite format 3")


def test_no_log_line_stands_in_what_a_command_says(filled: Home) -> None:
    for arguments in (["retry", "aaaaaaaa"], ["migrate"], ["check"]):
        assert_no_log_line(run(filled, *arguments, capture_output=True))


def assert_no_log_line(ran: subprocess.CompletedProcess[bytes]) -> None:
    assert b'"event"' not in ran.stdout + ran.stderr
    assert b"[info" not in ran.stdout + ran.stderr
