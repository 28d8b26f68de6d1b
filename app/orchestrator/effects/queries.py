"""
The questions to Recall that cost nothing: the list of a recording's transcripts, one transcript's
status, the recording itself. Each ends in one event.
"""

from __future__ import annotations

from functools import partial

from app.core import events
from app.core.commands import AskTranscript, LookUpTranscript, PruneTranscript
from app.core.events import RecordingCondition
from app.core.policy import CEILING
from app.core.state import Transcription
from app.errors import RecallBusy
from app.orchestrator.command_context import Task
from app.recall.types import Artifact
from app.results.result_folder import MANIFEST, folder_of

# Ten transcripts per recording and Recall's own hundred attempts: more pages than this is a loop.
_MOST_PAGES = 50
_MOST_READINGS = 4


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
        seen=tuple(_seen(a, task.state) for a in artifacts),
        since_first_send_s=times.since_first_s or 0.0,
        since_last_send_s=times.since_last_s or 0.0,
        # A key of another user makes the same Idempotency-Key new to Recall.
        is_resendable=times.has_body and times.fingerprints <= {task.recall.fingerprint},
        is_unsent=times.since_first_s is None,
        # Not the creates' pause: the list can be read meanwhile, and the pause may outlast the last create.
        patient_at=task.patient_now(line.since) if line is not None else None,
        transcript_id=command.transcript_id,
        key=task.recall.fingerprint,
    )
    task.happened(event)


def list_all(task: Task) -> list[Artifact]:
    """
    Every transcript Recall lists for the recording. Several pages are read again until that brings nothing
    new: meanwhile a transcript may move to a page that was read already.
    """
    found: dict[str, Artifact] = {}
    for reading in range(_MOST_READINGS):
        pages, artifacts = _all_pages(task, is_first=reading == 0)
        is_news = not artifacts.keys() <= found.keys()
        found |= artifacts
        if pages == 1 or (reading and not is_news):
            return list(found.values())
    # What does not come to rest or to an end proves nothing, least of all that something is not in it.
    raise RecallBusy("list_moves", retry_after_s=task.policy.durations.resend_at_most_every_s)


def _all_pages(task: Task, *, is_first: bool) -> tuple[int, dict[str, Artifact]]:
    """How many pages there are, and what is on them. `is_first`: the command may as well come back later."""
    found: dict[str, Artifact] = {}
    cursor: str | None = None
    for page in range(_MOST_PAGES):
        ask = partial(task.recall.list_page, task.recording_id, cursor)
        is_first_page = is_first and page == 0
        artifacts, cursor = task.read("list" if is_first_page else "list_page", ask, may_defer=is_first_page)
        found |= {artifact.transcript_id: artifact for artifact in artifacts}
        task.keeper.go_on()
        if cursor is None:
            return page + 1, found
    raise RecallBusy("list_too_long", retry_after_s=task.policy.durations.resend_at_most_every_s)


def ask_transcript(task: Task) -> None:
    """Is it finished? Its webhook is late."""
    command = task.leased.command
    assert isinstance(command, AskTranscript)
    tid = command.transcript_id
    ask = partial(task.recall.retrieve, tid, recording_id=task.recording_id)
    artifact = task.read("retrieve", ask)
    if artifact is None:
        key = task.recall.fingerprint
        task.happened(events.TranscriptMissing(task.now(), tid, patient_at(task, tid), key))
        return
    task.happened(_status(task, tid, artifact))


def patient_at(task: Task, transcript_id: str) -> float:
    """Now, without the time in which the account was refused while this transcript was waited for."""
    line = task.state.attempt_of(transcript_id=transcript_id)
    return task.patient_now(line.since if line is not None else task.now())


def _status(task: Task, transcript_id: str, artifact: Artifact) -> events.Event:
    at = task.now()
    match artifact.status:
        case "done":
            return events.TranscriptDone(at, transcript_id)
        case "failed":
            return events.TranscriptFailed(at, transcript_id, sub_code=artifact.sub_code)
        case "deleted":
            return events.TranscriptGone(at, transcript_id)
        case _:
            return events.StillProcessing(patient_at(task, transcript_id), transcript_id)


def ask_recording(task: Task) -> None:
    """Is the recording done? The news of it may be lost."""
    facts = task.read("retrieve", lambda: task.recall.recording(task.recording_id))
    # Not the creates' pause: it may outlast the last create, and the recording can be asked for meanwhile.
    patient_at = task.patient_now(task.state.waiting_since or task.now())
    asked = events.RecordingAsked(
        task.now(),
        facts.condition,
        facts.bot_id,
        facts.metadata,
        facts.duration_s,
        patient_at,
        key=task.recall.fingerprint,
    )
    task.happened(asked)


def await_provider(task: Task) -> None:
    """The wait itself is the command's due time; who is still down is looked up by the decision."""
    at = task.patient_now(task.state.waiting_since or task.now(), for_creates=True)
    task.happened(events.ProviderAwaited(at))


def prune(task: Task) -> None:
    """Make room at Recall's limit: a failed transcript of ours first, a stored one only by policy."""
    command = task.leased.command
    assert isinstance(command, PruneTranscript)
    listed = list_all(task)
    if not listed:  # at its limit, and nothing there? Then this key does not see it
        facts = task.read("retrieve", lambda: task.recall.recording(task.recording_id), may_defer=False)
        if facts.condition is RecordingCondition.UNKNOWN:
            wait_s = task.policy.durations.blocked_at_most_every_s
            raise RecallBusy("recording_not_seen", retry_after_s=wait_s)
    alive = [a for a in listed if a.status != "deleted"]
    ours = [a for a in alive if a.ordinal is not None]
    given_up = [a for a in ours if a.status == "failed"]
    if not given_up and task.policy.prune_stored:
        given_up = [a for a in ours if a.status == "done" and _is_kept_here(task, a.transcript_id)]
    if len(alive) <= CEILING or not given_up:
        task.happened(events.Pruned(task.now(), command.ordinal, has_room=len(alive) <= CEILING))
        return
    tid = given_up[0].transcript_id
    task.keeper.check()
    task.read("retrieve", partial(task.recall.delete, tid), may_defer=False)
    task.log.warning("transcript_pruned", recording=task.recording_id, transcript=tid)
    task.happened(events.Pruned(task.now(), command.ordinal, has_room=True, transcript_id=tid))


def _is_kept_here(task: Task, transcript_id: str) -> bool:
    """Whole: its manifest is written, or held back as a draft."""
    folder = folder_of(task.workspace.name, task.recording_id, transcript_id)
    if task.blobs.exists(f"{folder}/{MANIFEST}"):
        return True
    return task.store.draft(task.workspace.name, task.recording_id, transcript_id) is not None


def _seen(artifact: Artifact, state: Transcription) -> events.Seen:
    line = state.attempt_of(ordinal=artifact.ordinal, transcript_id=artifact.transcript_id)
    return events.Seen(
        transcript_id=artifact.transcript_id,
        status=artifact.status,
        ordinal=artifact.ordinal,
        provider=artifact.provider_for(line.provider if line is not None else None),
        sub_code=artifact.sub_code,
        is_realtime=artifact.is_realtime,
    )
