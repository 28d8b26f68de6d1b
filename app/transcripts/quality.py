"""
Whether a finished transcript falls short of what was said: functions of what it says when (`Heard`, taken
down turn by turn), and of the recording's speaker timeline where that was read. PURE.

    disordered            times that go back, by seconds and more than now and then
    thin                  words cover less than `min_coverage` of the timeline's speech; without a timeline,
                          hardly any words for the length of the recording
    cut_off               speech that begins after the last word: a tenth of all speech, and 10 s
    one_speaker_of_many   one name for several people who spoke, or hardly a word in the time of one of them
    wrong_language        most words are in another language than was wanted

Several may hold of one transcript; which is reported follows from the policy (`core.quality.weightiest`).
Everything counts in tenths of a second, so that a meeting of ten hours stays small in memory.

The timeline (https://docs.recall.ai/docs/speaker-timeline) follows the audio on Zoom; elsewhere an entry
lasts until another person speaks, pauses included.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from app.transcripts.model import Turn, Verdict, Word

_PER_S = 10
_MOST_S = 48 * 3600.0
"""Whatever is later is not measured."""

_PAUSE_S = 0.3
"""Between two words of one turn: a shorter one belongs to the speech."""

LEAST_SPEECH_S = 10.0
"""Of a timeline, of one of its people, or after the last word; less proves nothing."""

_CONSIDERABLE = 0.1  # share of all speech
_MISSING = 0.25  # a person's words beside those of all others, by their coverage
_BACK_S, _BACK_SHARE, _FAR_BACK_S, _FAR_BACK_SHARE = 3.0, 0.05, 30.0, 0.25
_LEAST_WORDS_PER_MINUTE, _LONG_S = 10, 300.0
_LETTERS_PER_WORD = 6  # of scripts without blanks, and where a provider's "word" is a sentence
_LEAST_TAGGED_WORDS = 5
_ALSO = {"nb": "no", "nn": "no", "yue": "zh"}  # one language for this purpose: providers name either


@dataclass(frozen=True, slots=True)
class Speech:
    """An entry of the timeline: seconds from the start of the recording. `end_s` None: not said."""

    speaker: str | None
    start_s: float
    end_s: float | None


def is_silent(timeline: Sequence[Speech]) -> bool:
    """Whether it says that nothing was spoken: no entry is longer than a second, and each says its end."""
    return all(entry.end_s is not None and entry.end_s - entry.start_s <= 1.0 for entry in timeline)


class _Marks:
    """Tenths of a second, each marked or not."""

    def __init__(self, spans: Sequence[tuple[float, float]] = ()) -> None:
        self._bytes = bytearray()
        for start_s, end_s in spans:
            self.add(start_s, end_s)

    def add(self, start_s: float, end_s: float) -> None:
        first, last = (round(min(max(0.0, at_s), _MOST_S) * _PER_S) for at_s in (start_s, end_s))
        self._bytes.extend(bytes(max(0, last - len(self._bytes))))
        self._bytes[first:last] = b"\1" * (last - first)

    @property
    def number(self) -> int:
        """With one bit set for each tenth."""
        return int.from_bytes(self._bytes, "little")


class Heard:
    """What a transcript says when."""

    def __init__(self) -> None:
        self.end_s = 0.0
        self._marks, self._speakers = _Marks(), set[str | None]()
        self._words = self._timed = self._size = 0
        self._turns = self._turns_back = self._words_back = 0
        self._turn_s = self._furthest_back_s = 0.0

    def add(self, turn: Turn) -> None:
        """The next entry, or piece of one, in the order of the file."""
        said = [word for word in turn.words if word.text.strip()]
        timed = [word for word in said if word.start_s is not None and word.end_s is not None]
        if said:
            self._speakers.add(turn.participant_id or turn.name)
        self._words += len(said)
        self._timed += len(timed)
        self._size += sum(max(len(w.text.split()), len(w.text) // _LETTERS_PER_WORD) for w in said)
        if not timed:
            return
        begin_s = _times(timed[0])[0]
        back_s = self._turn_s - begin_s
        self._turns += 1
        self._turns_back += back_s > _BACK_S
        self._furthest_back_s = max(self._furthest_back_s, back_s)
        self._turn_s = begin_s
        self._mark(timed)

    def _mark(self, timed: Sequence[Word]) -> None:
        spans = [_times(word) for word in timed]
        self._words_back += sum(end_s < start_s - 0.5 for start_s, end_s in spans)
        self._words_back += sum(next_s < start_s - 0.5 for (start_s, _), (next_s, _) in pairwise(spans))
        self.end_s = max(self.end_s, *map(max, spans))
        for begin_s, end_s in _merged(spans):
            self._marks.add(begin_s, end_s)

    @property
    def number(self) -> int:
        """The tenths of a second in which words are said, as bits."""
        return self._marks.number

    @property
    def is_timed(self) -> bool:
        """Whether its words have times, most of them."""
        return self._timed * 2 > self._words

    @property
    def has_one_speaker(self) -> bool:
        return len(self._speakers) == 1

    @property
    def is_disordered(self) -> bool:
        """Turns or the words of a turn go back in time, too often or too far."""
        is_often = self._turns_back > _BACK_SHARE * self._turns and (
            self._turns_back > 1 or self._turns <= 4  # of few turns one says enough
        )
        is_far = self._furthest_back_s > max(_FAR_BACK_S, _FAR_BACK_SHARE * self.end_s)
        return is_often or is_far or self._words_back > max(2.0, _BACK_SHARE * self._words)

    def is_sparse(self, length_s: float | None) -> bool:
        """
        Hardly any words for so long a recording.

        Args:
            length_s: Of the recording; None where not known: then it is at least as long as its words.
        """
        long_s = max(length_s or 0.0, self.end_s)
        return long_s >= _LONG_S and self._size < _LEAST_WORDS_PER_MINUTE * long_s / 60


def _times(word: Word) -> tuple[float, float]:
    assert word.start_s is not None
    assert word.end_s is not None
    return word.start_s, word.end_s


def _merged(spans: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """The times of words and of the short pauses between them, joined where they touch."""
    begin_s = end_s = silent_s = spans[0][0]
    for start_s, stop_s in spans:
        from_s = silent_s if 0 < start_s - silent_s <= _PAUSE_S else start_s
        if not begin_s <= from_s <= end_s:
            yield begin_s, end_s
            begin_s = end_s = from_s
        end_s, silent_s = max(end_s, start_s, stop_s), stop_s
    yield begin_s, end_s


def judge(
    heard: Heard,
    languages: Sequence[tuple[str, int]],
    *,
    wanted: Sequence[str] = (),
    timeline: Sequence[Speech] | None = None,
    min_coverage: float = 0.5,
    length_s: float | None = None,
) -> tuple[Verdict, ...]:
    """
    In what a transcript with words falls short.

    Args:
        languages: Code and number of words of each, as `Summary.languages`.
        wanted: BCP 47 tags, one of which the words are to be in; none, or `auto` among them: any.
        timeline: In any order; None where it was not read, or there is none.
        min_coverage: Share of the timeline's speech, 0 to 1.
        length_s: Of the recording, seconds, where that is known.
    """
    found = [Verdict.DISORDERED] if heard.is_disordered else []
    if _is_in_another_language(languages, wanted):
        found.append(Verdict.WRONG_LANGUAGE)
    entries = [entry for entry in timeline or () if entry.end_s is not None and entry.end_s > entry.start_s]
    speech = _marked(entries)
    if heard.is_timed and speech.bit_count() >= LEAST_SPEECH_S * _PER_S:
        found.extend(_against(heard, entries, speech, min_coverage))
    elif heard.is_sparse(length_s):
        found.append(Verdict.THIN)
    return tuple(found)


def _against(heard: Heard, entries: Sequence[Speech], speech: int, min_coverage: float) -> Iterator[Verdict]:
    words = heard.number
    if _share(words, speech) < min_coverage:
        yield Verdict.THIN
    unheard = [entry for entry in entries if entry.start_s > heard.end_s]
    if _is_considerable(_marked(unheard), speech):
        yield Verdict.CUT_OFF
    if _is_one_of_many(heard, words, [entry for entry in entries if entry.start_s <= heard.end_s]):
        yield Verdict.ONE_SPEAKER_OF_MANY


def _is_one_of_many(heard: Heard, words: int, entries: Sequence[Speech]) -> bool:
    """Of what was said until the last word: is it all under one name, or is one person's part missing?"""
    speech = _marked(entries)
    parts = {who: _marked([entry for entry in entries if entry.speaker == who]) for who in _people(entries)}
    parts = {who: part for who, part in parts.items() if _is_considerable(part, speech)}
    if len(parts) < 2:
        return False
    return heard.has_one_speaker or any(_is_missing(words, part, speech & ~part) for part in parts.values())


