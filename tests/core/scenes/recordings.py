"""About the recording: done, failed, deleted, asked for."""

from __future__ import annotations

from app.core import events as ev
from app.core.events import RecordingCondition as Condition
from app.core.events import Refusal
from app.core.policy import Policy, Selection
from tests.core.dialogues import BOTH, ONE, Scene
from tests.core.scenes.beginnings import (
    ALL_FAILED,
    CLAIMED,
    DAY,
    DONE,
    FETCHING,
    RUNNING,
    SENDING,
    SILENT,
    SKIPPED,
    STORED,
    T1,
    UNKNOWN,
    A,
    failed,
)

_NOTHING_SELECTED = Policy(BOTH, 2, select=Selection(default="none"))
_HELD = tuple(
    ev.RecordingAsked(at, Condition.NOT_DONE) for at in (100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0)
)

SCENES: tuple[Scene, ...] = (
    Scene(
        "a recording goes from done to stored",
        (
            ev.RecordingDone(10.0, "bot-1", (("team", "blue"),)),
            ev.Sending(11.0, 1, A, 0),
            ev.Created(12.0, 1, T1, A),
            ev.TranscriptDone(20.0, T1, 1),
            ev.Stored(30.0, T1, A, "en", is_empty=False),
            ev.Stored(31.0, T1, A, "en", is_empty=False),
            ev.RecordingDone(32.0, "bot-1"),
        ),
    ),
    Scene("news without names keeps the names that are known", (DONE,), (ev.RecordingFailed(1.0, "x"),)),
    Scene("what the policy passes by is skipped", SKIPPED),
    Scene("what the policy does not name is skipped", (DONE,), policy=_NOTHING_SELECTED),
    Scene(
        "news of a recording whose transcript is at work skips nothing",
        (DONE,),
        (failed(5.0, T1, 1, "x"), ev.TranscriptDone(6.0, "theirs-1")),
        policy=_NOTHING_SELECTED,
    ),
    Scene(
        "news after our own code failed changes no end",
        SKIPPED,
        (ev.TranscriptDone(5.0, T1, 1), ev.Unwanted(6.0, T1, "x"), ev.CommandFailed(7.0, "ask_recording")),
    ),
    Scene(
        "news after our own code failed, before anything", SKIPPED, (ev.CommandFailed(7.0, "ask_recording"),)
    ),
    Scene("news after the transcript is stored changes no end", (DONE,), STORED[2:]),
    Scene("a recording that failed", (ev.RecordingFailed(5.0, "bot_kicked"), DONE)),
    Scene(
        "a recording that failed and is done while a transcript is unread stays as it is",
        (DONE,),
        (ev.RecordingFailed(5.0), ev.TranscriptDone(6.0, T1, 1)),
    ),
    Scene(
        "a recording that failed and is done while an attempt is open stays as it is",
        (DONE,),
        (ev.RecordingFailed(5.0), ev.Created(6.0, 1, T1, A)),
    ),
    Scene("a failure after it was done is no news", (ev.RecordingFailed(50.0, "x"),), (DONE,)),
    Scene(
        "a failure while a transcript is unread is no news",
        (ev.RecordingFailed(50.0, "x"),),
        (ev.TranscriptDone(6.0, T1, 1),),
    ),
    Scene("deleted before it was done", (ev.RecordingDeleted(5.0), DONE)),
    Scene(
        "deleted before it was done, while a transcript is unread",
        (ev.RecordingDeleted(15.0),),
        (ev.TranscriptDone(6.0, "theirs-1"),),
    ),
    Scene("deleted while the create is planned", (ev.RecordingDeleted(15.0),), (DONE,)),
    Scene("deleted while a request may be on the wire", (ev.RecordingDeleted(15.0),), SENDING),
    Scene("deleted while an answer is lost", (ev.RecordingDeleted(15.0),), UNKNOWN),
    Scene("deleted while a create waits", (ev.RecordingDeleted(15.0),), CLAIMED),
    Scene("deleted while a transcript runs", (ev.RecordingDeleted(15.0),), RUNNING),
    Scene("deleted while a transcript is unread", (ev.RecordingDeleted(25.0),), FETCHING),
    Scene("deleted after the end", (ev.RecordingDeleted(99.0),), STORED),
    Scene("deleted after a failure", (ev.RecordingDeleted(99.0),), ALL_FAILED),
    Scene("deleted after it was passed by", (ev.RecordingDeleted(99.0),), SKIPPED),
    Scene(
        "deleted, and then nothing else is planned",
        (failed(30.0, T1, 1, "provider_error"),),
        (*RUNNING, ev.RecordingDeleted(15.0)),
    ),
    Scene(
        "news that was lost is asked for",
        (
            failed(5.0, T1, 1, "x"),
            ev.RecordingAsked(100.0, Condition.NOT_DONE),
            ev.RecordingAsked(200.0, Condition.UNKNOWN),
            ev.RecordingAsked(300.0, Condition.DONE, "bot-1", (("team", "blue"),)),
        ),
    ),
    Scene(
        "a recording that is never done is asked for a day, ever more seldom",
        (
            failed(5.0, T1, 1, "x"),
            *_HELD,
            ev.RecordingAsked(4.0 + DAY, Condition.NOT_DONE),
            ev.RecordingAsked(5.0 + DAY, Condition.NOT_DONE),
            DONE,
        ),
    ),
    Scene(
        "a day without an answer ends the wait for a recording",
        (ev.RecordingAsked(5.0 + DAY, Condition.NOT_DONE, is_answer=False),),
        (failed(5.0, T1, 1, "x"),),
    ),
    Scene(
        "time in which the account was refused is no waiting for a recording",
        (
            ev.RecordingAsked(5.0 + DAY, Condition.NOT_DONE, at_excluding_pauses=9_000.0),
            ev.RecordingAsked(9.0 + DAY, Condition.UNKNOWN, at_excluding_pauses=5.0 + DAY),
        ),
        (failed(5.0, T1, 1, "x"),),
    ),
    Scene(
        "asked for: deleted",
        (ev.RecordingAsked(100.0, Condition.GONE),),
        (failed(5.0, T1, 1, "x"),),
    ),
    Scene(
        "asked for: failed",
        (ev.RecordingAsked(100.0, Condition.FAILED),),
        (failed(5.0, T1, 1, "x"),),
    ),
    Scene(
        "an answer about the recording that was not waited for",
        (ev.RecordingAsked(99.0, Condition.GONE),),
        RUNNING,
    ),
    Scene("an answer about the recording after the end", (ev.RecordingAsked(99.0, Condition.DONE),), STORED),
    Scene(
        "an answer about the recording, asked for a look, ends no attempt that runs",
        (ev.RecordingAsked(600.0, Condition.GONE),),
        (*RUNNING, ev.DowntimeDetected(500.0)),
    ),
    Scene("the create waits: the recording is done", (ev.RecordingAsked(99.0, Condition.DONE),), CLAIMED),
    Scene("the create waits: the recording is gone", (ev.RecordingAsked(99.0, Condition.GONE),), CLAIMED),
    Scene("the create waits: the recording failed", (ev.RecordingAsked(99.0, Condition.FAILED),), CLAIMED),
    Scene(
        "the create waits: the recording is not known, and deleted",
        (ev.RecordingAsked(99.0, Condition.UNKNOWN),),
        (*CLAIMED, ev.RecordingDeleted(15.0)),
    ),
    Scene(
        "the create waits: not known, not done, for a day",
        (
            ev.RecordingAsked(99.0, Condition.UNKNOWN),
            ev.RecordingAsked(199.0, Condition.NOT_DONE),
            ev.RecordingAsked(11.0 + DAY, Condition.NOT_DONE),
            ev.RecordingAsked(12.0 + DAY, Condition.UNKNOWN),
        ),
        CLAIMED,
    ),
    Scene(
        "the create waits: not done is what the end says",
        (ev.RecordingAsked(99.0, Condition.NOT_DONE), ev.RecordingAsked(99.0 + DAY, Condition.NOT_DONE)),
        CLAIMED,
    ),
    Scene(
        "the create waits: not known to this key is what the end says",
        (ev.RecordingAsked(12.0 + DAY, Condition.UNKNOWN),),
        CLAIMED,
    ),
    Scene(
        "the one attempt is used by a recording that is gone",
        (ev.CreateRefused(12.0, 1, Refusal.RECORDING_GONE, "http_404"), DONE),
        SENDING,
        policy=ONE,
    ),
    Scene("a silent attempt and news of the recording", (ev.RecordingDone(99.0),), SILENT[1:]),
)
