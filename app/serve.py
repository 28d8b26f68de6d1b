"""
Runs gunicorn in this process, with the project's `gunicorn.conf.py`: for the supervisor's web child.

Knows how gunicorn is embedded and how its workers are tied to it. Refuses to know the application: it is a
function, called once before the workers are forked.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

from gunicorn.app.base import Application

CONF_PATH = Path(__file__).resolve().parent.parent / "gunicorn.conf.py"

_PR_SET_PDEATHSIG = 1  # linux/prctl.h

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]


class _Embedded(Application):  # type: ignore[misc]  # gunicorn ships no types
    """gunicorn without its command line and without what GUNICORN_CMD_ARGS says."""

    def __init__(self, load: Callable[[], Wsgi], settings: dict[str, Any]) -> None:
        self._load = load
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        self.load_config_from_file(str(CONF_PATH))
        for name, value in self._settings.items():
            self.cfg.set(name, value)

    def load(self) -> Wsgi:
        return self._load()


def run_gunicorn(load: Callable[[], Wsgi] | None = None, **settings: Any) -> NoReturn:
    """
    Serves until SIGTERM (finishes what it has, 25 s at most) or SIGINT (at once), then exits the process.

    Args:
        load: Makes the application, before the fork. Without it, `app.web.create_app`.
        settings: gunicorn's, before those of `gunicorn.conf.py`; e.g. `bind="127.0.0.1:8000"`.

    Raises:
        SystemExit: Always; code 0 after a clean stop.
    """
    _Embedded(load or _create_app, settings).run()
    sys.exit(0)


def die_with_parent(parent_pid: int) -> None:
    """
    Asks Linux to SIGKILL this process when the thread that forked it is gone; elsewhere gunicorn's workers
    notice within a second. To be called right after the fork.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:  # it died before we asked
        os._exit(1)


def _create_app() -> Wsgi:
    from app.web import create_app  # here: the supervisor must not import Flask to fork a child that does

    return create_app()
