"""Words by which a text is found, and what is made of a question."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.transcripts.formats.sentences_json import SentencesJson
from app.transcripts.model import Sentence, Speaker, Word
from app.transcripts.passages import MAX_CHARS, Passage, read_passages
from app.transcripts.search_words import (
    MAX_QUERY_CHARS,
    MAX_QUERY_WORDS,
    Phrase,
    Query,
    parse_query,
    words_of,
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't e-mail: 1,000 C++ a_b", "don t e mail 1 000 c a b"),
        ("Ana's café, STRASSE straße, ﬁnance", "ana s cafe strasse strasse finance"),
        ("İstanbul ΆΛΦΑ Ёлка й", "istanbul αλφα ёлка й"),  # Cyrillic: letters of their own
        ("会議室でAI会議", "会議 議室 室で で ai 会議 議"),
        ("ｶﾞ が か", "ガ が か"),
        ("회의가 시작", "회의 의가 가 시작 작"),
        ("ครับ", "คร รั ับ บ"),
        ("नमस्ते दुनिया", "नमस्ते दुनिया"),
        ("مُحَمَّد محـمد", "محمد محمد"),
        ("葛\U000e0100城 zero\u200bwidth soft\u00adhyphen", "葛城 城 zerowidth softhyphen"),
        ("\U00020000\U00020001", "\U00020000\U00020001 \U00020001"),
        ("🎉 \0 \ud800 — …", ""),
        ("x" * 100, "x" * 64),
    ],
)
def test_words_of_a_text(text: str, words: str) -> None:
    assert words_of(text) == words.split()


@given(st.text())
def test_no_word_has_a_sign_that_a_database_could_read(text: str) -> None:
    for word in words_of(text):
        assert word
        assert not set(word) & set("\0 \"'\\*:()&|!<>-+^{}[]~%_")
        assert len(word) <= 64


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("budget Review", [Phrase(("budget",)), Phrase(("review",))]),
        ('"budget review" now', [Phrase(("budget", "review")), Phrase(("now",))]),
        ("„budget review”", [Phrase(("budget", "review"))]),
        ('an "open end', [Phrase(("an",)), Phrase(("open", "end"))]),
        ("e-mail", [Phrase(("e", "mail"))]),
        ("会", [Phrase(("会",), is_open=True)]),
        ("会議", [Phrase(("会議",))]),
        ("会議室", [Phrase(("会議", "議室"))]),
        ("AI会", [Phrase(("ai", "会"), is_open=True)]),
        ("会議AI", [Phrase(("会議", "議", "ai"))]),
        ('NOT a* OR "" ^b', [Phrase((word,)) for word in ("not", "a", "or", "b")]),
    ],
)
def test_a_question_is_words_and_phrases(text: str, phrases: list[Phrase]) -> None:
    assert parse_query(text) == Query(tuple(phrases))
    assert parse_query("", text) == Query((), tuple(phrases))


@pytest.mark.parametrize(
    ("text", "speaker"), [("", " "), ("🎉", ""), ("🎉", "ana"), ("budget", "\0"), ('""', "")]
)
def test_what_can_find_nothing_is_no_question(text: str, speaker: str) -> None:
    assert parse_query(text, speaker) is None


def test_a_long_question_is_asked_as_far_as_whole_words_go() -> None:
    query = parse_query(f"{'word ' * 10}{'x' * 30} {'y' * MAX_QUERY_CHARS}")
    assert query is not None
    assert query.phrases[-1] == Phrase(("x" * 30,))
    many = parse_query("a b " * 200)
    assert many is not None
    assert len(many.phrases) == MAX_QUERY_WORDS
    endless = parse_query("会" * 5000)
    assert endless is not None
    assert len(endless.phrases[0].words) == MAX_QUERY_WORDS
    cut = parse_query(f"{'a-' * MAX_QUERY_WORDS}会")
    assert cut == Query((Phrase(("a",) * MAX_QUERY_WORDS),))


# -- sentences.json, read back ---------------------------------------------------------------------------
def _written(*sentences: Sentence) -> bytes:
    out = io.StringIO()
    writer = SentencesJson(out)
    for sentence in sentences:
        writer.sentence(sentence)
    writer.end()
    return out.getvalue().encode()


def _said(text: str, start_s: float | None = None) -> Sentence:
    word = Word(text, start_s, start_s)
    return Sentence(Speaker(1, "Ana, (2)]", None), "en", (word,), text, starts_turn=True)


def test_sentences_are_read_back_as_they_were_written() -> None:
    content = _written(_said("Good [morning],", 1.25), _said("],"))
    passages = list(read_passages(io.BytesIO(content)))
    assert passages == [
        Passage("Ana, (2)]", 1.25, 1.25, "Good [morning],"),
        Passage("Ana, (2)]", None, None, "],"),
    ]
    assert list(read_passages(io.BytesIO(_written()))) == list(read_passages([b"[]"])) == []


def test_an_endless_sentence_is_cut_in_pieces_and_nothing_of_it_is_lost() -> None:
    text = "会" * (2 * MAX_CHARS + 1)
    passages = list(read_passages(io.BytesIO(_written(_said(text)))))
    assert [len(passage.text) for passage in passages] == [MAX_CHARS, MAX_CHARS, 1]
    assert "".join(passage.text for passage in passages) == text


def test_what_no_database_takes_is_replaced() -> None:
    line = b'{"speaker": "A\\u0000", "start_s": 1, "end_s": null, "text": "\\ud800 x\\u0000"}'
    assert list(read_passages([line])) == [Passage("A ", 1, None, "\N{REPLACEMENT CHARACTER} x ")]


@pytest.mark.parametrize(
    "line",
    [
        b"x",
        b'{"speaker": "A"}',
        b'{"speaker": "A", "start_s": "1", "end_s": 2, "text": "x"}',
        b"\xff",
        b"[" * 99999,
    ],
)
def test_another_file_is_refused_without_a_word_of_it(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"^not a line of sentences\.json$"):
        list(read_passages([line]))
