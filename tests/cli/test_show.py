"""`show`: the whole history with what it knows, and the deliveries with the numbers `replay` takes."""

from __future__ import annotations

import re
import uuid
from dataclasses import replace

import pytest

from app.cli import history_view
from app.core import events
from app.core.events import Refusal
from app.core.machine import Decision
from app.core.seen import Seen, TranscriptStatus
from app.core.state import Attempt, AttemptStatus
from app.orchestrator.records import Source
from tests.cli.conftest import FIRST, WORKSPACE, Home, delivery


def line_of(text: str, event: str) -> str:
    """The one line of the history about this event."""
    (line,) = [line for line in text.splitlines() if f"  {event} (" in line]
    return line


def refused_at_the_limit(home: Home) -> tuple[str, str]:
    """A recording whose create met Recall's limit, and the transcript that was given up for it."""
    recording, given_up = home.hears(), str(uuid.uuid4())
    at = home.store.now()
    home.happens(
        recording,
        events.Sending(at, 1, FIRST, 0),
        events.CreateRefused(at, 1, Refusal.LIMIT, "http_400 non_field_errors"),
        events.Pruned(at, 1, has_room=True, transcript_id=given_up),
    )
    return recording, given_up


@pytest.mark.slow
def test_history_tells_the_refusal_its_detail_and_which_transcript_was_given_up(home: Home) -> None:
    recording, given_up = refused_at_the_limit(home)
    told = home.run("show", recording).out
    refused = line_of(told, "create_refused")
    assert "attempt 1" in refused
    assert "limit" in refused
    assert "http_400 non_field_errors" in refused
    assert given_up in line_of(told, "pruned")


@pytest.mark.slow
def test_history_says_that_there_was_no_room_and_only_then(home: Home) -> None:
    recording, _ = refused_at_the_limit(home)
    assert "room" not in line_of(home.run("show", recording).out, "pruned")
    full, at = home.hears(), home.store.now()
    home.happens(
        full,
        events.Sending(at, 1, FIRST, 0),
        events.CreateRefused(at, 1, Refusal.LIMIT, "http_400 non_field_errors"),
        events.Pruned(at, 1, has_room=False, transcript_id=str(uuid.uuid4())),
    )
    assert "no room" in line_of(home.run("show", full).out, "pruned")


def test_json_has_the_whole_history_with_its_summaries(home: Home) -> None:
    recording, given_up = refused_at_the_limit(home)
    history = home.run("show", recording, "--json").json["history"]
    assert [line["event"] for line in history] == ["recording_done", "sending", "create_refused", "pruned"]
    refused, pruned = history[2:]
    assert refused["summary"]["refusal"] == "limit"
    assert refused["summary"]["detail"] == "http_400 non_field_errors"
    assert pruned["summary"]["transcript_id"] == given_up
    assert (refused["phase_before"], refused["phase_after"]) == ("creating", "failed")
    assert (history[0]["by"], history[0]["commands"]) == ("webhook", ["create:1"])
    assert all(line["at"].endswith("+00:00") for line in history)


def test_what_recall_listed_is_told_with_whose_it_is(home: Home) -> None:
    recording = home.hears()
    ours, theirs = str(uuid.uuid4()), str(uuid.uuid4())
    seen = (
        Seen(ours, TranscriptStatus.FAILED, 1, FIRST, "provider_connection_failed"),
        Seen(theirs, TranscriptStatus.DONE, None, "rev_async"),
    )
    at = home.store.now()
    home.happens(recording, events.Sending(at, 1, FIRST, 0), events.CreateUnknown(at, 1, "read_timeout"))
    home.happens(recording, events.Listed(at, 1, seen, since_first_send_s=4.2, is_resendable=False))
    told = home.run("show", recording).out
    assert "read_timeout" in line_of(told, "create_unknown")
    listed = line_of(told, "listed")
    assert f"{ours[:8]} failed attempt 1 {FIRST} provider_connection_failed" in listed
    assert f"{theirs[:8]} done not ours rev_async" in listed
    assert "first sent 4 s ago" in listed
    assert "not safe to send again" in listed


