"""
Recall's providers of transcription by its own names, and those that are ordered from without a policy. PURE.

Options are sent exactly as they stand: https://docs.recall.ai/docs/async-transcription
"""

from __future__ import annotations

import re

from app.core.policy import ProviderChoice

# Known in 2026; others may be added without notice.
ASYNC_PROVIDERS = frozenset(
    {
        "recallai_async",
        "assembly_ai_async",
        "deepgram_async",
        "gladia_v2_async",
        "rev_async",
        "speechmatics_async",
        "elevenlabs_async",
        "aws_transcribe_async",
        "google_speech_v2_async",
    }
)
BUILT_IN_PROVIDERS = (
    ProviderChoice("recallai_async", {"language_code": "auto"}),
    ProviderChoice("assembly_ai_async", {"language_detection": True}),
    ProviderChoice("deepgram_async", {"model": "nova-3", "language": "multi"}),
)


def may_be_async(key: str) -> bool:
    """Whether a name is formed like those of asynchronous providers, known here or not."""
    return re.fullmatch(r"[a-z0-9_]+_async", key) is not None


def is_realtime_provider(key: str | None) -> bool:
    """
    True for a provider that works during the meeting: `*_streaming`, `meeting_captions`, `zoom_rtms`,
    and any that does not say `_async` (once it did: `assembly_ai_async_chunked`).

    None, a transcript of unknown origin, is not real-time: in doubt it was paid for.
    """
    return key is not None and "_async" not in key
