"""About transcripts that fall short: held for a better one, flagged, told from a silent room."""

from __future__ import annotations

from dataclasses import replace

from app.core import events as ev
from app.core.events import RecordingCondition as Condition
from app.core.quality import Quality
from tests.core.dialogues import ONE, TWO, Scene
from tests.core.scenes.beginnings import C1, EMPTY, FETCHING, STORED, T1, T2, A, B, Events, failed

_TWO = replace(TWO, quality=Quality(thin="fall-back"))
_THIN = ev.Stored(30.0, T1, A, "en", is_empty=False, finding="thin", is_provisional=True, words=40)
_HELD: Events = (*FETCHING, _THIN)
_SECOND: Events = (*_HELD, ev.Sending(40.0, 2, B, 0), ev.Created(41.0, 2, T2, B))
_SECOND_DONE: Events = (*_SECOND, ev.TranscriptDone(50.0, T2, 2))
_SILENT = ev.RecordingAsked(31.0, Condition.DONE, duration_s=600.0, is_silent=True)


def _of_second(*, finding: str | None, is_empty: bool = False, words: int = 0) -> ev.Stored:
    is_provisional = finding is not None
    return ev.Stored(
        60.0, T2, B, "de", is_empty=is_empty, finding=finding, is_provisional=is_provisional, words=words
    )


SCENES: tuple[Scene, ...] = (
    Scene("one with words falls short", (_THIN,), FETCHING, policy=_TWO),
    Scene("one with words falls short, and is flagged", (replace(_THIN, is_provisional=False),), FETCHING),
    Scene("one falls short, and there is no second provider", (_THIN,), FETCHING, policy=ONE),
    Scene(
        "the second is better",
        (_of_second(finding=None, words=900), ev.Published(61.0, T1, A, "en")),
        _SECOND_DONE,
        policy=_TWO,
    ),
    Scene(
        "the second has more words",
        (_of_second(finding="thin", words=41), ev.Published(61.0, T2, B, "de")),
        _SECOND_DONE,
        policy=_TWO,
    ),
    Scene(
        "the second has fewer words",
        (_of_second(finding="thin", words=39), ev.Published(61.0, T1, A, "en")),
        _SECOND_DONE,
        policy=_TWO,
    ),
    Scene("the second is empty", (_of_second(finding=None, is_empty=True),), _SECOND_DONE, policy=_TWO),
    Scene("the second of a short one fails", (failed(50.0, T2, 2, "provider_error"),), _SECOND, policy=_TWO),
    Scene(
        "one falls short beside the result",
        (replace(_THIN, at=99.0, transcript_id=C1), ev.Published(100.0, C1, A, "en")),
        (*STORED, ev.TranscriptDone(50.0, C1)),
        policy=_TWO,
        policy_before=TWO,
    ),
    Scene("the room was silent", (_SILENT, ev.Published(32.0, T1, A, "en")), EMPTY),
    Scene(
        "the room was silent, and the policy asks again all the same",
        (_SILENT,),
        EMPTY,
        policy=replace(TWO, quality=Quality(silent="fall-back")),
    ),
    Scene(
        "an empty one is to be flagged, unless the room was silent",
        (EMPTY[-1], _SILENT),
        EMPTY[:-1],
        policy=replace(TWO, quality=Quality(empty="flag")),
    ),
    Scene(
        "the timeline said so with the transcript",
        (replace(_THIN, is_empty=True, finding="silent", is_provisional=False, words=0),),
        FETCHING,
    ),
)
