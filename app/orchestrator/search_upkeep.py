"""
Keeps the search index up: a transcript is indexed once it is stored, by the worker that stored it; what
failed or was stored before is found by `catch_up`. Nothing here delays or fails a recording.

Without text and names in log lines.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import BinaryIO, cast

from structlog.typing import FilteringBoundLogger

from app.core.state import Phase, Transcription
from app.errors import AfterwordError, BlobsUnavailable, QueueUnavailable, StoreUnavailable
from app.orchestrator.ports_blobs import Blobs
from app.orchestrator.ports_search import SearchIndex, StoredResult, StoredResults
from app.orchestrator.records import ArtifactRow
from app.orchestrator.stored_roster import stored_roster
from app.transcripts.passages import read_passages
from app.transcripts.render import render
from app.transcripts.result_folder import RAW, folder_of

_SENTENCES = "sentences.json"
_IN_MEMORY_BYTES = 4 << 20
_PAGE = 200
_MOST_CHANGES = 5


class SearchUpkeep:
    """
    Args:
        unwanted: Workspaces whose policy wants no index.
        ask: Has a worker call `go_on` with this number. May raise `QueueUnavailable`.
    """

    def __init__(
        self,
        index: SearchIndex,
        results: StoredResults,
        blobs: Blobs,
        log: FilteringBoundLogger,
        *,
        unwanted: Collection[str] = (),
        ask: Callable[[int], None] = lambda after: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._index, self._results, self._blobs, self._log = index, results, blobs, log
        self._unwanted, self._ask, self._monotonic = unwanted, ask, monotonic
        self._behind = 0

    def stored(self, state: Transcription, row: ArtifactRow | None) -> None:
        """After a commit: `add`, where what it stored is the recording's result now."""
        if row is not None and state.phase is Phase.STORED and state.current == row.transcript_id:
            self.add(StoredResult(row.workspace, row.recording_id, row.transcript_id, row.files))

    def add(self, result: StoredResult) -> None:
        """What was stored just now. Never raises: what fails is found again by `catch_up`."""
        if result.workspace in self._unwanted:
            return
        try:
            self._put_current(result)
        except Exception as error:  # the recording is stored, whatever is wrong here
            self._log.warning("not_indexed", recording=result.recording_id, cause=_plainly(error))

    def forget(self, workspace: str, *recording_ids: str) -> None:
        """What was erased. Raises `StoreUnavailable`: some of its text may be left."""
        self._index.forget(workspace, *recording_ids)

    def ask_if_behind(self) -> None:
        """
        Has `go_on` begun where the index has fewer transcripts than it should, or more. Not where the
        difference is less than at the last call: a worker is at it. Never raises: it is asked again later.
        """
        try:
            before, self._behind = self._behind, abs(self._missing())
            if self._behind and not self._behind < before:
                self._ask(0)
        except AfterwordError as trouble:
            self._log.warning("index_unusable", cause=str(trouble))

    def go_on(self, after: int) -> None:
        """Some seconds of `catch_up`, and asks for the next. Raises `StoreUnavailable`."""
        try:
            further = self.catch_up(after)
            if further is not None:
                self._ask(further)
        except (BlobsUnavailable, QueueUnavailable) as trouble:
            self._log.warning("indexing_put_off", cause=str(trouble))

    def _missing(self) -> int:
        return self._results.count_results(self._unwanted) - self._index.counts().transcripts

    def catch_up(self, after: int = 0, *, seconds: float = 5.0) -> int | None:
        """
        Indexes what is missing, oldest first, and at the end removes what is stored no more or not wanted.

        Args:
            after: Where the last call stopped.
            seconds: After which it stops; one transcript is always finished.

        Returns:
            Where to go on, or None when it is done.

        Raises:
            StoreUnavailable, BlobsUnavailable: To be tried again later.
        """
        ends_at = self._monotonic() + seconds
        while page := self._results.results_after(after, limit=_PAGE):
            missing = set(self._index.missing(page))
            for result in page:
                if result in missing and result.workspace not in self._unwanted:
                    self._put_current(result)
                    if self._monotonic() >= ends_at:
                        return result.id
            after = page[-1].id
        self._remove_what_is_stored_no_more()
        return None

    def rebuild(self, tell: Callable[[int, int], None] = lambda done, of: None) -> None:
        """
        Empties the index and makes it anew. What is found grows meanwhile.

        Args:
            tell: Called with how many are done, of how many.

        Raises:
            StoreUnavailable, BlobsUnavailable: What is not indexed yet is caught up with by the service.
        """
        self._index.clear()
        after: int | None = 0
        while after is not None:
            after = self.catch_up(after, seconds=0.5)
            tell(self._index.counts().transcripts, self._results.count_results(self._unwanted))

    def renew(self, workspace: str, recording_id: str) -> bool:
        """
        One recording's result anew; whether it has one that the index is to hold.

        Raises:
            StoreUnavailable, BlobsUnavailable: To be tried again later.
        """
        found = [] if workspace in self._unwanted else self._results.results_of(workspace, [recording_id])
        if found:
            self._put_current(found[0])
        else:
            self._index.forget(workspace, recording_id)
        return bool(found)

    def _put_current(self, result: StoredResult) -> None:
        """Another transcript may become the recording's result meanwhile, or the recording be erased."""
        for _ in range(_MOST_CHANGES):
            self._put(result)
            now = self._results.results_of(result.workspace, [result.recording_id])
            if not now:
                self._index.forget(result.workspace, result.recording_id)
            if not now or now[0] == result:
                return
            result = now[0]

    def _put(self, result: StoredResult) -> None:
        folder = folder_of(result.workspace, result.recording_id, result.transcript_id)
        try:
            with self._sentences(folder, result.files) as lines:
                self._index.put(result, read_passages(lines))
                return
        except (StoreUnavailable, BlobsUnavailable):
            raise
        except OSError as error:  # from a file that was open already
            raise BlobsUnavailable(f"a stored file cannot be read: {error.strerror}") from error
        except (AfterwordError, ValueError) as error:
            cause = _plainly(error)
        # Counted as done, so that it is not tried each time; `rebuild` tries it again.
        self._index.put(result, (), is_unreadable=True)
        self._log.warning("not_indexed", recording=result.recording_id, cause=cause)

    @contextmanager
    def _sentences(self, folder: str, files: tuple[str, ...]) -> Iterator[BinaryIO]:
        """`sentences.json`, as stored or, where the policy leaves it out, made for this."""
        with tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES) as spooled:
            local: BinaryIO = cast(BinaryIO, spooled)
            name = _SENTENCES if _SENTENCES in files else RAW
            with self._blobs.open(f"{folder}/{name}") as stored:
                shutil.copyfileobj(stored, local)
            local.seek(0)
            if name == _SENTENCES:
                yield local
                return
            with tempfile.TemporaryFile() as made:
                text = TextIOWrapper(made, encoding="utf-8", newline="\n")
                render(local, {_SENTENCES: text}, roster=stored_roster(self._blobs, folder, local))
                text.flush()
                made.seek(0)
                yield made

    def _remove_what_is_stored_no_more(self) -> None:
        if not self._missing():
            return
        gone = defaultdict[str, set[str]](set)
        after = 0
        while page := self._index.transcripts(after=after, limit=_PAGE):
            after = page[-1].id
            for workspace in {result.workspace for result in page}:
                ids = {result.recording_id for result in page if result.workspace == workspace}
                if workspace not in self._unwanted:
                    ids -= {
                        result.recording_id for result in self._results.results_of(workspace, sorted(ids))
                    }
                gone[workspace] |= ids
        for workspace, ids in gone.items():
            if ids:
                self._index.forget(workspace, *ids)


def _plainly(error: Exception) -> str:
    """Our own message, else the kind of error: others may hold what was said."""
    return str(error) if isinstance(error, AfterwordError) else type(error).__name__
