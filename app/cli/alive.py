"""Whether the service runs, said where a person would wait for it; and what changed on disk since."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from app.cli.preflight import is_served_by_us
from app.cli.presence import ALIVE_WITHIN_S, Presence, Program, presence_of
from app.cli.reading import read_store
from app.cli.words import span
from app.errors import AfterwordError
from app.settings.changes import changed_since, is_reloadable
from app.settings.environment import Settings

IDLE = "The service does not run: nothing happens until `./afterword up`."
_DISPATCHER = "dispatcher"
_BEGINS_WITHIN_S = 10.0
_NOT_KNOWN = "Whether the service runs cannot be said while the database is away."


@dataclass(frozen=True, slots=True)
class Service:
    """
    The service as seen from here.

    Attributes:
        is_running: None: not on this machine, and of others only the database knows, which is away.
        has_run: It gave a sign of life once, or runs.
        changed: Names of settings that stand otherwise on this machine's disk than when it read them.
    """

    is_running: bool | None
    has_run: bool
    presence: Presence
    programs: tuple[Program, ...]
    changed: tuple[str, ...] = ()

    def sentence(self) -> str:
        """For people."""
        if self.is_running is None:
            return _NOT_KNOWN
        if not self.is_running:
            return IDLE
        pid = self.presence.holder
        here = (f"`up`, process {pid}" if pid else "`up`",) if self.presence.is_home_held else ()
        others = tuple(f"{p.name}, {span(p.age_s)} ago" for p in self.programs if p.pid != pid or not here)
        return f"The service runs: {'; '.join(here + others)}."

    def why_changed(self) -> str | None:
        """Which settings wait for a reload or a restart; None when none does."""
        if not self.changed:
            return None
        now = [name for name in self.changed if is_reloadable(name)]
        later = [name for name in self.changed if not is_reloadable(name)]
        told = [f"{', '.join(now)} ({_how_to_reload(self.presence.holder)})"] if now else []
        told += [f"{', '.join(later)} (takes a restart)"] if later else []
        return f"Changed on disk since the service started: {'; '.join(told)}."


def _how_to_reload(pid: int | None) -> str:
    """SIGHUP stops a service in a terminal, and one that was started under nohup does not hear it."""
    if pid is not None:
        with suppress(OSError, ValueError, IndexError):  # elsewhere than on Linux: what holds as a rule
            status = Path(f"/proc/{pid}/status").read_text()
            ignored = int(status.partition("SigIgn:")[2].split()[0], 16)
            if ignored & 1 << (signal.SIGHUP - 1):
                return "takes a restart: `up` was started to ignore SIGHUP"
            terminal = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[4]
            if terminal != "0":
                return "takes a restart: in a terminal SIGHUP stops `up`"
    return f"a reload takes it: `kill -HUP {pid or 'PID'}`"


def service_of(settings: Settings) -> Service:
    """As of now; never raises for a database that is away."""
    presence, beats = presence_of(settings), _beats(settings)
    here = socket.gethostname()
    programs = tuple(p for p in presence.programs if not is_gone(p.host, p.pid))
    is_running: bool | None = presence.is_home_held or bool(programs)
    if not is_running and not presence.programs:
        # A dispatcher of the version before gives a sign without its host.
        is_running = beats.get(_DISPATCHER, ALIVE_WITHIN_S) < ALIVE_WITHIN_S
        if not is_running and not presence.is_database_asked:
            is_running = None
    ours = [program for program in programs if program.host == here]
    changed = sorted({name for program in ours for name in changed_since(program.settings)})
    return Service(is_running, bool(is_running or beats), presence, programs, tuple(changed))


def why_idle(settings: Settings) -> str | None:
    """That nothing happens, and until when; None while the service runs, or where that is not known."""
    return IDLE if service_of(settings).is_running is False else None


def why_no_web(settings: Settings) -> str | None:
    """That this machine's `up` does not answer at HOST and PORT; None when it does, or listens elsewhere."""
    from app.web.health import NO_WEB  # here: it needs Redis's client, which most commands do not

    here = f"up@{socket.gethostname()}"
    is_asked = any(
        p.name == here and p.tells_processes and p.settings.get("port") == settings.port and _has_begun(p)
        for p in presence_of(settings).programs
    )
    return NO_WEB if is_asked and not is_served_by_us(settings) else None


def _has_begun(program: Program) -> bool:
    """Web takes a second or two after the others."""
    began = program.started_at
    return not isinstance(began, int | float) or abs(time.time() - began) > _BEGINS_WITHIN_S


def _beats(settings: Settings) -> dict[str, float]:
    """Seconds since each process gave a sign of life; none while the database is away or not made yet."""
    try:
        with contextlib.closing(read_store(settings)) as store:
            return {name: age_s for name, (age_s, _) in store.heartbeats().items()}
    except AfterwordError:
        return {}


def is_gone(host: str, pid: int | None) -> bool:
    """Of a process of this machine that has ended: its last sign of life may be younger than its end."""
    if pid is None or host != socket.gethostname():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False
