"""About going on after a stop: a person asks again, a command fails, a wait ends, a command is missing."""

from __future__ import annotations

from dataclasses import replace

from app.core import events as ev
from app.core.events import RecordingCondition as Condition
from app.core.events import Refusal
from tests.core.dialogues import ONE, TWO, Scene
from tests.core.scenes.beginnings import (
    ALL_FAILED,
    C1,
    CLAIMED,
    DAY,
    DONE,
    EMPTY,
    EMPTY_LONG,
    FAILED_ONCE,
    FETCHING,
    PUBLISHING,
    RUNNING,
    SECOND_RUNNING,
    SENDING,
    SILENT,
    SKIPPED,
    STORED,
    T1,
    T2,
    UNKNOWN,
    A,
    B,
    Events,
    failed,
)

_GAVE_UP = 99.0


def fault(command: str = "x:1", transcript_id: str | None = None, at: float = _GAVE_UP) -> ev.Event:
    return ev.CommandFailed(at, command, transcript_id=transcript_id)


def ended(cause: str = "lease_lost", transcript_id: str | None = None) -> ev.Event:
    is_unexpected = cause in ("http_418", "http_302", "http_204")
    return ev.WaitEnded(_GAVE_UP, "x", cause, transcript_id=transcript_id, is_unexpected=is_unexpected)


def retry(budget: int = 0) -> ev.Event:
    return ev.RetryAsked(200.0, budget)


_STOPPED: dict[str, Events] = {
    "before anything": (ev.RecordingFailed(5.0), fault()),
    "planned": (DONE, fault()),
    "claimed": (*CLAIMED, fault()),
    "sending": (*SENDING, fault()),
    "of unknown end": (*UNKNOWN, fault()),
    "of unknown end, and listed": (*UNKNOWN, ev.Listed(4_212.0, 1, (), 4_200.0, 4_200.0, key="k"), fault()),
    "running": (*RUNNING, fault()),
    "running, and missing": (*RUNNING, ev.TranscriptMissing(20.0, T1, 20.0, "k"), fault()),
    "unread": (*FETCHING, fault()),
    "unread, and missing": (*FETCHING, ev.TranscriptMissing(21.0, T1, 21.0, "k"), fault()),
    "publishing": (*PUBLISHING, fault("publish:ours-1", T1)),
    "second running": (*SECOND_RUNNING, fault()),
    "all failed": ALL_FAILED,
    "silent": SILENT,
    "passed by": SKIPPED,
    "gone": (ev.RecordingDeleted(5.0),),
    "deselected": (DONE, ev.NoLongerWanted(11.0, 1, "deselected", "excluded by metadata x")),
    "deselected when claimed": (
        *SENDING,
        ev.CreateRefused(12.0, 1, Refusal.BUSY, "http_429"),
        ev.NoLongerWanted(13.0, 1, "deselected", "excluded by metadata x"),
    ),
    "refused by its payload": (
        *SENDING,
        *(
            event
            for n in range(3)
            for event in (
                ev.Sending(12.0 + n, 1, A, n),
                ev.CreateRefused(12.5 + n, 1, Refusal.PAYLOAD, "http_403"),
            )
        ),
    ),
}

_TWO_ENDED: Events = (
    *SENDING,
    ev.CreateRefused(12.0, 1, Refusal.BUSY, "http_429"),
    ev.NoLongerWanted(13.0, 1, "no_further_attempt", "attempts"),
    ev.Sending(14.0, 2, B, 0),
    ev.CreateRefused(15.0, 2, Refusal.BUSY, "http_429"),
    ev.NoLongerWanted(16.0, 2, "no_further_attempt", "attempts"),
)