def test_words_of_recall_cannot_command_the_terminal(home: Home) -> None:
    recording, at = home.hears(), home.store.now()
    home.happens(recording, events.Sending(at, 1, FIRST, 0))
    home.happens(recording, events.CreateRefused(at, 1, Refusal.PROVIDER, "\x1b]0;gone\x07 \x1b[2J"))
    assert not {"\x1b", "\x07"} & set(home.run("show", recording).out)


def test_every_delivery_is_told_by_the_number_that_replay_takes_and_without_its_body(home: Home) -> None:
    recording = home.hears()
    home.hears()
    home.hears(recording=recording, kind="recording.deleted")
    listed = home.run("show", recording, "--json").json["deliveries"]
    assert [(d["number"], d["kind"], d["state"]) for d in listed] == [
        (1, "recording_done", "applied"),
        (3, "recording_deleted", "applied"),
    ]
    keys = {"number", "kind", "webhook_id", "state", "received_at", "applied_at", "note"}
    assert all(d.keys() == keys for d in listed)
    told = home.run("show", recording).out
    for d in listed:
        (line,) = [line for line in told.splitlines() if d["webhook_id"] in line]
        assert line.split()[:2] == [str(d["number"]), d["kind"]]
        assert "applied" in line
    assert home.run("replay", "3").code in (0, 1), "the number is the one replay takes"
    assert "wait to be read" not in told


def test_a_delivery_without_effect_is_told_too(home: Home) -> None:
    recording = home.hears()
    home.hears(recording=recording, kind="recording.paused")
    listed = home.run("show", recording, "--json").json["deliveries"]
    assert [(d["number"], d["kind"]) for d in listed] == [(1, "recording_done"), (2, "recording.paused")]
    (line,) = [line for line in home.run("show", recording).out.splitlines() if "recording.paused" in line]
    assert "nothing to do" in line


def test_deliveries_nobody_has_read_yet_are_said_to_wait(home: Home) -> None:
    recording = home.hears()
    home.store.add_deliveries([delivery("transcript.done", recording)])
    assert "wait to be read" in home.run("show", recording).out


# -- what stands -------------------------------------------------------------------------------------------
def described(home: Home) -> str:
    """A failed recording with a bot, a title and metadata, whose three attempts ended differently."""
    recording, at = home.hears(), home.store.now()
    loaded = home.store.load(WORKSPACE, recording)
    state = replace(
        loaded.transcription,
        bot_id=BOT,
        metadata=(("Meeting_Title", "Weekly \x1b[2J call"), ("team", "sales")),
    )
    home.store.commit(loaded, Decision(state), event=events.DowntimeDetected(at), source=Source(by="worker"))
    for ordinal, choice in enumerate(home.settings.policy.providers, 1):
        transcript = f"{ordinal}{str(uuid.uuid4())[1:]}"
        home.happens(recording, events.Sending(at, ordinal, choice.key, 0))
        refused = events.CreateRefused(at, ordinal, Refusal.PROVIDER, "http_400")
        failed = events.TranscriptFailed(at, transcript, ordinal, "provider_connection_failed")
        created = events.Created(at, ordinal, transcript, choice.key)
        home.happens(recording, *((refused,) if ordinal == 1 else (created, failed)))
    return recording


@pytest.mark.slow
@pytest.mark.parametrize("sign", ["\x1b", "\x9b", "\x7f", "\u202e", "\u2028", "\u2066", "\u200f"])
def test_json_says_a_title_whole_and_holds_nothing_that_a_terminal_obeys(home: Home, sign: str) -> None:
    recording = home.hears()
    loaded = home.store.load(WORKSPACE, recording)
    title = f"Wöchentlich {sign}2J"
    state = replace(loaded.transcription, metadata=(("title", title),))
    source = Source(by="worker")
    home.store.commit(loaded, Decision(state), event=events.DowntimeDetected(home.store.now()), source=source)
    for told in (home.run("show", recording, "--json"), home.run("list", "--json")):
        assert told.json["title"] == title
        assert sign not in told.out
    assert "Wöchentlich" in home.run("show", recording, "--json").out


