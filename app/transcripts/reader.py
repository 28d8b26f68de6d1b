"""
Recall's transcript JSON, read turn by turn.

Knows the shape (https://docs.recall.ai/docs/async-transcription): a list of
`{"participant", "language_code", "words": [{"text", "start_timestamp", "end_timestamp"}]}`.
Refuses to interpret: no merging, no naming, no cleaning of text.

Tolerant where a field is optional, strict where a misreading would look like silence: a
transcript in which *no* turn has words, or *no* word has a text, is a format we do not know
and not an empty meeting. Taken for empty it would buy another transcript.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, BinaryIO

import ijson

from app.errors import TranscriptUnreadable
from app.transcripts.model import Turn, Word

PIECE_WORDS = 1_000
"""A turn is handed out in pieces of this many words, so that a monologue of hours stays small in memory."""

MAX_DEPTH = 64
"""Recall nests six deep. Counted in unknown fields only: the known ones are read by shape."""

MAX_TIME_S = 1_000_000.0
"""Eleven days. A larger number is not a time in a recording (an epoch, say), and is read as unknown."""

_Event = tuple[str, Any]
_Pull = Callable[[], _Event]

_OPENING = frozenset({"start_map", "start_array"})
_CLOSING = frozenset({"end_map", "end_array"})
_LANGUAGE = re.compile(r"[A-Za-z0-9]{1,8}(?:[-_][A-Za-z0-9]{1,8}){0,4}")


def read_turns(source: BinaryIO) -> Iterator[Turn]:
    """
    Read a transcript as a stream.

    Args:
        source: Binary file, as downloaded.

    Yields:
        Turns in the order of the file, empty ones too. One of more than `PIECE_WORDS` words comes
        in pieces, provided that participant and language precede its words, as Recall writes them.

    Raises:
        TranscriptUnreadable: Not whole, not valid, not the known shape. Possibly after some turns.
        OSError: From the file itself; that is trouble on our side, not the transcript's.
    """
    try:
        # Not `use_float`: with it yajl refuses a transcript for one integer of 64 bits in a field we skip.
        yield from _read_array(ijson.basic_parse(source))
        return
    except (ijson.JSONError, ValueError, ArithmeticError, SystemError):
        # Bad UTF-8 is a ValueError, and absurd numbers are any of the last three, by parser and version.
        # Passed over and not chained: the parser's message quotes the transcript.
        pass
    raise TranscriptUnreadable("not one whole JSON document in UTF-8")


@dataclass(slots=True)
class _Seen:
    """What would tell an unknown format from a silent meeting."""

    turns: int = 0
    word_lists: int = 0
    words: int = 0
    texts: int = 0

    def check(self) -> None:
        if self.turns and not self.word_lists:
            raise TranscriptUnreadable("no turn has words: not the format we know")
        if self.words and not self.texts:
            raise TranscriptUnreadable("no word has a text: not the format we know")


def _read_array(events: Iterator[_Event]) -> Iterator[Turn]:
    pull = events.__next__
    if pull()[0] != "start_array":
        raise TranscriptUnreadable("not a list of turns")
    seen = _Seen()
    while (event := pull()[0]) != "end_array":
        seen.turns += 1
        if event != "start_map":
            raise TranscriptUnreadable(f"turn {seen.turns} is not an object")
        yield from _read_turn(pull, seen)
    seen.check()
    # The parser reports garbage after the list only when asked for more.
    next(events, None)


@dataclass(slots=True)
class _Draft:
    """A turn while it is read. `known` holds the fields that came so far."""

    participant_id: str | None = None
    name: str | None = None
    language: str | None = None
    words: list[Word] = field(default_factory=list)
    known: set[str] = field(default_factory=set)

    def may_be_cut(self) -> bool:
        return len(self.words) >= PIECE_WORDS and {"participant", "language_code"} <= self.known

    def take(self) -> Turn:
        words, self.words = tuple(self.words), []
        return Turn(self.participant_id, self.name, self.language, words)


def _read_turn(pull: _Pull, seen: _Seen) -> Iterator[Turn]:
    draft = _Draft()
    for key, event, value in _fields(pull):
        if key == "participant":
            draft.participant_id, draft.name = _read_participant(pull, event)
        elif key == "language_code" and event == "string":
            draft.language = value if _LANGUAGE.fullmatch(value) else None
        elif key == "words" and event != "null":
            for word in _read_words(pull, event, seen):
                draft.words.append(word)
                if draft.may_be_cut():
                    yield draft.take()
        else:
            _skip(pull, event)
        draft.known.add(key)
    yield draft.take()


def _fields(pull: _Pull) -> Iterator[tuple[str, str, Any]]:
    """Key, event and value of each field of the object just opened; the caller reads what an event opens."""
    while True:
        event, key = pull()
        if event == "end_map":
            return
        yield (key, *pull())


def _read_participant(pull: _Pull, event: str) -> tuple[str | None, str | None]:
    participant_id = name = None
    if event != "start_map":
        _skip(pull, event)
        return None, None
    for key, event, value in _fields(pull):
        if key == "id" and event in ("number", "string"):
            participant_id = str(value).strip() or None  # 0 is an id
        elif key == "name" and event == "string":
            name = value
        else:
            _skip(pull, event)
    return participant_id, name


def _read_words(pull: _Pull, event: str, seen: _Seen) -> Iterator[Word]:
    if event != "start_array":
        raise TranscriptUnreadable(f"the words of turn {seen.turns} are not a list")
    seen.word_lists += 1
    while (event := pull()[0]) != "end_array":
        if event == "start_map":
            seen.words += 1
            yield _read_word(pull, seen)
        elif event == "null":
            yield Word("", None, None)
        else:
            raise TranscriptUnreadable(f"a word of turn {seen.turns} is not an object")


def _read_word(pull: _Pull, seen: _Seen) -> Word:
    text = ""
    start_s = end_s = None
    for key, event, value in _fields(pull):
        if key == "text":
            text = _read_text(event, value, seen)
        elif key == "start_timestamp":
            start_s = _read_time_s(pull, event, value)
        elif key == "end_timestamp":
            end_s = _read_time_s(pull, event, value)
        else:
            _skip(pull, event)
    return Word(text, start_s, end_s)


def _read_text(event: str, value: Any, seen: _Seen) -> str:
    if event not in ("string", "null"):
        raise TranscriptUnreadable(f"the text of a word of turn {seen.turns} is not a string")
    seen.texts += 1
    return value or ""


def _read_time_s(pull: _Pull, event: str, value: Any) -> float | None:
    """`{"relative": seconds, "absolute": …}`; the absolute time is null in asynchronous transcripts."""
    if event == "number":  # as transcripts of workspaces on API 1.10 have it
        return _seconds(value)
    if event != "start_map":
        _skip(pull, event)
        return None
    time_s = None
    for key, event, value in _fields(pull):
        if key == "relative" and event == "number":
            time_s = _seconds(value)
        else:
            _skip(pull, event)
    return time_s


def _seconds(value: int | Decimal) -> float | None:
    # Compared before it is converted: a JSON number may be too large for a float.
    return max(0.0, float(value)) if -MAX_TIME_S <= value <= MAX_TIME_S else None


def _skip(pull: _Pull, event: str) -> None:
    """Pass over the value that `event` began, whatever it holds."""
    depth = 1 if event in _OPENING else 0
    while depth:
        event = pull()[0]
        if event in _OPENING:
            depth += 1
            if depth > MAX_DEPTH:
                raise TranscriptUnreadable("nested too deeply")
        elif event in _CLOSING:
            depth -= 1
