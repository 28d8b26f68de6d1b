"""About what Recall does not have: how long it has to be missing, and in whose eyes."""

from __future__ import annotations

from app.core import events as ev
from app.core.events import RecordingCondition as Condition
from app.core.seen import Seen
from tests.core.dialogues import Scene
from tests.core.scenes.beginnings import (
    C1,
    DAY,
    DONE,
    FAILED_ONCE,
    FETCHING,
    RUNNING,
    SECOND_RUNNING,
    SENDING,
    STORED,
    T1,
    T2,
    UNKNOWN,
    A,
    Events,
    seen,
)


def missing(
    at: float, transcript_id: str = T1, key: str = "k", at_excluding_pauses: float | None = None
) -> ev.Event:
    return ev.TranscriptMissing(
        at, transcript_id, at if at_excluding_pauses is None else at_excluding_pauses, key
    )


def listed(at: float, *found: Seen, transcript_id: str = T1, key: str = "k", ordinal: int = 1) -> ev.Event:
    return ev.Listed(at, ordinal, found, transcript_id=transcript_id, key=key)


_TWO_LISTS = (missing(700.0), listed(701.0), missing(761.0), listed(762.0))
_LOST = (missing(100.0), *_TWO_LISTS)
_BOTH_MISSING: Events = (
    *FETCHING,
    *(ev.TranscriptDone(21.0, C1),),
    *(event for tid in (T1, C1) for event in (missing(100.0, tid), missing(700.0, tid))),
    *(
        event
        for tid in (T1, C1)
        for event in (listed(701.0, transcript_id=tid), listed(762.0, transcript_id=tid))
    ),
)
_SECOND_LISTS = tuple(listed(at, transcript_id=T2, ordinal=2) for at in (701.0, 762.0))
_CONDITIONS = (Condition.DONE, Condition.GONE, Condition.NOT_DONE, Condition.UNKNOWN)

