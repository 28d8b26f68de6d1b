"""`transcript.srt` and `transcript.vtt` by example: what is said, and when it is shown."""

from __future__ import annotations

import unicodedata
from itertools import pairwise
from typing import Any

import pytest

from app.transcripts.cues import columns
from tests.transcripts.recall_json import rendered, said, spoke, turn
from tests.transcripts.subtitle_readers import by_srt, by_the_standard

Cues = list[tuple[float, float, str]]
approx: Any = pytest.approx


def cues_of(*turns: Any) -> Cues:
    return by_srt(rendered(*turns)["transcript.srt"])


def texts(*turns: Any) -> list[str]:
    return [text for _, _, text in cues_of(*turns)]


def fast(text: str, at_s: float = 0.0, **who: Any) -> dict[str, Any]:
    """One turn, three words a second."""
    words = [said(word, at_s + n / 3, at_s + (n + 1) / 3) for n, word in enumerate(text.split(" "))]
    return turn(words, **who)


def test_both_files_by_example() -> None:
    files = rendered(
        fast("Good morning everybody and thank you for coming today. Shall we?", 3661.5, who="Ana"),
        fast("Yes.", 3670, who="Ben & <Co>", id=2),
    )
    assert files["transcript.srt"] == (
        "1\n01:01:01,500 --> 01:01:05,167\n"
        "Good morning everybody and thank\nyou for coming today. Shall we?\n\n"
        "2\n01:01:10,000 --> 01:01:11,000\nYes.\n\n"
    )
    assert files["transcript.vtt"] == (
        "WEBVTT\n\n"
        "01:01:01.500 --> 01:01:05.167\n<v Ana>Good morning everybody and thank\n"
        "you for coming today. Shall we?</v>\n\n"
        "01:01:10.000 --> 01:01:11.000\n<v Ben &amp; &lt;Co&gt;>Yes.</v>\n\n"
    )


def test_nothing_said_is_no_cue() -> None:
    files = rendered(turn([]))
    assert (files["transcript.srt"], files["transcript.vtt"]) == ("", "WEBVTT\n\n")


def test_a_turn_of_ten_minutes_becomes_many_cues_within_the_limits() -> None:
    found = cues_of(fast(" ".join(["budget", "and", "committee", "so", "perhaps,"] * 360)))
    assert len(found) > 85
    assert found[-1][1] == approx(600)
    for start_s, end_s, text in found:
        assert 1 <= end_s - start_s <= 7
        assert len(text.split("\n")) <= 2
        assert max(map(len, text.split("\n"))) <= 42
        assert len(text) / (end_s - start_s) <= 20.5
    assert all(before[1] <= after[0] for before, after in pairwise(found))


def test_short_sentences_close_together_are_shown_as_one() -> None:
    assert texts(fast("Yes. No. I see."), fast("Oh.", 60)) == ["Yes. No. I see.", "Oh."]
    assert texts(fast("Yes."), fast("No.", 1, id=2, who="Ben")) == ["Yes.", "No."], "not of two people"


def test_a_cue_is_cut_at_a_comma_or_before_a_pause_rather_than_in_the_middle() -> None:
    long = "if we ask them all about it again, nobody will be able to say what the budget is for this year"
    assert texts(fast(long))[0].replace("\n", " ").endswith("again,")
    words = [said("budget", n / 3 + (1.0 if n > 7 else 0.0), (n + 1) / 3) for n in range(20)]
    assert texts(turn(words))[0].count("budget") == 8


def test_what_is_said_too_fast_stays_until_it_is_read_unless_another_speaks() -> None:
    words = [said("unbelievable", n * 0.1, (n + 1) * 0.1) for n in range(4)]
    assert cues_of(turn(words))[0][:2] == (0, 2.5)
    assert cues_of(turn(words), fast("Stop!", 1.5, id=2, who="Ben"))[0][:2] == (0, 1.5)
    assert cues_of(turn(words), fast("Stop!", 0.2, id=2, who="Ben"), fast("So.", 2, id=1))[0][:2] == (0, 2)


def test_two_people_at_once_are_shown_at_once_in_the_order_of_the_transcript() -> None:
    found = by_the_standard(rendered(fast("So I thought", 10), fast("Sorry!", 10.2, id=2))["transcript.vtt"])
    assert found == [(10, 11, "So I thought"), (10.2, 11.2, "Sorry!")]


