"""About paid attempts: claimed, sent, answered."""

from __future__ import annotations

from dataclasses import replace

from app.core import events as ev
from app.core.events import Refusal
from app.core.policy import Selection
from tests.core.dialogues import ONE, TWO, Scene
from tests.core.scenes.beginnings import (
    C1,
    CLAIMED,
    DAY,
    DONE,
    FAILED_ONCE,
    FETCHING,
    RUNNING,
    SENDING,
    STORED,
    T1,
    T2,
    UNKNOWN,
    A,
    B,
    failed,
)

_PRUNES = replace(TWO, at_limit="prune")
_NONE = replace(TWO, select=Selection(default="none"))


def refused(
    refusal: Refusal, *, times: int = 1, at: float = 12.0, wait_s: float = 0.0
) -> tuple[ev.Event, ...]:
    """Refused again and again, each time under a new key."""
    found: list[ev.Event] = []
    for n in range(times):
        if n:
            found.append(ev.Sending(at + n, 1, A, n))
        found.append(ev.CreateRefused(at + n, 1, refusal, "http_4xx", wait_s))
    return tuple(found)


REFUSALS = tuple(
    scene
    for refusal in Refusal
    for scene in (
        Scene(f"refused: {refusal.value}, again and again", refused(refusal, times=4, wait_s=7.0), SENDING),
        Scene(f"refused: {refusal.value}, after a day", refused(refusal, at=11.0 + DAY), SENDING),
    )
)

