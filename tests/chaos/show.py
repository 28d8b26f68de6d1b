"""How a run is told: one line while it runs, a table at the end, and what to do about an offence."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tests.chaos.oracle import ENDS, RECOVERS_WITHIN_S, Kind, Offence, Verdict
from tests.chaos.play import Played, Progress
from tests.chaos.stage import Stage

_STORIES = 5  # how many offending recordings are told in full
_ARE_PROCESSES = {True: "a killed process", False: "an outage"}


def progress_line(progress: Progress, number: int) -> RenderableType:
    """Bar, counts, and what is broken just now."""
    return Group(
        ProgressBar(total=max(number, 1), completed=_ended(progress), width=50),
        progress_words(progress, number),
    )


def progress_words(progress: Progress, number: int) -> Text:
    """The same without the bar."""
    words = ", ".join(f"{count} {phase}" for phase, count in sorted(progress.ended.items()))
    struck = sum(progress.struck.values())
    said = f"{progress.arrived} of {number} meetings, {_ended(progress)} ended ({words}); {struck} faults"
    line = Text(said)
    if progress.going_on:
        line.append(f"  {progress.going_on}", style="bold red")
    return line


def _ended(progress: Progress) -> int:
    return sum(count for phase, count in progress.ended.items() if phase in ENDS)


def table(played: Played, verdict: Verdict) -> Table:
    """Everything counted; a number that must be 0 and is not is red."""
    shown = Table(title="What became of every recording", title_justify="left", show_header=False)
    shown.add_column(no_wrap=True)
    shown.add_column(justify="right")
    shown.add_column()
    evidence = played.evidence
    shown.add_row("recordings in", str(len(evidence.plans)), f"in {played.arriving_s:.0f} s")
    phases: Counter[str] = Counter()
    for end, number in verdict.ends.items():
        phases[end.phase] += number
    shown.add_row("stored", str(phases["stored"]), "")
    shown.add_row("failed with the scripted reason", str(phases["failed"]), _reasons(verdict))
    shown.add_row("passed by, as scripted", str(phases["skipped"]), "")
    shown.add_section()
    for kind in Kind:
        number = verdict.count(kind)
        shown.add_row(kind.value, Text(str(number), style="bold red" if number else "green"), "must be 0")
    shown.add_row("two finished by policy", str(len(verdict.both_finished)), 'only with on_silence = "next"')
    shown.add_section()
    _add_money(shown, played, verdict)
    _add_faults(shown, played, verdict)
    return shown


def _reasons(verdict: Verdict) -> str:
    found = sorted((str(end.reason), n) for end, n in verdict.ends.items() if end.phase == "failed")
    return "\n".join(f"{number} {reason}" for reason, number in found)


def _add_money(shown: Table, played: Played, verdict: Verdict) -> None:
    bill, number = played.evidence.bill, max(1, len(played.evidence.plans))
    posts = sum(bill["per_recording"][i]["create_posts"] for i in played.evidence.plans)
    minimum = f"scripted minimum {verdict.paid_at_least / number:.3f} ({verdict.paid_at_least})"
    shown.add_row("paid creates per recording", f"{verdict.paid / number:.3f}", f"{verdict.paid}; {minimum}")
    shown.add_row(
        "create requests per recording", f"{posts / number:.3f}", f"{posts}; repeats have the same key"
    )
    replays, refused = bill["creates_replayed"], bill["responses"].get("429", 0)
    shown.add_row("answered from Recall's memory", str(replays), "repeats under a key that Recall remembered")
    shown.add_row("429 from Recall", str(refused), "some are scripted")


def _add_faults(shown: Table, played: Played, verdict: Verdict) -> None:
    for is_kill, what in _ARE_PROCESSES.items():
        longest_s = verdict.longest_s.get(is_kill)
        said = "none measured" if longest_s is None else f"{longest_s:.1f} s"
        shown.add_row(f"longest recovery after {what}", said, f"at most {RECOVERS_WITHIN_S[is_kill]:g} s")
    shown.add_section()
    for what, number in sorted(played.struck.items()):
        shown.add_row(what, str(number), "")
    for status, number in sorted(played.stranger_answers.items()):
        shown.add_row(
            "strangers without an answer" if status == 0 else f"strangers answered {status}", str(number), ""
        )


def tell_offences(console: Console, stage: Stage, verdict: Verdict, *, again: str) -> None:
    """Each offence, the history of the first few recordings, and how to see it again."""
    console.print("\n[bold red]This must not be:[/]")
    for offence in verdict.offences[:50]:
        console.print(f"  {_said(stage, offence)}", markup=False, soft_wrap=True)
    if len(verdict.offences) > 50:
        console.print(f"  … and {len(verdict.offences) - 50} more")
    for recording_id in list(dict.fromkeys(o.recording_id for o in verdict.offences if o.recording_id))[
        :_STORIES
    ]:
        said = stage.place.afterword("show", recording_id)
        console.print(f"\n{said.stdout or said.stderr}", markup=False, soft_wrap=True)
    console.print(f"\nThe service's log: {stage.place.log_path}", markup=False, soft_wrap=True)
    console.print(f"The same script again: {again}", markup=False, soft_wrap=True)


def _said(stage: Stage, offence: Offence) -> str:
    about = f" {offence.recording_id}" if offence.recording_id else ""
    return f"{offence.kind.value}:{about} {offence.what}"


def as_json(played: Played, verdict: Verdict, options: Mapping[str, Any]) -> str:
    """Numbers, offences and options, for a program."""
    evidence = played.evidence
    said = {
        "options": dict(options),
        "is_clean": not verdict.offences and not played.storm_troubles,
        "recordings": len(evidence.plans),
        "ends": {str(end): number for end, number in sorted(verdict.ends.items())},
        "must_be_0": {kind.value: verdict.count(kind) for kind in Kind},
        "paid": verdict.paid,
        "paid_at_least": verdict.paid_at_least,
        "both_finished": list(verdict.both_finished),
        "longest_recovery_s": {_ARE_PROCESSES[k]: round(v, 2) for k, v in verdict.longest_s.items()},
        "faults": dict(played.struck),
        "storm_troubles": list(played.storm_troubles),
        "strangers": {str(k): v for k, v in sorted(played.stranger_answers.items())},
        "arriving_s": round(played.arriving_s, 1),
        "took_s": round(played.took_s, 1),
        "offences": [
            {
                "kind": o.kind.value,
                "recording": o.recording_id,
                "what": o.what,
                "script": plan.title if (plan := evidence.plans.get(o.recording_id or "")) else None,
            }
            for o in verdict.offences
        ],
    }
    return json.dumps(said, indent=2)
