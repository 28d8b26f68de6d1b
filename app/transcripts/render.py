"""
Every format written, everything counted, memory flat: a transcript is read twice, first for the names that
its speakers have in the end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import BinaryIO, TextIO

from app.transcripts.formats import FORMATS, Renderer
from app.transcripts.formats.subtitles import CueWriter, Subtitles
from app.transcripts.model import Sentence, Summary, Turn
from app.transcripts.reader import read_turns
from app.transcripts.roster import Roster, roster_of
from app.transcripts.sentences import SentenceBuilder, words_of

MOST_LANGUAGES = 100
"""The manifest lists the languages; a transcript must not be able to make it long."""


def read_roster(source: BinaryIO) -> Roster:
    """
    What the speakers of a transcript are called; `source` is left where it was.

    Raises:
        TranscriptUnreadable, OSError: As `render`.
    """
    begin = source.tell()
    roster = roster_of(read_turns(source, with_words=False))
    source.seek(begin)
    return roster


def render(
    source: BinaryIO,
    outputs: Mapping[str, TextIO],
    *,
    started_at: datetime | None = None,
    roster: Roster | None = None,
) -> Summary:
    """
    Write a transcript in several formats.

    Args:
        source: Recall's JSON as downloaded, at its beginning; it must be able to go back there.
        outputs: Names out of `FORMATS`, each with a text file opened with `encoding="utf-8", newline="\\n"`.
            Left open; not flushed. None at all is fine: then only the counting is done.
        started_at: When the recording began, aware, where that is known.
        roster: What `read_roster` made of this source, where names of participants were added to it.

    Returns:
        What was counted. The same source and roster give the same files and the same summary.

    Raises:
        TranscriptUnreadable: The outputs then hold part of it and must be thrown away.
        OSError: From a file.
        KeyError: A name not in `FORMATS`, before anything is read or written.
    """
    formats = [(FORMATS[name], out) for name, out in outputs.items()]
    builder = SentenceBuilder(roster or read_roster(source))
    renderers = _renderers([format_(out, started_at) for format_, out in formats])
    tally = _Tally()
    for sentence in _sentences(source, builder, tally):
        tally.turns += sentence.starts_turn
        for renderer in renderers:
            renderer.sentence(sentence)
    for renderer in renderers:
        renderer.end()
    return tally.summary(speakers=len(builder.speakers))


def _renderers(made: Sequence[Renderer | CueWriter]) -> list[Renderer]:
    """All that subtitles need is made once."""
    of_cues = [one for one in made if isinstance(one, CueWriter)]
    others = [one for one in made if not isinstance(one, CueWriter)]
    return [*others, Subtitles(of_cues)] if of_cues else others


def _sentences(source: BinaryIO, builder: SentenceBuilder, tally: _Tally) -> Iterator[Sentence]:
    for turn in read_turns(source):
        spoken = [parts for word in turn.words if (parts := words_of(word))]
        tally.add(turn, spoken_words=len(spoken))
        if spoken:
            yield from builder.feed(turn, chain.from_iterable(spoken))
    yield from builder.finish()


class _Tally:
    def __init__(self) -> None:
        self.turns = 0
        self._words = 0
        self._spoken_words = 0
        self._by_language: Counter[str] = Counter()
        self._end_s: float | None = None

    def add(self, turn: Turn, *, spoken_words: int) -> None:
        self._words += len(turn.words)
        self._spoken_words += spoken_words
        is_listed = turn.language in self._by_language or len(self._by_language) < MOST_LANGUAGES
        if turn.language is not None and spoken_words and is_listed:
            self._by_language[turn.language] += spoken_words
        # People talk over each other: the last word of the file is not always the last to end.
        times = (self._end_s, *(w.start_s if w.end_s is None else w.end_s for w in turn.words))
        self._end_s = max((time_s for time_s in times if time_s is not None), default=None)

    def summary(self, *, speakers: int) -> Summary:
        return Summary(
            turns=self.turns,
            words=self._words,
            spoken_words=self._spoken_words,
            speakers=speakers,
            languages=tuple(self._by_language.most_common()),  # ties keep the order of first appearance
            duration_ms=None if self._end_s is None else round(self._end_s * 1000),
        )
