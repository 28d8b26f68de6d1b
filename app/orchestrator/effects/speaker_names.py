"""
The names of the speakers of a download. Where labels stand in their place (`200-0`: separate streams and the
provider's diarization were ordered together) Recall's list of participants has the names: one read of the
recording and one download more, and the list is stored beside the transcript, so that it is rendered alike
later. Worth a wait of some minutes, and never a result: then the speakers are numbered.

Source: https://docs.recall.ai/docs/diarization
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from app.orchestrator.command_context import CommandContext
from app.orchestrator.effects.participants import add_participants
from app.orchestrator.outcome import Later, Refused, Unanswered
from app.recall.types import RecordingFacts
from app.transcripts.render import read_roster
from app.transcripts.result_folder import PARTICIPANTS, RAW
from app.transcripts.roster import Roster, people_listed


def name_speakers(
    context: CommandContext, recording: RecordingFacts | None, folder: Path
) -> Roster | Unanswered:
    """
    The roster of the download in the folder.

    Args:
        recording: Where Recall was asked about it already.

    Raises:
        TranscriptUnreadable: The bytes are no transcript.
    """
    with (folder / RAW).open("rb") as raw:
        roster = read_roster(raw)
    if not roster.needs_people:
        return roster
    asked = recording if recording is not None else _ask(context)
    if isinstance(asked, Later | Refused):
        return asked
    if asked is not None:
        add_participants(context, asked, folder)
    path = folder / PARTICIPANTS
    if not path.exists():
        return roster
    with path.open("rb") as listed:
        return roster.with_people(people_listed(listed))


def _ask(context: CommandContext) -> RecordingFacts | Unanswered | None:
    """None where Recall has not answered for too long."""
    facts = context.read("retrieve", partial(context.recall.recording, context.recording_id), may_defer=False)
    # As long as a running attempt is left alone before it is asked about.
    is_young = context.now() - context.leased.wanted_since < context.policy.durations.first_ask_s
    if isinstance(facts, Later | Refused) and not is_young:
        context.log.warning(
            "participants_left_out", recording=context.recording_id, cause="recording_not_read"
        )
        return None
    return facts
