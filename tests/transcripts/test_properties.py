"""What holds for every file, however odd: found by Hypothesis rather than by imagination."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import TranscriptUnreadable
from app.transcripts.model import Summary
from app.transcripts.sentences import ends_sentence
from app.transcripts.text import join, visible_parts
from tests.transcripts.recall_json import rendered_bytes

Json = Any

# A busy machine is no failure; that nothing hangs is for the timeout of the whole test.
unhurried = settings(deadline=None)

ODD = st.sampled_from(
    [*"ab. ,!?…。！、「」\n\r\t\x00\x85\u2028\u202e\u202c\u2066\u200b\u200f\u00a0\u3000\ufeff", "Dr."]
)
HUMAN = st.sampled_from(
    ["so", "I", "Dr.", "3.", "14", "はい。", "今日", "ครับ", "안녕", "مرحبا", "שלום.", "[00:00:01] Boss:"]
)
HALVES = st.characters(categories=["Cs"])
TEXT = st.one_of(
    HUMAN,
    st.text(max_size=8),
    st.text(HALVES | st.characters(), max_size=4),
    st.lists(ODD, max_size=6).map("".join),
)
SCALAR = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
)
ANYTHING = st.recursive(
    SCALAR,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
STAMP = st.one_of(
    st.none(),
    st.floats(0, 1e5),
    ANYTHING,
    st.fixed_dictionaries({"relative": st.one_of(st.none(), st.floats(0, 9))}),
)
WORD = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {"text": st.one_of(TEXT, st.none())},
        optional={"start_timestamp": STAMP, "end_timestamp": STAMP, "new": ANYTHING},
    ),
)
NAMES = st.sampled_from([None, "", "Ana", "Sam", "a: b\n", "\u202e"])
PARTICIPANT = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {},
        optional={
            "id": st.one_of(
                st.none(), st.integers(0, 3), st.sampled_from(["0", 1.0, "x" * 99, float("nan")])
            ),
            "name": NAMES,
        },
    ),
    NAMES,
    st.integers(0, 3),
)
TURN = st.fixed_dictionaries(
    {"words": st.lists(WORD, max_size=6)},
    optional={
        "participant": PARTICIPANT,
        "speaker": PARTICIPANT,
        "speaker_id": st.one_of(st.none(), st.integers(0, 3)),
        "language_code": st.sampled_from([None, "en", "de-CH", "x y"]),
        "new": ANYTHING,
    },
)
TRANSCRIPT = st.lists(TURN, max_size=8)
LABELLED = re.compile(
    r"\[(?:\d\d:\d\d:\d\d|--:--:--)\] (?:Ana|Sam|a: b|Unknown speaker)(?: \(\d+\)| \d+)?: (\S.*)"
)


def encoded(document: Json) -> bytes:
    return json.dumps(document).encode()


def visible(text: str) -> str:
    """What a reader can see of a text, without any kind of room between it."""
    return "".join(c for c in text if unicodedata.category(c) not in ("Cc", "Cf", "Zs", "Zl", "Zp"))


def words_of(transcript: list[Json]) -> str:
    return visible(
        "".join(whole(word["text"] or "") for turn in transcript for word in turn["words"] if word)
    )


def whole(text: str) -> str:
    """With U+FFFD for each half of a surrogate pair that is without the other."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


@pytest.mark.slow
@unhurried
@given(TRANSCRIPT)
def test_every_visible_word_survives_in_order(transcript: list[Json]) -> None:
    files, _ = rendered_bytes(encoded(transcript))
    sentences = json.loads(files["sentences.json"])
    assert visible("".join(sentence["text"] for sentence in sentences)) == words_of(transcript)
    lines = files["transcript.txt"].split("\n\n") if files["transcript.txt"] else []
    paragraphs = [LABELLED.fullmatch(line.removesuffix("\n")) for line in lines]
    assert visible("".join(paragraph[1] for paragraph in paragraphs if paragraph)) == words_of(transcript)


