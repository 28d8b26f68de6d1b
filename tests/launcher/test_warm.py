"""The launcher when `.venv` is there: it must be cheap, quiet and the same from everywhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.launcher.clone import Clone, write_script

pytestmark = pytest.mark.slow


def test_arguments_with_blanks_reach_the_application_unchanged(made: Clone) -> None:
    run = made.run("show", "a b", "", "*", "$HOME", "--json")
    assert run.said["arguments"] == ["show", "a b", "", "*", "$HOME", "--json"]
    assert run.err == ""


def test_another_working_directory_is_kept_and_not_searched_for_code(made: Clone, tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__init__.py").touch()
    (tmp_path / "app" / "__main__.py").write_text("raise SystemExit('the wrong app')")
    for env in ({}, {"PYTHONPATH": str(tmp_path)}):  # another project's, as an editor's terminal has it
        said = made.run("list", cwd=tmp_path, env=env).said
        assert said["cwd"] == str(tmp_path)
        assert Path(said["file"]) == made.root / "app" / "__main__.py"


def test_chain_of_relative_and_absolute_symlinks_leads_to_the_clone(made: Clone, tmp_path: Path) -> None:
    (tmp_path / "bin dir").mkdir()
    (tmp_path / "bin dir" / "first").symlink_to(made.launcher)
    (tmp_path / "second").symlink_to("bin dir/first")
    assert Path(made.run("list", via=tmp_path / "second").said["file"]).is_relative_to(made.root)


def test_second_run_needs_neither_network_nor_the_package_folder(made: Clone) -> None:
    assert made.run("list", env={"PIP_FIND_LINKS": ""}).said["base"] == "1.0"


def test_warm_run_starts_no_pip(made: Clone) -> None:
    [pip] = made.venv.glob("lib/python*/site-packages/pip/__main__.py")
    before = pip.read_text()
    pip.write_text("import pathlib, sys; pathlib.Path(sys.prefix, 'pip-was-called').touch(); sys.exit(1)")
    try:
        assert made.run("list").code == 0
        assert not (made.venv / "pip-was-called").exists()
    finally:
        pip.write_text(before)


def test_warm_run_adds_well_under_a_fifth_of_a_second(made: Clone) -> None:
    direct = write_script(made.root / "direct", [f'exec "{made.venv}/bin/python" -P -m app "$@"'])

    def best_s(via: Path) -> float:
        taken: list[float] = []
        for _ in range(5):
            before = os.times()
            assert made.run("list", via=via).code == 0
            after = os.times()  # of children that have ended: processor time, whatever else the machine does
            user_s, system_s = after[2] - before[2], after[3] - before[3]
            taken.append(user_s + system_s)
        return min(taken)

    assert best_s(made.launcher) - best_s(direct) < 0.1


def test_application_does_not_inherit_the_lock(fresh: Clone) -> None:
    """Held by a running service, it would keep every later making of `.venv` waiting for ever."""
    assert fresh.run("up").said["lock_is_open"] is False


def test_exit_code_of_the_application_is_the_launchers(made: Clone, tmp_path: Path) -> None:
    sentinel = made.root / "app" / "__main__.py"
    before = sentinel.read_text()
    sentinel.write_text("raise SystemExit(75)")
    try:
        assert made.run("up").code == 75
    finally:
        sentinel.write_text(before)


def test_incomplete_clone_is_a_configuration_error_that_names_the_file(tmp_path: Path, made: Clone) -> None:
    (tmp_path / "afterword").write_bytes(made.launcher.read_bytes())
    (tmp_path / "afterword").chmod(0o755)
    run = made.run(via=tmp_path / "afterword")
    assert run.code == 78
    assert "requirements.lock" in run.err
