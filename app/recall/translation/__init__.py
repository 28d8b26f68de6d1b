"""
One intent in the words of each of Recall's asynchronous providers, in both generations of their options. PURE.
"""

from __future__ import annotations

from app.core.intent import Intent
from app.recall.translation.outcome import Generation, Ineligible, Translated


def translated(
    provider: str,
    intent: Intent,
    generation: Generation,
    *,
    recording_s: float | None = None,
    model: int = 0,
) -> Translated | Ineligible:
    """The request's options for this provider, or why it cannot honour the intent."""
    raise NotImplementedError
