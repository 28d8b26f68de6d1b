"""`list` and `show`: what there is, and everything that happened to one recording."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app import wiring
from app.adapters.sql_people import Listed, Shown
from app.adapters.sql_store import SqlStore
from app.config import Settings, load_settings
from app.core.reasons import next_step
from app.core.state import Goal
from app.errors import AfterwordError
from app.transcription_object import full_object, transcription_object

_COLOURS = {Goal.STORED: "green", Goal.FAILED: "red", Goal.SKIPPED: "dim"}


@click.command("list")
@click.option("--goal", type=click.Choice([goal.value for goal in Goal]), help="only these")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="one object per line")
def list_command(goal: str | None, limit: int, as_json: bool) -> int:
    """The newest transcriptions first."""
    store = wiring.open_store(load_settings())
    rows = store.list_transcriptions(goal=Goal(goal) if goal else None, limit=limit)
    if as_json:
        for row in rows:
            click.echo(json.dumps(transcription_object(row)))
        return 0
    Console().print(_table(rows) if rows else "Nothing yet. `afterword demo` shows what it looks like.")
    return 0


@click.command("show")
@click.argument("recording")
@click.option("--json", "as_json", is_flag=True, help="the transcription object")
def show_command(recording: str, as_json: bool) -> int:
    """Everything about one recording; the beginning of its id is enough."""
    settings = load_settings()
    shown = find(wiring.open_store(settings), recording)
    if as_json:
        click.echo(json.dumps(full_object(shown, wiring.open_blobs(settings)), indent=2, ensure_ascii=False))
    else:
        _print(shown, settings)
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


def _table(rows: list[Listed]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("recording", "phase", "provider", "attempts", "heard", "took", "why"):
        table.add_column(name, overflow="fold")
    for row in rows:
        state = row.state
        colour = _COLOURS.get(state.goal, "yellow")
        took = "" if row.completed_at is None else f"{row.completed_at - row.first_heard_at:.1f} s"
        table.add_row(
            state.recording_id,
            f"[{colour}]{state.goal.value}[/]",
            state.provider or "",
            str(len(state.attempts)),
            _time(row.first_heard_at),
            took,
            escape(state.reason or (state.verdict if state.verdict == "empty" else "") or ""),
        )
    return table


def _print(shown: Shown, settings: Settings) -> None:
    console = Console(soft_wrap=True, highlight=False)
    state = shown.transcription.state
    console.print(
        f"[bold]{state.recording_id}[/]  {state.goal.value}"
        + (f"  ({state.verdict})" if state.verdict else "")
    )
    if state.bot_id:
        console.print(f"bot {state.bot_id}")
    if state.reason:
        console.print(f"[red]{state.reason}[/]" + (f": {escape(state.detail)}" if state.detail else ""))
        console.print(f"next: {next_step(state.reason)}", markup=False)
    for attempt in state.attempts:
        tail = f"  {attempt.error}" if attempt.error else ""
        name = attempt.transcript_id or "no transcript"
        console.print(
            f"  attempt {attempt.ordinal}  {attempt.provider}  {attempt.fate.value}  {name}{tail}",
            markup=False,
        )
    for artifact in shown.artifacts:
        console.print(f"  stored  {settings.storage_url}/{artifact['folder']}", markup=False)
    console.print("\n[bold]history[/]")
    for line in shown.history:
        console.print(_history(line), markup=False)
    for command in shown.commands:
        console.print(f"  due {_time(command['due_at'])}  {command['kind']}", markup=False)


def _history(line: Mapping[str, Any]) -> str:
    moved = (
        "" if line["goal_before"] == line["goal_after"] else f"  {line['goal_before']} → {line['goal_after']}"
    )
    extra = f"  ignored: {line['ignored']}" if line["ignored"] else ""
    alarm = f"  ALARM {line['alarm']}" if line["alarm"] else ""
    commands = f"  then {', '.join(line['commands'])}" if line["commands"] else ""
    return (
        f"  {_time(line['at'], precise=True)}  {line['event']} ({line['by']}){moved}{commands}{extra}{alarm}"
    )


def _time(at: float, *, precise: bool = False) -> str:
    moment = datetime.fromtimestamp(at, UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] if precise else moment.strftime("%Y-%m-%d %H:%M:%S")
