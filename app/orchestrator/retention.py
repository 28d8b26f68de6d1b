"""
What the policy keeps no longer, by the dispatcher: recordings are erased as by hand, a few at a time; of what
is stored its history, bot and metadata go before its result.
"""

from __future__ import annotations

from typing import Protocol

from app.core import events
from app.core.policy import Policy
from app.core.state import AtRecall, Phase
from app.orchestrator.command_context import Workspace
from app.orchestrator.ports import Moments, Retained
from app.orchestrator.records import Source
from app.orchestrator.transitions import Advancer

EVERY_S = 60.0
_AT_ONCE = 50
_DETAILS = "details_expired:"
# A transcription has ended so long after it was first heard of; one that a person retried later is not old.
_ENDED_WITHIN_S = 45 * 86_400.0


class RetentionStore(Retained, Moments, Protocol):
    """What is old, and how far the last sweep came."""


def retain(store: RetentionStore, transitions: Advancer, workspace: Workspace) -> int:
    """One small batch of a workspace; returns how many recordings were changed."""
    policy = workspace.policy
    at_recall = None if policy.delete_at_recall == "never" else AtRecall(policy.delete_at_recall)
    number = 0
    for phases, kept_s in (((Phase.STORED,), policy.results_kept_s), (_ENDED_WITHOUT, _rows_kept_s(policy))):
        if not kept_s:
            continue
        for recording_id in store.ended_before(workspace.name, phases, kept_s=kept_s, limit=_AT_ONCE):
            event = events.EraseAsked(store.now(), at_recall)
            transitions.advance(workspace.name, recording_id, event, Source(by="retention"))
            number += 1
    return number + (_drop_details(store, transitions, workspace) if policy.rows_kept_s else 0)


_ENDED_WITHOUT = (Phase.FAILED, Phase.SKIPPED)  # a result


def _rows_kept_s(policy: Policy) -> float:
    """Of what has no result: its rows are all there is."""
    return policy.rows_kept_s or policy.results_kept_s


def _drop_details(store: RetentionStore, transitions: Advancer, workspace: Workspace) -> int:
    kept_s, mark = workspace.policy.rows_kept_s, _DETAILS + workspace.name
    until = store.now() - kept_s
    old = store.detailed_before(
        workspace.name, kept_s=kept_s, heard_after=store.mark(mark) or 0.0, limit=_AT_ONCE
    )
    for recording_id in old:
        event = events.DetailsExpired(store.now())
        transitions.advance(workspace.name, recording_id, event, Source(by="retention"))
    if not old:
        store.set_mark(mark, until - _ENDED_WITHIN_S)
    return len(old)
