"""The making of `.venv`: once, whole, and again whenever what it was made from is no longer so."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.launcher.clone import REAL_PYTHON, Clone, finish, write_script

pytestmark = pytest.mark.slow

# What the launcher calls besides a Python.
TOOLS = ("cat", "cksum", "grep", "mkdir", "readlink", "rm", "sed", "sh", "tail")


@pytest.fixture
def tools_only(tmp_path: Path) -> str:
    """A PATH on which there is no Python of any version."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found is not None
        (folder / tool).symlink_to(found)
    return str(folder)


def test_two_first_runs_at_once_both_work_and_install_once(of_pip: Clone) -> None:
    first, second = of_pip.start("list"), of_pip.start("show", "x")
    assert [finish(first).said["base"], finish(second).said["arguments"]] == ["1.0", ["show", "x"]]
    assert of_pip.builds == 1


@pytest.mark.parametrize("moment", [".venv/bin", "paused"], ids=["while venv is made", "while pip works"])
def test_killed_in_the_middle_is_made_anew_by_the_next_run(fresh: Clone, moment: str) -> None:
    (fresh.root / "pause").touch()
    process = fresh.start("list")
    fresh.wait_for(moment)
    os.killpg(process.pid, signal.SIGKILL)
    assert finish(process).code == -signal.SIGKILL
    (fresh.root / "pause").unlink()
    leftover = fresh.venv / "left-over"
    leftover.touch()
    run = fresh.run("list")
    assert run.said["base"] == "1.0"
    assert "first run" in run.err
    assert not leftover.exists()


@pytest.mark.parametrize(
    ("clone", "whole_group"), [("of_pip", True), ("fresh", False)], ids=["terminal", "launcher alone"]
)
def test_ctrl_c_ends_with_130_and_the_next_run_mends(
    request: pytest.FixtureRequest, clone: str, *, whole_group: bool
) -> None:
    """In a terminal pip hears it, too; else it gets the launcher's SIGTERM, as any program would."""
    fresh: Clone = request.getfixturevalue(clone)
    (fresh.root / "pause").touch()
    process = fresh.start("list")
    fresh.wait_for("paused")
    if whole_group:
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.send_signal(signal.SIGINT)
    assert finish(process).code == 130
    (fresh.root / "pause").unlink()
    assert fresh.run("list").said["base"] == "1.0"


def test_run_beside_one_that_was_killed_alone_waits_for_its_orphaned_pip(fresh: Clone) -> None:
    """SIGKILL of the shell leaves pip at work; two pips in one .venv would break it."""
    (fresh.root / "pause").touch()
    process = fresh.start("list")
    fresh.wait_for("paused")
    process.kill()
    second = fresh.start("list")
    assert second.stderr is not None
    assert "waiting" in second.stderr.readline()
    (fresh.root / "pause").unlink()
    finish(process)
    assert finish(second).said["base"] == "1.0"


@pytest.mark.parametrize("clone", ["of_pip", "ready"])
def test_changed_lock_is_installed_and_unchanged_one_is_not(
    request: pytest.FixtureRequest, clone: str
) -> None:
    ready: Clone = request.getfixturevalue(clone)
    assert ready.run("list").said["base"] == "1.0"
    ready.lock("tiny-base", "2.0", file="requirements.lock")
    updated = ready.run("list")
    assert updated.said["base"] == "2.0"
    assert "up to date" in updated.err
    assert ready.run("list").err == ""
    assert ready.builds == 1


def test_only_the_commands_that_test_install_the_test_packages(ready: Clone) -> None:
    assert ready.run("demo").said["tests"] is None
    for version, command in enumerate(["test", "chaos", "mutate", "bench"], start=1):
        ready.lock("tiny-tests", f"{version}.0", file="requirements-test.lock")
        assert ready.run("demo").err == ""
        assert ready.run(command).said["tests"] == f"{version}.0"


