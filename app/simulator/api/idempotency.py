"""
Idempotency-Key: one execution per key, user, method and path, remembered for an hour after it ended.

Refusals are remembered too (a 507 comes back until the key is changed); bodies are not compared.
Source: https://docs.recall.ai/reference-link/idempotency.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from app.simulator.api.answers import Answer, conflict
from app.simulator.model.state import World

REMEMBERED_S = 3600.0

Identity = tuple[str, str, str, str]
"""Key, user (here: the API key), method, path."""


@dataclass(slots=True)
class _Entry:
    answer: Answer | None = None
    forget_at: float = 0.0


class Memory:
    """The answers of the last hour, and what is still running."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._entries: dict[Identity, _Entry] = {}
        world.on_reset.append(self._entries.clear)

    def begin(self, identity: Identity) -> Answer | None:
        """None when this request is to be executed (`end` must follow), else the answer it gets instead."""
        with self._world.lock:
            entry = self._entries.get(identity)
            if entry and entry.answer and entry.forget_at <= self._world.clock.now():
                entry = None
            if entry is None:
                self._entries[identity] = _Entry()
                return None
            if entry.answer is None:
                return conflict()
            self._world.bill.creates_replayed += 1
            return entry.answer

    def end(self, identity: Identity, answer: Answer | None) -> None:
        """Remember the answer for an hour; None, or one that is not to be remembered, frees the key."""
        with self._world.lock:
            replayed = answer is not None and (answer.status < 400 or self._world.settings.errors_replayed)
            if answer is None or not answer.remember or not replayed:
                self._entries.pop(identity, None)
                return
            # Only the first sender meets the lost or late answer; it was stored whole.
            whole = replace(answer, cut=False, late_s=0.0)
            self._entries[identity] = _Entry(whole, self._world.clock.now() + REMEMBERED_S)
