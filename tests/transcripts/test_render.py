"""One pass over a transcript: what is counted, what is called empty, how much memory it takes."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from typing import Any

import pytest

from app.errors import TranscriptUnreadable
from app.settings.program_name import ROOT
from app.transcripts.formats import FORMATS, MEDIA_TYPES
from app.transcripts.model import Summary, Verdict
from app.transcripts.render import render
from tests.transcripts.recall_json import rendered_bytes, said, sentences_of, spoke, summary_of, turn


def test_counts_turns_words_speakers_languages_and_length() -> None:
    summary = summary_of(
        spoke("Good morning all.", id=1, at_s=0),
        spoke("So.", id=1, at_s=4),
        turn([said(None), said(" ")], who="Eve", id=3),
        spoke("Hallo", who="Ben", id=2, language="de", at_s=60),
        spoke("Hm", who="Ben", id=2, language=None, at_s=30),
    )
    assert summary == Summary(
        turns=2, words=8, spoken_words=6, speakers=2, languages=(("en", 4), ("de", 1)), duration_ms=60_800
    )
    assert summary.language == "en"
    assert summary.verdict is Verdict.SPOKEN


@pytest.mark.parametrize(
    "turns",
    [
        [],
        [turn([])],
        [turn([None, said(None), said(""), said(" \n\t"), said("\u200b\u2060\u202e")])],
    ],
    ids=["no turn", "no word", "nothing to see"],
)
def test_a_transcript_without_a_visible_word_is_empty_not_unreadable(turns: list[Any]) -> None:
    summary = summary_of(*turns)
    assert summary.verdict == "empty"
    assert (summary.turns, summary.speakers, summary.language) == (0, 0, None)


@pytest.mark.parametrize("word", ["…", "-", "嗯", "\u0e2e", "👍", "\U000e0fff", "\ue000"])
def test_whatever_can_be_seen_is_spoken(word: str) -> None:
    assert summary_of(turn([said(word)])).verdict == "spoken"


@pytest.mark.parametrize(
    ("words", "duration_ms"),
    [
        ([said("a", 1, 5.5), said("b", 2, 3)], 5500),
        ([said("a", 1, 2), said("b", 3, None)], 3000),
        ([said("a")], None),
        ([said(" ", 1, 2)], 2000),
    ],
)
def test_the_length_is_where_the_last_word_ends(words: list[Any], duration_ms: int | None) -> None:
    assert summary_of(turn(words)).duration_ms == duration_ms


def test_a_tie_of_languages_goes_to_the_one_heard_first() -> None:
    assert summary_of(spoke("ja", language="de"), spoke("yes", language="en")).language == "de"


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"id": "i" * 1_000_000},
        {"id": 10**4_000},
        {"who": "n" * 1_000_000},
        {"who": "n" * 1_000_000, "id": None},
        {"language": "l" * 1_000_000},
        {"language": "en-" + "l" * 8},
    ],
)
def test_what_is_repeated_with_every_sentence_is_short(changes: dict[str, Any]) -> None:
    one = turn([said("So.")] * 6_000, **changes)
    files, _ = rendered_bytes(json.dumps([one]).encode())
    assert sum(map(len, files.values())) < 6_000 * 700


@pytest.mark.slow
@pytest.mark.parametrize("text", ["! ", "a! ", "1? "])
@pytest.mark.parametrize(
    ("name", "id"), [("x" * 200, "y" * 64), ("\U0001f600" * 200, "\U0001f600" * 64)], ids=["x", "wide"]
)
def test_sentences_of_one_sign_do_not_make_gigabytes(text: str, name: str, id: str) -> None:
    content = json.dumps([turn([{"text": text * 25_000}], who=name, id=id)], ensure_ascii=False).encode()
    files, summary = rendered_bytes(content)
    sizes = [len(file.encode()) for file in files.values()]
    assert sum(sizes) < 125 * len(content), "a million bytes of names are free: a fifth of this"
    assert files["transcript.txt"].count(text[0]) == 25_000, "no word is lost"
    assert summary.speakers == 1


@pytest.mark.slow
def test_many_short_sentences_of_people_with_names_are_cut_as_ever() -> None:
    spoken = [spoke("Yes. " * 30 + "No.", who="Ana López", id=100) for _ in range(500)]
    assert len(sentences_of(*spoken)) == 15_500


def test_a_language_a_word_does_not_make_the_summary_long() -> None:
    summary = summary_of(*(spoke("so", language=f"x{n}") for n in range(1_000)), spoke("a b", language="x0"))
    assert len(summary.languages) == 100
    assert summary.languages[0] == ("x0", 3)


def test_a_monologue_in_pieces_is_one_speaker_turn() -> None:
    assert summary_of(turn([said("so")] * 2_500)).turns == 1


def test_a_transcript_is_read_from_where_it_begins_in_its_file() -> None:
    source = io.BytesIO(b"#!" + json.dumps([spoke("Hi.", who=None), spoke("Ho.")]).encode())
    source.seek(2)
    out = io.StringIO()
    render(source, {"transcript.txt": out})
    assert out.getvalue() == "[00:00:00] Ana: Hi. Ho.\n"


def test_only_what_is_asked_for_is_written() -> None:
    out = io.StringIO()
    render(io.BytesIO(json.dumps([spoke("Hi.")]).encode()), {"transcript.txt": out})
    assert out.getvalue() == "[00:00:00] Ana: Hi.\n"
    assert render(io.BytesIO(b"[]"), {}).words == 0


def test_an_unknown_format_is_refused_before_anything_is_read() -> None:
    source = io.BytesIO(b"[]")
    with pytest.raises(KeyError):
        render(source, {"transcript.docx": io.StringIO()})
    assert source.tell() == 0


def test_a_full_disk_is_not_blamed_on_the_transcript() -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        render(io.BytesIO(b"[]"), {"transcript.txt": Full()})


def test_a_transcript_that_breaks_off_is_no_result() -> None:
    whole = json.dumps([spoke("Hi. Ho.")] * 50).encode()
    with pytest.raises(TranscriptUnreadable):
        rendered_bytes(whole[:-1])


def test_every_format_has_a_media_type() -> None:
    assert set(FORMATS) <= set(MEDIA_TYPES)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words_per_turn", "short", "long"),
    [(50, 2_000, 8_000), (2_000, 4_000, 10_000)],
    ids=["dialogue", "monologue"],
)
def test_memory_does_not_grow_with_the_transcript(words_per_turn: int, short: int, long: int) -> None:
    # A process of its own: what is traced are the allocations of all threads, also of other tests'.
    command = [sys.executable, "-m", "tests.transcripts.peak", *map(str, (words_per_turn, short, long))]
    said = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout
    small, large = map(int, said.split())
    assert large < small * 1.08
