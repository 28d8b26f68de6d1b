"""`check`: configuration and surroundings, every problem at once, each with its remedy."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

import click

from app import log
from app.config import Settings, load_settings
from app.errors import (
    AccountRefused,
    AfterwordError,
    BlobsUnavailable,
    ConfigError,
    QueueUnavailable,
    RecallBusy,
    StoreUnavailable,
)

# Recall lets a workspace retrieve 300 transcripts a minute, and each recording needs one.
# https://docs.recall.ai/reference/transcript_retrieve
_RECORDINGS_PER_S = 300 / 60
# Of a worker's time, per recording: three connections to Recall (create, retrieve, download) and 60 ms of
# its own; half as much again, because answers do not come evenly. See docs/performance.md, "Drain".
_CALLS, _OWN_S, _RESERVE = 3, 0.06, 1.5


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


def problems_of(settings: Settings, *, warn: Callable[[str], None] = lambda note: None) -> Iterator[str]:
    """
    One sentence each; nothing is changed, and Recall is asked one harmless question.

    Args:
        warn: Gets what is no problem and may become one.
    """
    for ask in (partial(_recall, warn=warn), _database, _queue, _storage):
        problem = ask(settings)
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


def _recall(settings: Settings, *, warn: Callable[[str], None]) -> str | None:
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
        return f"Recall cannot be reached ({busy.cause}): check the network and {settings.api_base_url}."
    note = why_few_workers(settings.workers, answer_s=time.monotonic() - began_at)
    if note is not None:
        warn(note)
    return None


def _database(settings: Settings) -> str | None:
    from app.adapters import migrations

    def look() -> str | None:
        revision = migrations.current_revision(settings.database_url)
        return None if revision is not None else _fresh(settings)

    return _say(look, StoreUnavailable)


def _fresh(settings: Settings) -> str | None:
    is_embedded = settings.database_url.startswith("sqlite")
    return (
        None if is_embedded else "The database has no tables yet: run `afterword migrate` (`up` does it too)."
    )


def _queue(settings: Settings) -> str | None:
    from app import wiring

    if settings.redis_url is None:
        return None  # `up` brings its own
    return _say(lambda: wiring.open_queue(settings).ping(), QueueUnavailable)


def _storage(settings: Settings) -> str | None:
    from app import wiring

    return _say(lambda: wiring.open_blobs(settings).check(), BlobsUnavailable)


def _say(look: Callable[[], str | None], away: type[AfterwordError]) -> str | None:
    try:
        return look()
    except (away, ConfigError) as error:
        return str(error)


def _print(problems: list[str], warnings: list[str], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"ok": not problems, "problems": problems, "warnings": warnings}, indent=2))
        return
    for warning in warnings:
        click.echo(f"  note: {warning}")
    for problem in problems:
        click.echo(f"  - {problem}")
    click.echo("Everything needed is there." if not problems else f"{len(problems)} to mend.")
