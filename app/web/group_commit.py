"""
From a verified request to a committed row: one committer thread per process, many rows per commit.

Knows: when a request may be answered, what to do with a batch that fails, whom to wake, and how to count
what was taken and what was turned away without letting strangers write to the database.
Refuses to know: HTTP, signatures, SQL, Redis. Nobody is answered from memory: a duplicate, too, waits for
its own batch, because what made it one may be a row that was never committed.

Threads start with the first request, in the process that has it: gunicorn builds the application, then forks.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import structlog

from app.errors import StoreUnavailable
from app.orchestrator.records import NewDelivery

PATIENCE_S = 3.0  # Recall waits 15 s; a person restarting the database should not make its workers pile up
BATCH_ROWS = 500
COUNT_EVERY_S = 1.0
COUNT_ACCEPTED_EVERY_S = 5.0
LOG_EVERY_S = 60.0
WAKE_EVERY_S = 0.02  # one costs as much as a request, and whoever is awake takes all there is

log = structlog.get_logger()


class InboxStore(Protocol):
    """What receiving needs of the store."""

    def add_deliveries(self, rows: Sequence[NewDelivery]) -> None: ...

    def count_deliveries(self, rejected: Mapping[str, int], *, accepted: int, is_refused: bool) -> None: ...


class Waiting(Protocol):
    """Who is told what became of a row; may have given up meanwhile, and then is told all the same."""

    is_over: bool

    def settle(self, *, is_stored: bool) -> None: ...


class WaitingThread:
    """A thread that stands still until it is told."""

    __slots__ = ("is_over", "is_stored", "settled")

    def __init__(self) -> None:
        self.settled = threading.Event()
        self.is_stored = False
        self.is_over = False

    def settle(self, *, is_stored: bool) -> None:
        """Lets it go on."""
        self.is_stored = is_stored
        self.is_over = True
        self.settled.set()


class Ticket(NamedTuple):
    """A row and the request that waits for it."""

    row: NewDelivery
    waiting: Waiting


class Counting:
    """
    Counts of what was taken and of what was turned away: in memory at once, in the store once a second
    (what was taken: every five), what was turned away also in the log once a minute and kind. Whatever
    strangers send, it costs neither a write nor a line per request.

    Args:
        count: `InboxStore.count_deliveries`. May hang or raise; a thread of its own calls it.

    Attributes:
        accepted: Deliveries acknowledged by this process. One thread alone may change it, by `note_accepted`.
    """

    def __init__(self, count: Callable[..., None], *, monotonic: Callable[[], float]) -> None:
        self._count = count
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._asked = threading.Event()
        self._uncounted: Counter[str] = Counter()
        self._is_refused = False  # uncounted ones that bore complete, fresh headers are among them
        self._unlogged: Counter[str] = Counter()
        self._remedies: dict[str, str] = {}
        self._counted_at = float("-inf")
        self._logged_at: dict[str, float] = {}
        self.accepted = 0
        self._accepted_counted = 0
        self._accepted_counted_at = float("-inf")

    def note(self, kind: str, *, remedy: str = "", is_plausible: bool = False) -> None:
        """
        One more of `kind`, which is one of a closed set and never what somebody sent.

        Args:
            remedy: For the log.
            is_plausible: It bore complete, fresh signature headers: perhaps the sender is who it should be.
        """
        with self._lock:
            is_first = not self._uncounted
            self._uncounted[kind] += 1
            self._unlogged[kind] += 1
            self._remedies[kind] = remedy
            self._is_refused |= is_plausible
        if is_first:
            self._asked.set()

    def note_accepted(self, number: int) -> None:
        """So many more were committed and acknowledged. No lock: the acknowledged path comes here."""
        is_first = self.accepted == self._accepted_counted
        self.accepted += number
        if is_first:
            self._asked.set()

    def due_in_s(self) -> float | None:
        """Seconds until `flush` has something to do; None while there is nothing to wait for."""
        with self._lock:
            moments = [self._logged_at.get(kind, float("-inf")) + LOG_EVERY_S for kind in self._unlogged]
            if self._uncounted:
                moments.append(self._counted_at + COUNT_EVERY_S)
        if self.accepted != self._accepted_counted:
            moments.append(self._accepted_counted_at + COUNT_ACCEPTED_EVERY_S)
        return max(0.0, min(moments) - self._monotonic()) if moments else None

    def run(self) -> None:
        """The thread."""
        while True:
            self._asked.wait(self.due_in_s())
            self._asked.clear()
            self.flush()

    def flush(self) -> None:
        """Writes what is due. Never raises: a count that cannot be written stays for the next time."""
        now = self._monotonic()
        with self._lock:
            (counts, is_refused), lines = self._take_counts(now), self._take_lines(now)
        for kind, number, remedy in lines:
            log.warning("webhook_rejected", kind=kind, count=number, remedy=remedy)
        accepted = self._take_accepted(now)
        if not (counts or accepted):
            return
        try:
            self._count(counts, accepted=accepted, is_refused=is_refused)
        except Exception as error:  # statistics must not stop the thread that takes them
            log.info("deliveries_not_counted", error=type(error).__name__)
            with self._lock:
                self._uncounted.update(counts)
                self._is_refused |= is_refused
        else:
            self._accepted_counted += accepted

    def _take_counts(self, now: float) -> tuple[Counter[str], bool]:
        if now < self._counted_at + COUNT_EVERY_S or not self._uncounted:
            return Counter(), False
        taken = self._uncounted, self._is_refused
        self._uncounted, self._is_refused, self._counted_at = Counter(), False, now
        return taken

    def _take_accepted(self, now: float) -> int:
        if now < self._accepted_counted_at + COUNT_ACCEPTED_EVERY_S:
            return 0
        number = self.accepted - self._accepted_counted
        if number:
            self._accepted_counted_at = now
        return number

    def _take_lines(self, now: float) -> list[tuple[str, int, str]]:
        silent_since = now - LOG_EVERY_S
        due = [kind for kind in self._unlogged if self._logged_at.get(kind, silent_since) <= silent_since]
        self._logged_at.update(dict.fromkeys(due, now))
        return [(kind, self._unlogged.pop(kind), self._remedies[kind]) for kind in due]


class Waker:
    """
    Rings for the inbox worker from a thread of its own, so that a Redis that hangs delays no commit.

    However often it is asked meanwhile, at most one call is running and one more follows it. A failure is
    noted and forgotten: the dispatcher looks at the inbox every second anyway. The first one after a quiet
    moment is made at once.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._asked = threading.Event()

    def ask(self) -> None:
        """Returns at once."""
        self._asked.set()

    def run(self) -> None:
        """The thread."""
        while True:
            self._asked.wait()
            self._asked.clear()
            try:
                self._wake()
            except Exception as error:  # whatever is wrong with the queue, the row is safe already
                log.info("wake_up_failed", error=type(error).__name__)
            time.sleep(WAKE_EVERY_S)


