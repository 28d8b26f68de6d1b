"""What a start costs: the models are not loaded by what reads no settings."""

from __future__ import annotations

import subprocess
import sys

import pytest

from app.settings.program_name import ROOT

PROGRAM = """
import sys
sys.argv = ["afterword", *{arguments!r}]
from app.__main__ import main
code = main()
print(code, sorted(name for name in ("pydantic", "pydantic_core") if name in sys.modules), file=sys.stderr)
"""


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["no-such-command"]])
def test_a_call_that_reads_no_settings_loads_no_models(arguments: list[str]) -> None:
    ran = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM.format(arguments=arguments)],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stderr.splitlines()[-1].endswith(" []"), ran.stderr
