"""
`POST /v1/recordings/{recording_id}/transcribe`: one transcription per recording, whatever is sent how often.

Could it pay twice? The order is one event, decided on the state under its version: of two at the same moment
the second finds the first's. An Idempotency-Key repeats the answer, and names an extra: the same one told
again, also after its answer was lost, is one order.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from flask import Response

from app.adapters.sql.access import Access, AccessKey
from app.adapters.sql.store import SqlStore
from app.api.calls import Call
from app.api.problems import Problem
from app.api.reading import Reading
from app.api.types import TranscribeOrder
from app.core import events
from app.core.policy import CEILING, Order, Policy
from app.core.state import Phase, Transcription
from app.errors import Stale
from app.orchestrator.planning import planned
from app.orchestrator.records import Loaded, Source
from app.orchestrator.transitions import Advancer
from app.recall.languages import standard_tag
from app.recall.providers import ASYNC_PROVIDERS, BY_VENDOR, may_be_async
from app.settings.workspaces import DEFAULT_WORKSPACE

POLICYS_FIRST = "whisper"  # bota.dev's default provider, which Recall does not have
_WITHOUT_RESULT = (Phase.NEW, Phase.FAILED, Phase.SKIPPED)
_ORDERS = uuid.UUID("7be0a0a3-3b46-5c0b-9a0c-3f4a8f6d2b17")  # never change: orders are known by these
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True, slots=True)
class Transcribing:
    """`policies`: by workspace, those of the settings."""

    store: SqlStore
    reading: Reading
    transitions: Advancer
    policies: Mapping[str, Policy]

    def transcribe(self, call: Call) -> Response:
        """201 when this request began it, 200 when it was under way or done."""
        with once(self.store, call) as earlier:
            recording = call.path["recording_id"].lower()  # one spelling: another would be paid for once more
            is_new = self._order(call, recording) if earlier.status is None else earlier.status == 201
            found = self.reading.found(call.key, recording)
            earlier.status = 201 if is_new else 200
        return self.reading.answer(call, found, status=earlier.status)

    def _order(self, call: Call, recording: str) -> bool:
        """Whether something was begun. Raises `Problem`."""
        order: TranscribeOrder = call.body
        known = self.store.find_transcription(recording, workspace=call.key.workspace)
        workspace = known.state.workspace if known is not None else self._workspace_of(call.key)
        if (policy := self.policies.get(workspace)) is None:
            raise Problem("not_found", "The settings do not have this recording's workspace.")
        before = self.store.load(workspace, recording)
        ordered = order_of(order)
        raise_if_unable(ordered, before, policy)
        raise_if_erased(before.transcription)
        is_extra = order.force and before.transcription.phase not in _WITHOUT_RESULT
        if not is_extra and before.transcription.phase not in _WITHOUT_RESULT:
            return False
        event: events.Event = events.TranscriptionOrdered(self.store.now(), ordered)
        if is_extra:
            event = events.ExtraOrdered(event.at, order_id(call), ordered)
        source = Source(by=f"key {call.key.name}")
        try:
            decision, _ = self.transitions.advance(workspace, recording, event, source)
        except Stale:
            raise Problem("changed_meanwhile") from None
        if decision.ignored is None:
            return True
        raise_if_erased(decision.state)
        if decision.state.phase in (Phase.FAILED, Phase.SKIPPED):
            raise Problem("budget_used", f"Nothing was begun: {decision.ignored}.")
        if isinstance(event, events.ExtraOrdered) and event.order not in decision.state.orders:
            is_used = decision.state.next_ordinal > CEILING
            code = "budget_used" if is_used else "still_running"
            raise Problem(code, f"Nothing was begun: {decision.ignored}.")
        return False

    def _workspace_of(self, key: AccessKey) -> str:
        """Of a recording that is not known yet."""
        if key.workspace is not None:
            return key.workspace
        if DEFAULT_WORKSPACE in self.policies or len(self.policies) != 1:
            return DEFAULT_WORKSPACE
        return next(iter(self.policies))


def order_id(call: Call) -> str:
    """Of an extra: the same for the same key and Idempotency-Key, else one of its own."""
    key = call.request.headers.get("Idempotency-Key")
    return str(uuid.uuid4() if key is None else uuid.uuid5(_ORDERS, f"{call.key.name}/{key}"))


def raise_if_erased(state: Transcription) -> None:
    if state.phase is Phase.ERASED:
        raise Problem("erased")


def order_of(body: TranscribeOrder) -> Order:
    """What is wanted, by Recall's names. Raises `Problem`."""
    provider = provider_of(body.provider)
    separate = False if body.diarization is False else None  # true, as without it: the policy's mode
    tag = None if body.language is None else standard_tag(body.language)
    if body.language is not None and tag is None:
        raise Problem("unsupported_language", "language: no BCP 47 tag such as en, en-US or de-CH.")
    return Order(tag, separate, provider)


def raise_if_unable(order: Order, before: Loaded, policy: Policy) -> None:
    """
    What names a provider that cannot do it, or what none of the policy's can do, is a mistake of the caller's
    and is said at once, not after a wait. Raises `Problem`.
    """
    if order.provider is not None and policy.prices.lacks(order.provider):
        why_not = "the policy has a daily budget, and no price of it under [cost] per_hour"
        raise Problem("unsupported_provider", f"provider: {order.provider} cannot be used: {why_not}.")
    ordered = replace(before.transcription, intent=order)
    able = planned(policy, ordered, processing=before.processing, forms=before.forms)
    first = order.provider or next((key for key, _ in able.passed_over), None)
    why = dict(able.passed_over).get(first or "")
    if first is None or why is None or (order.provider is None and able.providers):
        return
    part, _, reason = why.partition(": ")
    others = ", ".join(choice.key for choice in able.providers)
    code = "unsupported_language" if part == "language" else "unsupported_by_provider"
    raise Problem(code, f"{part}: {reason}{f'; these can: {others}' if others else ''}.")


def provider_of(name: str | None) -> str | None:
    """Recall's key; None: the policy's first. Raises `Problem`."""
    if name is None or name == POLICYS_FIRST:
        return None
    key = BY_VENDOR.get(name, name)
    if key in ASYNC_PROVIDERS or (key == name and may_be_async(key)):
        return key
    known = ", ".join((POLICYS_FIRST, *sorted(BY_VENDOR)))
    raise Problem("unsupported_provider", f"provider: none of {known}, nor of Recall's keys.")


@dataclass
class Earlier:
    """How a request with the same Idempotency-Key was answered; None: this one is the first."""

    status: int | None = None


@contextmanager
def once(store: Access, call: Call) -> Iterator[Earlier]:
    """
    Around the doing of a request that may bear an Idempotency-Key, honoured for a day; the status it ends
    with is set on what is given. A problem is no answer to be repeated: the request may be sent again.
    """
    key = call.request.headers.get("Idempotency-Key")
    if key is None:
        yield Earlier()
        return
    if not _KEY.fullmatch(key):
        raise Problem("invalid_request", "Idempotency-Key: up to 255 letters, digits and signs, no blanks.")
    content = f"{call.request.method} {call.request.path}\n".encode() + call.body_bytes
    digest = hashlib.sha256(content).hexdigest()
    known = store.begin_request(call.key.name, key, digest=digest)
    if known is not None and known.digest != digest:
        raise Problem("idempotency_key_reused")
    if known is not None and known.status is None:
        raise Problem("request_under_way")
    if known is not None:
        yield Earlier(known.status)
        return
    first = Earlier()
    try:
        yield first
    finally:
        store.end_request(call.key.name, key, status=first.status)
