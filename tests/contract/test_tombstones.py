"""
A recording that was erased stays erased, on every store: whatever is heard of it, or found in Recall's list,
is neither looked up nor paid for nor stored. Beside it stands one that was not erased, with the same news.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import structlog

from app.clock import SystemClock
from app.core.durations import Durations
from app.core.events import RecordingCondition
from app.core.machine import Decision
from app.core.state import Attempt, AttemptStatus, Phase, Transcription
from app.orchestrator.command_context import Workspace
from app.orchestrator.housekeeping import ask_for_passes
from app.orchestrator.recall_list_passes import reconcile_all
from app.orchestrator.reconcile import Found, Reconciler
from app.orchestrator.records import KEY_ACCEPTED
from app.orchestrator.service import Service
from app.orchestrator.timing import Timing
from app.recall.types import Answer, RecordingFacts, RecordingSeen
from tests.contract.conftest import AnyStore
from tests.contract.store_builders import CREATE, DONE, HAND, WORKSPACE, delivery, state_of
from tests.doubles.full_queue import FullQueue
from tests.policies import built_in
from tests.taking import take

ERASED, OTHER = "0d4c1c8e-0000-4000-8000-000000000001", "77aa0b52-0000-4000-8000-000000000002"
TRANSCRIPT = {ERASED: "11111111-0000-4000-8000-000000000003", OTHER: "22222222-0000-4000-8000-000000000004"}
# Whatever follows is due at once.
_POLICY = replace(built_in(), durations=replace(Durations().scaled(1e9), overdue_after_s=0.0))


class ListOnly:
    """A Recall that has both recordings in its list; anything else asked of it is an error."""

    fingerprint = "00000000"

    def recordings_page(
        self, created_after: float, cursor_url: str | None
    ) -> tuple[list[RecordingSeen], str | None]:
        facts = RecordingFacts(RecordingCondition.DONE)
        return [RecordingSeen(i, facts, created_after, created_after) for i in (ERASED, OTHER)], None

    def answers(self) -> list[Answer]:
        return []


class NoWaiting(SystemClock):
    """Slots of the list's rate are waited for by others."""

    def sleep(self, seconds: float) -> None:
        return


@pytest.fixture
def service(store: AnyStore) -> Service:
    recall: Any = ListOnly()
    store.set_key_status(WORKSPACE, recall.fingerprint, KEY_ACCEPTED)
    return Service(
        store=store,
        queue=FullQueue(),
        blobs=cast(Any, None),
        clock=NoWaiting(),
        workspaces={WORKSPACE: Workspace(WORKSPACE, recall, _POLICY)},
        timing=Timing().scaled(1e9),
        scratch=Path("/nonexistent"),
        log=structlog.wrap_logger(None, processors=[_drop], wrapper_class=structlog.BoundLogger),
    )


def _drop(*_: object) -> str:
    raise structlog.DropEvent


def write(store: AnyStore, recording_id: str, **state: Any) -> None:
    """The row as it is, whatever led there."""
    before = store.load(WORKSPACE, recording_id)
    changed = replace(before.transcription, **state)
    store.commit(before, Decision(changed), event=DONE, source=HAND)


def paid_for(recording_id: str) -> dict[str, Any]:
    """Heard of, and its first transcript under way."""
    line = Attempt(1, "recallai_async", AttemptStatus.RUNNING, transcript_id=TRANSCRIPT[recording_id])
    return {"is_recording_done": True, "attempts": (line,)}


def news(event: str, recording_id: str) -> bytes:
    data: dict[str, Any] = {
        "data": {"code": "done", "sub_code": None, "updated_at": "2026-01-01T12:00:00Z"},
        "recording": {"id": recording_id, "metadata": {}},
        "bot": None,
    }
    if event.startswith("transcript."):
        marker = {"afterword": f"{recording_id}/1"}
        data["transcript"] = {"id": TRANSCRIPT[recording_id], "metadata": marker}
    return json.dumps({"event": event, "data": data}).encode()


def assert_left_alone(store: AnyStore, before: Transcription) -> None:
    """Not a word of it has changed, and of all that is due nothing is its own."""
    assert state_of(store, ERASED) == before
    assert wanted(store) == {OTHER}


def wanted(store: AnyStore) -> set[str]:
    """Whose commands there are."""
    due = store.due(100, offer_again_s=0.0)
    taken = [take(store, item.id, lease_s=15) for item in due]
    return {leased.recording_id for leased in taken if leased is not None}


@pytest.mark.parametrize("event", ["recording.done", "transcript.done"])
@pytest.mark.parametrize("had", ["nothing", "a transcript under way"])
def test_webhook_about_an_erased_recording_leads_to_nothing(
    store: AnyStore, service: Service, event: str, had: str
) -> None:
    write(store, ERASED, phase=Phase.ERASED, **(paid_for(ERASED) if had != "nothing" else {}))
    before = state_of(store, ERASED)
    store.add_deliveries([delivery(f"msg_{i}", body=news(event, i)) for i in (ERASED, OTHER)])
    assert service.receive() == 2
    assert not store.has_unapplied()
    assert_left_alone(store, before)


@pytest.mark.parametrize("by", ["reconcile", "backfill"])
def test_pass_over_recalls_list_passes_an_erased_recording_by(
    store: AnyStore, service: Service, by: str
) -> None:
    write(store, ERASED, phase=Phase.ERASED)
    before = state_of(store, ERASED)
    assert run_pass(service, by) == Found(listed=2, known=1, taken_up=1)
    assert_left_alone(store, before)


def run_pass(service: Service, by: str) -> Found:
    if by == "reconcile":
        ask_for_passes(service.store, service.queue, service.workspaces)
        return reconcile_all(service)
    return Reconciler(service, service.workspaces[WORKSPACE], by=by).run(since=0.0)


def test_command_that_was_waiting_when_the_recording_was_erased_is_dropped_and_nothing_is_sent(
    store: AnyStore, service: Service
) -> None:
    before = store.load(WORKSPACE, ERASED)
    planned = replace(before.transcription, phase=Phase.CREATING, planned=1, is_recording_done=True)
    (create,) = store.commit(before, Decision(planned, (CREATE,)), event=DONE, source=HAND).offerable
    write(store, ERASED, phase=Phase.ERASED)
    service.perform(create.id)  # this Recall has no `create`
    assert wanted(store) == set()
    assert state_of(store, ERASED).phase is Phase.ERASED