@pytest.mark.slow
@unhurried
@given(TRANSCRIPT)
def test_who_is_told_apart_by_id_is_told_apart_in_every_file(transcript: list[Json]) -> None:
    spoken = [t for t in transcript if any(w and visible(w["text"] or "") for w in t["words"])]
    ids = {
        str(p["id"])
        for t in spoken
        if isinstance(p := t.get("participant"), dict) and type(p.get("id")) is int
    }
    sentences = json.loads(rendered_bytes(encoded(transcript))[0]["sentences.json"])
    labels = {(s["speaker_id"], s["speaker"]) for s in sentences}
    assert ids <= {speaker_id for speaker_id, _ in labels}
    assert len({label for _, label in labels}) == len(labels)  # nobody shares a label
    assert all(len(s["speaker_id"] or "") <= 64 for s in sentences)


@pytest.mark.slow
@unhurried
@given(TRANSCRIPT)
def test_no_word_and_no_name_can_forge_a_line(transcript: list[Json]) -> None:
    files, summary = rendered_bytes(encoded(transcript))
    lines = files["transcript.txt"].splitlines()
    assert len(lines) == max(0, 2 * summary.turns - 1)
    assert all(LABELLED.fullmatch(line) for line in lines[::2])
    assert set(lines[1::2]) <= {""}
    for content in files.values():
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", content)


@pytest.mark.slow
@unhurried
@given(TRANSCRIPT)
def test_the_files_and_the_summary_agree_and_are_the_same_again(transcript: list[Json]) -> None:
    files, summary = rendered_bytes(encoded(transcript))
    assert rendered_bytes(encoded(transcript)) == (files, summary)
    sentences = json.loads(files["sentences.json"])
    assert summary.speakers <= summary.turns <= len(sentences)
    assert (summary.verdict == "spoken") == bool(sentences) == bool(files["transcript.txt"])
    assert summary.words == sum(len(turn["words"]) for turn in transcript) >= summary.spoken_words
    assert all(set(sentence) == set(FIELDS) and sentence["text"].strip() for sentence in sentences)


FIELDS = ("speaker", "speaker_id", "language", "start_s", "end_s", "text")


def readable(content: bytes) -> Summary | None:
    """The summary, or None if it was refused in the one way that is allowed; then check what was written."""
    try:
        files, summary = rendered_bytes(content)
    except TranscriptUnreadable:
        return None
    assert isinstance(json.loads(files["sentences.json"]), list)
    for text in files.values():
        text.encode("utf-8")
    return summary


@pytest.mark.slow
@unhurried
@given(TRANSCRIPT, st.data())
def test_a_transcript_cut_anywhere_is_refused(transcript: list[Json], data: st.DataObject) -> None:
    content = encoded(transcript)
    assert readable(content[: data.draw(st.integers(0, len(content) - 1))]) is None


@pytest.mark.slow
@unhurried
@given(TRANSCRIPT, st.data())
def test_a_flipped_byte_is_refused_or_rendered_but_never_raises(
    transcript: list[Json], data: st.DataObject
) -> None:
    content = bytearray(encoded(transcript))
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    readable(bytes(content))


@pytest.mark.slow
@unhurried
@given(st.one_of(ANYTHING.map(encoded), st.lists(ANYTHING, max_size=3).map(encoded), st.binary(max_size=40)))
def test_any_json_and_any_bytes_are_refused_or_rendered_but_never_raise(content: bytes) -> None:
    readable(content)


@pytest.mark.slow
@unhurried
@given(
    st.dictionaries(
        st.sampled_from(["participant", "words", "language_code", "id", "text"]), ANYTHING, max_size=5
    )
)
def test_any_value_in_a_known_field_is_refused_or_rendered_but_never_raises(turn: Json) -> None:
    readable(encoded([turn]))
    readable(encoded([{"words": [turn]}]))


@unhurried
@given(st.text(), st.text(min_size=1))
def test_sentence_ends_and_joins_are_defined_for_every_text(word: str, following: str) -> None:
    assert ends_sentence(word, following) in (True, False)
    assert visible(join(visible_parts(word))) == visible(word).translate(
        dict.fromkeys(range(0xD800, 0xE000), "\N{REPLACEMENT CHARACTER}")
    )