SCENES: tuple[Scene, ...] = (
    *REFUSALS,
    Scene("refused a moment before the day is over", refused(Refusal.BUSY, at=10.0 + DAY), SENDING),
    Scene(
        "refused after a day in which all creates were",
        (ev.CreateRefused(11.0 + DAY, 1, Refusal.BUSY, "http_429", at_excluding_pauses=500.0),),
        SENDING,
    ),
    Scene(
        "refused after a day, not counting that of all",
        (ev.CreateRefused(12.0 + 2 * DAY, 1, Refusal.BUSY, "http_429", at_excluding_pauses=11.0 + DAY),),
        SENDING,
    ),
    *(
        Scene(
            f"refused again after a day: {refusal.value}",
            (ev.CreateRefused(12.0 + DAY, 1, refusal, "http_4xx"),),
            (*CLAIMED, ev.Sending(99.0, 1, A, 1)),
        )
        for refusal in (Refusal.RECORDING_UNKNOWN, Refusal.RECORDING_NOT_DONE)
    ),
    Scene(
        "refused: the recording is not known, and was deleted",
        (ev.CreateRefused(99.0, 1, Refusal.RECORDING_UNKNOWN, "http_404"),),
        (*CLAIMED, ev.RecordingDeleted(20.0), ev.Sending(90.0, 1, A, 1)),
    ),
    Scene("refused without a request", (ev.CreateRefused(12.0, 1, Refusal.BUSY, "http_429"),), CLAIMED),
    Scene("refused without an attempt", (ev.CreateRefused(12.0, 1, Refusal.BUSY, "http_429"),), (DONE,)),
    Scene(
        "the repeated request is refused: of the first nothing is known",
        (ev.CreateRefused(31.0, 1, Refusal.ACCOUNT, "http_402", wait_s=1.0),),
        (*UNKNOWN, ev.Listed(20.0, 1, (), 9.0, 9.0), ev.Sending(30.0, 1, A, 0)),
    ),
    Scene(
        "the repeated request is refused for longer",
        (ev.CreateRefused(31.0, 1, Refusal.BUSY, "http_429", wait_s=9.0),),
        (*UNKNOWN, ev.Listed(20.0, 1, (), 9.0, 9.0), ev.Sending(30.0, 1, A, 0)),
    ),
    Scene(
        "the limit is reached and room is made, in vain",
        (
            ev.CreateRefused(12.0, 1, Refusal.LIMIT, "http_400"),
            ev.Pruned(13.0, 1, has_room=True, transcript_id=C1),
            ev.Sending(14.0, 1, A, 1),
            ev.CreateRefused(15.0, 1, Refusal.LIMIT, "http_400"),
            ev.Pruned(16.0, 1, has_room=False),
        ),
        SENDING,
        policy=_PRUNES,
    ),
    Scene(
        "the limit is reached for a day",
        (ev.CreateRefused(11.0 + DAY, 1, Refusal.LIMIT, "http_400"),),
        SENDING,
        policy=_PRUNES,
    ),
    Scene("room that is not waited for", (ev.Pruned(13.0, 1, has_room=True),), SENDING),
    Scene("room for no attempt", (ev.Pruned(13.0, 2, has_room=False),), SENDING),
    Scene(
        "a request that never left is sent again",
        (
            ev.CreateNotSent(12.0, 1, "no_connection"),
            ev.Sending(14.0, 1, A, 0),
            ev.CreateNotSent(15.0, 1, "no_connection"),
            ev.Sending(19.0, 1, A, 0),
            ev.CreateNotSent(10.0 + DAY, 1, "stamp_too_old"),
            ev.Sending(10.5 + DAY, 1, A, 0),
            ev.CreateNotSent(11.0 + DAY, 1, "no_connection"),
        ),
        SENDING,
    ),
    Scene("nothing was to be sent", (ev.CreateNotSent(12.0, 1), ev.CreateNotSent(12.0, 2)), CLAIMED),
    Scene(
        "a claim that is not wanted",
        (
            ev.Sending(11.0, 2, A, 0),
            ev.Sending(11.0, 1, A, 0),
            ev.Sending(12.0, 1, A, 0),
            ev.Sending(12.0, 2, B, 0),
        ),
        (DONE,),
    ),
    Scene("a claim under a later key", (ev.Sending(11.0, 1, A, 2),), (DONE,)),
    Scene("a claim before the recording is done", (ev.Sending(11.0, 1, A, 0),)),
    Scene("a claim under a key that is used up", (ev.Sending(99.0, 1, A, 0),), CLAIMED),
    Scene("a claim after the next is planned", (ev.Sending(99.0, 1, A, 0),), FAILED_ONCE),
    Scene("a claim while a transcript is unread", (ev.Sending(99.0, 2, B, 0),), FETCHING),
    Scene("a claim after the end", (ev.Sending(99.0, 2, B, 0),), STORED),
    Scene(
        "a claim before Recall was looked at",
        (ev.Sending(11.0, 1, A, 0),),
        (ev.RecordingDone(10.0, lookup_required=True),),
    ),
    Scene(
        "a claim that the policy of now does not select",
        (ev.Sending(11.0, 1, A, 0),),
        (DONE,),
        policy=_NONE,
        policy_before=TWO,
    ),
    Scene(
        "a claim for a provider that left",
        (ev.Sending(11.0, 1, B, 0),),
        (DONE,),
        policy=ONE,
        policy_before=TWO,
    ),
    Scene(
        "a claim beyond the budget",
        (ev.Sending(99.0, 2, B, 0),),
        FAILED_ONCE,
        policy=replace(TWO, attempts=1),
        policy_before=TWO,
    ),
    Scene(
        "of two attempts that wait one is claimed",
        (ev.Sending(99.0, 1, A, 1),),
        (*CLAIMED, ev.Created(13.0, 2, T2, B)),
    ),
    Scene(
        "created, as another attempt's",
        (ev.Created(24.0, 2, T1, B),),
        (*FAILED_ONCE, ev.Sending(21.0, 2, B, 0)),
    ),
    Scene(
        "created, and it was taken for another party's",
        (ev.Created(24.0, 1, C1, A),),
        (DONE, ev.TranscriptDone(20.0, C1)),
    ),
    Scene(
        "created a second time after the first failed, and it was taken for another party's",
        (ev.Created(34.0, 1, C1, A),),
        (*FAILED_ONCE, ev.TranscriptDone(30.0, C1)),
    ),
    Scene(
        "created by another installation, whose first attempt failed",
        (ev.Created(34.0, 3, "other-3", "c_async"),),
        (DONE, failed(20.0, "ours-3", 3, "x")),
    ),
    Scene("created, while the recording is waited for", (ev.Created(99.0, 1, T1, A),), CLAIMED),
    Scene("created, as is known", (ev.Created(13.0, 1, T1, A),), RUNNING),
    Scene("created a second time while the first runs", (ev.Created(13.0, 1, T2, A),), RUNNING),
    Scene("created a second time after the first failed", (ev.Created(23.0, 1, T2, A),), FAILED_ONCE),
    Scene(
        "created by another installation",
        (ev.Created(13.0, 2, T2, B), ev.Created(14.0, 3, "ours-3")),
        (DONE,),
    ),
    Scene(
        "created after it is finished", (ev.Created(13.0, 1, T1, A),), (*SENDING, ev.TranscriptDone(12.0, T1))
    ),
    Scene(
        "created after it is stored",
        (ev.Created(33.0, 1, T1, A),),
        (*SENDING, ev.TranscriptDone(12.0, T1), ev.Stored(13.0, T1, "", "en", is_empty=False)),
    ),
    Scene(
        "unknown, where it is known by now", (ev.CreateUnknown(13.0, 1), ev.CreateUnknown(13.0, 2)), RUNNING
    ),
    Scene(
        "unknown a second time counts from the first",
        (ev.CreateUnknown(31.0, 1, "timeout"),),
        (*UNKNOWN, ev.Listed(20.0, 1, (), 9.0, 9.0), ev.Sending(30.0, 1, A, 0)),
    ),
)
