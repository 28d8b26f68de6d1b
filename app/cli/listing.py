"""How a list looks: a table where it fits, else a few lines each. No id or reason is ever cut."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from app.adapters.sql.finding import Listed, Pending
from app.cli.words import printable, say, span, time_of
from app.core.state import Phase
from app.results.transcription_object import (
    colour_of,
    cost_of,
    number_paid,
    pairs_of,
    title_of,
    took_s,
    waits_for,
)

_WIDEST = 2000  # columns; wider than any list
_ALWAYS = frozenset({"recording", "phase", "provider", "paid", "heard", "took", "why"})


def _cost(amount: float, currency: str, is_complete: bool) -> str:
    """With a plus where more may be charged for than is known."""
    return f"{amount:.2f}{'' if is_complete else '+'} {currency}"


def _cells(listed: Listed, pending: Pending | None) -> dict[str, str]:
    """Of a transcription and what is to be done about it next, by the name of the column; plain text."""
    state, took, why = listed.state.outward, took_s(listed), listed.state.reason
    if pending is not None and (waiting := waits_for(state, pending)) is not None:
        why = f"waits for {waiting}; next at {time_of(pending.due_at)}"
    return {
        "recording": state.recording_id,
        "phase": state.phase.value,
        "verdict": state.verdict or "",
        "provider": state.provider or "",
        "paid": str(number_paid(state)),
        "cost": "" if (cost := cost_of(state)) is None else _cost(**cost),
        "heard": time_of(listed.first_heard_at),
        "took": "" if took is None else span(took),
        "why": printable(why or ""),
        "bot": state.bot_id or "",
        "title": printable(title_of(state) or ""),
        "metadata": printable(" ".join(pairs_of(state))),
    }


def print_list(console: Console, found: Sequence[Listed], pending: Mapping[str, Pending]) -> None:
    """A line each, or, where a terminal is too narrow, a few that fit."""
    told = [_cells(row, pending.get(row.id)) for row in found]
    print_table(console, _table(told), (line for cells in told for line in _lines(cells)))


def print_table(console: Console, table: Table, instead: Iterable[str]) -> None:
    """`instead`: the lines for a terminal that is too narrow."""
    width = Measurement.get(console, console.options.update(max_width=_WIDEST), table).maximum
    if console.is_terminal and width > console.width:
        for line in instead:
            say(console, line, indent="  ")
    else:
        console.width = max(console.width, width)  # a pipe has none of its own
        console.print(table)


def _lines(cells: dict[str, str]) -> Iterable[str]:
    verdict = f" ({cells['verdict']})" if cells["verdict"] else ""
    yield f"{cells['recording']}  {cells['phase']}{verdict}"
    took = f", took {cells['took']}" if cells["took"] else ""
    yield f"  heard {cells['heard']}{took}"
    yield "  " + "  ".join(
        text for text in (cells["provider"], f"{cells['paid']} paid", cells["cost"], cells["title"]) if text
    )
    if cells["bot"]:
        yield f"  bot {cells['bot']}"
    for text in (cells["metadata"], cells["why"]):
        if text:
            yield f"  {text}"


def _table(told: list[dict[str, str]]) -> Table:
    """Without the columns that would be empty in every line."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    names = [name for name in told[0] if name in _ALWAYS or any(cells[name] for cells in told)]
    for name in names:
        table.add_column(name, no_wrap=True)
    for cells in told:
        colour = colour_of(Phase(cells["phase"]))
        table.add_row(*(Text(cells[name], colour if name == "phase" else "") for name in names))
    return table
