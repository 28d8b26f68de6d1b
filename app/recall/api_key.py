"""What an API key of Recall's is known by."""

from __future__ import annotations

import hashlib


def fingerprint_of(api_key: str) -> str:
    """Eight hexadecimal digits of the key's SHA-256: two keys can be told apart, neither can be read."""
    return hashlib.sha256(api_key.encode()).hexdigest()[:8]
