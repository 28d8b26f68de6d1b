"""The start-up rows are differences between commands that ran."""

from __future__ import annotations

import sys

import pytest

from app.errors import Away
from tests.bench import startup


@pytest.mark.slow
def test_commands_take_turns_and_each_is_timed_as_often() -> None:
    took = startup.in_turns({"slow": [sys.executable, "-c", "sum(range(3_000_000))"], "quick": ["true"]}, 2)
    assert {name: len(times) for name, times in took.items()} == {"slow": 2, "quick": 2}
    assert min(took["slow"]) > max(took["quick"])


def test_a_command_that_fails_is_no_time() -> None:
    with pytest.raises(Away, match="ended with 3"):
        startup.in_turns({"broken": [sys.executable, "-c", "raise SystemExit(3)"]}, 1)
