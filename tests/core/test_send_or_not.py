"""Whether the policy of now still wants a send; what an erased recording takes up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.core import events as ev
from app.core.machine import decide
from app.core.policy import Policy, ProviderChoice, Selection
from app.core.quality import Quality
from app.core.rules_create import why_no_further, why_not_send
from app.core.state import Attempt, AttemptStatus, Phase, Transcription

POLICY = Policy((ProviderChoice("a"), ProviderChoice("b"), ProviderChoice("c")), 3)
HEARD = Transcription("default", "r-1", phase=Phase.CREATING, is_recording_done=True, planned=1)
SKIPS = (("afterword", "skip"),)


def after(*statuses: AttemptStatus, **changes: object) -> Transcription:
    lines = tuple(Attempt(n, "abc"[n - 1], status) for n, status in enumerate(statuses, start=1))
    return replace(HEARD, attempts=lines, **changes)  # type: ignore[arg-type]  # fields by name


@pytest.mark.parametrize(
    ("t", "ordinal", "provider", "policy", "expected"),
    [
        (HEARD, 1, "a", POLICY, None),
        (replace(HEARD, metadata=SKIPS), 1, "a", POLICY, ("deselected", "excluded by metadata afterword")),
        (replace(HEARD, metadata=SKIPS, is_by_hand=True), 1, "a", POLICY, None),
        (HEARD, 1, "gone", POLICY, ("provider_left", "gone")),
        (
            after(AttemptStatus.FAILED),
            2,
            "b",
            replace(POLICY, attempts=1),
            ("no_further_attempt", "attempts"),
        ),
        (after(AttemptStatus.CLAIMED), 1, "gone", POLICY, ("provider_left", "gone")),
        (
            HEARD,
            1,
            "gone",
            replace(POLICY, select=Selection(default="none")),
            ("deselected", "not selected by the policy"),
        ),
    ],
)
def test_selection_provider_and_budget_are_asked_in_this_order(
    t: Transcription, ordinal: int, provider: str, policy: Policy, expected: tuple[str, str] | None
) -> None:
    unwanted = why_not_send(t, ordinal, provider, policy)
    if expected is None:
        assert unwanted is None
    else:
        assert unwanted == ev.NoLongerWanted(0.0, ordinal, *expected)  # type: ignore[arg-type]  # a literal


def test_a_repetition_under_the_same_key_is_not_asked_again() -> None:
    doubtful = replace(
        HEARD, metadata=SKIPS, attempts=(Attempt(1, "gone", AttemptStatus.CLAIMED, is_doubtful=True),)
    )
    assert why_not_send(doubtful, 1, "gone", POLICY) is None


@pytest.mark.parametrize(
    ("t", "ordinal", "policy", "expected"),
    [
        (after(AttemptStatus.FAILED), 2, POLICY, None),
        (after(AttemptStatus.FAILED, AttemptStatus.FAILED, AttemptStatus.FAILED), 4, POLICY, "attempts"),
        (after(AttemptStatus.FAILED, AttemptStatus.FAILED, AttemptStatus.FAILED, budget=4), 4, POLICY, None),
        (after(AttemptStatus.SILENT), 2, POLICY, "on_silence"),
        (after(AttemptStatus.SILENT), 2, replace(POLICY, on_silence="next"), None),
        (after(AttemptStatus.SILENT, retry_requested=True), 2, POLICY, None),
        (after(AttemptStatus.SILENT, budget=2), 2, POLICY, None),
        (after(AttemptStatus.SILENT, budget=1), 2, POLICY, "on_silence"),
        (after(AttemptStatus.SILENT, AttemptStatus.FAILED), 3, POLICY, None),
        (after(AttemptStatus.SILENT, AttemptStatus.REFUSED), 3, POLICY, "on_silence"),
        (after(AttemptStatus.FAILED, AttemptStatus.SILENT), 2, POLICY, None),  # of the attempts before it
        (after(AttemptStatus.EMPTY, candidate="t-1"), 2, POLICY, None),
        (
            after(AttemptStatus.EMPTY, candidate="t-1"),
            2,
            replace(POLICY, quality=Quality(empty="accept")),
            "quality.empty",
        ),
        (after(AttemptStatus.FAILED), 2, replace(POLICY, quality=Quality(empty="accept")), None),
    ],
)
def test_the_setting_because_of_which_no_further_attempt_is_made(
    t: Transcription, ordinal: int, policy: Policy, expected: str | None
) -> None:
    assert why_no_further(t, ordinal, policy) == expected


def test_an_erased_recording_takes_up_nothing() -> None:
    erased = replace(HEARD, phase=Phase.ERASED)
    decision = decide(erased, ev.RecordingDone(1.0), POLICY)
    assert decision.state is erased
    assert decision.ignored == "erased: nothing about this recording is taken up again"
    assert not decision.commands
