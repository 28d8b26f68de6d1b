"""Orders of programs, as dialogues: could it be paid twice?"""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest

from app.core import events as ev
from app.core.commands import AskTranscript, BeginExtra, CreateTranscript, FetchTranscript, LookUpTranscript
from app.core.cost import Prices
from app.core.machine import decide
from app.core.policy import CEILING, Order, Policy, Processing, ProviderChoice
from app.core.rules_extra import share_of
from app.core.state import OPEN, Attempt, AttemptStatus, Phase, WaitingExtra, from_record, to_record
from tests.core.playbook import Dialogue
from tests.core.scenes.beginnings import T1, T2, A, B, failed, seen

BOTH = Policy((ProviderChoice(A), ProviderChoice(B)), 2)
C, T3 = "c_async", "ours-3"
ORDER = ev.ExtraOrdered(100.0, "o1", Order("de", False, B))


def stored() -> Dialogue:
    d = Dialogue(BOTH)
    d.told(ev.RecordingDone(1.0))
    d.told(ev.Sending(2.0, 1, A, 0))
    d.told(ev.Created(3.0, 1, T1, A))
    d.told(ev.TranscriptDone(10.0, T1, 1))
    d.told(ev.Stored(11.0, T1, A, "en", is_empty=False))
    assert d.phase is Phase.STORED
    return d


def extra_running() -> Dialogue:
    d = stored()
    assert d.told(ORDER) == (LookUpTranscript(0, after_s=60.0),)
    assert d.told(ev.Listed(160.0, 0, (seen(T1, "done", 1, A),))) == (CreateTranscript(2, B),)
    d.told(ev.Sending(161.0, 2, B, 0))
    assert d.told(ev.Created(162.0, 2, T2, B)) == (AskTranscript(T2, after_s=600.0),)
    return d


def test_an_extra_is_one_attempt_with_its_own_intent_and_its_words_are_the_result() -> None:
    d = extra_running()
    assert (d.phase, d.state.current) == (Phase.TRANSCRIBING, T1)
    assert d.state.intent == ORDER.intent
    assert d.told(ev.TranscriptDone(200.0, T2, 2)) == (FetchTranscript(T2),)
    assert d.told(ev.Stored(201.0, T2, B, "de", is_empty=False)) == ()
    assert (d.phase, d.state.current, d.state.extra) == (Phase.STORED, T2, None)


def test_an_extra_that_fails_pays_for_no_other_and_leaves_the_result_as_it_was() -> None:
    d = extra_running()
    before = stored().state
    assert d.told(failed(300.0, T2, 2, "provider_error")) == ()
    after = d.state
    assert (after.phase, after.current, after.verdict) == (Phase.STORED, T1, "spoken")
    assert (after.reason, after.completed_at, after.intent) == (None, before.completed_at, before.intent)


def test_an_extra_that_fails_pays_for_no_other_though_the_policy_has_attempts_left() -> None:
    d = extra_running()
    d.policy = replace(BOTH, attempts=5)
    assert d.told(failed(300.0, T2, 2, "provider_error")) == ()
    assert (d.phase, d.state.current, len(d.state.attempts)) == (Phase.STORED, T1, 2)


def test_an_extra_whose_provider_cannot_do_the_recording_is_made_by_no_other() -> None:
    d = stored()
    d.told(ORDER)
    d.policy = Policy(BOTH.providers[:1], 2, passed_over=((B, "language: no German"),))
    assert d.told(ev.Listed(160.0, 0, (seen(T1, "done", 1, A),))) == ()
    assert (d.phase, d.state.current, d.state.extra, len(d.state.attempts)) == (Phase.STORED, T1, None, 1)


def waits_to_be_sent_again(order: ev.ExtraOrdered, provider: str) -> Dialogue:
    d = stored()
    d.told(order)
    d.told(ev.Listed(160.0, 0, (seen(T1, "done", 1, A),)))
    d.told(ev.Sending(161.0, 2, provider, 0))
    d.told(ev.CreateRefused(162.0, 2, ev.Refusal.BUSY, "http_429"))
    return d


