"""What is stored of commands and states, and what is read back."""

from __future__ import annotations

import json

import pytest

from app.core import commands, events, state
from app.core.absence import Absence
from app.core.commands import (
    AskRecording,
    AskTranscript,
    AwaitProvider,
    BeginExtra,
    Command,
    CreateTranscript,
    DeleteAtRecall,
    EraseResults,
    FetchTranscript,
    LookUpTranscript,
    PruneTranscript,
    PublishTranscript,
    RenderTranscript,
)
from app.core.state import AtRecall, Attempt, AttemptStatus, PendingTranscript, Phase, Transcription

COMMANDS: list[tuple[Command, str, str, str]] = [
    (
        CreateTranscript(2, "a_async", 3),
        "create_transcript",
        "create:2",
        "create transcript, attempt 2 with a_async",
    ),
    (LookUpTranscript(2), "look_up_transcript", "look_up:2", "look up whether the transcript exists"),
    (
        LookUpTranscript(2, "t-1"),
        "look_up_transcript",
        "look_up:t-1",
        "look up whether the transcript exists",
    ),
    (AskTranscript("t-1"), "ask_transcript", "ask:t-1", "ask whether the transcript is finished"),
    (
        RenderTranscript("t-1"),
        "render_transcript",
        "fetch:t-1",
        "write the formats that the stored transcript lacks",
    ),
    (FetchTranscript("t-1"), "fetch_transcript", "fetch:t-1", "fetch and store the transcript"),
    (
        PublishTranscript("t-1"),
        "publish_transcript",
        "publish:t-1",
        "write the manifest of the stored transcript",
    ),
    (AskRecording(), "ask_recording", "ask_recording", "ask about the recording"),
    (PruneTranscript(2), "prune_transcript", "prune:2", "make room at Recall's limit of transcripts"),
    (EraseResults(), "erase_results", "erase_results", "delete what is kept here"),
    (DeleteAtRecall(), "delete_at_recall", "delete_at_recall", "delete at Recall what is ours there"),
    (AwaitProvider(), "await_provider", "await_provider", "wait for a provider to come back"),
    (BeginExtra(), "begin_extra", "begin_extra", "begin a further transcript beside the result"),
]
_BY_KIND = pytest.mark.parametrize(
    ("command", "kind", "key", "sentence"), COMMANDS, ids=[f"{key}" for _, _, key, _ in COMMANDS]
)


@_BY_KIND
def test_a_command_has_a_kind_a_key_and_a_sentence(
    command: Command, kind: str, key: str, sentence: str
) -> None:
    assert kind == command.NAME
    assert command.key == key
    assert commands.sentence(command, "r-1") == f"{sentence}, for recording r-1"


@_BY_KIND
def test_a_command_is_read_back_without_its_wait(
    command: Command, kind: str, key: str, sentence: str
) -> None:
    record = commands.to_record(command)
    assert record["kind"] == kind
    assert "after_s" not in record
    assert commands.from_record({**record, "of_another_version": 1}) == command


def test_an_end_names_the_command_by_its_kind_and_its_ids() -> None:
    named = {key: tuple(commands.about(command).values()) for command, _, key, _ in COMMANDS}
    assert named["create:2"] == ("create_transcript", 2, None)
    assert named["look_up:t-1"] == ("look_up_transcript", 2, "t-1")
    assert named["fetch:t-1"] == ("fetch_transcript", None, "t-1")
    ended = events.WaitEnded(1.0, cause="busy", **commands.about(AskRecording()))
    assert ended == events.WaitEnded(1.0, "ask_recording", "busy")


def test_every_command_is_among_these() -> None:
    assert {type(command) for command, *_ in COMMANDS} == set(Command.__args__)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (CreateTranscript(1, "a"), LookUpTranscript(1), True),
        (LookUpTranscript(0), CreateTranscript(2, "a"), True),
        (CreateTranscript(2, "a"), LookUpTranscript(0), True),
        (CreateTranscript(1, "a"), CreateTranscript(2, "a"), False),
        (FetchTranscript("t"), FetchTranscript("t", after_s=9.0), True),
        (FetchTranscript("t"), FetchTranscript("u"), False),
        (FetchTranscript("t"), CreateTranscript(1, "a"), False),
        (AskTranscript("t"), AskTranscript("t"), False),
        (AskRecording(), AskRecording(), False),
        (DeleteAtRecall(), DeleteAtRecall(), False),
        (CreateTranscript(1, "a"), PruneTranscript(1), False),
        (AwaitProvider(), AwaitProvider(), True),
    ],
)
def test_ages_count_on_for_the_same_wish_only(old: Command, new: Command, expected: bool) -> None:
    assert commands.is_same_wish(old, new) is expected