def _is_missing(words: int, part: int, others: int) -> bool:
    return _share(words, part) < _MISSING * _share(words, others)


def _people(entries: Sequence[Speech]) -> set[str]:
    """Speech before the first event of a meeting has no speaker."""
    return {entry.speaker for entry in entries if entry.speaker is not None}


def _marked(entries: Sequence[Speech]) -> int:
    return _Marks([(entry.start_s, entry.end_s) for entry in entries if entry.end_s is not None]).number


def _is_considerable(part: int, of: int) -> bool:
    return part.bit_count() >= max(LEAST_SPEECH_S * _PER_S, _CONSIDERABLE * of.bit_count())


def _share(words: int, of: int) -> float:
    return (words & of).bit_count() / of.bit_count() if of else 0.0


def _is_in_another_language(languages: Sequence[tuple[str, int]], wanted: Sequence[str]) -> bool:
    right = {_language(tag) for tag in wanted}
    if not right or None in right:
        return False
    said = [(language, words) for code, words in languages if (language := _language(code)) is not None]
    known = sum(words for _, words in said)
    return known >= _LEAST_TAGGED_WORDS and 2 * sum(n for language, n in said if language in right) < known


def _language(tag: str) -> str | None:
    """`de` of de-CH, `zh` of cmn-Hans and of yue; None for what names no language, as `auto` and `multi`."""
    import langcodes  # here: its tables are needed only where a language was wanted

    try:
        standard = langcodes.standardize_tag(tag, macro=True)
    except ValueError:
        return None
    language = standard.partition("-")[0]
    return _ALSO.get(language, language) if langcodes.tag_is_valid(standard) else None
