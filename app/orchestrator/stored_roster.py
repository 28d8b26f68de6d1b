"""The names of the speakers of a stored transcript, of the list of participants beside it if there is one."""

from __future__ import annotations

from contextlib import suppress
from typing import BinaryIO

from app.errors import BlobMissing
from app.orchestrator.ports_blobs import Blobs
from app.transcripts.render import read_roster
from app.transcripts.result_folder import PARTICIPANTS
from app.transcripts.roster import Roster, people_listed


def stored_roster(blobs: Blobs, folder: str, source: BinaryIO) -> Roster:
    """
    What `render` needs beside the transcript. Recall is not asked.

    Args:
        folder: Key of the transcript's folder.
        source: Its bytes, at their beginning, where they are left.

    Raises:
        TranscriptUnreadable: They are no transcript.
        BlobsUnavailable: The storage cannot be used.
    """
    roster = read_roster(source)
    if roster.needs_people:
        with suppress(BlobMissing), blobs.open(f"{folder}/{PARTICIPANTS}") as listed:
            return roster.with_people(people_listed(listed))
    return roster