def test_test_packages_that_cannot_be_had_leave_the_rest_working(ready: Clone) -> None:
    offline = ready.run("test", env={"PIP_FIND_LINKS": ""})
    assert offline.code == 69
    assert ready.run("demo").err == ""
    online = ready.run("test")
    assert online.said["tests"] == "1.0"
    assert "first run" not in online.err


def test_moved_clone_does_not_run_the_code_of_the_old_place(ready: Clone) -> None:
    copy = Clone(ready.root.with_name("copy"), ready.wheels, ready.python)
    shutil.copytree(ready.root, copy.root, symlinks=True)
    assert Path(copy.run("list").said["file"]).is_relative_to(copy.root)


def test_venv_whose_interpreter_is_gone_is_made_anew(ready: Clone) -> None:
    for link in ready.venv.glob("bin/python*"):
        link.unlink()
        link.symlink_to("/nowhere/python3")
    assert ready.run("list").said["base"] == "1.0"


def test_stale_venv_is_remade_although_it_is_the_activated_one(ready: Clone, tools_only: str) -> None:
    """Every Python on the path is then the very interpreter that is about to be removed."""
    (ready.venv / ".afterword" / "place").unlink()
    path = f"{ready.venv / 'bin'}:{tools_only}"
    assert ready.run("list", env={"AFTERWORD_PYTHON": "", "PATH": path}).said["base"] == "1.0"


def test_network_away_on_the_first_run_is_one_sentence_and_69(of_pip: Clone) -> None:
    offline = of_pip.run("list", env={"PIP_FIND_LINKS": "", "PIP_NO_INDEX": "0", "PIP_RETRIES": "1"})
    assert offline.code == 69
    assert offline.out == ""
    assert "could not be downloaded" in offline.err.splitlines()[-1]
    assert "Traceback" not in offline.err
    assert of_pip.run("list").said["base"] == "1.0"


