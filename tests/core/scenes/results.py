"""About transcripts: announced, asked about, fetched, stored, gone."""

from __future__ import annotations

from app.core import events as ev
from app.core.events import Refusal
from tests.core.dialogues import ONE, Scene
from tests.core.scenes.beginnings import (
    ALL_FAILED,
    C1,
    C2,
    CLAIMED,
    DAY,
    DONE,
    EMPTY,
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
    gone,
)

_ZOOM = "zoom_captions_failure"
_GIVEN_UP: Events = (*FETCHING, *(ev.FetchBlocked(20.0 + DAY + n, T1, "refused") for n in range(4)))
_BESIDE: Events = (*SECOND_RUNNING, ev.TranscriptDone(30.0, C1))


def blocked(cause: str, transcript_id: str = T1, *, after: float = DAY) -> tuple[ev.Event, ...]:
    return tuple(
        ev.FetchBlocked(20.0 + after + n, transcript_id, cause, is_unexpected="418" in cause)
        for n in range(4)
    )


SCENES: tuple[Scene, ...] = (
    Scene(
        "finished: an attempt that this database does not know",
        (ev.TranscriptDone(20.0, "ours-3", 3),),
        (DONE,),
    ),
    Scene("finished: another party's", (ev.TranscriptDone(20.0, C1),), RUNNING),
    Scene("finished: another party's, before its time", (ev.TranscriptDone(5.0, C1), DONE)),
    Scene("finished: a second one with one marker", (ev.TranscriptDone(20.0, "other", 1),), RUNNING),
    Scene(
        "finished: a second one with one marker, twice",
        (ev.TranscriptDone(21.0, "other", 1),),
        (*RUNNING, ev.TranscriptDone(20.0, "other", 1)),
    ),
    Scene("finished: by its id alone", (ev.TranscriptDone(20.0, T1),), RUNNING),
    Scene("finished: known to be", (ev.TranscriptDone(21.0, T1, 1),), FETCHING),
    Scene("finished: stored by now", (ev.TranscriptDone(99.0, T1, 1),), STORED),
    Scene("finished: given up by now", (ev.TranscriptDone(99.0 + DAY, T1, 1),), _GIVEN_UP),
    Scene(
        "finished: another while one is published",
        (ev.TranscriptDone(99.0, C1), ev.TranscriptDone(99.5, C1)),
        PUBLISHING,
    ),
    Scene(
        "finished: while a create waits",
        (ev.TranscriptDone(99.0, C1), ev.Unwanted(100.0, C1, "x_streaming")),
        CLAIMED,
    ),
    Scene(
        "finished: while a create is planned",
        (ev.TranscriptDone(99.0, C1), ev.Unwanted(100.0, C1, "x_streaming")),
        (DONE,),
    ),
    Scene("finished: an attempt whose answer was lost", (ev.TranscriptDone(99.0, T1, 1),), UNKNOWN),
    Scene("finished: an attempt that failed by its marker", (ev.TranscriptDone(99.0, T1, 1),), FAILED_ONCE),
    Scene(
        "finished: after it was passed by",
        (ev.TranscriptDone(99.0, C1), ev.Stored(100.0, C1, "x", None, is_empty=False)),
        SKIPPED,
    ),
    Scene("failed: without a code", (failed(20.0, T1, 1),), RUNNING),
    Scene("failed: not of ours", (failed(20.0, C1),), RUNNING),
    Scene("failed: by its id alone", (failed(20.0, T1, None, "provider_error"),), RUNNING),
    Scene(
        "failed: an attempt that this database does not know",
        (failed(20.0, "ours-3", 3, "x"),),
        (DONE,),
    ),
    Scene("failed: another one with the marker", (failed(20.0, "other", 1, "x"),), RUNNING),
    Scene("failed: after it was done", (failed(99.0, T1, 1, "x"),), FETCHING),
    Scene("failed: after it was stored", (failed(99.0, T1, 1, "x"),), STORED),
    Scene("failed: after it failed", (failed(99.0, T1, 1, "x"),), FAILED_ONCE),
    Scene("failed: after a day of silence", (failed(99.0 + DAY, T1, 1, "x"),), SILENT),
    Scene("failed: for a reason that no provider cures", (failed(20.0, T1, 1, _ZOOM),), RUNNING),
    Scene(
        "failed: for such a reason, beside an open attempt",
        (failed(99.0, T1, 1, _ZOOM),),
        (*RUNNING, ev.Created(21.0, 2, T2, B)),
    ),
    Scene(
        "failed: for such a reason, beside an unread one",
        (failed(99.0, T1, 1, _ZOOM),),
        (*RUNNING, ev.TranscriptDone(21.0, C1)),
    ),
    Scene("deleted: while it runs", (ev.TranscriptDeleted(20.0, T1, 1),), RUNNING),
    Scene("deleted: by its id alone", (ev.TranscriptDeleted(20.0, T1),), RUNNING),
    Scene(
        "deleted: after the request was repeated",
        (ev.TranscriptDeleted(40.0, T1, 1),),
        (*UNKNOWN, ev.Listed(20.0, 1, (), 9.0, 9.0), ev.Sending(30.0, 1, A, 0)),
    ),
    Scene("deleted: while it is unread", (ev.TranscriptDeleted(21.0, T1, 1),), FETCHING),
    Scene(
        "deleted: while the answer to its create is lost",
        (ev.TranscriptDeleted(21.0, T1, 1),),
        (*UNKNOWN, *(ev.Listed(at, 1, (), at, at, key="k") for at in (4_212.0,))),
    ),
    Scene("deleted: while its create may be on the wire", (ev.TranscriptDeleted(21.0, T1, 1),), SENDING),
    Scene("deleted: after it was stored", (ev.TranscriptDeleted(99.0, T1, 1),), STORED),
    Scene("deleted: after it failed", (ev.TranscriptDeleted(99.0, T1, 1),), FAILED_ONCE),
    Scene(
        "deleted: another party's",
        (ev.TranscriptDeleted(21.0, C1), ev.TranscriptDeleted(21.0, C1, 3)),
        RUNNING,
    ),
    Scene(
        "deleted: another one with the marker of one that runs",
        (ev.TranscriptDeleted(21.0, "other", 1),),
        RUNNING,
    ),
    Scene(
        "deleted: of an attempt that failed before it was made",
        (ev.TranscriptDeleted(21.0, T1, 1),),
        (*SENDING, ev.CreateRefused(12.0, 1, Refusal.PROVIDER, "http_400")),
    ),
    Scene(
        "a late transcript is asked for after 10, 20, 40 minutes, then hourly, for a day",
        (
            *(ev.StillProcessing(at, T1) for at in (612.0, 1_812.0, 4_212.0, 7_812.0)),
            ev.StillProcessing(11.0 + DAY, T1),
            ev.StillProcessing(12.0 + DAY, T1),
        ),
        RUNNING,
    ),
    Scene(
        "a day that passed with two looks is no answer",
        (
            ev.StillProcessing(12.0 + DAY, T1),
            ev.StillProcessing(13.0 + DAY, T1),
            ev.StillProcessing(14.0 + DAY, T1),
            ev.StillProcessing(15.0 + DAY, T1),
        ),
        RUNNING,
    ),
    Scene(
        "still processing, but nothing waits for it",
        (ev.StillProcessing(99.0, T1), ev.StillProcessing(99.0, C1)),
        FETCHING,
    ),
    Scene(
        "not offered yet: in seconds, then each minute, for a day",
        (
            *(ev.NotYet(at, T1) for at in (21.0, 23.0, 27.0, 35.0, 51.0, 83.0, 143.0)),
            ev.NotYet(19.0 + DAY, T1),
            ev.NotYet(20.0 + DAY, T1),
        ),
        FETCHING,
    ),
    Scene(
        "not offered for a day, after few looks",
        tuple(ev.NotYet(20.0 + DAY + n, T1) for n in range(4)),
        FETCHING,
    ),
    Scene(
        "not offered for a day, beside one that runs",
        tuple(ev.NotYet(30.0 + DAY + n, C1) for n in range(4)),
        _BESIDE,
    ),
    Scene(
        "not offered after it was missing",
        (ev.NotYet(110.0, T1),),
        (*FETCHING, ev.TranscriptMissing(100.0, T1, 100.0)),
    ),
    Scene("not offered, but nothing waits for it", (ev.NotYet(99.0, T1),), STORED),
    Scene(
        "blocked: in seconds, then each half minute",
        tuple(ev.FetchBlocked(at, T1, "refused") for at in (21.0, 23.0, 27.0, 35.0, 51.0)),
        FETCHING,
    ),
    *(
        Scene(f"blocked for a day: {cause}", blocked(cause)[3:], (*FETCHING, *blocked(cause)[:3]))
        for cause in (
            "refused",
            "storage_unavailable",
            "transcript_unreadable",
            "recall_http_418",
            "recall_http_503",
            "recall_http_429",
            "http_418",
        )
    ),
    Scene(
        "blocked for a day, beside one that runs",
        tuple(ev.FetchBlocked(30.0 + DAY + n, C1, "refused") for n in range(4)),
        _BESIDE,
    ),
    Scene(
        "blocked for a day, beside one that waits",
        tuple(ev.FetchBlocked(99.0 + DAY + n, C1, "refused") for n in range(4)),
        (*CLAIMED, ev.TranscriptDone(99.0, C1)),
    ),
    Scene(
        "blocked for a day, after another failure",
        (ev.FetchBlocked(30.0 + DAY, T1, "storage_unavailable"),),
        (*_GIVEN_UP, ev.TranscriptDone(25.0 + DAY, T1, 1)),
    ),
    Scene(
        "blocked for a day, after another is stored",
        tuple(ev.FetchBlocked(40.0 + DAY + n, C1, "refused") for n in range(4)),
        (*STORED, ev.TranscriptDone(40.0, C1)),
    ),
    Scene(
        "blocked after it was missing",
        (ev.FetchBlocked(110.0, T1, "refused"),),
        (*FETCHING, ev.TranscriptMissing(100.0, T1, 100.0)),
    ),
    Scene("blocked, but nothing waits for it", (ev.FetchBlocked(99.0, T1, "refused"),), STORED),
    Scene("gone: while it runs", (gone(99.0, T1),), RUNNING),
    Scene("gone: failed while it runs", (gone(99.0, T1, "provider_error"),), RUNNING),
    Scene("gone: failed for a reason that no provider cures", (gone(99.0, T1, _ZOOM),), RUNNING),
    Scene("gone: while it is unread", (gone(99.0, T1),), FETCHING),
    Scene("gone: failed while it is unread", (gone(99.0, T1, _ZOOM),), FETCHING),
    Scene("gone: another party's", (gone(99.0, C1),), (*RUNNING, ev.TranscriptDone(20.0, C1))),
    Scene(
        "gone: another party's has failed",
        (gone(99.0, C1, _ZOOM),),
        (DONE, ev.TranscriptDone(20.0, C1)),
    ),
    Scene(
        "gone, but nothing waits for it",
        (gone(99.0, T1, _ZOOM), gone(99.0, C1)),
        STORED,
    ),
    Scene(
        "captions are not wanted",
        (ev.Unwanted(99.0, C1, "x_streaming"), ev.Unwanted(99.0, C1, "x_streaming")),
        (*RUNNING, ev.TranscriptDone(20.0, C1)),
    ),
    Scene(
        "stored: another party's",
        (ev.Stored(99.0, C1, "x", None, is_empty=False),),
        (*RUNNING, ev.TranscriptDone(20.0, C1)),
    ),
    Scene(
        "stored: of an attempt whose provider was not known",
        (ev.Stored(99.0, "ours-3", "c_async", "de", is_empty=False),),
        (DONE, ev.TranscriptDone(20.0, "ours-3", 3)),
    ),
    Scene(
        "stored: while another is unread",
        (ev.Stored(99.0, C1, "x", "de", is_empty=False), ev.Stored(100.0, T1, A, "en", is_empty=False)),
        (*FETCHING, ev.TranscriptDone(21.0, C1)),
    ),
    Scene(
        "stored: beside the result",
        (ev.Stored(99.0, C1, "x", "de", is_empty=False),),
        (*STORED, ev.TranscriptDone(40.0, C1)),
    ),
    Scene(
        "stored: beside the result, while another is unread",
        (ev.Stored(99.0, C1, "x", "de", is_empty=False),),
        (*STORED, ev.TranscriptDone(40.0, C1), ev.TranscriptDone(41.0, C2)),
    ),
    Scene(
        "stored: after all failed",
        (ev.Stored(99.0, C1, "x", "de", is_empty=False),),
        (*ALL_FAILED, ev.TranscriptDone(40.0, C1)),
    ),
    Scene(
        "stored: empty, after all failed",
        (ev.Stored(99.0, C1, "x", None, is_empty=True), ev.Published(100.0, C1, "x", None)),
        (*ALL_FAILED, ev.TranscriptDone(40.0, C1)),
    ),
    Scene(
        "stored: empty, after all failed, while another is unread",
        (ev.Stored(99.0, C1, "x", None, is_empty=True),),
        (*ALL_FAILED, ev.TranscriptDone(40.0, C1), ev.TranscriptDone(41.0, C2)),
    ),
    Scene(
        "unreadable: three equal downloads half a minute apart",
        (
            ev.DownloadUnreadable(21.0, T1, "aa"),
            ev.DownloadUnreadable(50.0, T1, "aa"),
            ev.DownloadUnreadable(51.0, T1, "aa"),
            ev.DownloadUnreadable(81.0, T1, "bb"),
            ev.DownloadUnreadable(141.0, T1, "bb"),
            ev.DownloadUnreadable(201.0, T1, "bb", is_kept=True),
        ),
        FETCHING,
    ),
    Scene(
        "unreadable: another page each time, for a day",
        tuple(ev.DownloadUnreadable(20.0 + DAY + n, T1, f"page {n}") for n in range(4)),
        FETCHING,
    ),
    Scene(
        "unreadable after it was missing",
        (ev.DownloadUnreadable(110.0, T1, "aa"),),
        (*FETCHING, ev.TranscriptMissing(100.0, T1, 100.0)),
    ),
    Scene(
        "unreadable, and another is stored",
        (ev.Stored(99.0, C1, "x", "de", is_empty=False),),
        (
            *FETCHING,
            ev.TranscriptDone(21.0, C1),
            *(ev.DownloadUnreadable(at, T1, "aa") for at in (22.0, 82.0, 142.0)),
        ),
    ),
    Scene(
        "unreadable for a day, beside one that runs",
        tuple(ev.DownloadUnreadable(30.0 + DAY + n, C1, "aa") for n in range(4)),
        _BESIDE,
    ),
    Scene(
        "unreadable, and its formats are asked for after an update",
        (
            *(ev.DownloadUnreadable(at, T1, "aa") for at in (22.0, 82.0)),
            ev.DownloadUnreadable(142.0, T1, "aa", is_kept=True),
            ev.RenderAsked(200.0, T1),
        ),
        FETCHING,
    ),
    Scene("unreadable, but nothing waits for it", (ev.DownloadUnreadable(99.0, T1, "aa"),), STORED),
    Scene(
        "empty while an attempt runs",
        (ev.Stored(99.0, C1, "x", None, is_empty=True),),
        (*RUNNING, ev.TranscriptDone(20.0, C1)),
    ),
    Scene("the one provider is used", FAILED_ONCE[-1:], FAILED_ONCE[:-1], policy=ONE),
    Scene("empty, and the length is not known", EMPTY[-1:], EMPTY[:-1]),
)
