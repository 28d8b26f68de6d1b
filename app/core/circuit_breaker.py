"""
When a provider counts as down: the rule of one breaker, and what the end of an attempt tells it. PURE.

    open --SHUT_AFTER failures in a row--> shut --its time is over--> due for a probe
    due --one caller enters--> probing --it fails--> shut for twice as long (at most 8 times the first)
    anything that worked, whenever it comes --> open, and everything is forgotten

A failure does not say which attempt it is of. While shut, those of attempts that were already under way
are only counted; while a probe is out, the first failure is taken for the probe's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from app.core import events
from app.core.seen import FailureCause, TranscriptStatus
from app.core.state import Attempt, Fate, Transcription

SHUT_AFTER = 5
LONGEST = 8  # times the first


@dataclass(frozen=True, slots=True)
class Breaker:
    """One provider of one workspace. A breaker that has nothing to tell is not kept at all."""

    failures: int = 0  # in a row
    shut_until: float | None = None  # None: has not been shut since something last worked
    shut_for_s: float | None = None
    probing_until: float | None = None

    def failed(self, *, now: float, shut_s: float) -> Breaker:
        """One more failure. `shut_s` is how long the first one shuts, seconds."""
        counted = replace(self, failures=self.failures + 1)
        if self.shut_for_s is None:
            return counted.shut(now, shut_s) if counted.failures >= SHUT_AFTER else counted
        if self.probing_until is None:
            return counted
        return counted.shut(now, min(2 * self.shut_for_s, LONGEST * shut_s))

    def moved(self, by_s: float) -> Breaker:
        """After the clock was set, by this much."""
        until, probing = self.shut_until, self.probing_until
        return replace(
            self,
            shut_until=until + by_s if until is not None else None,
            probing_until=probing + by_s if probing is not None else None,
        )

    def shut(self, now: float, for_s: float) -> Breaker:
        """Nobody enters for `for_s` seconds."""
        return replace(self, shut_until=now + for_s, shut_for_s=for_s, probing_until=None)

    def is_shut(self, now: float) -> bool:
        """Shut, or another's probe is out: no use in trying now."""
        return self.shut_until is not None and now < max(self.shut_until, self.probing_until or 0.0)

    def probed(self, *, now: float, probe_s: float) -> Breaker:
        """Somebody tries it for all; not before `probe_s` seconds are over does another."""
        return replace(self, probing_until=now + probe_s)


def verdicts(before: Transcription, after: Transcription, event: events.Event) -> Iterator[tuple[str, bool]]:
    """
    Each provider of which something was learnt, and whether it worked: a transcript of it was finished, or
    it is what made one fail. A failure by the recording or by us is nothing against a provider.
    """
    for line in after.attempts:
        old = before.attempt_of(ordinal=line.ordinal)
        if old is None or old.fate is line.fate or not line.provider:
            continue
        if line.fate in (Fate.DONE, Fate.EMPTY):
            yield line.provider, True
        elif _is_by_provider(line, event):
            yield line.provider, False


def _is_by_provider(line: Attempt, event: events.Event) -> bool:
    match event:
        case events.CreateRefused(refusal=refusal):
            return line.fate is Fate.REFUSED and refusal is events.Refusal.PROVIDER
        case events.TranscriptFailed(failure=failure) | events.TranscriptGone(failure=failure):
            return line.fate is Fate.FAILED and failure is FailureCause.PROVIDER
        case events.Listed(seen=seen):
            failed = (s for s in seen if s.status is TranscriptStatus.FAILED)
            by_provider = {s.transcript_id for s in failed if s.failure is FailureCause.PROVIDER}
            return line.fate is Fate.FAILED and line.transcript_id in by_provider
        case _:
            return False
