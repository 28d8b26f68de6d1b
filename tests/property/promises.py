"""
What must hold after every step, and what must hold in the end: asked of the model's bill and of the
files, not of what our own state believes. Each function returns the broken promise as a sentence.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator

from app.core import reasons
from app.core.policy import CEILING
from app.core.state import ENDS, AttemptStatus, Phase, Transcription
from app.orchestrator.next_steps import NEXT_STEPS
from app.transcripts.manifest import parse_manifest
from tests.property.bill import Transcript
from tests.property.world import World

# Failures whose next step costs nothing: what is finished is on the list, or can be looked up.
FREE_TO_RETRY = {
    reasons.NEVER_READABLE,
    reasons.DOWNLOAD_BLOCKED,
    reasons.RESULT_UNREADABLE,
    reasons.STORAGE,
    reasons.OUR_FAULT,
    reasons.UNEXPECTED_ANSWER,
    reasons.NOT_SETTLED,
}


def broken(world: World) -> Iterator[str]:
    """After every step."""
    yield from world.wrongs
    if not world.was_put_back:  # what was forgotten is repeated as the policy of now says
        yield from world.recall.other_bytes
    yield from _paid(world)
    yield from _believed(world)
    yield from _kept(world)
    yield from _files(world)
    yield from _of_what_was_asked(world)
    yield from _stuck(world)


def _paid(world: World) -> Iterator[str]:
    bill = [t for t in world.recall.transcripts.values() if t.marker is not None]
    for marker, times in Counter(t.marker for t in bill).items():
        if times > 1:
            yield f"{marker} was paid {times} times"
    for recording_id, times in Counter(t.recording_id for t in bill).items():
        budget = min(CEILING, max(world.policy.attempts, world.retried.get(recording_id, 0)))
        if times > budget:
            yield f"{times} transcripts of {recording_id} are paid, the budget is {budget}"


def _believed(world: World) -> Iterator[str]:
    """What we hold for failed or gone is so at Recall."""
    for state in states(world):
        for line in state.attempts:
            if line.status is not AttemptStatus.FAILED or line.transcript_id is None:
                continue
            status = world.recall.transcripts[line.transcript_id].status(world.clock.at)
            if status not in ("failed", "deleted"):
                yield f"attempt {line.ordinal} counts as failed, but {line.transcript_id} is {status}"


def _kept(world: World) -> Iterator[str]:
    """What was known stays known: nobody writes over what another has committed."""
    for state in states(world):
        before = world.known.get(state.recording_id, state)
        world.known[state.recording_id] = state
        if not {a.ordinal for a in before.attempts} <= {a.ordinal for a in state.attempts}:
            yield f"an attempt of {state.recording_id} is forgotten: {state}"
        if not set(before.processed_transcripts) <= set(state.processed_transcripts):
            yield f"a transcript of {state.recording_id} that was looked at is forgotten: {state}"
        if before.phase is Phase.STORED and state.phase is not Phase.STORED:
            yield f"{state.recording_id} was stored and is {state.phase.value}"
        if before.is_recording_done and not state.is_recording_done:
            yield f"{state.recording_id} was done and is not"


def _files(world: World) -> Iterator[str]:
    files = world.blobs.files
    for key in [k for k in files if k.endswith("/manifest.json")]:
        folder = key.rpartition("/")[0]
        for file in parse_manifest(files[key]).files:
            content = files.get(f"{folder}/{file.name}")
            if content is None or hashlib.sha256(content).hexdigest() != file.sha256:
                yield f"{folder} has a manifest, but {file.name} is not whole"
    for (_, recording_id), known in world.store.recordings.items():
        for row in known.artifacts.values():
            if row.draft is None and f"{row.folder}/manifest.json" not in files:
                yield f"{row.transcript_id} of {recording_id} counts as stored without a manifest"


def _of_what_was_asked(world: World) -> Iterator[str]:
    """An attempt's transcript is of its recording, and a folder holds what was said in its own."""
    for state in states(world):
        for line in state.attempts:
            made = world.recall.transcripts.get(line.transcript_id or "")
            if made is not None and made.recording_id != state.recording_id:
                yield f"{made.id} of {made.recording_id} counts as an attempt of {state.recording_id}"
    for key, content in world.blobs.files.items():
        _, recording_id, transcript_id, name = key.split("/")
        made = world.recall.transcripts[transcript_id]
        if made.recording_id != recording_id:
            yield f"{transcript_id} of {made.recording_id} is stored with {recording_id}"
        if name == "transcript.json" and not words_are_of(content, transcript_id):
            yield f"the words of another transcript are in {transcript_id}'s folder"


