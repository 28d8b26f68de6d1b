"""Counts of what was taken and of what was turned away, without letting strangers write to the database."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

import structlog

COUNT_EVERY_S = 1.0
COUNT_ACCEPTED_EVERY_S = 5.0
LOG_EVERY_S = 60.0

log = structlog.get_logger()


class Counting:
    """
    Counts of what was taken and of what was turned away: in memory at once, in the store once a second
    (what was taken: every five), what was turned away also in the log once a minute and kind. Whatever
    strangers send, it costs neither a write nor a line per request. `count` (`InboxStore.count_deliveries`)
    may hang or raise; a thread of its own calls it.
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
        self.accepted = 0  # one thread alone may change it, by `note_accepted`
        self._accepted_counted = 0
        self._accepted_counted_at = float("-inf")

    def note(self, kind: str, *, remedy: str = "", is_plausible: bool = False) -> None:
        """
        One more of `kind`, which is one of a closed set and never what was sent. `is_plausible`: it bore
        complete, fresh signature headers and may be Recall's.
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
