"""When a provider is passed by, what falls back, and what is left out: the cases that a person asks about."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from app.core.intent import Intent
from app.recall.translation import Generation, Ineligible, Translated, translated
from app.recall.translation.table import TABLE
from app.recall.translation.translate import length_matters
from tests.recall.translation.golden import GENERATIONS

ENGLISH = Intent(languages=("en",))
GLADIA, GOOGLE, REV = "gladia_v2_async", "google_speech_v2_async", "rev_async"


def told(provider: str, intent: Intent, generation: Generation = "vendor", **more: Any) -> Translated:
    result = translated(provider, intent, generation, **more)
    assert isinstance(result, Translated), result
    return result


def refused(provider: str, intent: Intent, generation: Generation = "vendor", **more: Any) -> Ineligible:
    result = translated(provider, intent, generation, **more)
    assert isinstance(result, Ineligible), result
    return result


def test_gladia_takes_135_minutes_and_not_a_second_more() -> None:
    told(GLADIA, ENGLISH, recording_s=135 * 60)
    told(GLADIA, ENGLISH, recording_s=None)
    assert refused(GLADIA, ENGLISH, recording_s=135 * 60 + 1).intent == "length"


def test_of_two_models_the_one_that_takes_the_whole_recording_is_sent() -> None:
    machine = replace(ENGLISH, diarization="machine")
    short, long = (told(GOOGLE, machine, recording_s=s) for s in (19 * 60, 21 * 60))
    assert (short.model, short.left_out) == ("chirp_3", ())
    assert (long.model, long.left_out) == ("chirp_2", ("diarization",))
    strict = replace(machine, unsupported="strict")
    assert refused(GOOGLE, strict, recording_s=21 * 60).intent == "diarization"
    assert told(GOOGLE, ENGLISH, recording_s=None).model == "chirp_2"
    assert refused(GOOGLE, ENGLISH, recording_s=9 * 3600).intent == "length"


def test_a_model_that_cannot_find_out_the_language_is_passed_by() -> None:
    assert told(GOOGLE, Intent(), recording_s=60).model == "chirp_3"
    assert refused(GOOGLE, Intent(), recording_s=3600).intent == "language"


def test_length_is_asked_only_where_it_changes_something() -> None:
    for generation in GENERATIONS:
        asked = {provider for provider in TABLE if length_matters(provider, ENGLISH, generation)}
        assert asked == {GLADIA, GOOGLE}
    assert not length_matters("other_async", ENGLISH, "vendor")
    never = replace(ENGLISH, redact=("pii",), unsupported="strict")  # excluded whatever the length
    assert not length_matters(GOOGLE, never, "vendor")
    assert not length_matters(GLADIA, never, "recall")


def test_rev_cannot_find_out_a_language() -> None:
    for intent in (Intent(), Intent(languages=("en", "de"))):
        assert refused(REV, intent).intent == "language"
    assert told(REV, ENGLISH).options["language"] == "en"


@pytest.mark.parametrize("unsupported", ["strict", "best-effort"])
def test_a_region_falls_back_to_its_language_also_when_strict(unsupported: Any) -> None:
    intent = Intent(languages=("de-CH",), unsupported=unsupported)
    result = told("recallai_async", intent)
    assert result.options == {"language_code": "de"}
    assert result.changed == ("language de-CH is told as de",)
    assert told("deepgram_async", intent).options["language"] == "de-CH"


@pytest.mark.parametrize("tag", ["gl", "af", "lb", "gsw", "yue", "zh-HK", "tlh"])
def test_a_language_never_becomes_its_neighbour(tag: str) -> None:
    assert refused("recallai_async", Intent(languages=(tag,))).intent == "language"


def test_one_of_a_list_that_cannot_be_told_excludes() -> None:
    assert refused("recallai_async", Intent(languages=("en", "gl"))).intent == "language"
    # Speechmatics transcribes Bengali, and never finds it out.
    assert told("speechmatics_async", Intent(languages=("bn",))).left_out == ()
    assert refused("speechmatics_async", Intent(languages=("en", "bn"))).intent == "language"


def test_two_regions_of_one_language_are_one_language() -> None:
    result = told("assembly_ai_async", Intent(languages=("de-AT", "de-CH")))
    assert result.options["language_code"] == "de"
    assert len(result.changed) == 2


def test_a_list_that_cannot_be_said_is_looked_for_among_all_languages() -> None:
    intent = Intent(languages=("en", "de"))
    result = told("recallai_async", intent)
    assert (result.options, result.left_out) == ({"language_code": "auto"}, ("language",))
    assert refused("recallai_async", replace(intent, unsupported="strict")).intent == "language"


def test_one_of_a_list_is_found_out_without_its_region() -> None:
    result = told("assembly_ai_async", Intent(languages=("en-US", "de")))
    assert result.options["language_detection_options"] == {"expected_languages": ["en", "de"]}
    assert result.changed == ("language en-US is told as en",)


@pytest.mark.parametrize(
    ("provider", "generation"), [("assembly_ai_async", "vendor"), ("deepgram_async", "recall")]
)
def test_regions_of_one_language_need_no_finding_out(provider: str, generation: Generation) -> None:
    result = told(provider, Intent(languages=("en-US", "en-GB")), generation)
    assert "en" in result.options.values()
    assert result.changed == ("language en-US is told as en", "language en-GB is told as en")


def test_auto_is_no_tag_in_whatever_case() -> None:
    assert told("recallai_async", Intent(languages=("Auto",))) == told("recallai_async", Intent())
    assert told("recallai_async", Intent(languages=())) == told("recallai_async", Intent())


def test_what_is_no_language_is_said_to_be_none() -> None:
    assert "no language tag" in refused("deepgram_async", Intent(languages=("english please",))).reason


def test_a_single_language_leaves_none_to_switch_to() -> None:
    for provider in TABLE:
        assert "code_switching" in told(provider, replace(ENGLISH, code_switching=True)).left_out


def test_assemblyai_switches_with_the_model_that_is_documented_to() -> None:
    result = told("assembly_ai_async", Intent(code_switching=True), recording_s=60)
    assert result.options["speech_models"] == ["universal-2"]
    # Not known how long: an equal reach, so the same choice.
    assert told("assembly_ai_async", Intent(code_switching=True)).left_out == ()


def test_only_what_both_forms_read_counts_where_the_older_one_is_open() -> None:
    redacting = replace(ENGLISH, redact=("pii",))
    assert told(GLADIA, redacting).left_out == ()
    older = told(GLADIA, redacting, "recall")
    assert older.options["pii_redaction"] is True  # harmless where it is ignored
    assert older.left_out == ("redact",)
    assert refused(GLADIA, replace(redacting, unsupported="strict"), "recall").intent == "redact"


def test_deepgram_redacts_numbers_where_groups_are_for_english_alone() -> None:
    intent = Intent(languages=("de",), redact=("pii",))
    result = told("deepgram_async", intent)
    assert result.options["redact"] == ["numbers"]
    assert (result.left_out, result.changed) == (("redact",), ("redact pii is told as numbers",))
    assert refused("deepgram_async", replace(intent, unsupported="strict")).intent == "redact"


def test_terms_over_the_limits_are_left_out_by_name() -> None:
    intent = replace(ENGLISH, key_terms=("Afterword", "x" * 35, "R2D2"))
    result = told(REV, intent)
    assert result.options["custom_vocabularies"] == [{"phrases": ["Afterword"]}]
    assert result.left_out == (f"key_terms: {'x' * 35}, R2D2",)
    assert refused(REV, replace(intent, unsupported="strict")).intent == "key_terms"


def test_where_no_part_fits_nothing_is_sent() -> None:
    result = told(REV, replace(ENGLISH, key_terms=("R2D2",)))
    assert ("custom_vocabularies" in result.options, result.left_out) == (False, ("key_terms: R2D2",))
    result = told("deepgram_async", replace(ENGLISH, spelling=(("9:30", "half nine"),)))
    assert ("replace" in result.options, result.left_out) == (False, ("spelling: 9:30",))


def test_a_pair_of_languages_without_a_pack_is_found_out() -> None:
    intent = Intent(languages=("de", "en"), code_switching=True)
    result = told("speechmatics_async", intent)
    assert result.options["language_identification_config"]["expected_languages"] == ["de", "en"]
    assert result.left_out == ("code_switching",)


def test_rev_takes_more_terms_in_english() -> None:
    terms = tuple("".join(chr(97 + int(digit)) for digit in f"{n:05}") for n in range(1_500))
    assert told(REV, Intent(languages=("en",), key_terms=terms)).left_out == ()
    german = told(REV, Intent(languages=("de",), key_terms=terms))
    assert german.left_out[0].count(",") == 499


def test_speakers_are_counted_by_the_machine_alone() -> None:
    counted = replace(ENGLISH, speakers=3)
    for diarization in ("separate-streams", "speaker-timeline"):
        result = told("assembly_ai_async", replace(counted, diarization=diarization))
        assert ("speakers_expected" in result.options, result.left_out) == (False, ())
    hybrid = told("assembly_ai_async", replace(counted, diarization="hybrid"))
    assert ("speakers_expected" in hybrid.options, hybrid.left_out) == (False, ("speakers",))
    assert hybrid.use_separate_streams
    crowd = told("assembly_ai_async", replace(counted, diarization="machine", speakers=11))
    assert crowd.left_out == ("speakers",)


def test_rev_is_told_not_to_label_where_the_meeting_names_its_speakers() -> None:
    assert told(REV, ENGLISH).options["skip_diarization"] is True
    assert "skip_diarization" not in told(REV, replace(ENGLISH, diarization="hybrid")).options


def test_profanity_is_filtered_where_the_language_is_known_to_have_a_filter() -> None:
    for languages, left_out in [
        (("nl",), ()),
        (("pl",), ("profanity_filter",)),
        (("auto",), ("profanity_filter",)),
    ]:
        result = told("assembly_ai_async", Intent(languages=languages, profanity_filter=True))
        assert result.left_out == left_out


def test_a_provider_that_the_table_does_not_have_is_said() -> None:
    assert refused("gladia_v3_async", ENGLISH).intent == "provider"
