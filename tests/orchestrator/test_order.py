"""What a recording was ordered with goes into each of its creates, also of a fallback."""

from __future__ import annotations

from app.core.commands import CreateTranscript
from app.core.policy import Order, Processing, ProviderChoice
from app.core.state import Transcription, from_record, to_record
from tests.orchestrator.bare_context import context_of
from tests.policies import built_in

GERMAN = Order("de", False, "assembly_ai_async")


def choices(order: Order) -> dict[str, ProviderChoice]:
    state = Transcription("default", "r", intent=order)
    return {one.key: one for one in context_of(CreateTranscript(1, "x"), state=state).policy.providers}


def test_every_provider_is_told_the_language_and_the_voices() -> None:
    told = choices(GERMAN)
    assert list(told) == ["assembly_ai_async", "recallai_async", "deepgram_async"]
    assert told["assembly_ai_async"].options["language_code"] == "de"
    assert "language_detection" not in told["assembly_ai_async"].options
    assert told["deepgram_async"].options["language"] == "de"
    assert {one.separate_streams for one in told.values()} == {False}


def test_without_an_order_the_policys_intent_is_translated() -> None:
    told = choices(Order())["recallai_async"]
    assert (told.options, told.separate_streams) == ({"language_code": "auto"}, True)


def test_a_provider_that_the_policy_does_not_name_is_told_the_intent_too() -> None:
    told = choices(Order("de", provider="gladia_v2_async"))["gladia_v2_async"]
    assert told.options["language_config"] == {"languages": ["de"], "code_switching": False}


def test_the_order_of_providers_is_the_intents_then_the_configurations_then_the_policys() -> None:
    policy = built_in().processed(Processing(is_enabled=True, provider="assembly_ai_async"))
    policy = policy.intended(Order(provider="deepgram_async"))
    keys = [choice.key for choice in policy.providers]
    assert keys == ["deepgram_async", "assembly_ai_async", "recallai_async"]


def test_an_order_is_kept_in_the_record() -> None:
    state = Transcription("default", "r", intent=GERMAN)
    assert from_record(to_record(state)) == state
    old = {"workspace": "w", "recording_id": "r", "phase": "new", "version": 2}
    assert from_record(old).intent == Order()
    of_before = {**old, "intent": {"language": "de", "provider": None, "able": ["deepgram_async"]}}
    assert from_record(of_before).intent == Order("de")
