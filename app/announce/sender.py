"""
One announcement, from its number to what became of it. Many processes may run it: a row is sent by the one
that has its lease. What is sent may arrive twice, never not at all: the row is settled after the answer.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from structlog.typing import FilteringBoundLogger

from app.adapters.sql.announcements import Try
from app.announce.exchange import Answer, post
from app.announce.payload import Payloads
from app.announce.schedule import Schedule
from app.announce.signing import signed_headers
from app.errors import BlobsUnavailable
from app.orchestrator.records import TakenAnnouncement
from app.settings.outgoing import Endpoint


class SenderStore(Protocol):
    """See `app.adapters.sql.announcements`."""

    def take_announcement(
        self, announcement_id: int, endpoint: str, digest: str, *, lease_s: float, probe_s: float
    ) -> TakenAnnouncement | None: ...

    def settle_announcement(
        self, taken: TakenAnnouncement, ended: Try, *, digest: str, next_after_s: float | None, open_s: float
    ) -> None: ...

    def put_off_announcement(self, taken: TakenAnnouncement, *, after_s: float) -> None: ...


class Sender:
    """Holds no state between announcements; may be used by many threads."""

    def __init__(
        self,
        store: SenderStore,
        payloads: Payloads,
        schedule: Schedule,
        log: FilteringBoundLogger,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`now`: signatures bear real time."""
        self._store, self._payloads, self._schedule, self._log = store, payloads, schedule, log
        self._now = now

    def send(self, announcement_id: int, endpoint: Endpoint) -> Answer | None:
        """
        Once, if it is due and the endpoint may be asked; else None.

        Raises:
            StoreUnavailable: It is sent again when its lease is over.
        """
        schedule = self._schedule
        taken = self._store.take_announcement(
            announcement_id,
            endpoint.name,
            endpoint.digest,
            lease_s=schedule.lease_s,
            probe_s=schedule.probe_s,
        )
        if taken is None:
            return None
        try:
            body = taken.body or self._payloads.body(taken, endpoint)
        except BlobsUnavailable as trouble:
            self._log.error("storage_unavailable", recording=taken.recording_id, cause=str(trouble))
            self._store.put_off_announcement(taken, after_s=schedule.storage_again_s)
            return None
        headers = signed_headers(taken.webhook_id, body, endpoint.secrets, at=self._now())
        answer = post(endpoint, headers, body.encode(), timeout_s=schedule.timeout_s)
        self._settle(taken, endpoint, answer, body)
        return answer

    def _settle(self, taken: TakenAnnouncement, endpoint: Endpoint, answer: Answer, body: str) -> None:
        next_s = self._schedule.next_after_s(
            taken.tries,
            status=answer.status,
            cause=answer.cause,
            retry_after_s=answer.retry_after_s,
            dice=random.random(),
        )
        ended = Try(
            answer=str(answer.status or answer.cause),
            took_s=answer.took_s,
            is_taken=answer.is_taken,
            is_gone=answer.is_gone,
            body=body,
        )
        self._store.settle_announcement(
            taken, ended, digest=endpoint.digest, next_after_s=next_s, open_s=self._schedule.open_s
        )
        self._tell(taken, answer, next_s)

    def _tell(self, taken: TakenAnnouncement, answer: Answer, next_s: float | None) -> None:
        line = self._log.bind(
            endpoint=taken.endpoint,
            announced=taken.event,
            recording=taken.recording_id,
            webhook=taken.webhook_id,
            attempt=taken.tries,
            answer=answer.status or answer.cause,
        )
        if answer.is_taken:
            line.info("announced", took_s=round(answer.took_s, 3))
        elif answer.is_gone:
            line.error(
                "endpoint_disabled",
                about="it answered 410 and is asked no more; what waits for it waits",
                next_step=f"./afterword webhooks enable {taken.endpoint}, or give it another url",
            )
        elif next_s is None:
            line.error("announcement_given_up", next_step=f"./afterword webhooks resend {taken.id}")
        else:
            line.warning("announcement_not_taken", next_in_s=round(next_s, 1))