BOT = "e4b22b2d-d490-4874-a086-322922f07950"


@pytest.mark.slow
def test_json_says_bot_metadata_title_verdict_and_what_was_paid(home: Home) -> None:
    recording = described(home)
    for told in (home.run("show", recording, "--json").json, home.run("list", "--json").json):
        assert told["phase"] == "failed"
        assert told["bot_id"] == BOT
        assert told["metadata"] == {"Meeting_Title": "Weekly \x1b[2J call", "team": "sales"}
        assert told["title"] == "Weekly \x1b[2J call"
        assert told["verdict"] is None
        assert told["reason"] == "all_providers_failed"
        assert told["files"] == []
        keys = {"ordinal", "provider", "state", "transcript_id", "error", "is_paid", "is_beside", "cost"}
        assert all(attempt.keys() == keys for attempt in told["attempts"])
        assert [a["is_paid"] for a in told["attempts"]] == [False, True, True]


@pytest.mark.slow
def test_people_are_told_the_same(home: Home) -> None:
    recording = described(home)
    shown = home.run("show", recording).out
    assert f"bot: {BOT}" in shown
    assert "title: Weekly ?[2J call" in shown
    assert "team=sales" in shown
    listed = home.run("list").out
    heading, line = listed.splitlines()
    assert {"paid", "bot", "title", "metadata"} <= set(heading.split())
    assert BOT in line
    assert "Weekly ?[2J call" in line
    assert heading.index("paid") == line.index("2  ", heading.index("paid"))
    assert "\x1b" not in shown + listed


@pytest.mark.slow
@pytest.mark.parametrize("named_by", ["recording", "bot", "transcript"])
def test_show_takes_the_beginning_of_any_id(home: Home, named_by: str) -> None:
    recording = described(home)
    transcript = home.run("show", recording, "--json").json["attempts"][1]["transcript_id"]
    text = {"recording": recording[:9], "bot": BOT[:9], "transcript": transcript[:9]}[named_by]
    assert home.run("show", text, "--json").json["recording_id"] == recording


@pytest.mark.slow
def test_an_id_of_several_recordings_lists_them(home: Home) -> None:
    both = {described(home), described(home)}
    said = home.run("show", BOT)
    assert said.code == 1
    assert set(said.err.split()) >= both


@pytest.mark.slow
def test_the_remedy_is_a_command_that_can_be_pasted_and_works(home: Home) -> None:
    recording = described(home)
    (line,) = [line for line in home.run("show", recording).out.splitlines() if line.startswith("next: ")]
    command = line.split("`")[1].split()
    assert command == ["./afterword", "retry", recording[:8], "--budget", "4"]
    assert home.run(*command[1:]).code == 0
    assert home.store.load(WORKSPACE, recording).transcription.planned == 4


@pytest.mark.slow
def test_the_remedy_names_no_attempt_above_the_ceiling(home: Home) -> None:
    recording = described(home)
    loaded = home.store.load(WORKSPACE, recording)
    lines = tuple(Attempt(n, FIRST, AttemptStatus.FAILED) for n in range(1, 10))
    state = replace(loaded.transcription, attempts=lines)
    event = events.DowntimeDetected(home.store.now())
    home.store.commit(loaded, Decision(state), event=event, source=Source(by="worker"))
    told = home.run("show", recording).out
    assert "--budget" not in told
    assert "All nine attempts" in told


def test_a_recording_first_heard_of_by_its_deletion_has_no_negative_time(home: Home) -> None:
    recording = home.hears(kind="recording.deleted")
    told = home.run("list").out + home.run("show", recording).out
    assert "-0" not in told.replace(recording, "")
    (listed,) = [line for line in home.run("list").out.splitlines() if recording in line]
    assert " s " not in listed
    shown = home.run("show", recording, "--json").json
    assert shown["created_at"] <= shown["completed_at"]


