"""
Erasing recordings: which of them are meant, the commit that makes each a tombstone, and its results here.

The commit comes first: it takes every lease, so that nothing is stored after it, and leaves the command that
deletes the results. Whatever is killed after it, that command goes on. What is at Recall is deleted by the
service's workers, over an hour.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO, Protocol

import ijson

from app.core import events
from app.core.machine import Decision
from app.core.state import AtRecall, Transcription
from app.errors import BlobMissing, TranscriptUnreadable
from app.orchestrator.ports import DatabaseClock
from app.orchestrator.ports_blobs import Blobs
from app.orchestrator.records import Source
from app.orchestrator.transitions import Advancer
from app.transcripts.reader import read_turns
from app.transcripts.result_folder import PARTICIPANTS, RAW, folder_of


def erase(
    transitions: Advancer,
    store: DatabaseClock,
    workspace: str,
    recording_id: str,
    *,
    at_recall: AtRecall | None = AtRecall.TRANSCRIPT,
    by: str = "person",
) -> Decision:
    """
    From its return on nothing of it is taken up or shown again; the service's workers delete the rest. One
    that is erased already is erased once more, which is harmless.

    Raises:
        WorkspaceUnknown, StoreUnavailable, Stale: Nothing was done.
    """
    event = events.EraseAsked(store.now(), at_recall)
    decision, _ = transitions.advance(workspace, recording_id, event, Source(by=by))
    return decision


class ErasureStore(Protocol):
    """What `app.adapters.sql.erasure` has of the rows."""

    def known_recordings(self) -> Iterator[Transcription]:
        """All that are not erased."""

    def transcripts_here(self, workspace: str, recording_id: str) -> Sequence[str]:
        """Ids of those whose files are in the store, without a manifest too."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which recordings; one of the three."""

    bot_id: str | None = None
    metadata: tuple[str, str] | None = None
    participant: str | None = None

    def matching(self, store: ErasureStore, blobs: Blobs) -> Iterator[Transcription]:
        """In any workspace. Raises `BlobsUnavailable`, `StoreUnavailable`."""
        for state in store.known_recordings():
            if self._is_meant(state) or self._took_part(state, store, blobs):
                yield state

    def _is_meant(self, state: Transcription) -> bool:
        is_bot = self.bot_id is not None and state.bot_id == self.bot_id
        return is_bot or (self.metadata is not None and self.metadata in state.metadata)

    def _took_part(self, state: Transcription, store: ErasureStore, blobs: Blobs) -> bool:
        if self.participant is None:
            return False
        wanted, of = _plain(self.participant), (state.workspace, state.recording_id)
        folders = [folder_of(*of, tid) for tid in store.transcripts_here(*of)]
        return any(_plain(each) == wanted for folder in folders for each in _people(folder, blobs))


def _people(folder: str, blobs: Blobs) -> Iterator[str]:
    """Who speaks by the transcript itself, and names and addresses of those who were there."""
    for name, read in ((RAW, _speakers), (RAW, _participants), (PARTICIPANTS, _listed)):
        # What is not there, or cannot be read, names no person.
        unreadable = suppress(BlobMissing, TranscriptUnreadable, ijson.JSONError, ValueError)
        with unreadable, blobs.open(f"{folder}/{name}") as stream:
            yield from read(stream)


def _speakers(stream: BinaryIO) -> Iterator[str]:
    return (turn.name for turn in read_turns(stream, with_words=False) if turn.name)


def _participants(stream: BinaryIO) -> Iterator[str]:
    """Beside the name an address, where Recall has it."""
    return (text for each in ijson.items(stream, "item.participant") for text in _texts(each))


def _listed(stream: BinaryIO) -> Iterator[str]:
    return _texts(json.load(stream))


def _texts(value: object) -> Iterator[str]:
    """Every text in it, wherever it stands: a name or an address of a person may be in any field."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)


def _plain(name: str) -> str:
    """As people mean it: whatever its letters' case, width and blanks."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())
