"""Whether this installation's service runs: asked of its home, and where that says nothing, the database."""

from __future__ import annotations

import contextlib
import fcntl
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.errors import AfterwordError
from app.settings.environment import Settings

ALIVE_WITHIN_S = 30.0  # of the last sign of life; as for /readyz


@dataclass(frozen=True, slots=True)
class Program:
    """
    A program that gave a sign of life lately, on any host.

    Attributes:
        name: `up@HOST`, or `dispatcher@HOST` for one that was started by itself.
        started_at: Seconds since the epoch, by that host's clock.
        settings: What stood on disk when its settings were read, for `app.settings.changes.changed_since`,
            and the `port` that it runs with.
        tells_processes: It says which processes it has; the version before did not.
    """

    name: str
    host: str
    age_s: float
    pid: int | None = None
    started_at: float | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    tells_processes: bool = False


@dataclass(frozen=True, slots=True)
class Presence:
    """
    What is known of the running service.

    Attributes:
        is_home_held: An `up` runs in this home, on this machine.
        holder: Its process id, where it could note it.
        programs: By the database; empty when that could not be asked.
        is_database_asked: Whether it answered.
    """

    is_home_held: bool
    holder: int | None
    programs: tuple[Program, ...]
    is_database_asked: bool

    @property
    def is_running(self) -> bool | None:
        """None: not here, and whether elsewhere only the database knows, which is away."""
        if self.is_home_held or self.programs:
            return True
        return False if self.is_database_asked else None


def is_home_held(home: Path) -> bool:
    """Whether an `up` runs in this home, or the children of one. Needs no database."""
    try:
        with (home / "up.lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)  # let go at once, by closing
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def is_stopped(home: Path) -> bool:
    """Whether the last `up` of this home ended as it was told to: one that was killed leaves its number."""
    try:
        return not (home / "up.lock").read_text("ascii").strip()
    except (OSError, ValueError):
        return False


def own_port(settings: Settings) -> bool | None:
    """
    Whether the `up` of this home or of this machine listens on PORT of these settings, which may have changed
    since it started; None: no `up` runs here, or it does not say where it listens.
    """
    here = [p for p in presence_of(settings).programs if p.name == f"up@{socket.gethostname()}"]
    known = {p.settings["port"] for p in here if "port" in p.settings}
    if known:
        return settings.port in known
    return True if is_home_held(settings.home) else None


def presence_of(settings: Settings) -> Presence:
    """Asks the home and the database; never raises for one that is away."""
    is_held = is_home_held(settings.home)
    beats = _heartbeats(settings)
    programs = tuple(
        _program(name, *beat) for name, beat in sorted((beats or {}).items()) if _is_fresh(name, beat)
    )
    return Presence(is_held, _holder(settings.home) if is_held else None, programs, beats is not None)


def _holder(home: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        return int((home / "up.lock").read_text("ascii"))
    return None


def _heartbeats(settings: Settings) -> Mapping[str, tuple[float, str]] | None:
    from app import wiring
    from app.adapters.sql import migrations

    try:
        if migrations.current_revision(settings.database_url) is None:
            return {}
        with contextlib.closing(wiring.open_store(settings)) as store:
            return store.heartbeats()
    except AfterwordError:
        return None


def _is_fresh(name: str, beat: tuple[float, str]) -> bool:
    return name.startswith(("up@", "dispatcher@")) and beat[0] < ALIVE_WITHIN_S


def _program(name: str, age_s: float, detail: str) -> Program:
    told: Any = {}
    with contextlib.suppress(ValueError):
        told = json.loads(detail)
    if not isinstance(told, dict):
        told = {}
    host = name.partition("@")[2]
    settings = told.get("settings")
    return Program(
        name,
        host,
        age_s,
        told.get("pid"),
        told.get("started_at"),
        settings if isinstance(settings, dict) else {},
        tells_processes="workers" in told,
    )
