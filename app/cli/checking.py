"""`check`: configuration and surroundings, every problem at once, each with its remedy."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator

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
    problems = list(problems_of(settings))
    _print(problems, list(settings.warnings), as_json=as_json)
    return 1 if problems else 0


def problems_of(settings: Settings) -> Iterator[str]:
    """One sentence each; nothing is changed, and Recall is asked one harmless question."""
    for ask in (_recall, _database, _queue, _storage):
        problem = ask(settings)
        if problem is not None:
            yield problem


def _recall(settings: Settings) -> str | None:
    from app import wiring

    try:
        wiring.open_workspace(settings).recall.probe()
    except AccountRefused as refused:
        if refused.status == 401:
            where = settings.region or settings.api_base_url
            return f"Recall refuses the API key at {where}: wrong, revoked, or of another region."
        return (
            f"Recall answers {refused.status} to a harmless question: look at the account in its dashboard."
        )
    except RecallBusy as busy:
        return f"Recall cannot be reached ({busy.cause}): check the network and {settings.api_base_url}."
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
