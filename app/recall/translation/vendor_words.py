"""Cells of the table that take more than a line: entity names, nested objects, what a phrase may be. PURE."""

from __future__ import annotations

from collections.abc import Sequence

from app.recall.translation.codes import listed
from app.recall.translation.shape import Options

Pairs = Sequence[tuple[str, str]]  # as heard, as to be written


def by_written(pairs: Pairs) -> dict[str, list[str]]:
    """What was heard, under each way to write it."""
    found: dict[str, list[str]] = {}
    for heard, written in pairs:
        found.setdefault(written, []).append(heard)
    return found


def grouped(pairs: Pairs, heard_name: str, written_name: str) -> list[Options]:
    """As a list of objects, one per way to write it."""
    return [{heard_name: heard, written_name: written} for written, heard in by_written(pairs).items()]


# --- AssemblyAI -------------------------------------------------------------------------------------------
# https://www.assemblyai.com/docs/pre-recorded-audio/pii-redaction
_PERSON = (
    *("person_name", "email_address", "phone_number", "location", "date_of_birth", "person_age", "username"),
    *("password", "ip_address", "url", "drivers_license", "passport_number", "us_social_security_number"),
    *("vehicle_id", "account_number", "banking_information", "healthcare_number"),
)
_CARD = ("credit_card_number", "credit_card_cvv", "credit_card_expiration")
_HEALTH = (
    *("healthcare_number", "medical_condition", "medical_process", "drug", "injury", "blood_type"),
    "statistics",
)
_NUMBER = (
    *("number_sequence", "account_number", "banking_information", "phone_number", "healthcare_number"),
    *("us_social_security_number", "passport_number", "drivers_license", "vehicle_id"),
)
_ASSEMBLY_POLICIES = {
    "pii": (*_PERSON, *_CARD),
    "pci": _CARD,
    "phi": _HEALTH,
    "numbers": (*_NUMBER, *_CARD),
}
ASSEMBLY_PROFANITY = listed("en en_au en_uk en_us es fr de it pt nl hi ja")


def assembly_redaction(kinds: tuple[str, ...]) -> Options:
    policies = dict.fromkeys(policy for kind in kinds for policy in _ASSEMBLY_POLICIES[kind])
    return {"redact_pii": True, "redact_pii_policies": list(policies), "redact_pii_sub": "entity_name"}


def assembly_expected(told: tuple[str, ...], *, switching: bool) -> Options:
    options: dict[str, object] = {"expected_languages": list(told)}
    if switching:
        options["code_switching"] = True
    return {"language_detection": True, "language_detection_options": options}


# --- Deepgram: groups of entities are for English alone: https://developers.deepgram.com/docs/redaction ---
DEEPGRAM_ENGLISH = listed("en en-AU en-CA en-GB en-IN en-NZ en-US")

# --- Gladia: https://docs.gladia.io/chapters/audio-intelligence/pii-redaction -----------------------------
_GLADIA_PRESETS = {
    "pii": ("GDPR",),
    "pci": ("PCI",),
    "phi": ("HEALTH_INFORMATION",),
    "numbers": ("NUMERICAL_EXCL_PCI", "PCI"),
}


def gladia_languages(told: tuple[str, ...], *, switching: bool) -> Options:
    return {"language_config": {"languages": list(told), "code_switching": switching}}


def gladia_spelling(pairs: Pairs) -> Options:
    """The key is how it is written, the list what is heard."""
    return {
        "custom_spelling": True,
        "custom_spelling_config": {"spelling_dictionary": by_written(pairs)},
    }


def gladia_redaction(kinds: tuple[str, ...]) -> Options:
    presets = dict.fromkeys(preset for kind in kinds for preset in _GLADIA_PRESETS[kind])
    return {"pii_redaction": True, "pii_redaction_config": {"entity_types": list(presets)}}


