"""An attempt whose end is unknown beside a result is looked up until it is settled, and never sent again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.core import events as ev
from app.core.commands import LookUpTranscript
from app.core.machine import decide
from app.core.policy import Order, Policy, ProviderChoice
from app.core.state import Attempt, AttemptStatus, Phase, Transcription, WaitingExtra

POLICY = Policy((ProviderChoice("a_async"), ProviderChoice("b_async")), 2)
DONE = Attempt(1, "a_async", AttemptStatus.DONE, transcript_id="t1")
STORED = Transcription(
    "w", "r", phase=Phase.STORED, current="t1", verdict="spoken", is_recording_done=True, attempts=(DONE,)
)


def beside(status: AttemptStatus) -> Transcription:
    return STORED.with_attempt(Attempt(2, "b_async", status, is_doubtful=True, since=10.0))


def test_what_certainly_never_left_is_given_up_unpaid() -> None:
    decision = decide(beside(AttemptStatus.UNKNOWN), ev.Listed(20.0, 2, is_unsent=True), POLICY)
    line = decision.state.attempt_of(ordinal=2)
    assert line is not None
    assert (line.status, line.is_doubtful) == (AttemptStatus.REFUSED, False)
    assert decision.state.is_idle
    assert decision.commands == ()


@pytest.mark.parametrize("since_last_send_s", [10.0, 3_000.0])
def test_what_may_have_been_sent_is_looked_up_again_and_not_repeated(since_last_send_s: float) -> None:
    listed = ev.Listed(20.0, 2, since_first_send_s=since_last_send_s, since_last_send_s=since_last_send_s)
    decision = decide(beside(AttemptStatus.UNKNOWN), listed, POLICY)
    assert [type(command) for command in decision.commands] == [LookUpTranscript]
    line = decision.state.attempt_of(ordinal=2)
    assert line is not None
    assert line.status is AttemptStatus.UNKNOWN


def test_an_extra_is_judged_by_its_own_order_and_not_by_what_the_one_before_excludes() -> None:
    policy = replace(POLICY, passed_over=(("c_async", "language: it cannot find out the language"),))
    order = ev.ExtraOrdered(20.0, "o", Order("en", provider="c_async"))
    assert decide(STORED, order, policy).ignored is None


@pytest.mark.parametrize("waits", [(), (WaitingExtra("first", Order(provider="c_async"), is_beside=True),)])
def test_nothing_is_ordered_behind_what_is_not_settled(waits: tuple[WaitingExtra, ...]) -> None:
    """It would be accepted, and never begin before that is."""
    t = replace(beside(AttemptStatus.UNKNOWN), waiting_extras=waits)
    assert decide(t, ev.ExtraOrdered(20.0, "o"), POLICY).ignored == "something of it is still under way"
