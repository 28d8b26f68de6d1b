"""The policy without a policy file; a test of the settings holds theirs against it."""

from __future__ import annotations

from app.core.policy import Policy
from app.recall.prices import BUILT_IN_PRICES
from app.recall.providers import BUILT_IN_PROVIDERS


def built_in() -> Policy:
    """Three providers, each once, everything selected."""
    return Policy(BUILT_IN_PROVIDERS, len(BUILT_IN_PROVIDERS), prices=BUILT_IN_PRICES)
