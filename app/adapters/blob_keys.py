"""
What a key in a store of results is: names between slashes that lead nowhere else, on a disk as in an address.
"""

from __future__ import annotations

import re

from app.errors import BlobError

_PART = re.compile(r"[A-Za-z0-9._-]{1,200}")
_LONGEST = 1000


def is_key(text: str) -> bool:
    """Whether `parts_of` takes it."""
    return len(text) <= _LONGEST and all(_PART.fullmatch(p) and p.strip(".") for p in text.split("/"))


def parts_of(key: str) -> list[str]:
    """The names in it. Raises `BlobError` for what is no key."""
    if not is_key(key):
        raise BlobError("not a key: names of letters, digits, '.', '_' and '-' between single slashes")
    return key.split("/")
