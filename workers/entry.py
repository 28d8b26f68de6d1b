"""
How the module entry points (`python -m workers`, `python -m workers.dispatcher`) begin and end: logging,
settings, and an exit code with a sentence instead of a traceback for what a person can put right.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from app.errors import Away, ConfigError, HeldByAnother

if TYPE_CHECKING:
    from app.settings.environment import Settings


def run(name: str, work: Callable[[Settings], int | None]) -> int:
    """
    Loads the settings and works; `name` stands as `child` on every line of the log. Returns the exit code:
    that of `work` (None: 0), 69, 75 (held, or .venv being changed), 78, 130 for Ctrl-C.
    """
    from app.processes import output_streams, venv_lock
    from app.processes.early_signals import mind_signals

    output_streams.take_over()
    mind_signals()
    held = venv_lock.hold()
    if held is not None:
        return held
    from app import log
    from app.settings.environment import load_settings

    log.configure(name)
    try:
        return work(load_settings()) or 0
    except ConfigError as error:
        return _say(78, error.problems)
    except HeldByAnother as error:
        return _say(75, [str(error)])
    except Away as error:
        return _say(69, [str(error)])
    except KeyboardInterrupt:
        return 130


def _say(code: int, sentences: tuple[str, ...] | list[str]) -> int:
    sys.stderr.writelines(f"{sentence}\n" for sentence in sentences)
    return code
