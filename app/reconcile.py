"""
Recall's own list of recordings, held against what we heard: webhooks get lost, endpoints get disabled.

A recording that Recall lists as done and we never heard of is taken up; its transcripts are looked at
before anything is paid. Never further back than this installation's first start and 48 hours: what is
older is `backfill`, by hand, with its number and cost named first. One page at a time, each in its own
slot of the list rate and a slot apart, so that look-ups about money go first.

Recall filters its list by when a recording was *created*, which is the beginning of the meeting, while
the news is its end. So a pass does not begin where the last one ended but at the oldest recording that
was still unfinished then (`Reach`), and now and then a whole pass looks at everything again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

from app.core import events
from app.core.events import RecordingCondition
from app.core.policy import why_not_selected
from app.core.state import Goal
from app.errors import AccountRefused, RecallBusy
from app.ports import RecordingSeen, Source, Store
from app.service import Service
from app.task import READS_PER_WINDOW, Workspace

_MOST_TRIES_PER_PAGE = 8
# In passes, ten minutes each, so that a scaled time scales them too: six hours, three, and one.
_WHOLE_EVERY = 36
# Held against what a list may not show: meetings under way, and clocks that differ.
_OVERLAP = 18
# The look-ups of a page of a backfill may well take minutes; a slot beyond this is of a clock set back.
_LONGEST_WAIT = 6
_JUST_BEFORE_S = 1.0  # "created after" may leave out what was created at that very moment


@dataclass(slots=True)
class Found:
    """
    What a pass over Recall's list came to.

    Attributes:
        too_young: Finished so lately that their webhooks are still awaited; not among `listed`.
    """

    listed: int = 0
    known: int = 0
    not_selected: int = 0
    taken_up: int = 0
    too_young: int = 0

    def add(self, other: Found) -> None:
        """Counts another pass in."""
        for name, number in asdict(other).items():
            setattr(self, name, getattr(self, name) + number)


class Reach:
    """How far back a workspace's pass looks. Kept in the store; moved only by a pass that came to its end."""

    def __init__(self, store: Store, workspace: Workspace) -> None:
        self._store, self._durations = store, workspace.policy.durations
        self._next, self._whole = f"reconcile:{workspace.name}", f"reconcile_whole:{workspace.name}"
        self._began = store.now()
        self.earliest = max(store.first_start(), self._began - self._durations.reconcile_reach_s)

    def since(self) -> float:
        """Where the pass begins, seconds since the epoch: `earliest` for a whole one."""
        looked, whole_at = self._store.mark(self._next), self._store.mark(self._whole)
        if looked is None or whole_at is None:
            return self.earliest
        # Also when the database's clock was set back: the age is negative then.
        is_whole_due = not 0 <= self._began - whole_at < _WHOLE_EVERY * self._durations.reconcile_every_s
        return self.earliest if is_whole_due else max(self.earliest, looked)

    def passed(self, since: float, unfinished_since: float | None) -> None:
        """
        A pass from `since` on came to its end.

        Args:
            unfinished_since: When the oldest recording was created that may still become news; None
                when all that were listed have ended.
        """
        seen_to = self._began - _OVERLAP * self._durations.reconcile_every_s
        if unfinished_since is not None:
            seen_to = min(seen_to, unfinished_since - _JUST_BEFORE_S)
        self._store.set_mark(self._next, seen_to)
        if since <= self.earliest:
            self._store.set_mark(self._whole, self._began)


