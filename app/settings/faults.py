"""
What is wrong with the settings, collected while they are read: each fault a sentence that begins with the
name of its setting, and says where it stands when that is `.env`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from app.settings.used_by_command import POLICY

Say = Callable[[str], None]


def nearest(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """The known name that was most likely meant."""
    return next(iter(difflib.get_close_matches(name, list(known), 1, cutoff=cutoff)), None)


class Fault(NamedTuple):
    """A sentence, and the settings it is about; without any it is about all of them (a line of `.env`)."""

    sentence: str
    names: frozenset[str]

    def is_about(self, names: Collection[str]) -> bool:
        return not self.names or not self.names.isdisjoint(names)


class Faults:
    """
    Those found, and what a check needs besides the value it is about.

    Attributes:
        given: Every variable, from wherever it came, by its name.
        lines: Of `.env`, by the name of what stands there.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.is_isolated = root, False
        self.given: Mapping[str, str] = {}
        self.lines: dict[str, int] = {}
        self.found: list[Fault] = []
        self.warnings: list[str] = []

    @property
    def names(self) -> frozenset[str]:
        """Of the settings with a fault."""
        return frozenset().union(*(fault.names for fault in self.found))

    def add(self, name: str, text: str) -> None:
        """
        Args:
            text: Without the full stop. What begins with a blank goes on with the name, without a colon.
        """
        sentence = name + text if text.startswith(" ") else f"{name}: {text}"
        place = f" (.env, line {self.lines[name]})" if name in self.lines else ""
        end = "?" if sentence.endswith("?") else "."
        about = frozenset({name, name.removesuffix("_FILE")})
        self.found.append(Fault(sentence.rstrip(".?") + place + end, about))

    def add_of_policy(self, sentence: str) -> None:
        self.found.append(Fault(sentence, POLICY))

    def add_of_file(self, sentence: str) -> None:
        """Of `.env` as a whole, or a line of it without a name."""
        self.found.append(Fault(sentence, frozenset()))

    def warn(self, sentence: str) -> None:
        self.warnings.append(sentence)
