"""
What a provider's option object may hold, for both generations of them.

`recall`: Recall's own older schemas, as closed as its OpenAPI document has them: of `assembly_ai_async` and
`rev_async` every other name is refused, of the rest only a known name with a wrong value. `vendor`: handed to
the provider as it is, whose own API refuses names it never had or has no longer. Options that no document
describes (three providers are newer than the document) are not looked at.
Sources: https://docs.recall.ai/reference/recording_create_transcript_create, and of the providers
https://www.assemblyai.com/docs, https://docs.gladia.io, https://docs.speechmatics.com, https://docs.rev.ai.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterator, Mapping, Sequence
from typing import Any

Wrong = dict[str, Any]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NOT_ALLOWED = ["This field is not allowed."]
_KINDS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "flag": (lambda v: isinstance(v, bool), "Must be a valid boolean."),
    "whole": (lambda v: isinstance(v, int) and not isinstance(v, bool), "A valid integer is required."),
    "number": (
        lambda v: isinstance(v, int | float) and not isinstance(v, bool),
        "A valid number is required.",
    ),
    "text": (lambda v: isinstance(v, str), "Not a valid string."),
    "list": (lambda v: isinstance(v, list), "Expected a list of items but got another type."),
    "texts": (lambda v: isinstance(v, str | list), "Not a valid string."),
    "flag_or_list": (lambda v: isinstance(v, bool | list), "Must be a valid boolean."),
    "object": (lambda v: isinstance(v, dict), "Invalid data. Expected a dictionary."),
}

# Provider: kind of value: names.
_NAMES: Mapping[str, Mapping[str, str]] = {
    "recallai_async": {"text": "language_code", "list": "spelling key_terms", "flag": "filter_profanity"},
    "assembly_ai_async": {
        "flag": "language_detection punctuate format_text disfluencies multichannel dual_channel"
        " auto_highlights filter_profanity redact_pii redact_pii_audio speaker_labels content_safety"
        " iab_categories sentiment_analysis auto_chapters entity_detection summarization custom_topics",
        "number": "language_confidence_threshold speech_threshold",
        "whole": "audio_start_from audio_end_at speakers_expected content_safety_confidence",
        "text": "language_code speech_model webhook_url webhook_auth_header_name webhook_auth_header_value"
        " boost_param redact_pii_audio_quality redact_pii_sub prompt summary_model summary_type",
        "list": "word_boost redact_pii_policies custom_spelling keyterms_prompt topics",
    },
    "deepgram_async": {
        "flag": "detect_entities diarize dictation filler_words intents measurements mip_opt_out multichannel"
        " numerals paragraphs profanity_filter punctuate sentiment smart_format topics utterances",
        "texts": "custom_topic custom_intent extra keywords redact replace search tag",
        "text": "custom_topic_mode custom_intent_mode encoding language model summarize version",
        "flag_or_list": "detect_language",
        "list": "keyterm",
        "number": "utt_split",
    },
    "gladia_v2_async": {
        "flag": "custom_vocabulary detect_language enable_code_switching callback subtitles diarization"
        " translation summarization moderation named_entity_recognition chapterization name_consistency"
        " custom_spelling structured_data_extraction sentiment_analysis audio_to_llm sentences display_mode"
        " punctuation_enhanced",
        "text": "context_prompt language callback_url",
        "object": "custom_vocabulary_config code_switching_config callback_config subtitles_config"
        " diarization_config translation_config summarization_config custom_spelling_config"
        " structured_data_extraction_config audio_to_llm_config custom_metadata language_config",
    },
    "rev_async": {
        "flag": "skip_diarization skip_postprocessing strict_custom_vocabulary skip_punctuation"
        " remove_disfluencies remove_atmospherics filter_profanity add_data_labels enable_redaction verbatim"
        " rush test_mode predict_topics forced_alignment enable_fusion apply_duration_padding",
        "text": "metadata delete_after language custom_vocabulary_id chunk_size",
        "list": "custom_vocabularies segments_to_transcribe speaker_names",
        "whole": "speaker_channels_count speakers_count alternatives_count deletion_length_penalty"
        " transcriber top_nwords domain diarization_type",
        "object": "summarization_config captions_config translation_config",
    },
    "speechmatics_async": {
        "object": "alignment_config transcription_config tracking output_config translation_config"
        " language_identification_config summarization_config sentiment_analysis_config"
        " topic_detection_config auto_chapters_config audio_events_config",
    },
}  # fmt: skip
_CLOSED = frozenset({"assembly_ai_async", "rev_async"})

# What the vendors' present APIs have beyond that, with another kind of value, or no longer.
_VENDOR_NAMES: Mapping[str, Mapping[str, str]] = {
    "assembly_ai_async": {
        "list": "speech_models language_codes",
        "object": "language_detection_options speaker_options keyterms_prompt_options speech_understanding",
        "flag": "redact_pii_return_unredacted",
    },
    "deepgram_async": {"texts": "language_hint", "text": "diarize_model"},
    "gladia_v2_async": {"flag": "pii_redaction", "object": "pii_redaction_config", "text": "model"},
    "rev_async": {
        "text": "transcriber diarization_type",
        "whole": "delete_after_seconds",
        "object": "notification_config",
    },
}
_GONE: Mapping[str, frozenset[str]] = {
    "assembly_ai_async": _words("speech_model word_boost boost_param dual_channel"),
    "gladia_v2_async": _words(
        "language detect_language enable_code_switching code_switching_config context_prompt display_mode"
        " moderation chapterization"
    ),
    "rev_async": frozenset({"delete_after", "enable_redaction"}),
    "speechmatics_async": frozenset({"language", "operating_point", "diarization"}),
}

_RECALLAI = _words(
    "auto bg ca cs da de el en en_au en_uk en_us es et fi fr hi hr hu id it ja ko lt lv ms nl no pl pt ro ru"
    " sk sv th tr uk vi zh"
)
_DEEPGRAM = _words(
    "bg ca zh zh-CN zh-TW zh-HK zh-Hans zh-Hant cs da da-DK nl nl-BE en en-US en-AU en-GB en-NZ en-IN et fi"
    " fr fr-CA de de-CH el hi hi-Latn hu id it ja ko ko-KR lv lt ms multi no pl pt pt-BR pt-PT ro ru sk es"
    " es-419 es-LATAM sv sv-SE taq th th-TH tr uk vi"
)
_GLADIA = _words(
    "af sq am ar hy as az ba eu be bn bs br bg ca zh hr cs da nl en et fo fi fr gl ka de el gu ht ha haw he"
    " hi hu is id it ja kn kk km ko lo la lv ln lt lb mk mg ms ml mt mi mr mn ne no nn oc ps fa pl pt pa ro"
    " ru sa sr sn sd si sk sl so es su sw sv tl tg ta tt te th bo tr tk uk ur uz vi cy yi yo"
)
_PII = _words(
    "account_number banking_information blood_type credit_card_cvv credit_card_expiration credit_card_number"
    " date date_interval date_of_birth drivers_license drug duration email_address event filename"
    " gender_sexuality healthcare_number injury ip_address language location marital_status medical_condition"
    " medical_process money_amount nationality number_sequence occupation organization passport_number"
    " password person_age person_name phone_number physical_attribute political_affiliation religion"
    " statistics time url us_social_security_number username vehicle_id zodiac_sign"
)
# Provider: object, and what it must have.
_NEEDED: Mapping[str, Mapping[str, str]] = {
    "gladia_v2_async": {
        "custom_vocabulary_config": "vocabulary",
        "custom_spelling_config": "spelling_dictionary",
    },
    "speechmatics_async": {"transcription_config": "language"},
}
# Where objects are listed, and what each must have.
_LISTED: Mapping[tuple[str, ...], tuple[str, ...]] = {
    ("spelling",): ("find", "replace"),
    ("custom_spelling",): ("from", "to"),
    ("custom_vocabularies",): ("phrases",),
    ("transcription_config", "additional_vocab"): ("content",),
    ("transcription_config", "transcript_filtering_config", "replacements"): ("from", "to"),
}
# Generation and provider: where a value of a closed list stands, and the list.
_CHOICES: Mapping[tuple[str, str], Mapping[tuple[str, ...], Container[Any]]] = {
    ("recall", "recallai_async"): {("language_code",): _RECALLAI},
    ("vendor", "recallai_async"): {("language_code",): _RECALLAI},
    ("recall", "assembly_ai_async"): {
        ("boost_param",): ("low", "default", "high"),
        ("redact_pii_audio_quality",): ("mp3", "wav"),
        ("redact_pii_policies",): _PII,
        ("summary_model",): ("informative", "conversational", "catchy"),
        ("summary_type",): ("bullets", "bullets_verbose", "gist", "headline", "paragraph"),
    },
    ("vendor", "assembly_ai_async"): {("redact_pii_policies",): _PII},
    ("recall", "deepgram_async"): {
        ("language",): _DEEPGRAM,
        ("custom_topic_mode",): ("extended", "strict"),
        ("custom_intent_mode",): ("extended", "strict"),
        ("summarize",): ("v1", "v2", "true", "false"),
    },
    ("recall", "gladia_v2_async"): {
        ("language",): _GLADIA | {"jv", "mymr", "jp"},
        ("language_config", "languages"): _GLADIA | {"jv", "mymr", "jp"},
    },
    ("vendor", "gladia_v2_async"): {("language_config", "languages"): _GLADIA | {"jw", "my"}},
    ("recall", "rev_async"): {
        ("transcriber",): range(18),
        ("diarization_type",): (0, 10, 20),
        ("domain",): (0, 1),
    },
    ("vendor", "rev_async"): {
        ("transcriber",): ("machine", "low_cost", "fusion", "human"),
        ("diarization_type",): ("standard", "premium"),
    },
    ("recall", "speechmatics_async"): {
        ("transcription_config", "operating_point"): ("standard", "enhanced"),
        ("transcription_config", "diarization"): ("none", "speaker", "channel"),
    },
}
_MODELS = (
    ("speech_model",), ("speech_models",), ("model",), ("model_id",), ("transcription_config", "model"),
    ("config", "model"),
)  # fmt: skip


def why_refused(
    provider: str, options: Mapping[str, Any], *, generation: str, stale: Collection[str]
) -> Wrong:
    """
    What is wrong with these options, by the name of the field; empty where nothing is.

    Args:
        generation: One of `settings.GENERATIONS`.
        stale: Models that the providers have withdrawn.
    """
    wrong = _wrong_names(provider, options, generation)
    for place, choices in _CHOICES.get((generation, provider), {}).items():
        odd = [value for value in _values(options, place) if not _is_one_of(value, choices)]
        wrong = wrong or _at(place, odd, "is not a valid choice.")
    for place in _MODELS:
        old = [value for value in _values(options, place) if _is_one_of(value, stale)]
        wrong = wrong or _at(place, old, "is no longer available.")
    return wrong or _incomplete(provider, options) or _wrong_items(provider, options)


def _wrong_items(provider: str, options: Mapping[str, Any]) -> Wrong:
    for place, needed in _LISTED.items():
        # Gladia's flag of this name has its spellings beside it.
        items = [] if provider == "gladia_v2_async" else _values(options, place)
        odd = [item for item in items if not isinstance(item, dict) or not item.keys() >= set(needed)]
        if odd:
            return _at(place, odd, f"needs {' and '.join(needed)}.")
    return {}


def _wrong_names(provider: str, options: Mapping[str, Any], generation: str) -> Wrong:
    kinds, wrong = _kinds(provider, generation), Wrong()
    closed = (
        None if provider in _CLOSED else _GONE.get(provider, frozenset()) if generation == "vendor" else ()
    )
    for name, value in options.items():
        if name not in kinds:
            wrong |= {name: _NOT_ALLOWED} if closed is None or name in closed else {}
        elif value is not None and not _KINDS[kinds[name]][0](value):
            wrong[name] = [_KINDS[kinds[name]][1]]
    return wrong


def _is_one_of(value: Any, choices: Container[Any]) -> bool:
    return isinstance(value, str | int) and value in choices


def _kinds(provider: str, generation: str) -> dict[str, str]:
    tables = [
        _NAMES.get(provider, {}),
        *([_VENDOR_NAMES.get(provider, {})] if generation == "vendor" else []),
    ]
    kinds = {name: kind for table in tables for kind, names in table.items() for name in names.split()}
    gone = _GONE.get(provider, frozenset()) if generation == "vendor" else frozenset()
    return {name: kind for name, kind in kinds.items() if name not in gone}


def _values(options: Any, place: tuple[str, ...]) -> Iterator[Any]:
    """What stands there, each of a list; nothing where it is missing or null."""
    for name in place:
        options = options.get(name) if isinstance(options, Mapping) else None
    values = options if isinstance(options, list) else [options]
    return (value for value in values if value is not None)


def _at(place: tuple[str, ...], values: Sequence[Any], why: str) -> Wrong:
    """A message about the first of these values; nothing where there is none."""
    wrong: Any = [f'"{values[0]}" {why}'] if values else []
    for name in reversed(place):
        wrong = {name: wrong} if values else {}
    return dict(wrong)


def _incomplete(provider: str, options: Mapping[str, Any]) -> Wrong:
    for outer, inner in _NEEDED.get(provider, {}).items():
        if outer in options and options[outer] is not None and inner not in options[outer]:
            return {outer: {inner: ["This field is required."]}}
    return {}
