"""
The ports in memory: a clock that is moved, the store at that time, a queue, a place for files. Each
write of a worker is an effect at which it may be stopped; the `world` says whether it is.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.core.durations import Durations
from app.errors import QueueUnavailable
from app.orchestrator.ports_blobs import OCTETS
from app.orchestrator.records import AnnouncementOffer, Committed, Leased, Loaded, Offerable, SendOutcome
from app.orchestrator.timing import Timing
from tests.doubles.memory_blobs import MemoryBlobs
from tests.doubles.memory_store import MemoryStore
from tests.property.workers import current

if TYPE_CHECKING:
    from tests.property.world import World

START = 1_800_000_000.0
# The background thread of a lease keeps real time; here `World.pass_time` renews instead.
TIMING = replace(Timing(), lease_renew_s=1_000_000.0)
DURATIONS = Durations()


class MovedClock:
    """`ports.Clock`: Recall's time and this machine's; the database's is `off_s` ahead of it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.at = START
        self.off_s = 0.0

    def now(self) -> float:
        return self.at

    def boottime(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self._world.pass_time(seconds)


_KEPT = (
    "deliveries",
    "commands",
    "recordings",
    "rates",
    "intervals",
    "pauses",
    "pause_log",
    "breakers",
    "alive_at",
    "resumed_at",
    "steady_at",
    "distances",
)


@dataclass(frozen=True, slots=True)
class Backup:
    """A copy of the database."""

    made_at: float
    tables: dict[str, Any]


class WatchedStore(MemoryStore):
    """The store in memory, at the moved time, with an effect before and after each write of a worker."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def now(self) -> float:
        return self._world.clock.at + self._world.clock.off_s

    def commit(self, before: Loaded, *args: Any, **kwargs: Any) -> Committed:
        what, source = type(kwargs["event"]).__name__, kwargs["source"]
        self._world.pause(f"before the commit of {what}")
        after = self.load(before.transcription.workspace, before.transcription.recording_id)
        is_held = source.command is None or self.is_held(source.command)
        done = super().commit(before, *args, **kwargs)
        if not is_held or after.version != before.version:
            self._world.wrongs.append(f"{what} is committed by one who was too late")
        self._world.pause(f"after the commit of {what}")
        return done

    def take(self, command_id: int, *, lease_s: float) -> Leased | None:
        leased = super().take(command_id, lease_s=lease_s)
        worker = current()
        if worker is not None:
            worker.leased = leased
        self._world.lease = leased
        self._world.pause("after taking the lease")
        return leased

    def renew(self, leased: Leased, *, lease_s: float) -> bool:
        self._world.pause("before asking for the lease")
        return super().renew(leased, lease_s=lease_s)

    def record_send_outcome(self, send_id: int, *, outcome: SendOutcome) -> None:
        self._world.pause("before the note on the send")
        super().record_send_outcome(send_id, outcome=outcome)

    def copy(self) -> Backup:
        return Backup(self.now(), {name: copy.deepcopy(getattr(self, name)) for name in _KEPT})

    def put_back(self, backup: Backup) -> None:
        for name, rows in backup.tables.items():
            setattr(self, name, copy.deepcopy(rows))

    def is_held(self, leased: Leased) -> bool:
        return self._held(leased) is not None

    def keep_lease(self, leased: Leased) -> None:
        super().renew(leased, lease_s=TIMING.lease_s)

    def moments(self) -> Iterable[float]:
        """When a command may be offered, by this machine's clock."""
        for row in self.commands.values():
            pause = self.pauses.get(row.recording[0])
            soonest = max(
                row.due_at,
                (row.leased_until or 0.0),
                (row.offered_at or -math.inf) + TIMING.offer_again_s,
                pause.probe_at if pause else 0.0,
            )
            yield soonest - self._world.clock.off_s


class MemoryQueue:
    """`ports.Queue`."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.has_wakeup = False
        self.is_away = False

    def offer_announcements(self, items: Sequence[AnnouncementOffer]) -> None:
        assert not items

    def offer(self, items: Sequence[Offerable]) -> None:
        self._check()
        self.ids.extend(item.id for item in items)

    def wake_inbox(self) -> None:
        self._check()
        self.has_wakeup = True

    def ask_reconcile(self) -> None:
        raise NotImplementedError("reconcile is not driven here")

    def room(self) -> int:
        self._check()
        return max(0, 8 - len(self.ids))

    def _check(self) -> None:
        if self.is_away:
            raise QueueUnavailable("Redis is away")


class WatchedBlobs(MemoryBlobs):
    """A put and the question for the lease before it are one; a stop comes after it."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    @property
    def is_away(self) -> bool:
        return self.trouble is not None

    @is_away.setter
    def is_away(self, is_so: bool) -> None:
        self.trouble = "the disk is full" if is_so else None

    def put(self, key: str, source: Path, *, media_type: str = OCTETS) -> None:
        self._checked(key)
        self._world.file_is_put(key, source.read_bytes())
        super().put(key, source, media_type=media_type)
        self._world.pause(f"after putting {key.rpartition('/')[2]}")