SCENES: tuple[Scene, ...] = (
    *(Scene(f"asked again: {title}", (retry(),), given) for title, given in _STOPPED.items()),
    *(
        Scene(f"asked again, with a budget of two: {title}", (retry(2),), given)
        for title, given in _STOPPED.items()
    ),
    *(
        Scene(
            f"asked again, one provider, a budget of two: {title}", (retry(2),), _STOPPED[title], policy=ONE
        )
        for title in ("all failed", "claimed", "silent", "deselected when claimed")
    ),
    Scene(
        "asked again, nine attempts are used",
        (retry(12),),
        (
            *ALL_FAILED[:-1],
            failed(30.0, "ours-9", 9, "x"),
            failed(31.0, T2, 2, "x"),
        ),
    ),
    Scene(
        "asked again, eight attempts are used",
        (retry(),),
        (*RUNNING, failed(30.0, "ours-8", 8, "x"), failed(31.0, T1, 1, "x")),
    ),
    Scene("asked again, while it goes on", (retry(),), RUNNING),
    Scene("asked again, and the recording is done", (retry(),), STORED),
    Scene(
        "asked again, beside a result: what is unread is fetched",
        (retry(),),
        (*STORED, ev.TranscriptDone(40.0, C1)),
    ),
    Scene(
        "asked again, beside a result: what is superseded has its manifest",
        (retry(),),
        (*STORED, ev.TranscriptDone(40.0, C1), ev.Stored(41.0, C1, "x", None, is_empty=True)),
    ),
    Scene(
        "asked again, what follows is the policy's",
        (failed(300.0, T1, 1, "x"),),
        (*RUNNING, fault(), retry()),
        policy=ONE,
    ),
    Scene(
        "asked again, what follows is paid for",
        (failed(300.0, T1, 1, "x"), ev.Sending(301.0, 2, A, 0)),
        (*RUNNING, fault(), retry(2)),
        policy=ONE,
    ),
    Scene("asked again, passed by or not", (ev.Sending(201.0, 1, A, 0),), (*SKIPPED, retry())),
    Scene("asked again, the silent one stays silent", (ev.StillProcessing(201.0, T1),), (*SILENT, retry())),
    Scene("asked again, with an empty one kept", (retry(),), (*EMPTY, fault())),
    *(
        Scene(
            f"asked again after two that the policy ended, {title}",
            (retry(),),
            _TWO_ENDED,
            policy=policy,
            policy_before=TWO,
        )
        for title, policy in (("both allowed", TWO), ("one allowed", replace(TWO, attempts=1)))
    ),
    Scene(
        "asked again after one that the policy ended, beyond its budget",
        (retry(),),
        (
            *FAILED_ONCE,
            ev.Sending(21.0, 2, B, 0),
            ev.CreateRefused(22.0, 2, Refusal.BUSY, "http_429"),
            ev.NoLongerWanted(23.0, 2, "no_further_attempt", "attempts"),
        ),
        policy=replace(TWO, attempts=2),
    ),
    *(
        Scene(f"our own code failed: {title}", (fault(command, tid),), given)
        for title, command, tid, given in (
            ("planned", "create:1", None, (DONE,)),
            ("running", "ask:ours-1", T1, RUNNING),
            ("unread", "fetch:ours-1", T1, FETCHING),
            ("another party's", "fetch:theirs-1", C1, (*RUNNING, ev.TranscriptDone(20.0, C1))),
            ("another party's, known no more", "fetch:theirs-1", C1, RUNNING),
            ("publishing", "publish:ours-1", T1, PUBLISHING),
            (
                "another while one is published",
                "fetch:theirs-1",
                C1,
                (*PUBLISHING, ev.TranscriptDone(40.0, C1)),
            ),
            ("the length", "ask_recording", None, EMPTY),
            ("after the end", "fetch:ours-1", T1, STORED),
        )
    ),
    *(
        Scene(f"a wait ended: {title}", (ended(cause, tid),), given)
        for title, cause, tid, given in (
            ("planned", "lease_lost", None, (DONE,)),
            ("unexpected status", "http_418", None, RUNNING),
            ("redirect", "http_302", None, RUNNING),
            ("success of a kind", "http_204", None, RUNNING),
            ("server error", "http_500", None, RUNNING),
            ("too many", "http_429", None, RUNNING),
            ("publishing", "storage_unavailable", T1, PUBLISHING),
            ("another while one is published", "storage_unavailable", C1, PUBLISHING),
            ("with an empty one kept", "lease_lost", None, EMPTY_LONG),
            ("after the end", "lease_lost", None, STORED),
        )
    ),
    *(
        Scene(f"a command is missing: {title}", (ev.CommandMissing(99.0),), given, policy=policy)
        for title, given, policy in (
            ("nothing heard", (failed(5.0, T1, 1, "x"),), TWO),
            ("planned", (DONE,), TWO),
            ("claimed", CLAIMED, TWO),
            ("sending", SENDING, TWO),
            ("unknown", (*UNKNOWN, ev.Listed(4_300.0, 1, (), 4_300.0, 4_300.0, key="k")), TWO),
            ("running", RUNNING, TWO),
            ("unread", FETCHING, TWO),
            ("publishing", PUBLISHING, TWO),
            ("the length", EMPTY, TWO),
            (
                "looked at",
                (ev.RecordingDone(10.0, lookup_required=True), ev.Listed(80.0, 0, (), key="k")),
                TWO,
            ),
            ("all providers down", (DONE,), replace(TWO, tripped_providers=frozenset({A, B}))),
            ("stored", STORED, TWO),
        )
    ),
    Scene(
        "the recording is asked for where a retry waits for it",
        (ev.RecordingAsked(201.0, Condition.NOT_DONE),),
        (*CLAIMED, fault(), retry()),
    ),
    Scene(
        "a day later a retry waits anew",
        (ev.RecordingAsked(100.0 + DAY, Condition.NOT_DONE),),
        (*CLAIMED, fault(), retry()),
    ),
)
