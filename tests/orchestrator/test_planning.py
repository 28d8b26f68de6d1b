"""The policy for one recording: who can do it, in which order, and exactly what each is sent."""

from __future__ import annotations

from typing import Any

import pytest

from app.core.intent import Intent
from app.core.policy import Order, Policy, Processing, ProviderChoice, Rule
from app.core.state import Extra, Transcription
from app.orchestrator.planning import generation_of, is_form_open, is_length_wanted, planned
from app.orchestrator.provider_forms import Forms, KnownForm
from app.recall.raw_options import laid_over

RECALLAI, ASSEMBLY, DEEPGRAM = "recallai_async", "assembly_ai_async", "deepgram_async"
GLADIA, REV = "gladia_v2_async", "rev_async"


def policy_of(*keys: str, options: dict[str, dict[str, Any]] | None = None, **parts: Any) -> Policy:
    written = options or {}
    return Policy(tuple(ProviderChoice(k, written.get(k, {})) for k in keys), len(keys), **parts)


def recording(**parts: Any) -> Transcription:
    return Transcription("default", "r", **parts)


def keys(policy: Policy) -> list[str]:
    return [choice.key for choice in policy.providers]


def test_a_provider_that_cannot_say_the_language_is_passed_over_with_the_reason() -> None:
    for languages, able, unable in [
        (("gl",), [REV, ASSEMBLY], RECALLAI),
        (("auto",), [RECALLAI, ASSEMBLY], REV),
    ]:
        plan = planned(policy_of(RECALLAI, REV, ASSEMBLY, intent=Intent(languages=languages)), recording())
        assert keys(plan) == able
        ((provider, why),) = plan.passed_over
        assert (provider, why.partition(":")[0]) == (unable, "language")


def test_a_region_that_a_provider_lacks_falls_back_to_its_own_language_and_it_is_said() -> None:
    plan = planned(policy_of(RECALLAI, DEEPGRAM, intent=Intent(languages=("de-CH",))), recording())
    recallai, deepgram = plan.providers
    assert recallai.options["language_code"] == "de"
    assert recallai.changed
    assert (deepgram.options["language"], deepgram.changed) == ("de-CH", ())


def test_strict_passes_over_who_cannot_be_told_all_and_best_effort_says_what_is_left_out() -> None:
    relaxed = planned(policy_of(RECALLAI, ASSEMBLY, intent=Intent(redact=("phi",))), recording())
    assert relaxed.providers[0].left_out == ("redact",)
    strict = planned(
        policy_of(RECALLAI, ASSEMBLY, intent=Intent(redact=("phi",), unsupported="strict")), recording()
    )
    assert keys(strict) == [ASSEMBLY]
    assert strict.passed_over[0][1].startswith("redact: ")


def test_a_recording_that_is_too_long_passes_a_provider_over_once_its_length_is_known() -> None:
    policy = policy_of(GLADIA, DEEPGRAM)
    assert keys(planned(policy, recording())) == [GLADIA, DEEPGRAM]
    assert keys(planned(policy, recording(duration_s=8200.0))) == [DEEPGRAM]
    assert keys(planned(policy, recording(), duration_s=8200.0)) == [DEEPGRAM]


@pytest.mark.parametrize(
    ("provider", "rules", "is_wanted"),
    [
        (RECALLAI, (), False),
        (ASSEMBLY, (), False),
        (DEEPGRAM, (), False),
        (GLADIA, (), True),
        (RECALLAI, (Rule(max_duration_s=600.0, intent={"fillers": True}),), True),
    ],
)
def test_the_length_is_wanted_only_where_it_changes_what_is_sent(
    provider: str, rules: tuple[Rule, ...], is_wanted: bool
) -> None:
    policy = policy_of(RECALLAI, ASSEMBLY, DEEPGRAM, GLADIA, rules=rules)
    assert is_length_wanted(policy, recording(), provider) is is_wanted


def test_rules_processing_and_an_order_stand_one_above_the_other() -> None:
    rule = Rule((("lang", "de"),), intent={"languages": ("de",)}, providers=(ProviderChoice(GLADIA),))
    policy = policy_of(RECALLAI, rules=(rule,))
    t = recording(metadata=(("lang", "de"),))
    assert keys(planned(policy, t)) == [GLADIA]
    said = Processing(is_enabled=True, provider=ASSEMBLY)
    assert keys(planned(policy, t, processing=said)) == [ASSEMBLY, GLADIA]
    ordered = recording(metadata=(("lang", "de"),), intent=Order("fr", provider=DEEPGRAM))
    plan = planned(policy, ordered, processing=said)
    assert keys(plan) == [DEEPGRAM, ASSEMBLY, GLADIA]
    assert plan.providers[0].options["language"] == "fr"


