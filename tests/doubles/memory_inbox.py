"""The deliveries of the record in memory; see `memory_store`."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

from app.orchestrator.records import Closing, Delivery, NewDelivery, PauseSubject, Presence, Received
from tests.doubles.memory_faults import MemoryFaults
from tests.doubles.memory_rows import DeliveryRow


class MemoryInbox(MemoryFaults):
    """The inbox of `app.orchestrator.ports.Store`. What a test wants to see is public."""

    def __init__(self) -> None:
        super().__init__()
        self.deliveries: dict[tuple[str, str], DeliveryRow] = {}
        self._ids = itertools.count(1)

    # -- inbox -----------------------------------------------------------------------------------

    def add_deliveries(self, rows: Sequence[NewDelivery]) -> None:
        with self._lock:
            for new in rows:
                self.deliveries.setdefault((new.workspace, new.webhook_id), DeliveryRow(next(self._ids), new))

    def receive(self, limit: int, presence: Presence) -> Received:
        away_until = self.record_heartbeat(quiet_s=presence.quiet_s, boot=presence.boot)
        found = self.take_deliveries(limit)
        waiting = [d for d in self.deliveries.values() if d.applied_at is None]
        return Received(found, self.now(), away_until, has_more=len(waiting) > len(found) > 0)

    def take_deliveries(self, limit: int) -> list[Delivery]:
        with self._lock:
            waiting = [d for d in self.deliveries.values() if self._is_waiting(d)]
            untried = [d for d in waiting if d.tries == 0][:limit]
            taken = untried or sorted(waiting, key=lambda d: (d.tries, d.id))[:1]
            for delivery in taken:
                delivery.tries += 1
            return [
                Delivery(d.id, d.new.workspace, d.new.webhook_id, d.new.received_at_s, d.new.body, d.tries)
                for d in taken
            ]

    def return_deliveries(self, delivery_ids: Sequence[int]) -> None:
        with self._lock:
            for delivery in self.deliveries.values():
                if delivery.id in delivery_ids and delivery.tries > 0:
                    delivery.tries -= 1

    def close_deliveries(self, closings: Sequence[Closing]) -> None:
        with self._lock:
            for closing in closings:
                row = self._unapplied(closing.delivery_id)
                if row is not None:
                    row.applied_at, row.note, row.kind = self.now(), closing.note, closing.kind

    def forget_bodies(self, *, older_than_s: float, limit: int) -> int:
        with self._lock:
            old = [
                d
                for d in self.deliveries.values()
                if d.has_body and d.kind is not None and (d.applied_at or 0.0) < self.now() - older_than_s
            ]
            for delivery in old[:limit]:
                delivery.new, delivery.has_body = replace(delivery.new, body=b""), False
            return len(old[:limit])

    def forget_news(self, workspace: str, recording_id: str) -> None:
        """Deliveries have no recording here."""

    def has_unapplied(self) -> bool:
        with self._lock:
            return any(self._is_waiting(d) for d in self.deliveries.values())

    def _is_waiting(self, row: DeliveryRow) -> bool:
        pause = self.pauses.get(row.new.workspace)
        return row.applied_at is None and (
            pause is None or pause.subject is not PauseSubject.WORKSPACE_UNKNOWN
        )

    def _unapplied(self, delivery_id: int) -> DeliveryRow | None:
        found = (d for d in self.deliveries.values() if d.id == delivery_id and d.applied_at is None)
        return next(found, None)
