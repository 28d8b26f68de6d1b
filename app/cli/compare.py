"""
`compare`: the same recordings by several providers, side by side. What is stored already is read; the rest is
ordered, and the service makes one after the other. None of it becomes the result.

Could it pay twice? What is stored, under way or waits for its turn is not ordered again, and an order is
known by its number among those of its provider: of two calls, both asked before either was agreed to, the
second finds the first's, whatever became of it meanwhile.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from app import wiring
from app.adapters.sql.finding import Filters
from app.adapters.sql.queries import Queries, Shown
from app.cli.confirm import is_agreed
from app.cli.costs import money
from app.cli.listing import print_table
from app.cli.presence import why_idle
from app.cli.reading import read_store
from app.cli.retranscribe import order_of, planned_for
from app.cli.show import find, workspace_option
from app.cli.words import open_console
from app.core import events
from app.core.machine import decide
from app.core.policy import Policy
from app.core.rules_extra import share_of
from app.core.state import Phase
from app.orchestrator.ports_blobs import Blobs
from app.orchestrator.records import Source
from app.orchestrator.service import Service
from app.results import comparison as results
from app.results.transcription_object import duration_s_of
from app.settings.environment import load_settings
from app.settings.program_name import pasteable
from app.settings.used_by_command import POLICY, QUEUE, RESULTS, STORED

_USED = STORED | QUEUE | POLICY | RESULTS
_LOOKED_THROUGH = 1000  # for a sample
_LOOK_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A transcript that is to be ordered."""

    workspace: str
    recording_id: str
    provider: str
    order: events.ExtraOrdered
    price: int | None  # an estimate, in millionths; None where its price or the length is not known


@click.command("compare")
@click.argument("recording", required=False)
@click.option("--sample", type=click.IntRange(1, _LOOKED_THROUGH), help="that many of the latest recordings")
@click.option("--providers", required=True, help="Recall's keys or the vendors' names, with commas between")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="the report's file")
@workspace_option
@click.option("--yes", is_flag=True, help="do not ask; needed without a terminal")
def compare_command(
    recording: str | None,
    sample: int | None,
    providers: str,
    out: Path | None,
    workspace: str | None,
    yes: bool,
) -> int:
    """
    Compare providers: words, speakers, coverage, agreement, time and price, and a Markdown report. What is
    not there yet is ordered, once its price is told. The sample is always the same; those of `[shadow]` are
    first.
    """
    if (recording is None) == (sample is None):
        raise click.UsageError("name a recording, or --sample N")
    settings = load_settings(used=_USED)
    service, store, blobs = wiring.open_service(settings), read_store(settings), wiring.open_blobs(settings)
    chosen = [find(store, recording, workspace=workspace)] if recording is not None else None
    chosen = chosen if chosen is not None else _sampled(store, sample or 0, workspace)
    if not chosen:
        click.echo("No stored transcripts to compare.")
        return 1
    keys = _keys(service, chosen[0].transcription.state.workspace, providers)
    wanted = [each for shown in chosen for each in _wanted(service, shown, keys, blobs)]
    if wanted and not _is_ordered(service, wanted, chosen, yes=yes):
        return 1
    if (idle := why_idle(settings)) is not None and _open(store, chosen, keys):
        click.echo(pasteable(f"{idle} Run again then: what is ordered is not ordered twice."))
        return 1
    _wait(store, chosen, keys)
    prices = service.policy_of(chosen[0].transcription.state.workspace).prices
    found = [results.compared(each, keys, blobs, prices) for each in _again(store, chosen)]
    _print(found, prices.currency)
    at = service.store.now()
    file = out or settings.home / "compare" / f"{datetime.fromtimestamp(at, UTC):%Y%m%dT%H%M%SZ}.md"
    _write(file, results.report(found, currency=prices.currency, at=at))
    click.echo(f"Report: {file}")
    return 0 if all(line.transcripts for one in found for line in one.lines) else 1


def _sampled(store: Queries, number: int, workspace: str | None) -> list[Shown]:
    filters = Filters(Phase.STORED, verdict="spoken", workspace=workspace)
    latest = store.list_transcriptions(filters, limit=_LOOKED_THROUGH)
    states = sorted((row.state for row in latest), key=lambda state: share_of(state.recording_id))[:number]
    shown = (store.show(state.workspace, state.recording_id) for state in states)
    return [one for one in shown if one is not None]


