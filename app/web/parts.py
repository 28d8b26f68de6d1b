"""What the Flask application is made of, and nothing of how."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog
from flask import Flask

from app.orchestrator.records import NewDelivery
from app.recall.signatures import Secret


class Inbox(Protocol):
    """What the webhook route needs; `app.web.group_commit.Committer` is it."""

    def submit(self, row: NewDelivery) -> None:
        """Returns when the row is durable. Raises `StoreUnavailable`."""
        ...

    def submit_deferred(self, row: NewDelivery, answer: Future[bool]) -> None:
        """Returns at once; the result of `answer` is whether the row is durable."""
        ...

    def note_rejected(self, kind: str, *, remedy: str = "", is_plausible: bool = False) -> None: ...


@dataclass(frozen=True, slots=True)
class WebParts:
    """
    What the application is made of; `app.wiring.web_parts` puts it together.

    Attributes:
        secrets_by_workspace: Who may sign; the names are the last part of the webhook's path.
        committer: Where verified deliveries go.
        readiness: The body of `/readyz`, and whether a write to the inbox works. Answers within a second.
        ops: Hangs the console in, together with the guard that decides who sees it and `/metrics`.
        metrics: The body of `/metrics`.
        log: A structlog logger.
    """

    secrets_by_workspace: Mapping[str, tuple[Secret, ...]]
    committer: Inbox
    readiness: Callable[[], tuple[Mapping[str, object], bool]]
    ops: Callable[[Flask], None] | None = None
    metrics: Callable[[], bytes] | None = None
    log: Any = field(default_factory=structlog.get_logger)
