"""
`participants.json`, where the policy wants it: one read of the recording, which also says when it began, and
one download. Worth a wait of some minutes, and never a result: then it is left out, and the log says why.
Neither names nor addresses are logged.

Source: https://docs.recall.ai/docs/meeting-participants-events
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from app.errors import DownloadBlocked
from app.orchestrator.command_context import CommandContext
from app.orchestrator.outcome import Unanswered
from app.recall.types import RecordingFacts
from app.transcripts.result_folder import PARTICIPANTS

_MOST_BYTES = 20_000_000


def ask_recording(context: CommandContext) -> RecordingFacts | Unanswered | None:
    """The recording; None where the policy does not want it, or Recall has not answered for too long."""
    if not context.policy.participants:
        return None
    ask = partial(context.recall.recording, context.recording_id)
    # Its place in the rate is waited for here: one to come back with would be used up by the question before.
    facts = context.read("retrieve", ask, may_defer=False)
    # As long as a running attempt is left alone before it is asked about.
    worth_waiting_s = context.policy.durations.first_ask_s
    is_young = context.now() - context.leased.wanted_since < worth_waiting_s
    if is_young or not isinstance(facts, Unanswered):
        return facts
    _left_out(context, "recording_not_read")
    return None


def add_participants(context: CommandContext, recording: RecordingFacts, folder: Path) -> None:
    """The list in the folder, if it is not there yet and Recall has one that can be read."""
    if (folder / PARTICIPANTS).exists():
        return
    if recording.participants_url is None:
        _left_out(context, "none_at_recall")
        return
    target, keep_going = folder / PARTICIPANTS, context.renewer.raise_if_lost
    cause = None
    try:
        context.recall.download(recording.participants_url, target, keep_going=keep_going)
        if not _is_list(target):
            cause = "unreadable"
    except DownloadBlocked as blocked:
        cause = blocked.cause
    if cause is not None:
        target.unlink(missing_ok=True)
        _left_out(context, cause)


def _is_list(path: Path) -> bool:
    if path.stat().st_size > _MOST_BYTES:
        return False
    try:
        return isinstance(json.loads(path.read_bytes()), list)
    except (ValueError, RecursionError):
        return False


def _left_out(context: CommandContext, cause: str) -> None:
    context.log.warning("participants_left_out", recording=context.recording_id, cause=cause)
