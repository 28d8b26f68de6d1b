"""
What is found, as programs get it: the object of `/v1/search`, by `search --json` with a few fields more.

One page of sentences and the cursor of the next; any text is a question, also one that finds nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.adapters.sql.tables import transcription_id
from app.errors import AfterwordError
from app.orchestrator.ports_search import Hit, SearchIndex, StoredResults
from app.transcripts.result_folder import folder_of
from app.transcripts.search_words import parse_query

MOST = 100
"""Sentences on a page."""

_LARGEST_ID = 2**63 - 1


class BadCursor(AfterwordError):
    """Not a cursor that a page ended with."""


@dataclass(frozen=True, slots=True)
class Page:
    """Sentences, and the cursor of what follows; None after the last."""

    hits: list[Hit]
    next_cursor: str | None = None


def search(
    index: SearchIndex,
    words: str,
    *,
    speaker: str = "",
    recording_id: str | None = None,
    workspace: str | None = None,
    limit: int = 20,
    cursor: str | None = None,
) -> Page:
    """
    Sentences that have all of these words and phrases, those of the transcript that was indexed last first.

    Args:
        words: Words, and phrases between quotation marks; see `app.transcripts.search_words.parse_query`.
        speaker: Words of the speaker's name. Alone: everything that was said by such a name.
        limit: At most `MOST`.
        cursor: `Page.next_cursor` of the same question.

    Raises:
        BadCursor: None of ours.
        StoreUnavailable: The index cannot be used, or the database takes too long.
    """
    before = None if cursor is None else _read_cursor(cursor)
    query = parse_query(words, speaker)
    is_id = all(value is None or value.isprintable() for value in (recording_id, workspace))
    if query is None or not is_id:
        return Page([])
    limit = max(1, min(limit, MOST))
    hits = index.search(query, workspace=workspace, recording_id=recording_id, limit=limit + 1, before=before)
    return Page(hits[:limit], str(hits[limit - 1].cursor) if len(hits) > limit else None)


def search_object(page: Page, public_url: str | None) -> dict[str, Any]:
    """The answer of `/v1/search`."""
    return {"data": [hit_object(hit, public_url) for hit in page.hits], "next_cursor": page.next_cursor}


def hit_object(hit: Hit, public_url: str | None) -> dict[str, Any]:
    """
    One sentence. `start` and `end` are seconds from the recording's start, null where not known; `url` is the
    transcription's at this installation, null without `PUBLIC_URL`.
    """
    id_ = transcription_id(hit.workspace, hit.recording_id)
    return {
        "recording_id": hit.recording_id,
        "transcription_id": id_,
        "speaker": hit.speaker,
        "start": hit.start_s,
        "end": hit.end_s,
        "text": hit.text,
        "url": None if public_url is None else f"{public_url.rstrip('/')}/v1/transcriptions/{id_}",
    }


def not_indexed(index: SearchIndex, results: StoredResults) -> int:
    """How many stored transcripts cannot be found by what was said."""
    counts = index.counts()
    return max(0, results.count_results() - counts.transcripts + counts.unreadable)


def file_of(hit: Hit) -> str:
    """The key, below the storage's root, of the file to open."""
    return f"{folder_of(hit.workspace, hit.recording_id, hit.transcript_id)}/{hit.file}"


def _read_cursor(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= _LARGEST_ID):
        raise BadCursor("not a cursor of an earlier page: ask without one, and go on with `next_cursor`")
    return int(text)