class Reconciler:
    """
    One pass for one workspace. `tell` hears of every recording, for a progress display.

    Attributes:
        unfinished_since: After `run`: when the oldest of the listed recordings was created that may still
            become news (not done yet, or done so lately that its webhook is still awaited); else None.
    """

    def __init__(
        self, service: Service, workspace: Workspace, *, tell: Callable[[Found], None] | None = None
    ) -> None:
        self._service, self._workspace = service, workspace
        self._tell = tell or (lambda found: None)
        self.unfinished_since: float | None = None

    def run(self, *, since: float, by: str, is_dry: bool = False) -> Found:
        """
        Takes up what was done after `since` (seconds since the epoch) and is not known here.

        Raises:
            RecallBusy, AccountRefused: Recall cannot be asked now; what was taken up stays.
        """
        found = Found()
        for recording in self._finished_since(since, found):
            found.listed += 1
            self._look_at(recording, found, by=by, is_dry=is_dry)
            self._tell(found)
        return found

    def _look_at(self, recording: RecordingSeen, found: Found, *, by: str, is_dry: bool) -> None:
        name = self._workspace.name
        before = self._service.store.load(name, recording.recording_id)
        is_waiting = before.transcription.goal is Goal.NEW and not before.transcription.is_heard
        if before.version and not is_waiting:
            found.known += 1
            return
        if why_not_selected(self._workspace.policy.select, dict(recording.facts.metadata)) is not None:
            found.not_selected += 1
            return
        found.taken_up += 1
        if is_dry:
            return
        event = events.RecordingDone(
            self._service.store.now(), recording.facts.bot_id, recording.facts.metadata, look_first=True
        )
        self._service.advance(name, recording.recording_id, event, Source(by=by))

    def _finished_since(self, since: float, found: Found) -> Iterator[RecordingSeen]:
        cursor: str | None = None
        while True:
            page, cursor = self._page(since, cursor)
            for recording in page:
                if self._is_overdue(recording):
                    yield recording
                elif recording.facts.condition in (RecordingCondition.DONE, RecordingCondition.NOT_DONE):
                    # Without a date it might be as old as any: the next pass begins where this one did.
                    created_at = recording.created_at or since
                    self.unfinished_since = min(created_at, self.unfinished_since or created_at)
                    found.too_young += recording.facts.condition is RecordingCondition.DONE
            if cursor is None:
                return

    def _is_overdue(self, recording: RecordingSeen) -> bool:
        """Done, and for long enough that its webhook should have come: what is fresh is left to that."""
        age_s = self._service.clock.now() - (recording.finished_at or recording.created_at or 0.0)
        is_done = recording.facts.condition is RecordingCondition.DONE
        return is_done and age_s >= self._workspace.policy.durations.overdue_after_s

    def _page(self, since: float, cursor: str | None) -> tuple[list[RecordingSeen], str | None]:
        cause = ""
        for _ in range(_MOST_TRIES_PER_PAGE):
            self._await_slot()
            try:
                return self._workspace.recall.recordings_page(since, cursor)
            except RecallBusy as busy:
                cause = busy.cause
                self._service.store.push_rate(self._workspace.name, "list", after_s=busy.retry_after_s)
        raise RecallBusy(cause, retry_after_s=60.0)

    def _await_slot(self) -> None:
        durations = self._workspace.policy.durations
        gap_s = durations.rate_window_s / READS_PER_WINDOW["list"]
        store, clock = self._service.store, self._service.clock
        clock.sleep(gap_s)  # one slot in two is left to look-ups
        wait_s = store.reserve(self._workspace.name, "list", gap_s=gap_s) - store.now()
        if wait_s > _LONGEST_WAIT * durations.reconcile_every_s:
            raise RecallBusy("rate", retry_after_s=wait_s)
        clock.sleep(max(0.0, wait_s))


def reconcile_all(service: Service) -> Found:
    """A pass for every workspace that wants it, as far back as may be done without asking a person."""
    total = Found()
    for workspace in service.workspaces.values():
        if not workspace.policy.reconcile:
            continue  # a job from before the policy was changed
        reach = Reach(service.store, workspace)
        since = reach.since()
        reconciler = Reconciler(service, workspace)
        try:
            found = reconciler.run(since=since, by="reconcile")
        except (RecallBusy, AccountRefused) as trouble:
            service.log.warning("reconcile_put_off", workspace=workspace.name, cause=str(trouble))
            continue
        reach.passed(since, reconciler.unfinished_since)
        service.log.info(
            "reconciled", workspace=workspace.name, is_whole=since <= reach.earliest, **asdict(found)
        )
        total.add(found)
    return total
