"""
Whether this installation's service runs: asked of its home, and where that says nothing, of the database; and
what changed on disk since it read its settings.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from app import wiring
from app.cli.words import span
from app.errors import AfterwordError
from app.processes import home_lock, web_probe
from app.processes.heartbeats import ALIVE_WITHIN_S, Beat, programs, read
from app.settings.changes import changed_since, is_reloadable
from app.settings.environment import Settings

IDLE = "The service does not run: nothing happens until `./afterword up`."
RESPONSE_TIMEOUT_S = 3.0  # of a command, with each part of readiness; /readyz has less
_BEGINS_WITHIN_S = 10.0  # web takes a second or two after the others
_NEVER = (float("inf"), "")


@dataclass(frozen=True, slots=True)
class Service:
    """The service as seen from here."""

    is_running: bool | None  # None: not on this machine, and the database, which knows of others, is away
    has_run: bool  # it gave a heartbeat once, or runs
    has_signs: bool | None  # any of its processes gave one lately; None: the database is away
    is_home_held: bool  # an `up` runs in this home, on this machine
    holder: int | None  # its process id, where it could note it
    programs: tuple[Beat, ...]  # those that gave a heartbeat lately, on any host; by the database
    here: tuple[Beat, ...]  # of them, those of this machine
    changed: tuple[str, ...]  # settings that stand otherwise on this machine's disk than when it read them

    def sentence(self) -> str:
        """For people."""
        if self.is_running is None:
            return "Whether the service runs cannot be said while the database is away."
        if not self.is_running:
            return IDLE
        pid, held = self.holder, self.is_home_held
        told = [f"`up`, process {pid}" if pid else "`up`"] if held else []
        told += [f"{p.name}, {span(p.age_s)} ago" for p in self.programs if p.pid != pid or not held]
        return f"The service runs: {'; '.join(told)}."

    def why_changed(self) -> str | None:
        """Which settings wait for a reload or a restart; None when none does."""
        if not self.changed:
            return None
        now = [name for name in self.changed if is_reloadable(name)]
        later = [name for name in self.changed if not is_reloadable(name)]
        told = [f"{', '.join(now)} ({_how_to_reload(self.holder)})"] if now else []
        told += [f"{', '.join(later)} (takes a restart)"] if later else []
        return f"Changed on disk since the service started: {'; '.join(told)}."

    def is_own_port(self, port: int) -> bool | None:
        """
        Whether the `up` of this home or of this machine listens on a port of settings that may have changed
        since it started; None: no `up` runs here, or it does not say where it listens.
        """
        known = {p.settings["port"] for p in self.here if p.role == "up" and "port" in p.settings}
        return port in known if known else True if self.is_home_held else None

    def why_no_web(self, settings: Settings) -> str | None:
        """That this machine's `up` does not answer at HOST and PORT; None when it does, or is elsewhere."""
        from app.web.health import NO_WEB  # here: it needs Redis's client, which most commands do not

        began = [
            p.started_at
            for p in self.here
            if p.role == "up" and "workers" in p.told and p.settings.get("port") == settings.port
        ]
        is_asked = any(at is None or abs(time.time() - at) > _BEGINS_WITHIN_S for at in began)
        return NO_WEB if is_asked and not web_probe.is_ours(settings.host, settings.port) else None


def service_of(settings: Settings) -> Service:
    """As of now; never raises for a database that is away."""
    is_held, beats = home_lock.is_held(settings.home), _heartbeats(settings)
    told = programs(read(beats or {}))
    living = tuple(program for program in told if not is_gone(program.host, program.pid))
    is_running: bool | None = is_held or bool(living)
    if not is_running and not told:
        # A dispatcher of the version before gives a sign without its host.
        is_running = None if beats is None else beats.get("dispatcher", _NEVER)[0] < ALIVE_WITHIN_S
    here = tuple(program for program in living if program.host == socket.gethostname())
    return Service(
        is_running,
        has_run=bool(is_running or beats),
        has_signs=None if beats is None else any(age_s < ALIVE_WITHIN_S for age_s, _ in beats.values()),
        is_home_held=is_held,
        holder=home_lock.holder(settings.home) if is_held else None,
        programs=living,
        here=here,
        changed=tuple(sorted({name for program in here for name in changed_since(program.settings)})),
    )


def why_idle(settings: Settings) -> str | None:
    """That nothing happens, and until when; None while the service runs, or where that is not known."""
    return IDLE if service_of(settings).is_running is False else None


def is_gone(host: str, pid: int | None) -> bool:
    """Of a process of this machine that has ended: its last heartbeat may be younger than its end."""
    if pid is None or host != socket.gethostname():
        return False
    try:
        os.kill(pid, 0)
    except (OSError, OverflowError) as error:
        return isinstance(error, ProcessLookupError)
    return False


def _how_to_reload(pid: int | None) -> str:
    """SIGHUP stops a service in a terminal, and one that was started under nohup does not hear it."""
    if pid is not None:
        with contextlib.suppress(OSError, ValueError, IndexError):  # elsewhere than on Linux
            status = Path(f"/proc/{pid}/status").read_text()
            ignored = int(status.partition("SigIgn:")[2].split()[0], 16)
            if ignored & 1 << (signal.SIGHUP - 1):
                return "takes a restart: `up` was started to ignore SIGHUP"
            terminal = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[4]
            if terminal != "0":
                return "takes a restart: in a terminal SIGHUP stops `up`"
    return f"a reload takes it: `kill -HUP {pid or 'PID'}`"


def _heartbeats(settings: Settings) -> Mapping[str, tuple[float, str]] | None:
    """None while the database is away; {} while it has no tables."""
    from app.adapters.sql import migrations

    try:
        if migrations.current_revision(settings.database_url) is None:
            return {}
        with contextlib.closing(wiring.open_store(settings)) as store:
            return store.heartbeats()
    except AfterwordError:
        return None
