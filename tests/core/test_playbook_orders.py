"""Orders of programs, as dialogues: could it be paid twice?"""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest

from app.core import events as ev
from app.core.commands import AskTranscript, CreateTranscript, FetchTranscript, LookUpTranscript
from app.core.policy import Order, Policy, Processing, ProviderChoice
from app.core.rules_extra import share_of
from app.core.state import OPEN, Phase, from_record, to_record
from tests.core.playbook import Dialogue
from tests.core.scenes.beginnings import T1, T2, A, B, failed, seen

BOTH = Policy((ProviderChoice(A), ProviderChoice(B)), 2)
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


C, T3 = "c_async", "ours-3"


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
