"""About Recall's list: after a lost answer, and before old news is paid for."""

from __future__ import annotations

from dataclasses import replace

from app.core import events as ev
from app.core.events import RecordingCondition as Condition
from app.core.policy import Policy
from tests.core.dialogues import BOTH, TWO, Scene
from tests.core.scenes.beginnings import (
    C1,
    C2,
    CLAIMED,
    DAY,
    RUNNING,
    SENDING,
    STORED,
    T1,
    UNKNOWN,
    A,
    B,
    Events,
    seen,
)

OLD_NEWS: Events = (ev.RecordingDone(10.0, lookup_required=True),)

SCENES: tuple[Scene, ...] = (
    Scene(
        "a lost answer is repeated under its key, ever more seldom",
        (
            ev.CreateUnknown(12.0, 1, "timeout"),
            ev.Listed(14.0, 1, (), 3.0, 3.0),
            ev.Sending(19.0, 1, A, 0),
            ev.CreateUnknown(20.0, 1, "timeout"),
            ev.Listed(22.0, 1, (), 11.0, 3.0),
            ev.Sending(32.0, 1, A, 0),
            ev.CreateUnknown(33.0, 1, "timeout"),
            ev.Listed(3_010.0, 1, (), 3_000.0, 2_980.0),
            ev.Listed(3_610.0, 1, (), 3_600.0, 3_700.0),
        ),
        SENDING,
    ),
    Scene(
        "a lost answer may no longer be repeated",
        (ev.Listed(14.0, 1, (), 3.0, 3.0, is_resendable=False),),
        UNKNOWN,
    ),
    Scene(
        "a lost answer of a request that never left",
        (ev.Listed(14.0, 1, (), 3.0, 3.0, is_unsent=True),),
        UNKNOWN,
    ),
    Scene(
        "a lost answer: two lists ten minutes apart, then the recording",
        (
            ev.Listed(4_211.0, 1, (), 4_199.0, 4_199.0, key="k"),
            ev.Listed(4_212.0, 1, (), 4_200.0, 4_200.0, key="k"),
            ev.Listed(4_811.0, 1, (), 4_800.0, 4_800.0, key="k"),
            ev.Listed(4_812.0, 1, (), 4_800.0, 4_800.0, key="k"),
            ev.RecordingAsked(4_813.0, Condition.DONE, key="k"),
            ev.Listed(4_814.0, 1, (), 4_802.0, 4_802.0, key="k"),
            ev.RecordingAsked(4_815.0, Condition.DONE, key="k"),
        ),
        UNKNOWN,
    ),
    Scene(
        "a lost answer that was repeated: a new key begins anew",
        (
            ev.RecordingAsked(5_000.0, Condition.DONE, key="k"),
            ev.Listed(5_001.0, 1, (), 5_001.0, 5_001.0, key="k"),
            ev.RecordingAsked(5_002.0, Condition.DONE, key="k"),
        ),
        (
            *UNKNOWN,
            ev.Listed(20.0, 1, (), 9.0, 9.0),
            ev.Sending(30.0, 1, A, 0),
            ev.CreateUnknown(31.0, 1, "timeout"),
            *(ev.Listed(at, 1, (), at, at, key="k") for at in (4_300.0, 4_900.0)),
        ),
    ),
    Scene(
        "a lost answer of a request that never left, after a list",
        (ev.Listed(4_900.0, 1, (), 4_900.0, 4_900.0, is_unsent=True),),
        (*UNKNOWN, ev.Listed(4_212.0, 1, (), 4_200.0, 4_200.0, key="k")),
    ),
    Scene(
        "a lost answer under a later key is repeated under it",
        (ev.Listed(20.0, 1, (), 3.0, 3.0), ev.Sending(25.0, 1, A, 1), ev.CreateUnknown(26.0, 1)),
        (*CLAIMED, ev.Sending(14.0, 1, A, 1), ev.CreateUnknown(15.0, 1, "timeout")),
    ),
    Scene(
        "a lost answer under a later key never left",
        (ev.Listed(20.0, 1, (), 3.0, 3.0, is_unsent=True),),
        (*CLAIMED, ev.Sending(14.0, 1, A, 1), ev.CreateUnknown(15.0, 1, "timeout")),
    ),
    Scene(
        "a lost answer: the lists of two keys are two beginnings",
        (
            ev.Listed(4_212.0, 1, (), 4_200.0, 4_200.0, key="k"),
            ev.Listed(4_900.0, 1, (), 4_900.0, 4_900.0, key="other"),
        ),
        UNKNOWN,
    ),
    Scene(
        "a lost answer: young again, the lists are forgotten",
        (ev.Listed(4_900.0, 1, (), 9_000.0, 100.0, key="k"),),
        (*UNKNOWN, ev.Listed(4_212.0, 1, (), 4_200.0, 4_200.0, key="k")),
    ),
    *(
        Scene(
            f"a lost answer, two lists, and the recording is {condition.value}",
            (ev.RecordingAsked(4_815.0, condition, key="k"),),
            (
                *UNKNOWN,
                *(ev.Listed(at, 1, (), at, at, key="k") for at in (4_212.0, 4_812.0)),
                ev.RecordingAsked(4_813.0, Condition.DONE, key="k"),
                ev.Listed(4_814.0, 1, (), 4_814.0, 4_814.0, key="k"),
            ),
        )
        for condition in (Condition.GONE, Condition.FAILED, Condition.NOT_DONE, Condition.UNKNOWN)
    ),
    Scene(
        "a lost answer: Recall had lost sight of the workspace, and finds it after the last list",
        (
            ev.RecordingAsked(4_813.0, Condition.DONE, key="k"),
            ev.Listed(4_814.0, 1, (seen(T1, "processing", 1, A),), 4_802.0, 4_802.0, key="k"),
        ),
        (*UNKNOWN, *(ev.Listed(at, 1, (), at, at, key="k") for at in (4_212.0, 4_812.0))),
    ),
    Scene("a lost answer for a day", (ev.Listed(12.0 + DAY, 1, (), 9_000.0, 9_000.0),), UNKNOWN),
    Scene("a lost answer for a second less", (ev.Listed(11.0 + DAY, 1, (), 9_000.0, 100.0),), UNKNOWN),
    Scene(
        "a lost answer for a day of refused accounts",
        (
            ev.Listed(12.0 + DAY, 1, (), 9_000.0, 100.0, at_excluding_pauses=9_000.0),
            ev.Listed(13.0 + DAY, 1, (), 9_000.0, 100.0, at_excluding_pauses=12.0 + DAY),
        ),
        UNKNOWN,
    ),
    *(
        Scene(
            f"a lost answer is found in the list: {status}",
            (ev.Listed(14.0, 1, (seen(T1, status, 1, A, sub_code),), 3.0, 3.0),),
            UNKNOWN,
        )
        for status, sub_code in (
            ("processing", None),
            ("done", None),
            ("failed", "provider_error"),
            ("deleted", None),
        )
    ),
    Scene(
        "in the list: failed for good, and another that is done",
        (
            ev.Listed(
                14.0,
                1,
                (seen(T1, "failed", 1, A, "zoom_captions_failure"), seen(C1, "done", None, "x")),
                3.0,
                3.0,
            ),
        ),
        UNKNOWN,
    ),
    Scene(
        "in the list: failed for good",
        (ev.Listed(14.0, 1, (seen(T1, "failed", 1, A, "zoom_captions_failure"),), 3.0, 3.0),),
        UNKNOWN,
    ),
    Scene(
        "in the list: captions, and what is still made for others",
        (
            ev.Listed(
                14.0,
                1,
                (
                    seen("captions", "done", None, "x", is_realtime=True),
                    seen(C1, "processing", None, "x"),
                    seen("ours-3", "processing", 3, "c_async"),
                ),
                3.0,
                3.0,
            ),
        ),
        UNKNOWN,
    ),
    Scene(
        "in the list: captions that are wanted",
        (ev.Listed(80.0, 0, (seen("captions", "done", None, "x", is_realtime=True),)),),
        OLD_NEWS,
        replace(TWO, want_realtime=True),
    ),
    *(
        Scene(
            f"adopted, and empty, with {title}",
            (
                ev.Stored(81.0, C1, B, None, is_empty=True, is_adopted=True),
                ev.RecordingAsked(82.0, Condition.DONE, duration_s=3_600.0),
            ),
            (*OLD_NEWS, ev.Listed(80.0, 0, (seen(C1, "done", None, B),))),
            policy,
        )
        for title, policy in (("another provider", TWO), ("the same", Policy(BOTH[1:], 1)))
    ),
    *(
        Scene(
            f"in the list: another one with the marker, {status}",
            (ev.Listed(14.0, 0, (seen("other", status, 1, A, "x"),)),),
            RUNNING,
        )
        for status in ("processing", "done", "failed")
    ),
    Scene(
        "in the list: one of ours without its marker",
        (ev.Listed(14.0, 0, (seen(T1, "failed", None, A, "provider_error"),)),),
        RUNNING,
    ),
    Scene(
        "old news is looked up before it is paid",
        (
            ev.RecordingDone(10.0, lookup_required=True),
            ev.Listed(80.0, 0, (), key="k"),
            ev.RecordingAsked(81.0, Condition.DONE, key="k"),
        ),
    ),
    *(
        Scene(
            f"a look is not clean: the recording is seen {title}",
            (ev.RecordingAsked(at, Condition.DONE, key=key),),
            (ev.RecordingDone(10.0, lookup_required=True), ev.Listed(80.0, 0, (), key="k")),
        )
        for title, at, key in (
            ("by another key", 81.0, "other"),
            ("ten minutes later", 681.0, "k"),
            ("before the list", 79.0, "k"),
        )
    ),
    *(
        Scene(
            f"a look is clean {title}",
            (ev.RecordingAsked(at, Condition.DONE, key="k"),),
            (ev.RecordingDone(10.0, lookup_required=True), ev.Listed(80.0, 0, (), key="k")),
        )
        for title, at in (("at once", 80.0), ("for ten minutes", 680.0))
    ),
    Scene(
        "a look whose recording is not seen decides nothing",
        (ev.RecordingAsked(81.0, Condition.UNKNOWN, key="k"),),
        (ev.RecordingDone(10.0, lookup_required=True), ev.Listed(80.0, 0, (), key="k")),
    ),
    Scene(
        "others are at it: an hour's wait and no more",
        tuple(ev.Listed(80.0 + n, 0, (seen(C1, "processing", None, "x"),)) for n in range(7)),
        (ev.RecordingDone(10.0, lookup_required=True),),
    ),
    Scene(
        "a look waits for the recording: what was waited for begins anew",
        (
            ev.RecordingAsked(81.0, Condition.UNKNOWN, key="k"),
            ev.RecordingAsked(181.0, Condition.DONE, key="other"),
        ),
        (ev.RecordingDone(10.0, lookup_required=True), ev.Listed(80.0, 0, (), key="k")),
    ),
    Scene(
        "others are at it, but the list was read for a lost answer",
        (ev.Listed(600.0, 1, (seen(C1, "processing", None, "x"),), 500.0, 500.0),),
        (*UNKNOWN, ev.DowntimeDetected(500.0)),
    ),
    Scene(
        "others are at it, but the list was read for a transcript",
        (ev.Listed(701.0, 0, (seen(C2, "processing", None, "x"),), transcript_id=C1, key="k"),),
        (
            ev.RecordingDone(10.0, lookup_required=True),
            ev.TranscriptDone(20.0, C1),
            ev.TranscriptMissing(100.0, C1, 100.0, "k"),
            ev.TranscriptMissing(700.0, C1, 700.0, "k"),
        ),
    ),
    Scene(
        "a look that found nothing, and another that did",
        (ev.Listed(90.0, 0, (seen(C1, "failed", None, "x"),), key="k"),),
        (ev.RecordingDone(10.0, lookup_required=True), ev.Listed(80.0, 0, (), key="k")),
    ),
    *(
        Scene(
            f"others are not at it: {title}",
            (ev.Listed(80.0, 0, found),),
            (ev.RecordingDone(10.0, lookup_required=True),),
        )
        for title, found in (
            ("captions", (seen("captions", "processing", None, "x", is_realtime=True),)),
            ("ours beside", (seen(C1, "processing", None, "x"), seen(T1, "processing", 1, A))),
            ("failed", (seen(C1, "failed", None, "x"),)),
            ("done", (seen(C1, "done", None, "x"),)),
        )
    ),
    Scene("a list that could not be read for a day", (ev.LookUpImpossible(99.0, 1),), UNKNOWN),
    Scene(
        "a first look that could not be read for a day",
        (ev.LookUpImpossible(99.0, 0),),
        (ev.RecordingDone(10.0, lookup_required=True),),
    ),
    Scene("a list that could not be read after the end", (ev.LookUpImpossible(99.0, 1),), STORED),
)
