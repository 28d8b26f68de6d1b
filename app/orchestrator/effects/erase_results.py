"""
Delete here what is kept of an erased recording: its files, a manifest first, so that no reader takes what is
left for whole; and what came in since it was erased. Done twice: see `rules_erasure.on_results_erased`.
"""

from __future__ import annotations

import shutil

from app.core import events
from app.errors import StoreUnavailable
from app.orchestrator.command_context import CommandContext
from app.orchestrator.outcome import Happened, Later, Outcome
from app.transcripts.result_folder import MANIFEST


def erase(context: CommandContext) -> Outcome:
    """
    Everything below the recording's folder. Raises `BlobsUnavailable`: the storage cannot be used.
    """
    workspace, recording_id = context.workspace.name, context.recording_id
    number = context.blobs.delete_folder(f"{workspace}/{recording_id}", first=MANIFEST)
    for leftover in context.scratch.glob(f"fetch-{recording_id}-*"):
        shutil.rmtree(leftover, ignore_errors=True)  # one in use ends by its lease
    try:
        context.forget_text(workspace, recording_id)
    except StoreUnavailable as trouble:
        context.log.error("index_unusable", recording=recording_id, cause=str(trouble))
        return Later(context.policy.durations.blocked_first_s, "index_unusable")
    context.store.forget_news(workspace, recording_id)
    context.log.info("results_erased", recording=recording_id, files=number)
    return Happened(events.ResultsErased(context.now()))
