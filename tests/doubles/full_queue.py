"""A queue that takes no commands."""

from __future__ import annotations

from collections.abc import Sequence

from app.orchestrator.records import AnnouncementOffer, Offerable


class FullQueue:
    """`ports.Queue` without room: what would be handed to workers is seen in the store."""

    def __init__(self) -> None:
        self.passes_asked = 0

    def offer_announcements(self, items: Sequence[AnnouncementOffer]) -> None:
        assert not items

    def offer(self, items: Sequence[Offerable]) -> None:
        assert not items, "a full queue was offered a command"

    def wake_inbox(self) -> None: ...

    def ask_reconcile(self) -> None:
        self.passes_asked += 1

    def room(self) -> int:
        return 0
