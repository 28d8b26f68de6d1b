"""`reconcile` and `backfill`: what Recall has and we never heard of."""

from __future__ import annotations

import re
import sys

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from app import log, wiring
from app.config import load_settings
from app.errors import AccountRefused, Away, RecallBusy
from app.reconcile import Found, Reconciler
from app.service import Service

_RESUMES = "Run again, it goes on where it stopped: what was taken up is passed by."
_UNITS = {"h": 3600.0, "d": 86_400.0, "w": 604_800.0}


@click.command("reconcile")
@click.option("--dry-run", is_flag=True, help="only count")
def reconcile_command(dry_run: bool) -> int:
    """Take up recordings of the last 48 hours whose webhooks were lost. The service does so by itself."""
    service = _service()
    durations = next(iter(service.workspaces.values())).policy.durations
    since = max(service.store.first_start(), service.store.now() - durations.reconcile_reach_s)
    found = _pass(service, since, by="reconcile", is_dry=dry_run)
    click.echo(_told(found))
    if found.taken_up:
        verb = "would be looked up and, if Recall has no transcript, paid for" if dry_run else "taken up"
        click.echo(f"{found.taken_up} never heard of: {verb}.")
    return 0


@click.command("backfill")
@click.option("--since", required=True, help="how far back: 12h, 7d, 2w")
@click.option("--dry-run", is_flag=True, help="only count")
@click.option("--yes", is_flag=True, help="do not ask")
def backfill_command(since: str, dry_run: bool, yes: bool) -> int:
    """Transcribe recordings from before Afterword, or from longer ago than reconcile reaches."""
    match = re.fullmatch(r"(\d{1,4})([hdw])", since)
    if match is None:
        raise click.BadParameter("a number and h, d or w, such as 7d", param_hint="--since")
    service = _service()
    began = service.store.now() - int(match[1]) * _UNITS[match[2]]
    planned = _pass(service, began, by="backfill", is_dry=True)
    click.echo(_told(planned))
    click.echo(
        f"{planned.taken_up} to transcribe: up to {planned.taken_up} paid transcripts, and a further one "
        "for each failure. What Recall has a transcript of already is fetched and costs nothing."
    )
    if dry_run or not planned.taken_up:
        return 0
    if not yes and sys.stdin.isatty() and not click.confirm("Go on?"):
        return 1
    found = _pass(service, began, by="backfill", is_dry=False)
    click.echo(f"{found.taken_up} taken up; the service transcribes them. {_RESUMES}")
    return 0


def _service() -> Service:
    log.configure(stream=sys.stderr)
    return wiring.open_service(load_settings())


def _pass(service: Service, since: float, *, by: str, is_dry: bool) -> Found:
    total = Found()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        shown = progress.add_task("asking Recall")

        def tell(found: Found) -> None:
            progress.update(
                shown, description=f"asking Recall: {found.listed} recordings, {found.taken_up} new"
            )

        for workspace in service.workspaces.values():
            try:
                found = Reconciler(service, workspace, tell=tell).run(since=since, by=by, is_dry=is_dry)
            except KeyboardInterrupt:
                click.echo(f"Interrupted. {_RESUMES}", err=True)
                raise
            except (RecallBusy, AccountRefused) as trouble:
                raise Away(f"Recall cannot be asked now ({trouble}); `afterword check` says why") from trouble
            total = Found(
                total.listed + found.listed,
                total.known + found.known,
                total.not_selected + found.not_selected,
                total.taken_up + found.taken_up,
            )
    return total


def _told(found: Found) -> str:
    return (
        f"{found.listed} finished recordings at Recall: {found.known} known here, "
        f"{found.not_selected} not selected."
    )