class Committer:
    """
    Stores verified deliveries in batches, as large as what came in while the last one was written.

    Args:
        store: Where rows go; each call is one transaction.
        wake: Tells the workers that there is something to do. May hang or raise.
        patience_s: How long a request waits for its own row.
        batch_rows: Most rows in one transaction.
        monotonic: Seconds by a clock that only goes forward.
    """

    def __init__(
        self,
        store: InboxStore,
        wake: Callable[[], None],
        *,
        patience_s: float = PATIENCE_S,
        batch_rows: int = BATCH_ROWS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._patience_s = patience_s
        self._batch_rows = batch_rows
        self._waker = Waker(wake)
        self._counting = Counting(store.count_deliveries, monotonic=monotonic)
        self._waiting: deque[Ticket] = deque()
        self._something = threading.Condition()
        self._away = 0  # failed commits in a row that were the store's fault
        self._targets = {"committer": self._run, "waker": self._waker.run, "counter": self._counting.run}
        self._threads: dict[str, threading.Thread] = {}

    def submit(self, row: NewDelivery) -> None:
        """
        Returns when the row, or one of the same webhook id, is durably stored.

        Raises:
            StoreUnavailable: It is not known to be; the sender should come again.
        """
        waiting = WaitingThread()
        self.submit_late(row, waiting)
        if not waiting.settled.wait(self._patience_s):
            waiting.is_over = True
        if not waiting.is_stored:
            raise StoreUnavailable("the delivery could not be stored in time")

    def submit_late(self, row: NewDelivery, waiting: Waiting) -> None:
        """
        Returns at once; `waiting` is told when the row is durably stored, or that it is not known to be.
        Once it `is_over`, the row is not stored any more unless its commit has begun.
        """
        with self._something:
            self._ensure_threads()
            self._waiting.append(Ticket(row, waiting))
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

    def _take_batch(self) -> list[Ticket]:
        """What is there; waits for something."""
        with self._something:
            if not self._waiting:
                self._something.wait()
            taken = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._batch_rows))]
        return [ticket for ticket in taken if not ticket.waiting.is_over]

    def _store_batch(self, batch: Sequence[Ticket]) -> None:
        if self._is_stored(batch):
            for ticket in batch:
                ticket.waiting.settle(is_stored=True)
            self._waker.ask()
            self._counting.note_accepted(len(batch))
        elif len(batch) == 1:
            batch[0].waiting.settle(is_stored=False)
        else:
            self._store_singly(batch)

    def _store_singly(self, batch: Sequence[Ticket]) -> None:
        """
        One bad row must not refuse the others. But two in a row that the store is "unavailable" for are a
        bad store: the rest is refused at once rather than after a time-out each.
        """
        self._away = 0
        for ticket in batch:
            is_worth_trying = self._away < 2 and not ticket.waiting.is_over
            is_stored = is_worth_trying and self._is_stored([ticket])
            ticket.waiting.settle(is_stored=is_stored)
            if is_stored:
                self._counting.note_accepted(1)
        self._waker.ask()

    def _is_stored(self, batch: Sequence[Ticket]) -> bool:
        try:
            self._store.add_deliveries([ticket.row for ticket in batch])
        except Exception as error:  # of whatever kind: the requests are told, the thread lives on
            is_away = isinstance(error, StoreUnavailable)  # a sentence of ours; any other may quote the row
            cause = str(error) if is_away else type(error).__name__
            log.error("inbox_commit_failed", rows=len(batch), cause=cause)
            self._away += is_away
            return False
        self._away = 0
        return True
