"""The committer: who is answered when, and what a bad row, a bad store or a bad Redis does to the others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from structlog.testing import capture_logs

from app.errors import StoreUnavailable
from app.orchestrator.records import NewDelivery
from app.web.group_commit import Committer
from app.web.rejections import Counting


class Gate:
    """A store under the test's thumb: it records batches, stands still on request, and dislikes some ids."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.entered = threading.Semaphore(0)
        self.open = threading.Event()
        self.open.set()
        self.errors: dict[str, Exception] = {}
        self.accepted = 0
        self.counted: list[tuple[str, int]] = []

    def add_deliveries(self, rows: Sequence[NewDelivery]) -> None:
        ids = [row.webhook_id for row in rows]
        self.batches.append(ids)
        self.entered.release()
        assert self.open.wait(10)
        for webhook_id in ids:
            if webhook_id in self.errors:
                raise self.errors[webhook_id]

    def count_deliveries(self, rejected: Mapping[str, int], *, accepted: int, is_refused: bool) -> None:
        self.counted += rejected.items()
        self.accepted += accepted


def row(webhook_id: str) -> NewDelivery:
    return NewDelivery("default", webhook_id, 1.0, 1, "blue", b"{}")


def no_wake() -> None:
    """Nobody to wake."""


@pytest.fixture
def store() -> Gate:
    return Gate()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(32) as pool:
        yield pool


def submit_behind_a_running_commit(
    committer: Committer, store: Gate, pool: ThreadPoolExecutor, ids: Sequence[str]
) -> dict[str, Future[None]]:
    """`first` is being committed; the others are queued, in order, for one batch when the gate opens."""
    store.open.clear()
    waiting = {"first": pool.submit(committer.submit, row("first"))}
    assert store.entered.acquire(timeout=5)
    for number, webhook_id in enumerate(ids, start=1):
        waiting[webhook_id] = pool.submit(committer.submit, row(webhook_id))
        wait_until(lambda number=number: len(committer._waiting) == number)  # type: ignore[misc]
    return waiting


def wait_until(is_true: Callable[[], bool], *, timeout_s: float = 5.0) -> None:
    pause = threading.Event()
    for _ in range(int(timeout_s / 0.005)):
        if is_true():
            return
        pause.wait(0.005)
    raise AssertionError("it did not happen")


def outcome(future: Future[None]) -> str:
    error = future.exception(timeout=10)
    assert error is None or isinstance(error, StoreUnavailable)
    return "refused" if error else "stored"


def test_request_returns_only_after_its_own_batch_is_committed(store: Gate, pool: ThreadPoolExecutor) -> None:
    committer = Committer(store, no_wake)
    waiting = submit_behind_a_running_commit(committer, store, pool, ["second"])

    assert not any(future.done() for future in waiting.values())
    store.open.set()

    assert {outcome(future) for future in waiting.values()} == {"stored"}


def test_everything_that_came_during_a_commit_goes_into_the_next_one(
    store: Gate, pool: ThreadPoolExecutor
) -> None:
    committer = Committer(store, no_wake)
    ids = [f"m{n}" for n in range(20)]
    waiting = submit_behind_a_running_commit(committer, store, pool, ids)
    store.open.set()

    assert {outcome(future) for future in waiting.values()} == {"stored"}
    assert store.batches == [["first"], ids]


def test_batch_is_never_larger_than_its_limit(store: Gate, pool: ThreadPoolExecutor) -> None:
    committer = Committer(store, no_wake, batch_rows=4)
    waiting = submit_behind_a_running_commit(committer, store, pool, [f"m{n}" for n in range(10)])
    store.open.set()

    assert {outcome(future) for future in waiting.values()} == {"stored"}
    assert [len(batch) for batch in store.batches] == [1, 4, 4, 2]


def test_duplicate_waits_for_its_own_commit_and_is_not_answered_from_memory(
    store: Gate, pool: ThreadPoolExecutor
) -> None:
    committer = Committer(store, no_wake)
    committer.submit(row("same"))
    store.open.clear()
    again = pool.submit(committer.submit, row("same"))
    assert store.entered.acquire(timeout=5)
    assert store.entered.acquire(timeout=5)

    assert not again.done()
    store.open.set()
    assert outcome(again) == "stored"
    assert store.batches == [["same"], ["same"]]


@pytest.mark.parametrize("error", [ValueError("a NUL in a text"), StoreUnavailable("said of one row")])
def test_bad_row_is_refused_alone_and_the_rest_of_its_batch_is_stored(
    store: Gate, pool: ThreadPoolExecutor, error: Exception
) -> None:
    committer = Committer(store, no_wake)
    store.errors["bad"] = error
    waiting = submit_behind_a_running_commit(committer, store, pool, ["a", "bad", "b", "c"])
    store.open.set()

    assert {name: outcome(future) for name, future in waiting.items()} == {
        "first": "stored",
        "a": "stored",
        "bad": "refused",
        "b": "stored",
        "c": "stored",
    }