def _keys(service: Service, workspace: str, providers: str) -> list[str]:
    policy = service.policy_of(workspace)
    names = dict.fromkeys(part.strip() for part in providers.split(",") if part.strip())
    orders = [order_of(provider=name) for name in names]
    keys = list(dict.fromkeys(order.provider or policy.providers[0].key for order in orders))
    if not keys:
        raise click.BadParameter("name at least one", param_hint="--providers")
    return keys


def _wanted(service: Service, shown: Shown, keys: Sequence[str], blobs: Blobs) -> list[_Wanted]:
    """What is neither stored nor on its way."""
    state = shown.transcription.state
    workspace, recording = state.workspace, state.recording_id
    loaded = service.store.load(workspace, recording)
    length_s = duration_s_of(state, blobs)
    found = []
    for key in keys:
        if results.stored_by(shown, key) is not None or results.is_under_way(loaded.transcription, key):
            continue
        order = order_of(provider=key)
        policy = planned_for(service.policy_of(workspace), loaded, order)
        of_provider = f"compare/{key}/"
        name = of_provider + str(sum(one.startswith(of_provider) for one in loaded.transcription.orders))
        event = events.ExtraOrdered(service.store.now(), name, order, is_beside=True)
        why = decide(loaded.transcription, event, policy).ignored
        if why is not None:
            click.echo(_not_ordered(recording, key, why))
            continue
        is_separate = policy.separate_streams_of(key)
        price = policy.prices.estimate(key, length_s, separate_streams=is_separate) if length_s else None
        found.append(_Wanted(workspace, recording, key, event, price))
    return found


def _not_ordered(recording: str, provider: str, why: str) -> str:
    return pasteable(f"{recording} by {provider} is not ordered: {why}.")


def _is_ordered(service: Service, wanted: Sequence[_Wanted], chosen: Sequence[Shown], *, yes: bool) -> bool:
    policy = service.policy_of(chosen[0].transcription.state.workspace)
    click.echo(_what_it_costs(wanted, policy))
    if not is_agreed(yes=yes, is_named=False):
        return False
    for each in wanted:
        decision, _ = service.advance(each.workspace, each.recording_id, each.order, Source(by="compare"))
        if decision.ignored is not None:
            click.echo(_not_ordered(each.recording_id, each.provider, decision.ignored))
    return True


def _what_it_costs(wanted: Sequence[_Wanted], policy: Policy) -> str:
    prices = [each.price for each in wanted if each.price is not None]
    unknown = len(wanted) - len(prices)
    told = [f"about {money(sum(prices), policy.prices.currency)}"] if prices else []
    told += [f"{unknown} of no known price" if prices else "of no known price"] if unknown else []
    number = f"{len(wanted)} paid transcripts" if len(wanted) != 1 else "1 paid transcript"
    return f"This creates {number}, which Recall and the providers charge for: {', '.join(told)}."


def _again(store: Queries, chosen: Sequence[Shown]) -> list[Shown]:
    states = (shown.transcription.state for shown in chosen)
    shown = (store.show(state.workspace, state.recording_id) for state in states)
    return [one for one in shown if one is not None]


def _open(store: Queries, chosen: Sequence[Shown], keys: Sequence[str]) -> int:
    """How many are on their way."""
    number = 0
    for of in (shown.transcription.state for shown in chosen):
        row = store.find_transcription(of.recording_id, workspace=of.workspace)
        number += sum(results.is_under_way(row.state, key) for key in keys) if row is not None else 0
    return number


def _wait(store: Queries, chosen: Sequence[Shown], keys: Sequence[str]) -> None:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        shown = progress.add_task("")
        try:
            while left := _open(store, chosen, keys):
                progress.update(shown, description=f"{left} transcripts are being made")
                time.sleep(max(_LOOK_EVERY_S, len(chosen) / 100))
        except KeyboardInterrupt:
            click.echo(
                "Interrupted: the service goes on with what is ordered. Run again: it is not ordered twice.",
                err=True,
            )
            raise


def _print(found: Sequence[results.Comparison], currency: str) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    lines = results.summed(found)
    heading = ("provider", "transcripts", *results.COLUMNS, "note")
    rows = [(one.provider, str(one.transcripts), *one.cells(currency), one.note) for one in lines]
    for name in heading:
        table.add_column(name, no_wrap=True)
    for row in rows:
        table.add_row(*row)
    instead = (
        f"{row[0]}: " + ", ".join(map(" ".join, zip(heading[1:], row[1:], strict=True))) for row in rows
    )
    print_table(open_console(), table, instead)


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
        out.write(text)