def test_full_disk_is_one_sentence_and_69_and_the_next_run_mends(fresh: Clone) -> None:
    """What is written is in memory, which a disk of that kind lets be as small as one likes."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(fresh.root)]
    kept = fresh.root.with_name("kept")
    shutil.copytree(fresh.root, kept)
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a full disk: mounting needs root")
    try:
        shutil.copytree(kept, fresh.root, dirs_exist_ok=True)
        filler = fresh.root / "filler"
        with filler.open("wb", buffering=0) as stream, suppress(OSError):
            while True:
                stream.write(b"x" * 1024)
        full = fresh.run("list")
        assert full.code == 69
        assert full.err.splitlines()[-1].startswith(f"afterword: the disk of {fresh.root} is full")
        filler.unlink()
        subprocess.run([*mount[:4], "remount,size=64m", *mount[5:]], check=True)
        assert fresh.run("list").said["base"] == "1.0"
    finally:
        subprocess.run(["umount", "--lazy", str(fresh.root)], check=False)


@pytest.mark.parametrize("lock", [f"tiny-base==1.0 --hash=sha256:{'0' * 64}\n", "tiny-base==1.0\n"])
def test_package_with_another_hash_or_none_is_refused(of_pip: Clone, lock: str) -> None:
    (of_pip.root / "requirements.lock").write_text(lock)
    run = of_pip.run("list")
    assert run.code == 69
    assert "hash" in run.err.splitlines()[-1].lower()


@pytest.mark.parametrize("line", ["echo Python 3.9.18", "echo 3.9", "exit 127", ""])
def test_python_too_old_is_one_sentence_that_says_what_to_do(
    fresh: Clone, tools_only: str, tmp_path: Path, line: str
) -> None:
    old = write_script(tmp_path / "python3", [line])
    run = fresh.run("list", env={"AFTERWORD_PYTHON": str(old), "PATH": tools_only})
    assert run.code == 69
    [sentence] = run.err.splitlines()
    assert "needs Python 3.11 or newer" in sentence
    assert "AFTERWORD_PYTHON" in sentence
    assert not fresh.venv.exists()


def test_python_on_the_path_is_taken_when_the_named_one_is_too_old(fresh: Clone, tmp_path: Path) -> None:
    old = write_script(tmp_path / "python3", ["echo Python 3.9.18"])
    good = fresh.run("list", env={"AFTERWORD_PYTHON": str(old)})
    assert good.code == 0
    assert "AFTERWORD_PYTHON" in good.err


@pytest.mark.parametrize("missing", ["venv", "ensurepip"])
def test_python_without_venv_is_one_sentence_with_the_remedy(
    fresh: Clone, tools_only: str, tmp_path: Path, missing: str
) -> None:
    lines = [
        'case "$*" in *"-m venv"*)',
        f"    echo \"ModuleNotFoundError: No module named '{missing}'\" >&2",
        "    exit 1 ;;",
        "esac",
        f'exec "{REAL_PYTHON}" "$@"',
    ]
    crippled = write_script(tmp_path / "python3", lines)
    run = fresh.run("list", env={"AFTERWORD_PYTHON": str(crippled), "PATH": tools_only})
    assert run.code == 69
    assert "apt install python3-venv" in run.err.splitlines()[-1]
    assert "AFTERWORD_PYTHON" in run.err.splitlines()[-1]


def test_update_under_a_running_service_is_refused_naming_it_and_done_once_it_has_ended(ready: Clone) -> None:
    service = ready.start("stay")
    ready.wait_for("staying")
    ready.lock("tiny-base", "2.0", file="requirements.lock")
    refused = ready.run("list")
    assert refused.code == 75
    assert "stop it first" in refused.err
    assert not sys.platform.startswith("linux") or f"process {service.pid}: " in refused.err
    assert refused.out == ""
    test_packages = ready.run("test")
    assert test_packages.code == 75, "whatever has to be installed"
    (ready.root / "staying").unlink()
    assert finish(service).said["base"] == "1.0"
    assert ready.run("list").said["base"] == "2.0"


def test_child_of_a_killed_service_keeps_the_packages_as_they_are(ready: Clone) -> None:
    (ready.root / "staying").touch()
    source = (
        "import os, pathlib, sys, time; from app.processes import venv_lock; venv_lock.hold()\n"
        "if os.fork(): os._exit(0)\n"
        "while pathlib.Path('staying').exists(): time.sleep(0.02)"
    )
    subprocess.run([ready.venv / "bin" / "python", "-c", source], cwd=ready.root, check=True, timeout=20)
    ready.lock("tiny-base", "2.0", file="requirements.lock")
    assert ready.run("list").code == 75
    (ready.root / "staying").unlink()
    assert ready.run("list").said["base"] == "2.0"


def test_running_service_hinders_nothing_but_a_change(ready: Clone) -> None:
    service = ready.start("stay")
    ready.wait_for("staying")
    assert ready.run("show", "x").said["arguments"] == ["show", "x"]
    (ready.root / "staying").unlink()
    assert finish(service).code == 0


def test_program_started_by_hand_while_pip_works_does_not_mix_versions(ready: Clone) -> None:
    (ready.venv / ".afterword" / "project").write_text("0 0\n")
    (ready.root / "pause").touch()
    updating = ready.start("list")
    ready.wait_for("paused")
    by_hand = subprocess.run(
        [ready.venv / "bin" / "python", "-m", "app", "list"],
        cwd=ready.root, capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert by_hand.returncode == 75
    assert "being brought up to date" in by_hand.stderr
    (ready.root / "pause").unlink()
    assert finish(updating).code == 0


def test_two_updates_at_once_both_work_and_install_once(ready: Clone) -> None:
    ready.lock("tiny-base", "2.0", file="requirements.lock")
    first, second = ready.start("list"), ready.start("list")
    assert [finish(first).said["base"], finish(second).said["base"]] == ["2.0", "2.0"]
