"""`check`: configuration and surroundings, every problem at once, each with its remedy."""

from __future__ import annotations

import contextlib
import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from app import log
from app.cli import places
from app.config import Settings, load_settings
from app.errors import (
    AccountRefused,
    AfterwordError,
    ConfigError,
    RecallBusy,
    StoreUnavailable,
)

# Recall lets a workspace retrieve 300 transcripts a minute, and each recording needs one.
# https://docs.recall.ai/reference/transcript_retrieve
_RECORDINGS_PER_S = 300 / 60
# Of a worker's time, per recording: three connections to Recall (create, retrieve, download) and 60 ms of
# its own; half as much again, because answers do not come evenly. See docs/performance.md, "Drain".
_CALLS, _OWN_S, _RESERVE = 3, 0.06, 1.5
_ALIVE_WITHIN_S = 30.0  # of the dispatcher's last sign of life; as for /readyz

Warn = Callable[[str], None]


@click.command("check")
@click.option("--json", "as_json", is_flag=True, help="for programs")
def check_command(as_json: bool) -> int:
    """Say everything that is wrong, and what to do about it."""
    log.configure(stream=sys.stderr)  # stdout is the answer
    try:
        settings = load_settings()
    except ConfigError as error:
        problems = list(error.problems)
        _print(problems, [], as_json=as_json)
        return 78
    warnings = list(settings.warnings)
    problems = list(problems_of(settings, warn=warnings.append))
    _print(problems, warnings, as_json=as_json)
    return 1 if problems else 0


def problems_of(settings: Settings, *, warn: Warn = lambda note: None) -> Iterator[str]:
    """
    One sentence each. Writes are tried and taken back, and Recall is asked one harmless question.

    Args:
        warn: Gets what is no problem and may become one.
    """
    for ask in (_recall, _home, _port, _database, _queue, _storage):
        try:
            problem = ask(settings, warn)
        except AfterwordError as error:
            problem = str(error)  # one that cannot be asked does not hide the others
        if problem is not None:
            yield problem


def why_few_workers(workers: int, *, answer_s: float) -> str | None:
    """
    A sentence when so many workers cannot use all that Recall's limit allows, else None.

    Args:
        answer_s: How long Recall took for one question, with its connection.
    """
    per_recording_s = _RESERVE * (_CALLS * answer_s + _OWN_S)
    needed = math.ceil(_RECORDINGS_PER_S * per_recording_s)
    if workers >= needed:
        return None
    return (
        f"AFTERWORD_WORKERS={workers} is enough for about {60 * workers / per_recording_s:.0f} recordings a "
        f"minute; Recall's limit allows {60 * _RECORDINGS_PER_S:.0f}. Where more end at once they "
        f"wait. Recall answers in {1000 * answer_s:.0f} ms from here: {needed} would do."
    )


def why_busy(busy: RecallBusy) -> str:
    """What a person can do about an answer, or none, that is no word about the account."""
    # Recall has no such answer to a list; 429 and 5xx are its own.
    if busy.cause.startswith(("http_3", "http_4", "unreadable")) and busy.cause != "http_429":
        return (
            f"the answer to a harmless question is not Recall's ({busy.cause}): is this Recall's address? "
            "Mend RECALL_API_BASE_URL, or leave it out and set RECALL_REGION."
        )
    return f"Recall cannot be asked now ({busy.cause}): check the network."


def _recall(settings: Settings, warn: Warn) -> str | None:
    from app import wiring

    recall = wiring.open_workspace(settings).recall
    began_at = time.monotonic()
    try:
        recall.probe()
    except AccountRefused as refused:
        if refused.status == 401:
            where = settings.region or settings.api_base_url
            return f"Recall refuses the API key at {where}: wrong, revoked, or of another region."
        return (
            f"Recall answers {refused.status} to a harmless question: look at the account in its dashboard."
        )
    except RecallBusy as busy:
        return f"{settings.api_base_url}: {why_busy(busy)}"
    note = why_few_workers(settings.workers, answer_s=time.monotonic() - began_at)
    if note is not None:
        warn(note)
    return None


def _home(settings: Settings, warn: Warn) -> str | None:
    return places.why_no_home(settings.home) or places.why_unwritable(settings.home, "AFTERWORD_HOME")


def _port(settings: Settings, warn: Warn) -> str | None:
    def is_at_work() -> bool:
        """The processes may have been started one by one, without `up`: then they share its database."""
        is_alive = _is_dispatcher_alive(settings)
        if is_alive:
            warn(f"Port {settings.port} is taken, it seems by this service, which is at work.")
        return is_alive

    return places.why_no_port(settings, is_at_work=is_at_work)


def _is_dispatcher_alive(settings: Settings) -> bool:
    from app import wiring
    from app.adapters import migrations

    try:
        if migrations.current_revision(settings.database_url) is None:
            return False
        with contextlib.closing(wiring.open_store(settings)) as store:
            beat = store.heartbeats().get("dispatcher")
    except AfterwordError:
        return False
    return beat is not None and beat[0] < _ALIVE_WITHIN_S


def _database(settings: Settings, warn: Warn) -> str | None:
    from app.adapters import migrations

    try:
        revision = migrations.current_revision(settings.database_url)
        if revision is None:
            return _fresh(settings)
        if migrations.is_newer_than_program(settings.database_url):
            return "The database is newer than this program: update the program."
        if revision != migrations.newest_revision():
            warn("The database is of an earlier version: `up` and `afterword migrate` bring it to this one.")
            return None
        return _in_use(settings, warn)
    except StoreUnavailable as error:
        return places.with_database_file(str(error), settings)


def _fresh(settings: Settings) -> str | None:
    if settings.database_url.startswith("sqlite"):
        folder = Path(settings.database_url.removeprefix("sqlite:///")).parent
        return None if folder == settings.home else places.why_unwritable(folder, "DATABASE_URL")
    return "The database has no tables yet: run `afterword migrate` (`up` does it too)."


def _in_use(settings: Settings, warn: Warn) -> str | None:
    """
    Whether it can be written, and what it knows of the account and of providers, whatever a harmless question
    is answered.
    """
    from app import wiring
    from app.cli import standing

    with contextlib.closing(wiring.open_store(settings)) as store:
        store.check_write()
        found = standing.standing_of(store, wiring.DEFAULT_WORKSPACE)
    if found.down:
        warn(standing.why_passed_over(found.down))
    return None if found.pause is None else standing.why_paused(found.pause)


def _queue(settings: Settings, warn: Warn) -> str | None:
    from app import wiring
    from app.adapters import valkey_server

    if settings.redis_url is None:
        valkey_server.find_binary()  # `up` brings its own, if there is one
    else:
        wiring.open_queue(settings).check_write()
    return None


def _storage(settings: Settings, warn: Warn) -> str | None:
    from app import wiring

    wiring.open_blobs(settings).check()
    return None


def _print(problems: list[str], warnings: list[str], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"ok": not problems, "problems": problems, "warnings": warnings}, indent=2))
        return
    for warning in warnings:
        click.echo(f"  note: {warning}")
    for problem in problems:
        click.echo(f"  - {problem}")
    click.echo("Everything needed is there." if not problems else f"{len(problems)} to mend.")
