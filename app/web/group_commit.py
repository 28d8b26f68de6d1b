"""
From a verified request to a committed row: one committer thread per process, many rows per commit.

No answer comes from memory: a duplicate, too, waits for its own batch, because what made it one may be a row
that was never committed. Threads start with the first request, in the process that has it: gunicorn builds
the application, then forks.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Protocol

import structlog

from app.errors import StoreUnavailable
from app.orchestrator.records import NewDelivery
from app.web.rejections import Counting

ACK_TIMEOUT_S = 3.0  # Recall waits 15 s; its workers must not pile up while the database restarts
BATCH_ROWS = 500
WAKE_EVERY_S = 0.02  # one costs as much as a request, and one that wakes takes all there is

# A row, and what its request waits for.
_Waiting = tuple[NewDelivery, Future[bool]]

log = structlog.get_logger()


class InboxStore(Protocol):
    """What receiving needs of the store."""

    def add_deliveries(self, rows: Sequence[NewDelivery]) -> None: ...

    def count_deliveries(self, rejected: Mapping[str, int], *, accepted: int, is_refused: bool) -> None: ...


def settle(answer: Future[bool], *, is_stored: bool) -> None:
    """What became of a row; the first call counts, of whichever thread."""
    with suppress(InvalidStateError):
        answer.set_result(is_stored)


class Committer:
    """
    Stores verified deliveries in batches, as large as what came in while the last one was written.

    Args:
        store: Each call is one transaction.
        wake: Wakes a worker. May hang or raise.
        ack_timeout_s: How long a request waits for its own row.
    """

    def __init__(
        self,
        store: InboxStore,
        wake: Callable[[], None],
        *,
        ack_timeout_s: float = ACK_TIMEOUT_S,
        batch_rows: int = BATCH_ROWS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._ack_timeout_s = ack_timeout_s
        self._batch_rows = batch_rows
        self._wake = wake
        self._counting = Counting(store.count_deliveries, monotonic=monotonic)
        self._waiting: deque[_Waiting] = deque()
        self._something = threading.Condition()
        self._stored = threading.Event()
        self._away = 0  # failed commits in a row that were the store's fault
        self._targets = {"committer": self._run, "waker": self._run_waker, "counter": self._counting.run}
        self._threads: dict[str, threading.Thread] = {}

    def submit(self, row: NewDelivery) -> None:
        """
        Returns when the row, or one of the same webhook id, is durably stored.

        Raises:
            StoreUnavailable: It is not known to be; the sender should come again.
        """
        answer: Future[bool] = Future()
        self.submit_deferred(row, answer)
        with suppress(TimeoutError):
            answer.result(self._ack_timeout_s)
        settle(answer, is_stored=False)
        if not answer.result():
            raise StoreUnavailable("the delivery could not be stored in time")

    def submit_deferred(self, row: NewDelivery, answer: Future[bool]) -> None:
        """
        Returns at once; `answer` is settled when the row is durably stored, or is not known to be. Once it is
        settled, the row is not stored any more unless its commit has begun.
        """
        with self._something:
            self._ensure_threads()
            self._waiting.append((row, answer))
            self._something.notify()

    def note_rejected(self, kind: str, *, remedy: str = "", is_plausible: bool = False) -> None:
        """Counts a request that was turned away; see `Counting.note`. Cheap: no I/O here."""
        self._counting.note(kind, remedy=remedy, is_plausible=is_plausible)
        with self._something:
            self._ensure_threads()

    def _ensure_threads(self) -> None:
        for name, target in self._targets.items():
            # After a fork the child still has the parent's thread objects, but they are not alive.
            if name not in self._threads or not self._threads[name].is_alive():
                self._threads[name] = threading.Thread(target=target, name=name, daemon=True)
                self._threads[name].start()

    def _run(self) -> None:
        while True:
            batch = self._take_batch()
            if batch:
                self._store_batch(batch)

    def _run_waker(self) -> None:
        """
        Apart from the commits, which a Redis that hangs must not delay. The first call after a quiet moment
        is made at once; however much is stored meanwhile, one more follows it.
        """
        while True:
            self._stored.wait()
            self._stored.clear()
            try:
                self._wake()
            except Exception as error:  # the row is safe, and the dispatcher looks at the inbox each second
                log.info("wake_up_failed", error=type(error).__name__)
            time.sleep(WAKE_EVERY_S)

    def _take_batch(self) -> list[_Waiting]:
        """What is there; waits for something."""
        with self._something:
            if not self._waiting:
                self._something.wait()
            taken = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._batch_rows))]
        return [(row, answer) for row, answer in taken if not answer.done()]

    def _store_batch(self, batch: Sequence[_Waiting]) -> None:
        if self._is_stored(batch):
            for _, answer in batch:
                settle(answer, is_stored=True)
            self._stored.set()
            self._counting.note_accepted(len(batch))
        elif len(batch) == 1:
            settle(batch[0][1], is_stored=False)
        else:
            self._store_singly(batch)

    def _store_singly(self, batch: Sequence[_Waiting]) -> None:
        """
        One bad row must not refuse the others. But two in a row that the store is "unavailable" for are a
        bad store: the rest is refused at once rather than after a time-out each.
        """
        self._away = 0
        for waiting in batch:
            is_stored = self._away < 2 and not waiting[1].done() and self._is_stored([waiting])
            settle(waiting[1], is_stored=is_stored)
            if is_stored:
                self._counting.note_accepted(1)
        self._stored.set()

    def _is_stored(self, batch: Sequence[_Waiting]) -> bool:
        try:
            self._store.add_deliveries([row for row, _ in batch])
        except Exception as error:  # of whatever kind: the requests are told, the thread lives on
            is_away = isinstance(error, StoreUnavailable)  # a sentence of ours; any other may quote the row
            cause = str(error) if is_away else type(error).__name__
            log.error("inbox_commit_failed", rows=len(batch), cause=cause)
            self._away += is_away
            return False
        self._away = 0
        return True