FULL = Transcription(
    "default",
    "r-1",
    phase=Phase.FETCHING,
    is_recording_done=True,
    metadata=(("team", "blue"), ("skip", None)),
    attempts=(
        Attempt(1, "a_async", AttemptStatus.RUNNING, 2, "t-1", absence=Absence(5.0, 1, 6.0, "k")),
        Attempt(2, "b_async", AttemptStatus.UNKNOWN, left_out=("fillers",), changed=("de-CH is said as de",)),
    ),
    pending_transcripts=(
        PendingTranscript("t-2", 3.0, 1, Absence(4.0), "aa", 2, 7.0),
        PendingTranscript("t-3", 3.0),
    ),
    processed_transcripts=("t-4", "t-5"),
    superseded=("t-5",),
    is_short=False,
    completed_at=9.0,
    to_delete=AtRecall.RECORDING,
)


def test_a_state_is_read_back_as_it_was() -> None:
    record = json.loads(json.dumps(state.to_record(FULL)))
    read = state.from_record(record)
    assert read == FULL
    assert read.to_delete is AtRecall.RECORDING


def test_a_state_of_another_version_is_read_as_far_as_it_is_known() -> None:
    record = state.to_record(FULL)
    record["of_another_version"] = 1
    record["attempts"] = [{**line, "of_another_version": 1} for line in record["attempts"]]
    record["attempts"][0]["absence"] = {**record["attempts"][0]["absence"], "of_another_version": 1}
    assert state.from_record(record) == FULL


@pytest.mark.parametrize(
    "missing", ["attempts", "pending_transcripts", "metadata", "processed_transcripts", "superseded"]
)
def test_a_state_without_a_list_has_an_empty_one(missing: str) -> None:
    record = {k: v for k, v in state.to_record(FULL).items() if k != missing}
    assert getattr(state.from_record(record), missing) == ()


def test_an_attempt_from_before_there_was_an_intent_left_nothing_of_it_out() -> None:
    record = state.to_record(FULL)
    for line in record["attempts"]:
        del line["left_out"], line["changed"]
    assert [(line.left_out, line.changed) for line in state.from_record(record).attempts] == [((), ())] * 2


def test_a_state_as_old_as_can_be() -> None:
    record = {"workspace": "w", "recording_id": "r", "goal": "new"}
    assert state.from_record(record) == Transcription("w", "r")


def test_a_state_of_version_1_is_read_by_the_names_it_had() -> None:
    """Records without a version: other names, and one pair of fields for each of the waits."""
    record = state.to_record(FULL)
    assert record.pop("version") == state.RECORD_VERSION
    old = {
        "phase": "goal",
        "is_recording_done": "is_heard",
        "pending_transcripts": "unread",
        "processed_transcripts": "looked_at",
    }
    first = {old.get(name, name): value for name, value in record.items() if "_wait_since" not in name}
    first["attempts"] = [
        {
            {"status": "fate", "key_serial": "generation"}.get(name, name): value
            for name, value in line.items()
        }
        for line in first["attempts"]
    ]
    first |= {"waiting_since": 7.0, "waits": 3}
    read = state.from_record(first)
    assert (read.recording_wait_since, read.provider_wait_since) == (7.0, 7.0)
    assert (read.recording_asks, read.looks_for_others) == (3, 3)
    assert state.from_record({**first, "version": 2}).recording_wait_since == 0.0
    assert read.without_waits() == FULL


def test_a_candidate_of_version_2_was_an_empty_one() -> None:
    record = {
        "version": 2,
        "workspace": "w",
        "recording_id": "r",
        "phase": "creating",
        "empty_candidate": "t-1",
        "attempts_at_empty_candidate": 1,
        "extra": {"ordinal": 2, "completed_at": 5.0, "empty_candidate": "t-0"},
    }
    read = state.from_record(record)
    assert (read.candidate, read.candidate_verdict, read.attempts_at_candidate) == ("t-1", "empty", 1)
    assert read.extra is not None
    assert read.extra.candidate == "t-0"


def test_a_command_of_version_1_is_read_by_the_names_it_had() -> None:
    record = {"kind": "create_transcript", "ordinal": 2, "provider": "a_async", "generation": 3}
    assert commands.from_record(record) == CreateTranscript(2, "a_async", 3)