# --- Rev: https://docs.rev.ai/api/custom-vocabulary -------------------------------------------------------
def is_rev_phrase(term: str) -> bool:
    """At most 12 words of at most 34 characters; Basic Latin with a letter, without digits."""
    words = term.split()
    return (
        1 <= len(words) <= 12
        and all(len(word) <= 34 for word in words)
        and term.isascii()
        and term.isprintable()
        and any(each.isalpha() for each in term)
        and not any(each.isdigit() for each in term)
    )


# --- Speechmatics -----------------------------------------------------------------------------------------
# https://docs.speechmatics.com/speech-to-text/formatting: languages whose hesitations can be removed
SPEECHMATICS_FILLERS = listed(
    "ar da nl en en-AU en-GB en-US fr de el he hi hu it ja cmn cmn-Hans cmn-Hant pl pt ru es"
)
# https://docs.speechmatics.com/speech-to-text/languages: fixed packs of several languages
_PACKS: dict[frozenset[str], Options] = {
    frozenset({"ar", "en"}): {"language": "ar_en"},
    frozenset({"en", "ms"}): {"language": "en_ms"},
    frozenset({"cmn", "en"}): {"language": "cmn_en"},
    frozenset({"cmn", "en", "ms", "ta"}): {"language": "cmn_en_ms_ta"},
    frozenset({"en", "ta"}): {"language": "en_ta"},
    frozenset({"en", "tl"}): {"language": "tl"},
    frozenset({"en", "es"}): {"language": "es", "domain": "bilingual-en"},
}


def speechmatics_language(told: tuple[str, ...]) -> Options:
    """`en-GB` is English, written as in Britain."""
    language, _, locale = told[0].partition("-")
    more = {"output_locale": told[0]} if locale else {}
    return {"transcription_config": {"language": language, **more}}


def speechmatics_detected(told: tuple[str, ...]) -> Options:
    """Without `allow` a low confidence would reject the job."""
    expected = {"expected_languages": list(told)} if told else {}
    return {
        "transcription_config": {"language": "auto"},
        "language_identification_config": {**expected, "low_confidence_action": "allow"},
    }


def speechmatics_pack(told: tuple[str, ...]) -> Options | None:
    pack = _PACKS.get(frozenset(told))
    return None if pack is None else {"transcription_config": pack}


def speechmatics_replacements(pairs: Pairs) -> Options:
    replacements = [{"from": heard, "to": written} for heard, written in pairs]
    return {"transcription_config": {"transcript_filtering_config": {"replacements": replacements}}}


# --- ElevenLabs -------------------------------------------------------------------------------------------
def elevenlabs_languages(told: tuple[str, ...]) -> Options:
    return {"language_code": told[0], "secondary_language_codes": list(told[1:])}


def elevenlabs_redaction(kinds: tuple[str, ...]) -> Options:
    """What is redacted must have been detected."""
    return {"entity_detection": list(kinds), "entity_redaction": list(kinds)}


# --- AWS: https://docs.aws.amazon.com/transcribe/latest/dg/pii-redaction.html -----------------------------
AWS_REDACTION = listed("en-US es-US fr-FR fr-CA de-DE de-CH it-IT pt-PT pt-BR")
_AWS_CARD = ["CREDIT_DEBIT_NUMBER", "CREDIT_DEBIT_CVV", "CREDIT_DEBIT_EXPIRY"]


def aws_redaction(kinds: tuple[str, ...]) -> Options:
    """Without a list of types all of them are redacted, cards among them."""
    types = {} if "pii" in kinds else {"PiiEntityTypes": _AWS_CARD}
    return {"ContentRedaction": {"RedactionType": "PII", "RedactionOutput": "redacted", **types}}


# --- Google: https://docs.cloud.google.com/speech-to-text/docs/adaptation-model ---------------------------
def google_phrases(terms: Sequence[str]) -> Options:
    phrases = [{"value": term} for term in terms]
    return {"config": {"adaptation": {"phrase_sets": [{"inline_phrase_set": {"phrases": phrases}}]}}}


def google_replacements(pairs: Pairs) -> Options:
    entries = [{"search": heard, "replace": written} for heard, written in pairs]
    return {"config": {"transcript_normalization": {"entries": entries}}}
