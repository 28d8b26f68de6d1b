"""Subtitles are read by others with the same words in the same order, and keep their limits."""

from __future__ import annotations

import unicodedata
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.transcripts.cues import columns
from tests.transcripts.recall_json import rendered_bytes
from tests.transcripts.subtitle_readers import SRT_READERS, VTT_READERS, by_the_standard, words_read
from tests.transcripts.test_properties import TRANSCRIPT, Json, encoded, unhurried, words_of

_SIGN = st.sampled_from(
    [
        "-->",
        "&amp;",
        "<b>",
        "</i>",
        "< i >",
        "{\\an8}",
        "2024",
        "7",
        "00:00:01,000",
        "00:01.500",
        "NOTE",
        "&lt",
        "<v",
    ]
    + [
        "\uff12\uff14",
        "<",
        ">",
        "00:00:01.000 --> 00:00:02.000",
        "WEBVTT",
        "a" * 50,
        "\u4eca" * 60,
        "\u0e01" * 90,
    ]
)
_AT = st.one_of(st.none(), st.floats(0, 400), st.integers(0, 20), st.just(9e5))
_WORD = st.fixed_dictionaries(
    {"text": st.one_of(_SIGN, st.sampled_from(["so", "yes.", "and,", "why?", "\u306f\u3044\u3002"]))},
    optional={
        "start_timestamp": st.fixed_dictionaries({"relative": _AT}),
        "end_timestamp": st.fixed_dictionaries({"relative": _AT}),
    },
)
_TURN = st.fixed_dictionaries(
    {
        "words": st.lists(_WORD, max_size=30),
        "participant": st.fixed_dictionaries(
            {"id": st.integers(0, 2), "name": st.sampled_from(["A", "--> <v B>\n\n&", None])}
        ),
    }
)
_HOSTILE = st.lists(_TURN, max_size=6)


@pytest.mark.slow
@unhurried
@given(st.one_of(TRANSCRIPT, _HOSTILE))
def test_three_readers_find_the_same_words_in_the_same_order(transcript: list[Json]) -> None:
    files, _ = rendered_bytes(encoded(transcript))
    expected = unicodedata.normalize("NFKC", words_of(transcript))
    for kind, readers in (("srt", SRT_READERS), ("vtt", VTT_READERS)):
        content = files[f"transcript.{kind}"]
        for name, read in readers.items():
            if expected:  # some readers take a file without a cue for none at all
                assert words_read(read(content)) == expected, (kind, name, content)


@pytest.mark.slow
@unhurried
@given(st.one_of(TRANSCRIPT, _HOSTILE))
def test_no_cue_of_one_speaker_overlaps_another_of_theirs_and_each_is_shown(transcript: list[Json]) -> None:
    files, _ = rendered_bytes(encoded(transcript))
    voices = [line.partition("<v ")[2].partition(">")[0] for line in files["transcript.vtt"].splitlines()]
    cues = by_the_standard(files["transcript.vtt"])
    spoken = zip([voice for voice in voices if voice], cues, strict=True)
    for start_s, end_s, text in cues:
        assert 0.0005 < end_s - start_s < 7.0005
        assert len(text.split("\n")) <= 2
    for (voice, one), (other_voice, other) in combinations(spoken, 2):
        assert voice != other_voice or one[1] <= other[0] or other[1] <= one[0]


@pytest.mark.slow
@unhurried
@given(
    st.lists(
        st.sampled_from(["so", "budget", "committee,", "yes.", "\u4eca\u65e5", "\u306f\u3044\u3002"]),
        min_size=1,
        max_size=200,
    )
)
def test_no_line_is_wider_than_can_be_read(words: list[str]) -> None:
    timed = [
        {"text": word, "start_timestamp": {"relative": n * 0.4}, "end_timestamp": {"relative": n * 0.4 + 0.4}}
        for n, word in enumerate(words)
    ]
    files, _ = rendered_bytes(encoded([{"words": timed, "participant": {"id": 1, "name": "A"}}]))
    for _, _, text in by_the_standard(files["transcript.vtt"]):
        assert all(columns(line) <= 42 for line in text.split("\n"))
