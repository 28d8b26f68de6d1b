"""
The lease of one command: renewed in the background while its effect works, and asked for before anything is
put in place.
"""

from __future__ import annotations

from threading import Event as Flag
from threading import Thread
from typing import Self

from app.errors import LeaseLost, StoreUnavailable
from app.orchestrator.ports import Leases
from app.orchestrator.records import Leased


class LeaseRenewer(Thread):
    """Renews one lease in the background; `is_lost` once it went to another."""

    def __init__(self, store: Leases, leased: Leased, *, lease_s: float, every_s: float) -> None:
        super().__init__(name="lease", daemon=True)
        self._store, self._leased = store, leased
        self._lease_s, self._every_s = lease_s, every_s
        self._is_done, self._is_lost = Flag(), Flag()

    def run(self) -> None:
        while not self._is_done.wait(self._every_s):
            try:
                kept = self._store.renew(self._leased, lease_s=self._lease_s)
            except StoreUnavailable:
                continue  # the lease may run out; `check` and the commit will notice
            if not kept:
                self._is_lost.set()
                return

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *trouble: object) -> None:
        self._is_done.set()

    @property
    def is_lost(self) -> bool:
        """Known to be lost; costs nothing."""
        return self._is_lost.is_set()

    def raise_if_lost(self) -> None:
        """Raises `LeaseLost` when it is known to be lost; costs nothing."""
        if self.is_lost:
            raise LeaseLost(self._leased.command.key)

    def check(self) -> None:
        """Asks the database; before a file or a state is put in place."""
        self.raise_if_lost()
        if not self._store.renew(self._leased, lease_s=self._lease_s):
            raise LeaseLost(self._leased.command.key)
