"""`reconcile` and `backfill`: what Recall has and we never heard of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from app import wiring
from app.cli.alive import why_idle
from app.cli.check import why_busy
from app.cli.confirm import is_agreed, is_terminal
from app.cli.words import seconds_of
from app.core.policy import Policy
from app.errors import AccountRefused, Away, QueueUnavailable, RecallBusy
from app.orchestrator.command_context import Workspace
from app.orchestrator.reconcile import Found, Reconciler
from app.orchestrator.service import Service
from app.settings.environment import load_settings
from app.settings.program_name import command, pasteable
from app.settings.used_by_command import POLICY, QUEUE, RECALL, STORED

_USED = STORED | QUEUE | POLICY | RECALL
_RESUMES = "Run again, it goes on where it stopped: what was taken up is passed by."


@click.command("reconcile")
@click.option("--dry-run", is_flag=True, help="only count")
@click.option("--yes", is_flag=True, help="do not ask")
def reconcile_command(dry_run: bool, yes: bool) -> int:
    """
    Take up recordings of the last 48 hours whose webhooks were lost.

    The running service does so by itself every ten minutes, unless the policy says `reconcile = false`. This
    command also hands it, at once, whatever else is due. An API key that sees none of the recordings known
    here is accepted after a yes.
    """
    service = _service()
    if not _is_key_accepted(service, yes=yes, is_dry=dry_run):
        return 1
    durations = next(iter(service.workspaces.values())).policy.durations
    since = max(service.store.first_start(), service.store.now() - durations.reconcile_reach_s)
    code = _take_up(service, since, by="reconcile", is_dry=dry_run, yes=yes)
    if not code and not dry_run:
        _hand_over_what_is_due(service)
    return code


@click.command("backfill")
@click.option("--since", required=True, help="how far back: 12h, 7d, 2w")
@click.option("--dry-run", is_flag=True, help="only count")
@click.option("--yes", is_flag=True, help="do not ask; needed without a terminal")
def backfill_command(since: str, dry_run: bool, yes: bool) -> int:
    """Transcribe recordings from before Afterword, or from longer ago than reconcile reaches."""
    reach_s = seconds_of(since, "--since")
    service = _service()
    if not _is_key_accepted(service, yes=False, is_dry=True):
        return 1
    began = service.store.now() - reach_s
    return _take_up(service, began, by="backfill", is_dry=dry_run, yes=yes)


def _is_key_accepted(service: Service, *, yes: bool, is_dry: bool) -> bool:
    """Holds a key not used before against what is known here; a person may accept one that sees nothing."""
    sight = service.account.sight
    for workspace in service.workspaces.values():
        known = sight.held_against(workspace)
        if not known or sight.is_by_hand(workspace):
            continue
        with _told_when_away(service, workspace):
            sees = sight.sees_one_of(workspace, known)
        if sees is None:
            raise Away(f"Recall cannot be asked now (it is busy or silent); {command('check')} says why")
        if not sees:
            click.echo(
                f"This API key sees none of the {len(known)} newest recordings known here. Either it is of "
                "another workspace: then put the right key back, or what this one sees is transcribed, too. "
                f"Or they were deleted at Recall: then {command('reconcile')} accepts the key after a yes."
            )
            if is_dry or not _is_key_wanted(yes=yes):
                return False
        sight.accept(workspace, by_hand=not sees)
    return True


def _is_key_wanted(*, yes: bool) -> bool:
    """A script is no yes to this: one that runs each night would pay for the other workspace's recordings."""
    if yes or is_terminal():
        return is_agreed(yes=yes, is_named=False)
    click.echo(f"Nothing was done: without a terminal, {command('reconcile --yes')} is the yes.", err=True)
    return False


@contextmanager
def _told_when_away(service: Service, workspace: Workspace) -> Iterator[None]:
    """And what Recall answered is counted."""
    try:
        yield
    except AccountRefused as refused:
        raise Away(f"{refused}; {command('check')} says why") from refused
    except RecallBusy as busy:
        raise Away(why_busy(busy)) from busy
    finally:
        service.account.count_answers(workspace)


def _take_up(service: Service, since: float, *, by: str, is_dry: bool, yes: bool) -> int:
    """Counts, names the cost, asks, and does it; returns the exit code."""
    planned = _pass(service, since, by=by, is_dry=True)
    click.echo(_told(planned, next(iter(service.workspaces.values())).policy))
    if not planned.taken_up:
        click.echo("Nothing to transcribe.")
        return 0
    click.echo(
        f"{planned.taken_up} to transcribe: up to {planned.taken_up} paid transcripts, and a further one "
        "for each failure. What Recall has a transcript of already is fetched and costs nothing."
    )
    if is_dry:
        return 0
    if not is_agreed(yes=yes, is_named=by == "reconcile"):
        return 1
    found = _pass(service, since, by=by, is_dry=False)
    click.echo(f"{found.taken_up} taken up; the service transcribes them. {_RESUMES}")
    if (idle := why_idle(load_settings(used=_USED))) is not None:
        click.echo(pasteable(idle))
    return 0


def _hand_over_what_is_due(service: Service) -> None:
    """What the dispatcher does each second, once: read, offer, mark."""
    durations = next(iter(service.workspaces.values())).policy.durations
    try:
        due = service.store.due(service.queue.room(), offer_again_s=durations.offer_again_s)
        service.queue.offer(due)
    except QueueUnavailable:
        click.echo("The queue is away: what is due is looked at once the service runs.", err=True)
        return
    service.store.mark_offered([item.id for item in due])
    if due:
        click.echo(f"{len(due)} due: handed to the workers.")


def _service() -> Service:
    return wiring.open_service(load_settings(used=_USED))


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
            reconciler = Reconciler(service, workspace, by=by, is_dry=is_dry, tell=tell)
            try:
                with _told_when_away(service, workspace):
                    total.add(reconciler.run(since=since))
            except KeyboardInterrupt:
                click.echo(f"Interrupted. {_RESUMES}", err=True)
                raise
    return total


def _told(found: Found, policy: Policy) -> str:
    told = (
        f"{found.listed} finished recordings at Recall: {found.known} known here, "
        f"{found.not_selected} not selected."
    )
    if not found.too_young:
        return told
    age_s = policy.durations.overdue_after_s
    span = f"{age_s / 60:.0f} minutes" if age_s >= 60 else f"{age_s:.0f} seconds"
    left_to = "a later look" if policy.poll_only else "their webhooks"
    return f"{told} {found.too_young} more, younger than {span}: left to {left_to}."
