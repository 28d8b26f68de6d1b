"""
One recording's history and deliveries, in words for people and as values for programs.

Shows what the history keeps: ids, codes and numbers (`history`). They are Recall's words, so whatever
a terminal would obey is taken out of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from app.cli.words import printable, span, time_of
from app.results.transcription_object import iso

Row = Mapping[str, Any]

_KEPT = ("event", "by", "commands", "ignored", "alarm", "summary")
# What differs between lines that say the same.
_PASSING = frozenset({"wait_s", "since_first_send_s", "since_last_send_s"})
_LONGEST_ROUND = 4  # lines that come again and again in one order: asked, unknown, listed, sent
_UNSAID = frozenset({"seen_count"})  # `seen` says it
# How a value of a summary is said. What is not here is said with its name.
_SAID: dict[str, Callable[[Any], str]] = {
    **dict.fromkeys(("cause", "command", "condition", "detail", "language", "provider", "refusal"), str),
    **dict.fromkeys(("status", "sub_code", "why"), str),
    "ordinal": lambda n: f"attempt {n}",
    "transcript_id": lambda name: f"transcript {name}",
    "bot_id": lambda name: f"bot {name}",
    "wait_s": lambda s: f"wait {_about(s)}",
    "duration_s": lambda s: f"{_about(s)} of recording",
    "since_first_send_s": lambda s: f"first sent {_about(s)} ago",
    "since_last_send_s": lambda s: f"last sent {_about(s)} ago",
    "generation": lambda n: f"key {n}",
    "left_out": lambda parts: f"left out: {', '.join(parts)}",
    "changed": "; ".join,
    "look_first": lambda _: "Recall's list is read first",
    "seen": lambda seen: "at Recall: " + ("; ".join(map(_seen, seen)) or "nothing"),
}
# Where False is the news.
_DENIED = {"is_resendable": "its key is not safe to send again", "has_room": "no room"}


def history_text(line: Row) -> str:
    """One line: what happened, what is known of it, what followed."""
    about = ", ".join(_said(line["summary"]))
    moved = line["goal_before"] != line["goal_after"]
    parts = (
        f": {about}" if about else "",
        f"  {line['goal_before']} → {line['goal_after']}" if moved else "",
        f"  then {', '.join(line['commands'])}" if line["commands"] else "",
        f"  ignored: {line['ignored']}" if line["ignored"] else "",
        f"  ALARM {line['alarm']}" if line["alarm"] else "",
    )
    return printable(f"{time_of(line['at'], precise=True)}  {line['event']} ({line['by']}){''.join(parts)}")


def folded(history: Sequence[Row]) -> Iterable[str]:
    """The lines of a history; what only repeats what was said is counted, not said again."""
    says = [_what_it_says(line) for line in history]
    at = 0
    while at < len(history):
        length, times = _round(says, at)
        for line in history[at : at + length]:
            yield history_text(line)
        if times > 1:
            what = "" if length == 1 else f"these {length} lines "
            last = history[at + length * times - 1]
            yield f"    … {what}{times} times until {time_of(last['at'])}"
        at += length * times


def _round(says: Sequence[object], at: int) -> tuple[int, int]:
    """How many lines from here are repeated, and how often; (1, 1) when the next one is another."""
    best = (1, 1)
    for length in range(1, _LONGEST_ROUND + 1):
        times, this = 1, says[at : at + length]
        while says[at + length * times : at + length * (times + 1)] == this:
            times += 1
        if times > 1 and length * times > best[0] * best[1]:
            best = (length, times)
    return best


def _what_it_says(line: Row) -> object:
    summary = {name: value for name, value in line["summary"].items() if name not in _PASSING}
    return {**line, "id": None, "at": None, "summary": summary}


def history_record(line: Row) -> dict[str, Any]:
    """The same for programs; `goal` is the column's name for a phase."""
    phases = {"phase_before": line["goal_before"], "phase_after": line["goal_after"]}
    return {"at": iso(line["at"]), **{name: line[name] for name in _KEPT}, **phases}


def delivery_text(row: Row) -> str:
    """One line: the number that `replay` takes, what it was, and whether it has been applied."""
    applied = "waiting" if row["applied_at"] is None else f"applied {time_of(row['applied_at'])}"
    note = f"  {row['note']}" if row["note"] else ""
    return printable(
        f"{row['id']}  {row['kind'] or 'kind unknown'}  {row['webhook_id']}  "
        f"received {time_of(row['received_at'])}  {applied}{note}"
    )


def delivery_record(row: Row) -> dict[str, Any]:
    """The same for programs; never a body."""
    return {
        "number": row["id"],
        "kind": row["kind"],
        "webhook_id": row["webhook_id"],
        "state": "waiting" if row["applied_at"] is None else "applied",
        "received_at": iso(row["received_at"]),
        "applied_at": iso(row["applied_at"]),
        "note": row["note"],
    }


def _said(summary: Row) -> Iterable[str]:
    for name, value in summary.items():
        if name in _DENIED:
            if value is False:
                yield _DENIED[name]
        elif name in _SAID:
            if value not in ("", 0):  # False is 0 too, an empty list is neither
                yield _SAID[name](value)
        elif name not in _UNSAID and value is not False and value != "":
            yield _named(name, value)


def _about(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else span(seconds)


def _named(name: str, value: Any) -> str:
    plain = name.removeprefix("is_").replace("_", " ")
    return plain if value is True else f"{plain} {value}"


def _seen(seen: Row) -> str:
    """A transcript in Recall's list."""
    whose = f"attempt {seen['ordinal']}" if seen.get("ordinal") is not None else "not ours"
    words = (seen["transcript_id"][:8], seen["status"], whose, seen.get("provider"), seen.get("sub_code"))
    return " ".join(str(word) for word in words if word)
