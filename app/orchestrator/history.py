"""
The line that one commit leaves in the history: what happened, and what followed.

A list of the fields of an event that may be kept: ids, codes, numbers. What is not on it is left
out, so that a field added to an event tomorrow cannot put a participant's name on an operator's screen.
"""

from __future__ import annotations

import re
from dataclasses import asdict, fields
from typing import Any

from app.core import events
from app.core.machine import Decision
from app.core.state import Phase
from app.orchestrator.records import Loaded, Source

# fmt: off
_KEPT = frozenset({
    "bot_id", "budget", "cause", "changed", "command", "condition", "detail", "duration_s", "finding",
    "has_room", "is_adopted", "is_beside", "is_empty", "is_missing", "is_provisional", "is_realtime",
    "is_resendable", "is_short", "is_silent", "key_serial", "language", "left_out", "lookup_required",
    "order", "ordinal", "over_budget", "provider", "refusal", "since_first_send_s", "since_last_send_s",
    "status", "sub_code", "transcript_id", "wait_s", "why",
})
# fmt: on
# Stored in every line since the first version, by these names.
_STORED_EVENTS = {"downtime_detected": "long_silence"}
_STORED_FIELDS = {"key_serial": "generation", "lookup_required": "look_first"}
_LONGEST = 300
_MOST_SEEN = 20  # Recall's own limit is ten; more is not worth a row's space


def event_name(event: events.Event) -> str:
    """`RecordingDone` -> `recording_done`: the name under which it is stored, logged and counted."""
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower()
    return _STORED_EVENTS.get(name, name)


def summary(event: events.Event) -> dict[str, Any]:
    """The event's ids and codes, JSON-ready; no text, no names, no metadata."""
    kept: dict[str, Any] = {
        _STORED_FIELDS.get(f.name, f.name): _short(getattr(event, f.name))
        for f in fields(event)
        if f.name in _KEPT and getattr(event, f.name) not in (None, ())
    }
    if isinstance(event, events.Listed):
        kept["seen_count"] = len(event.seen)
        kept["seen"] = [
            {name: _short(value) for name, value in asdict(seen).items() if name in _KEPT}
            for seen in event.seen[:_MOST_SEEN]
        ]
    return kept


def line(before: Loaded, decision: Decision, event: events.Event, source: Source) -> dict[str, Any]:
    """One history line without its time; `commands` and `summary` are still Python values."""
    return {
        "workspace": decision.state.workspace,
        "recording_id": decision.state.recording_id,
        "event": event_name(event),
        "by": source.by,
        "goal_before": before.transcription.phase.value,
        "goal_after": decision.state.phase.value,
        "commands": [command.key for command in decision.commands],
        "ignored": decision.ignored,
        "alarm": decision.alarm,
        "summary": {} if decision.state.phase is Phase.ERASED else summary(event),
    }


def _short(value: Any) -> Any:
    return value[:_LONGEST] if isinstance(value, str) else value
