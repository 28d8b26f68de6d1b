"""
Recall's own list of recordings, held against what we heard: webhooks get lost, endpoints get disabled.

A recording that Recall lists as done and we never heard of is taken up; its transcripts are looked at
before anything is paid. Never further back than this installation's first start and 48 hours: what is
older is `backfill`, by hand, with its number and cost named first. One page at a time, each in its own
slot of the list rate and a slot apart, so that look-ups about money go first.

Recall filters its list by when a recording was *created*, which is the beginning of the meeting, while
the news is its end. So a pass does not begin where the last one ended but at the oldest recording that
was still unfinished then, and now and then a whole pass looks at everything again. How far a pass reaches and
how it is shared out among jobs is in `recall_list_passes`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from app.core import events
from app.core.events import RecordingCondition
from app.core.policy import why_not_selected
from app.core.state import Phase
from app.errors import CursorRefused, RecallBusy
from app.orchestrator.command_context import Workspace
from app.orchestrator.rate_limits import await_slot
from app.orchestrator.records import MADE_UP_FOR, Source
from app.recall.limits import READS_PER_WINDOW
from app.recall.types import RecordingSeen

if TYPE_CHECKING:
    from app.orchestrator.service import Service

_MOST_TRIES_PER_PAGE = 8
_MOST_BEGINNINGS = 3  # of one run by hand, whose cursor is refused again and again
# The look-ups of a page of a backfill may well take minutes; a slot beyond this is of a clock set back.
_LONGEST_WAIT = 6


@dataclass(slots=True)
class Found:
    """What a pass over Recall's list came to."""

    listed: int = 0
    known: int = 0
    not_selected: int = 0
    taken_up: int = 0
    taken_up_s: int = 0  # how long these last together, as far as Recall says
    with_length: int = 0  # of these
    too_young: int = 0  # finished so lately that their webhooks are still awaited; not among `listed`

    def add(self, other: Found) -> None:
        """Counts another pass in."""
        for name, number in asdict(other).items():
            setattr(self, name, getattr(self, name) + number)


class Reconciler:
    """
    The pages of one workspace's list.

    Args:
        tell: Called for every recording, for a progress display.
        vouch: Asked once before anything is taken up, unless a recording known here was listed before: is it
            this workspace's list? Raises what Recall's calls raise where it is not, or that is not known.

    Attributes:
        unfinished_since: When the oldest of the listed recordings was created that may still become news
            (not done yet, or done so lately that its webhook is still awaited); else None.
    """

    def __init__(
        self,
        service: Service,
        workspace: Workspace,
        *,
        by: str,
        is_dry: bool = False,
        tell: Callable[[Found], None] | None = None,
        vouch: Callable[[], None] | None = None,
    ) -> None:
        self._service, self._workspace = service, workspace
        self._by, self._is_dry = by, is_dry
        self._tell = tell or (lambda found: None)
        self._vouch = vouch
        self.found = Found()
        self.unfinished_since: float | None = None

    def run(self, *, since: float) -> Found:
        """
        By hand, in one go: takes up what was done after `since` (seconds since the epoch) and is not known.

        Raises:
            RecallBusy, AccountRefused: Recall cannot be asked now; what was taken up stays.
        """
        cursor: str | None = None
        beginnings = 1
        while True:
            try:
                page, cursor = self._page_after_slot(since, cursor)
            except CursorRefused:
                beginnings += 1
                if beginnings > _MOST_BEGINNINGS:
                    raise
                self.found, cursor = Found(), None
                continue
            self.look_at(page, since=since)
            if cursor is None:
                return self.found

    def look_at(self, page: list[RecordingSeen], *, since: float) -> None:
        """Takes up what is news in one page; counts the rest."""
        for recording in page:
            if self._is_overdue(recording):
                self.found.listed += 1
                self._look_at_one(recording)
                self._tell(self.found)
            elif recording.facts.condition in (RecordingCondition.DONE, RecordingCondition.NOT_DONE):
                # Without a date it might be as old as any: the next pass begins where this one did.
                created_at = recording.created_at or since
                self.unfinished_since = min(created_at, self.unfinished_since or created_at)
                self.found.too_young += recording.facts.condition is RecordingCondition.DONE

    def _look_at_one(self, recording: RecordingSeen) -> None:
        name, found = self._workspace.name, self.found
        before = self._service.store.load(name, recording.recording_id)
        is_waiting = before.transcription.phase is Phase.NEW and not before.transcription.is_recording_done
        if before.version and not is_waiting:
            found.known += 1
            self._vouch = None
            return
        policy = self._workspace.policy.processed(before.processing)
        if why_not_selected(policy.select, dict(recording.facts.metadata)) is not None:
            found.not_selected += 1
            return
        if self._vouch is not None:
            self._vouch()
            self._vouch = None
        found.taken_up += 1
        found.taken_up_s += round(recording.facts.duration_s or 0.0)
        found.with_length += recording.facts.duration_s is not None
        if self._is_dry:
            return
        event = events.RecordingDone(
            self._service.store.now(),
            recording.facts.bot_id,
            recording.facts.metadata,
            lookup_required=True,
            started_at=recording.facts.started_at,
            duration_s=recording.facts.duration_s,
        )
        self._service.advance(name, recording.recording_id, event, Source(by=self._by))
        if self._by == "reconcile":
            self._service.store.set_mark(MADE_UP_FOR + name, self._service.store.now())

    def _is_overdue(self, recording: RecordingSeen) -> bool:
        """Done, and for long enough that its webhook should have come: what is fresh is left to that."""
        age_s = self._service.clock.now() - (recording.finished_at or recording.created_at or 0.0)
        is_done = recording.facts.condition is RecordingCondition.DONE
        return is_done and age_s >= self._workspace.policy.durations.overdue_after_s

    def _page_after_slot(self, since: float, cursor: str | None) -> tuple[list[RecordingSeen], str | None]:
        name, policy = self._workspace.name, self._workspace.policy
        store, clock, durations = self._service.store, self._service.clock, policy.durations
        at_most_s, cause = _LONGEST_WAIT * durations.reconcile_every_s, ""
        for _ in range(_MOST_TRIES_PER_PAGE):
            # One slot in two is left to look-ups.
            clock.sleep(durations.rate_window_s / READS_PER_WINDOW["list"])
            await_slot(store, clock, name, "list", policy, at_most_s=at_most_s)
            try:
                return self._workspace.recall.recordings_page(since, cursor)
            except CursorRefused:
                raise
            except RecallBusy as busy:
                cause = busy.cause
                store.push_rate(name, "list", after_s=busy.retry_after_s)
        raise RecallBusy(cause, retry_after_s=60.0)
