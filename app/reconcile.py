"""
Recall's own list of recordings, held against what we heard: webhooks get lost, endpoints get disabled.

A recording that Recall lists as done and we never heard of is taken up; its transcripts are looked at
before anything is paid. Never further back than this installation's first start and 48 hours: what is
older is `backfill`, by hand, with its number and cost named first. One page at a time, each in its own
slot of the list rate and a slot apart, so that look-ups about money go first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

from app.core import events
from app.core.events import RecordingCondition
from app.core.policy import why_not_selected
from app.core.state import Goal
from app.errors import AccountRefused, RecallBusy
from app.ports import RecordingSeen, Source
from app.service import Service
from app.task import READS_PER_WINDOW, Workspace

_MOST_TRIES_PER_PAGE = 8


@dataclass(slots=True)
class Found:
    """What a pass over Recall's list came to."""

    listed: int = 0
    known: int = 0
    not_selected: int = 0
    taken_up: int = 0


class Reconciler:
    """One pass for one workspace. `tell` hears of every page, for a progress display."""

    def __init__(
        self, service: Service, workspace: Workspace, *, tell: Callable[[Found], None] | None = None
    ) -> None:
        self._service, self._workspace = service, workspace
        self._tell = tell or (lambda found: None)

    def run(self, *, since: float, by: str, is_dry: bool = False) -> Found:
        """
        Takes up what was done after `since` (seconds since the epoch) and is not known here.

        Raises:
            RecallBusy, AccountRefused: Recall cannot be asked now; what was taken up stays.
        """
        found = Found()
        for recording in self._finished_since(since):
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

    def _finished_since(self, since: float) -> Iterator[RecordingSeen]:
        cursor: str | None = None
        while True:
            page, cursor = self._page(since, cursor)
            yield from (r for r in page if self._is_overdue(r))
            if cursor is None:
                return

    def _is_overdue(self, recording: RecordingSeen) -> bool:
        """Done, and for long enough that its webhook should have come: what is fresh is left to that."""
        age_s = self._service.clock.now() - (recording.finished_at or recording.created_at or 0.0)
        is_done = recording.facts.condition is RecordingCondition.DONE
        return is_done and age_s >= self._workspace.policy.durations.overdue_after_s

    def _page(self, since: float, cursor: str | None) -> tuple[list[RecordingSeen], str | None]:
        for _ in range(_MOST_TRIES_PER_PAGE):
            self._await_slot()
            try:
                return self._workspace.recall.recordings_page(since, cursor)
            except RecallBusy as busy:
                self._service.store.push_rate(self._workspace.name, "list", after_s=busy.retry_after_s)
        raise RecallBusy("the list of recordings", retry_after_s=60.0)

    def _await_slot(self) -> None:
        durations = self._workspace.policy.durations
        gap_s = durations.rate_window_s / READS_PER_WINDOW["list"]
        store, clock = self._service.store, self._service.clock
        clock.sleep(gap_s)  # one slot in two is left to look-ups
        slot_at = store.reserve(self._workspace.name, "list", gap_s=gap_s)
        clock.sleep(max(0.0, slot_at - store.now()))


def reconcile_all(service: Service) -> Found:
    """A pass for every workspace, as far back as may be done without asking a person."""
    total = Found()
    for workspace in service.workspaces.values():
        reach_s = workspace.policy.durations.reconcile_reach_s
        since = max(service.store.first_start(), service.store.now() - reach_s)
        try:
            found = Reconciler(service, workspace).run(since=since, by="reconcile")
        except (RecallBusy, AccountRefused) as trouble:
            service.log.warning("reconcile_put_off", workspace=workspace.name, cause=str(trouble))
            continue
        service.log.info("reconciled", workspace=workspace.name, **asdict(found))
        for name, number in asdict(found).items():
            setattr(total, name, getattr(total, name) + number)
    return total
