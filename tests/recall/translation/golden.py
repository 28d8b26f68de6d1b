"""The golden bodies as text: a file per provider, a paragraph per intent, a line per form of the options."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

from app.recall.translation import Generation, Ineligible, Translated, translated
from tests.recall.translation.cases import CASES, Case

FOLDER = Path(__file__).parent / "golden"
GENERATIONS: tuple[Generation, ...] = get_args(Generation)


def rendered(provider: str) -> str:
    lines = [f"What {provider} is told. Written by `python -m tests.recall.translation`; read, not edited."]
    for case in CASES:
        lines += ["", f"# {case.name}", *_forms(provider, case)]
    return "\n".join(lines) + "\n"


def _forms(provider: str, case: Case) -> list[str]:
    told = [_of(provider, case, generation) for generation in GENERATIONS]
    if told[0] == told[1]:
        return told[0]
    return [f"{form}: {line}" for form, lines in zip(GENERATIONS, told, strict=True) for line in lines]


def _of(provider: str, case: Case, generation: Generation) -> list[str]:
    result = translated(provider, case.intent, generation, recording_s=case.recording_s, model=case.model)
    if isinstance(result, Ineligible):
        return [f"ineligible by {result.intent}: {result.reason}"]
    return [json.dumps(body(provider, result), ensure_ascii=False), *_notes(result)]


def body(provider: str, result: Translated) -> dict[str, object]:
    """The request's body, less our metadata."""
    return {
        "provider": {provider: result.options},
        "diarization": {"use_separate_streams_when_available": result.use_separate_streams},
    }


def _notes(result: Translated) -> list[str]:
    notes = []
    if result.left_out:
        notes.append(f"  left out: {'; '.join(result.left_out)}")
    if result.changed:
        notes.append(f"  changed: {'; '.join(result.changed)}")
    return notes
