"""
The shape of the table: what stands in the column of a provider, in one form of its options. PURE.

A cell is the part of the request that says the intent; None, that the provider cannot be told it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from app.recall.translation.codes import Codes
from app.recall.translation.outcome import Generation

Options = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Languages:
    """How languages are named: in which codes, and where these stand. `say` may know no request for them."""

    codes: Codes
    say: Callable[[tuple[str, ...]], Options | None]


@dataclass(frozen=True, slots=True)
class Switch:
    """An intent that is on or off."""

    on: Options | None
    off: Options | None
    off_only_in: frozenset[str] | None = None  # codes of the languages in which `off` is read; None: all


@dataclass(frozen=True, slots=True)
class Filter:
    """An intent that is on or absent."""

    on: Options
    only_in: frozenset[str] | None = None  # codes of its languages; None: all


@dataclass(frozen=True, slots=True)
class Speakers:
    say: Callable[[int], Options]
    at_least: int = 1
    at_most: int | None = None

    def takes(self, number: int) -> bool:
        return self.at_least <= number and (self.at_most is None or number <= self.at_most)


@dataclass(frozen=True, slots=True)
class Terms:
    say: Callable[[tuple[str, ...]], Options]
    at_most: int | None = None
    at_most_in_english: int | None = None  # where that differs
    fits: Callable[[str], bool] = lambda term: True


@dataclass(frozen=True, slots=True)
class Spelling:
    """`say` takes (as heard, as to be written)."""

    say: Callable[[tuple[tuple[str, str], ...]], Options]
    at_most: int | None = None
    fits: Callable[[str, str], bool] = lambda heard, written: True


@dataclass(frozen=True, slots=True)
class Redaction:
    """`say` takes the kinds among "pii", "pci", "phi", "numbers" that the provider knows."""

    say: Callable[[tuple[str, ...]], Options]
    kinds: tuple[str, ...]
    only_in: Mapping[str, frozenset[str]] = field(default_factory=dict)  # kind -> codes of its languages
    weaker: Mapping[str, str] = field(default_factory=dict)  # what is sent, though less, for a kind left out


@dataclass(frozen=True, slots=True)
class Model:
    """One way to be transcribed by a provider."""

    name: str
    options: Options
    longest_s: float | None = None  # None: no limit is known
    lacks: tuple[str, ...] = ()  # cells of the column that this model does not have


_UNNAMED = Model("", {})


@dataclass(frozen=True, slots=True)
class Column:
    """One provider, in one form of its options."""

    one: Languages
    models: tuple[Model, ...] = ()  # the first is sent, the next after a refusal; none: it is told none
    longest_s: float | None = None  # where the models do not differ
    always: Options = field(default_factory=dict)
    auto: Options | None = None  # find out the one language
    auto_switching: Options | None = None  # several within one recording, whichever
    among: Languages | None = None  # one of these
    among_switching: Languages | None = None  # several of these
    diarization: Switch = Switch(None, {})  # the provider's own, off unless it says otherwise
    speakers: Speakers | None = None
    key_terms: Terms | None = None
    spelling: Spelling | None = None
    profanity_filter: Filter | None = None
    redact: Redaction | None = None
    punctuation: Switch = Switch({}, None)
    fillers: Switch = Switch(None, {})  # on: they are kept
    doubtful: tuple[str, ...] = ()  # intents that are sent, but that sources disagree on: not counted on

    def ways(self) -> tuple[Model, ...]:
        """The models; where none can be named, the provider's own without a name."""
        return self.models or (_UNNAMED,)

    def limit_s(self, model: Model) -> float:
        limits = [limit for limit in (self.longest_s, model.longest_s) if limit is not None]
        return min(limits, default=float("inf"))


@dataclass(frozen=True, slots=True)
class Provider:
    """
    `schema` is that of Recall's older form: "closed" refuses a name of the vendor's with a 400, "open"
    ignores it silently (so what stands in that form is what both read), "one": no second form is known.
    """

    schema: Literal["one", "open", "closed"]
    vendor: Column
    recall: Column

    def column(self, generation: Generation) -> Column:
        return self.vendor if generation == "vendor" else self.recall
