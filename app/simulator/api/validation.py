"""
What the body of create_transcript may say: Recall's 400s.

Provider options are passed through to the provider in newer workspaces, so most are not looked at; three
providers have a closed schema in the published OpenAPI document. Sources:
https://docs.recall.ai/reference/recording_create_transcript_create, https://docs.recall.ai/docs/async-transcription.
"""

from __future__ import annotations

import json
from typing import Any

from app.simulator.api.answers import Answer, invalid, problem
from app.simulator.api.shapes import ASYNC_PROVIDERS

METADATA_VALUE_MAX = 500

_FIELDS = {"provider", "diarization", "metadata"}
_NOT_ALLOWED = ["This field is not allowed."]


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_RECALLAI_LANGUAGES = _names(
    "auto bg ca cs da de el en en_au en_uk en_us es et fi fr hi hr hu id it ja ko lt lv ms nl no pl"
    " pt ro ru sk sv th tr uk vi zh"
)
_RECALLAI = _names("language_code spelling key_terms filter_profanity")
# The last two are not in the schema of November 2025, but in Recall's samples of 2026.
_ASSEMBLY = _names(
    "language_code language_detection language_confidence_threshold speech_model punctuate format_text"
    " disfluencies multichannel dual_channel webhook_url webhook_auth_header_name webhook_auth_header_value"
    " auto_highlights audio_start_from audio_end_at word_boost boost_param filter_profanity redact_pii"
    " redact_pii_audio redact_pii_audio_quality redact_pii_policies redact_pii_sub speaker_labels"
    " speakers_expected content_safety content_safety_confidence iab_categories custom_spelling"
    " keyterms_prompt prompt"
    " sentiment_analysis auto_chapters entity_detection speech_threshold summarization summary_model"
    " summary_type custom_topics topics speech_models language_detection_options"
)
_REV = _names(
    "metadata delete_after language skip_diarization skip_postprocessing custom_vocabularies"
    " custom_vocabulary_id strict_custom_vocabulary skip_punctuation remove_disfluencies remove_atmospherics"
    " filter_profanity add_data_labels enable_redaction speaker_channels_count speakers_count"
    " alternatives_count deletion_length_penalty chunk_size transcriber verbatim rush segments_to_transcribe"
    " test_mode speaker_names predict_topics top_nwords forced_alignment enable_fusion domain"
    " apply_duration_padding diarization_type summarization_config captions_config translation_config"
)
_CLOSED = {"recallai_async": _RECALLAI, "assembly_ai_async": _ASSEMBLY, "rev_async": _REV}
_FLAGS = _names(
    "language_detection punctuate format_text disfluencies multichannel speaker_labels"
    " filter_profanity verbatim rush skip_diarization skip_punctuation test_mode"
)


def read_json(raw: bytes, content_type: str | None) -> dict[str, Any] | Answer:
    """The JSON object of a body, or the 400 or 415 it gets."""
    if not (content_type or "").startswith("application/json"):
        return problem(415, "unsupported_media_type", f'Unsupported media type "{content_type}" in request.')
    try:
        body = json.loads(raw)
    except ValueError:
        return problem(400, "parse_error", "JSON parse error.")
    if not isinstance(body, dict):
        return invalid({"non_field_errors": ["Invalid data. Expected a dictionary."]})
    return body


def refuse_create(body: dict[str, Any], *, closed_schemas: bool) -> Answer | None:
    """Why this body is a 400; None when it is not."""
    unknown = sorted(set(body) - _FIELDS)
    if unknown:
        return invalid(dict.fromkeys(unknown, _NOT_ALLOWED))
    for why in (
        _why_provider(body.get("provider"), closed_schemas=closed_schemas),
        _why_diarization(body.get("diarization")),
        why_metadata(body.get("metadata", {})),
    ):
        if why is not None:
            return invalid(why)
    return None


def why_metadata(metadata: object) -> dict[str, Any] | None:
    """What is wrong with `metadata`: an object of strings (or nulls) of at most 500 characters."""
    if not isinstance(metadata, dict):
        return {"metadata": ["Expected a dictionary of items."]}
    for key, value in metadata.items():
        if value is not None and not isinstance(value, str):
            return {"metadata": {key: ["Not a valid string."]}}
        if value is not None and len(value) > METADATA_VALUE_MAX:
            return {
                "metadata": {key: [f"Ensure this field has no more than {METADATA_VALUE_MAX} characters."]}
            }
    return None


def _why_provider(provider: object, *, closed_schemas: bool) -> dict[str, Any] | None:
    if provider is None:
        return {"provider": ["This field is required."]}
    if not isinstance(provider, dict):
        return {"provider": ["Invalid data. Expected a dictionary."]}
    # Both forms of a 400 are met in the wild: lists of messages, and plain strings.
    if len(provider) != 1:
        return {"provider": "Exactly one provider must be specified."}
    ((name, options),) = provider.items()
    if name not in ASYNC_PROVIDERS:
        return {"provider": {name: _NOT_ALLOWED}}
    if not isinstance(options, dict):
        return {"provider": {name: ["Invalid data. Expected a dictionary."]}}
    wrong = _why_options(name, options) if closed_schemas else None
    return {"provider": {name: wrong}} if wrong else None


def _why_options(name: str, options: dict[str, Any]) -> dict[str, Any] | None:
    if name not in _CLOSED:
        return None
    wrong: dict[str, Any] = dict.fromkeys(sorted(set(options) - _CLOSED[name]), _NOT_ALLOWED)
    for key, value in options.items():
        if key in _FLAGS and not isinstance(value, bool):
            wrong[key] = ["Must be a valid boolean."]
    language = options.get("language_code", "auto")
    if name == "recallai_async" and language not in _RECALLAI_LANGUAGES:
        wrong["language_code"] = [f'"{language}" is not a valid choice.']
    return wrong or None


def _why_diarization(diarization: object) -> dict[str, Any] | None:
    if diarization is None:
        return None
    if not isinstance(diarization, dict):
        return {"diarization": ["Invalid data. Expected a dictionary."]}
    key = "use_separate_streams_when_available"
    if not isinstance(diarization.get(key, False), bool):
        return {"diarization": {key: ["Must be a valid boolean."]}}
    return None
