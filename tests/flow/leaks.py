"""
What must never be seen outside the stored files, and the places to look: Redis is watched while the
programme runs, because a job is gone as soon as it is done.
"""

from __future__ import annotations

import json
import re
import threading
import zlib
from contextlib import suppress
from typing import Any

from redis.exceptions import RedisError

from tests.flow.stage import Installation

_RUN = 5  # so many words in a row are a quotation
_WORD = re.compile(r"\w+")


class JobWatch(threading.Thread):
    """Copies every job it sees in Redis."""

    def __init__(self, place: Installation) -> None:
        super().__init__(daemon=True)
        self._redis = place.redis
        self._over = threading.Event()
        self.calls: dict[str, list[Any]] = {}
        self.texts: set[str] = set()

    def run(self) -> None:
        while not self._over.wait(0.03):
            with suppress(RedisError):
                for key in self._redis.scan_iter("rq:job:*", count=1000):
                    self._copy(key.decode())
        self._redis.close()

    def stop(self) -> None:
        self._over.set()
        self.join()

    def _copy(self, key: str) -> None:
        job: Any = self._redis.hgetall(key)  # typed as if it were always decoded
        data = job.pop(b"data", None)
        if data is not None:
            self.calls[key] = json.loads(zlib.decompress(data))
        self.texts |= {value.decode("utf-8", "replace") for value in job.values()}


def secrets_of(place: Installation) -> list[str]:
    """Texts that must stand in no log and on no page."""
    secret = place.environment["RECALL_WEBHOOK_SECRETS"]
    return [
        place.environment["RECALL_API_KEY"],
        secret,
        secret.removeprefix("whsec_"),
        "Simulated-Signature",
        "Simulated-Expires",
    ]


def people_of(place: Installation) -> set[str]:
    """Names and addresses of everybody who spoke."""
    people = [turn["participant"] for turn in _turns(place)]
    names = {person["name"] for person in people if person["name"]}
    # A voice called A or 2 is nobody, and would be found everywhere.
    return {name for name in names if len(name) > 3} | {p["email"] for p in people if p.get("email")}


def quotations_of(place: Installation) -> set[tuple[str, ...]]:
    """Every few words in a row that somebody said."""
    said: set[tuple[str, ...]] = set()
    for turn in _turns(place):
        said |= _runs(" ".join(word["text"] for word in turn["words"]))
    return said


def leaks(place: Installation, text: str) -> list[str]:
    """What of all that stands in `text`."""
    found = [secret for secret in secrets_of(place) if secret in text]
    found += [name for name in people_of(place) if name in text]
    return found + [" ".join(run) for run in _runs(text) & quotations_of(place)]


def _runs(text: str) -> set[tuple[str, ...]]:
    words = _WORD.findall(text.lower())
    return {tuple(words[start : start + _RUN]) for start in range(len(words) - _RUN + 1)}


def _turns(place: Installation) -> list[dict[str, Any]]:
    recordings = place.recall.simulator.world.recordings.values()
    return [turn for recording in recordings for turn in recording.meeting.turns]
