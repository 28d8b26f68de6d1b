"""
The script a recording may carry: what goes wrong, at which step, the how-manieth time.

Only the vocabulary and its checking; effects live where the step is (creates, lifecycle, downloads, shapes).
A word is `name` or `name:argument`. Beyond the end of a list everything goes well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from app.simulator.meetings import attendance, odd_files, poor_results
from app.simulator.model.lies import Lie, parse_lies

STATUSES_BEFORE = (400, 402, 403, 404, 409, 429, 500, 502, 503, 504, 507)

_NONE, _SECONDS, _COUNT, _STATUS, _TEXT = (
    "",
    "seconds",
    "a whole number of at least 1",
    "a status code",
    "a word",
)

CREATES = {
    "ok": _NONE, "cut_after": _NONE, "cut_before": _NONE, "timeout_after": _SECONDS, "slow": _SECONDS,
    "status_after": _STATUS, "status_before": _STATUS, "refuse": _NONE, "no_id": _NONE, "html": _NONE,
    "done_before_answer": _NONE,
}  # fmt: skip
TRANSCRIPTS = {"done": _NONE, "failed": f"{_TEXT}?", "empty": _NONE, "never": _NONE, "huge": _COUNT}
DONE_WEBHOOKS = {
    "ok": _NONE, "drop": _NONE, "duplicate": _COUNT, "delay": _SECONDS, "forged_too": _NONE,
    "before_processing_ends": _NONE,
}  # fmt: skip
RECORDING_DONE = {
    "ok": _NONE, "drop": _NONE, "duplicate": _COUNT, "storm": _COUNT, "after_transcript_done": _NONE,
    "delay": _SECONDS,
}  # fmt: skip
CAPTIONS = {"done": _NONE, "failed": _NONE, "done_before_recording_done": _NONE}
DOWNLOADS = {
    "ok": _NONE, "expired": _NONE, "truncated": _NONE, "slow": _SECONDS, "gzip": _NONE, "blocked": _SECONDS,
    "404": _NONE,
}  # fmt: skip
RECORDING_STATES = {
    "done": _NONE, "processing": _SECONDS, "failed": _NONE, "deleted": _NONE, "expired": _NONE,
    "no_audio": _NONE, "zdr": _NONE, "unknown": _NONE,
}  # fmt: skip
BODIES = {**odd_files.KINDS, **poor_results.KINDS}
VOICES = {"ok": _NONE, "voices": _COUNT}
SHAPES_OF_BOT = ("object", "null", "missing")
TIMESTAMP_STYLES = ("Z", "offset")
PROVIDER_FORMS = ("alternate", "single", "all_keys", "several")


class BadScript(ValueError):
    """The script says something that does not exist; the message names it."""


@dataclass(frozen=True, slots=True)
class Word:
    """One step of a script: `timeout_after:40` is Word("timeout_after", "40")."""

    name: str
    argument: str = ""

    @property
    def seconds(self) -> float:
        """The argument as simulated seconds; 0 when there is none."""
        return float(self.argument or 0)

    @property
    def count(self) -> int:
        """The argument as a number (copies, a status code, megabytes)."""
        return int(self.argument)


@dataclass(frozen=True, slots=True)
class Shape:
    """How the JSON of this recording varies within what Recall documents."""

    bot: str | None = None  # else an object, and by turns where there is no bot
    extra_fields: bool = False
    timestamp_style: str = "Z"
    provider: str | None = None  # else as the settings say


@dataclass(frozen=True, slots=True)
class Script:
    """Everything scripted for one recording; see the README for what each word does."""

    creates: tuple[Word, ...] = ()
    transcripts: tuple[Word, ...] = ()
    transcribe_s: float | None = None
    done_webhook: tuple[Word, ...] = ()
    recording_done: Word = Word("ok")
    captions: Word | None = None
    download: tuple[Word, ...] = ()
    recording_state: Word = Word("done")
    payload_403: bool = False
    shape: Shape = Shape()
    bodies: tuple[Word, ...] = ()
    timeline: Word = Word("ok")
    participants: Word = Word("ok")
    hybrid: Word = Word("ok")
    lies: tuple[Lie, ...] = ()


def nth(words: tuple[Word, ...], number: int, *, default: str) -> Word:
    """The word for the `number`-th time, counted from 1."""
    return words[number - 1] if number <= len(words) else Word(default)


def parse_script(raw: object) -> Script:
    """
    Check and read the `script` of `POST /_sim/recordings`.

    Raises:
        BadScript: naming every unknown key, or the first word that is not in the vocabulary.
    """
    given = _object(raw, "script")
    _refuse_unknown(given, {field.name for field in fields(Script)}, "script")
    return Script(**{key: _READERS[key](value, key) for key, value in given.items()})


def _object(raw: object, where: str) -> Mapping[str, object]:
    if not isinstance(raw, dict):
        raise BadScript(f"{where} must be an object")
    return raw


def _refuse_unknown(given: Mapping[str, object], known: set[str], where: str) -> None:
    if unknown := sorted(set(given) - known):
        raise BadScript(f"unknown in {where}: {', '.join(unknown)} (known: {', '.join(sorted(known))})")


def _word(raw: object, where: str, vocabulary: Mapping[str, str]) -> Word:
    name, colon, argument = str(raw).partition(":")
    if name not in vocabulary:
        raise BadScript(f"{where}: {raw!r} is not one of {', '.join(vocabulary)}")
    kind = vocabulary[name]
    if kind.endswith("?") and not colon:
        return Word(name)
    if bool(colon) != bool(kind) or not _fits(argument, kind):
        raise BadScript(f"{where}: {name!r} takes {kind.rstrip('?') or 'no argument'}, not {raw!r}")
    return Word(name, argument)


def _fits(argument: str, kind: str) -> bool:
    match kind:
        case "seconds":
            return argument.replace(".", "", 1).isdecimal()
        case "a status code":
            return argument.isdecimal() and int(argument) in STATUSES_BEFORE
        case "a whole number of at least 1":
            return argument.isdecimal() and int(argument) >= 1
        case "":
            return argument == ""
        case _:
            return argument != ""


def _list_of(vocabulary: Mapping[str, str]) -> Callable[[object, str], tuple[Word, ...]]:
    def read(raw: object, where: str) -> tuple[Word, ...]:
        if not isinstance(raw, list):
            raise BadScript(f"{where} must be a list of words")
        return tuple(_word(item, where, vocabulary) for item in raw)

    return read


def _one_of(vocabulary: Mapping[str, str]) -> Callable[[object, str], Word]:
    return lambda raw, where: _word(raw, where, vocabulary)


def _flag(raw: object, where: str) -> bool:
    if not isinstance(raw, bool):
        raise BadScript(f"{where} must be true or false")
    return raw


def _seconds(raw: object, where: str) -> float:
    if isinstance(raw, bool) or not isinstance(raw, int | float) or raw < 0:
        raise BadScript(f"{where} must be a number of seconds")
    return float(raw)


def _shape(raw: object, where: str) -> Shape:
    given = _object(raw, where)
    _refuse_unknown(given, {field.name for field in fields(Shape)}, where)
    shape = Shape(
        bot=None if given.get("bot") is None else str(given["bot"]),
        extra_fields=_flag(given.get("extra_fields", False), "shape.extra_fields"),
        timestamp_style=str(given.get("timestamp_style", "Z")),
        provider=None if given.get("provider") is None else str(given["provider"]),
    )
    if shape.bot not in (None, *SHAPES_OF_BOT) or shape.timestamp_style not in TIMESTAMP_STYLES:
        raise BadScript(f"shape: bot is one of {SHAPES_OF_BOT}, timestamp_style one of {TIMESTAMP_STYLES}")
    if shape.provider not in (None, *PROVIDER_FORMS):
        raise BadScript(f"shape: provider is one of {PROVIDER_FORMS}")
    return shape


_READERS: Mapping[str, Callable[[Any, str], Any]] = {
    "creates": _list_of(CREATES),
    "transcripts": _list_of(TRANSCRIPTS),
    "transcribe_s": _seconds,
    "done_webhook": _list_of(DONE_WEBHOOKS),
    "recording_done": _one_of(RECORDING_DONE),
    "captions": _one_of(CAPTIONS),
    "download": _list_of(DOWNLOADS),
    "recording_state": _one_of(RECORDING_STATES),
    "payload_403": _flag,
    "shape": _shape,
    "bodies": _list_of(BODIES),
    "timeline": _one_of(attendance.TIMELINES),
    "participants": _one_of(attendance.PARTICIPANTS),
    "hybrid": _one_of(VOICES),
    "lies": parse_lies,
}
