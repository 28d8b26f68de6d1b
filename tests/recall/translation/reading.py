"""
What a request's options say, read back by each provider's own documents: the way opposite to the table's, and
without it. A reading is in the terms of `[intent]`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Options = Mapping[str, Any]
_WHOLE = {"cmn": "zh", "fil": "tl", "jv": "jw", "nb": "no", "nn": "no"}
_PACKS = {
    **{"ar_en": {"ar", "en"}, "en_ms": {"en", "ms"}, "cmn_en": {"zh", "en"}, "en_ta": {"en", "ta"}},
    "cmn_en_ms_ta": {"zh", "en", "ms", "ta"},
}


def language_of(code: str) -> str:
    """The language of a code or tag alone, under one name; some name Cantonese by its place."""
    if code in ("zh-HK", "zh-Hant-HK"):
        return "yue"
    language = code.replace("_", "-").split("-", 1)[0]
    return _WHOLE.get(language, language)


@dataclass(slots=True)
class Reading:
    languages: set[str] = field(default_factory=set)  # empty: found out among all
    with_english: bool = False  # the one that a code names, or that and English
    is_switching: bool = False  # certainly; some providers switch without being asked
    diarization: bool = False
    speakers: int = 0
    key_terms: list[str] = field(default_factory=list)
    spelling: set[tuple[str, str]] = field(default_factory=set)
    profanity_filter: bool = False
    redact: set[str] = field(default_factory=set)
    punctuation: bool = True
    fillers: bool | None = None  # None: as the provider does

    def speak(self, codes: list[str]) -> None:
        self.languages = {language_of(code) for code in codes}


def _recallai(o: Options) -> Reading:
    read = Reading()
    read.speak([code for code in [o["language_code"]] if code != "auto"])
    read.key_terms = o.get("key_terms", [])
    read.spelling = {(heard, each["replace"]) for each in o.get("spelling", []) for heard in each["find"]}
    read.profanity_filter = o.get("filter_profanity", False)
    return read


def _assembly(o: Options) -> Reading:
    detection = o.get("language_detection_options", {})
    read = Reading(is_switching=detection.get("code_switching", False))
    assert ("language_code" in o) != o.get("language_detection", False)  # else American English
    read.speak([o["language_code"]] if "language_code" in o else detection.get("expected_languages", []))
    read.diarization, read.speakers = o.get("speaker_labels", False), o.get("speakers_expected", 0)
    read.key_terms = o.get("keyterms_prompt", o.get("word_boost", []))
    read.spelling = {(heard, each["to"]) for each in o.get("custom_spelling", []) for heard in each["from"]}
    read.profanity_filter = o.get("filter_profanity", False)
    assert bool(o.get("redact_pii_policies")) == o.get("redact_pii", False)
    signs = {
        "person_name": "pii",
        "credit_card_number": "pci",
        "medical_condition": "phi",
        "number_sequence": "numbers",
    }
    read.redact = {signs[policy] for policy in o.get("redact_pii_policies", []) if policy in signs}
    read.punctuation, read.fillers = o.get("punctuate", True), o.get("disfluencies", False)
    return read


def _deepgram(o: Options) -> Reading:
    is_multi = o.get("language") == "multi"
    assert ("language" in o) != ("detect_language" in o)  # else English
    read = Reading(is_switching=is_multi)
    one = [] if is_multi or "language" not in o else [o["language"]]
    read.speak([*one, *o.get("language_hint", []), *o.get("detect_language", [])])
    read.diarization = bool(o.get("diarize") or o.get("diarize_model"))
    read.key_terms = o.get("keyterm", [])
    read.spelling = {(heard, new) for heard, new in (each.split(":") for each in o.get("replace", []))}
    read.profanity_filter, read.redact = o.get("profanity_filter", False), set(o.get("redact", []))
    read.punctuation = o.get("punctuate", False) or o.get("smart_format", False)
    read.fillers = o.get("filler_words", False)
    return read


def _gladia(o: Options) -> Reading:
    language = o["language_config"]
    read = Reading(is_switching=language["code_switching"])
    assert language["languages"] or not language["code_switching"]  # a hundred languages per utterance
    read.speak(language["languages"])
    read.diarization = o.get("diarization", False)
    read.speakers = o.get("diarization_config", {}).get("number_of_speakers", 0)
    if o.get("custom_vocabulary"):
        read.key_terms = o["custom_vocabulary_config"]["vocabulary"]
    if o.get("custom_spelling"):
        written = o["custom_spelling_config"]["spelling_dictionary"]
        read.spelling = {(heard, new) for new, all_heard in written.items() for heard in all_heard}
    types = o["pii_redaction_config"]["entity_types"] if o.get("pii_redaction") else []
    signs = {"GDPR": "pii", "PCI": "pci", "HEALTH_INFORMATION": "phi", "NUMERICAL_EXCL_PCI": "numbers"}
    read.redact = {signs[each] for each in types}
    return read


def _rev(o: Options) -> Reading:
    read = Reading(diarization=not o.get("skip_diarization", False), speakers=o.get("speakers_count", 0))
    read.speak([o["language"]])
    read.key_terms = [term for each in o.get("custom_vocabularies", []) for term in each["phrases"]]
    read.profanity_filter = o.get("filter_profanity", False)
    read.punctuation = not o.get("skip_punctuation", False)
    read.fillers = not o.get("remove_disfluencies", False)
    return read


def _speechmatics(o: Options) -> Reading:
    config, found_out = o["transcription_config"], o.get("language_identification_config", {})
    assert (config["language"] == "auto") == bool(found_out)
    read = Reading(diarization=config.get("diarization") == "speaker")
    if config["language"] == "auto":
        assert found_out["low_confidence_action"] == "allow"
        read.speak(found_out.get("expected_languages", []))
    elif config["language"] in _PACKS or config.get("domain") == "bilingual-en":
        read.languages, read.is_switching = _PACKS.get(config["language"], {"es", "en"}), True
    else:
        read.speak([config["language"]])
        read.with_english = read.is_switching = config["language"] == "tl"  # a pack beside being a language
        assert config.get("output_locale", config["language"]).startswith(config["language"])
    read.key_terms = [each["content"] for each in config.get("additional_vocab", [])]
    filtering = config.get("transcript_filtering_config", {})
    read.spelling = {(each["from"], each["to"]) for each in filtering.get("replacements", [])}
    read.punctuation = "punctuation_overrides" not in config
    read.fillers = not filtering.get("remove_disfluencies", False)
    return read


def _elevenlabs(o: Options) -> Reading:
    read = Reading(is_switching=o.get("language_code") is None or "secondary_language_codes" in o)
    codes = [o["language_code"]] if "language_code" in o else []
    read.speak([*codes, *o.get("secondary_language_codes", [])])
    read.diarization, read.speakers = o.get("diarize", False), o.get("num_speakers", 0)
    read.key_terms = o.get("keyterms", [])
    assert set(o.get("entity_redaction", [])) <= set(o.get("entity_detection", []))
    read.redact = set(o.get("entity_redaction", []))
    read.fillers = not o.get("no_verbatim", False)
    return read


def _aws(o: Options) -> Reading:
    named = ("LanguageCode", "IdentifyLanguage", "IdentifyMultipleLanguages")
    assert sum(name in o for name in named) == 1  # else the job fails
    read = Reading(is_switching="IdentifyMultipleLanguages" in o)
    assert len(o.get("LanguageOptions", [1, 2])) >= 2
    read.speak([o["LanguageCode"]] if "LanguageCode" in o else o.get("LanguageOptions", []))
    settings = o.get("Settings", {})
    read.diarization = settings.get("ShowSpeakerLabels", False)
    assert ("MaxSpeakerLabels" in settings) == read.diarization
    number = settings.get("MaxSpeakerLabels", 0)
    read.speakers = 0 if number == 30 else number  # the highest, where none was said
    if "ContentRedaction" in o:
        assert o["ContentRedaction"]["RedactionOutput"] == "redacted"
        read.redact = {"pci"} if "PiiEntityTypes" in o["ContentRedaction"] else {"pii", "pci"}
    return read


def _google(o: Options) -> Reading:
    config = o["config"]
    features = config["features"]
    assert features["enable_word_time_offsets"] is True
    read = Reading(diarization="diarization_config" in features)
    assert config["model"] == "chirp_3" or not read.diarization
    read.speak([code for code in config["language_codes"] if code != "auto"])
    for phrases in config.get("adaptation", {}).get("phrase_sets", []):
        read.key_terms = [each["value"] for each in phrases["inline_phrase_set"]["phrases"]]
    entries = config.get("transcript_normalization", {}).get("entries", [])
    read.spelling = {(each["search"], each["replace"]) for each in entries}
    read.profanity_filter = features.get("profanity_filter", False)
    read.punctuation = features.get("enable_automatic_punctuation", False)
    return read


READERS = {
    "recallai_async": _recallai,
    "assembly_ai_async": _assembly,
    "deepgram_async": _deepgram,
    "gladia_v2_async": _gladia,
    "rev_async": _rev,
    "speechmatics_async": _speechmatics,
    "elevenlabs_async": _elevenlabs,
    "aws_transcribe_async": _aws,
    "google_speech_v2_async": _google,
}