def test_store_that_is_away_is_not_asked_once_per_row(store: Gate, pool: ThreadPoolExecutor) -> None:
    committer = Committer(store, no_wake)
    ids = [f"m{n}" for n in range(10)]
    store.errors = {webhook_id: StoreUnavailable("locked") for webhook_id in ids}
    waiting = submit_behind_a_running_commit(committer, store, pool, ids)
    store.open.set()

    assert [outcome(waiting[webhook_id]) for webhook_id in ids] == ["refused"] * 10
    assert len(store.batches) == 1 + 1 + 2  # the first, the batch, and two rows to be sure


@pytest.mark.slow
def test_store_that_hangs_refuses_after_patience_and_what_was_refused_is_not_stored_later(
    store: Gate, pool: ThreadPoolExecutor
) -> None:
    committer = Committer(store, no_wake, ack_timeout_s=0.2)
    waiting = submit_behind_a_running_commit(committer, store, pool, ["second"])

    assert {outcome(future) for future in waiting.values()} == {"refused"}
    store.open.set()
    committer.submit(row("third"))
    assert ["second"] not in store.batches


def test_committer_lives_on_after_failures(store: Gate) -> None:
    committer = Committer(store, no_wake)
    store.errors["bad"] = RuntimeError("a bug")
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            committer.submit(row("bad"))

    committer.submit(row("good"))


def test_failure_is_logged_without_the_message_which_may_quote_the_row(store: Gate) -> None:
    store.errors["bad"] = RuntimeError("INSERT … VALUES ('somebody said this')")
    with capture_logs() as logs, pytest.raises(StoreUnavailable):
        Committer(store, no_wake).submit(row("bad"))

    assert [entry["event"] for entry in logs] == ["inbox_commit_failed"]
    assert "somebody" not in str(logs)


def test_failure_of_the_database_is_logged_with_its_remedy(store: Gate) -> None:
    store.errors["bad"] = StoreUnavailable("the database is on a full disk; free some space")
    with capture_logs() as logs, pytest.raises(StoreUnavailable):
        Committer(store, no_wake).submit(row("bad"))

    assert logs[0]["cause"] == "the database is on a full disk; free some space"


def test_workers_are_woken_after_the_commit(store: Gate) -> None:
    woken = threading.Event()
    Committer(store, woken.set).submit(row("a"))

    assert woken.wait(5)


def test_workers_are_not_woken_for_what_was_not_stored(store: Gate) -> None:
    woken: list[list[list[str]]] = []
    committer = Committer(store, lambda: woken.append(list(store.batches)))
    store.errors["bad"] = ValueError()
    with pytest.raises(StoreUnavailable):
        committer.submit(row("bad"))
    committer.submit(row("good"))

    wait_until(lambda: bool(woken))
    assert woken == [[["bad"], ["good"]]]


def test_wake_up_that_fails_is_ignored_and_tried_again_for_the_next_batch(store: Gate) -> None:
    calls = threading.Semaphore(0)

    def wake() -> None:
        calls.release()
        raise ConnectionError("Redis is away")

    committer = Committer(store, wake)
    for n in range(3):
        committer.submit(row(f"m{n}"))
        assert calls.acquire(timeout=5)


def test_wake_up_that_hangs_delays_no_commit_and_is_not_piled_up(store: Gate) -> None:
    hanging, calls = threading.Event(), []

    def wake() -> None:
        calls.append(1)
        assert hanging.wait(10)

    committer = Committer(store, wake, ack_timeout_s=1.0)
    committer.submit(row("first"))
    wait_until(lambda: len(calls) == 1)  # it hangs before the others come, whenever its thread begins
    for n in range(20):
        committer.submit(row(f"m{n}"))
    assert len(calls) == 1
    hanging.set()
    wait_until(lambda: len(calls) == 2)  # one more for all the others


