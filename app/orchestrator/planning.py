"""
The order of a call: the policy for one recording, its providers in order, cut to those that can do it, each
with the options that are sent. In it are the first rule that matches, what was said of the workspace's
processing, and what an order of `/v1` names, each above the one before. It is asked anew before every send
under a fresh key.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from app.core.intent import Intent
from app.core.policy import Policy, Processing, ProviderChoice
from app.core.state import Transcription
from app.orchestrator.provider_forms import Forms, KnownForm
from app.recall.raw_options import laid_over, says_language, says_model, without_language
from app.recall.translation import Generation, Ineligible, Translated, translated
from app.recall.translation.table import TABLE
from app.recall.translation.translate import length_matters

_ENGLISH = ("en",)  # which every provider has


NO_FORMS: Forms = {}


def planned(
    policy: Policy,
    t: Transcription,
    *,
    processing: Processing | None = None,
    forms: Forms = NO_FORMS,
    duration_s: float | None = None,
) -> Policy:
    """
    The policy for this recording.

    Args:
        policy: As it is written.
        forms: What is known of the workspace's providers.
        duration_s: The recording's length, where it is known better than the state says.
    """
    length_s = t.duration_s if duration_s is None else duration_s
    rule = policy.rule_for(t.workspace, dict(t.metadata), length_s)
    ruled = policy.ruled(rule).processed(processing).intended(t.intent)
    intent = t.intent.told(ruled.intent)
    is_alone = t.extra is not None and t.intent.provider is not None  # ordered by name, and no other
    choices = ruled.providers[:1] if is_alone else ruled.providers
    able: list[ProviderChoice] = []
    passed_over: list[tuple[str, str]] = []
    for choice in choices:
        if t.intent.language is not None:
            choice = replace(choice, options=without_language(choice.options))
        one = _choice(choice, intent, ruled, forms, length_s)
        if isinstance(one, Ineligible):
            passed_over.append((choice.key, f"{one.intent}: {one.reason}"))
        else:
            able.append(one)
    return replace(ruled, intent=intent, providers=tuple(able), passed_over=tuple(passed_over))


def is_length_wanted(policy: Policy, t: Transcription, provider: str, *, forms: Forms = NO_FORMS) -> bool:
    """
    Whether the recording's length, which is not known, could change what is sent to this provider.

    Args:
        policy: As it is written.
    """
    if policy.is_length_wanted(t.workspace, dict(t.metadata)):
        return True
    intent = planned(policy, t, forms=forms).intent
    return length_matters(provider, intent, generation_of(provider, policy, forms))


def generation_of(provider: str, policy: Policy, forms: Forms) -> Generation:
    """In which form the provider's options are sent."""
    if (written := policy.generations.get(provider)) in ("recall", "vendor"):
        return "recall" if written == "recall" else "vendor"
    known = forms.get(provider, KnownForm())
    if known.form is not None:
        return known.form
    if _schema_of(provider) != "open":
        return "recall" if known.refused == "vendor" else "vendor"
    # Nothing can be learned of it: Recall's own form passes over what it does not know. Another provider of
    # the workspace, one that does refuse, says which it is; until then it is told what both forms read.
    learned = (one.form for key, one in forms.items() if one.form and _schema_of(key) == "closed")
    return next(learned, "recall")


def is_form_open(provider: str, policy: Policy) -> bool:
    """Whether it is to be learned from the provider's answer which form of its options it reads."""
    return policy.generations.get(provider, "auto") == "auto" and _schema_of(provider) == "closed"


def _schema_of(provider: str) -> str:
    return TABLE[provider].schema if provider in TABLE else "one"


def _choice(
    choice: ProviderChoice, intent: Intent, policy: Policy, forms: Forms, duration_s: float | None
) -> ProviderChoice | Ineligible:
    if choice.key not in TABLE:  # new at Recall: its options are those that are written
        return replace(choice, separate_streams=intent.diarization in ("separate-streams", "hybrid"))
    if says_language(choice.options):
        intent = replace(intent, languages=_ENGLISH, code_switching=False)
    generation = generation_of(choice.key, policy, forms)
    refused = forms.get(choice.key, KnownForm()).refused_models
    told = _translated(choice.key, intent, generation, duration_s, 0)
    for model in range(1, _models(told)):
        if isinstance(told, Translated) and told.model in refused:
            told = _translated(choice.key, intent, generation, duration_s, model)
    if isinstance(told, Ineligible):
        return told
    return ProviderChoice(
        choice.key,
        laid_over(told.options, choice.options),
        told.use_separate_streams,
        told.left_out,
        told.changed,
        None if says_model(choice.options) else told.model,
        generation,
    )


def _models(told: Translated | Ineligible) -> int:
    return told.models if isinstance(told, Translated) else 0


@lru_cache(512)
def _translated(
    provider: str, intent: Intent, generation: Generation, duration_s: float | None, model: int
) -> Translated | Ineligible:
    return translated(provider, intent, generation, recording_s=duration_s, model=model)
