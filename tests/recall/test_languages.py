"""A caller's language in each provider's own words; every code that is sent is one that Recall takes."""

from __future__ import annotations

import pytest

from app.recall.languages import AUTO, is_told_languages, options_in, standard_tag
from app.recall.providers import ASYNC_PROVIDERS, BUILT_IN_PROVIDERS

BUILT_IN = {choice.key: choice.options for choice in BUILT_IN_PROVIDERS}


@pytest.mark.parametrize(
    ("given", "tag"),
    [
        *(("en", "en"), ("EN", "en"), ("en_us", "en-US"), ("en-us", "en-US"), ("en_uk", "en-GB")),
        *(("jpn", "ja"), ("eng", "en"), ("cmn", "cmn"), ("iw", "he"), ("jw", "jv"), ("tl", "fil")),
        *(("zh-Hans", "zh-Hans"), ("es-419", "es-419"), ("de_CH", "de-CH"), ("Auto", AUTO)),
        *(
            ("multi", None),
            ("", None),
            ("x", None),
            ("english please", None),
            ("de\n", None),
            ("\u00e9", None),
        ),
    ],
)
def test_forms_of_a_language_are_one_tag(given: str, tag: str | None) -> None:
    assert standard_tag(given) == tag


@pytest.mark.parametrize(
    ("tag", "recall", "assembly", "deepgram"),
    [
        ("en", "en", "en", "en"),
        ("en-US", "en_us", "en_us", "en-US"),
        ("en-GB", "en_uk", "en_uk", "en-GB"),
        ("en-ZA", "en", "en", "en"),
        ("de-CH", "de", "de", "de-CH"),
        ("de-AT", "de", "de", "de"),
        ("pt-BR", "pt", "pt", "pt-BR"),
        ("nb", "no", "no", "no"),
        ("nn", "no", "nn", "no"),
        ("cmn", "zh", "zh", "zh"),
        ("zh-Hant", "zh", "zh", "zh-Hant"),
        ("fil", None, "tl", None),
        ("jv", None, "jw", None),
        ("gl", None, "gl", None),
        ("af", None, "af", None),
        ("lb", None, "lb", None),
        ("hr", "hr", "hr", None),
        ("es-419", "es", "es", "es-419"),
        ("tlh", None, None, None),
    ],
)
def test_a_tag_is_told_to_each_or_to_none(
    tag: str, recall: str | None, assembly: str | None, deepgram: str | None
) -> None:
    told = {key: options_in(key, options, tag) for key, options in BUILT_IN.items()}
    assert told == {
        "recallai_async": recall and {"language_code": recall},
        "assembly_ai_async": assembly and {"language_code": assembly},
        "deepgram_async": deepgram and {"model": "nova-3", "language": deepgram},
    }


def test_other_options_stay_and_what_was_said_of_the_language_goes() -> None:
    options = {"language_detection": True, "language_code": "fr", "punctuate": False}
    assert options_in("assembly_ai_async", options, "de") == {"language_code": "de", "punctuate": False}
    assert options_in("deepgram_async", {"detect_language": True, "tag": "x"}, AUTO) == {
        "language": "multi",
        "tag": "x",
    }


def test_automatic_is_what_is_built_in() -> None:
    assert {key: options_in(key, options, AUTO) for key, options in BUILT_IN.items()} == BUILT_IN


def test_only_the_built_in_ones_are_told_so_far() -> None:
    assert {key for key in ASYNC_PROVIDERS if is_told_languages(key)} == set(BUILT_IN)
    assert options_in("gladia_v2_async", {}, "de") is None
