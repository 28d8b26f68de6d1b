"""The password that an installation makes for itself: once, for its owner alone, in no line that is kept."""

from __future__ import annotations

import json
import os
import pty
import stat
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from app.cli import run
from app.errors import Away
from app.ops import password as passwords
from app.settings.environment import Settings, load_settings
from app.settings.program_name import ROOT

NOBODY = 65534


@pytest.fixture(autouse=True)
def _lines_are_written() -> Iterator[None]:
    """The command line silences the log of the whole process."""
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()


def settings_of(home: Path, **more: str) -> Settings:
    return load_settings(environment(home, **more))


def environment(home: Path, **more: str) -> dict[str, str]:
    return {
        "AFTERWORD_ISOLATED": "1",
        "RECALL_API_BASE_URL": "http://127.0.0.1:1",
        "AFTERWORD_HOME": str(home),
        "RECALL_API_KEY": "key",
        "RECALL_WEBHOOK_SECRETS": "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz",
        **more,
    }


def test_first_start_makes_one_that_stays_and_only_its_owner_may_read(tmp_path: Path) -> None:
    home = tmp_path / "home"
    made = passwords.with_password(settings_of(home)).ops_password
    assert made is not None
    assert len(made) >= 20
    file = home / "ops-password"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.stat().st_nlink == 1
    assert os.listdir(home) == ["ops-password"]
    assert passwords.with_password(settings_of(home)).ops_password == made
    assert passwords.kept_password(settings_of(home)) == made
    other = passwords.with_password(settings_of(tmp_path / "other")).ops_password
    assert other != made


def test_one_that_is_set_is_used_and_none_is_made(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, AFTERWORD_OPS_PASSWORD="set by hand")
    assert passwords.with_password(settings).ops_password == "set by hand"
    assert passwords.kept_password(settings) == "set by hand"
    assert list(tmp_path.iterdir()) == []


# Started anew, since the tests' own process has threads, whose locks a fork would leave held.
_EIGHT_AT_ONCE = """
import os
from app.ops import password
from app.settings.environment import load_settings

waits, all_are_there = os.pipe()
for _ in range(8):
    if os.fork() == 0:
        os.close(all_are_there)
        os.read(waits, 1)
        made = password.with_password(load_settings(os.environ)).ops_password
        os.write(1, f"{made}\\n".encode())
        os._exit(0)
os.close(all_are_there)
assert [os.wait()[1] for _ in range(8)] == [0] * 8
"""


@pytest.mark.slow
def test_first_starts_at_once_agree(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _EIGHT_AT_ONCE],
        env={**environment(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    found = ran.stdout.split()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert os.listdir(tmp_path) == ["ops-password"]


def _readable_by_others(file: Path) -> None:
    file.write_text("known to all\n")
    file.chmod(0o640)


def _of_another_user(file: Path) -> None:
    file.write_text("known to them\n")
    file.chmod(0o600)
    os.chown(file, NOBODY, NOBODY)


def _a_link(file: Path) -> None:
    (file.parent / "elsewhere").write_text("x\n")
    (file.parent / "elsewhere").chmod(0o600)
    file.symlink_to(file.parent / "elsewhere")


def _empty(file: Path) -> None:
    file.touch(0o600)


def _a_folder(file: Path) -> None:
    file.mkdir()


def _a_pipe(file: Path) -> None:
    os.mkfifo(file, 0o600)


UNSAFE = [_readable_by_others, _of_another_user, _a_link, _empty, _a_folder, _a_pipe]


@pytest.mark.parametrize("spoil", UNSAFE)
def test_unsafe_file_opens_nothing_and_is_told_with_its_remedy(
    tmp_path: Path, spoil: object, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if spoil is _of_another_user and os.geteuid() != 0:
        pytest.skip("a file of another user: only root can make one")
    assert callable(spoil)
    spoil(tmp_path / "ops-password")
    settings = settings_of(tmp_path)
    with pytest.raises(Away, match="ops-password .*remove it"):
        passwords.kept_password(settings)
    with capture_logs() as lines:
        assert passwords.with_password(settings).ops_password is None  # the service starts all the same
    (line,) = lines
    assert (line["event"], line["log_level"]) == ("console_shut", "warning")
    assert "known to" not in str(line)
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    assert run(["ops"]) == 69
    assert "remove it" in capsys.readouterr().err


def test_home_that_cannot_be_written_opens_nothing(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    with capture_logs() as lines:
        assert passwords.with_password(settings_of(tmp_path / "home")).ops_password is None
    assert [line["event"] for line in lines] == ["console_shut"]


def test_password_is_announced_to_a_terminal_alone(tmp_path: Path) -> None:
    settings = passwords.with_password(settings_of(tmp_path, PORT="8123"))
    kept = StringIO()
    passwords.announce(settings, kept)
    assert kept.getvalue() == ""
    master, slave = pty.openpty()
    with open(slave, "w") as terminal:
        passwords.announce(settings, terminal)
    said = os.read(master, 4096).decode()
    os.close(master)
    assert said.strip() == f"Console: http://127.0.0.1:8123/ops/  user ops, password {settings.ops_password}"


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000/ops/"),
        ("0.0.0.0", "http://127.0.0.1:8000/ops/"),
        ("::", "http://[::1]:8000/ops/"),
        ("::1", "http://[::1]:8000/ops/"),
        ("afterword.internal", "http://afterword.internal:8000/ops/"),
    ],
)
def test_address_is_one_that_can_be_opened_here(tmp_path: Path, host: str, address: str) -> None:
    assert passwords.address(settings_of(tmp_path, HOST=host)) == address


def test_command_shows_address_and_password(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    assert run(["ops"]) == 1
    assert "none yet" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
    made = passwords.with_password(settings_of(tmp_path)).ops_password
    assert run(["ops"]) == 0
    assert made is not None
    said = capsys.readouterr().out
    assert made in said
    assert "http://127.0.0.1:8000/ops/" in said
    assert run(["ops", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "address": "http://127.0.0.1:8000/ops/",
        "metrics": "http://127.0.0.1:8000/metrics",
        "user": "ops",
        "password": made,
    }


def test_several_machines_need_the_setting(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    assert passwords.why_setting_needed(settings, {"one"}) is None
    said = passwords.why_setting_needed(settings, {"one", "two"})
    assert said is not None
    assert said.startswith("AFTERWORD_OPS_PASSWORD is missing")
    assert "one, two" in said
    made = settings_of(tmp_path, AFTERWORD_OPS_PASSWORD="x" * 20)
    assert passwords.why_setting_needed(made, {"one", "two"}) is None
