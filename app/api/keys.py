"""
API keys: made, kept as SHA-256, and looked up. A key has 256 random bits, so a fast hash is enough.

A request costs no question to the database: keys are read once a second at most, by one thread. A key that
was revoked opens nothing from then on.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from enum import StrEnum

from app.adapters.sql.access import AccessKey
from app.errors import StoreUnavailable
from app.settings.values import ApiKey

NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
REREAD_AFTER_S = 1.0
_PREFIX = "aw_"


class Scope(StrEnum):
    READ = "transcriptions:read"
    WRITE = "transcriptions:write"
    DELETE = "transcriptions:delete"
    CONFIG_READ = "config:read"
    CONFIG_WRITE = "config:write"


def new_key() -> str:
    return _PREFIX + secrets.token_urlsafe(32)


def digest_of(key: str) -> str:
    """Lower-case hex, as `AFTERWORD_API_KEYS` has it."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


class Keyring:
    """
    Who may ask. `kept`: those of the database; raises `StoreUnavailable`. `named`: those of the settings.
    """

    def __init__(self, kept: Callable[[], Sequence[AccessKey]], named: Sequence[ApiKey] = ()) -> None:
        self._kept = kept
        self._named = tuple(AccessKey(key.name, key.digest, key.scopes) for key in named)
        self._known: tuple[AccessKey, ...] | None = None
        self._read_at = float("-inf")
        self._reading = threading.Lock()

    def key_of(self, authorization: str) -> AccessKey | None:
        """
        The key that a header `Authorization` bears. Every known one is compared, whole: how long it takes
        depends on their number alone. Raises `StoreUnavailable` where keys were never read yet.
        """
        scheme, _, given = authorization.partition(" ")
        digest = digest_of(given.strip(" \t"))
        found = None
        for key in (*self._named, *self._fresh()):
            if hmac.compare_digest(key.digest, digest):
                found = key
        return found if scheme.lower() == "bearer" else None

    def _fresh(self) -> tuple[AccessKey, ...]:
        is_first = self._known is None
        if time.monotonic() - self._read_at >= REREAD_AFTER_S and self._reading.acquire(blocking=is_first):
            try:
                self._read()
            finally:
                self._reading.release()
        return self._known or ()

    def _read(self) -> None:
        if time.monotonic() - self._read_at < REREAD_AFTER_S:
            return  # by the thread that this one waited for
        try:
            self._known = tuple(key for key in self._kept() if key.revoked_at is None)
        except StoreUnavailable:
            if self._known is None:
                raise
        self._read_at = time.monotonic()  # after a failure, too: requests do not queue up for the next one
