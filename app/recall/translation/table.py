"""
The table: what is sent to each of Recall's asynchronous providers for each intent. Data; PURE.

A provider has a column per form of its options: Recall's own older objects, and the vendor's, passed through
(https://docs.recall.ai/reference/recording_create_transcript_create). The models are pinned, because the
vendors move their defaults; all were checked on `MODELS_CHECKED`, against the vendors' own packages of that
month (pyproject.toml, `contracts`). To move one: change it and the date; `python -m tests.recall.translation`
writes the golden bodies and docs/providers.md anew, and `./afterword test --contracts` holds them.

Nothing here belongs to Recall: no media, address, callback, channel or switched-off timestamp.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

from app.recall.translation import codes, vendor_words
from app.recall.translation.shape import (
    Column,
    Filter,
    Languages,
    Model,
    Options,
    Provider,
    Redaction,
    Speakers,
    Spelling,
    Switch,
    Terms,
)

MODELS_CHECKED = date(2026, 11, 28)
_MINUTE_S, _HOUR_S = 60.0, 3600.0

# --- Recall's own: https://docs.recall.ai/docs/recallai-transcription -------------------------------------
_RECALLAI = Column(
    one=Languages(codes.RECALL, lambda told: {"language_code": told[0]}),
    auto={"language_code": "auto"},
    auto_switching={"language_code": "auto"},
    doubtful=("code_switching",),  # one page of Recall's says no, three say by default
    key_terms=Terms(lambda terms: {"key_terms": list(terms)}),
    spelling=Spelling(lambda pairs: {"spelling": vendor_words.grouped(pairs, "find", "replace")}),
    profanity_filter=Filter({"filter_profanity": True}),
)

# --- AssemblyAI: https://www.assemblyai.com/docs/api-reference/transcripts/submit -------------------------
_ASSEMBLY_RECALL = Column(
    one=Languages(codes.ASSEMBLY, lambda told: {"language_code": told[0]}),
    models=(
        Model("universal", {"speech_model": "universal"}),
        Model("best", {"speech_model": "best"}),
    ),
    longest_s=10 * _HOUR_S,
    auto={"language_detection": True},
    diarization=Switch({"speaker_labels": True}, {}),
    speakers=Speakers(lambda number: {"speakers_expected": number}, at_most=10),
    key_terms=Terms(lambda terms: {"word_boost": list(terms)}),
    spelling=Spelling(lambda pairs: {"custom_spelling": vendor_words.grouped(pairs, "from", "to")}),
    profanity_filter=Filter({"filter_profanity": True}, vendor_words.ASSEMBLY_PROFANITY),
    redact=Redaction(vendor_words.assembly_redaction, ("pii", "pci", "phi", "numbers")),
    punctuation=Switch({}, {"punctuate": False, "format_text": False}),
    fillers=Switch({"disfluencies": True}, {}),
)
_ASSEMBLY = replace(
    _ASSEMBLY_RECALL,
    # By priority; the singular `speech_model` and `universal-3-pro` are refused, and of the newest no page
    # says that it switches languages.
    models=(
        Model(
            "assemblyai-stt-3-7",
            {"speech_models": ["assemblyai-stt-3-7", "universal-2"]},
            lacks=("auto_switching", "among_switching"),
        ),
        Model(
            "universal-3-5-pro",
            {"speech_models": ["universal-3-5-pro", "universal-2"]},
            lacks=("auto_switching", "among_switching"),
        ),
        Model("universal-2", {"speech_models": ["universal-2"]}),
    ),
    auto_switching={"language_detection": True, "language_detection_options": {"code_switching": True}},
    among=Languages(
        codes.ASSEMBLY_DETECTED, lambda told: vendor_words.assembly_expected(told, switching=False)
    ),
    among_switching=Languages(
        codes.ASSEMBLY_DETECTED, lambda told: vendor_words.assembly_expected(told, switching=True)
    ),
    key_terms=Terms(
        lambda terms: {"keyterms_prompt": list(terms)}, at_most=200, fits=lambda term: len(term.split()) <= 6
    ),
)

# --- Deepgram: https://developers.deepgram.com/reference/speech-to-text/listen-pre-recorded ---------------
_MULTI: Options = {"language": "multi"}
_DEEPGRAM_RECALL = Column(
    one=Languages(codes.DEEPGRAM_RECALL, lambda told: {"language": told[0]}),
    models=(
        Model("nova-3", {"model": "nova-3"}),
        Model("nova-3-general", {"model": "nova-3-general"}),
    ),
    auto=_MULTI,  # what Recall's documents say for it
    auto_switching=_MULTI,
    among=Languages(codes.DEEPGRAM_DETECTED, lambda told: {"detect_language": list(told)}),
    diarization=Switch({"diarize": True}, {}),
    key_terms=Terms(lambda terms: {"keyterm": list(terms)}),
    spelling=Spelling(
        lambda pairs: {"replace": [f"{heard}:{written}" for heard, written in pairs]},
        fits=lambda heard, written: ":" not in heard + written,
    ),
    profanity_filter=Filter({"profanity_filter": True}),
    redact=Redaction(
        lambda kinds: {"redact": list(kinds)},
        ("pii", "pci", "numbers"),
        only_in=dict.fromkeys(("pii", "pci", "phi"), vendor_words.DEEPGRAM_ENGLISH),
        weaker={"pii": "numbers", "pci": "numbers"},
    ),
    # Off unless said, both of them; without an end of sentences there are no passages.
    punctuation=Switch({"punctuate": True, "smart_format": True}, {}),
    fillers=Switch({"filler_words": True}, {}),
)
_DEEPGRAM_HINTED = Languages(codes.DEEPGRAM_HINTS, lambda told: {**_MULTI, "language_hint": list(told)})
_DEEPGRAM = replace(
    _DEEPGRAM_RECALL,
    one=replace(_DEEPGRAM_RECALL.one, codes=codes.DEEPGRAM),
    among=_DEEPGRAM_HINTED,
    among_switching=_DEEPGRAM_HINTED,
    diarization=Switch({"diarize_model": "latest"}, {}),  # `diarize` stays on the first diarizer
    redact=Redaction(
        lambda kinds: {"redact": list(kinds)},
        ("pii", "pci", "phi", "numbers"),
        only_in=dict.fromkeys(("pii", "pci", "phi"), vendor_words.DEEPGRAM_ENGLISH),
        weaker={"pii": "numbers", "pci": "numbers"},
    ),
)

# --- Gladia: https://docs.gladia.io/api-reference/v2/pre-recorded/init ------------------------------------
_GLADIA = Column(
    one=Languages(codes.GLADIA, lambda told: vendor_words.gladia_languages(told, switching=False)),
    models=(
        Model("solaria-1", {"model": "solaria-1"}),
        Model("solaria-3", {"model": "solaria-3"}),
    ),
    longest_s=135 * _MINUTE_S,
    auto=vendor_words.gladia_languages(
        (), switching=False
    ),  # switching among all is what Gladia advises against
    among=Languages(codes.GLADIA, lambda told: vendor_words.gladia_languages(told, switching=False)),
    among_switching=Languages(codes.GLADIA, lambda told: vendor_words.gladia_languages(told, switching=True)),
    diarization=Switch({"diarization": True}, {}),
    speakers=Speakers(lambda number: {"diarization_config": {"number_of_speakers": number}}),
    key_terms=Terms(
        lambda terms: {"custom_vocabulary": True, "custom_vocabulary_config": {"vocabulary": list(terms)}}
    ),
    spelling=Spelling(vendor_words.gladia_spelling),
    redact=Redaction(vendor_words.gladia_redaction, ("pii", "pci", "phi", "numbers")),
)
_GLADIA_RECALL = replace(
    _GLADIA,
    one=replace(_GLADIA.one, codes=codes.GLADIA_RECALL),
    among=replace(_GLADIA.one, codes=codes.GLADIA_RECALL),
    among_switching=Languages(
        codes.GLADIA_RECALL, lambda told: vendor_words.gladia_languages(told, switching=True)
    ),
    doubtful=("redact",),  # only the vendor's form reads it, and the older one does not say so
)

# --- Rev: https://docs.rev.ai/api/asynchronous/reference --------------------------------------------------
_REV = Column(
    one=Languages(codes.REV, lambda told: {"language": told[0]}),
    models=(Model("machine", {"transcriber": "machine"}),),  # `human` takes days and costs a hundredfold
    diarization=Switch({}, {"skip_diarization": True}),  # on unless said
    speakers=Speakers(lambda number: {"speakers_count": number}),
    key_terms=Terms(
        lambda terms: {"custom_vocabularies": [{"phrases": list(terms)}]},
        at_most=1_000,
        at_most_in_english=6_000,
        fits=vendor_words.is_rev_phrase,
    ),
    profanity_filter=Filter({"filter_profanity": True}),
    punctuation=Switch({}, {"skip_punctuation": True}),
    fillers=Switch({}, {"remove_disfluencies": True}),
)
_REV_RECALL = replace(
    _REV,
    models=(),  # numbers without a published meaning
    redact=Redaction(lambda kinds: {"enable_redaction": True}, ("pii",)),
    doubtful=("redact",),  # what it redacts is nowhere said
)

# --- Speechmatics: https://docs.speechmatics.com/api-ref/batch --------------------------------------------
_SPEECHMATICS = Column(
    one=Languages(codes.SPEECHMATICS, vendor_words.speechmatics_language),
    models=(
        Model("enhanced", {"transcription_config": {"model": "enhanced"}}),
        Model("standard", {"transcription_config": {"model": "standard"}}),
    ),
    auto=vendor_words.speechmatics_detected(()),
    among=Languages(codes.SPEECHMATICS_DETECTED, vendor_words.speechmatics_detected),
    among_switching=Languages(codes.SPEECHMATICS_MIXED, vendor_words.speechmatics_pack),
    diarization=Switch({"transcription_config": {"diarization": "speaker"}}, {}),
    key_terms=Terms(
        lambda terms: {"transcription_config": {"additional_vocab": [{"content": term} for term in terms]}}
    ),
    spelling=Spelling(
        vendor_words.speechmatics_replacements,
        fits=lambda heard, written: not heard.startswith("/"),  # else a regular expression
    ),
    punctuation=Switch({}, {"transcription_config": {"punctuation_overrides": {"permitted_marks": []}}}),
    fillers=Switch(
        {},
        {"transcription_config": {"transcript_filtering_config": {"remove_disfluencies": True}}},
        vendor_words.SPEECHMATICS_FILLERS,
    ),
)
_SPEECHMATICS_RECALL = replace(
    _SPEECHMATICS,
    models=(
        Model("enhanced", {"transcription_config": {"operating_point": "enhanced"}}),
        Model("standard", {"transcription_config": {"operating_point": "standard"}}),
    ),
)

# --- ElevenLabs: https://elevenlabs.io/docs/api-reference/speech-to-text/convert --------------------------
_ELEVENLABS = Column(
    one=Languages(codes.ELEVENLABS, lambda told: {"language_code": told[0]}),
    models=(
        Model("scribe_v2", {"model_id": "scribe_v2"}, 10 * _HOUR_S, lacks=("among", "among_switching")),
        Model("scribe_v3", {"model_id": "scribe_v3"}),
    ),
    auto={},
    auto_switching={},
    among=Languages(codes.ELEVENLABS, vendor_words.elevenlabs_languages),
    among_switching=Languages(codes.ELEVENLABS, vendor_words.elevenlabs_languages),
    diarization=Switch({"diarize": True}, {}),
    speakers=Speakers(lambda number: {"num_speakers": number}, at_most=32),
    key_terms=Terms(
        lambda terms: {"keyterms": list(terms)},
        at_most=1_000,
        fits=lambda term: len(term) <= 50 and len(term.split()) <= 5 and not set(term) & set("<>{}[]\\"),
    ),
    redact=Redaction(vendor_words.elevenlabs_redaction, ("pii", "pci", "phi")),
    fillers=Switch({}, {"no_verbatim": True}),
)

# --- AWS: https://docs.aws.amazon.com/transcribe/latest/APIReference/API_StartTranscriptionJob.html -------
_AWS = Column(
    one=Languages(codes.AWS, lambda told: {"LanguageCode": told[0]}),
    auto={"IdentifyLanguage": True},
    auto_switching={"IdentifyMultipleLanguages": True},
    among=Languages(codes.AWS, lambda told: {"IdentifyLanguage": True, "LanguageOptions": list(told)}),
    among_switching=Languages(
        codes.AWS, lambda told: {"IdentifyMultipleLanguages": True, "LanguageOptions": list(told)}
    ),
    # A number is required with it: the highest where none is said.
    diarization=Switch({"Settings": {"ShowSpeakerLabels": True, "MaxSpeakerLabels": 30}}, {}),
    speakers=Speakers(lambda number: {"Settings": {"MaxSpeakerLabels": number}}, at_least=2, at_most=30),
    redact=Redaction(
        vendor_words.aws_redaction,
        ("pii", "pci"),
        only_in=dict.fromkeys(("pii", "pci"), vendor_words.AWS_REDACTION),
    ),
    # Key terms and the filter need a list that was made beforehand in the account: raw options.
)

# --- Google: https://docs.cloud.google.com/speech-to-text/docs/models/chirp-3 -----------------------------
_GOOGLE = Column(
    one=Languages(codes.GOOGLE, lambda told: {"config": {"language_codes": list(told)}}),
    models=(
        Model("chirp_3", {"config": {"model": "chirp_3"}}, 20 * _MINUTE_S),  # an hour without word times
        Model("chirp_2", {"config": {"model": "chirp_2"}}, 8 * _HOUR_S, lacks=("auto", "diarization")),
    ),
    always={"config": {"features": {"enable_word_time_offsets": True}}},
    # "Automatic language detection" on Google's page; this is how programs in the field ask for it.
    auto={"config": {"language_codes": ["auto"]}},
    among=Languages(codes.GOOGLE, lambda told: {"config": {"language_codes": list(told)}}),
    diarization=Switch({"config": {"features": {"diarization_config": {}}}}, {}),
    key_terms=Terms(vendor_words.google_phrases),
    spelling=Spelling(
        vendor_words.google_replacements,
        at_most=100,
        fits=lambda heard, written: len(heard) <= 100 and len(written) <= 100,
    ),
    profanity_filter=Filter({"config": {"features": {"profanity_filter": True}}}),
    punctuation=Switch({"config": {"features": {"enable_automatic_punctuation": True}}}, {}),
)

TABLE: Mapping[str, Provider] = {
    "recallai_async": Provider("one", _RECALLAI, _RECALLAI),
    "assembly_ai_async": Provider("closed", _ASSEMBLY, _ASSEMBLY_RECALL),
    "deepgram_async": Provider("open", _DEEPGRAM, _DEEPGRAM_RECALL),
    "gladia_v2_async": Provider("open", _GLADIA, _GLADIA_RECALL),
    "rev_async": Provider("closed", _REV, _REV_RECALL),
    "speechmatics_async": Provider("open", _SPEECHMATICS, _SPEECHMATICS_RECALL),
    # No older form of these three was published.
    "elevenlabs_async": Provider("one", _ELEVENLABS, _ELEVENLABS),
    "aws_transcribe_async": Provider("one", _AWS, _AWS),
    "google_speech_v2_async": Provider("one", _GOOGLE, _GOOGLE),
}
