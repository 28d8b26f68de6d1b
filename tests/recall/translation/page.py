"""The tables of docs/providers.md, out of what the translation does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from app.core.intent import Intent
from app.recall.translation import Generation, Ineligible, translated
from app.recall.translation.models import models_of
from app.recall.translation.shape import Column
from app.recall.translation.table import MODELS_CHECKED, TABLE
from app.recall.translation.vendor_words import ASSEMBLY_PROFANITY

PAGE = Path(__file__).resolve().parents[3] / "docs" / "providers.md"
_BEGIN, _END = "<!-- written by python -m tests.recall.translation -->", "<!-- as far as here -->"
_EN = Intent(languages=("en",))
_MACHINE = replace(_EN, diarization="machine")
# What is asked, and how: with English where languages make a difference, and then with Welsh as well.
_ASKED: tuple[tuple[str, Intent], ...] = (
    ("language: one", _EN),
    ("language: `auto`", Intent()),
    ("language: one of a list", Intent(languages=("en", "de"))),
    ("code switching, whichever", Intent(code_switching=True)),
    ("code switching in a list", Intent(languages=("en", "es"), code_switching=True)),
    ("diarization: separate streams, timeline", _EN),
    ("diarization: machine, hybrid", _MACHINE),
    ("speakers (with machine)", replace(_MACHINE, speakers=3)),
    ("key terms", replace(_EN, key_terms=("Afterword",))),
    ("spelling", replace(_EN, spelling=(("sequel", "SQL"),))),
    ("profanity filter", replace(_EN, profanity_filter=True)),
    *((f"redact: {kind}", replace(_EN, redact=(kind,))) for kind in ("pii", "pci", "phi", "numbers")),
    ("punctuation = false", replace(_EN, punctuation=False)),
    ("fillers = true", replace(_EN, fillers=True)),
)
assert "cy" not in ASSEMBLY_PROFANITY


def rendered(text: str) -> str:
    """The page with its tables written anew."""
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    tables = "\n".join((*_intents(), "", *_models()))
    return f"{before}{_BEGIN}\n\n{tables}\n\n{_END}{after}"


def _intents() -> list[str]:
    names = [key.removesuffix("_async") for key in TABLE]
    rows = [f"| intent | {' | '.join(names)} |", "|---|" + "---|" * len(names)]
    for name, intent in _ASKED:
        cells = " | ".join(_cell(provider, intent) for provider in TABLE)
        rows.append(f"| {name} | {cells} |")
    return rows


def _cell(provider: str, intent: Intent) -> str:
    in_vendor, in_recall = (_answer(provider, intent, form) for form in ("vendor", "recall"))
    if in_vendor == in_recall:
        return in_vendor
    return f"{in_vendor} (recall: {in_recall})"


def _answer(provider: str, intent: Intent, generation: Generation) -> str:
    told = translated(provider, intent, generation, recording_s=600.0)
    if isinstance(told, Ineligible):
        return "ineligible"
    if told.left_out:
        return "left out"
    if intent.languages != ("en",):
        return "yes"
    elsewhere = translated(provider, replace(intent, languages=("cy",)), generation, recording_s=600.0)
    if isinstance(elsewhere, Ineligible):  # not one of its languages: nothing is known of others
        elsewhere = translated(provider, replace(intent, languages=("bg",)), generation, recording_s=600.0)
    return "some languages" if isinstance(elsewhere, Ineligible) or elsewhere.left_out else "yes"


def _models() -> list[str]:
    rows = [
        f"Models, checked on {MODELS_CHECKED}; the first is sent, the next after a refusal that names it:",
        "",
        '| provider | form "vendor" | form "recall" | longest recording |',
        "|---|---|---|---|",
    ]
    for provider, entry in TABLE.items():
        vendor, recall = (", ".join(models_of(provider, form)) or "none" for form in ("vendor", "recall"))
        recall = "the only form" if entry.schema == "one" else recall
        rows.append(f"| {provider} | {vendor} | {recall} | {_longest(entry.vendor)} |")
    return rows


def _longest(column: Column) -> str:
    if column.longest_s is not None:
        return f"{column.longest_s / 60:.0f} min"
    limits = [f"{m.name}: {m.longest_s / 60:.0f} min" for m in column.models if m.longest_s is not None]
    return ", ".join(limits) or "not known"