def test_an_extra_goes_to_another_when_its_provider_leaves_only_where_it_was_ordered_of_none() -> None:
    named = waits_to_be_sent_again(ORDER, B)
    named.policy = Policy((ProviderChoice(C),), 2, passed_over=((B, "language: no German"),))
    assert named.told(ev.NoLongerWanted(170.0, 2, "provider_left", B)) == ()
    assert (named.phase, named.statuses()) == (Phase.STORED, ["done", "refused"])
    unnamed = waits_to_be_sent_again(ev.ExtraOrdered(100.0, "o1", Order("de")), A)
    unnamed.policy = Policy((ProviderChoice(C),), 2)
    left = ev.NoLongerWanted(170.0, 2, "provider_left", A)
    assert unnamed.told(left) == (CreateTranscript(2, C, 1),)


def test_a_first_transcript_goes_to_another_when_the_provider_it_was_ordered_of_cannot_do_it() -> None:
    d = Dialogue(BOTH)
    d.told(ev.TranscriptionOrdered(1.0, Order(provider=B)))
    d.told(ev.RecordingAsked(2.0, ev.RecordingCondition.DONE))
    d.told(ev.Listed(62.0, 0))
    assert d.told(ev.RecordingAsked(63.0, ev.RecordingCondition.DONE)) == (CreateTranscript(1, B),)
    d.told(ev.Sending(64.0, 1, B, 0))
    d.told(ev.CreateRefused(65.0, 1, ev.Refusal.BUSY, "http_429"))
    d.policy = Policy(BOTH.providers[:1], 2, passed_over=((B, "length: too long"),))
    assert d.told(ev.NoLongerWanted(66.0, 1, "provider_left", B)) == (CreateTranscript(1, A, 1),)


def test_the_provider_of_another_partys_result_may_be_asked_for_an_extra() -> None:
    """It heard words. One that heard nothing is not asked for a second opinion on itself."""
    d = Dialogue(BOTH)
    d.told(ev.RecordingDone(1.0))
    d.told(ev.TranscriptDone(2.0, T1))
    d.told(ev.Stored(3.0, T1, B, "en", is_empty=False))
    d.told(ev.ExtraOrdered(100.0, "o1"))
    d.told(ev.Listed(160.0, 0, (seen(T1, "done", None, B),)))
    d.told(ev.Sending(161.0, 1, A, 0))
    d.told(ev.CreateRefused(162.0, 1, ev.Refusal.BUSY, "http_429"))
    d.policy = Policy(BOTH.providers[1:], 2)
    assert d.told(ev.NoLongerWanted(170.0, 1, "provider_left", A)) == (CreateTranscript(1, B, 1),)


def test_an_extra_is_looked_up_once_more_when_it_ends_and_its_fate_is_not_known() -> None:
    """Nothing else would ask, and what waits behind it would wait for ever."""
    d = stored()
    d.told(ORDER)
    d.told(ev.Listed(160.0, 0, (seen(T1, "done", 1, A),)))
    d.told(ev.Sending(161.0, 2, B, 0))
    d.told(ev.CreateUnknown(162.0, 2, "timeout"))
    ended = ev.WaitEnded(162.0 + 86_400.0, "look_up_transcript", "http_503", ordinal=2)
    assert d.told(ended) == (LookUpTranscript(2),)
    assert (d.phase, d.state.extra, d.statuses()) == (Phase.STORED, None, ["done", "unknown"])


def test_an_extra_does_not_inherit_that_a_person_paid_beyond_the_days_budget() -> None:
    d = Dialogue(BOTH)
    d.told(ev.RecordingDone(1.0))
    d.told(ev.Sending(2.0, 1, A, 0))
    d.told(ev.Created(3.0, 1, T1, A))
    d.told(ev.CommandFailed(4.0, "ask_transcript", transcript_id=T1))
    d.told(ev.RetryAsked(5.0, budget=2, over_budget=True))
    # The first one's words come after all: nothing was paid beyond the budget.
    d.told(ev.TranscriptDone(10.0, T1, 1))
    d.told(ev.Stored(11.0, T1, A, "en", is_empty=False))
    assert d.state.exceeds_daily_budget
    d.told(ORDER)
    d.told(ev.Listed(160.0, 0, (seen(T1, "done", 1, A),)))
    assert (d.state.planned, d.state.exceeds_daily_budget) == (2, False)


@pytest.mark.parametrize(("priced", "is_ordered"), [((A, B), True), ((A,), False)])
def test_an_extra_is_ordered_under_a_daily_budget_only_of_a_provider_with_a_price(
    priced: tuple[str, ...], is_ordered: bool
) -> None:
    d = stored()
    d.policy = replace(BOTH, prices=Prices("USD", dict.fromkeys(priced, 1), 1.0, 9))
    d.told(ORDER)
    assert (d.state.extra is not None) is is_ordered


