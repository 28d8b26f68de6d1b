"""Who is who among the processes of a running `up`: its log names every child it starts."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import psutil


class ProcessList:
    """Reads on in the log where it stopped: a long run's log is long."""

    def __init__(self, log_path: Path) -> None:
        self._log_path = log_path
        self._offset = 0
        self._rest = b""
        self._pids: dict[str, int] = {}

    def victims(self, role: str) -> list[psutil.Process]:
        """The living processes of a role of `storm`'s; those that have just died are left out."""
        self._read_on()
        workers = [name for name in self._pids if name.startswith("worker-")]
        match role:
            case "a worker":
                return self._children(*workers)
            case "a horse":
                return self._forked_by(*workers, "inbox")
            case "a gunicorn worker":
                return self._forked_by("web")
            case _:
                return self._children(role)

    def valkey_server(self) -> psutil.Process | None:
        """The embedded server itself, not the child that keeps it."""
        self._read_on()
        return next(iter(self._forked_by("valkey") or self._children("valkey")), None)

    def _children(self, *names: str) -> list[psutil.Process]:
        found = []
        for name in names:
            with suppress(psutil.NoSuchProcess, KeyError):
                process = psutil.Process(self._pids[name])
                found += [process] if process.status() != psutil.STATUS_ZOMBIE else []
        return found

    def _forked_by(self, *names: str) -> list[psutil.Process]:
        found: list[psutil.Process] = []
        for parent in self._children(*names):
            with suppress(psutil.NoSuchProcess):
                found += parent.children()
        return found

    def _read_on(self) -> None:
        with self._log_path.open("rb") as log:
            log.seek(self._offset)
            new = log.read()
        self._offset += len(new)
        *lines, self._rest = (self._rest + new).split(b"\n")
        for line in lines:
            if b'"child_started"' in line:
                with suppress(ValueError, KeyError):
                    said = json.loads(line)
                    self._pids[said["child"]] = said["pid"]
