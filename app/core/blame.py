"""What the end of an attempt says about its provider. PURE; `app.adapters.breaker` counts it for all."""

from __future__ import annotations

from collections.abc import Iterator

from app.core import events
from app.core.state import Attempt, Fate, Transcription

# Sub codes that blame the provider: https://docs.recall.ai/docs/recording-webhooks
_PROVIDER_FAULTS = "provider_"


def verdicts(before: Transcription, after: Transcription, event: events.Event) -> Iterator[tuple[str, bool]]:
    """
    Each provider of which something was learnt, and whether it worked: a transcript of it was finished, or
    Recall blames it. What Recall says of the recording or of us is nothing against a provider.
    """
    for line in after.attempts:
        old = before.attempt_of(ordinal=line.ordinal)
        if old is None or old.fate is line.fate or not line.provider:
            continue
        if line.fate in (Fate.DONE, Fate.EMPTY):
            yield line.provider, True
        elif _is_blamed(line, event):
            yield line.provider, False


def _is_blamed(line: Attempt, event: events.Event) -> bool:
    if line.fate is Fate.REFUSED:
        return isinstance(event, events.CreateRefused) and event.refusal is events.Refusal.PROVIDER
    return line.fate is Fate.FAILED and (line.error or "").startswith(_PROVIDER_FAULTS)
