"""
Runs gunicorn in this process, with the project's `gunicorn.conf.py`: for the supervisor's web child. Another
server is refused: every limit of the receiver is this worker's and that file's.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from gunicorn.app.base import Application

from app.processes.web_probe import in_url

CONF_PATH = Path(__file__).resolve().parents[2] / "gunicorn.conf.py"

COMMAND = f"gunicorn -c '{CONF_PATH}' --chdir '{CONF_PATH.parent}' 'app.web:create_app()'"

_WRONG_SERVER = (
    "the receiver runs under gunicorn with the settings of gunicorn.conf.py alone: they hold the limits on "
    f"what strangers can cost. Start it with ./afterword up, or with: {COMMAND}"
)
_EXIT_CONFIG = 78  # sysexits.h, EX_CONFIG
_APP_LOAD_ERROR = 4  # gunicorn ends for good when one of its workers leaves with this; else it forks another

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]


class _Embedded(Application):  # type: ignore[misc]  # gunicorn ships no types
    """gunicorn without its command line and without what GUNICORN_CMD_ARGS says."""

    def __init__(self, load: Callable[[], Wsgi], settings: dict[str, Any]) -> None:
        self._load = load
        self._settings = settings
        super().__init__()

    is_used = False

    def load_config(self) -> None:
        _Embedded.is_used = True
        self.load_config_from_file(str(CONF_PATH))
        for name, value in self._settings.items():
            self.cfg.set(name, value)

    def load(self) -> Wsgi:
        return self._load()


def run_gunicorn(load: Callable[[], Wsgi], **settings: Any) -> NoReturn:
    """
    Serves until SIGTERM (finishes what it has, 25 s at most) or SIGINT (at once), then exits the process, 0
    after a clean stop. `load` is called before the fork; `settings`, gunicorn's, go before those of
    `gunicorn.conf.py`.
    """
    _Embedded(load, settings).run()
    sys.exit(0)


def address() -> str:
    """
    Where gunicorn by hand listens: HOST and PORT of the settings, those of `.env` too. Both halves, always:
    gunicorn's own reading of PORT alone would listen on every address. Where it is embedded, nothing is read.

    Raises:
        SystemExit: 78, and every problem was told.
    """
    from app.errors import ConfigError
    from app.settings.environment import load_settings

    if _Embedded.is_used:
        return "127.0.0.1:0"  # `run_gunicorn` is told another
    try:
        settings = load_settings(used=("HOST", "PORT"))
    except ConfigError:
        try:
            load_settings()
        except ConfigError as every:  # all that is wrong at once, not these two alone
            refuse_to_start(every.problems)
        raise
    return f"{in_url(settings.host)}:{settings.port}"


def refuse_unless_served_by_ours() -> None:
    """Raises SystemExit, and says why, unless gunicorn runs here with the worker of gunicorn.conf.py."""
    from app.web.deferred_response import DeferredResponseWorker

    if not (DeferredResponseWorker.is_chosen or "--check-config" in sys.argv):
        refuse_to_start([_WRONG_SERVER])


def refuse_unless_configured_by_ours(cfg: Any) -> None:
    """The same for our worker class under other settings: the hooks tell which file they are from."""
    if Path(cfg.post_fork.__code__.co_filename).resolve() != CONF_PATH:
        refuse_to_start([_WRONG_SERVER])


def refuse_to_start(problems: Sequence[str]) -> NoReturn:
    """Writes the problems and exits: 78, or in a worker of gunicorn what makes gunicorn stop as well."""
    sys.stderr.write("".join(f"afterword: {problem}\n" for problem in problems))
    callers = {frame.f_globals.get("__name__") for frame, _ in traceback.walk_stack(None)}
    raise SystemExit(_APP_LOAD_ERROR if "gunicorn.workers.base" in callers else _EXIT_CONFIG)
