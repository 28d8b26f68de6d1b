"""`list` and `show`: what there is, and everything that happened to one recording."""

from __future__ import annotations

import json
from collections.abc import Iterable

import click
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from app import wiring
from app.adapters.sql_people import Listed, Shown
from app.adapters.sql_store import SqlStore
from app.cli import story
from app.cli.standing import Standing, standing_of
from app.config import Settings, load_settings
from app.core.reasons import next_step
from app.core.state import Goal
from app.errors import AfterwordError
from app.transcription_object import full_object, transcription_object

_WIDEST = 1000  # columns; wider than any list
_COLOURS = {Goal.STORED: "green", Goal.FAILED: "red", Goal.SKIPPED: "dim"}


@click.command("list")
@click.option("--goal", type=click.Choice([goal.value for goal in Goal]), help="only these")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="one object per line")
def list_command(goal: str | None, limit: int, as_json: bool) -> int:
    """The newest transcriptions first."""
    store = wiring.open_store(load_settings())
    rows = store.list_transcriptions(goal=Goal(goal) if goal else None, limit=limit)
    for line in standing_of(store, wiring.DEFAULT_WORKSPACE).lines():
        click.echo(line, err=as_json)  # stdout is one object per line then
    if as_json:
        for row in rows:
            click.echo(json.dumps(transcription_object(row)))
        return 0
    if not rows:
        click.echo("Nothing yet. `afterword demo` shows what it looks like.")
        return 0
    print_list(Console(highlight=False), rows)
    return 0


@click.command("show")
@click.argument("recording")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="the transcription object with the whole transcript, the history and the deliveries",
)
def show_command(recording: str, as_json: bool) -> int:
    """Everything about one recording; the beginning of its id is enough."""
    settings = load_settings()
    store = wiring.open_store(settings)
    shown = find(store, recording)
    state = shown.transcription.state
    standing = standing_of(store, state.workspace)
    deliveries = store.deliveries_of(state.workspace, state.recording_id)
    if as_json:
        whole = {
            **full_object(shown, wiring.open_blobs(settings)),
            **standing.record(),
            "history": [story.history_record(line) for line in shown.history],
            "deliveries": [story.delivery_record(row) for row in deliveries],
        }
        click.echo(json.dumps(whole, indent=2, ensure_ascii=False))
        return 0
    console = Console(soft_wrap=True, highlight=False)
    _print(console, shown, settings)
    _print_story(console, shown, deliveries, is_more_waiting=store.has_unapplied())
    _print_standing(console, standing)
    return 0


def find(store: SqlStore, text: str) -> Shown:
    """The one recording that `text` names. Raises `AfterwordError` for none or several."""
    found = store.find_recording(text)
    if len(found) != 1:
        what = "no recording" if not found else f"{len(found)} recordings"
        raise AfterwordError(f"{what} with an id beginning {text!r}; `afterword list` has them all")
    shown = store.show(*found[0])
    if shown is None:
        raise AfterwordError(f"no recording {text!r}")
    return shown


def print_list(console: Console, rows: list[Listed]) -> None:
    """A line each, or, where a terminal is too narrow, two with less in them: no id or reason is ever cut."""
    table = _table(rows)
    width = Measurement.get(console, console.options.update(max_width=_WIDEST), table).maximum
    if console.is_terminal and width > console.width:
        for line in _narrow(rows):
            console.print(line, soft_wrap=True)
    else:
        console.width = max(console.width, width)  # a pipe has none of its own
        console.print(table)


def _narrow(rows: list[Listed]) -> Iterable[str]:
    for row in rows:
        heard = story.time_of(row.first_heard_at)
        yield f"{row.state.recording_id}  {_phase(row)}  {heard}"
        if _why(row):
            yield f"  {_why(row)}"


def _phase(row: Listed) -> str:
    return f"[{_COLOURS.get(row.state.goal, 'yellow')}]{row.state.goal.value}[/]"


def _why(row: Listed) -> str:
    return escape(row.state.reason or (row.state.verdict if row.state.verdict == "empty" else "") or "")


def _table(rows: list[Listed]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("recording", "phase", "provider", "attempts", "heard", "took", "why"):
        table.add_column(name, no_wrap=True)
    for row in rows:
        state = row.state
        took = "" if row.completed_at is None else f"{row.completed_at - row.first_heard_at:.1f} s"
        table.add_row(
            state.recording_id,
            _phase(row),
            state.provider or "",
            str(len(state.attempts)),
            story.time_of(row.first_heard_at),
            took,
            _why(row),
        )
    return table


def _print(console: Console, shown: Shown, settings: Settings) -> None:
    state = shown.transcription.state
    console.print(
        f"[bold]{state.recording_id}[/]  {state.goal.value}"
        + (f"  ({state.verdict})" if state.verdict else "")
    )
    if state.bot_id:
        console.print(f"bot {state.bot_id}")
    if state.reason:
        console.print(
            f"[red]{state.reason}[/]" + (f": {escape(story.printable(state.detail))}" if state.detail else "")
        )
        console.print(f"next: {next_step(state.reason)}", markup=False)
    for attempt in state.attempts:
        tail = f"  {story.printable(attempt.error)}" if attempt.error else ""
        name = attempt.transcript_id or "no transcript"
        console.print(
            f"  attempt {attempt.ordinal}  {attempt.provider}  {attempt.fate.value}  {name}{tail}",
            markup=False,
        )
    for artifact in shown.artifacts:
        console.print(f"  stored  {settings.storage_url}/{artifact['folder']}", markup=False)


def _print_story(
    console: Console, shown: Shown, deliveries: list[story.Row], *, is_more_waiting: bool
) -> None:
    console.print("\n[bold]history[/]")
    for line in shown.history:
        console.print(f"  {story.history_text(line)}", markup=False)
    for command in shown.commands:
        console.print(f"  due {story.time_of(command['due_at'])}  {command['kind']}", markup=False)
    if not deliveries and not is_more_waiting:
        return
    console.print("\n[bold]deliveries[/]")
    for row in deliveries:
        console.print(f"  {story.delivery_text(row)}", markup=False)
    if is_more_waiting:
        # Whose they are is known once they have been read.
        console.print("  further ones wait to be read; they may be about this recording or others")


def _print_standing(console: Console, standing: Standing) -> None:
    lines = list(standing.lines())
    if lines:
        console.print("")
    for line in lines:
        console.print(line, markup=False, style="yellow")
