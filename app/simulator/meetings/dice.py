"""
Chance that falls the same way on every machine, for the simulator's meetings.

Uses nothing of `random.Random` but `random()`: that sequence alone is promised to stay the same in later
versions of Python.
Source: https://docs.python.org/3/library/random.html#notes-on-reproducibility
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")


class Dice:
    """One stream of chance, settled by its salt."""

    __slots__ = ("_random",)

    def __init__(self, *salt: object) -> None:
        """Begin a stream; equal salts give equal streams, and different purposes want different salts."""
        self._random = Random("/".join(map(str, salt)))

    def between(self, low: float, high: float) -> float:
        """A number, low <= x < high."""
        return low + (high - low) * self._random.random()

    def one_of(self, options: Sequence[T]) -> T:
        """One of at least one option, each as likely."""
        return options[int(self._random.random() * len(options))]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """All items in a new order."""
        drawn = [(self._random.random(), place) for place in range(len(items))]
        return [items[place] for _, place in sorted(drawn)]
