"""The intents of the golden bodies, each with a name."""

from __future__ import annotations

from dataclasses import dataclass, replace

from app.core.intent import Intent

ENGLISH = Intent(languages=("en",))
_EVERYTHING = Intent(
    languages=("de-CH",),
    diarization="machine",
    speakers=3,
    key_terms=("Afterword",),
    redact=("pii",),
)


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    intent: Intent
    recording_s: float | None = 600.0
    model: int = 0


CASES = (
    Case("built in", Intent()),
    Case("one language", ENGLISH),
    Case("a region", Intent(languages=("de-CH",))),
    Case("a region that few have", Intent(languages=("en-GB",))),
    Case("Norwegian by its written standard", Intent(languages=("nb",))),
    Case("Tagalog, which BCP 47 calls Filipino", Intent(languages=("tl",))),
    Case("Chinese", Intent(languages=("zh",))),
    Case("Chinese as in Hong Kong", Intent(languages=("zh-HK",))),
    Case("traditional Chinese", Intent(languages=("zh-TW",))),
    Case("Cantonese", Intent(languages=("yue",))),
    Case("Galician, which is not Spanish", Intent(languages=("gl",))),
    Case("one of two languages", Intent(languages=("en", "de"))),
    Case("several languages, whichever", Intent(code_switching=True)),
    Case("several of two languages", Intent(languages=("en", "es"), code_switching=True)),
    Case("timeline", replace(ENGLISH, diarization="speaker-timeline")),
    Case("machine", replace(ENGLISH, diarization="machine", speakers=3)),
    Case("machine, number not known", replace(ENGLISH, diarization="machine")),
    Case("hybrid", replace(ENGLISH, diarization="hybrid")),
    Case("key terms", replace(ENGLISH, key_terms=("Afterword", "Zürich desk", "a b c d e f g h"))),
    Case("spelling", replace(ENGLISH, spelling=(("sequel", "SQL"), ("cue", "SQL"), ("9:30", "half nine")))),
    Case("profanity filter", replace(ENGLISH, profanity_filter=True)),
    Case("redaction in English", replace(ENGLISH, redact=("pii", "pci", "phi", "numbers"))),
    Case("redaction in German", Intent(languages=("de",), redact=("pii", "numbers"))),
    Case("redaction, language not known", Intent(redact=("pii",))),
    Case("no punctuation", replace(ENGLISH, punctuation=False)),
    Case("fillers kept", replace(ENGLISH, fillers=True)),
    Case("much at once", _EVERYTHING),
    Case("much at once, strict", replace(_EVERYTHING, unsupported="strict")),
    Case("length not known", ENGLISH, recording_s=None),
    Case("three hours", ENGLISH, recording_s=3 * 3600.0),
    Case("eleven hours", ENGLISH, recording_s=11 * 3600.0),
    Case("the second model", ENGLISH, model=1),
    Case("the fourth model", ENGLISH, model=3),
)