def words_are_of(content: bytes, transcript_id: str) -> bool:
    """In the model every word of a transcript is its own id."""
    try:
        turns = json.loads(content)
    except ValueError:
        return True  # a garbled download, kept as it is
    return all(word["text"] == transcript_id for turn in turns for word in turn["words"])


def _stuck(world: World) -> Iterator[str]:
    """Not at an end, and without a command: only a webhook could move it, and none need come."""
    busy = {row.recording[1] for row in world.store.commands.values()}
    for state in states(world):
        if state.phase not in ENDS and state.recording_id not in busy:
            yield f"{state.recording_id} is {state.phase.value} and has no command: {state}"


def states(world: World) -> list[Transcription]:
    """Version 0 is a line in the history about something that does not concern us."""
    return [known.transcription for known in world.store.recordings.values() if known.version]


def unended(world: World) -> Iterator[str]:
    """When the alarms alone have had three days."""
    for state in states(world):
        if state.phase not in ENDS:
            yield f"{state.recording_id} is {state.phase.value} for ever: {state}"
        if state.phase in (Phase.FAILED, Phase.SKIPPED) and state.reason not in NEXT_STEPS:
            yield f"{state.recording_id} is {state.phase.value} without a named reason: {state.reason}"
        if state.phase is Phase.STORED and not is_stored(world, state.recording_id, state.current or ""):
            yield f"{state.recording_id} is stored, but its current transcript is not"
    for row in world.store.commands.values():
        yield f"{row.command} of {row.recording} waits for ever"


def forgotten(world: World) -> Iterator[str]:
    """What was acknowledged had its effect."""
    heard = {state.recording_id for state in states(world) if state.is_recording_done}
    unreadable = any((d.note or "").startswith("unreadable") for d in world.store.deliveries.values())
    for message in world.recall.messages:
        is_done = message.what.startswith("recording.done") and message.times > 0
        if is_done and message.recording_id not in heard and not unreadable:
            yield f"{message.what} was acknowledged and is lost"
    for delivery in world.store.deliveries.values():
        if delivery.applied_at is None:
            yield f"delivery {delivery.new.webhook_id} is never applied"


def lost(world: World) -> Iterator[str]:
    """Finished, asynchronous, with words, known to us, still there; and not stored."""
    for state in states(world):
        for made in world.recall.transcripts.values():
            if made.recording_id != state.recording_id or not _is_welcome(made, world.clock.at):
                continue
            if is_stored(world, state.recording_id, made.id):
                continue
            if is_known(world, state, made):
                yield f"{made.id} of {made.recording_id} is finished and not stored: {state}"


def _is_welcome(made: Transcript, now: float) -> bool:
    return made.is_asynchronous and made.ending == "spoken" and made.status(now) == "done"


def is_known(world: World, state: Transcription, made: Transcript) -> bool:
    """By its webhook, or as a running attempt's. Silence of more than a day is an answer of its own."""
    line = state.attempt_of(transcript_id=made.id)
    is_told = any(m.what == f"transcript.done {made.id}" and m.times for m in world.recall.messages)
    return is_told or (line is not None and line.status is not AttemptStatus.SILENT)


def is_stored(world: World, recording_id: str, transcript_id: str) -> bool:
    known = world.store.recordings["default", recording_id]
    manifest = f"default/{recording_id}/{transcript_id}/manifest.json"
    return transcript_id in known.artifacts and manifest in world.blobs.files
