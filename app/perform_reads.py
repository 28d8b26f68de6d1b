"""
The questions to Recall that cost nothing: the list of a recording's transcripts, one transcript's
status, the recording itself. Each ends in one event.
"""

from __future__ import annotations

from functools import partial

from app.core import events
from app.core.commands import AskTranscript, LookUpTranscript
from app.ports import Artifact
from app.task import Task

# Ten transcripts per recording and Recall's own hundred attempts: more pages than this is a loop.
_MOST_PAGES = 50


def look_up(task: Task) -> None:
    """List all pages; whatever bears our marker is ours."""
    command = task.leased.command
    assert isinstance(command, LookUpTranscript)
    artifacts = list_all(task)
    generation = 0
    line = task.state.attempt_of(ordinal=command.ordinal)
    if line is not None:
        generation = line.generation
    times = task.store.send_times(
        task.workspace.name, task.recording_id, command.ordinal, generation=generation
    )
    event = events.Listed(
        at=task.now(),
        ordinal=command.ordinal,
        seen=tuple(_seen(a) for a in artifacts),
        since_first_send_s=times.since_first_s or 0.0,
        since_last_send_s=times.since_last_s or 0.0,
        # A key of another user makes the same Idempotency-Key new to Recall.
        is_resendable=times.fingerprints <= {task.recall.fingerprint},
    )
    task.happened(event)


def list_all(task: Task) -> list[Artifact]:
    """Every transcript Recall lists for the recording, all pages."""
    found: list[Artifact] = []
    cursor: str | None = None
    for page in range(_MOST_PAGES):
        ask = partial(task.recall.list_page, task.recording_id, cursor)
        artifacts, cursor = task.read("list", ask, may_defer=page == 0)
        found.extend(artifacts)
        task.keeper.go_on()
        if cursor is None:
            break
    return found


def ask_transcript(task: Task) -> None:
    """Is it finished? Its webhook is late."""
    command = task.leased.command
    assert isinstance(command, AskTranscript)
    tid = command.transcript_id
    artifact = task.read("retrieve", lambda: task.recall.retrieve(tid))
    if artifact is None and tid in {a.transcript_id for a in list_all(task)}:
        task.happened(events.StillProcessing(task.now(), tid))
        return
    task.happened(_status(task, tid, artifact))


def _status(task: Task, transcript_id: str, artifact: Artifact | None) -> events.Event:
    at = task.now()
    match artifact.status if artifact is not None else "deleted":
        case "done":
            return events.TranscriptDone(at, transcript_id)
        case "failed":
            sub_code = artifact.sub_code if artifact is not None else None
            return events.TranscriptFailed(at, transcript_id, sub_code=sub_code)
        case "deleted":
            return events.TranscriptGone(at, transcript_id)
        case _:
            return events.StillProcessing(at, transcript_id)


def ask_recording(task: Task) -> None:
    """Is the recording done? The news of it may be lost."""
    facts = task.read("retrieve", lambda: task.recall.recording(task.recording_id))
    task.happened(
        events.RecordingAsked(task.now(), facts.condition, bot_id=facts.bot_id, metadata=facts.metadata)
    )


def _seen(artifact: Artifact) -> events.Seen:
    return events.Seen(
        transcript_id=artifact.transcript_id,
        status=artifact.status,
        ordinal=artifact.ordinal,
        provider=artifact.provider,
        sub_code=artifact.sub_code,
        is_realtime=artifact.is_realtime,
    )
