"""What a recording was ordered with goes into each of its creates, also of a fallback."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.core.commands import CreateTranscript
from app.core.policy import Order, Processing
from app.core.state import Transcription, from_record, to_record
from app.orchestrator.effects.create_transcript import _order
from app.recall.types import CreateOrder
from tests.orchestrator.bare_context import context_of

GERMAN = Order("de", False, "assembly_ai_async", ("assembly_ai_async", "deepgram_async"))


def order_of(provider: str, intent: Order) -> CreateOrder:
    state = Transcription("default", "r", intent=intent)
    command = CreateTranscript(1, provider)
    return _order(context_of(command, state=state), command)


def test_every_provider_is_told_the_language_and_the_voices() -> None:
    told: dict[str, tuple[Mapping[str, Any], bool]] = {}
    for provider in ("assembly_ai_async", "deepgram_async"):
        order = order_of(provider, GERMAN)
        told[provider] = (order.options, order.separate_streams)
    assert told == {
        "assembly_ai_async": ({"language_code": "de"}, False),
        "deepgram_async": ({"model": "nova-3", "language": "de"}, False),
    }


def test_without_an_intent_the_policy_is_sent_as_it_stands() -> None:
    order = order_of("recallai_async", Order())
    assert (order.options, order.separate_streams) == ({"language_code": "auto"}, True)


def test_a_provider_that_the_policy_does_not_name_has_what_is_built_in_or_nothing() -> None:
    assert order_of("gladia_v2_async", Order(provider="gladia_v2_async")).options == {}


def test_the_order_of_providers_is_the_intents_then_the_configurations_then_the_policys() -> None:
    state = Transcription("default", "r", intent=Order(provider="deepgram_async"))
    context = context_of(CreateTranscript(1, "deepgram_async"), state=state)
    said = Processing(is_enabled=True, provider="assembly_ai_async")
    policy = context.workspace.policy.processed(said).intended(state.intent)
    keys = [choice.key for choice in policy.providers]
    assert keys == ["deepgram_async", "assembly_ai_async", "recallai_async"]


def test_an_intent_is_kept_in_the_record() -> None:
    state = Transcription("default", "r", intent=GERMAN)
    assert from_record(to_record(state)) == state
    assert (
        from_record({"workspace": "w", "recording_id": "r", "phase": "new", "version": 2}).intent == Order()
    )
