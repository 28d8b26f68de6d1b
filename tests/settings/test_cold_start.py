"""What a start costs: nothing is loaded that the call does not use."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.settings.environment import load_settings
from app.settings.program_name import ROOT
from tests import migrated
from tests.process_checks import settings_without_recall

PROGRAM = """
import sys
sys.argv = ["afterword", *{arguments!r}]
from app.__main__ import main
code = main()
looked_at = ("pydantic", "pydantic_core", "alembic", "sqlalchemy")
print(code, sorted(name for name in looked_at if name in sys.modules), file=sys.stderr)
"""


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["no-such-command"]])
def test_a_call_that_reads_no_settings_loads_no_models(arguments: list[str]) -> None:
    assert loaded_by(arguments, {}) == []


@pytest.mark.slow
def test_a_command_that_reads_a_database_of_this_version_does_not_load_what_changes_it(
    tmp_path: Path,
) -> None:
    environment = settings_without_recall(tmp_path)
    migrated.migrate(load_settings(environment))
    assert loaded_by(["list"], environment) == ["pydantic", "pydantic_core", "sqlalchemy"]


def loaded_by(arguments: list[str], environment: dict[str, str]) -> Any:
    ran = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM.format(arguments=arguments)],
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    code, _, loaded = ran.stderr.splitlines()[-1].partition(" ")
    assert code in ("0", "2"), ran.stderr
    return ast.literal_eval(loaded)
