"""
Any intent gives each provider, in each form, a body or a named ineligibility; and what a body says, read
back, is the intent without what was left out. So two providers never differ in an intent that both express.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.intent import Intent
from app.recall.languages import standard_tag
from app.recall.translation import Ineligible, Translated, translated
from app.recall.translation.table import TABLE
from tests.recall.translation.golden import GENERATIONS
from tests.recall.translation.reading import READERS, Reading, language_of

# What belongs to Recall: where media are, who is told, channels, times switched off, another's account.
RECALLS = {
    *("audio_url", "media_url", "source_url", "source_config", "cloud_storage_url", "file", "url", "Media"),
    *(
        "fetch_data",
        "callback",
        "callback_url",
        "callback_config",
        "callback_method",
        "webhook",
        "webhook_id",
    ),
    *("webhook_url", "notification_config", "multichannel", "dual_channel", "use_multi_channel", "uri"),
    *("speaker_channels_count", "timestamps_granularity", "OutputBucketName", "OutputKey", "recognizer"),
    *("speech_model_id", "redact_pii_audio", "redact_pii_return_unredacted", "detect_speaker_roles"),
}
_TAGS = (
    *(
        "en",
        "en-US",
        "en-GB",
        "en-ZA",
        "de",
        "de-CH",
        "de-AT",
        "fr-CA",
        "es",
        "es-419",
        "pt",
        "pt-BR",
        "nb",
        "nn",
    ),
    *(
        "zh",
        "zh-TW",
        "zh-HK",
        "zh-Hant-HK",
        "cmn",
        "yue",
        "tl",
        "jv",
        "gl",
        "af",
        "hr",
        "sr-Latn",
        "ta",
        "ms",
    ),
    *("ar", "hi", "ja", "uk", "he", "tlh", "ast", "lb", "cy", "et", "sw", "fa", "ckb"),
)
_words = st.text(
    st.characters(codec="utf-8", exclude_categories=["C"], exclude_characters=","), min_size=1, max_size=60
)
_terms = st.one_of(st.sampled_from(("Afterword", "Zürich", "R2D2", "a b c d e f g")), _words).filter(
    str.strip
)
INTENTS = st.builds(
    Intent,
    languages=st.one_of(
        st.just(("auto",)), st.lists(st.sampled_from(_TAGS), min_size=1, max_size=3, unique=True).map(tuple)
    ),
    code_switching=st.booleans(),
    diarization=st.sampled_from(("separate-streams", "speaker-timeline", "machine", "hybrid")),
    speakers=st.one_of(st.just(0), st.integers(1, 40)),
    key_terms=st.lists(_terms, max_size=4).map(tuple),
    spelling=st.dictionaries(_words, _words, max_size=3).map(lambda pairs: tuple(pairs.items())),
    profanity_filter=st.booleans(),
    redact=st.lists(st.sampled_from(("pii", "pci", "phi", "numbers")), max_size=4, unique=True).map(tuple),
    punctuation=st.booleans(),
    fillers=st.booleans(),
    unsupported=st.sampled_from(("strict", "best-effort")),
)
_EXAMPLES = int(os.environ.get("TRANSLATION_EXAMPLES", "50"))  # `test --contracts` sets more
_PARTS = {"language", "length", "model", *(each.name for each in fields(Intent))}


def _names(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield name
            yield from _names(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _names(inner)


@pytest.mark.slow
@settings(max_examples=_EXAMPLES, deadline=None)
@given(intent=INTENTS, recording_s=st.sampled_from((None, 600.0, 3 * 3600.0, 11 * 3600.0)))
def test_what_a_body_says_is_the_intent_less_what_was_left_out(
    intent: Intent, recording_s: float | None
) -> None:
    for provider, generation in product(TABLE, GENERATIONS):
        told = translated(provider, intent, generation, recording_s=recording_s)
        if isinstance(told, Ineligible):
            _hold_reason(intent, told)
            continue
        assert not (intent.unsupported == "strict" and told.left_out)
        assert json.loads(json.dumps(told.options)) == told.options
        assert RECALLS.isdisjoint(_names(told.options))
        assert told.use_separate_streams == (intent.diarization in ("separate-streams", "hybrid"))
        _hold(intent, told, READERS[provider](told.options))


def _hold_reason(intent: Intent, told: Ineligible) -> None:
    assert told.intent in _PARTS
    assert told.reason
    if told.intent not in ("language", "length"):
        assert intent.unsupported == "strict"


def _hold(intent: Intent, told: Translated, read: Reading) -> None:
    out = _left_out(told)
    _hold_language(intent, out, read)
    by_provider = intent.diarization in ("machine", "hybrid")
    assert read.diarization == (by_provider and "diarization" not in out)
    is_counted = intent.diarization == "machine" and "speakers" not in out
    assert read.speakers == (intent.speakers if is_counted else 0) or intent.speakers == 30
    assert read.key_terms == _kept(intent.key_terms, out, "key_terms", str)
    assert read.spelling == set(_kept(intent.spelling, out, "spelling", lambda pair: pair[0]))
    assert read.profanity_filter == (intent.profanity_filter and "profanity_filter" not in out)
    assert read.redact >= set(_kept(intent.redact, out, "redact", str))
    assert not read.redact or intent.redact
    assert read.punctuation == (intent.punctuation or "punctuation" in out)
    if intent.fillers and "fillers" not in out:
        assert read.fillers is True


def _hold_language(intent: Intent, out: Mapping[str, str], read: Reading) -> None:
    wanted = set() if intent.languages == ("auto",) else {language_of(_tag(t)) for t in intent.languages}
    said = read.languages | {"en"} if read.with_english and len(wanted) > 1 else read.languages
    assert said == (set() if "language" in out else wanted)
    if intent.code_switching and "code_switching" not in out:
        assert read.is_switching


def _tag(text: str) -> str:
    tag = standard_tag(text)
    assert tag is not None
    return tag


def _left_out(told: Translated) -> dict[str, str]:
    """Each intent that was left out, with its parts; no parts: the whole of it."""
    return {name: parts for name, _, parts in (each.partition(": ") for each in told.left_out)}


def _kept(wanted: tuple[object, ...], out: Mapping[str, str], intent: str, name: object) -> list[object]:
    assert callable(name)
    unique = list(dict.fromkeys(wanted))
    if intent not in out:
        return unique
    lost = out[intent]
    return [each for each in unique if name(each) not in lost.split(", ")] if lost else []


@pytest.mark.slow
@settings(max_examples=_EXAMPLES, deadline=None)
@given(intent=INTENTS)
def test_strict_is_best_effort_or_nothing(intent: Intent) -> None:
    for provider in TABLE:
        best = translated(provider, replace(intent, unsupported="best-effort"), "vendor", recording_s=600.0)
        strict = translated(provider, replace(intent, unsupported="strict"), "vendor", recording_s=600.0)
        if isinstance(strict, Translated):
            assert isinstance(best, Translated)
            assert replace(strict, models=best.models) == best  # fewer models may say all of it
        else:
            assert isinstance(best, Ineligible) or best.left_out
