"""The simulator's meetings: their shape, their clock, and the oddities each kind is there for."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any

import pytest

from app.simulator.meetings.dice import Dice
from app.simulator.meetings.script import ScriptError, choose, fill, load, parse
from app.simulator.meetings.speech import Conversation
from app.simulator.meetings.transcript_json import (
    KINDS,
    LONG,
    SILENT,
    WRITTEN,
    Meeting,
    make_meeting,
)
from app.simulator.meetings.workshop import Deck

SPOKEN = (*WRITTEN, LONG)
PARTICIPANT = {"id", "name", "is_host", "platform", "extra_data", "email"}


@cache
def made(seed: int, *, kind: str) -> Meeting:
    """A meeting to look at and leave alone: the long one takes a tenth of a second to make."""
    return make_meeting(seed, kind=kind)


def words_of(meeting: Meeting) -> Iterator[dict[str, Any]]:
    return (word for turn in meeting.turns for word in turn["words"])


def text_of(meeting: Meeting) -> str:
    return "\n".join(" ".join(word["text"] for word in turn["words"]) for turn in meeting.turns)


def span_s(turn: dict[str, Any]) -> tuple[float, float]:
    first, last = turn["words"][0], turn["words"][-1]
    return first["start_timestamp"]["relative"], last["end_timestamp"]["relative"]


def speakers(meeting: Meeting) -> set[tuple[object, object]]:
    return {(turn["participant"]["id"], turn["participant"]["name"]) for turn in meeting.turns}


# --- what a seed decides ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_gives_the_same_meeting_and_another_seed_another(kind: str) -> None:
    assert make_meeting(11, kind=kind) == make_meeting(11, kind=kind)
    assert make_meeting(11, kind=kind) != make_meeting(12, kind=kind)


def test_dice_fall_the_same_on_every_machine_and_every_python() -> None:
    dice = Dice(7, "standup")
    assert [round(dice.between(0, 1), 9) for _ in range(3)] == [0.956561666, 0.141879728, 0.610631612]
    assert Dice(7, "standup").shuffled("abcdef") == list("dbefca")


def test_consecutive_seeds_walk_through_all_written_conversations() -> None:
    kinds = [make_meeting(seed).kind for seed in range(100, 100 + len(WRITTEN))]
    assert sorted(kinds) == sorted(WRITTEN)
    assert len(set(WRITTEN)) >= 10


def test_seed_changes_names_and_figures_of_one_conversation() -> None:
    calls = [make_meeting(seed, kind="invoice_call") for seed in range(12)]
    assert len({call.title for call in calls}) == 3
    assert len({frozenset(speakers(call)) for call in calls}) > 3
    assert {"£280", "£165", "£412"} <= {word.strip(".,") for call in calls for word in text_of(call).split()}


def test_turns_share_nothing_so_a_caller_may_change_one() -> None:
    meeting, untouched = make_meeting(1, kind="standup"), make_meeting(1, kind="standup")
    meeting.turns[0]["participant"]["name"] = "changed"
    assert meeting.turns[1:] == untouched.turns[1:]
    assert make_meeting(1, kind="standup") == untouched


def test_unknown_kind_is_refused_with_the_kinds_there_are() -> None:
    with pytest.raises(ValueError, match="invoice_call"):
        make_meeting(1, kind="seance")


# --- the shape of Recall's transcript -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", SPOKEN)
def test_every_turn_has_the_shape_of_recalls_asynchronous_transcript(kind: str) -> None:
    meeting = made(3, kind=kind)
    older = kind == "older_choir"
    for turn in meeting.turns:
        assert set(turn) == ({"participant", "words"} if older else {"participant", "language_code", "words"})
        assert set(turn["participant"]) == ({"id", "name"} if older else PARTICIPANT)
        assert turn["words"]
    for word in words_of(meeting):
        assert set(word) == {"text", "start_timestamp", "end_timestamp"}
        assert word["text"] == word["text"].strip(" \n") != ""
        for end in ("start_timestamp", "end_timestamp"):
            assert set(word[end]) == {"relative", "absolute"}
            assert isinstance(word[end]["relative"], float)
            assert word[end]["absolute"] is None
    assert json.loads(json.dumps(meeting.turns)) == meeting.turns


@pytest.mark.slow
@pytest.mark.parametrize("kind", WRITTEN)
def test_nothing_of_the_screenplay_shows_whatever_the_seed_chose(kind: str) -> None:
    for seed in range(8):
        meeting = made(seed, kind=kind)
        shown = meeting.title + text_of(meeting)
        assert not set("{}|^#[]") & set(shown)
        assert "(" not in text_of(meeting)
        names = [name for _, name in speakers(meeting)]
        assert len(names) - len(set(names)) == (1 if kind == "design_critique" else 0)


def test_punctuation_is_attached_to_words_as_providers_do() -> None:
    for kind in WRITTEN:
        assert all(any(map(str.isalnum, word["text"])) for word in words_of(made(2, kind=kind))), kind


# --- time ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SPOKEN)
def test_no_voice_speaks_two_words_at_once_and_turns_come_in_order(kind: str) -> None:
    meeting = made(3, kind=kind)
    silent_from_s: dict[object, float] = {}
    for turn in meeting.turns:
        who = (turn["participant"]["id"], turn["participant"]["name"])
        for word in turn["words"]:
            start_s, end_s = word["start_timestamp"]["relative"], word["end_timestamp"]["relative"]
            assert 0.0 <= silent_from_s.get(who, 0.0) <= start_s < end_s < meeting.duration_s
            silent_from_s[who] = end_s
    starts = [span_s(turn)[0] for turn in meeting.turns]
    assert starts == sorted(starts)


@pytest.mark.parametrize("kind", SPOKEN)
def test_somebody_is_interrupted_in_every_conversation(kind: str) -> None:
    for seed in range(3):
        spans = [span_s(turn) for turn in made(seed, kind=kind).turns]
        overlaps = [after[0] < before[1] for before, after in itertools.pairwise(spans)]
        assert any(overlaps)
        assert sum(overlaps) < len(overlaps) / 3


@pytest.mark.parametrize("kind", SPOKEN)
def test_people_speak_at_a_human_pace(kind: str) -> None:
    meeting = made(3, kind=kind)
    words_per_minute = 60 * len(list(words_of(meeting))) / meeting.duration_s
    assert 85 < words_per_minute < 190


def test_voice_that_is_still_speaking_does_not_interrupt_itself() -> None:
    clock = Conversation(Dice("self"), now_s=0.0)
    ended_s = clock.say("ana", "One two three four.")[-1].end_s
    assert clock.say("ana", "Five.", overlaps=True)[0].start_s >= ended_s


def test_written_silence_is_kept_between_two_words() -> None:
    before, after = Conversation(Dice("pause"), now_s=0.0).say("ana", "Wait. (4) Yes.")
    assert after.start_s - before.end_s > 4.0


# --- lengths ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [kind for kind in WRITTEN if kind != "short_checkin"])
def test_written_conversation_has_some_minutes_of_talk(kind: str) -> None:
    meeting = made(3, kind=kind)
    assert 25 <= len(meeting.turns) <= 60
    assert 120 < meeting.duration_s < 420


def test_shortest_meeting_is_half_a_minute() -> None:
    assert 20 < made(3, kind="short_checkin").duration_s < 45


def test_long_workshop_is_an_hour_of_nine_thousand_words() -> None:
    for seed in (1, 2, 3):
        meeting = made(seed, kind=LONG)
        assert 8_500 < len(list(words_of(meeting))) < 9_500
        assert 50 * 60 < meeting.duration_s < 65 * 60


def test_silent_meeting_lasts_and_says_nothing() -> None:
    meeting = made(3, kind=SILENT)
    assert meeting.turns == []
    assert meeting.duration_s > 60


# --- the long one reads sensibly ----------------------------------------------------------------------------


def test_workshop_takes_each_topic_once_and_the_seed_settles_the_order() -> None:
    topics = [section for section in load(LONG).sections if section.name.startswith("topic ")]
    openings = {topic.lines[0].text.strip(): topic.name for topic in topics}
    orders = []
    for seed in (1, 2):
        said = text_of(made(seed, kind=LONG)).split("\n")
        orders.append([openings[line] for line in said if line in openings])
    assert [sorted(order) for order in orders] == [sorted(openings.values())] * 2
    assert orders[0] != orders[1]


def test_no_wording_comes_twice_in_a_row_nor_before_all_others_were_used() -> None:
    sections = load(LONG).sections[:6]
    for seed in range(40):
        deck = Deck(sections, Dice(seed))
        drawn = [deck.draw().name for _ in range(18)]
        assert all(one != next_one for one, next_one in itertools.pairwise(drawn))
        assert all(len(set(drawn[place : place + 6])) == 6 for place in (0, 6, 12))


def test_workshop_owner_is_never_also_the_doubter() -> None:
    asked_for = 0
    for seed in range(4):
        meeting = made(seed, kind=LONG)
        turns = [(t["participant"]["id"], " ".join(w["text"] for w in t["words"])) for t in meeting.turns]
        for (asked, question), (answered, _) in itertools.pairwise(turns):
            if question.endswith(("Which seven?", "Why'd they stop?", "And when you're on holiday?")):
                asked_for += 1
                assert asked != answered
    assert asked_for > 10


# --- the oddities -------------------------------------------------------------------------------------------


def test_two_speakers_of_one_name_have_two_ids() -> None:
    by_name: dict[object, set[object]] = {}
    for number, name in speakers(made(3, kind="design_critique")):
        by_name.setdefault(name, set()).add(number)
    assert sorted(len(ids) for ids in by_name.values()) == [1, 1, 2]


def test_somebody_without_a_name_says_most_of_the_research_session() -> None:
    turns = made(3, kind="user_research").turns
    unnamed = [turn for turn in turns if turn["participant"]["name"] is None]
    assert len(unnamed) > 15
    assert all(turn["participant"]["id"] is not None for turn in unnamed)


def test_machine_diarisation_gives_labels_of_either_kind_and_no_ids() -> None:
    labels = {frozenset(speakers(made(seed, kind="room_discussion"))) for seed in range(20)}
    assert labels == {frozenset((None, c) for c in "ABC"), frozenset((None, c) for c in "012")}


@pytest.mark.parametrize("kind", ["invoice_call", "clinic_scheduling"])
def test_caller_by_phone_shows_a_masked_number(kind: str) -> None:
    people = [turn["participant"] for turn in made(3, kind=kind).turns]
    phones = [person for person in people if person["name"].startswith("+") and "*" in person["name"]]
    assert phones
    assert all(person["is_host"] is None and person["platform"] == "unknown" for person in phones)


def test_emails_are_there_only_where_the_account_collects_them() -> None:
    assert all(turn["participant"]["email"] for turn in made(3, kind="board_update").turns)
    assert not any(turn["participant"]["email"] for turn in made(3, kind="standup").turns)


def test_hebrew_is_written_from_right_to_left() -> None:
    meeting = made(3, kind="hebrew_school_play")
    words = [word["text"] for word in words_of(meeting)]
    assert meeting.language == "he-IL"
    assert sum("א" <= word.strip('"')[0] <= "ת" for word in words) > 0.9 * len(words)


def test_japanese_words_are_short_segments_without_blanks() -> None:
    meeting = made(3, kind="japanese_timetable")
    words = [word["text"] for word in words_of(meeting)]
    assert not any(" " in word or "\u3000" in word for word in words)
    assert sum(map(len, words)) / len(words) < 4


def test_french_marks_keep_an_unbreakable_blank_inside_their_word() -> None:
    words = [word["text"] for word in words_of(made(3, kind="french_kitchen"))]
    assert sum(word.endswith("\u00a0?") for word in words) > 5


def test_code_switching_bears_a_language_on_every_turn() -> None:
    codes = [turn["language_code"] for turn in made(3, kind="bilingual_warehouse").turns]
    assert min(codes.count("en-US"), codes.count("es-MX")) > 10


def test_languages_cover_one_of_three_letters() -> None:
    languages = {made(1, kind=kind).language for kind in WRITTEN}
    assert {"en-US", "en-GB", "de-DE", "es-ES", "fr-FR", "he-IL", "ja-JP", "fil"} == languages


# --- the files ----------------------------------------------------------------------------------------------


def test_every_screenplay_is_a_kind_and_every_kind_a_screenplay() -> None:
    files = {f.name for f in resources.files("app.simulator.meetings").joinpath("content").iterdir()}
    assert files == {f"{kind}.txt" for kind in KINDS if kind != SILENT}


@pytest.mark.parametrize("kind", SPOKEN)
def test_everybody_in_the_cast_speaks_and_everything_varied_is_said(kind: str) -> None:
    script = load(kind)
    speaking = {line.speaker for section in script.sections for line in section.lines}
    parts = {"owner", "doubter", "witness"} if kind == LONG else set()
    assert {role.key for role in script.roles} | parts == speaking
    lines = (line.text for section in script.sections for line in section.lines)
    said = " ".join(lines) + script.header["title"]
    for name in (name for section in script.sections for choice in section.choices for name in choice.names):
        named = f"{{{name}}}" in said or f"{{{name.capitalize()}}}" in said
        assert named or name in speaking, name


def test_importing_the_module_reads_no_screenplay() -> None:
    code = (
        "import sys; import app.simulator.meetings.transcript_json\n"
        "from app.simulator.meetings.script import load; "
        "assert load.cache_info().currsize == 0; assert 'importlib.resources' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=20)


@pytest.mark.parametrize("text", ["ana says nothing", "vary a / b = one | two", "vary a one", "ana:no blank"])
def test_line_that_is_none_of_a_screenplays_is_refused(text: str) -> None:
    with pytest.raises(ScriptError):
        parse(f"title: T\nlanguage: en\n\n{text}\n")


def test_values_of_one_row_are_chosen_together() -> None:
    (section,) = parse("vary paid / rest = 1 / one | 2 / two | 3 / three\nvary both = {paid}{rest}").sections
    chosen = {choose(section.choices, Dice(seed), facts={})["both"] for seed in range(40)}
    assert chosen == {"1one", "2two", "3three"}


def test_capital_in_braces_begins_the_fact_with_a_capital_and_an_unknown_one_is_refused() -> None:
    assert fill("{Thing} and {thing}", {"thing": "the café"}) == "The café and the café"
    with pytest.raises(ScriptError, match="other"):
        fill("{other}", {"thing": "the café"})