def test_the_same_order_is_one_whenever_it_is_told_again() -> None:
    d = stored()
    d.told(ORDER)
    for event in (
        ORDER,
        ev.Listed(160.0, 0, (seen(T1, "done", 1, A),)),
        ORDER,
        ev.Sending(161.0, 2, B, 0),
        ORDER,
    ):
        d.told(event)
    d.told(ev.CreateRefused(162.0, 2, ev.Refusal.PROVIDER, "http_400"))
    assert d.phase is Phase.STORED
    assert d.told(ORDER) == ()
    assert [a.ordinal for a in d.state.attempts] == [1, 2]


def test_an_order_that_was_made_elsewhere_is_fetched_and_not_paid_again() -> None:
    d = stored()
    d.told(ORDER)
    found = ev.Listed(160.0, 0, (seen(T1, "done", 1, A), seen(T2, "done", 2, B)))
    assert d.told(found) == (FetchTranscript(T2),)
    assert d.told(ev.Stored(201.0, T2, B, "de", is_empty=False)) == ()
    assert (d.phase, d.state.current) == (Phase.STORED, T2)


def test_an_extra_survives_the_database() -> None:
    state = extra_running().state
    assert state.extra is not None
    assert from_record(to_record(state)) == state


def test_what_was_said_of_a_workspace_is_above_its_policy() -> None:
    assert BOTH.processed(None) is BOTH
    off = BOTH.processed(Processing(is_enabled=False))
    assert (off.select.default, off.providers) == ("none", BOTH.providers)
    on = BOTH.processed(Processing(is_enabled=True, provider=B))
    assert (on.select.default, [c.key for c in on.providers]) == ("all", [B, A])
    new = BOTH.processed(Processing(is_enabled=True, provider="c_async"))
    assert [c.key for c in new.providers] == ["c_async", A, B]


def finishes(d: Dialogue, ordinal: int, tid: str, provider: str, *, at: float) -> None:
    """From the look at Recall's list to the stored words; nothing else is open meanwhile."""
    d.told(ev.Listed(at, 0, (seen(T1, "done", 1, A),)))
    d.told(ev.Sending(at + 1, ordinal, provider, 0))
    assert [a.ordinal for a in d.state.attempts if a.status in OPEN] == [ordinal]
    d.told(ev.Created(at + 2, ordinal, tid, provider))
    d.told(ev.TranscriptDone(at + 3, tid, ordinal))
    d.told(ev.Stored(at + 4, tid, provider, "en", is_empty=False))


def test_extras_that_were_ordered_together_are_made_one_after_the_other() -> None:
    d = stored()
    d.told(ev.ExtraOrdered(100.0, "c1", Order(provider=B), is_beside=True))
    assert d.told(ev.ExtraOrdered(100.0, "o1", Order(provider=C))) == ()
    finishes(d, 2, T2, B, at=160.0)
    assert (d.phase, d.state.current, list(d.outbox)) == (Phase.STORED, T1, ["begin_extra"])
    assert d.told(ev.ExtraDue(200.0)) == (LookUpTranscript(0, after_s=60.0),)
    assert d.told(ev.ExtraDue(201.0)) == ()  # its command was done twice
    finishes(d, 3, T3, C, at=260.0)
    assert (d.phase, d.state.current, d.outbox) == (Phase.STORED, T3, {})
    assert [(a.ordinal, a.provider, a.is_beside) for a in d.state.attempts] == [
        (1, A, False),
        (2, B, True),
        (3, C, False),
    ]


def compared_with(order: str, provider: str) -> ev.ExtraOrdered:
    return ev.ExtraOrdered(100.0, order, Order(provider=provider), is_beside=True)


def test_one_to_compare_with_stands_in_for_no_other_that_may_become_the_result() -> None:
    d = stored()
    d.told(compared_with("c1", B))
    d.told(ev.ExtraOrdered(100.0, "o1", Order(provider=B)))
    assert [each.order for each in d.state.waiting_extras] == ["o1"]


def test_one_to_compare_with_may_be_ordered_just_as_the_result_was() -> None:
    d = stored()
    d.state = replace(d.state, intent=Order(provider=B))
    assert d.told(compared_with("c1", B)) == (LookUpTranscript(0, after_s=60.0),)


