"""Pinned models have an age, and a refusal that names one lets the next be tried."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.core.intent import Intent
from app.recall.translation import Translated, translated
from app.recall.translation.models import model_ages, models_of, refuses_model
from app.recall.translation.table import MODELS_CHECKED, TABLE
from tests.recall.translation.golden import GENERATIONS

ASSEMBLY = "assembly_ai_async"


def test_each_model_of_the_table_is_told_in_turn_and_then_none() -> None:
    for provider in TABLE:
        for generation in GENERATIONS:
            names = models_of(provider, generation)
            told = [
                translated(provider, Intent(languages=("en",)), generation, recording_s=60.0, model=number)
                for number in range(len(names) + 1)
            ]
            sent = [each.model for each in told if isinstance(each, Translated)]
            assert sent == list(names or (None,))
            assert isinstance(told[-1], Translated) == (not names)


def test_a_model_has_the_age_of_the_table() -> None:
    ages = model_ages(MODELS_CHECKED + timedelta(days=91))
    assert ages[ASSEMBLY] == 91
    assert "recallai_async" not in ages
    assert "aws_transcribe_async" not in ages


@pytest.mark.parametrize(
    ("body", "is_refused"),
    [
        ('{"detail": "speech_models: assemblyai-stt-3-7 is not available to this account"}', True),
        ('{"speech_models": ["\\"ASSEMBLYAI-STT-3-7\\" is deprecated"]}', True),
        ('{"speech_models": ["Unknown field."]}', False),  # the other form, not another model
        ('{"error": "assemblyai-stt-3-7-turbo is not a model"}', False),
        ("", False),
    ],
)
def test_a_refusal_names_the_model_or_does_not(body: str, is_refused: bool) -> None:
    assert refuses_model(body, ASSEMBLY, "vendor", "assemblyai-stt-3-7") is is_refused


def test_a_model_that_is_a_word_is_named_in_quotation_marks() -> None:
    quoted = '{"operating_point": ["\\"enhanced\\" is not a valid choice."]}'
    for generation in GENERATIONS:
        assert refuses_model(quoted, "speechmatics_async", generation, "enhanced")
        assert not refuses_model("Use the enhanced API.", "speechmatics_async", generation, "enhanced")


def test_what_was_not_sent_is_not_refused() -> None:
    assert not refuses_model("nova-3", "deepgram_async", "vendor", None)
    assert not refuses_model("nova-3", "deepgram_async", "vendor", "nova-2")
    assert not refuses_model("nova-3", "other_async", "vendor", "nova-3")
    assert models_of("other_async", "vendor") == ()
