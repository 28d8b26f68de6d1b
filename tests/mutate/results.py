"""What became of each mutant, and which of the survivors are listed as the same program."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.stats import status_by_exit_code
from mutmut.utils.file_utils import change_cwd

_FOUND_OUT = {"killed", "timeout", "caught by type check", "segfault"}


@dataclass(frozen=True)
class Mutant:
    """
    Attributes:
        name: mutmut's, e.g. `app.core.machine.x_decide__mutmut_3`.
        path: The mutated file.
        status: mutmut's word; anything but the ones that mean "found out" is a survivor.
    """

    name: str
    path: str
    status: str

    @property
    def is_found_out(self) -> bool:
        return self.status in _FOUND_OUT

    @property
    def is_run(self) -> bool:
        return self.status != "not checked"


@dataclass(frozen=True)
class Change:
    """A mutant by what it changes, which outlives the numbers that mutmut gives."""

    function: str
    was: str
    becomes: str

    def __str__(self) -> str:
        return "\n".join(
            [self.function]
            + [f"    - {line}" for line in self.was.splitlines()]
            + [f"    + {line}" for line in self.becomes.splitlines()]
        )


def mutants(scratch: Path) -> list[Mutant]:
    """All of the last run."""
    found: list[Mutant] = []
    for meta in sorted((scratch / "mutants").rglob("*.py.meta")):
        path = str(meta.relative_to(scratch / "mutants")).removesuffix(".meta")
        codes = json.loads(meta.read_text("utf-8"))["exit_code_by_key"]
        found += [Mutant(name, path, status_by_exit_code[code]) for name, code in codes.items()]
    return found


def changes(scratch: Path, survivors: list[Mutant]) -> Iterator[tuple[Mutant, Change]]:
    with change_cwd(scratch):
        for mutant in survivors:
            yield mutant, _change(mutant)


def _change(mutant: Mutant) -> Change:
    lines = get_diff_for_mutant(mutant.name, path=mutant.path).splitlines()[2:]
    was, becomes = (
        "\n".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in ("-", "+")
    )
    function = mutant.name.rpartition("__mutmut_")[0].replace(".x_", ".").replace("xǁ", "").replace("ǁ", ".")
    return Change(function, was, becomes)


def equivalents(listed: Path) -> set[Change]:
    """Mutants that are the same program, each with its reason: no test can find them out."""
    if not listed.is_file():
        return set()
    entries = tomllib.loads(listed.read_text("utf-8"))["mutant"]
    assert all(entry["why"] for entry in entries)
    return {Change(entry["function"], entry["was"], entry["becomes"]) for entry in entries}
