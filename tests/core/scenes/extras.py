"""About a further transcript that is ordered beside a result."""

from __future__ import annotations

from dataclasses import replace

from app.core import events as ev
from app.core.cost import Prices
from app.core.events import Refusal
from app.core.policy import Order, Policy
from tests.core.dialogues import BOTH, TWO, Scene
from tests.core.scenes.beginnings import C1, PUBLISHING, STORED, T1, T2, A, B, Events, failed, seen
from tests.core.scenes.beginnings import RUNNING as ONE_RUNNING

EXTRA = ev.ExtraOrdered(200.0, "o1")
GERMAN = ev.ExtraOrdered(200.0, "o1", Order("de", None, B))
SEEN = seen(T1, "done", 1, A)
PLANNED: Events = (*STORED, EXTRA, ev.Listed(260.0, 0, (SEEN,)))
SENDING: Events = (*PLANNED, ev.Sending(261.0, 2, A, 0))
RUNNING: Events = (*SENDING, ev.Created(262.0, 2, T2, A))
UNREAD: Events = (*RUNNING, ev.TranscriptDone(300.0, T2, 2))
FAILED: Events = (*RUNNING, failed(300.0, T2, 2, "x"))
PUBLISHED: Events = (ev.Published(40.0, T1, A, "en"),)
EMPTY_RESULT: Events = (*PUBLISHING, *PUBLISHED)
THEIRS: Events = (ev.TranscriptDone(270.0, C1), ev.Stored(271.0, C1, B, "en", is_empty=False))
THEIR_EMPTY: Events = (ev.TranscriptDone(270.0, C1), ev.Stored(271.0, C1, B, None, is_empty=True))
GONE = ev.RecordingDeleted(300.0)
ORDERED = ev.TranscriptionOrdered(5.0, Order(provider=B))
OLD_NEWS = ev.RecordingDone(10.0, lookup_required=True)
EMPTY_RUNNING: Events = (
    *EMPTY_RESULT,
    EXTRA,
    ev.Listed(260.0, 0, (SEEN,)),
    ev.Sending(261.0, 2, A, 0),
    ev.Created(262.0, 2, T2, A),
)
PROCESSING = ev.Listed(260.0, 0, (SEEN, seen(C1, "processing", None, B)))
FOUND = ev.Listed(300.0, 2, (seen(T2, "processing", 2, A),), 38.0, 38.0)
# To compare with.
BESIDE = ev.ExtraOrdered(200.0, "c1", Order(provider=B), is_beside=True)
BESIDE_PLANNED: Events = (*STORED, BESIDE, ev.Listed(260.0, 0, (SEEN,)))
BESIDE_RUNNING: Events = (
    *BESIDE_PLANNED,
    ev.Sending(261.0, 2, B, 0),
    ev.Created(262.0, 2, T2, B),
)
BESIDE_UNREAD: Events = (*BESIDE_RUNNING, ev.TranscriptDone(300.0, T2, 2))
BESIDE_EMPTY: Events = (
    *EMPTY_RESULT,
    BESIDE,
    ev.Listed(260.0, 0, (SEEN,)),
    ev.Sending(261.0, 2, B, 0),
    ev.Created(262.0, 2, T2, B),
)
BESIDE_BUSY: Events = (
    ev.Sending(261.0, 2, B, 0),
    ev.CreateRefused(262.0, 2, Refusal.BUSY, "http_429"),
)
LEFT = ev.NoLongerWanted(270.0, 2, "provider_left", B)
PRICED = replace(TWO, prices=Prices("USD", {A: 1}, 1.0, 9))
WAITING = ev.ExtraOrdered(263.0, "c2", Order(provider="c_async"), is_beside=True)
DUE = ev.ExtraDue(400.0)


def _for(order: str, provider: str) -> ev.ExtraOrdered:
    return replace(WAITING, order=order, intent=Order(provider=provider))


