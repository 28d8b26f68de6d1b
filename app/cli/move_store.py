"""`move-store`: every result into another store; while the service runs, and the rest when it is stopped."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app import wiring
from app.cli.presence import service_of
from app.errors import BlobsUnavailable, ConfigError, HeldByAnother
from app.orchestrator.stored_results import why_other_store
from app.processes.home_lock import hold_home
from app.results.store_move import Moved, StoreMove
from app.settings.environment import Settings, load_settings
from app.settings.server_urls import storage_folder
from app.settings.used_by_command import RESULTS, STORED

if TYPE_CHECKING:
    from app.adapters.sql.store import SqlStore

_AGAIN = "Run this again: it goes on where it was."


@click.command("move-store")
@click.option("--to", "url", required=True, metavar="URL", help="another STORAGE_URL")
def move_store_command(url: str) -> int:
    """Copy every stored result to another store and verify it there."""
    settings = load_settings(used=STORED | RESULTS)
    other = load_settings({**os.environ, "STORAGE_URL": url}, used=RESULTS)
    if (why := _why_not(settings.storage_url, other.storage_url)) is not None:
        raise ConfigError([why])
    with (
        _stopped(settings) as is_stopped,
        contextlib.closing(wiring.open_store(settings)) as store,
    ):
        return _move(settings, other, store, is_stopped=is_stopped)


def _why_not(source: str, target: str) -> str | None:
    """A store in itself would be copied without end."""
    ours, theirs = [str(storage_folder(url) or url) for url in (source, target)]
    if ours == theirs:
        return "--to is the store that is used already"
    if f"{theirs}/".startswith(f"{ours}/") or f"{ours}/".startswith(f"{theirs}/"):
        return "--to and STORAGE_URL lie one in the other: choose a place beside it"
    return None


@contextlib.contextmanager
def _stopped(settings: Settings) -> Iterator[bool]:
    """Whether the service does not run; then it cannot be started on this home meanwhile."""
    with contextlib.ExitStack() as held:
        try:
            if service_of(settings).is_running is not False:
                raise HeldByAnother("the service runs")
            held.enter_context(hold_home(settings.home))
        except HeldByAnother:
            yield False
            return
        yield True


def _move(settings: Settings, other: Settings, store: SqlStore, *, is_stopped: bool) -> int:
    target, total, moved = wiring.open_blobs(other), store.number_of_results(), Moved()
    try:
        with _shown(total) as show:
            for moved in StoreMove(wiring.open_blobs(settings), target).run(store.erased):
                show(moved)
        lacking = why_other_store(store, target) if is_stopped and not moved.left else None
    except BlobsUnavailable as error:
        click.echo(f"{error}.\n{moved.folders} of {total} results are copied, and stay. {_AGAIN}", err=True)
        return 1
    click.echo(
        f"{moved.folders} results are in the new store, each file held against its SHA-256; copied now: "
        f"{moved.copied} with {moved.files} files, {moved.size_bytes / 1e6:.1f} MB."
    )
    if moved.left:
        click.echo(f"{moved.left} changed while they were copied, and are left. {_AGAIN}")
    elif lacking is not None:
        click.echo(f"The store that is used is not whole: {lacking}")
    else:
        click.echo(_next_step(other.storage_url, is_stopped=is_stopped))
    return 1 if moved.left or lacking is not None else 0


@contextlib.contextmanager
def _shown(total: int) -> Iterator[Callable[[Moved], None]]:
    """A bar on a terminal."""
    columns = (TextColumn("results"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("results", total=total)
        yield lambda moved: progress.update(task, completed=moved.folders)


def _next_step(url: str, *, is_stopped: bool) -> str:
    if not is_stopped:
        return (
            "The service runs and stores on. Stop it, and run this again: what is new by then is copied, and "
            "the setting to change is said."
        )
    return (
        "Nothing is left. Set this, in .env or where it stands, and start the service:\n\n"
        f"  STORAGE_URL={url}\n\n"
        "The old store is as it was; remove it when the new one has proved itself."
    )
