"""About the next attempt: providers that are down, budgets, a changed policy, a service that was away."""

from __future__ import annotations

from dataclasses import replace

from app.core import events as ev
from app.core.events import Refusal
from app.core.policy import Policy, ProviderChoice
from tests.core.dialogues import ONE, TWO, Scene
from tests.core.scenes.beginnings import (
    ALL_FAILED,
    CLAIMED,
    DAY,
    DONE,
    EMPTY_LONG,
    FAILED_ONCE,
    FETCHING,
    RUNNING,
    SECOND_RUNNING,
    SENDING,
    SILENT,
    STORED,
    T1,
    T2,
    UNKNOWN,
    A,
    B,
    Events,
    failed,
)

_A_DOWN = replace(TWO, tripped_providers=frozenset({A}))
_ALL_DOWN = replace(TWO, tripped_providers=frozenset({A, B}))
_OTHER = Policy((ProviderChoice("c_async"),), 2)
REFUSED: Events = (*SENDING, ev.CreateRefused(12.0, 1, Refusal.BUSY, "http_429"))
BLOCKED: Events = (*SENDING, ev.CreateRefused(12.0, 1, Refusal.PAYLOAD, "http_403"))

SCENES: tuple[Scene, ...] = (
    Scene(
        "the provider is down right before the claim", (ev.ProviderDown(11.0, 1, A),), (DONE,), policy=_A_DOWN
    ),
    Scene(
        "the provider is down, and it is the only one",
        (ev.ProviderDown(11.0, 1, A), ev.ProviderAwaited(131.0)),
        (DONE,),
        policy=replace(ONE, tripped_providers=frozenset({A})),
    ),
    Scene("the provider is down after the claim", (ev.ProviderDown(12.0, 1, A),), SENDING, policy=_A_DOWN),
    Scene(
        "the provider is down, and another is planned",
        (ev.ProviderDown(12.0, 2, A),),
        (DONE,),
        policy=_A_DOWN,
    ),
    Scene(
        "all providers are down for a day",
        (DONE, ev.ProviderAwaited(130.0), ev.ProviderAwaited(9.0 + DAY), ev.ProviderAwaited(10.0 + DAY)),
        policy=_ALL_DOWN,
    ),
    Scene(
        "a provider that was awaited is claimed",
        (ev.ProviderAwaited(130.0), ev.Sending(131.0, 1, A, 0)),
        (DONE,),
        policy_before=_ALL_DOWN,
    ),
    Scene("a provider is awaited for nothing", (ev.ProviderAwaited(99.0),), (DONE,)),
    Scene("a provider is awaited while a transcript runs", (ev.ProviderAwaited(99.0),), RUNNING),
    Scene("a provider is awaited after the end", (ev.ProviderAwaited(99.0),), STORED),
    Scene(
        "the budget was lowered before the claim",
        (ev.BudgetSpent(99.0, 2),),
        FAILED_ONCE,
        policy=replace(TWO, attempts=1),
        policy_before=TWO,
    ),
    Scene(
        "the budget of a person is spent before the claim",
        (ev.BudgetSpent(99.0, 2),),
        (*RUNNING, failed(20.0, T1, 1, "provider_error"), ev.RetryAsked(50.0, 2)),
        policy=ONE,
    ),
    Scene("a budget is spent for no attempt", (ev.BudgetSpent(99.0, 1),), RUNNING),
    *(
        Scene(
            f"not wanted any more: {why}, {title}",
            (ev.NoLongerWanted(99.0, 1, why, "why"),),
            given,
            policy=policy,
            policy_before=TWO,
        )
        for why in ("deselected", "provider_left", "no_further_attempt")
        for title, given, policy in (
            ("planned", (DONE,), TWO),
            ("claimed", REFUSED, TWO),
            ("claimed, all others used", REFUSED, ONE),
            ("claimed, refused by its payload", BLOCKED, TWO),
            ("sent", SENDING, TWO),
            ("of unknown end", UNKNOWN, TWO),
            ("running", RUNNING, TWO),
        )
    ),
    Scene(
        "not wanted any more: the second",
        (ev.NoLongerWanted(99.0, 2, "provider_left", B),),
        FAILED_ONCE,
        policy=TWO,
    ),
    Scene(
        "not wanted any more: the second, by budget",
        (ev.NoLongerWanted(99.0, 2, "no_further_attempt", "attempts"),),
        FAILED_ONCE,
        policy=_OTHER,
        policy_before=TWO,
    ),
    Scene("a silent attempt ends the payments", SILENT[-1:], SILENT[:-1]),
    Scene(
        "a silent attempt is followed by another",
        SILENT[-1:],
        SILENT[:-1],
        policy=replace(TWO, on_silence="next"),
    ),
    Scene("all attempts failed", ALL_FAILED[-1:], ALL_FAILED[:-1]),
    Scene(
        "all attempts failed, one of an unknown provider",
        (failed(30.0, T1, 1, None),),
        (DONE,),
        policy=ONE,
        policy_before=TWO,
    ),
    Scene(
        "an empty transcript and a second opinion that fails",
        (failed(50.0, T2, 2, "x"),),
        (*EMPTY_LONG, ev.Sending(40.0, 2, B, 0), ev.Created(41.0, 2, T2, B)),
    ),
    Scene("the long silence of a service, before anything", (ev.DowntimeDetected(500.0),)),
    Scene("the long silence of a service, planned", (ev.DowntimeDetected(500.0),), (DONE,)),
    Scene(
        "the long silence of a service, while all providers are down",
        (ev.DowntimeDetected(500.0),),
        (DONE, ev.ProviderAwaited(130.0)),
        policy=_ALL_DOWN,
    ),
    Scene("the long silence of a service, waiting", (ev.DowntimeDetected(500.0),), CLAIMED),
    Scene("the long silence of a service, sending", (ev.DowntimeDetected(500.0),), SENDING),
    Scene(
        "the long silence of a service, unknown",
        (ev.DowntimeDetected(500.0),),
        (*UNKNOWN, *(ev.Listed(at, 1, (), at, at, key="k") for at in (4_212.0, 4_812.0))),
    ),
    Scene(
        "the long silence of a service, running",
        (ev.DowntimeDetected(500.0),),
        (*RUNNING, ev.TranscriptMissing(20.0, T1, 20.0, "k")),
    ),
    Scene(
        "the long silence of a service, unread",
        (ev.DowntimeDetected(500.0),),
        (*FETCHING, ev.TranscriptMissing(21.0, T1, 21.0, "k")),
    ),
    Scene(
        "the long silence of a service, after a look",
        (ev.DowntimeDetected(500.0),),
        (ev.RecordingDone(10.0, lookup_required=True), ev.Listed(80.0, 0, (), key="k")),
    ),
    Scene("the long silence of a service, second running", (ev.DowntimeDetected(500.0),), SECOND_RUNNING),
)
