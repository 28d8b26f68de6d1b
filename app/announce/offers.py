"""What is due again, handed to the queue: by the dispatcher, about each second."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

from app.announce.schedule import Schedule
from app.orchestrator.records import AnnouncementOffer
from app.settings.outgoing import Endpoint

_MOST_EACH = 50  # of one endpoint at a time: one that is far behind takes no other's place


class OffersStore(Protocol):
    """See `app.adapters.sql.announcements`."""

    def due_announcements(
        self, digests: Mapping[str, str], *, limit_each: int, offer_again_s: float
    ) -> list[AnnouncementOffer]: ...

    def mark_announcements_offered(self, ids: Iterable[int]) -> None: ...


class OffersQueue(Protocol):
    """The part of the queue that is needed here."""

    def offer_announcements(self, items: Sequence[AnnouncementOffer]) -> None: ...


class Offers:
    """Asks nothing where there are no endpoints."""

    def __init__(
        self, store: OffersStore, queue: OffersQueue, endpoints: Collection[Endpoint], schedule: Schedule
    ) -> None:
        self._store, self._queue, self._schedule = store, queue, schedule
        self._digests = {endpoint.name: endpoint.digest for endpoint in endpoints}

    def hand_over(self) -> None:
        """Reads, offers, then marks. Raises `StoreUnavailable`, `QueueUnavailable`."""
        if not self._digests:
            return
        due = self._store.due_announcements(
            self._digests, limit_each=_MOST_EACH, offer_again_s=self._schedule.offer_again_s
        )
        if due:
            self._queue.offer_announcements(due)
            self._store.mark_announcements_offered([one.id for one in due])
