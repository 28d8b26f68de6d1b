"""
Recall's transcript JSON, read turn by turn.

The shape (https://docs.recall.ai/docs/async-transcription): a list of
`{"participant", "language_code", "words": [{"text", "start_timestamp", "end_timestamp"}]}`; and half-known
forms of it, of older files and other writers: who speaks as a text or a number, under `speaker`, `speaker_id`
or `speaker_name`, or said by the words; `language`; a turn with a `text` and no words.
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
from itertools import groupby
from operator import itemgetter
from typing import Any, BinaryIO, cast

import ijson

from app.errors import TranscriptUnreadable
from app.transcripts.lenient import LenientJson
from app.transcripts.model import Turn, Word
from app.transcripts.text import display_id

PIECE_WORDS = 1_000
"""A turn is handed out in pieces of this many words, so that a monologue of hours stays small in memory."""

MAX_DEPTH = 64
"""Recall nests six deep. Counted in unknown fields only: the known ones are read by shape."""

MAX_TIME_S = 1_000_000.0
"""Eleven days. A larger number is not a time in a recording (an epoch, say), and is read as unknown."""

_MAX_WHOLE = 10**15  # a number below it that says 1.0 is the 1 of a table with gaps

_Event = tuple[str, Any]
_Who = tuple[str | None, str | None]  # id, name
_Pull = Callable[[], _Event]

_OPENING = frozenset({"start_map", "start_array"})
_CLOSING = frozenset({"end_map", "end_array"})
_NO_ONE: _Who = (None, None)
# Where a turn may say who speaks, the best first.
_WHO = ("participant", "speaker", "speaker_id", "speaker_name")
_LANGUAGE = re.compile(r"[A-Za-z0-9]{1,8}(?:[-_][A-Za-z0-9]{1,8}){0,4}")


def read_turns(source: BinaryIO, *, with_words: bool = True) -> Iterator[Turn]:
    """
    Read a transcript as a stream.

    Args:
        source: Binary file, as downloaded.
        with_words: False passes over the words, to know only who speaks; that no turn has any is fine then.

    Yields:
        Turns in the order of the file, empty ones too. One of more than `PIECE_WORDS` words comes
        in pieces, provided that participant and language precede its words, as Recall writes them.

    Raises:
        TranscriptUnreadable: Not whole, not valid, not the known shape. Possibly after some turns.
        OSError: From the file itself; that is trouble on our side, not the transcript's.
    """
    try:
        # Not `use_float`: with it yajl refuses a transcript for one integer of 64 bits in a field we skip.
        yield from _read_array(ijson.basic_parse(cast("BinaryIO", LenientJson(source))), with_words)
        return
    except (ijson.JSONError, ValueError, ArithmeticError, SystemError):
        # Absurd numbers are any of the last three, by parser and version.
        # Passed over and not chained: the parser's message quotes the transcript.
        pass
    raise TranscriptUnreadable("not one whole JSON document")


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


def _read_array(events: Iterator[_Event], with_words: bool) -> Iterator[Turn]:
    pull = events.__next__
    if pull()[0] != "start_array":
        raise TranscriptUnreadable("not a list of turns")
    seen = _Seen()
    while (event := pull()[0]) != "end_array":
        seen.turns += 1
        if event == "null":  # as a word may be
            continue
        if event != "start_map":
            raise TranscriptUnreadable(f"turn {seen.turns} is not an object")
        yield from _read_turn(pull, seen, with_words)
    if with_words:
        seen.check()
    # The parser reports garbage after the list only when asked for more.
    next(events, None)


@dataclass(slots=True)
class _Draft:
    """A turn while it is read. `known` holds the fields that came so far."""

    who: dict[str, _Who] = field(default_factory=dict)
    language: str | None = None
    words: list[tuple[Word, _Who]] = field(default_factory=list)
    has_words: bool = False
    text: str = ""
    times_s: dict[str, float | None] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)

    def may_be_cut(self) -> bool:
        return len(self.words) >= PIECE_WORDS and {"participant", "language_code"} <= self.known

    def add(self, word: Word, who: _Who) -> None:
        """`who` is what the word itself says; where it says nothing the one before goes on speaking."""
        if who == _NO_ONE and self.words:
            who = self.words[-1][1]
        self.words.append((word, who))
        self.has_words = True

    def take(self) -> Iterator[Turn]:
        """What came so far: one turn; several only where the words alone say who speaks."""
        words, self.words = self.words, []
        said = [self.who.get(key, _NO_ONE) for key in _WHO]
        who = (
            next((id for id, _ in said if id is not None), None),
            next((name for _, name in said if name), None),
        )
        if who != _NO_ONE or not words:
            yield Turn(*who, self.language, tuple(word for word, _ in words))
            return
        for (participant_id, name), run in groupby(words, key=itemgetter(1)):
            yield Turn(participant_id, name, self.language, tuple(word for word, _ in run))


def _read_turn(pull: _Pull, seen: _Seen, with_words: bool) -> Iterator[Turn]:
    draft = _Draft()
    for key, event, value in _fields(pull):
        if key == "words" and event != "null" and with_words:
            for word, who in _read_words(pull, event, seen):
                draft.add(word, who)
                if draft.may_be_cut():
                    yield from draft.take()
        else:
            _read_field(pull, draft, key, event, value)
        draft.known.add(key)
    if draft.text and not draft.has_words:
        # In place of its words: all of it one word.
        seen.word_lists, seen.texts = seen.word_lists + 1, seen.texts + 1
        start_s, end_s = map(draft.times_s.get, ("start_timestamp", "end_timestamp"))
        draft.add(Word(draft.text, start_s, end_s), _NO_ONE)
    yield from draft.take()


def _read_field(pull: _Pull, draft: _Draft, key: str, event: str, value: Any) -> None:
    if key in _WHO:
        draft.who[key] = _read_who(pull, key, event, value)
    elif key in ("language_code", "language") and event == "string":
        draft.language = draft.language or (value if _LANGUAGE.fullmatch(value) else None)
    elif key in ("start_timestamp", "end_timestamp"):
        draft.times_s[key] = _read_time_s(pull, event, value)
    elif key == "text" and event == "string":
        draft.text = value
    else:
        _skip(pull, event)


def _fields(pull: _Pull) -> Iterator[tuple[str, str, Any]]:
    """Key, event and value of each field of the object just opened; the caller reads what an event opens."""
    while True:
        event, key = pull()
        if event == "end_map":
            return
        yield (key, *pull())


def _read_who(pull: _Pull, key: str, event: str, value: Any) -> _Who:
    """An object with id and name; a number is an id, and a text a name where the key does not say id."""
    if event == "number" or (event == "string" and key == "speaker_id"):
        return _id(value), None
    if event == "string":
        return None, value
    if event != "start_map":
        _skip(pull, event)
        return _NO_ONE
    participant_id = name = None
    for key, event, value in _fields(pull):
        if key == "id" and event in ("number", "string"):
            participant_id = _id(value)
        elif key == "name" and event == "string":
            name = value
        else:
            _skip(pull, event)
    return participant_id, name


def _id(value: str | int | Decimal) -> str | None:
    """As a text; 0 is an id."""
    if isinstance(value, Decimal) and value.copy_abs() < _MAX_WHOLE and value == int(value):
        value = int(value)
    return display_id(str(value))


def _read_words(pull: _Pull, event: str, seen: _Seen) -> Iterator[tuple[Word, _Who]]:
    if event != "start_array":
        raise TranscriptUnreadable(f"the words of turn {seen.turns} are not a list")
    seen.word_lists += 1
    while (event := pull()[0]) != "end_array":
        if event == "start_map":
            seen.words += 1
            yield _read_word(pull, seen)
        elif event == "null":
            yield Word("", None, None), _NO_ONE
        else:
            raise TranscriptUnreadable(f"a word of turn {seen.turns} is not an object")


def _read_word(pull: _Pull, seen: _Seen) -> tuple[Word, _Who]:
    text, who = "", _NO_ONE
    start_s = end_s = None
    for key, event, value in _fields(pull):
        if key == "text":
            text = _read_text(event, value, seen)
        elif key == "start_timestamp":
            start_s = _read_time_s(pull, event, value)
        elif key == "end_timestamp":
            end_s = _read_time_s(pull, event, value)
        elif key in _WHO and who == _NO_ONE:
            who = _read_who(pull, key, event, value)
        else:
            _skip(pull, event)
    return Word(text, start_s, end_s), who


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
