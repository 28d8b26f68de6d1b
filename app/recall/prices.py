"""
What providers charge for an hour of recording, where a source says so. PURE: estimates for a policy without
prices of its own. What an account has agreed on stands in its contract, and belongs into `[cost] per_hour`.

No price is guessed. Of Deepgram the sources disagree (0.26 to 0.55 USD); those of Gladia, Speechmatics and
Rev hang on the plan; of ElevenLabs, AWS and Google none was found that quotes the vendor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.core.cost import Prices, micros_of

CURRENCY = "USD"


@dataclass(frozen=True, slots=True)
class Quoted:
    """`per_hour` in `CURRENCY`; `read`: when the source had it, ISO 8601."""

    per_hour: float
    read: str
    source: str


_PLANS = "https://raw.githubusercontent.com/api-evangelist/{0}/refs/heads/main/plans/{0}-plans-pricing.yml"
PRICES: Mapping[str, Quoted] = {
    # A third party's summary of https://www.recall.ai/pricing, "updated 2026".
    "recallai_async": Quoted(0.15, "2026-11-28", _PLANS.format("recall-ai")),
    # Quoted from https://www.assemblyai.com/pricing: the dearer of its two models for recordings, the other
    # is 0.15.
    "assembly_ai_async": Quoted(0.21, "2026-10-07", _PLANS.format("assemblyai")),
}
# Where each participant's stream is transcribed by itself, speech at the same time is paid for twice.
# Recall's documentation of 2025 said about 1.8 times on average, notes of 2026 say 1.6 to 2.2 for async
# ones; today's page names no figure. An estimate that is too low would let a budget be exceeded.
# https://docs.recall.ai/docs/async-transcription
SEPARATE_STREAMS_FACTOR = 1.8
BUILT_IN_PRICES = Prices(
    CURRENCY,
    {provider: micros_of(quoted.per_hour) for provider, quoted in PRICES.items()},
    SEPARATE_STREAMS_FACTOR,
)
