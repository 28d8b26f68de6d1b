"""
What RQ runs: two functions, called in a horse (a process forked for one job, then gone).

The service is opened in the horse, never before the fork: a database connection must not be shared
by two processes. Settings are read once, in the worker that forks. Nothing is caught here: an
exception is RQ's to log, the command's lease ends, and the dispatcher offers it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.config import Settings
    from app.service import Service

_settings: Settings | None = None


def use_settings(settings: Settings) -> None:
    """Called in the worker before it forks horses; without it each horse reads the settings anew."""
    global _settings
    _settings = settings


def receive() -> None:
    """Applies what waits in the inbox."""
    _open().receive()


def perform(command_id: int) -> None:
    """Performs one command, if it is still due and nobody else has it."""
    _open().perform(command_id)


def reconcile() -> None:
    """Holds Recall's list of recordings against what we heard."""
    from app.reconcile import reconcile_all

    reconcile_all(_open())


def _open() -> Service:
    from app import wiring

    return wiring.open_service(_settings or wiring.load_settings())
