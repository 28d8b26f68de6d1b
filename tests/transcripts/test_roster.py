"""Labels in the place of names, hybrid and a machine's: no reader meets them, and names of people stay."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.transcripts.formats import FORMATS
from app.transcripts.model import Turn
from app.transcripts.render import read_roster, render
from app.transcripts.roster import MOST_LISTED_BYTES, MOST_NAMES, people_listed, roster_of
from tests.transcripts.recall_json import spoke

PEOPLE = {"200": "Ana Lopez", "300": "Bo"}


def named(*names: str | None, id: str | None = None) -> list[Turn]:
    """A turn under each name."""
    return [Turn(id, name, None, ()) for name in names]


def called(*names: str, people: dict[str, str] = PEOPLE) -> list[str]:
    """What each is called in a transcript of these."""
    roster = roster_of(named(*names)).with_people(people)
    return [roster.called(name)[0] if name in roster.labels else name for name in names]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["200-0", "300-0"], ["Ana Lopez", "Bo"]),
        (["200-A", "300-A"], ["Ana Lopez", "Bo"]),
        (["200-0", "200-1", "300-0"], ["Ana Lopez, voice 1", "Ana Lopez, voice 2", "Bo"]),
        (["200-10", "200-2", "200-0"], [f"Ana Lopez, voice {n}" for n in (3, 2, 1)]),
        (["200-AA", "200-Z", "200-A"], [f"Ana Lopez, voice {n}" for n in (3, 2, 1)]),
        (["200-S1", "200-S2"], ["Ana Lopez, voice 1", "Ana Lopez, voice 2"]),
        (["200-speaker_0", "7-speaker_0"], ["Ana Lopez", "Participant 7"]),
        (["7-0", "7-1"], ["Participant 7, voice 1", "Participant 7, voice 2"]),
        (["0", "1", "26"], ["Speaker A", "Speaker B", "Speaker AA"]),
        (["1", "2"], ["Speaker A", "Speaker B"]),
        (["A", "C"], ["Speaker A", "Speaker C"]),
        (["spk_0", "spk_1"], ["Speaker A", "Speaker B"]),
        (["S1", "UU"], ["Speaker A", "Speaker UU"]),
        # People, as they are.
        (["3-D", "Ana-2"], ["3-D", "Ana-2"]),
        (["3-D"], ["3-D"]),
        (["J", "K"], ["J", "K"]),
        (["24-7"], ["24-7"]),
        (["24-7", "Ana"], ["24-7", "Ana"]),
        (["J", "Ana"], ["J", "Ana"]),
        (["A", "Ana"], ["A", "Ana"]),
        # A label beside names.
        (["200-0", "Ana"], ["Ana Lopez", "Ana"]),
        (["200-0", "200-4", "3-D", "Ana"], ["Ana Lopez, voice 1", "Ana Lopez, voice 2", "3-D", "Ana"]),
        (["A", "200-0"], ["A", "Ana Lopez"]),
        (["2026-11-28", "0"], ["2026-11-28", "0"]),
        (["200-0-0"], ["200-0-0"]),
        (["a", "b"], ["a", "b"]),
        (["-0"], ["-0"]),
    ],
)
def test_labels_become_words_and_names_stay(names: list[str], expected: list[str]) -> None:
    assert called(*names) == expected


def test_a_person_has_an_id_and_keeps_any_name() -> None:
    for name in ("200-0", "A", "0"):
        assert not roster_of(named(name, id="1")).labels
        both = roster_of([*named(name, id="1"), *named("200-0")])
        assert (dict(both.names), set(both.labels)) == ({"1": name}, {"200-0"})


def test_turns_without_a_name_do_not_hide_the_labels() -> None:
    assert roster_of(named(None, "200-0", " ")).labels == {"200-0"}


def test_only_labels_with_an_id_need_the_list_of_participants() -> None:
    needs = [roster_of(named(*names)).needs_people for names in (["200-0"], ["A"], ["Ana"], [])]
    assert needs == [True, False, False, False]


@pytest.mark.slow
def test_labels_are_looked_for_in_bounded_memory() -> None:
    assert len(roster_of(named(*(f"{n}-0" for n in range(MOST_NAMES)))).labels) == MOST_NAMES
    more = [f"{n}-0" for n in range(MOST_NAMES + 1)]
    assert len(roster_of(named(*more)).labels) == MOST_NAMES
    assert not roster_of(named(*(f"{n}" for n in (*range(999), "Ana", "0")))).labels


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        (b'[{"id": 200, "name": "Ana"}, {"id": "x", "name": "Bo"}]', {"200": "Ana", "x": "Bo"}),
        (b'[{"id": 1, "name": null}, {"id": null, "name": "Al"}, 7, {}]', {}),
        (b"{}", {}),
        (b"[", {}),
        (b"[" * 100_000, {}),
        (b"\xff", {}),
        (b'[{"id": 200, "name": "Ana"}]' + b" " * MOST_LISTED_BYTES, {}),
    ],
)
def test_the_list_of_participants_is_read_as_far_as_it_is_one(
    listed: bytes, expected: dict[str, str]
) -> None:
    assert people_listed(io.BytesIO(listed)) == expected


def files(turns: list[Any], people: dict[str, str]) -> tuple[dict[str, str], list[Any]]:
    """Every format of these turns, and sentences.json as read."""
    source = io.BytesIO(json.dumps(turns).encode())
    outputs = {name: io.StringIO() for name in FORMATS}
    render(source, outputs, roster=read_roster(source).with_people(people))
    written = {name: out.getvalue() for name, out in outputs.items()}
    return written, json.loads(written["sentences.json"])


def test_one_voice_is_the_participant_and_several_are_no_ones_id() -> None:
    turns = [spoke(f"I am {name}.", who=name, id=None) for name in ("200-0", "300-0", "300-1")]
    _, sentences = files(turns, PEOPLE)
    assert [(each["speaker"], each["speaker_id"]) for each in sentences] == [
        ("Ana Lopez", "200"),
        ("Bo, voice 1", None),
        ("Bo, voice 2", None),
    ]


def test_two_participants_of_one_name_stay_two() -> None:
    turns = [spoke("Hi.", who=name, id=None) for name in ("200-0", "300-0")]
    _, sentences = files(turns, {"200": "Ana", "300": "Ana"})
    assert [each["speaker"] for each in sentences] == ["Ana", "Ana (2)"]


VOICES = st.lists(st.tuples(st.integers(0, 2**32), st.integers(0, 3)), min_size=1, max_size=6)
NAMES = st.dictionaries(st.integers(0, 2**32).map(str), st.text("aB\u00e9\u738b \n", max_size=9), max_size=3)


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(VOICES, NAMES, st.sampled_from(["0123", "ABCD", ["S1", "S2", "S3", "S4"]]))
def test_no_file_shows_a_hybrid_label(
    voices: list[tuple[int, int]], people: dict[str, str], kind: Any
) -> None:
    first = [(voices[0][0], 0), *voices]
    labels = [f"{participant}-{kind[voice]}" for participant, voice in first]
    written, sentences = files([spoke("Yes.", who=label, id=None) for label in labels], people)
    for name, text in written.items():
        for label in labels:
            assert label not in text, name
    assert len({each["speaker"] for each in sentences}) == len(set(labels))


@pytest.mark.slow
@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.text(min_size=1, max_size=12), min_size=1),
    st.sampled_from(["Ana", "Ana-2", "3-D printer", "王"]),
)
def test_a_name_that_is_no_label_is_none_whatever_is_beside_it(others: list[str], name: str) -> None:
    assert name not in roster_of(named(name, *others)).labels
