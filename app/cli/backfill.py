"""`reconcile` and `backfill`: what Recall has and we never heard of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from app import wiring
from app.cli.check_recall import why_busy
from app.cli.confirm import is_agreed, is_terminal
from app.cli.costs import price_of
from app.cli.presence import why_idle
from app.cli.show import workspace_option
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
@workspace_option
@click.option("--dry-run", is_flag=True, help="only count")
@click.option("--yes", is_flag=True, help="do not ask")
def reconcile_command(workspace: str | None, dry_run: bool, yes: bool) -> int:
    """
    Take up recordings of the last 48 hours whose webhooks were lost.

    The running service does so by itself every ten minutes, unless the policy says `reconcile = false`. This
    command also hands it, at once, whatever else is due. An API key that sees none of the recordings known
    here is accepted after a yes.
    """
    service, chosen = _opened(workspace)
    if not _is_key_accepted(service, chosen, yes=yes, is_dry=dry_run):
        return 1
    if not take_up(service, chosen, by="reconcile", reach_s=None, is_dry=dry_run, yes=yes):
        return 1
    if not dry_run:
        _hand_over_what_is_due(service)
    return 0


@click.command("backfill")
@workspace_option
@click.option("--since", required=True, help="how far back: 12h, 7d, 2w")
@click.option("--dry-run", is_flag=True, help="only count")
@click.option("--yes", is_flag=True, help="do not ask; needed without a terminal")
def backfill_command(since: str, workspace: str | None, dry_run: bool, yes: bool) -> int:
    """Transcribe recordings from before Afterword, or from longer ago than reconcile reaches."""
    reach_s = seconds_of(since, "--since")
    service, chosen = _opened(workspace)
    if not _is_key_accepted(service, chosen, yes=False, is_dry=True):
        return 1
    return 0 if take_up(service, chosen, by="backfill", reach_s=reach_s, is_dry=dry_run, yes=yes) else 1


def _opened(name: str | None) -> tuple[Service, list[Workspace]]:
    """The service with all its workspaces, or with the one of this name."""
    service = wiring.open_service(load_settings(used=_USED))
    if name is None:
        return service, list(service.workspaces.values())
    if name not in service.workspaces:
        raise click.BadParameter(f"known are {', '.join(service.workspaces)}", param_hint="--workspace")
    return service, [service.workspaces[name]]


def _is_key_accepted(service: Service, chosen: Sequence[Workspace], *, yes: bool, is_dry: bool) -> bool:
    """Holds a key not used before against what is known here; a person may accept one that sees nothing."""
    sight = service.account.sight
    for workspace in chosen:
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


def take_up(
    service: Service, chosen: Sequence[Workspace], *, by: str, reach_s: float | None, is_dry: bool, yes: bool
) -> bool:
    """
    Counts, names the cost, asks, and does it; False when it was not agreed to. `reach_s`: how far back; None:
    as far as each workspace's policy lets a pass look.
    """
    now, first_start = service.store.now(), service.store.first_start()
    began = [max(first_start, now - one.policy.durations.reconcile_reach_s) for one in chosen]
    if reach_s is not None:
        began = [now - reach_s] * len(chosen)
    planned = _pass(service, chosen, began, by=by, is_dry=True)
    for workspace, found in zip(chosen, planned, strict=True):
        about = f"Workspace {workspace.name}: " if len(chosen) > 1 else ""
        click.echo(about + _told(found, workspace.policy))
    number = sum(found.taken_up for found in planned)
    if not number:
        click.echo("Nothing to transcribe.")
        return True
    click.echo(
        f"{number} to transcribe: up to {number} paid transcripts, and a further one "
        "for each failure. What Recall has a transcript of already is fetched and costs nothing."
    )
    for sentence in _prices(chosen, planned):
        click.echo(sentence)
    if is_dry:
        return True
    if not is_agreed(yes=yes, is_named=by == "reconcile"):
        return False
    number = sum(found.taken_up for found in _pass(service, chosen, began, by=by, is_dry=False))
    click.echo(f"{number} taken up; the service transcribes them. {_RESUMES}")
    if (idle := why_idle(load_settings(used=_USED))) is not None:
        click.echo(pasteable(idle))
    return True


def _hand_over_what_is_due(service: Service) -> None:
    """What the dispatcher does each second, once: read, offer, mark."""
    try:
        due = service.store.due(service.queue.room(), offer_again_s=service.timing.offer_again_s)
        service.queue.offer(due)
    except QueueUnavailable:
        click.echo("The queue is away: what is due is looked at once the service runs.", err=True)
        return
    service.store.mark_offered([item.id for item in due])
    if due:
        click.echo(f"{len(due)} due: handed to the workers.")


def _pass(
    service: Service, chosen: Sequence[Workspace], began: Sequence[float], *, by: str, is_dry: bool
) -> list[Found]:
    """What was found, for each workspace."""
    found: list[Found] = []
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        shown = progress.add_task("asking Recall")

        def tell(one: Found) -> None:
            progress.update(shown, description=f"asking Recall: {one.listed} recordings, {one.taken_up} new")

        for workspace, since in zip(chosen, began, strict=True):
            reconciler = Reconciler(service, workspace, by=by, is_dry=is_dry, tell=tell)
            try:
                with _told_when_away(service, workspace):
                    found.append(reconciler.run(since=since))
            except KeyboardInterrupt:
                click.echo(f"Interrupted. {_RESUMES}", err=True)
                raise
    return found


def _prices(chosen: Sequence[Workspace], planned: Sequence[Found]) -> Iterator[str]:
    """If the first provider of each workspace makes them all."""
    for workspace, found in zip(chosen, planned, strict=True):
        if found.taken_up:
            yield _price(found, workspace.policy)


def _price(found: Found, policy: Policy) -> str:
    known = found.with_length
    duration_s = float(found.taken_up_s) if known else None
    price = price_of(policy, policy.providers[0].key, duration_s, number=found.taken_up)
    less = f" for {known} of them; of the others Recall does not say the length" if known else ""
    price += less if known < found.taken_up else ""
    return f"{price[0].upper()}{price[1:]}."


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