def test_one_to_compare_with_that_waits_is_not_ordered_twice() -> None:
    d = stored()
    d.told(compared_with("c1", C))
    d.told(compared_with("c2", B))
    assert d.told(compared_with("c3", B)) == ()
    assert d.ignored == "the same is being made to compare with"
    assert [each.order for each in d.state.waiting_extras] == ["c2"]


def test_the_result_is_shown_as_it_was_completed_while_one_to_compare_with_is_under_way() -> None:
    d = stored()
    completed_at = d.state.completed_at
    d.told(compared_with("c1", B))
    assert d.phase is Phase.CREATING
    assert (d.state.outward.phase, d.state.outward.completed_at) == (Phase.STORED, completed_at)


def test_the_extra_that_is_due_is_not_hurried_by_another_order() -> None:
    d = stored()
    d.told(compared_with("c1", B))
    d.told(ev.ExtraOrdered(100.0, "o1", Order(provider=C)))
    finishes(d, 2, T2, B, at=160.0)
    later = BeginExtra(after_s=60.0)  # the command was put off
    d.outbox[later.key] = later
    assert d.told(ev.ExtraOrdered(201.0, "o2", Order(provider=A))) == ()


@pytest.mark.parametrize(("used", "is_begun"), [(CEILING - 1, True), (CEILING, False)])
def test_an_extra_that_waits_is_begun_as_long_as_an_attempt_is_left(used: int, is_begun: bool) -> None:
    lines = tuple(Attempt(n, A, AttemptStatus.FAILED) for n in range(2, used + 1))
    result = stored().state
    t = replace(result, attempts=(*result.attempts, *lines), waiting_extras=(WaitingExtra("o1"),))
    after = decide(t, ev.ExtraDue(200.0), BOTH).state
    assert (after.extra is not None, after.waiting_extras) == (is_begun, ())


def test_a_shadow_is_ordered_once_whatever_is_told_again_and_is_looked_up_before_it_is_paid_for() -> None:
    d = Dialogue(replace(BOTH, shadow_percent=100.0, shadow_providers=(A, B)))
    d.told(ev.RecordingDone(1.0))
    d.told(ev.Sending(2.0, 1, A, 0))
    d.told(ev.Created(3.0, 1, T1, A))
    done: tuple[ev.Event, ...] = (
        ev.TranscriptDone(10.0, T1, 1),
        ev.Stored(11.0, T1, A, "en", is_empty=False),
    )
    for event in (*done, *done):
        d.told(event)
    assert list(d.outbox) == ["begin_extra"]
    assert from_record(to_record(d.state)) == d.state
    d.told(ev.ExtraDue(12.0))
    # Made before the database was put back: found by its marker, and not paid again.
    d.told(ev.Listed(72.0, 0, (seen(T1, "done", 1, A), seen(T2, "done", 2, B))))
    d.told(ev.Stored(80.0, T2, B, "en", is_empty=False))
    assert (d.phase, d.state.current, d.outbox) == (Phase.STORED, T1, {})
    for event in (*done, ev.ExtraDue(90.0)):
        assert d.told(event) == ()
    assert [a.ordinal for a in d.state.attempts] == [1, 2]


def test_a_share_of_the_recordings_is_always_the_same() -> None:
    ids = [str(uuid.UUID(int=n)) for n in range(2_000)]
    chosen = [id_ for id_ in ids if share_of(id_) < 5]
    assert 70 < len(chosen) < 130
    assert share_of("03d06804-0cb2-42f8-a255-5b950dde7c57") == pytest.approx(68.59107790487555)
    assert all(share_of(id_) < 20 for id_ in chosen)


@pytest.mark.parametrize(("more", "is_chosen"), [(0.0, False), (0.001, True)])
def test_a_share_of_none_has_no_recording_in_it(more: float, is_chosen: bool) -> None:
    d = Dialogue()
    percent = share_of(d.state.recording_id) + more
    d.policy = replace(BOTH, shadow_percent=percent, shadow_providers=(B,))
    d.told(ev.RecordingDone(1.0))
    d.told(ev.Sending(2.0, 1, A, 0))
    d.told(ev.Created(3.0, 1, T1, A))
    d.told(ev.TranscriptDone(10.0, T1, 1))
    d.told(ev.Stored(11.0, T1, A, "en", is_empty=False))
    assert ("begin_extra" in d.outbox) is is_chosen