BESIDE_FAILED: Events = (*BESIDE_RUNNING, failed(300.0, T2, 2, "x"))
SHADOWED = Policy(BOTH, 2, shadow_percent=100.0, shadow_providers=(A, B, "c_async"))
SHADOWED_AND_GONE = replace(SHADOWED, delete_at_recall="transcript")
UNSTORED: Events = STORED[:-1]
FIRST_RESULT: Events = STORED[-1:]
A_DOWN = Policy(BOTH, 2, tripped_providers=frozenset({A}))


def words(*, is_empty: bool) -> ev.Event:
    return ev.Stored(301.0, T2, A, "de", is_empty=is_empty)


def refused(refusal: Refusal) -> ev.Event:
    return ev.CreateRefused(262.0, 2, refusal, "http_400")


def another(at: float) -> ev.Event:
    return ev.ExtraOrdered(at, "o2")


_SCENES: tuple[tuple[str, Events, Events], ...] = (
    ("ordered, looked up, sent", (GERMAN, ev.Listed(260.0, 0, (SEEN,)), ev.Sending(261.0, 2, B, 0)), STORED),
    ("made elsewhere already", (ev.Listed(260.0, 0, (SEEN, seen(T2, "done", 2, B))),), (*STORED, EXTRA)),
    ("with words it is the result", (words(is_empty=False),), UNREAD),
    ("empty", (words(is_empty=True), ev.Published(302.0, T2, A, "de")), UNREAD),
    ("failed", (failed(300.0, T2, 2, "x"),), RUNNING),
    ("failed by what no provider cures", (failed(300.0, T2, 2, "zoom_x"),), RUNNING),
    ("refused", (refused(Refusal.PROVIDER),), SENDING),
    ("refused at the limit", (refused(Refusal.LIMIT),), SENDING),
    ("of unknown end", (ev.CreateUnknown(262.0, 2, "timeout"), FOUND), SENDING),
    ("another party's words are no part of it", THEIRS, RUNNING),
    ("beside an empty result, another party's words are the result", THEIRS, (*EMPTY_RESULT, EXTRA)),
    ("our own fault", (ev.CommandFailed(270.0, "ask:ours-2", transcript_id=T2),), RUNNING),
    ("the same order twice", (EXTRA,), RUNNING),
    ("the same order once more, after its end", (EXTRA,), FAILED),
    ("another order after its end", (another(400.0),), FAILED),
    ("another order meanwhile", (another(263.0),), RUNNING),
    ("beside nothing", (EXTRA,), ONE_RUNNING),
    ("something is unread", (EXTRA,), (*STORED, ev.TranscriptDone(40.0, C1))),
    ("the recording is gone", (EXTRA,), (*STORED, ev.RecordingDeleted(40.0))),
    ("all nine are used", (EXTRA,), (*STORED, failed(30.0, "ours-9", 9, "x"))),
    ("after a long stop it is looked up anew", (ev.DowntimeDetected(270.0),), PLANNED),
    ("the recording goes before it is sent", (ev.RecordingDeleted(270.0),), PLANNED),
    ("an intent that the result was ordered with comes back", (EXTRA, GONE), (ORDERED, *THEIRS)),
    ("beside a result of which no recording was heard", (EXTRA,), THEIRS),
    ("an empty list of before says nothing", (EXTRA,), (OLD_NEWS, ev.Listed(12.0, 0, key="k"), *THEIRS)),
    ("the ninth", (EXTRA,), (*STORED, failed(30.0, "ours-8", 8, "x"))),
    ("beside an empty result, without words", (failed(300.0, T2, 2, "x"),), EMPTY_RUNNING),
    ("another party's empty one waits for its manifest", (*THEIR_EMPTY, failed(300.0, T2, 2, "x")), RUNNING),
    ("asked again by a person", (ev.RetryAsked(270.0, 3),), RUNNING),
)
_BESIDE: tuple[tuple[str, Events, Events], ...] = (
    ("ordered, looked up, sent", BESIDE_RUNNING[-4:], STORED),
    (
        "its words are stored and the result stays",
        (ev.Stored(301.0, T2, B, "de", is_empty=False),),
        BESIDE_UNREAD,
    ),
    (
        "empty",
        (ev.Stored(301.0, T2, B, "de", is_empty=True), ev.Published(302.0, T2, B, "de")),
        BESIDE_UNREAD,
    ),
    ("failed", (failed(300.0, T2, 2, "x"),), BESIDE_RUNNING),
    (
        "beside an empty result its words are no result",
        (ev.TranscriptDone(300.0, T2, 2), ev.Stored(301.0, T2, B, "de", is_empty=False)),
        BESIDE_EMPTY,
    ),
    (
        "nor are they when they come late",
        (ev.TranscriptDone(500.0, T2, 2), ev.Stored(501.0, T2, B, "de", is_empty=False)),
        (*BESIDE_EMPTY, failed(300.0, T2, 2, "x")),
    ),
    ("another one waits", (WAITING, failed(300.0, T2, 2, "x"), DUE), BESIDE_RUNNING),
    ("one that becomes the result waits, too", (another(263.0),), BESIDE_RUNNING),
    ("one that waits is ordered again", (WAITING,), (*BESIDE_RUNNING, WAITING)),
    ("none is due", (DUE,), BESIDE_RUNNING),
    ("none waits", (DUE,), STORED),
    (
        "one waits for the manifest of an empty one",
        (ev.Stored(301.0, T2, B, "de", is_empty=True), ev.Published(302.0, T2, B, "de")),
        (*BESIDE_RUNNING, WAITING, ev.TranscriptDone(300.0, T2, 2)),
    ),
    (
        "the recording goes while one waits",
        (GONE, DUE),
        (*BESIDE_RUNNING, WAITING, failed(290.0, T2, 2, "x")),
    ),
    (
        "those that wait count among the nine",
        (_for("c3", "d_async"), _for("c4", "e_async")),
        (*STORED, failed(30.0, "ours-6", 6, "x"), BESIDE, WAITING),
    ),
    ("the same provider twice is one", (replace(WAITING, order="c3"),), (*BESIDE_RUNNING, WAITING)),
    ("the one under way ordered again is one", (replace(BESIDE, order="c3"),), BESIDE_RUNNING),
    ("erased while one waits", (ev.EraseAsked(270.0),), (*BESIDE_RUNNING, WAITING)),
    ("another party's running one is not waited for", (PROCESSING,), (*STORED, BESIDE)),
)
_SHADOWS: tuple[tuple[str, Events, Events], ...] = (
    ("a first result", (*FIRST_RESULT, DUE), UNSTORED),
    ("a silent one has none", PUBLISHED, PUBLISHING),
    ("one of another party's has none", THEIRS, (ev.RecordingDone(10.0),)),
    ("a second result has no further ones", (words(is_empty=False),), UNREAD),
)
SCENES: tuple[Scene, ...] = (
    *(Scene(f"to compare with: {title}", told, given) for title, told, given in _BESIDE),
    *(Scene(f"a shadow: {title}", told, given, SHADOWED, TWO) for title, told, given in _SHADOWS),
    Scene(
        "to compare with: a provider without a price goes to no other under a daily budget",
        (BESIDE, ev.Listed(260.0, 0, (SEEN,))),
        STORED,
        PRICED,
        TWO,
    ),
    *(
        Scene(f"to compare with: {title}, then its provider leaves", (LEFT,), (*BESIDE_PLANNED, *given))
        for title, given in (("planned", ()), ("refused for a moment", BESIDE_BUSY))
    ),
    Scene("a shadow: all is deleted at Recall after the last", FIRST_RESULT, UNSTORED, SHADOWED_AND_GONE),
    Scene("a shadow: of another share", FIRST_RESULT, UNSTORED, replace(SHADOWED, shadow_percent=0.001)),
    *(Scene(f"an extra: {title}", told, given) for title, told, given in _SCENES),
    Scene("an extra: its provider is down", (ev.ProviderAwaited(270.0),), PLANNED, A_DOWN),
)