SCENES: tuple[Scene, ...] = (
    Scene(
        "a running transcript is missing: asked again, listed twice, and the recording asked for",
        (
            missing(100.0),
            missing(250.0),
            missing(600.0),
            missing(699.0),
            missing(700.0),
            listed(701.0),
            missing(702.0),
            missing(761.0),
            listed(760.5),
            listed(761.0),
            missing(762.0),
            ev.RecordingAsked(763.0, Condition.DONE, key="k"),
            listed(764.0),
            ev.RecordingAsked(765.0, Condition.DONE, key="k"),
        ),
        RUNNING,
    ),
    Scene(
        "a finished transcript is missing: asked again, listed twice, and the recording asked for",
        (
            missing(100.0),
            missing(102.0),
            missing(106.0),
            missing(700.0),
            listed(701.0),
            missing(710.0),
            missing(761.0),
            listed(762.0),
            missing(763.0),
            ev.RecordingAsked(764.0, Condition.DONE, key="k"),
            listed(765.0),
            ev.RecordingAsked(766.0, Condition.DONE, key="k"),
        ),
        FETCHING,
    ),
    Scene(
        "another party's finished transcript is missing",
        (
            missing(100.0, C1),
            missing(700.0, C1),
            listed(701.0, transcript_id=C1, ordinal=0),
            listed(762.0, transcript_id=C1, ordinal=0),
            ev.RecordingAsked(764.0, Condition.DONE, key="k"),
            listed(765.0, transcript_id=C1, ordinal=0),
            ev.RecordingAsked(766.0, Condition.DONE, key="k"),
        ),
        (DONE, ev.TranscriptDone(20.0, C1)),
    ),
    *(
        Scene(
            f"missing for long, and the recording is {condition.value}: {title}",
            (ev.RecordingAsked(803.0, condition, key=key),),
            (*given, *_LOST, ev.RecordingAsked(801.0, Condition.DONE, key="k"), listed(802.0)),
        )
        for condition in _CONDITIONS
        for title, given, key in (("running", RUNNING, "k"), ("finished", FETCHING, "k"))
    ),
    *(
        Scene(
            f"Recall had lost sight of the workspace, and finds it after the last list: {title}",
            (ev.RecordingAsked(801.0, Condition.DONE, key="k"), listed(802.0, seen(T1, status, 1, A))),
            (*given, *_LOST),
        )
        for title, given, status in (("running", RUNNING, "processing"), ("finished", FETCHING, "done"))
    ),
    *(
        Scene(
            f"Recall loses sight of the workspace once more: {title}",
            (ev.RecordingAsked(803.0, Condition.UNKNOWN, key="k"),),
            (*given, *_LOST, ev.RecordingAsked(801.0, Condition.DONE, key="k"), listed(802.0)),
        )
        for title, given in (("running", RUNNING), ("finished", FETCHING))
    ),
    *(
        Scene(
            f"missing for long in the eyes of another key: {title}",
            (ev.RecordingAsked(800.0, Condition.DONE, key="other"),),
            (*given, *_LOST),
        )
        for title, given in (("running", RUNNING), ("finished", FETCHING))
    ),
    *(
        Scene(
            f"another key does not find it either: {title}", (missing(900.0, key="other"),), (*given, *_LOST)
        )
        for title, given in (("running", RUNNING), ("finished", FETCHING))
    ),
    *(
        Scene(
            f"another key's list is a first one: {title}", (listed(900.0, key="other"),), (*given, *_LOST[:3])
        )
        for title, given in (("running", RUNNING), ("finished", FETCHING))
    ),
    *(
        Scene(
            f"it is in the list after all, as {status}: {title}",
            (listed(701.0, seen(T1, status, 1, A)),),
            (*given, missing(100.0), missing(700.0)),
        )
        for status in ("processing", "done", "deleted")
        for title, given in (("running", RUNNING), ("finished", FETCHING))
    ),
    Scene(
        "only another one is in the list",
        (listed(701.0, seen(T2, "done", 2, A)),),
        (*RUNNING, missing(100.0), missing(700.0)),
    ),
    Scene("a list for a transcript that is stored by now", (listed(701.0),), STORED),
    Scene("a list for a transcript that has failed by now", (listed(701.0),), FAILED_ONCE),
    Scene("a list for a transcript that is found by now", (listed(701.0),), RUNNING),
    Scene("missing, but nothing waits for it", (missing(99.0), missing(99.0, C1)), STORED),
    Scene(
        "a running transcript is missing for a day",
        (
            missing(11.0 + DAY, key="k2"),
            missing(13.0 + DAY, at_excluding_pauses=900.0, key="k3"),
            missing(14.0 + DAY, at_excluding_pauses=12.0 + DAY, key="k4"),
        ),
        (*RUNNING, *(missing(at) for at in (100.0, 200.0, 300.0))),
    ),
    Scene(
        "a running transcript is missing for a day, after one look",
        (missing(12.0 + DAY, key="k2"), missing(13.0 + DAY, key="k3"), missing(14.0 + DAY, key="k4")),
        RUNNING,
    ),
    Scene(
        "a finished transcript is missing for a day",
        (
            missing(21.0 + DAY, key="k2"),
            missing(22.0 + DAY, at_excluding_pauses=900.0, key="k3"),
            missing(23.0 + DAY, key="k4"),
        ),
        (*FETCHING, missing(100.0)),
    ),
    Scene(
        "a finished transcript is missing for a day beside another that runs",
        tuple(missing(at + DAY, key=f"k{at}") for at in (21.0, 22.0, 23.0, 24.0)),
        (*FAILED_ONCE[:-1], ev.Created(21.0, 2, T2, "b_async"), ev.TranscriptDone(20.0, T1)),
    ),
    Scene(
        "two that are missing are gone together",
        (
            ev.RecordingAsked(800.0, Condition.DONE, key="k"),
            listed(801.0),
            listed(801.0, transcript_id=C1),
            ev.RecordingAsked(802.0, Condition.DONE, key="k"),
        ),
        _BOTH_MISSING,
    ),
    Scene(
        "two that are missing, and the recording too",
        (ev.RecordingAsked(800.0, Condition.UNKNOWN, key="k"),),
        _BOTH_MISSING,
    ),
    Scene(
        "a lost create and a missing transcript, decided at once",
        (
            ev.RecordingAsked(5_000.0, Condition.DONE, key="k"),
            listed(5_001.0, transcript_id=C1),
            ev.Listed(5_001.0, 1, (), 5_001.0, 5_001.0, key="k"),
            ev.RecordingAsked(5_002.0, Condition.DONE, key="k"),
        ),
        (
            *UNKNOWN,
            ev.TranscriptDone(20.0, C1),
            missing(100.0, C1),
            missing(700.0, C1),
            listed(701.0, transcript_id=C1),
            listed(762.0, transcript_id=C1),
            ev.Listed(4_300.0, 1, (), 4_300.0, 4_300.0, key="k"),
            ev.Listed(4_900.0, 1, (), 4_900.0, 4_900.0, key="k"),
        ),
    ),
    Scene("it is still processing after all", (ev.StillProcessing(800.0, T1),), (*RUNNING, *_LOST)),
    Scene("it is announced after all", (ev.TranscriptDone(800.0, T1, 1),), (*FETCHING, missing(100.0))),
    Scene("the clock was set: nothing is missing", (ev.ClockStepped(500.0),), RUNNING),
    Scene("the clock was set while a running one is missing", (ev.ClockStepped(800.0),), (*RUNNING, *_LOST)),
    Scene(
        "the clock was set while a finished one is missing", (ev.ClockStepped(800.0),), (*FETCHING, *_LOST)
    ),
    Scene(
        "the clock was set while a create is looked for",
        (ev.ClockStepped(5_000.0),),
        (*UNKNOWN, ev.Listed(4_212.0, 1, (), 4_200.0, 4_200.0, key="k")),
    ),
    Scene("the clock was set while two are missing", (ev.ClockStepped(800.0),), _BOTH_MISSING),
    Scene(
        "an absence is forgotten once its attempt is claimed again",
        (ev.Sending(31.0, 1, A, 0),),
        (*SENDING, ev.CreateUnknown(12.0, 1), ev.Listed(14.0, 1, (), 3.0, 3.0)),
    ),
    Scene(
        "a lost create, two lists, after our own code failed",
        (ev.RecordingAsked(4_900.0, Condition.UNKNOWN, key="k"),),
        (
            *UNKNOWN,
            *(ev.Listed(at, 1, (), at, at, key="k") for at in (4_212.0, 4_812.0)),
            ev.CommandFailed(4_850.0, "ask_recording"),
        ),
    ),
    Scene(
        "two are missing, one of them for long enough",
        (ev.RecordingAsked(800.0, Condition.UNKNOWN, key="k"),),
        (*_BOTH_MISSING[:-1], missing(761.0, C1)),
    ),
    Scene(
        "the clock was set after a silent one was missing",
        (ev.ClockStepped(99.0 + DAY),),
        (*RUNNING, *(missing(12.0 + DAY + n, key=f"k{n}") for n in range(3)), missing(15.0 + DAY, key="k3")),
    ),
    Scene(
        "the recording is not seen: a running transcript that is not missing is left alone",
        (ev.RecordingAsked(800.0, Condition.UNKNOWN, key="k"),),
        (
            *RUNNING,
            ev.TranscriptDone(20.0, C1),
            *(missing(at, C1) for at in (100.0, 700.0)),
            *(listed(at, transcript_id=C1, ordinal=0) for at in (701.0, 762.0)),
        ),
    ),
    *(
        Scene(
            f"{title}: the second attempt is missing, after the first failed",
            (event,),
            (*SECOND_RUNNING, *(missing(at, T2) for at in (100.0, 700.0)), *_SECOND_LISTS),
        )
        for title, event in (
            ("the recording is not seen", ev.RecordingAsked(800.0, Condition.UNKNOWN, key="k")),
            ("the clock was set", ev.ClockStepped(800.0)),
        )
    ),
    Scene(
        "the second one is missing, the first has failed",
        (missing(100.0, T2), missing(100.0, T1)),
        SECOND_RUNNING,
    ),
)
