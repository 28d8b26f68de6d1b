"""
One pass over Recall's list per workspace, however long it takes: shared out among jobs, gone on with after
whatever stopped it, and behind every command.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from app.core.events import RecordingDone
from app.errors import AccountRefused, CursorRefused, QueueUnavailable, RecallBusy
from app.orchestrator.housekeeping import ask_for_passes
from app.orchestrator.recall_list_passes import Progress, reconcile_all
from app.orchestrator.records import KEY_FOREIGN, LIST_READ, MADE_UP_FOR, BootClock, PauseSubject, Source
from app.orchestrator.service import Service
from app.recall.types import RecordingSeen
from tests.orchestrator.list_stage import EVERY_S, HOUR, POLICY, START, Stage

SWEEP_S = 30.0


class Killed(BaseException):
    """What ends a worker without a word."""


@dataclass
class Hall(Stage):
    """Many recordings; `on_page` happens while Recall prepares the page that is asked for."""

    page_s: float = 0.0  # how long Recall takes
    on_page: Callable[[], None] | None = None
    pages: list[str | None] = field(default_factory=list)

    def recordings_page(
        self, created_after: float, cursor_url: str | None
    ) -> tuple[list[RecordingSeen], str | None]:
        self.at += self.page_s
        self.pages.append(cursor_url)
        if self.on_page is not None:
            self.on_page()
        return super().recordings_page(created_after, cursor_url)

    def has(self, number: int) -> None:
        """So many recordings that ended long ago and of which nothing was told."""
        for each in range(number):
            self.meets(f"lost {each}", began=1.0, ended=1.1)
        self.at = START + 9 * HOUR

    def is_pressed(self) -> None:
        """A command is due, and every other worker is busy."""
        done = RecordingDone(self.at, "a bot", ())
        self.service.advance("default", f"pressing {len(self.known)}", done, Source(by="webhook"))

    def sweeps(self) -> None:
        ask_for_passes(self.store, self.queue, self.service.workspaces)

    def works(self, service: Service | None = None) -> None:
        """A worker begins the job that was asked for."""
        reconcile_all(service or self.service)

    def goes_on(self, *, until_s: float = HOUR) -> int:
        """Sweeps and jobs, until no pass waits; how many jobs that took."""
        ends_at = self.at + until_s
        for jobs in range(2000):
            self.sweeps()
            if not self.store.has_pass_waiting() or self.at > ends_at:
                return jobs
            self.works()
            self.store.commands.clear()  # what was taken up is performed meanwhile
            self.at += SWEEP_S
        raise AssertionError("the pass never comes to its end")

    @property
    def ended(self) -> int:
        return sum(line["event"] == "reconciled" for line in self.lines)


@pytest.mark.slow
@pytest.mark.parametrize(("recordings", "page_size"), [(40, 1), (300, 3), (100, 1), (7, 50)])
def test_a_pass_of_any_number_of_pages_ends_and_reads_each_once(recordings: int, page_size: int) -> None:
    hall = Hall(page_size=page_size)
    hall.has(recordings)
    hall.goes_on(until_s=10 * HOUR)
    assert len(hall.known) == recordings
    assert len(hall.pages) == len(set(hall.pages))
    assert hall.ended == len(hall.asked) == 1


def test_a_list_slower_than_the_period_is_one_pass_and_no_second_begins_beside_it() -> None:
    hall = Hall(page_size=1, page_s=14.0)
    hall.has(100)
    hall.sweeps()
    began = hall.at
    while hall.store.has_pass_waiting():
        hall.works()
        hall.store.commands.clear()
        hall.at += SWEEP_S
        if hall.store.has_pass_waiting():
            hall.sweeps()
    assert hall.at - began > 2 * EVERY_S
    assert (len(hall.asked), hall.ended) == (1, 1), "one beginning, one end"


def test_a_job_reads_for_seconds_and_then_gives_its_worker_back() -> None:
    hall = Hall(page_size=1, page_s=2.0)
    hall.has(100)
    hall.on_page = hall.store.commands.clear
    hall.sweeps()
    began = hall.at
    hall.works()
    hall.store.commands.clear()
    assert hall.at - began <= 20 + 2 * 2.0
    assert 2 < len(hall.pages) < 12
    assert hall.store.has_pass_waiting()


def test_while_a_command_is_due_a_job_reads_one_page_and_leaves() -> None:
    hall = Hall(page_size=1)
    hall.has(9)
    hall.is_pressed()
    hall.sweeps()
    for number in range(1, 4):
        asked = hall.queue.passes_asked
        hall.works()
        assert len(hall.pages) == number
        assert hall.queue.passes_asked == asked, "the sweep will ask; commands stand before it in the queue"


def test_a_second_worker_ends_at_once_while_the_first_reads() -> None:
    hall = Hall(page_size=1)
    hall.has(1)
    another = hall.open_service()
    seen: list[int] = []

    def second() -> None:
        if not seen:
            seen.append(len(hall.pages))
            hall.works(another)
            assert len(hall.pages) == seen[0], "it read a page as well"

    hall.on_page = second
    hall.sweeps()
    hall.works()
    assert (seen, hall.ended) == ([1], 1)


def test_jobs_that_wait_in_the_queue_are_one_however_often_the_sweep_comes() -> None:
    hall = Hall()
    hall.has(9)
    for _ in range(19):
        hall.sweeps()
        hall.at += SWEEP_S
    assert hall.queue.passes_asked == 1
    hall.at += 60
    hall.sweeps()
    assert hall.queue.passes_asked == 2, "ten minutes later it is taken for lost"
    hall.is_pressed()
    hall.works()
    hall.at += 3
    hall.sweeps()
    assert hall.queue.passes_asked == 3


def test_where_time_is_scaled_a_lost_job_is_missed_as_much_sooner() -> None:
    hall = Hall(policy=replace(POLICY, durations=POLICY.durations.scaled(60)))
    hall.has(9)
    hall.sweeps()
    hall.at += EVERY_S / 60
    hall.sweeps()
    assert hall.queue.passes_asked == 2


def test_a_queue_that_is_away_is_asked_again_by_the_next_sweep() -> None:
    hall = Hall()
    hall.has(1)

    def away() -> None:
        raise QueueUnavailable("no Redis")

    well, hall.queue.ask_reconcile = hall.queue.ask_reconcile, away  # type: ignore[method-assign]
    with pytest.raises(QueueUnavailable):
        hall.sweeps()
    hall.queue.ask_reconcile = well  # type: ignore[method-assign]
    hall.sweeps()
    assert hall.queue.passes_asked == 1


@pytest.mark.parametrize("page", [1, 2, 3])
def test_a_worker_killed_on_its_way_loses_no_more_than_its_page(page: int) -> None:
    hall = Hall(page_size=3)
    hall.has(9)

    def dies() -> None:
        hall.store.commands.clear()
        if len(hall.pages) == page:
            raise Killed

    hall.on_page = dies
    hall.sweeps()
    with pytest.raises(Killed):
        hall.works()
    hall.works()
    assert len(hall.pages) == page, "the lease of the dead one still runs"
    hall.at += 60
    hall.service = hall.open_service()
    hall.on_page = None
    hall.goes_on()
    assert (len(hall.known), hall.ended) == (9, 1)
    assert len(hall.pages) == 4, "one page was read twice"


def test_a_worker_slower_than_its_lease_takes_nothing_up_beside_the_next() -> None:
    hall = Hall(page_size=3)
    hall.has(9)
    another = hall.open_service()

    def too_slow() -> None:
        if len(hall.pages) == 1:
            hall.at += 300.0
            hall.works(another)

    hall.on_page = too_slow
    hall.sweeps()
    hall.works()
    assert hall.pages == [None, None, "3", "6"], "the second one begins where the first was"
    assert (len(hall.known), hall.ended) == (9, 1)
    starts = [line for line in hall.lines if line.get("event") == "decided"]
    assert len(starts) == 9, "each is taken up by one of them"


def test_a_cursor_that_recall_refuses_begins_the_pass_anew() -> None:
    hall = Hall(page_size=3)
    hall.has(9)
    refused: list[int] = []

    def refuses() -> None:
        if len(hall.pages) == 3 and not refused:
            refused.append(1)
            raise CursorRefused("cursor_refused: http_404", retry_after_s=5.0)

    hall.on_page = refuses
    hall.goes_on()
    assert hall.pages == [None, "3", "6", None, "3", "6"]
    assert (len(hall.known), hall.ended) == (9, 1)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_recall_puts_the_pass_off_and_it_goes_on_at_its_page(status: int) -> None:
    hall = Hall(page_size=3)
    hall.has(9)

    def busy() -> None:
        if len(hall.pages) in (2, 3):
            raise RecallBusy(f"http_{status}", retry_after_s=7.0)

    hall.on_page = busy
    hall.goes_on()
    assert hall.pages == [None, "3", "3", "3", "6"]
    assert (len(hall.known), hall.ended) == (9, 1)


@pytest.mark.parametrize("by_s", [-HOUR, 2 * HOUR, 30 * HOUR, -7 * HOUR])
def test_a_pass_goes_on_when_the_database_clock_steps_under_it(by_s: float) -> None:
    hall = Hall(page_size=3)
    hall.has(9)
    up_s = hall.at

    def signs() -> None:
        hall.store.record_heartbeat(quiet_s=600, boot=BootClock("machine", lambda: up_s))

    signs()
    hall.is_pressed()
    hall.sweeps()
    hall.works()
    assert len(hall.pages) == 1
    hall.store.commands.clear()
    hall.at += by_s
    signs()
    hall.goes_on()
    assert hall.pages[:3] == [None, "3", "6"]
    assert len(hall.known) == 10
    hall.store.intervals.clear()
    hall.goes_on()
    assert hall.ended == 2, "and the next pass comes, too"


def test_progress_of_another_version_or_garbled_begins_anew_and_breaks_nothing() -> None:
    for text in ("{", "[]", "7", '{"unheard_of": 1}', ""):
        hall = Hall()
        hall.has(2)
        held = hall.store.take_pass("default", "reconcile", lease_s=1)
        assert held is not None
        hall.store.leave_pass(held, progress=text)
        hall.works()
        hall.store.intervals.clear()
        hall.goes_on()
        assert (len(hall.known), hall.ended) == (2, 1), text
    progress = Progress(1.0, 2.0, 3.0, "/api/v1/recording/?cursor=x", 4.0, 5.0, {"listed": 6})
    assert Progress.read(progress.to_json()) == progress


def test_under_a_key_that_sees_nothing_known_here_there_is_no_pass() -> None:
    hall = Hall(fingerprint="known")
    hall.meets("ours", began=1, ended=1.1)
    hall.has(3)
    hall.goes_on()
    assert len(hall.known) == 4
    hall.fingerprint, hall.service, hall.sees = "foreign", hall.open_service(), set()
    hall.meets("of another workspace", began=8, ended=8.1)
    hall.store.intervals.clear()
    pages = len(hall.pages)
    hall.goes_on(until_s=300)
    assert len(hall.pages) == pages, "it was not even asked"
    assert hall.store.key_status("default", "foreign") == KEY_FOREIGN
    assert "of another workspace" not in hall.known
    hall.fingerprint, hall.service, hall.sees = "known", hall.open_service(), None
    hall.goes_on(until_s=300)
    assert len(hall.pages) > pages
    assert hall.store.paused("default") is None


def test_a_list_of_another_workspace_under_an_accepted_key_is_not_taken_up() -> None:
    hall = Hall()
    hall.meets("ours", began=1, ended=1.1)
    hall.has(0)
    hall.goes_on()
    ours = dict(hall.meetings)
    hall.meetings = {}
    hall.meets("theirs", began=8, ended=8.1)
    hall.meets("theirs, too", began=8, ended=8.1)
    hall.sees = {"theirs", "theirs, too"}
    hall.store.intervals.clear()
    hall.goes_on(until_s=300)
    assert hall.known == {"ours"}
    assert {line["cause"] for line in hall.put_off} == {"no_known_recording_seen"}
    hall.meetings, hall.sees = {**ours, **hall.meetings}, None  # as if they had been ours all along
    hall.goes_on()
    assert hall.known == {"ours", "theirs", "theirs, too"}


def test_a_workspace_that_is_paused_is_probed_by_a_job_where_no_command_is_there_to_do_it() -> None:
    hall = Hall()
    hall.store.pause("default", PauseSubject.ACCOUNT, 401, probe_after_s=15)
    hall.raises = lambda: AccountRefused(401)
    hall.goes_on(until_s=120)
    assert 2 <= len(hall.probes) <= 6
    assert hall.pages == []
    hall.raises = None
    hall.goes_on(until_s=120)
    assert hall.store.paused("default") is None


def test_each_page_that_is_read_is_noted_and_so_is_what_no_webhook_told_of() -> None:
    hall = Hall(page_size=1)
    hall.has(2)
    hall.goes_on()
    assert hall.store.mark(LIST_READ + "default") == pytest.approx(hall.at, abs=HOUR)
    assert hall.store.mark(MADE_UP_FOR + "default") == pytest.approx(hall.at, abs=HOUR)


def test_a_page_that_cannot_be_read_is_none() -> None:
    hall = Hall(page_size=1)
    hall.has(2)

    def refuse() -> None:
        raise RecallBusy("http_400", retry_after_s=5)

    hall.on_page = refuse
    hall.sweeps()
    hall.works()
    assert len(hall.pages) == 1
    assert hall.store.mark(LIST_READ + "default") is None