# -- rejections --------------------------------------------------------------------------------------
class Counted:
    """Counting with a clock the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.counted: list[tuple[str, int]] = []
        self.accepted: list[int] = []
        self.refused: list[bool] = []
        self.is_broken = False
        self.rejections = Counting(self._count, monotonic=lambda: self.now)

    def _count(self, rejected: Mapping[str, int], *, accepted: int, is_refused: bool) -> None:
        if self.is_broken:
            raise StoreUnavailable("locked")
        self.counted += rejected.items()
        self.accepted.append(accepted)
        self.refused.append(is_refused)


def test_thousand_rejections_within_a_second_cost_two_writes_and_one_line() -> None:
    counting = Counted()
    with capture_logs() as logs:
        for _ in range(1000):
            counting.rejections.note("stale", remedy="set the clock")
            counting.rejections.flush()
            counting.now += 0.001
        counting.now += 0.001
        counting.rejections.flush()

    assert counting.counted == [("stale", 1), ("stale", 999)]
    assert [(entry["kind"], entry["count"], entry["remedy"]) for entry in logs] == [
        ("stale", 1, "set the clock")
    ]


def test_rest_of_a_burst_is_logged_when_its_minute_is_over_even_if_nothing_follows() -> None:
    counting = Counted()
    with capture_logs() as logs:
        for _ in range(3):
            counting.rejections.note("stale")
            counting.rejections.flush()
        counting.now += 1
        counting.rejections.flush()
        assert counting.rejections.due_in_s() == pytest.approx(59)
        counting.now += 59
        counting.rejections.flush()

    assert [entry["count"] for entry in logs] == [1, 2]
    assert counting.rejections.due_in_s() is None


def test_each_kind_has_its_own_minute() -> None:
    counting = Counted()
    with capture_logs() as logs:
        for kind in ("stale", "malformed", "stale"):
            counting.rejections.note(kind)
            counting.rejections.flush()

    assert [entry["kind"] for entry in logs] == ["stale", "malformed"]


def test_counts_that_cannot_be_written_are_kept_for_the_next_time() -> None:
    counting = Counted()
    counting.is_broken = True
    counting.rejections.note("stale")
    counting.rejections.flush()
    counting.is_broken = False
    counting.rejections.note("stale")
    counting.rejections.flush()
    assert counting.counted == []
    assert counting.rejections.due_in_s() == pytest.approx(1)

    counting.now += 1
    counting.rejections.flush()
    assert counting.counted == [("stale", 2)]


def test_rejections_alone_start_the_thread_that_counts_them(store: Gate) -> None:
    Committer(store, no_wake).note_rejected("stale")

    wait_until(lambda: store.counted == [("stale", 1)])


# -- what was taken ----------------------------------------------------------------------------------
def test_what_was_taken_is_counted_each_five_seconds_and_again_when_it_could_not_be_written() -> None:
    counting = Counted()
    counting.rejections.note_accepted(3)
    counting.rejections.flush()
    counting.rejections.note_accepted(4)
    counting.rejections.flush()
    assert counting.accepted == [3]
    assert counting.rejections.due_in_s() == pytest.approx(5)

    counting.is_broken = True
    counting.now += 5
    counting.rejections.flush()
    counting.rejections.note_accepted(1)
    counting.is_broken = False
    counting.now += 5
    counting.rejections.flush()
    assert (counting.accepted, counting.rejections.due_in_s()) == ([3, 5], None)


def test_refused_ones_that_might_have_been_meant_are_said_once_and_again_when_that_failed() -> None:
    counting = Counted()
    counting.rejections.note("bad_signature", is_plausible=True)
    counting.is_broken = True
    counting.rejections.flush()
    counting.is_broken = False
    counting.now += 1
    counting.rejections.flush()
    counting.rejections.note("bad_signature")
    counting.now += 1
    counting.rejections.flush()

    assert counting.refused == [True, False]


def test_every_acknowledged_delivery_is_counted_also_of_a_batch_that_was_taken_apart(
    store: Gate, pool: ThreadPoolExecutor
) -> None:
    committer = Committer(store, no_wake)
    store.errors["bad"] = ValueError("a row that no database takes")
    waiting = submit_behind_a_running_commit(committer, store, pool, ["m1", "bad", "m2"])
    store.open.set()
    results = {name: future.exception() for name, future in waiting.items()}

    assert [name for name, error in results.items() if error] == ["bad"]
    wait_until(lambda: committer._counting.accepted == 3)
    wait_until(lambda: store.accepted > 0)


def test_counting_that_hangs_delays_no_delivery(store: Gate, pool: ThreadPoolExecutor) -> None:
    hanging = threading.Event()

    class Hung(Gate):
        def count_deliveries(self, rejected: Mapping[str, int], *, accepted: int, is_refused: bool) -> None:
            self.accepted += 1
            assert hanging.wait(10)

    hung = Hung()
    committer = Committer(hung, no_wake, ack_timeout_s=1.0)
    committer.note_rejected("stale")
    wait_until(lambda: hung.accepted == 1)
    for n in range(20):
        committer.submit(row(f"m{n}"))

    hanging.set()
    assert hung.accepted == 1
