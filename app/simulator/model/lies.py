"""
What the simulated Recall says that is not so: the vocabulary, its checking, and which lie is due.

A lie is told through the side door (`POST /_sim/lies`) or carried by a recording's script (`lies`). What it
makes of an answer is in `lying`; this module is without HTTP.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

ROUTES = (
    "create", "list", "retrieve", "update", "delete", "recording_list", "recording", "recording_update",
    "recording_delete", "bot", "bot_list", "bot_create", "bot_update", "bot_delete", "bot_delete_media",
    "usage", "download",
)  # fmt: skip
_API = tuple(route for route in ROUTES if route != "download")
_LISTS = ("list", "recording_list")
_OF_TRANSCRIPTS = ("create", "list", "retrieve")
_STATUS, _SECONDS, _COUNT, _NONE = "a status from 200 to 599", "seconds", "a whole number of at least 1", ""
KINDS_OF_ANOTHER = ("", "marked", "sibling", "recording", "id", "made_up")

# Way: (what it takes, the routes it is possible on, the routes it is told on unless they are named).
WAYS: Mapping[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "status": (_STATUS, ROUTES, _API),
    "html": (_STATUS, ROUTES, _API),
    "blank": (_STATUS, ROUTES, _API),
    "cut": (_NONE, ROUTES, _API),
    "slow": (_SECONDS, ROUTES, _API),
    "forget": (_NONE, _API, _API),
    "another": ("?", (*_OF_TRANSCRIPTS, "recording"), _OF_TRANSCRIPTS),
    "late": (_SECONDS, _LISTS, ("list",)),
    "pages": (_COUNT, _LISTS, _LISTS),
}
_FIELDS = {
    "way", "routes", "recording_id", "transcript_id", "workspace", "cursor", "after", "times", "for_s",
    "headers",
}  # fmt: skip


class BadLie(ValueError):
    """A lie that does not exist; the message names what is wrong and says what is possible."""


@dataclass(slots=True)
class Lie:
    """
    One lie, and how often it was told.

    Attributes:
        routes: On which it is told, by the names of `calls` in the bill.
        recording_id, transcript_id: About which it is told; None is about any.
        workspace: To whose keys; None is to all.
        cursor: Only to list requests with (True) or without (False) a cursor; None is both.
        after: So many answers that match are the truth first.
        times: How often it is told; None is always.
        for_s: Simulated seconds from the first time it is told; None is for ever.
        headers: Sent with `status`, `html` and `blank`.
    """

    id: int
    way: str
    argument: str
    routes: frozenset[str]
    recording_id: str | None = None
    transcript_id: str | None = None
    workspace: str | None = None
    cursor: bool | None = None
    after: int = 0
    times: int | None = None
    for_s: float | None = None
    headers: tuple[tuple[str, str], ...] = ()
    told: int = 0
    until: float | None = None

    @property
    def seconds(self) -> float:
        """The argument as simulated seconds."""
        return float(self.argument)

    @property
    def number(self) -> int:
        """The argument as a status or a count."""
        return int(self.argument)

    def is_over(self, now: float) -> bool:
        """Whether it has been told often or long enough."""
        is_spent = self.times is not None and self.told >= self.times
        return is_spent or (self.until is not None and now >= self.until)

    def to_json(self) -> dict[str, Any]:
        """As `GET /_sim/lies` shows it."""
        way = f"{self.way}:{self.argument}" if self.argument else self.way
        about = {name: getattr(self, name) for name in ("recording_id", "transcript_id", "workspace")}
        return {"id": self.id, "way": way, "routes": sorted(self.routes), **about, "told": self.told}


@dataclass(frozen=True, slots=True)
class Question:
    """What an answer is about, as far as a lie cares; None is what the request does not name."""

    route: str
    recording_id: str | None = None
    transcript_id: str | None = None
    workspace: str = "default"
    has_cursor: bool = False


@dataclass
class LieBook:
    """All lies of one simulator; call with the world's lock held."""

    lies: list[Lie] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    _ids: Iterable[int] = field(default_factory=lambda: itertools.count(1))

    def add(self, lie: Lie, *, recording_id: str | None = None) -> Lie:
        """Begin it; a lie of a script is about its recording."""
        number = next(iter(self._ids))
        mine = replace(lie, id=number, recording_id=recording_id or lie.recording_id)
        self.lies.append(mine)
        return mine

    def end(self, lie_id: int | None) -> int:
        """End one, or all; how many there were."""
        left = [] if lie_id is None else [lie for lie in self.lies if lie.id != lie_id]
        ended, self.lies = len(self.lies) - len(left), left
        return ended

    def forget(self) -> None:
        """As after a reset."""
        self.lies, self.counts = [], {}

    def due(self, question: Question, *, now: float, ways: Iterable[str]) -> Lie | None:
        """The first lie of these ways that fits the question, counted as told."""
        for lie in self.lies:
            if lie.way in ways and not lie.is_over(now) and _fits(lie, question):
                if lie.after > 0:
                    lie.after -= 1
                    continue
                self.tell(lie, now=now)
                return lie
        return None

    def standing(self, way: str, *, now: float, route: str, workspace: str) -> list[Lie]:
        """The lies about rows of a list; `tell` counts those that hide one."""
        return [
            lie
            for lie in self.lies
            if lie.way == way
            and route in lie.routes
            and lie.workspace in (None, workspace)
            and not lie.is_over(now)
        ]

    def tell(self, lie: Lie, *, now: float) -> None:
        """Count it as told once; its time begins with the first."""
        lie.told += 1
        self.counts[lie.way] = self.counts.get(lie.way, 0) + 1
        if lie.for_s is not None and lie.until is None:
            lie.until = now + lie.for_s


