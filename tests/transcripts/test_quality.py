"""What is found to be wrong with a transcript: over many damaged by seed, and one rule at a time."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.core.quality import RANKED
from app.transcripts.model import Turn, Verdict, Word
from app.transcripts.quality import Heard, Speech, is_silent, judge
from tests.transcripts.damaged import DAMAGE, ORDER, cases


@pytest.mark.slow
def test_damage_is_found_and_what_is_whole_is_left_alone() -> None:
    """The table of the note: damaged ones by the verdict on them, with the timeline."""
    table: Counter[tuple[str, Verdict]] = Counter()
    for case in cases():
        table[case.name.partition(",")[0], case.found()] += 1
    right = sum(n for (name, found), n in table.items() if found is DAMAGE[name][1] and name != "whole")
    damaged = sum(n for (name, _), n in table.items() if name != "whole")
    named = sum(n for (_, found), n in table.items() if found is not Verdict.SPOKEN)
    whole = sum(n for (name, _), n in table.items() if name == "whole")
    alarms = whole - table["whole", Verdict.SPOKEN]
    assert damaged >= 200
    assert right / named >= 0.98, table
    assert right / damaged >= 0.95, table
    assert alarms / whole <= 0.01, table


@pytest.mark.slow
def test_without_a_timeline_only_what_the_transcript_says_of_itself_is_found() -> None:
    found = {case.found(with_timeline=False) for case in cases() if "shuffled" not in case.name}
    assert found == {Verdict.SPOKEN, Verdict.WRONG_LANGUAGE}


def test_both_lists_of_verdicts_are_one() -> None:
    assert set(RANKED) == {verdict.value for verdict in Verdict} - {Verdict.UNREADABLE}
    assert [name for name in RANKED if name in ORDER] == ORDER


# -- one rule at a time ---------------------------------------------------------------------------


def turn(who: str, start_s: float, *, words: int = 10, gap_s: float = 0.0, text: str = "word") -> Turn:
    """Words of a second each."""
    step_s = 1.0 + gap_s
    said = (Word(text, start_s + n * step_s, start_s + n * step_s + 1.0) for n in range(words))
    return Turn(who, who, "en", tuple(said))


def found(
    turns: list[Turn],
    timeline: list[Speech] | None = None,
    *,
    wanted: tuple[str, ...] = (),
    languages: tuple[tuple[str, int], ...] = (("en", 100),),
    length_s: float | None = None,
) -> tuple[Verdict, ...]:
    heard = Heard()
    for each in turns:
        heard.add(each)
    return judge(heard, languages, wanted=wanted, timeline=timeline, length_s=length_s)


AB = [turn("a", 0), turn("b", 10), turn("a", 20), turn("b", 30)]
SPOKEN_AB = [Speech("a", 0, 10), Speech("b", 10, 20), Speech("a", 20, 30), Speech("b", 30, 40)]


def test_a_whole_transcript_beside_its_timeline_is_whole() -> None:
    assert found(AB, SPOKEN_AB) == ()


def test_a_short_pause_between_words_is_speech_and_a_missing_word_is_not() -> None:
    spoken = [Speech("a", 0, 40)]
    assert found([turn("a", 0, words=32, gap_s=0.25)], spoken) == ()
    assert found([turn("a", 0, words=16, gap_s=1.5)], spoken) == (Verdict.THIN,)


def test_speech_after_the_last_word_cuts_off_and_a_long_last_entry_does_not() -> None:
    assert found(AB[:2], SPOKEN_AB) == (Verdict.CUT_OFF,)
    assert found(AB, [*SPOKEN_AB[:3], Speech("b", 30, 65)]) == (), "elsewhere than on Zoom pauses are in it"


@pytest.mark.parametrize(
    "turns",
    [
        [turn("one", 0), turn("one", 10), turn("one", 20), turn("one", 30)],
        [AB[0], AB[2], turn("c", 40)],
    ],
    ids=["all under one name", "one is missing"],
)
def test_one_speaker_of_many(turns: list[Turn]) -> None:
    timeline = [*SPOKEN_AB, Speech("c", 40, 50)]
    assert Verdict.ONE_SPEAKER_OF_MANY in found(turns, timeline)


def test_what_has_no_speaker_in_the_timeline_is_no_person() -> None:
    assert found([turn("a", 0), turn("a", 10)], [Speech(None, 0, 10), Speech("a", 10, 20)]) == ()


def test_a_person_who_hardly_spoke_is_not_missed() -> None:
    assert found([turn("a", 0, words=60)], [Speech("a", 0, 60), Speech("b", 60, 65)]) == ()


@pytest.mark.parametrize(
    "turns",
    [
        [turn("a", 20), turn("b", 0)],
        [turn("a", 60), turn("b", 0), turn("a", 80), turn("b", 30), *(turn("a", 90 + n) for n in range(9))],
        [*(turn("a", 10 * n) for n in range(30)), turn("b", 0)],
        [Turn("a", "a", "en", tuple(Word("w", 10.0 - n, 10.5 - n) for n in range(8)))],
        [Turn("a", "a", "en", tuple(Word("w", 10.0 + n, n) for n in range(8)))],
    ],
    ids=["few turns", "often", "far", "words backwards", "ends before beginnings"],
)
def test_times_that_go_back_are_disorder(turns: list[Turn]) -> None:
    assert Verdict.DISORDERED in found(turns)


def test_people_who_talk_over_each_other_are_no_disorder() -> None:
    assert found([turn("a", 0, words=30), turn("b", 12), turn("a", 31), turn("b", 30)]) == ()


@pytest.mark.parametrize(
    ("wanted", "languages", "is_wrong"),
    [
        (("de-CH",), (("de", 90), ("en", 10)), False),
        (("de-CH",), (("en", 60), ("de", 40)), True),
        (("fr", "de"), (("en", 40), ("de-DE", 60)), False),
        (("auto",), (("cy", 90),), False),
        ((), (("cy", 90),), False),
        (("en",), (), False),
        (("en",), (("multi", 90),), False),
        (("en",), (("cy", 4),), False),
        (("no",), (("nb", 90),), False),
        (("zh",), (("yue", 90),), False),
        (("ja",), (("jpn", 90),), False),
        (("gl",), (("es", 90),), True),
    ],
)
def test_language_of_most_words_against_the_wanted_ones(
    wanted: tuple[str, ...], languages: tuple[tuple[str, int], ...], *, is_wrong: bool
) -> None:
    assert (found(AB, wanted=wanted, languages=languages) == (Verdict.WRONG_LANGUAGE,)) is is_wrong


def test_without_a_timeline_a_long_recording_with_hardly_a_word_is_thin() -> None:
    few = [turn("a", 0), turn("a", 600)]
    assert found(few) == (Verdict.THIN,)
    assert found([turn("a", 0)]) == (), "how long the recording is is not known"
    assert found([turn("a", 0)], length_s=600) == (Verdict.THIN,)
    assert (
        found([turn("a", 0, text="a whole sentence of ten words as some providers cut it")], length_s=500)
        == ()
    )
    assert found([turn("a", 0, words=20, text="\u65e5" * 40)], length_s=600) == ()


def test_a_timeline_of_a_few_seconds_or_words_without_times_prove_nothing() -> None:
    assert found([turn("a", 100)], [Speech("a", 0, 5)]) == ()
    bare = Turn("a", "a", "en", tuple(Word(text, None, None) for text in ("no", "times", " ")))
    assert found([bare, Turn("a", "a", "en", ())], SPOKEN_AB) == ()


@pytest.mark.parametrize(
    ("timeline", "silent"),
    [
        ([], True),
        ([Speech("a", 3, 4), Speech(None, 9, 9.5)], True),
        ([Speech("a", 3, 4.1)], False),
        ([Speech("a", 3, None)], False),
    ],
)
def test_a_room_is_silent_where_no_entry_is_longer_than_a_second(
    timeline: list[Speech], *, silent: bool
) -> None:
    assert is_silent(timeline) is silent


def test_times_beyond_two_days_are_not_measured() -> None:
    assert found([turn("a", 900_000.0)], [Speech("a", 0, 900_000.0)]) == (Verdict.THIN,)


TENTHS = st.integers(0, 60).map(lambda n: n / 10)
TIMES = st.tuples(TENTHS, st.integers(-10, 20)).map(lambda t: (t[0], max(0.0, t[0] + t[1] / 10)))


@example([(0.0, 1.0), (1.2, 0.5)])  # ends before it begins
@given(st.lists(TIMES, min_size=1, max_size=8))
def test_every_word_is_speech_and_every_short_pause_wherever_the_words_lie(
    times: list[tuple[float, float]],
) -> None:
    heard = Heard()
    heard.add(Turn("a", "a", None, tuple(Word("word", *span) for span in times)))
    pauses = [(end, begin) for (_, end), (begin, _) in pairwise(times) if 0 < begin - end <= 0.3]
    spoken = {n for begin, end in [*times, *pauses] for n in range(round(begin * 10), round(end * 10))}
    assert heard.number == sum(1 << 8 * n for n in spoken)  # a byte each
    assert heard.end_s == max(map(max, times))
