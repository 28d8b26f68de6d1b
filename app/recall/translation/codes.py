"""
The codes in which each provider is told a language: explicit lists, of its own documents. PURE.

A "nearest" language of another table turns Galician into Spanish and Afrikaans into Dutch; so a tag is only
ever shortened, down to its own language, and other names of one language are written out here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

# Providers that list Chinese as in Hong Kong mean Cantonese; without its region it would be Mandarin.
_SPOKEN = {"zh-HK": "yue", "zh-Hant-HK": "yue"}
# Norwegian's two written standards are one spoken language, of which most lists have one name.
_MACRO = {"nb": "no", "nn": "no"}


@dataclass(frozen=True, slots=True)
class Code:
    """What is sent for a tag, and the sentence for people where that says something else than the tag."""

    text: str
    changed: str | None = None


@dataclass(frozen=True, slots=True)
class Codes:
    """The languages of a provider."""

    listed: frozenset[str]
    renamed: Mapping[str, str] = field(default_factory=dict)  # BCP 47 tag -> a code that says the same
    regions: Mapping[str, str] = field(default_factory=dict)  # a language -> the region it is told with
    keeps: str | None = None  # of tags not listed: "tag" is sent as it is, "language" without its region

    def code_of(self, tag: str) -> Code | None:
        """The code for a standard tag (`app.recall.languages.standard_tag`); None: it has none."""
        tag = _SPOKEN.get(tag, tag)
        for spelling in _spellings(tag):
            if spelling in self.renamed:
                return _code(self.renamed[spelling], tag, spelling)
            if spelling in self.regions:
                code = self.regions[spelling]
                return Code(code, f"language {tag} is told as {code}")
            if spelling in self.listed:
                return _code(spelling, tag, spelling)
            if self.keeps == "tag":
                return Code(spelling)
        language = tag.split("-", 1)[0]
        return _code(language, tag, language) if self.keeps == "language" else None


def _code(code: str, tag: str, spelling: str) -> Code:
    return Code(code, None if spelling == tag else f"language {tag} is told as {code}")


def _spellings(tag: str) -> Iterator[str]:
    """From the whole tag to its language alone: `zh-Hant-TW`, `zh-Hant`, `zh`."""
    parts = tag.split("-")
    for number in range(len(parts), 0, -1):
        yield "-".join(parts[:number])
    if parts[0] in _MACRO:
        yield _MACRO[parts[0]]


def listed(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ENGLISH = {"en-AU": "en_au", "en-GB": "en_uk", "en-US": "en_us"}
# BCP 47 calls Tagalog `fil` and Javanese `jv`, Mandarin is `cmn` beside `zh`.
_MANDARIN, _TAGALOG, _JAVANESE = {"cmn": "zh"}, {"fil": "tl"}, {"jv": "jw"}

# https://docs.recall.ai/reference/recording_create_transcript_create
RECALL = Codes(
    listed(
        "bg ca cs da de el en es et fi fr hi hr hu id it ja ko lt lv ms nl no pl pt ro ru sk sv th tr "
        "uk vi zh"
    ),
    {**_ENGLISH, **_MANDARIN},
)
# https://www.assemblyai.com/docs/pre-recorded-audio/supported-languages
ASSEMBLY = Codes(
    listed(
        "en es fr de it pt nl af sq am ar hy as az ba eu be bn bs br bg my ca zh hr cs da et fo fi gl "
        "ka el gu ht ha haw he hi hu is id ja kn kk km ko lo la lv ln lt lb mk mg ms ml mt mi mr mn "
        "ne no nn oc pa ps fa pl ro ru sa sr sn sd si sk sl so su sw sv tg ta tt te th bo tr tk uk ur "
        "uz vi cy yi yo"
    ),
    {**_ENGLISH, **_MANDARIN, **_TAGALOG, **_JAVANESE},
)
# Of which one is found out: languages without a region.
ASSEMBLY_DETECTED = Codes(ASSEMBLY.listed, {**_MANDARIN, **_TAGALOG, **_JAVANESE})
# Of nova-3 alone, and of those what Recall's own list has: https://developers.deepgram.com/changelog
DEEPGRAM = Codes(
    listed(
        "ar be bg bn bs ca cs da da-DK de de-CH el en en-AU en-GB en-IN en-NZ en-US es es-419 et fa "
        "fi fr fr-CA gu he hi hr hu id it ja kn ko ko-KR lt lv mk mr ms nl nl-BE no pl pt pt-BR pt-PT "
        "ro ru sk sl sr sv sv-SE ta te th tr uk vi zh zh-CN zh-Hans zh-Hant zh-TW"
    ),
    {**_MANDARIN, **_TAGALOG},
)
DEEPGRAM_RECALL = Codes(
    DEEPGRAM.listed - listed("ar be bn bs fa gu he hr kn mk mr sl sr ta te"), dict(_MANDARIN)
)
DEEPGRAM_DETECTED = Codes(
    frozenset(code for code in DEEPGRAM_RECALL.listed if "-" not in code), dict(_MANDARIN)
)
# What `language_hint` takes: https://developers.deepgram.com/docs/models-languages-overview
DEEPGRAM_HINTS = Codes(
    listed(
        "af ar be bn bs bg ca zh-HK zh zh-CN zh-Hans hr cs da nl en en-US en-GB en-AU en-NZ en-IN "
        "en-CA et fi nl-BE fr gl de el gu he hi hu id it ja kn ko lv lt mk ms mr no fa pl pt ro ru sr sk "
        "sl es sv ta te th tr uk vi xh zu"
    ),
    {**_MANDARIN, **_TAGALOG, "yue": "zh-HK"},
)
# https://docs.gladia.io/chapters/language/supported-languages; the names in which the forms differ (`jw`,
# `my`) only in the vendor's.
GLADIA_RECALL = Codes(
    listed(
        "af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw "
        "he hi hr ht hu hy id is it ja ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt ne nl "
        "nn no oc pa pl ps pt ro ru sa sd si sk sl sn so sq sr su sv sw ta te tg th tk tr tt uk ur uz "
        "vi yi yo zh"
    ),
    {**_MANDARIN, **_TAGALOG},
)
GLADIA = Codes(GLADIA_RECALL.listed | {"my"}, {**GLADIA_RECALL.renamed, **_JAVANESE})
# No list was found; ISO 639 codes, by Rev's own package.
REV = Codes(frozenset(), dict(_TAGALOG), keeps="language")
# https://docs.speechmatics.com/speech-to-text/languages; a hyphen stands for `output_locale`.
_SPEECHMATICS_CHINESE = {
    **{"zh": "cmn", "zh-CN": "cmn-Hans", "zh-Hans": "cmn-Hans", "zh-TW": "cmn-Hant", "zh-Hant": "cmn-Hant"},
}
SPEECHMATICS = Codes(
    listed(
        "ar ba eu be bn bg yue ca hr cs da nl en en-AU en-GB en-US eo et fi fr gl de el he hi hu id "
        "ia ga it ja ko lv lt ms mt cmn mr mn no fa pl pt ro ru sk sl es sw sv ta th tr uk ur ug vi "
        "cy"
    ),
    {**_SPEECHMATICS_CHINESE, **_TAGALOG},
)
# Identification never finds the others, and takes languages without a locale.
SPEECHMATICS_DETECTED = Codes(
    frozenset(code for code in SPEECHMATICS.listed if "-" not in code)
    - listed("bn yue eo ia ga mt ur ug sw"),
    {"zh": "cmn"},
)
# In its bilingual packs, whose members are named without a locale.
SPEECHMATICS_MIXED = Codes(listed("ar en es ms cmn ta"), {"zh": "cmn", **_TAGALOG})
# ISO 639-1 where there is one: https://elevenlabs.io/docs/capabilities/speech-to-text
ELEVENLABS = Codes(
    (GLADIA.listed | {"jv"}),
    {**_MANDARIN, **_TAGALOG},
)
# https://docs.aws.amazon.com/transcribe/latest/dg/supported-languages.html
_AWS = listed(
    "af-ZA ar-AE ar-SA am-ET cy-GB da-DK de-CH de-DE en-AB en-AU en-GB en-IE en-IN en-US en-WL "
    "es-ES es-MX es-US fa-AF fa-IR fr-CA fr-FR ga-IE gd-GB he-IL hi-IN ht-HT id-ID it-IT ja-JP "
    "jv-ID km-KH ko-KR my-MM ms-MY nl-NL pt-BR pt-PT ru-RU ta-IN te-IN tr-TR zh-CN zh-TW th-TH "
    "en-ZA en-NZ vi-VN sv-SE ab-GE ast-ES az-AZ ba-RU be-BY bg-BG bn-IN bs-BA ca-ES ckb-IQ ckb-IR "
    "cs-CZ cy-WL el-GR et-EE et-ET eu-ES fi-FI gl-ES gu-IN ha-NG hr-HR hu-HU hy-AM is-IS ka-GE "
    "kab-DZ kk-KZ kn-IN ky-KG lg-IN lt-LT lv-LV mhr-RU mi-NZ mk-MK ml-IN mn-MN mr-IN mt-MT no-NO "
    "ne-NP or-IN pa-IN pl-PL ps-AF ro-RO rw-RW si-LK sk-SK sl-SI so-SO sq-AL sr-RS su-ID sw-BI "
    "sw-KE sw-RW sw-TZ sw-UG tl-PH tt-RU ug-CN uk-UA uz-UZ wo-SN zh-HK zu-ZA"
)
_AWS_OF_SEVERAL = {
    code.split("-")[0]: code
    for code in listed("ar-SA cy-GB de-DE en-US es-ES fa-IR fr-FR pt-PT ckb-IQ et-EE sw-KE zh-CN")
}
AWS = Codes(
    _AWS,
    {
        "fil": "tl-PH",
        "cmn": "zh-CN",
        "zh-Hans": "zh-CN",
        "zh-Hant": "zh-TW",
        "yue": "zh-HK",
    },
    {**{code.split("-")[0]: code for code in sorted(_AWS)}, **_AWS_OF_SEVERAL},
)
# Every BCP 47 tag; a language alone with the region that Google's own list has:
# https://docs.cloud.google.com/speech-to-text/docs/models/chirp-3
GOOGLE = Codes(
    frozenset(),
    {
        **{"zh": "cmn-Hans-CN", "cmn": "cmn-Hans-CN", "zh-CN": "cmn-Hans-CN", "zh-Hans": "cmn-Hans-CN"},
        **{"zh-TW": "cmn-Hant-TW", "zh-Hant": "cmn-Hant-TW", "yue": "yue-Hant-HK"},
    },
    {
        code.split("-")[0]: code
        for code in listed(
            "ca-ES hr-HR da-DK nl-NL en-US fi-FI fr-FR de-DE el-GR hi-IN it-IT ja-JP ko-KR pl-PL pt-PT "
            "ro-RO ru-RU es-ES sv-SE tr-TR uk-UA vi-VN"
        )
    },
    keeps="tag",
)