def _fits(lie: Lie, question: Question) -> bool:
    return (
        question.route in lie.routes
        and lie.recording_id in (None, question.recording_id)
        and lie.transcript_id in (None, question.transcript_id)
        and lie.workspace in (None, question.workspace)
        and lie.cursor in (None, question.has_cursor)
    )


def parse_lies(raw: object, where: str) -> tuple[Lie, ...]:
    """The `lies` of a script. Raises BadLie."""
    if not isinstance(raw, list):
        raise BadLie(f"{where} must be a list of objects")
    return tuple(parse_lie(one) for one in raw)


def parse_lie(raw: object) -> Lie:
    """
    Check and read one lie.

    Raises:
        BadLie: an unknown name, way or route, or a value of the wrong kind.
    """
    given = raw if isinstance(raw, dict) else {"way": raw}
    if unknown := sorted(set(given) - _FIELDS):
        raise BadLie(f"unknown in a lie: {', '.join(unknown)} (known: {', '.join(sorted(_FIELDS))})")
    way, _, argument = str(given.get("way")).partition(":")
    if way not in WAYS:
        raise BadLie(f"way: {given.get('way')!r} is not one of {', '.join(WAYS)}")
    kind, possible, usual = WAYS[way]
    if not _takes(argument, kind):
        raise BadLie(f"way: {way!r} takes {_named(kind)}, not {given['way']!r}")
    return Lie(
        id=0,
        way=way,
        argument=argument,
        routes=_routes(given.get("routes"), possible, usual),
        recording_id=_text(given, "recording_id"),
        transcript_id=_text(given, "transcript_id"),
        workspace=_text(given, "workspace"),
        cursor=_flag(given, "cursor"),
        after=int(_number(given, "after") or 0),
        times=None if (times := _number(given, "times")) is None else int(times),
        for_s=_number(given, "for_s"),
        headers=_headers(given.get("headers", {})),
    )


def _takes(argument: str, kind: str) -> bool:
    if kind == "?":
        return argument in KINDS_OF_ANOTHER
    if kind == _NONE:
        return argument == ""
    if kind == _SECONDS:
        return argument.replace(".", "", 1).isdecimal()
    return argument.isdecimal() and (200 <= int(argument) <= 599 if kind == _STATUS else int(argument) >= 1)


def _named(kind: str) -> str:
    return f"nothing or one of {', '.join(KINDS_OF_ANOTHER[1:])}" if kind == "?" else kind or "no argument"


def _routes(raw: object, possible: tuple[str, ...], usual: tuple[str, ...]) -> frozenset[str]:
    if raw is None:
        return frozenset(usual)
    named = [raw] if isinstance(raw, str) else raw
    if not isinstance(named, list) or not named or not set(map(str, named)) <= set(possible):
        raise BadLie(f"routes: {raw!r} are not some of {', '.join(possible)}")
    return frozenset(map(str, named))


def _text(given: Mapping[str, object], name: str) -> str | None:
    value = given.get(name)
    if value is not None and not isinstance(value, str):
        raise BadLie(f"{name} must be a text")
    return value


def _flag(given: Mapping[str, object], name: str) -> bool | None:
    value = given.get(name)
    if value is not None and not isinstance(value, bool):
        raise BadLie(f"{name} must be true or false")
    return value


def _number(given: Mapping[str, object], name: str) -> float | None:
    value = given.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise BadLie(f"{name} must be a number that is not negative")
    return float(value)


def _headers(raw: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(raw, dict):
        raise BadLie("headers must be an object")
    return tuple((str(name), str(value)) for name, value in raw.items())
