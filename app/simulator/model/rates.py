"""
Recall's published rates as a sliding minute.

Refused requests do not count, as in Django REST framework's throttles. Lists share one minute, other calls
another: Recall states each rate per endpoint, so this is the stricter reading.
"""

from __future__ import annotations

from collections import defaultdict, deque
from datetime import timedelta
from email.utils import format_datetime

from app.simulator.api.answers import Answer, throttled
from app.simulator.model.clock import wall
from app.simulator.model.state import World

WINDOW_S = 60.0
# https://docs.recall.ai/reference: "This endpoint is rate limited to ..."
PER_MINUTE = {"create": 5, "list": 60, "other": 300, "usage": 5}


class Rates:
    """The requests of the last minute, by class and by whom they count for."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._seen: defaultdict[tuple[str, str], deque[float]] = defaultdict(deque)
        world.on_reset.append(self._seen.clear)

    def admit(self, kind: str, whose: str = "workspace") -> Answer | None:
        """None when the request may pass (it counts from now on), else its 429."""
        factor = self._world.settings.rate_factor
        with self._world.lock:
            now = self._world.clock.now()
            seen = self._seen[kind, whose]
            while seen and seen[0] <= now - WINDOW_S:
                seen.popleft()
            if factor is None or len(seen) < max(1, int(PER_MINUTE[kind] * factor)):
                seen.append(now)
                self._world.bill.note_minute(kind, len(seen))
                return None
            wait_s = seen[0] + WINDOW_S - now
        return throttled(self._header(self._world.clock.retry_after_s(wait_s)))

    def _header(self, real_s: int) -> str | None:
        match self._world.settings.retry_after:
            case "missing":
                return None
            case "date":
                return format_datetime(wall() + timedelta(seconds=real_s), usegmt=True)
            case _:
                return str(real_s)
