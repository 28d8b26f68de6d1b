"""
Recall's providers of transcription by its own names, and those that are ordered from without a policy. PURE.

https://docs.recall.ai/docs/async-transcription
"""

from __future__ import annotations

import difflib
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
# Those of the built-in policy, in the order in which they are tried.
BUILT_IN_PROVIDERS = (
    ProviderChoice("recallai_async"),
    ProviderChoice("assembly_ai_async"),
    ProviderChoice("deepgram_async"),
)

# By the names under which products know them: https://docs.bota.dev/api-reference/transcriptions
BY_VENDOR = {
    "recallai": "recallai_async",
    "assemblyai": "assembly_ai_async",
    "deepgram": "deepgram_async",
    "elevenlabs": "elevenlabs_async",
    "gladia": "gladia_v2_async",
    "rev": "rev_async",
    "speechmatics": "speechmatics_async",
    "aws": "aws_transcribe_async",
    "google": "google_speech_v2_async",
}


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


def meant_by(name: str) -> str | None:
    """The provider that a vendor's name or a misspelt key most likely means; None for one that is right."""
    known, letters = {_letters(each): each for each in sorted(ASYNC_PROVIDERS)}, _letters(name)
    meant = difflib.get_close_matches(letters, known, 1, cutoff=0.75)
    meant += [each for each in known if letters and each.startswith(letters)]
    return known[meant[0]] if meant and name not in ASYNC_PROVIDERS else None


def is_misspelt(name: str) -> bool:
    """
    Whether a key that Recall may have added is so near to a known one that it was meant. A known provider of
    another version (`gladia_v3_async`) is not misspelt.
    """
    if name in ASYNC_PROVIDERS:
        return False
    if any(re.sub(r"_v[0-9]+", "", name) == re.sub(r"_v[0-9]+", "", each) for each in ASYNC_PROVIDERS):
        return re.search(r"_v[0-9]+_async$", name) is None
    letters, known = _letters(name), [_letters(each) for each in ASYNC_PROVIDERS]
    is_beginning = len(letters) > 2 and any(each.startswith(letters) for each in known)
    return is_beginning or bool(difflib.get_close_matches(letters, known, 1, cutoff=0.85))


def _letters(name: str) -> str:
    """What the spellings of a name share: `assemblyai` of assembly_ai_async and AssemblyAI."""
    return re.sub(r"(_v[0-9]+)?(_async|_streaming)?$|[_\- ]", "", name.lower())
