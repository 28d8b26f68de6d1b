"""About what is taken away: erased recordings, what is deleted at Recall, details that are over."""

from __future__ import annotations

from dataclasses import replace

from app.core import events as ev
from app.core.quality import Quality
from app.core.state import AtRecall
from tests.core.dialogues import ONE, Scene
from tests.core.scenes.beginnings import (
    C1,
    CLAIMED,
    DAY,
    DONE,
    EMPTY,
    FETCHING,
    RUNNING,
    SECOND_RUNNING,
    SENDING,
    SKIPPED,
    STORED,
    T1,
    UNKNOWN,
    Events,
)

DELETING = replace(ONE, delete_at_recall="transcript")
ERASED = ev.EraseAsked(200.0)
_OVER = (
    ev.ResultsErased(201.0),
    ev.ResultsErased(600.0),
    ev.DeletedAtRecall(300.0),
    ev.DeletedAtRecall(4_500.0),
)
_BEGINNINGS: dict[str, Events] = {
    "nothing": (),
    "claimed": CLAIMED,
    "sending": SENDING,
    "of unknown end": UNKNOWN,
    "running": RUNNING,
    "unread": FETCHING,
    "stored": STORED,
    "passed by": SKIPPED,
    "the second running": SECOND_RUNNING,
}
_FOUND = ev.DeletedAtRecall(4_500.0, (T1,), (1,))

SCENES: tuple[Scene, ...] = (
    *(Scene(f"erased: {name}", (ERASED, *_OVER), given) for name, given in _BEGINNINGS.items()),
    Scene("erased, nothing at Recall", (ev.EraseAsked(200.0, None), _OVER[0], _OVER[1], _FOUND), STORED),
    Scene(
        "erased, and the media too; then erased again without",
        (
            ev.EraseAsked(200.0, AtRecall.RECORDING),
            ev.EraseAsked(210.0),
            ev.DeletedAtRecall(220.0, (T1,), (1,), is_whole=True),
            ev.EraseAsked(230.0, None),
            ev.ResultsErased(700.0),
            ev.ResultsErased(701.0),
        ),
        STORED,
    ),
    Scene(
        "erased while a request was under way, and its transcript appears late",
        (ERASED, ev.DeletedAtRecall(400.0), _FOUND, ev.DeletedAtRecall(5_100.0)),
        SENDING,
    ),
    Scene(
        "erased, and Recall goes on showing what was deleted",
        (ERASED, _FOUND, replace(_FOUND, at=200.0 + DAY)),
        STORED,
    ),
    Scene(
        "erased, and it does not work",
        (
            ERASED,
            ev.CommandFailed(300.0, "erase_results"),
            ev.WaitEnded(300.0, "erase_results", "storage_unavailable"),
            ev.CommandFailed(300.0, "delete_at_recall"),
            ev.WaitEnded(300.0 + DAY, "delete_at_recall", "http_503"),
            ev.CommandFailed(301.0, "fetch_transcript", transcript_id=T1),
        ),
        STORED,
    ),
    Scene(
        "erased, and heard of afterwards",
        (
            ERASED,
            DONE,
            ev.TranscriptDone(300.0, T1, 1),
            ev.RetryAsked(301.0, 9),
            ev.RenderAsked(302.0, T1),
            ev.DowntimeDetected(303.0),
            ev.CommandMissing(304.0),
            ev.DetailsExpired(305.0),
        ),
        RUNNING,
    ),
    Scene(
        "stored, then deleted at Recall by policy",
        (ev.Stored(100.0, T1, "x", "en", is_empty=False), ev.DeletedAtRecall(101.0, (T1,), (1,))),
        FETCHING,
        DELETING,
    ),
    Scene(
        "stored beside another that is unread: deleted at Recall when that is stored too",
        (
            ev.Stored(100.0, T1, "x", "en", is_empty=False),
            ev.Stored(110.0, C1, "x", "en", is_empty=False),
            ev.DeletedAtRecall(120.0, (T1,), (1,)),
            ev.DeletedAtRecall(121.0),
        ),
        (*FETCHING, ev.TranscriptDone(30.0, C1)),
        DELETING,
    ),
    Scene(
        "stored, and the deletion at Recall does not work",
        (
            ev.Stored(100.0, T1, "x", "en", is_empty=False),
            ev.WaitEnded(100.0 + DAY, "delete_at_recall", "http_503"),
            ev.CommandFailed(300.0, "delete_at_recall"),
        ),
        FETCHING,
        DELETING,
    ),
    Scene(
        "stored empty, then deleted at Recall with its media by policy",
        (ev.Published(200.0, T1, "x", None), ev.DeletedAtRecall(201.0, (T1,), (1,), is_whole=True)),
        (*RUNNING, ev.TranscriptDone(20.0, T1, 1), ev.Stored(22.0, T1, "x", None, is_empty=True)),
        replace(ONE, delete_at_recall="recording", quality=Quality(empty="accept")),
    ),
    Scene("details that are over", (ev.DetailsExpired(300.0),), STORED),
    Scene("details that are over, of one that passed by", (ev.DetailsExpired(300.0),), SKIPPED),
    Scene("details that are over, and it has not ended", (ev.DetailsExpired(300.0),), EMPTY),
)
