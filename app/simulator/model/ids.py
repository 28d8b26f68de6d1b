"""
Identities that a seed decides: a script played twice meets the same ids, whatever the order of its threads.
"""

from __future__ import annotations

import random
import string
import threading
import uuid
from collections import Counter

_BASE62 = string.digits + string.ascii_letters


class Ids:
    """Draws the n-th id for a `path` from the seed, the path and n alone."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._drawn: Counter[str] = Counter()
        self._lock = threading.Lock()

    def rng(self, *path: str) -> random.Random:
        """A generator of its own for the next thing called `path`."""
        name = "/".join(path)
        with self._lock:
            self._drawn[name] += 1
            nth = self._drawn[name]
        return random.Random(f"{self.seed}/{name}/{nth}")

    def uuid(self, *path: str) -> str:
        """A UUID (version 4 in form), as all of Recall's ids are."""
        return str(uuid.UUID(int=self.rng(*path).getrandbits(128), version=4))

    def message(self, *path: str) -> str:
        """A `webhook-id` as Svix makes them: `msg_` and 27 characters."""
        return "msg_" + "".join(self.rng(*path, "message").choices(_BASE62, k=27))

    def number(self, *path: str) -> int:
        """A positive 31-bit number, used as the seed of a meeting."""
        return self.rng(*path, "number").getrandbits(31)