def test_an_extra_by_name_is_for_that_provider_and_no_other() -> None:
    policy = policy_of(RECALLAI, GLADIA)
    t = recording(extra=Extra(2, None), intent=Order(provider=GLADIA), duration_s=9000.0)
    plan = planned(policy, t)
    assert (plan.providers, [key for key, _ in plan.passed_over]) == ((), [GLADIA])
    assert keys(planned(policy, recording(extra=Extra(2, None)))) == [RECALLAI, GLADIA]


def test_a_provider_that_is_new_at_recall_is_sent_what_is_written() -> None:
    policy = policy_of("new_async", options={"new_async": {"x": 1}}, intent=Intent(diarization="machine"))
    assert planned(policy, recording()).providers == (ProviderChoice("new_async", {"x": 1}, False),)


@pytest.mark.parametrize(
    ("provider", "written", "sent"),
    [
        # What says a language takes the place of all that does.
        (ASSEMBLY, {"language_code": "de"}, {"language_code": "de"}),
        (DEEPGRAM, {"detect_language": True}, {"detect_language": True}),
        (REV, {"language": "en"}, {"language": "en"}),
        # A model likewise, under whichever name.
        (ASSEMBLY, {"speech_model": "best"}, {"speech_model": "best", "language_detection": True}),
    ],
)
def test_written_options_win_and_leave_nothing_that_contradicts_them(
    provider: str, written: dict[str, Any], sent: dict[str, Any]
) -> None:
    plan = planned(policy_of(provider, options={provider: written}), recording())
    (choice,) = plan.providers
    languages = {"language", "language_code", "language_detection", "detect_language"}
    models = {"speech_model", "speech_models", "model", "transcriber"}
    told = {name: value for name, value in choice.options.items() if name in languages}
    assert told == {name: value for name, value in sent.items() if name in languages}
    if not models.isdisjoint(written):
        assert {n: v for n, v in choice.options.items() if n in models} == written
        assert choice.model is None


def test_an_ordered_language_is_above_a_written_one() -> None:
    policy = policy_of(DEEPGRAM, options={DEEPGRAM: {"language": "en", "numerals": True}})
    (choice,) = planned(policy, recording(intent=Order("de"))).providers
    assert (choice.options["language"], choice.options["numerals"]) == ("de", True)


def test_tables_are_merged_and_all_else_is_replaced() -> None:
    translated = {"a": {"b": 1, "c": [1]}, "model": "x", "language_config": {"languages": ["de"]}}
    assert laid_over(translated, {"a": {"c": [2]}, "d": {}}) == {
        "a": {"b": 1, "c": [2]},
        "model": "x",
        "language_config": {"languages": ["de"]},
        "d": {},
    }
    nested = {"config": {"language_codes": ["de"]}, "features": {}}
    assert laid_over(nested, {"config": {"language_codes": ["en"]}}) == {
        "config": {"language_codes": ["en"]},
        "features": {},
    }


@pytest.mark.parametrize(
    ("provider", "written", "forms", "form"),
    [
        (ASSEMBLY, {}, {}, "vendor"),
        (ASSEMBLY, {ASSEMBLY: "recall"}, {}, "recall"),
        (ASSEMBLY, {}, {ASSEMBLY: KnownForm(refused="vendor")}, "recall"),
        (ASSEMBLY, {}, {ASSEMBLY: KnownForm("recall")}, "recall"),
        (ASSEMBLY, {ASSEMBLY: "vendor"}, {ASSEMBLY: KnownForm("recall")}, "vendor"),
        (DEEPGRAM, {}, {}, "recall"),  # both forms read that
        (DEEPGRAM, {}, {ASSEMBLY: KnownForm("vendor")}, "vendor"),
        (DEEPGRAM, {DEEPGRAM: "vendor"}, {}, "vendor"),
        (RECALLAI, {}, {}, "vendor"),  # it has one form
        ("new_async", {}, {}, "vendor"),
    ],
)
def test_the_form_is_what_is_written_then_what_was_learned_then_what_is_safe(
    provider: str, written: dict[str, str], forms: Forms, form: str
) -> None:
    assert generation_of(provider, policy_of(provider, generations=written), forms) == form


@pytest.mark.parametrize(
    ("provider", "written", "is_open"),
    [(ASSEMBLY, {}, True), (ASSEMBLY, {ASSEMBLY: "vendor"}, False), (DEEPGRAM, {}, False), (REV, {}, True)],
)
def test_only_of_a_provider_that_refuses_what_it_does_not_know_a_form_is_learned(
    provider: str, written: dict[str, str], is_open: bool
) -> None:
    assert is_form_open(provider, policy_of(provider, generations=written)) is is_open


def test_a_refused_model_is_followed_by_the_tables_next_and_the_last_stays() -> None:
    policy = policy_of(ASSEMBLY)
    names: list[str] = []
    for _ in range(4):
        plan = planned(policy, recording(), forms={ASSEMBLY: KnownForm(refused_models=tuple(names))})
        (choice,) = plan.providers
        assert choice.model is not None
        names.append(choice.model)
    assert names == ["assemblyai-stt-3-7", "universal-3-5-pro", "universal-2", "universal-2"]
