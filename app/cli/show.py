"""`list` and `show`: what there is, and everything that happened to one recording. Read only: no Recall."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable

import click
from rich.console import Console

from app import wiring
from app.adapters.sql.finding import MOST_FOUND, Filters, Listed
from app.adapters.sql.queries import Queries, Shown
from app.adapters.sql.store import SqlStore
from app.cli import costs, history_view
from app.cli.account_status import standings_of
from app.cli.listing import print_list
from app.cli.reading import read_store
from app.cli.words import harmless_json, moment_of, open_console, printable, say, short_id, span, time_of
from app.core.cost import DAY_S, day_of
from app.core.state import Phase
from app.errors import AfterwordError
from app.results import transcription_object as results
from app.settings.environment import Settings, load_settings
from app.settings.program_name import command as call
from app.settings.used_by_command import RESULTS, STORED
from app.settings.workspaces import workspaces_of

workspace_option = click.option("--workspace", metavar="NAME", help="of this workspace alone")
_PAID = {True: "paid", False: "not paid", None: "not known whether paid"}


@click.command("list")
@click.option("--phase", "--goal", type=click.Choice([phase.value for phase in Phase]), help="only these")
@click.option("--bot", help="of this bot; the beginning of its id will do")
@click.option("--metadata", multiple=True, metavar="K=V", help="with this metadata; may be given again")
@click.option("--provider", help="made by this provider, or tried with it")
@click.option("--verdict", help="with this verdict: spoken, silent, empty, thin, …; see docs/quality.md")
@click.option("--since", help="heard of in the last 12h, 7d, 2w, or since a date such as 2026-11-28")
@click.option(
    "--costs", "as_costs", is_flag=True, help="what days came to, by workspace and provider; 7d by default"
)
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="one object per line; docs/json.md has the fields")
def list_command(
    phase: str | None,
    bot: str | None,
    metadata: tuple[str, ...],
    provider: str | None,
    verdict: str | None,
    since: str | None,
    as_costs: bool,
    limit: int,
    as_json: bool,
) -> int:
    """The newest transcriptions first."""
    pairs = tuple(_pair(text) for text in metadata)
    settings = load_settings(used=STORED)
    store = read_store(settings)
    began = moment_of(since, now=store.now(), name="--since") if since else None
    if as_costs:
        return _print_costs(store, began, as_json=as_json)
    filters = Filters(Phase(phase) if phase else None, bot, pairs, provider, verdict, began)
    found = store.list_transcriptions(filters, limit=limit)
    pending = store.pending(found)
    standings = standings_of(store, workspaces_of(settings))
    for line in (*standings.problems(), *standings.notes()):
        say(open_console(is_stderr=as_json), line)  # stdout is one object per line then
    if as_json:
        files = store.files(found)
        for row in found:
            told = results.transcription_object(row, pending.get(row.id))
            click.echo(json.dumps({**told, "files": files.get(row.id, [])}))
        return 0
    if not found:
        is_empty = filters == Filters()
        click.echo(f"Nothing yet. {call('demo')} shows what it looks like." if is_empty else "None.")
        return 0
    print_list(open_console(), found, pending)
    if (spent := costs.today(store.spent(), settings.policy.prices)) is not None:
        say(open_console(is_stderr=True), f"Today (UTC), by estimate: {spent}.")
    if len(found) == limit:
        say(open_console(is_stderr=True), f"The newest {limit}; --limit N shows more, up to 1000.")
    return 0


def _print_costs(store: SqlStore, began: float | None, *, as_json: bool) -> int:
    now = store.now()
    days = day_of(now) - day_of(now - 6 * DAY_S if began is None else began) + 1
    spent = store.spent(days=max(days, 1))
    if as_json:
        for one in spent:
            click.echo(json.dumps(costs.spent_record(one)))
    elif spent:
        costs.print_spent(open_console(), spent)
    else:
        click.echo("Nothing was spent, or nothing has a price: see [cost] per_hour.")
    return 0


def _pair(text: str) -> tuple[str, str]:
    key, is_there, value = text.partition("=")
    if not is_there:
        what = "a name, an equals sign and a value, such as team=sales"
        raise click.BadParameter(what, param_hint="--metadata")
    return key, value


@click.command("show")
@click.argument("id")
@workspace_option
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="the transcription object with the whole transcript, the history and the deliveries; docs/json.md",
)
def show_command(id: str, workspace: str | None, as_json: bool) -> int:
    """Everything about one recording, by its id, its bot's or a transcript's; the beginning is enough."""
    settings = load_settings(used=STORED | RESULTS)
    store = read_store(settings)
    shown = find(store, id, workspace=workspace)
    state = shown.transcription.state
    standings = standings_of(store, workspaces_of(settings), of=state.workspace)
    deliveries = store.deliveries_of(state.workspace, state.recording_id)
    if as_json:
        whole = {
            **results.full_object(shown, wiring.open_blobs(settings)),
            **standings.record(),
            "history": [history_view.history_record(line) for line in shown.history],
            "deliveries": [history_view.delivery_record(row) for row in deliveries],
        }
        is_unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
        click.echo(harmless_json(json.dumps(whole, indent=2, ensure_ascii=not is_unicode)))
        return 0
    console = open_console()
    for line in _facts(shown, settings, short_id(store, state.recording_id)):
        say(console, line)
    _print_story(console, shown, deliveries, is_more_waiting=store.has_unapplied())
    told = (*standings.problems(), *standings.notes())
    for line in ("", *told) if told else ():
        say(console, line, style="yellow")
    return 0


def find(store: Queries, text: str, *, workspace: str | None = None) -> Shown:
    """The one recording that `text` names, in any workspace or in one. Raises `AfterwordError`."""
    found = [one for one in store.find_recording(text) if workspace in (None, one[0])]
    if not found:
        raise AfterwordError(
            f"no recording, bot or transcript has an id beginning {printable(text)!r}; see `./afterword list`"
        )
    if len(found) > 1:
        is_of_several = len({of for of, _ in found}) > 1
        ids = "".join(f"\n  {id_}" + f"  --workspace {of}" * is_of_several for of, id_ in found)
        number = f"{len(found)} or more" if len(found) >= MOST_FOUND else str(len(found))
        raise AfterwordError(f"{printable(text)!r} names {number} recordings, among them:{ids}")
    shown = store.show(*found[0])
    if shown is None:
        raise AfterwordError(f"no recording {text!r}")
    return shown


def _facts(shown: Shown, settings: Settings, short: str) -> Iterable[str]:
    """What stands now, a line each; remedies as they can be typed."""
    yield from _what_it_is(shown.transcription)
    yield from _what_next(shown, short)
    for attempt in shown.transcription.state.attempts:
        name = attempt.transcript_id or "no transcript"
        tail = f"  {printable(attempt.error)}" if attempt.error else ""
        about = f"attempt {attempt.ordinal}  {attempt.provider}  {attempt.status.value}"
        about += "  to compare with" * shown.transcription.state.is_beside(attempt)
        cost = f", about {costs.money(attempt.cost.micros, attempt.cost.currency)}" if attempt.cost else ""
        yield f"  {about}  {_PAID[results.is_paid(attempt)]}{cost}  {name}{tail}"
    for artifact in shown.artifacts:
        what = artifact["verdict"] + ", adopted" * (artifact["ordinal"] is None)
        yield f"  stored  {settings.storage_url}/{artifact['folder']}  ({what})"


def _what_it_is(row: Listed) -> Iterable[str]:
    state, ended, took = row.state.outward, results.ended_at(row), results.took_s(row)
    yield f"{state.recording_id}  {state.phase.value}" + (f" ({state.verdict})" if state.verdict else "")
    if title := results.title_of(state):
        yield f"title: {printable(title)}"
    if state.bot_id:
        yield f"bot: {state.bot_id}"
    if state.metadata:
        yield "metadata: " + printable(", ".join(results.pairs_of(state)))
    yield f"heard: {time_of(row.first_heard_at)}"
    if ended is not None:
        yield f"ended: {time_of(ended)}" + ("" if took is None else f", {span(took)} later")


def _what_next(shown: Shown, short: str) -> Iterable[str]:
    state, pending = shown.transcription.state, results.pending_of(shown)
    if state.reason:
        yield f"reason: {state.reason}" + (f": {printable(state.detail)}" if state.detail else "")
        yield f"next: {results.next_step_of(state, recording=short)}"
    waiting = results.waits_for(state, pending)
    if waiting is not None and pending is not None:
        yield f"waits for: {printable(waiting)}; next at {time_of(pending.due_at)}"


def _print_story(
    console: Console, shown: Shown, deliveries: list[history_view.Row], *, is_more_waiting: bool
) -> None:
    console.print("\n[bold]history[/]")
    due = (
        f"due {time_of(command['due_at'])}  {command['kind']}"
        + (f"  after {command['waits_for']}" if command["waits_for"] else "")
        for command in shown.commands
    )
    for line in (*history_view.folded(shown.history), *due):
        say(console, f"  {line}", indent="  ")
    told = [history_view.delivery_text(row) for row in deliveries]
    if is_more_waiting:  # whose they are is known once they have been read
        told.append("further ones wait to be read; they may be about this recording or others")
    if told:
        console.print("\n[bold]deliveries[/]", end=" ")
        say(console, "(`./afterword replay NUMBER` applies one again)")
    for line in told:
        say(console, f"  {line}", indent="  ")