@pytest.mark.slow
def test_a_waiting_recording_says_what_for_and_until_when(home: Home) -> None:
    recording, at = home.hears(), home.store.now()
    home.happens(recording, events.Sending(at, 1, FIRST, 0), events.Created(at, 1, str(uuid.uuid4()), FIRST))
    shown = home.run("show", recording, "--json").json
    assert "being made" in shown["waits_for"]
    assert shown["next_at"].endswith("+00:00")
    moment = shown["next_at"][:19].replace("T", " ") + " UTC"
    for told in (home.run("show", recording).out, home.run("list").out):
        assert f"next at {moment}" in told
        assert "being made" in told
    with home.store.writing() as connection:
        connection.exec_driver_sql("UPDATE commands SET waits_for = 'http_503'")
    assert "http_503 last time" in home.run("show", recording).out
    with home.store.writing() as connection:
        connection.exec_driver_sql("UPDATE commands SET waits_for = 'key_sees_nothing_here'")
    assert "an API key that sees the recordings known here" in home.run("list").out


@pytest.mark.slow
def test_what_only_repeats_itself_is_counted(home: Home) -> None:
    recording, at = home.hears(), home.store.now()
    home.happens(recording, events.Sending(at, 1, FIRST, 0), events.CreateUnknown(at, 1, "read_timeout"))
    transcript = str(uuid.uuid4())
    home.happens(
        recording, events.Created(at, 1, transcript, FIRST), events.TranscriptDone(at, transcript, 1)
    )
    for number in range(14):
        home.happens(recording, events.NotYet(at + 1 + number, transcript))
    told = home.run("show", recording).out
    assert told.count("  not_yet (") == 1
    assert "14 times until 20" in told
    assert len(home.run("show", recording, "--json").json["history"]) == 19


def line(at: float, event: str, **summary: object) -> dict[str, object]:
    return {
        "id": int(at),
        "at": at,
        "event": event,
        "by": "worker",
        "goal_before": "creating",
        "goal_after": "creating",
        "commands": [],
        "ignored": None,
        "alarm": None,
        "summary": summary,
    }


def test_a_round_of_lines_that_comes_again_is_counted_and_what_differs_is_not() -> None:
    asked = [line(n, ("create_unknown", "listed", "sending")[n % 3], wait_s=n) for n in range(30)]
    told = list(history_view.folded([line(0, "recording_done"), *asked, line(99, "created")]))
    assert len(told) == 6, told
    assert "these 3 lines 10 times until 1970-01-01 00:00:29 UTC" in told[4]
    causes = [line(n, "fetch_blocked", cause=f"http_{n}") for n in range(3)]
    assert len(list(history_view.folded(causes))) == 3
    assert list(history_view.folded([])) == []


@pytest.mark.slow
def test_every_time_is_in_utc_with_its_zone(home: Home) -> None:
    recording = described(home)
    told = home.run("show", recording).out + home.run("list").out
    moments = re.findall(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?(.{4})", told)
    assert len(moments) > 5
    assert set(moments) == {" UTC"}


# -- what it needs -----------------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.parametrize("wrong", ["absent", "nonsense"])
def test_reading_needs_nothing_of_recall(home: Home, monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    recording = described(home)
    for name in ("RECALL_API_KEY", "RECALL_API_BASE_URL", "RECALL_WEBHOOK_SECRETS"):
        if wrong == "absent":
            monkeypatch.delenv(name)
        else:
            monkeypatch.setenv(name, "two words")
    monkeypatch.delenv("AFTERWORD_TIME_SCALE")
    assert recording in home.run("list").out
    assert home.run("show", recording[:8]).code == 0
    assert home.run("up").code == 78, "what runs needs them all the same"


@pytest.mark.parametrize("command", [("list",), ("show", "x"), ("list", "--json")])
def test_without_a_database_reading_says_so_and_makes_none(
    home: Home, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    place = home.place.home / "new"
    monkeypatch.setenv("AFTERWORD_HOME", str(place))
    said = home.run(*command)
    assert (said.code, said.out) == (69, "")
    assert "there is no database yet" in said.err
    assert not place.exists()


def test_a_database_that_is_away_is_a_sentence_without_recalls_settings_too(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RECALL_API_KEY")
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/x")
    said = home.run("list")
    assert said.code == 69
    assert said.err.startswith("afterword: ")
