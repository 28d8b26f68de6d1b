"""About transcripts without a word: candidates, second opinions, manifests."""

from __future__ import annotations

from dataclasses import replace

from app.core import events as ev
from app.core.events import RecordingCondition as Condition
from app.core.events import Refusal
from app.core.quality import Quality
from tests.core.dialogues import ONE, TWO, Scene
from tests.core.scenes.beginnings import (
    C1,
    CLAIMED,
    DAY,
    EMPTY,
    EMPTY_LONG,
    FETCHING,
    PUBLISHING,
    RUNNING,
    STORED,
    T1,
    T2,
    A,
    B,
    Events,
    failed,
)

_SECOND: Events = (*EMPTY_LONG, ev.Sending(40.0, 2, B, 0), ev.Created(41.0, 2, T2, B))
_SECOND_DONE: Events = (*_SECOND, ev.TranscriptDone(50.0, T2, 2))
_NO_FALLBACK = replace(TWO, quality=Quality(empty="accept"))


def stored(at: float, transcript_id: str, *, is_empty: bool) -> ev.Event:
    return ev.Stored(at, transcript_id, B, "de", is_empty=is_empty)


SCENES: tuple[Scene, ...] = (
    *(
        Scene(f"how long was the silent recording? {title}", (answer,), EMPTY)
        for title, answer in (
            ("short", ev.RecordingAsked(31.0, Condition.DONE, duration_s=59.9)),
            ("a minute", ev.RecordingAsked(31.0, Condition.DONE, duration_s=60.0)),
            ("not said", ev.RecordingAsked(31.0, Condition.DONE)),
            ("gone", ev.RecordingAsked(31.0, Condition.GONE)),
            ("failed and short", ev.RecordingAsked(31.0, Condition.FAILED, duration_s=3.0)),
            ("not done", ev.RecordingAsked(31.0, Condition.NOT_DONE)),
            ("not known", ev.RecordingAsked(31.0, Condition.UNKNOWN)),
            ("no answer for a day", ev.RecordingAsked(31.0 + DAY, Condition.DONE, is_answer=False)),
        )
    ),
    Scene(
        "the length is not said for a day",
        (ev.RecordingAsked(99.0, Condition.NOT_DONE), ev.RecordingAsked(99.0 + DAY, Condition.NOT_DONE)),
        EMPTY,
    ),
    Scene(
        "the length is said at last",
        (
            ev.RecordingAsked(99.0, Condition.NOT_DONE),
            ev.RecordingAsked(199.0, Condition.DONE, duration_s=99.0),
        ),
        EMPTY,
    ),
    Scene(
        "the wait for a provider does not count from the wait for the length",
        (
            ev.RecordingAsked(99.0, Condition.NOT_DONE),
            ev.RecordingAsked(98.0 + DAY, Condition.DONE, duration_s=99.0),
            ev.ProviderAwaited(99.0 + DAY),
        ),
        EMPTY,
        policy=replace(TWO, tripped_providers=frozenset({B})),
    ),
    Scene(
        "a second opinion is planned and then not wanted",
        (ev.ClockStepped(99.0),),
        EMPTY_LONG,
        policy=_NO_FALLBACK,
        policy_before=TWO,
    ),
    Scene("a second opinion is not wanted", EMPTY[-1:], EMPTY[:-1], policy=_NO_FALLBACK),
    Scene("there is no second provider", EMPTY[-1:], EMPTY[:-1], policy=ONE),
    Scene(
        "the second hears words",
        (stored(60.0, T2, is_empty=False), ev.Published(61.0, T1, A, "en"), ev.Published(62.0, T1, A, "en")),
        _SECOND_DONE,
    ),
    Scene(
        "the second hears nothing either",
        (stored(60.0, T2, is_empty=True), ev.Published(61.0, T2, B, "de"), ev.Published(62.0, T1, A, "en")),
        _SECOND_DONE,
    ),
    Scene("the second fails", (failed(50.0, T2, 2, "provider_error"),), _SECOND),
    Scene(
        "the second fails for a reason that no provider cures",
        (failed(50.0, T2, 2, "zoom_x"),),
        _SECOND,
    ),
    Scene(
        "the second is refused",
        (ev.CreateRefused(41.0, 2, Refusal.PROVIDER, "http_400"),),
        (*EMPTY_LONG, ev.Sending(40.0, 2, B, 0)),
    ),
    Scene(
        "the second waits to be sent, and the recording is gone",
        (ev.RecordingAsked(50.0, Condition.GONE),),
        (
            *EMPTY_LONG,
            ev.Sending(40.0, 2, B, 0),
            ev.CreateRefused(41.0, 2, Refusal.RECORDING_NOT_DONE, "http_400"),
        ),
    ),
    Scene(
        "the second waits to be sent for a day",
        (ev.CreateRefused(40.0 + DAY, 2, Refusal.BUSY, "http_429"),),
        (*EMPTY_LONG, ev.Sending(40.0, 2, B, 0)),
    ),
    Scene(
        "an empty one while a create waits",
        (stored(99.0, C1, is_empty=True),),
        (*CLAIMED, ev.TranscriptDone(50.0, C1)),
    ),
    Scene(
        "words arrive while the empty one is published",
        (ev.TranscriptDone(35.0, C1), stored(40.0, C1, is_empty=False), ev.Published(41.0, T1, A, "en")),
        PUBLISHING,
    ),
    Scene(
        "another empty one while one is published",
        (
            ev.TranscriptDone(35.0, C1),
            stored(40.0, C1, is_empty=True),
            ev.Published(41.0, T1, A, "en"),
            ev.Published(42.0, C1, B, "de"),
        ),
        PUBLISHING,
    ),
    Scene(
        "another empty one beside the result",
        (stored(99.0, C1, is_empty=True),),
        (*STORED, ev.TranscriptDone(40.0, C1)),
    ),
    Scene(
        "another empty one beside the result, while one is unread",
        (stored(99.0, C1, is_empty=True),),
        (*STORED, ev.TranscriptDone(40.0, C1), ev.TranscriptDone(41.0, "theirs-2")),
    ),
    Scene(
        "words after an empty result",
        (stored(99.0, C1, is_empty=False),),
        (*PUBLISHING, ev.Published(32.0, T1, A, "en"), ev.TranscriptDone(50.0, C1)),
    ),
    Scene("a manifest that is not awaited", (ev.Published(99.0, C1, A, "en"),), PUBLISHING),
    Scene("a manifest after the end", (ev.Published(99.0, T1, A, "en"),), STORED),
    Scene(
        "formats that a stored transcript lacks",
        (ev.RenderAsked(99.0, T1), ev.Rendered(100.0, T1), ev.RenderAsked(101.0, C1)),
        STORED,
    ),
    Scene("formats of what is not stored yet", (ev.RenderAsked(99.0, T1),), PUBLISHING),
    Scene(
        "an empty one whose attempt is not known",
        (stored(99.0, C1, is_empty=True), ev.RecordingAsked(100.0, Condition.DONE, duration_s=600.0)),
        (*FETCHING[:1], ev.TranscriptDone(20.0, C1)),
    ),
    Scene(
        "two empty ones of others",
        (stored(99.0, C1, is_empty=True), stored(100.0, "theirs-2", is_empty=True)),
        (*FETCHING[:1], ev.TranscriptDone(20.0, C1), ev.TranscriptDone(20.0, "theirs-2")),
    ),
    Scene("the length is asked for once", (ev.CommandMissing(40.0), ev.RecordingDeleted(41.0)), EMPTY),
    Scene(
        "the provider left before the second opinion",
        (ev.NoLongerWanted(99.0, 2, "no_further_attempt", "quality.empty"),),
        EMPTY_LONG,
        policy=_NO_FALLBACK,
        policy_before=TWO,
    ),
    Scene(
        "a claim for a second opinion that is not wanted any more",
        (ev.Sending(99.0, 2, B, 0),),
        EMPTY_LONG,
        policy=_NO_FALLBACK,
        policy_before=TWO,
    ),
    Scene(
        "an attempt that runs while an empty one is kept",
        (stored(99.0, C1, is_empty=True), failed(100.0, T1, 1, "provider_error")),
        (*RUNNING, ev.TranscriptDone(50.0, C1)),
    ),
)
