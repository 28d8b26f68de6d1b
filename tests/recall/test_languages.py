"""A caller's language as a tag."""

from __future__ import annotations

import pytest

from app.recall.languages import AUTO, standard_tag


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
