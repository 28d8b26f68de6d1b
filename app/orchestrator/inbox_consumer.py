"""Applies what was received: a delivery becomes an event, and `transitions` commits what follows from it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from app.core import events
from app.errors import AlreadyApplied, StoreUnavailable
from app.orchestrator.command_runner import DEAD_LETTER_AFTER
from app.orchestrator.database_time import DatabaseTime
from app.orchestrator.parts import Parts
from app.orchestrator.ports import DeliveryInbox
from app.orchestrator.records import Closing, Delivery, Received, Source
from app.recall.examples import NOTE, is_example
from app.recall.json_fields import Unreadable
from app.recall.webhook_events import decode_delivery


class InboxConsumer:
    """Holds no state between calls."""

    def __init__(self, parts: Parts) -> None:
        self._store: DeliveryInbox = parts.store
        self._clock, self._log, self._timing = parts.clock, parts.log, parts.timing
        self._transitions, self._account = parts.transitions, parts.account
        self._workspaces, self._presence = parts.workspaces, parts.presence

    def receive(self, limit: int = 100) -> int:
        """Applies unapplied deliveries, oldest first; returns how many were looked at."""
        total, has_more = 0, True
        while has_more:
            received = self._store.receive(limit, self._presence)
            deliveries = self._without_unknown(received.deliveries)
            self._apply_all(replace(received, deliveries=deliveries))
            total, has_more = total + len(received.deliveries), received.has_more
        return total

    def _without_unknown(self, deliveries: list[Delivery]) -> list[Delivery]:
        """Those of workspaces in the settings; the others go back, untried, and wait for theirs."""
        unknown = [d for d in deliveries if d.workspace not in self._workspaces]
        for workspace in sorted({d.workspace for d in unknown}):
            self._account.suspend(workspace, probe_after_s=self._timing.workspace_unknown_every_s)
        if unknown:
            self._store.return_deliveries([d.id for d in unknown])
        return [d for d in deliveries if d not in unknown]

    def _apply_all(self, received: Received) -> None:
        """One delivery's trouble is not its neighbours': only those begun keep the try that was counted."""
        failures: list[Exception] = []
        closings: list[Closing] = []  # in one transaction: most of Recall's kinds of webhook end so
        begun, deliveries = 0, received.deliveries
        time = DatabaseTime(self._store.now, self._clock.boottime, received.at)
        try:
            for delivery in deliveries:
                try:
                    closings += self._apply(delivery, time.now(), received.away_until)
                except StoreUnavailable:
                    raise
                # The outermost line of one delivery: it is logged, it stays for another try, and RQ is told.
                except Exception as error:
                    self._log.exception("delivery_failed", delivery=delivery.id, tries=delivery.tries)
                    failures.append(error)
                begun += 1
            self._store.close_deliveries(closings)
        except StoreUnavailable:
            # The store failed, no delivery: none of these tries counts.
            with suppress(StoreUnavailable):
                unclosed = [c.delivery_id for c in closings]
                self._store.return_deliveries([*unclosed, *(d.id for d in deliveries[begun:])])
            raise
        if failures:
            raise failures[0]

    def _apply(self, delivery: Delivery, at: float, away_until: float) -> tuple[Closing, ...]:
        """What is left to close, when it is about no transcription."""
        if delivery.tries > DEAD_LETTER_AFTER:
            return (Closing(delivery.id, "unreadable: gave up after 8 crashed attempts"),)
        try:
            decoded = decode_delivery(delivery.body, at=at)
        except Unreadable as error:
            self._log.warning("delivery_unreadable", delivery=delivery.id, cause=error.reason)
            return (Closing(delivery.id, f"unreadable: {error.reason}"),)
        if is_example(decoded.recording_id):
            self._log.info("delivery_ignored", delivery=delivery.id, kind=decoded.kind, why=NOTE)
            return (Closing(delivery.id, NOTE, decoded.kind),)
        if decoded.event is None or decoded.recording_id is None:
            self._log.info("delivery_ignored", delivery=delivery.id, kind=decoded.kind, why=decoded.note)
            return (
                Closing(delivery.id, decoded.note or "nothing to do", decoded.kind, decoded.recording_id),
            )
        event = self._dated(delivery, decoded.event, decoded.happened_at, away_until=away_until)
        source = Source(delivery_id=delivery.id, by="webhook")
        try:
            self._transitions.advance(delivery.workspace, decoded.recording_id, event, source)
        except AlreadyApplied:
            self._log.info("delivery_taken_by_another", delivery=delivery.id)
        return ()

    def _dated(
        self, delivery: Delivery, event: events.Event, happened_at: float | None, *, away_until: float
    ) -> events.Event:
        """
        Old news of a recording, or news from before we were away, is looked up before it is paid for. News
        from the future is of unknown age: the database's clock is behind Recall's.
        """
        if not isinstance(event, events.RecordingDone) or happened_at is None:
            return event
        durations = self._workspaces[delivery.workspace].policy.durations
        age_s = event.at - happened_at
        is_fresh = -durations.news_ahead_at_most_s <= age_s <= durations.news_is_old_after_s
        return replace(event, lookup_required=not is_fresh or happened_at < away_until)
