"""
How an order of `/v1` is decided in the web process: as everywhere, by one event on the state of now. Nothing
is handed to the queue, which is the dispatcher's to do within a second: no request waits for Redis.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog

from app.adapters.sql.store import SqlStore
from app.clock import SystemClock
from app.core.policy import Policy
from app.orchestrator.records import Announce, AnnouncementOffer, Offerable, announce_nothing
from app.orchestrator.transitions import Advancer


class NoQueue:
    """A queue without room. See `app.orchestrator.ports.Queue`."""

    def room(self) -> int:
        return 0

    def offer(self, items: Sequence[Offerable]) -> None:
        raise AssertionError("nothing is offered to a queue without room")

    def offer_announcements(self, items: Sequence[AnnouncementOffer]) -> None:
        """Left to the dispatcher, too."""

    def wake_inbox(self) -> None: ...

    def ask_reconcile(self) -> None: ...


def open_transitions(
    store: SqlStore, policies: Mapping[str, Policy], announce: Announce = announce_nothing
) -> Advancer:
    """By the policies of the settings, by workspace."""
    return Advancer(store, NoQueue(), SystemClock(), structlog.get_logger(), policies.__getitem__, announce)
