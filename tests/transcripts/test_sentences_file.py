"""`sentences.json` by example: where a sentence ends, and what stands beside it."""

from __future__ import annotations

import json

import pytest

from tests.transcripts.recall_json import rendered, said, sentences_of, spoke, turn


def texts(*turns: object) -> list[str]:
    return [sentence["text"] for sentence in sentences_of(*turns)]


@pytest.mark.parametrize(
    "expected",
    [
        ["Hello.", "How are you?", "Fine!"],
        ["She said “no.”", "Then she left."],
        ["He (really?)", "left."],
        ["Ask Dr. Smith.", "He knows."],
        ["J. R. Miller and I.", "Nobody else."],
        ["It costs 3. 50 or so.", "In 2024.", "Not later."],
        ["We meet at 5 p.m. Friday."],
        ["Well… maybe.", "Wait…", "What?"],
        ["And then... nothing.", "Hmm...", "Okay."],
        ["Das ist z.B. so.", "Gut bzw. besser."],
        ["मैं ठीक हूँ।", "आप?"],
        ["کیا حال ہے؟", "ٹھیک ہے۔", "شکریہ"],
        ["ሰላም።", "እሺ"],
        ["Was ist das?!", "Ah."],
        ["I saw Prof. Miller.", "No. 5 is alive."],
        ["I said no.", "No.", "Five did.", "No.", "I did."],
        ["At 5 p.m. Five came.", "Ask Sra. Lopez."],
    ],
    ids=lambda expected: expected[0],
)
def test_a_sentence_ends_where_a_reader_would_say(expected: list[str]) -> None:
    assert texts(spoke(" ".join(expected))) == expected


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("de-CH", ["Am 3. Mai kommt er.", "Es kostet 3.", "Wir gehen.", "Ok.", "Dann los.", "Sag es mir."]),
        ("fr", ["M. Dupont est là.", "Oui."]),
        ("it", ["Non lo so.", "Ma sì."]),
        ("es-MX", ["El Sr. Pérez llegó.", "No.", "Vamos."]),
        ("xx", ["Dr. Miller.", "Then."]),
        (None, ["Dr. Miller.", "Then."]),
        ("en", ["(Then.)", "Dr.", "“So.”", "¡No!"]),
    ],
)
def test_an_abbreviation_is_one_of_its_language(language: str | None, expected: list[str]) -> None:
    assert texts(spoke(" ".join(expected), language=language)) == expected


def test_full_width_sentences_inside_one_word_are_told_apart() -> None:
    words = [said("はい。そうです。", 1, 2), said("「ええ！」", 2, 3), said("でも", 3, 4)]
    assert texts(turn(words)) == ["はい。", "そうです。", "「ええ！」", "でも"]


def test_a_sentence_goes_on_in_the_next_turn_of_the_same_speaker() -> None:
    assert texts(spoke("I think"), spoke("so. Yes.")) == ["I think so.", "Yes."]


def test_another_speaker_ends_the_sentence() -> None:
    assert texts(spoke("I think", id=1), spoke("No", who="Ben", id=2), spoke("so", id=1)) == [
        "I think",
        "No",
        "so",
    ]


def test_another_language_ends_the_sentence_and_is_named() -> None:
    found = sentences_of(spoke("and then", language="en"), spoke("bis morgen", language="de-CH"))
    assert [(entry["language"], entry["text"]) for entry in found] == [
        ("en", "and then"),
        ("de-CH", "bis morgen"),
    ]


def test_without_punctuation_sixty_words_are_a_sentence() -> None:
    assert [len(text.split()) for text in texts(spoke(" ".join(["so"] * 130)))] == [60, 60, 10]


def test_a_pause_cuts_a_long_run_but_not_a_short_one() -> None:
    def run(words: int, at_s: float) -> list[dict[str, object]]:
        return [said("so", at_s + n, at_s + n + 0.9) for n in range(words)]

    short_then_long = run(5, 0) + run(15, 10) + run(5, 27)
    assert [len(text.split()) for text in texts(turn(short_then_long))] == [20, 5]


def test_words_without_times_are_no_pause() -> None:
    assert len(texts(turn([said("so")] * 25 + [said("so", 500, 501)]))) == 1


def test_each_sentence_has_speaker_language_and_times() -> None:
    words = [said("Hi"), said("all.", 1.25, 1.5), said("So", 2.0004, 2.5), said("what?", 2.6)]
    assert sentences_of(turn(words, who="Ana", id=7, language="pt-BR")) == [
        {
            "speaker": "Ana",
            "speaker_id": "7",
            "language": "pt-BR",
            "start_s": 1.25,
            "end_s": 1.5,
            "text": "Hi all.",
        },
        {
            "speaker": "Ana",
            "speaker_id": "7",
            "language": "pt-BR",
            "start_s": 2.0,
            "end_s": 2.5,
            "text": "So what?",
        },
    ]


def test_what_is_unknown_is_null() -> None:
    assert sentences_of({"participant": {}, "words": [{"text": "Hm."}]}) == [
        {
            "speaker": "Unknown speaker",
            "speaker_id": None,
            "language": None,
            "start_s": None,
            "end_s": None,
            "text": "Hm.",
        }
    ]


def test_the_file_has_one_sentence_per_line_and_readable_letters() -> None:
    content = rendered(spoke("Grüße. Bis morgen.", id=1))["sentences.json"]
    lines = content.splitlines()
    assert (lines[0], lines[-1]) == ("[", "]")
    assert [json.loads(line.removesuffix(","))["text"] for line in lines[1:-1]] == ["Grüße.", "Bis morgen."]
    assert "Grüße." in content


def test_a_silent_recording_is_an_empty_list() -> None:
    assert rendered()["sentences.json"] == "[]\n"


@pytest.mark.slow
def test_a_hostile_row_of_dots_costs_no_time() -> None:
    hostile = "." * 200_000 + "x"
    assert texts(turn([said(hostile), said("a.a." * 50_000 + "!a"), said("end")])) != []


@pytest.mark.slow
def test_where_names_would_outweigh_the_words_a_sentence_has_sixty_of_them() -> None:
    name = "Ana Maria " * 20
    found = [len(text.split()) for text in texts(spoke("no! " * 20_000, who=name))]
    assert (found[0], max(found)) == (1, 60)
    assert sum(found) == 20_000
