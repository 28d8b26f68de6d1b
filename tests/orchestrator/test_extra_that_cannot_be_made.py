"""An extra whose provider cannot make it any more, for whatever was changed since, ends unpaid."""

from __future__ import annotations

import structlog

from app.clock import SystemClock
from app.core import events
from app.core.intent import Intent
from app.core.policy import Order, Policy, ProviderChoice
from app.core.state import Phase
from app.orchestrator.records import Source
from app.orchestrator.transitions import Advancer
from tests.doubles.full_queue import FullQueue
from tests.doubles.memory_store import MemoryStore

BOTH = (ProviderChoice("recallai_async"), ProviderChoice("deepgram_async"))
GERMAN, WHICHEVER = (Policy(BOTH, 2, intent=Intent(languages=(of,))) for of in ("de", "auto"))


def test_it_ends_unpaid_and_is_not_planned_by_the_list_of_the_policy() -> None:
    """Rev has German, and cannot find out a language; the policy's list does not name it."""
    store, policies = MemoryStore(), [GERMAN]
    advancer = Advancer(
        store, FullQueue(), SystemClock(), structlog.get_logger(), policy_of=lambda _: policies[-1]
    )

    def happens(*happened: events.Event) -> None:
        for event in happened:
            advancer.advance("w", "r", event, Source(by="worker"))

    happens(events.RecordingDone(1.0, lookup_required=True), events.TranscriptDone(2.0, "theirs"))
    happens(events.Stored(3.0, "theirs", "deepgram_async", "de", is_empty=False, words=9))
    order = events.ExtraOrdered(4.0, "compare/rev_async/0", Order(provider="rev_async"), is_beside=True)
    happens(order, events.Listed(5.0, 0))
    assert store.load("w", "r").transcription.planned == 1
    policies.append(WHICHEVER)
    happens(events.NoLongerWanted(6.0, 1, "provider_left"))
    after = store.load("w", "r")
    state = after.transcription
    assert (state.phase, state.extra, state.planned, state.attempts) == (Phase.STORED, None, None, ())
    assert (state.current, after.pending) == ("theirs", ())
