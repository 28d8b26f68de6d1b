"""
Whole transcripts and damaged ones, made by seed: a meeting of the simulator, its speaker timeline as a
platform tells it, and what a provider may have lost of it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from app.simulator.meetings.transcript_json import make_meeting
from app.transcripts.model import Turn, Verdict, Word
from app.transcripts.quality import Heard, Speech, judge

Turns = list[Turn]
_PER_KIND, _WHOLE = 40, 100


@dataclass(frozen=True)
class Case:
    """A transcript, what else is known of its recording, and what it should be found to be."""

    name: str
    turns: Turns
    timeline: tuple[Speech, ...]
    wanted: tuple[str, ...]
    verdict: Verdict

    def found(self, *, with_timeline: bool = True) -> Verdict:
        """The worst of the verdicts on it."""
        heard, words = Heard(), dict[str, int]()
        for turn in self.turns:
            heard.add(turn)
            if turn.language is not None:
                words[turn.language] = words.get(turn.language, 0) + len(turn.words)
        timeline = self.timeline if with_timeline else None
        verdicts = judge(heard, list(words.items()), wanted=self.wanted, timeline=timeline)
        return max(verdicts, key=ORDER.index, default=Verdict.SPOKEN)


# As `core.quality.RANKED`, which transcripts/ does not know.
ORDER = [
    *(Verdict.DISORDERED, Verdict.THIN, Verdict.ONE_SPEAKER_OF_MANY, Verdict.CUT_OFF, Verdict.WRONG_LANGUAGE)
]


@lru_cache
def cases() -> tuple[Case, ...]:
    """A hundred whole ones, and forty of each kind of damage."""
    return tuple(_made())


def _made() -> Iterator[Case]:
    seed = 0
    for name, (damage, verdict) in DAMAGE.items():
        made = 0
        while made < (_WHOLE if verdict is Verdict.SPOKEN else _PER_KIND):
            seed += 1
            case = _case(seed, name, damage, verdict)
            if case is not None:
                made += 1
                yield case


def _case(seed: int, name: str, damage: Callable[..., Turns], verdict: Verdict) -> Case | None:
    meeting = make_meeting(seed)
    turns = [_turn(each) for each in meeting.turns]
    dice = random.Random(seed)
    timeline = _timeline(turns, meeting.duration_s, dice)
    if name == "speaker dropped" and not _droppable(turns, timeline):
        return None  # a monologue, or people who hardly spoke
    language = meeting.language.partition("-")[0]
    return Case(f"{name}, {seed}", damage(turns, dice), timeline, (language,), verdict)


def _turn(raw: dict[str, object]) -> Turn:
    who, words = raw["participant"], raw["words"]
    assert isinstance(who, dict)
    assert isinstance(words, list)
    times = (
        (word["text"], word["start_timestamp"]["relative"], word["end_timestamp"]["relative"])
        for word in words
    )
    own_id = who["id"] if who["id"] is not None else who["name"]
    language = raw.get("language_code")
    return Turn(
        str(own_id), who["name"], str(language) if language else None, tuple(Word(*each) for each in times)
    )


def _timeline(turns: Turns, duration_s: float, dice: random.Random) -> tuple[Speech, ...]:
    """After the audio, entry by entry; or, as on platforms other than Zoom, each until the next begins."""
    late_s = dice.uniform(0.0, 0.8)
    spans = [
        (turn.participant_id, _at(turn.words[0]) + late_s, _at(turn.words[-1]) + dice.uniform(0.0, 0.5))
        for turn in turns
    ]
    if dice.random() < 0.5:
        ends = [*(start_s for _, start_s, _ in spans[1:]), duration_s]
        spans = [(who, start_s, end_s) for (who, start_s, _), end_s in zip(spans, ends, strict=True)]
    if dice.random() < 0.2:
        spans[0] = (None, *spans[0][1:])
    return tuple(Speech(*span) for span in spans if span[2] > span[1])


def _at(word: Word) -> float:
    assert word.end_s is not None
    return word.end_s


def _spoken_s(timeline: tuple[Speech, ...]) -> dict[str | None, float]:
    spoken: dict[str | None, float] = {}
    for entry in timeline:
        assert entry.end_s is not None
        spoken[entry.speaker] = spoken.get(entry.speaker, 0.0) + entry.end_s - entry.start_s
    return spoken


def _droppable(turns: Turns, timeline: tuple[Speech, ...]) -> list[str | None]:
    spoken = _spoken_s(timeline)
    least_s = max(15.0, 0.15 * sum(spoken.values()))
    large = [who for who in spoken if who is not None and spoken[who] >= least_s]
    return [*large] if len(large) > 1 else []


def _whole(turns: Turns, dice: random.Random) -> Turns:
    return turns


def _cut(turns: Turns, dice: random.Random) -> Turns:
    return turns[: max(1, round(len(turns) * dice.uniform(0.2, 0.75)))]


def _thinned(turns: Turns, dice: random.Random) -> Turns:
    share = dice.uniform(0.1, 0.4)
    some = (replace(t, words=tuple(w for w in t.words if dice.random() < share)) for t in turns)
    return [turn for turn in some if turn.words]


def _swapped(turns: Turns, dice: random.Random) -> Turns:
    other = dice.choice(["cy", "ko", "pt-BR", "mk", "swa"])
    return [replace(turn, language=other) for turn in turns]


def _shuffled(turns: Turns, dice: random.Random) -> Turns:
    return dice.sample(turns, len(turns))


def _dropped(turns: Turns, dice: random.Random) -> Turns:
    spoken: dict[str | None, float] = {}
    for turn in turns:
        spoken[turn.participant_id] = spoken.get(turn.participant_id, 0.0) + len(turn.words)
    # The second largest part of all: that of the largest alone may be most of a meeting.
    gone = sorted(spoken, key=lambda who: -spoken[who])[1]
    if dice.random() < 0.5:  # or all of it under one name
        return [replace(turn, participant_id="1", name="One") for turn in turns]
    return [turn for turn in turns if turn.participant_id != gone]


DAMAGE: dict[str, tuple[Callable[..., Turns], Verdict]] = {
    "whole": (_whole, Verdict.SPOKEN),
    "cut": (_cut, Verdict.CUT_OFF),
    "thinned": (_thinned, Verdict.THIN),
    "language swapped": (_swapped, Verdict.WRONG_LANGUAGE),
    "shuffled": (_shuffled, Verdict.DISORDERED),
    "speaker dropped": (_dropped, Verdict.ONE_SPEAKER_OF_MANY),
}