def test_times_that_are_missing_are_filled_in_from_their_neighbours() -> None:
    known = said("known", 10, 11)
    assert cues_of(turn([said("before"), known, said("between"), said("known.", 12, 13), said("after")])) == [
        (approx(9.65), approx(13.3), "before known between known. after")
    ]
    assert cues_of(turn([known, said("behind", None, 11.5)]))[0][:2] == (10, 11.5)
    assert cues_of(turn([known, said("on", 11.5, None)]))[0][:2] == (10, approx(11.65))
    assert cues_of(turn([known]), turn([said("none.")], id=2), turn([said("Nor here.")], id=3)) == [
        (10, 11, "known"),
        (11, 12, "none."),
        (12, 13, "Nor here."),
    ]


def test_a_transcript_without_times_is_laid_out_by_how_fast_it_is_read() -> None:
    found = cues_of(turn([said("so")] * 100), turn([said("at zero", 0, 0)] * 3))
    assert found[0][0] == 0
    assert all(before[1] <= after[0] for before, after in pairwise(found))
    assert 12 < found[-1][1] < 30


def test_a_whole_utterance_as_one_word_is_shared_out_by_its_letters() -> None:
    utterance = (
        "Good morning everybody. And thank you all for coming here, to talk about the budget of this year."
    )
    found = cues_of(turn([said(utterance, 100, 112)]))
    assert [text.replace("\n", " ") for _, _, text in found] == [
        "Good morning everybody.",
        "And thank you all for coming here,",
        "to talk about the budget of this year.",
    ]
    assert [start_s for start_s, _, _ in found] == [
        100,
        approx(103, abs=0.2),
        approx(107.5, abs=0.2),
    ]
    same = [said(word, 10, 30) for word in ("so",) * 20]
    starts = [start_s for start_s, _, _ in cues_of(turn(same))]
    assert starts == sorted(set(starts))
    assert starts[-1] > 20


def test_words_out_of_order_move_no_other_cue() -> None:
    assert cues_of(
        fast("One.", 10), fast("Four.", 5000, language="de"), fast("Two.", 20), fast("Three.", 30)
    ) == [
        (10, 11, "One."),
        (5000, 5001, "Four."),
        (20, 21, "Two."),
        (30, 31, "Three."),
    ]
    # Where there is no room between two others of the same speaker, the next room is taken.
    crowded = [
        turn([said("Long.", 10, 14)], language="de"),
        turn([said("Next.", 14.5, 17)], language="en"),
        turn([said("Back.", 11, 13)], language="de"),
    ]
    assert cues_of(*crowded) == [(10, 14, "Long."), (14.5, 17, "Next."), (17, 18, "Back.")]


def test_what_subrip_would_take_for_markup_is_written_full_width() -> None:
    content = rendered(turn([said("a --> b <i> {\\an8} 00:00:01,000 1:02:03.4 at 10:30", 1, 5)]))[
        "transcript.srt"
    ]
    assert "a --＞ b ＜i＞ ｛\\an8｝\n00：00：01,000" in content
    assert "at 10:30" in rendered(turn([said("at 10:30", 1, 5)]))["transcript.srt"]
    vtt = rendered(turn([said("a --> b <i> &amp; 01:02.500", 1, 5)]))["transcript.vtt"]
    assert "a --&gt; b &lt;i&gt; &amp;amp; 01&#58;02.500" in vtt


def test_a_number_never_stands_alone_in_the_second_line() -> None:
    long = "we have been told, all of us, that it was"
    assert texts(fast(f"{long} in 2024")) == ["we have been told, all of us,\nthat it was in 2024"]
    assert texts(fast(f"{'x' * 41} 2024")) == ["x" * 41, "2024"], "not as x…\n2024"


def test_wide_scripts_have_half_as_many_characters_in_a_line() -> None:
    long = "これはとても長い文章で、字幕の一行には収まりませんから、どこかで切らなければなりません。"
    found = cues_of(turn([said(long, 0, 9)], language="ja"))
    lines = [line for _, _, text in found for line in text.split("\n")]
    assert "".join(lines) == long
    assert 10 < max(map(len, lines)) <= 21
    mixed = "x" * 30 + "漢字" * 20 + "y" * 60
    lines = [line for _, _, text in cues_of(turn([said(mixed, 0, 20)])) for line in text.split("\n")]
    assert "".join(lines) == mixed
    assert lines[-1].endswith("y" * 60), "a word with blanks around it is not cut"


def test_right_to_left_text_and_emoji_stay_as_they_are() -> None:
    assert texts(spoke("مرحبا 👍🏽 שלום.")) == ["مرحبا 👍🏽 שלום."]


def test_wide_characters_take_two_columns_and_all_others_one() -> None:
    for char in map(chr, range(0x20, 0x3100)):
        wide = unicodedata.east_asian_width(char) in ("W", "F")
        assert columns(char) == 1 + wide, hex(ord(char))
        assert columns(f"a{char}\u00e9") == 3 + wide, hex(ord(char))
