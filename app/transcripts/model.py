"""
The words of a transcript as records: what is read, what is written, what is counted.

Without JSON, files and formats. All times are seconds from the start of the recording.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What a transcript is worth. How those from DISORDERED on are found: `app.transcripts.quality`."""

    SPOKEN = "spoken"
    EMPTY = "empty"  # no word with visible text; a legitimate result, not a failure
    SILENT = "silent"  # empty, and by the recording's own timeline there was no speech
    DISORDERED = "disordered"
    THIN = "thin"
    ONE_SPEAKER_OF_MANY = "one_speaker_of_many"
    CUT_OFF = "cut_off"
    WRONG_LANGUAGE = "wrong_language"
    UNREADABLE = "unreadable"  # the bytes are no transcript; they alone are stored


@dataclass(frozen=True, slots=True)
class Word:
    """
    One word as the provider cut it; it may be a syllable or a whole sentence.

    `start_s` and `end_s` are None where the provider gave no usable time. A part of a word has the times of
    the whole; `within` is where in it the part begins and ends, by its letters, from 0 to 1.
    """

    text: str
    start_s: float | None
    end_s: float | None
    within: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Turn:
    """
    One entry of Recall's list: an utterance of one participant.

    `participant_id` is unique in one meeting only. A very long entry comes in several pieces.
    """

    participant_id: str | None
    name: str | None
    language: str | None  # BCP 47, as Recall wrote it
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Speaker:
    """
    A participant who spoke.

    `label` is what a reader sees, unique in one transcript. `ordinal` counts from 1 by first appearance
    and is the identity: two speakers are the same if and only if it is.
    """

    ordinal: int
    label: str
    participant_id: str | None


@dataclass(frozen=True, slots=True)
class Sentence:
    """
    At least one word of one speaker in one language, harmless to print.

    `starts_turn` marks the first sentence after another speaker's.
    """

    speaker: Speaker
    language: str | None
    words: tuple[Word, ...]
    text: str
    starts_turn: bool

    @property
    def start_s(self) -> float | None:
        """Start of the first word that has one."""
        return next((word.start_s for word in self.words if word.start_s is not None), None)

    @property
    def end_s(self) -> float | None:
        """End of the last word that has one."""
        return next((word.end_s for word in reversed(self.words) if word.end_s is not None), None)


@dataclass(frozen=True, slots=True)
class Summary:
    """
    What one pass over a transcript counted.

    Attributes:
        turns: Speaker turns as rendered: neighbouring entries of one speaker are one.
        words: Entries in Recall's word lists, blank ones too.
        spoken_words: Those with visible text.
        speakers: People with at least one spoken word.
        languages: Code and spoken words, most words first; words without a code are in none.
        duration_ms: Where the last word ends, in milliseconds; None when no word has a time.
        is_readable: False for bytes that are no transcript; all else is then zero. See `UNREAD`.
    """

    turns: int
    words: int
    spoken_words: int
    speakers: int
    languages: tuple[tuple[str, int], ...]
    duration_ms: int | None
    is_readable: bool = True

    @property
    def language(self) -> str | None:
        """The language of most words, or None when no word bears one."""
        return self.languages[0][0] if self.languages else None

    @property
    def verdict(self) -> Verdict:
        """`spoken` if there is one word with visible text, else `empty`; `unreadable` for no transcript."""
        if not self.is_readable:
            return Verdict.UNREADABLE
        return Verdict.SPOKEN if self.spoken_words else Verdict.EMPTY


UNREAD = Summary(
    turns=0, words=0, spoken_words=0, speakers=0, languages=(), duration_ms=None, is_readable=False
)
"""Of a download that is no transcript."""
