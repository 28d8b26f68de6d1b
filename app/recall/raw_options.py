"""
Options as an operator writes them for one provider, laid over those that an intent was translated into. PURE.

Written ones win. What says the same in other words goes with what it says: a provider that is told both a
language and to detect it refuses, or does either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

# Names at any depth, of all providers. https://docs.recall.ai/reference/recording_create_transcript_create
LANGUAGE = frozenset(
    {
        *(
            "language",
            "languages",
            "language_code",
            "language_codes",
            "language_config",
            "language_detection",
        ),
        *("language_detection_options", "language_hint", "language_hints", "language_hints_strict"),
        *("language_identification_config", "language_confidence_threshold", "detect_language"),
        *("enable_code_switching", "code_switching_config", "secondary_language_codes", "output_locale"),
        *("LanguageCode", "IdentifyLanguage", "IdentifyMultipleLanguages", "LanguageOptions"),
    }
)
MODEL = frozenset({"model", "models", "model_id", "speech_model", "speech_models", "transcriber"})
_TOGETHER = (LANGUAGE, MODEL)


def names_of(options: Mapping[str, Any]) -> Iterator[str]:
    """Of all options, at any depth."""
    for name, value in options.items():
        yield name
        if isinstance(value, Mapping):
            yield from names_of(value)


def says_language(options: Mapping[str, Any]) -> bool:
    """Whether they leave nothing to be said of the language."""
    return not LANGUAGE.isdisjoint(names_of(options))


def says_model(options: Mapping[str, Any]) -> bool:
    """Whether they name the model."""
    return not MODEL.isdisjoint(names_of(options))


def without_language(options: Mapping[str, Any]) -> dict[str, Any]:
    """The rest of them."""
    return _without(options, LANGUAGE)


def laid_over(translated: Mapping[str, Any], written: Mapping[str, Any]) -> dict[str, Any]:
    """What is sent. Tables are merged, all else of `written` stands in the place of what it names."""
    names = frozenset(names_of(written))
    for together in _TOGETHER:
        if not names.isdisjoint(together):
            translated = _without(translated, together)
    return _merged(translated, written)


def _without(options: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    """A table that nothing is left of goes, too."""
    kept = {
        name: _without(value, names) if isinstance(value, Mapping) else value
        for name, value in options.items()
        if name not in names
    }
    return {name: value for name, value in kept.items() if value != {} or options[name] == {}}


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    both = {
        name: _merged(below[name], value)
        for name, value in above.items()
        if isinstance(value, Mapping) and isinstance(below.get(name), Mapping)
    }
    return {**below, **above, **both}
