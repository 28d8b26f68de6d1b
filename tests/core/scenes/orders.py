"""About a program that orders a transcription, with a language, a provider, or nothing of its own."""

from __future__ import annotations

from app.core import events as ev
from app.core.events import RecordingCondition as Condition
from app.core.policy import Order, Policy, ProviderChoice, Selection
from tests.core.dialogues import BOTH, TWO, Scene
from tests.core.scenes.beginnings import (
    ALL_FAILED,
    DONE,
    FETCHING,
    RUNNING,
    SKIPPED,
    STORED,
    A,
    B,
    failed,
)


def order(intent: Order | None = None, at: float = 200.0) -> ev.Event:
    return ev.TranscriptionOrdered(at, intent or Order())


def asked(condition: Condition) -> ev.Event:
    return ev.RecordingAsked(201.0, condition)


LOOKED: tuple[ev.Event, ...] = (ev.Listed(260.0, 0), ev.RecordingAsked(261.0, Condition.DONE))
GERMAN = Order("de", False, B)
ONLY_A = Policy((ProviderChoice(A),), 2, passed_over=((B, "language: it is not known there"),))
OTHER = Order(provider="c_async")
NONE = Policy(BOTH, 2, select=Selection(default="none"))

SCENES: tuple[Scene, ...] = (
    Scene("ordered: never heard of", (order(), asked(Condition.DONE), ev.Listed(260.0, 0))),
    Scene("ordered: and nothing is selected", (order(), ev.RecordingDone(201.0)), policy=NONE),
    Scene("ordered: never heard of, unknown to Recall", (order(), asked(Condition.UNKNOWN))),
    Scene("ordered: never heard of, failed at Recall", (order(), asked(Condition.FAILED))),
    Scene("ordered: twice", (order(at=201.0), order(GERMAN, at=202.0)), (order(),)),
    Scene("ordered: again, with nothing of its own", (order(),), (order(GERMAN),)),
    Scene("ordered: stopped while it ran", (order(GERMAN),), (*RUNNING, ev.CommandFailed(99.0, "x:1"))),
    Scene("ordered: planned", (order(GERMAN),), (DONE,)),
    Scene("ordered: running", (order(GERMAN),), RUNNING),
    Scene("ordered: fetching", (order(GERMAN),), FETCHING),
    Scene("ordered: stored", (order(GERMAN),), STORED),
    Scene("ordered: passed by", (order(GERMAN), *LOOKED, ev.Sending(262.0, 1, B, 0)), SKIPPED),
    Scene("ordered: failed, nothing was paid", (order(OTHER),), (ev.RecordingFailed(5.0),)),
    Scene("ordered: failed, the budget is used", (order(GERMAN),), ALL_FAILED),
    Scene(
        "ordered: the first provider fails, the next has the same language",
        (failed(300.0, "ours-1", 1, "x"),),
        (*SKIPPED, order(GERMAN), *LOOKED, ev.Sending(262.0, 1, B, 0), ev.Created(263.0, 1, "ours-1", B)),
    ),
    Scene(
        "ordered: who does not have the language is no fallback",
        (failed(300.0, "ours-1", 1, "x"),),
        (*SKIPPED, order(GERMAN), *LOOKED, ev.Sending(262.0, 1, A, 0), ev.Created(263.0, 1, "ours-1", A)),
        policy=ONLY_A,
    ),
    Scene(
        "ordered: no provider of the policy has the language",
        (order(), *LOOKED),
        SKIPPED,
        policy=Policy((), 1, passed_over=((A, "language: it is not known there"),)),
        policy_before=TWO,
    ),
)
