"""`show`: the whole history with what it knows, and the deliveries with the numbers `replay` takes."""

from __future__ import annotations

import uuid

from app.core import events
from app.core.events import Refusal
from tests.cli.conftest import FIRST, Home, delivery


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


def test_history_tells_the_refusal_its_detail_and_which_transcript_was_given_up(home: Home) -> None:
    recording, given_up = refused_at_the_limit(home)
    told = home.run("show", recording).out
    refused = line_of(told, "create_refused")
    assert "attempt 1" in refused
    assert "limit" in refused
    assert "http_400 non_field_errors" in refused
    assert given_up in line_of(told, "pruned")


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
    assert (refused["goal_before"], refused["goal_after"]) == ("creating", "failed")
    assert (history[0]["by"], history[0]["commands"]) == ("webhook", ["create:1"])
    assert all(line["at"].endswith("+00:00") for line in history)


def test_what_recall_listed_is_told_with_whose_it_is(home: Home) -> None:
    recording = home.hears()
    ours, theirs = str(uuid.uuid4()), str(uuid.uuid4())
    seen = (
        events.Seen(ours, "failed", 1, FIRST, "provider_connection_failed"),
        events.Seen(theirs, "done", None, "rev_async"),
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


def test_deliveries_nobody_has_read_yet_are_said_to_wait(home: Home) -> None:
    recording = home.hears()
    home.store.add_deliveries([delivery("transcript.done", recording)])
    assert "wait to be read" in home.run("show", recording).out
