"""What a worker takes from a store at the beginning of a job, without the rest that it is told."""

from __future__ import annotations

from app.orchestrator.ports import DeliveryInbox, Leases
from app.orchestrator.records import Delivery, Leased, Presence

_HERE = Presence(quiet_s=1e12)  # no gap between two heartbeats counts as an absence


def take(store: Leases, command_id: int, *, lease_s: float) -> Leased | None:
    """The command with a new token, when it is due, unfinished and not leased; else None."""
    begun = store.begin(command_id, _HERE, lease_s=lease_s)
    return begun.leased if begun is not None else None


def take_deliveries(store: DeliveryInbox, limit: int) -> list[Delivery]:
    """Deliveries to apply, each with a try more."""
    return store.receive(limit, _HERE).deliveries
