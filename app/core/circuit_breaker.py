"""
When a provider counts as down: the rule of one breaker, and what the end of an attempt tells it. PURE.

    closed --FAILURE_THRESHOLD failures in a row--> open --its time is over--> due for a probe
    due --one caller is allowed--> half-open --it fails--> open for twice as long (at most 8 times the first)
    anything that worked, whenever it comes --> closed, and everything is forgotten

A failure does not say which attempt it is of. While open, those of attempts that were already under way
are only counted; while a probe is out, the first failure is taken for the probe's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from app.core import events
from app.core.seen import FailureCause, TranscriptStatus
from app.core.state import Attempt, AttemptStatus, Transcription

FAILURE_THRESHOLD = 5
LONGEST = 8  # times the first


@dataclass(frozen=True, slots=True)
class CircuitBreaker:
    """One provider of one workspace. A breaker that has nothing to tell is not kept at all."""

    failures: int = 0  # in a row
    open_until: float | None = None  # None: has not been open since something last worked
    open_for_s: float | None = None
    probing_until: float | None = None

    def failed(self, *, now: float, open_s: float) -> CircuitBreaker:
        """One more failure. `open_s` is how long the first one opens it, seconds."""
        counted = replace(self, failures=self.failures + 1)
        if self.open_for_s is None:
            return counted.opened(now, open_s) if counted.failures >= FAILURE_THRESHOLD else counted
        if self.probing_until is None:
            return counted
        return counted.opened(now, min(2 * self.open_for_s, LONGEST * open_s))

    def moved(self, by_s: float) -> CircuitBreaker:
        """After the clock was set, by this much."""
        until, probing = self.open_until, self.probing_until
        return replace(
            self,
            open_until=until + by_s if until is not None else None,
            probing_until=probing + by_s if probing is not None else None,
        )

    def opened(self, now: float, for_s: float) -> CircuitBreaker:
        """No request is allowed for `for_s` seconds."""
        return replace(self, open_until=now + for_s, open_for_s=for_s, probing_until=None)

    def is_open(self, now: float) -> bool:
        """Open, or half-open with a probe out: no request is allowed now."""
        return self.open_until is not None and now < max(self.open_until, self.probing_until or 0.0)

    def probed(self, *, now: float, probe_s: float) -> CircuitBreaker:
        """Half-open: this caller is the one probe of the next `probe_s` seconds."""
        return replace(self, probing_until=now + probe_s)


def verdicts(before: Transcription, after: Transcription, event: events.Event) -> Iterator[tuple[str, bool]]:
    """
    Each provider of which something was learnt, and whether it worked: a transcript of it was finished, or
    it is what made one fail. A failure by the recording or by us is nothing against a provider.
    """
    for line in after.attempts:
        old = before.attempt_of(ordinal=line.ordinal)
        if old is None or old.status is line.status or not line.provider:
            continue
        if line.status in (AttemptStatus.DONE, AttemptStatus.EMPTY):
            yield line.provider, True
        elif _is_by_provider(line, event):
            yield line.provider, False


def _is_by_provider(line: Attempt, event: events.Event) -> bool:
    match event:
        case events.CreateRefused(refusal=refusal):
            return line.status is AttemptStatus.REFUSED and refusal is events.Refusal.PROVIDER
        case events.TranscriptFailed(failure=failure) | events.TranscriptGone(failure=failure):
            return line.status is AttemptStatus.FAILED and failure is FailureCause.PROVIDER
        case events.Listed(seen=seen):
            failed = (s for s in seen if s.status is TranscriptStatus.FAILED)
            by_provider = {s.transcript_id for s in failed if s.failure is FailureCause.PROVIDER}
            return line.status is AttemptStatus.FAILED and line.transcript_id in by_provider
        case _:
            return False
