"""Provider options in both generations: what is refused, and by which name."""

from __future__ import annotations

from typing import Any

import pytest

from app.recall.translation.outcome import Generation
from app.recall.translation.table import TABLE
from app.simulator.api.options import why_refused
from app.simulator.model.settings import GENERATIONS, Settings
from tests.recall.translation.contracts import bodies


@pytest.mark.parametrize(
    ("generation", "provider", "options", "field"),
    [
        ("recall", "assembly_ai_async", {"speech_models": ["universal-2"]}, "speech_models"),
        ("vendor", "assembly_ai_async", {"speech_model": "best"}, "speech_model"),
        ("vendor", "assembly_ai_async", {"word_boost": ["Ana"]}, "word_boost"),
        ("recall", "assembly_ai_async", {"boost_param": "much"}, "boost_param"),
        ("recall", "rev_async", {"transcriber": "machine"}, "transcriber"),
        ("vendor", "rev_async", {"transcriber": 3}, "transcriber"),
        ("recall", "rev_async", {"diarization_type": 30}, "diarization_type"),
        ("recall", "rev_async", {"speakers_count": True}, "speakers_count"),
        ("recall", "deepgram_async", {"language": "gl"}, "language"),
        ("recall", "deepgram_async", {"model": {}}, "model"),
        ("recall", "gladia_v2_async", {"language_config": {"languages": [{}]}}, "language_config"),
        ("vendor", "deepgram_async", {"punctuate": 1}, "punctuate"),
        ("vendor", "gladia_v2_async", {"detect_language": True}, "detect_language"),
        ("recall", "gladia_v2_async", {"language_config": {"languages": ["my"]}}, "language_config"),
        ("vendor", "gladia_v2_async", {"language_config": {"languages": ["mymr"]}}, "language_config"),
        ("vendor", "speechmatics_async", {"language": "en"}, "language"),
        ("recall", "speechmatics_async", {"transcription_config": {}}, "transcription_config"),
        ("recall", "recallai_async", {"filter_profanity": "yes"}, "filter_profanity"),
    ],
)
def test_an_option_of_the_other_generation_is_refused_by_its_name(
    generation: str, provider: str, options: dict[str, Any], field: str
) -> None:
    assert list(why_refused(provider, options, generation=generation, stale=())) == [field]


@pytest.mark.parametrize(
    ("generation", "provider", "options"),
    [
        ("recall", "assembly_ai_async", {"speech_model": "best", "word_boost": ["Ana"], "punctuate": None}),
        ("vendor", "assembly_ai_async", {"speech_models": ["universal-2"], "language_detection": True}),
        ("recall", "recallai_async", {"colour": "red"}),
        ("recall", "deepgram_async", {"language": "de-CH", "diarize": True, "language_hint": ["de"]}),
        ("vendor", "deepgram_async", {"language": "gl", "diarize_model": "latest", "redact": ["phi"]}),
        ("recall", "gladia_v2_async", {"detect_language": True, "pii_redaction": True}),
        ("vendor", "gladia_v2_async", {"pii_redaction": True, "language_config": {"languages": ["my"]}}),
        ("recall", "rev_async", {"transcriber": 3, "enable_redaction": True}),
        ("vendor", "rev_async", {"transcriber": "machine"}),
        ("recall", "speechmatics_async", {"language": "cmn_en"}),
        ("vendor", "speechmatics_async", {"transcription_config": {"language": "de", "model": "enhanced"}}),
        ("recall", "elevenlabs_async", {"model_id": "scribe_v2"}),
        ("recall", "aws_transcribe_async", {"LanguageCode": "de-CH"}),
        ("vendor", "google_speech_v2_async", {"config": {"model": "chirp_3"}}),
    ],
)
def test_options_of_the_own_generation_and_unknown_ones_of_an_open_provider_are_taken(
    generation: str, provider: str, options: dict[str, Any]
) -> None:
    assert why_refused(provider, options, generation=generation, stale=()) == {}


@pytest.mark.parametrize(
    ("provider", "options", "model"),
    [
        ("assembly_ai_async", {"speech_models": ["universal-2", "universal-3-pro"]}, "universal-3-pro"),
        ("elevenlabs_async", {"model_id": "scribe_v1"}, "scribe_v1"),
        ("deepgram_async", {"model": "nova-3"}, "nova-3"),
        ("google_speech_v2_async", {"config": {"model": "chirp_3"}}, "chirp_3"),
        ("speechmatics_async", {"transcription_config": {"language": "de", "model": "oak-1"}}, "oak-1"),
    ],
)
def test_a_model_that_was_withdrawn_is_refused_by_its_name(
    provider: str, options: dict[str, Any], model: str
) -> None:
    for generation in GENERATIONS:
        if provider == "assembly_ai_async" and generation == "recall":
            continue  # has another name for it
        wrong = why_refused(provider, options, generation=generation, stale=[model])
        assert f'"{model}" is no longer available.' in str(wrong)


@pytest.mark.parametrize("generation", ["vendor", "recall"])
@pytest.mark.parametrize("provider", TABLE)
def test_what_the_table_tells_a_provider_is_taken(provider: str, generation: Generation) -> None:
    stale = Settings().stale_models
    for told in bodies(provider, generation):
        assert why_refused(provider, told.options, generation=generation, stale=stale) == {}, told
