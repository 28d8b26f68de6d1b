"""
The part of the record in memory that belongs to no recording: rates, turns, pauses and breakers.

Part of `memory_store.MemoryStore`; the same promises as `sql.sends_and_rates`,
`sql.account_pauses`, `sql.circuit_breakers`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace

from app.adapters.sql.clock_steps import Reading, covered_s, judged
from app.core.circuit_breaker import CircuitBreaker
from app.orchestrator.provider_forms import Forms, KnownForm
from app.orchestrator.records import EVERY_WORKSPACE, BootClock, Pause, PauseSubject
from tests.doubles.memory_passes import MemoryPasses


class MemoryFaults(MemoryPasses):
    """What a test wants to see is public."""

    def __init__(self) -> None:
        super().__init__()
        self.rates: dict[tuple[str, str], float] = {}
        self.intervals: dict[str, float] = {}
        self.pauses: dict[str, Pause] = {}
        self.pause_log: list[tuple[Pause, float]] = []  # with its end
        self.breakers: dict[tuple[str, str], CircuitBreaker] = {}
        self.alive_at: float | None = None
        self.distances: dict[str, float] = {}  # see `clock_steps.Reading`
        self.steady_at = 0.0
        self.forms: dict[tuple[str, str], KnownForm] = {}
        self.resumed_at = 0.0

    @abstractmethod
    def _wake(self, workspace: str) -> None:
        """What waited for the end of a pause is due now."""

    # -- heartbeats ---------------------------------------------------------------------------

    def record_heartbeat(self, *, quiet_s: float, boot: BootClock | None = None) -> float:
        with self._lock:
            now = self.now()
            distance = boot.distance_of(now, begun_s=boot.now_s()) if boot is not None else None
            before = self.distances.get(boot.boot_id) if boot is not None else None
            step = judged(Reading(now, self.alive_at, distance, before), quiet_s=quiet_s)
            if step.back_s:
                self._move_back(step.back_s)
            if step.lost_s:
                lost = Pause(EVERY_WORKSPACE, PauseSubject.LOST_TIME, None, now - step.lost_s, now)
                self.pause_log.append((lost, now))
            if step.is_step:
                self.steady_at, self.distances = now, {}
            if step.is_downtime:
                self.resumed_at = now
            self.alive_at = now
            if boot is not None and distance is not None:
                self.distances[boot.boot_id] = distance
            return self.resumed_at

    def steady_since(self) -> float:
        with self._lock:
            return self.steady_at

    def _move_back(self, by_s: float) -> None:
        """What was noted for the future, or as an age, by the clock as it was."""
        super()._move_back(by_s)
        self.resumed_at -= by_s
        self.pause_log = [
            (replace(pause, since=pause.since - by_s), ended_at - by_s) for pause, ended_at in self.pause_log
        ]
        self.rates = {key: at - by_s for key, at in self.rates.items()}
        self.intervals = {key: at - by_s for key, at in self.intervals.items()}
        for workspace, pause in self.pauses.items():
            self.pauses[workspace] = replace(pause, since=pause.since - by_s, probe_at=pause.probe_at - by_s)
        self.breakers = {key: breaker.moved(-by_s) for key, breaker in self.breakers.items()}

    # -- rates and turns -------------------------------------------------------------------------

    def reserve(self, workspace: str, rate: str, *, gap_s: float) -> float:
        with self._lock:
            slot = max(self.rates.get((workspace, rate), 0.0), self.now())
            self.rates[workspace, rate] = slot + gap_s
            return slot

    def push_rate(self, workspace: str, rate: str, *, after_s: float) -> None:
        with self._lock:
            later = max(self.rates.get((workspace, rate), 0.0), self.now() + after_s)
            self.rates[workspace, rate] = later

    def claim_interval(self, name: str, *, every_s: float) -> bool:
        with self._lock:
            now = self.now()
            is_over = name not in self.intervals or self.intervals[name] <= now - every_s
            if is_over:
                self.intervals[name] = now
            return is_over

    # -- accounts --------------------------------------------------------------------------------

    def pause(
        self, workspace: str, subject: PauseSubject, status: int | None = None, *, probe_after_s: float
    ) -> None:
        with self._lock:
            old, now = self.pauses.get(workspace), self.now()
            since = old.since if old is not None else now
            self.pauses[workspace] = Pause(workspace, subject, status, since, now + probe_after_s)

    def unpause(self, workspace: str) -> None:
        with self._lock:
            ended = self.pauses.pop(workspace, None)
            if ended is not None:
                self.pause_log.append((ended, self.now()))
                self._wake(workspace)

    def paused(self, workspace: str) -> Pause | None:
        with self._lock:
            return self.pauses.get(workspace)

    def paused_since(self, workspace: str, at: float, *, for_creates: bool = True) -> float:
        with self._lock:
            running = [(pause, self.now()) for pause in self.pauses.values()]
            spans = (
                (pause.since, ended_at)
                for pause, ended_at in (*self.pause_log, *running)
                if pause.workspace in (workspace, EVERY_WORKSPACE)
                and (for_creates or not pause.is_about_creates)
            )
            return covered_s(spans, since=at)

    def take_probe(self, workspace: str, *, every_s: float) -> bool:
        with self._lock:
            pause, now = self.pauses.get(workspace), self.now()
            if pause is None or pause.probe_at > now:
                return False
            self.pauses[workspace] = replace(pause, probe_at=now + every_s)
            return True

    # -- providers -------------------------------------------------------------------------------

    def update_form(
        self, workspace: str, provider: str, change: Callable[[KnownForm, float], KnownForm]
    ) -> KnownForm:
        with self._lock:
            known = self.forms.get((workspace, provider), KnownForm())
            self.forms[(workspace, provider)] = change(known, self.now())
            return self.forms[(workspace, provider)]

    def forms_of(self, workspace: str) -> Forms:
        with self._lock:
            return {p: f.at(self.now()) for (w, p), f in self.forms.items() if w == workspace}

    def record_result(self, workspace: str, provider: str, *, worked: bool, open_s: float) -> None:
        key = (workspace, provider)
        with self._lock:
            if worked:
                self.breakers.pop(key, None)
            else:
                old = self.breakers.get(key, CircuitBreaker())
                self.breakers[key] = old.failed(now=self.now(), open_s=open_s)

    def tripped_providers(self, workspace: str) -> frozenset[str]:
        with self._lock:
            now = self.now()
            return frozenset(p for (w, p), b in self.breakers.items() if w == workspace and b.is_open(now))

    def allow_request(self, workspace: str, provider: str, *, probe_s: float) -> bool:
        key, now = (workspace, provider), self.now()
        with self._lock:
            breaker = self.breakers.get(key, CircuitBreaker())
            if breaker.is_open(now):
                return False
            if breaker.open_until is not None:
                self.breakers[key] = breaker.probed(now=now, probe_s=probe_s)
            return True

    def release_probe(self, workspace: str, provider: str) -> None:
        key = (workspace, provider)
        with self._lock:
            breaker = self.breakers.get(key, CircuitBreaker())
            if breaker.probing_until is not None:
                self.breakers[key] = replace(breaker, probing_until=None)
