"""The copy that is mutated is the same program, with its properties and conditions open to mutation."""

from __future__ import annotations

from app.settings.program_name import ROOT
from tests.mutate.prepare import opened
from tests.mutate.results import Mutant, equivalents

SOURCE = """
class Line:
    @property
    def is_open(self) -> bool:
        return self.ordinal > 0 or self.is_kept

    @staticmethod
    def other() -> int:
        return 1


def chosen(line: Line) -> int:
    if line.is_open or line.is_kept:
        return 1
    elif not line.ordinal:
        return 2
    return 3
"""


def test_a_property_is_a_method_and_each_condition_has_a_second_operand() -> None:
    code = opened(SOURCE)
    assert "    def get_is_open(self) -> bool:" in code
    assert "    is_open = property(get_is_open)" in code
    assert "    @staticmethod\n    def other()" in code
    assert "    if (line.is_open or line.is_kept) and True:" in code
    assert "    elif (not line.ordinal) and True:" in code


def test_the_copy_answers_as_the_source_does() -> None:
    answers = []
    for code in (SOURCE, opened(SOURCE)):
        names: dict[str, object] = {}
        exec(compile(code, "line.py", "exec"), names)
        line = names["Line"]()  # type: ignore[operator]
        for line.ordinal, line.is_kept in ((0, False), (0, True), (2, False)):
            answers.append((line.is_open, names["chosen"](line)))  # type: ignore[operator]
    assert answers[:3] == answers[3:] == [(False, 2), (True, 1), (True, 1)]


def test_a_mutant_that_hangs_is_found_out_and_one_without_a_test_is_not() -> None:
    assert Mutant("x", "y", "timeout").is_found_out
    assert not Mutant("x", "y", "no tests").is_found_out
    assert not Mutant("x", "y", "not checked").is_run


def test_every_equivalent_mutant_has_its_reason() -> None:
    assert equivalents(ROOT / "tests/core/equivalent_mutants.toml")
