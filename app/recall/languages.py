"""
A language as a caller names it, in the options of the providers for which that is known here. PURE.

What Recall's schemas take, September 2026: https://docs.recall.ai/reference/recording_create_transcript_create
Explicit lists: a "nearest" language of another table would turn Galician into Spanish.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

AUTO = "auto"
_ENGLISH = {"en-AU": "en_au", "en-GB": "en_uk", "en-US": "en_us"}


def _codes(text: str) -> frozenset[str]:
    return frozenset(text.split())


_RECALL = _codes(
    "bg ca cs da de el en es et fi fr hi hr hu id it ja ko lt lv ms nl no pl pt ro ru sk sv th tr uk vi zh"
)
_ASSEMBLY = _codes(
    "en es fr de it pt nl af sq am ar hy as az ba eu be bn bs br bg my ca zh hr cs da et fo fi gl ka el gu "
    "ht ha haw he hi hu is id ja jw kn kk km ko lo la lv ln lt lb mk mg ms ml mt mi mr mn ne no nn oc pa ps "
    "fa pl ro ru sa sr sn sd si sk sl so su sw sv tl tg ta tt te th bo tr tk uk ur uz vi cy yi yo"
)
_DEEPGRAM = _codes(
    "bg ca zh zh-CN zh-TW zh-HK zh-Hans zh-Hant cs da da-DK nl nl-BE en en-US en-AU en-GB en-NZ en-IN et fi "
    "fr fr-CA de de-CH el hi hi-Latn hu id it ja ko ko-KR lv lt ms no pl pt pt-BR pt-PT ro ru sk es es-419 "
    "sv sv-SE th th-TH tr uk vi"
)
# Names of one language that lists spell in one of two ways.
_ALSO = {"nb": "no", "nn": "no", "cmn": "zh", "yue": "zh-HK", "fil": "tl", "jv": "jw"}


def standard_tag(text: str) -> str | None:
    """
    A BCP 47 tag of what stands for a language: `en_us` is en-US, `jpn` ja; `auto` stays. None: it is none.
    """
    if text.lower() == AUTO:
        return AUTO
    import langcodes  # here: only who reads a caller's language needs its tables

    try:
        tag = langcodes.standardize_tag(text)
    except ValueError:
        return None
    return tag if langcodes.tag_is_valid(tag) else None


def _spellings(tag: str) -> Iterator[str]:
    """From the whole tag to its language alone, each followed by its other name."""
    parts = tag.split("-")
    for number in range(len(parts), 0, -1):
        shorter = "-".join(parts[:number])
        yield shorter
        if shorter in _ALSO:
            yield _ALSO[shorter]


@dataclass(frozen=True, slots=True)
class _Dialect:
    """How a provider is told. `known`: the codes it takes; `renamed`: those of tags it spells otherwise."""

    known: frozenset[str]
    told: Callable[[str], Mapping[str, Any]]
    automatic: Mapping[str, Any]
    renamed: Mapping[str, str]

    def code_of(self, tag: str) -> str | None:
        return next(
            (self.renamed.get(s, s) for s in _spellings(tag) if s in self.renamed or s in self.known), None
        )


# Of these at most one may be in a provider's options.
_ABOUT_LANGUAGE = frozenset({"language", "language_code", "language_detection", "detect_language"})
_DIALECTS: Mapping[str, _Dialect] = {
    "recallai_async": _Dialect(
        _RECALL, lambda code: {"language_code": code}, {"language_code": AUTO}, _ENGLISH
    ),
    "assembly_ai_async": _Dialect(
        _ASSEMBLY, lambda code: {"language_code": code}, {"language_detection": True}, _ENGLISH
    ),
    "deepgram_async": _Dialect(_DEEPGRAM, lambda code: {"language": code}, {"language": "multi"}, {}),
}


def is_told_languages(provider: str) -> bool:
    """Whether a language can be put into this provider's options here."""
    return provider in _DIALECTS


def options_in(provider: str, options: Mapping[str, Any], tag: str) -> Mapping[str, Any] | None:
    """
    The options with this language instead of theirs. `tag`: as `standard_tag` gives it; a region that the
    provider does not know is left out. None: it does not have the language, or is not known here.
    """
    dialect = _DIALECTS.get(provider)
    if dialect is None:
        return None
    rest = {name: value for name, value in options.items() if name not in _ABOUT_LANGUAGE}
    if tag == AUTO:
        return {**rest, **dialect.automatic}
    code = dialect.code_of(tag)
    return None if code is None else {**rest, **dialect.told(code)}
