"""A clock that stands still."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class StillClock:
    """`ports.Clock`: time stands; sleeping is noted."""

    at: float = 1_763_700_000.0
    sleeps: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)

    def boottime(self) -> float:
        return 0.0
