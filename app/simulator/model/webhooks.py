"""
Signed deliveries, as Svix makes them for Recall.

Success is any 2xx; everything else is tried again on the published schedule with the same id and a fresh
stamp and signature. Sources: https://docs.svix.com/retries, https://docs.recall.ai/docs/faq-webhooks,
https://docs.recall.ai/docs/authenticating-requests-from-recallai; jitter, the 60 s after a time-out or 429
and the reading of Retry-After are those of Svix's open server.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import requests

from app.simulator.model.clock import wall
from app.simulator.model.state import World

# Simulated seconds before the n-th attempt.
SCHEDULE_S = (0, 5, 300, 1800, 7200, 18000, 36000, 36000)
TIMEOUT_S = 15.0
# A receiver's work does not get faster with the time scale, so the scaled time-out has a floor in real time.
TIMEOUT_FLOOR_REAL_S = 3.0
DISABLED_AFTER_S = 5 * 86_400.0
# Signs what is forged: well-formed, 32 bytes, and not one of the receiver's.
_FORGERS_SECRET = "whsec_" + base64.b64encode(hashlib.sha256(b"not the receiver's").digest()).decode()


@dataclass(slots=True)
class Message:
    """One webhook with its identity; each attempt to deliver it is listed."""

    webhook_id: str
    event: str
    recording_id: str | None
    transcript_id: str | None
    body: str
    by_hand: bool = False  # sent whatever the subscription
    forged: bool = False
    stale_s: float = 0.0
    state: str = "pending"  # delivered, failed, aborted, dropped, held, disabled, no_endpoint
    attempts: list[dict[str, Any]] = field(default_factory=list)
    tried: threading.Event = field(default_factory=threading.Event)  # after the first attempt
    then: Callable[[], None] | None = None  # done once, after the first attempt

    def to_json(self) -> dict[str, Any]:
        """As `GET /_sim/deliveries` shows it."""
        names = (
            "webhook_id",
            "event",
            "recording_id",
            "transcript_id",
            "forged",
            "state",
            "attempts",
            "body",
        )
        return {name: getattr(self, name) for name in names}


def sign(secrets: list[str], webhook_id: str, *, at_s: int, body: str) -> str:
    """
    The signature header: one `v1,` item per secret, as during a rotation; then an item of a foreign version
    too.

    Source: https://www.standardwebhooks.com; `v1a` is Svix's Ed25519 form, which a receiver must skip.
    """
    from svix.webhooks import Webhook  # 350 ms and 20 MB, so only where something is really signed

    at = datetime.fromtimestamp(at_s, UTC)
    items = [Webhook(secret).sign(webhook_id, at, body) for secret in secrets]
    if len(items) > 1:
        items.insert(1, "v1a," + base64.b64encode(hashlib.sha512(body.encode()).digest()).decode())
    return " ".join(items)


class Webhooks:
    """All messages of one simulator and their way to the one endpoint."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._messages: list[Message] = []
        self._held: list[tuple[Message, int, bool]] = []
        self._failing_since: float | None = None
        self._local = threading.local()
        world.on_reset.append(self._forget)

    def new(
        self,
        event: str,
        payload: Mapping[str, Any],
        *,
        recording_id: str | None,
        transcript_id: str | None = None,
    ) -> Message:
        """A message of its own, not yet sent; change its fields before `send`."""
        webhook_id = self._world.ids.message(event, recording_id or "", transcript_id or "")
        # ASCII and compact; the receiver must not care, since the signature covers bytes.
        body = json.dumps(payload, separators=(",", ":"))
        return Message(webhook_id, event, recording_id, transcript_id, body)

    def send(self, message: Message, *, copies: int = 1, after_s: float = 0.0) -> None:
        """
        Deliver it, `copies` times at once under the same id; only the first copy is tried again.

        An event the endpoint is not subscribed to is not sent and not listed, as at Recall.
        """
        recording = self._world.recordings.get(message.recording_id or "")
        if recording is not None and recording.workspace != "default" and not message.by_hand:
            self._list(message)
            message.state = "no_endpoint"  # another workspace has its own endpoints
            self._after_first(message)
            return
        if not (message.by_hand or message.event in self._world.settings.events):
            self._after_first(message)
            return
        self._list(message)
        for copy in range(copies):
            again = copy == 0 and not message.forged
            self._world.timers.after(after_s, lambda again=again: self._attempt(message, 0, again))  # type: ignore[misc]

    def drop(self, message: Message) -> None:
        """Lose it: it is listed, and never sent."""
        self._list(message)
        message.state = "dropped"
        self._after_first(message)

    def resume(self) -> None:
        """Send what was held while deliveries were paused or the endpoint was disabled by hand."""
        with self._world.lock:
            held, self._held = self._held, []
        for message, number, again in held:
            self._world.timers.after(0, lambda m=message, n=number, a=again: self._attempt(m, n, a))  # type: ignore[misc]

    def listing(self, recording_id: str | None) -> list[dict[str, Any]]:
        """Every message, oldest first; of one recording, if one is named."""
        with self._world.lock:
            return [m.to_json() for m in self._messages if recording_id in (None, m.recording_id)]

    def _list(self, message: Message) -> None:
        with self._world.lock:
            self._messages.append(message)

    def _attempt(self, message: Message, number: int, again: bool) -> None:
        settings = self._world.settings
        if settings.webhooks_paused:
            with self._world.lock:
                message.state = "held"
                self._held.append((message, number, again))
            return
        if not settings.webhook_url or settings.endpoint_disabled:
            message.state = "disabled" if settings.endpoint_disabled else "no_endpoint"
            self._after_first(message)
            return
        attempt, headers = self._post(message, settings.webhook_url)
        verdict = self._judge(attempt["status"], headers)
        self._note_endpoint(verdict == "delivered")
        if message.state != "delivered":
            message.state = verdict
        if verdict == "pending":
            self._again(message, number + 1, again=again, status=attempt["status"], headers=headers)
        # Last, so that what follows from the attempt is done before the list shows it.
        with self._world.lock:
            message.attempts.append(attempt)
        self._after_first(message)

    def _post(self, message: Message, url: str) -> tuple[dict[str, Any], Mapping[str, str]]:
        headers = self._headers(message)
        timeout_s = max(TIMEOUT_S / self._world.clock.scale, TIMEOUT_FLOOR_REAL_S)
        attempt: dict[str, Any] = {"at": wall().isoformat(), "status": None, "ms": 0.0, "error": None}
        begun = time.monotonic()
        answered: Mapping[str, str] = {}
        try:
            with self._session().post(
                url, data=message.body.encode(), headers=headers, timeout=timeout_s,
                allow_redirects=False, stream=True,
            ) as response:  # fmt: skip
                attempt["status"], answered = response.status_code, response.headers
        except requests.RequestException as problem:
            attempt["error"] = type(problem).__name__
        attempt["ms"] = round((time.monotonic() - begun) * 1000, 1)
        return attempt, answered

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
            session.trust_env = False  # a proxy of the environment must not carry loopback traffic
        return session

    def _headers(self, message: Message) -> dict[str, str]:
        settings = self._world.settings
        headers = {"Content-Type": "application/json", "User-Agent": "Svix-Webhooks/simulated"}
        secrets = [_FORGERS_SECRET] if message.forged else settings.webhook_secrets
        if not secrets:
            return headers  # no workspace secret: Recall sends without any of the three
        at_s = int((wall() - timedelta(seconds=message.stale_s)).timestamp())
        family = settings.header_family
        return headers | {
            f"{family}-id": message.webhook_id,
            f"{family}-timestamp": str(at_s),
            f"{family}-signature": sign(secrets, message.webhook_id, at_s=at_s, body=message.body),
        }

    @staticmethod
    def _judge(status: int | None, headers: Mapping[str, str]) -> str:
        if status is not None and 200 <= status < 300:
            return "delivered"
        return "aborted" if headers.get("webhook-delivery") == "abort-message" else "pending"

    def _again(
        self, message: Message, number: int, *, again: bool, status: int | None, headers: Mapping[str, str]
    ) -> None:
        if not again or number >= len(SCHEDULE_S):
            message.state = "failed" if message.state == "pending" else message.state
            return
        jitter = self._world.ids.rng("jitter", message.webhook_id).uniform(0.8, 1.2)
        base_s = SCHEDULE_S[number] * jitter
        if status in (None, 429):
            base_s = max(base_s, 60.0)
        wait_s = min(max(base_s, self._asked_s(headers)), 2 * base_s)
        self._world.timers.after(wait_s, lambda: self._attempt(message, number, again))

    def _asked_s(self, headers: Mapping[str, str]) -> float:
        """The receiver's Retry-After in simulated seconds: it speaks of real ones."""
        text = headers.get("retry-after", "")
        if text.isdecimal():
            return int(text) * self._world.clock.scale
        try:
            return (parsedate_to_datetime(text) - wall()).total_seconds() * self._world.clock.scale
        except (TypeError, ValueError):
            return 0.0

    def _note_endpoint(self, delivered: bool) -> None:
        with self._world.lock:
            if delivered:
                self._failing_since = None
                return
            now = self._world.clock.now()
            self._failing_since = now if self._failing_since is None else self._failing_since
            if now - self._failing_since > DISABLED_AFTER_S:
                self._world.settings = self._world.settings.change({"endpoint_disabled": True})
                self._failing_since = None

    def _after_first(self, message: Message) -> None:
        with self._world.lock:
            then, message.then = message.then, None
        message.tried.set()
        if then:
            then()

    def _forget(self) -> None:
        self._messages.clear()
        self._held.clear()
        self._failing_since = None
