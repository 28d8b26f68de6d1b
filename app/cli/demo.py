"""`demo`: the main job, offline, held against its script."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.live import Live

from app import wiring
from app.adapters.sql.finding import Listed
from app.cli import preflight
from app.core.state import ENDS, Phase
from app.demo.script import Cast, Scene, scenes
from app.demo.show import live_table, summary_table, told_lines, webhook_lines
from app.demo.stage import API_KEY, Stage, open_stage
from app.errors import Away, StoreUnavailable
from app.ops import USER
from app.ops.password import FILE_NAME, kept_password
from app.settings.program_name import ROOT, program
from app.transcripts.result_folder import folder_of

_START_TIMEOUT_S = 120.0
# Its home and nothing else; commands that only read need no Recall settings.
_AT_DEMO = f"AFTERWORD_ISOLATED=1 AFTERWORD_HOME=var/demo {program()}"
_LOOK = f"{_AT_DEMO} list"
_SECONDS_PER_RECORDING = 1.0


@click.command("demo")
@click.option("--recordings", type=click.IntRange(1, 2000), default=25, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="other meetings, other ids")
@click.option("--keep", is_flag=True, help="leave everything running until Ctrl-C")
def demo_command(recordings: int, seed: int, keep: bool) -> int:
    """From recording.done to stored transcripts, with everything embedded and Recall simulated."""
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print("Starting the service and a simulated Recall (time runs 60 times faster) ...")
    began_at = time.monotonic()
    with open_stage(seed=seed, home=demo_home(ROOT)) as stage:
        cast, listed = _play(stage, scenes(recordings), console)
        bill = stage.bill()
        differences = [*_differences(cast, listed, bill), *_untold(stage, listed)]
        console.print("What came of it", style="bold")
        console.print(summary_table(cast, listed, bill))
        _show(console, "One intent (de-CH, a key term, no numbers), two providers", told_lines(cast, bill))
        _show_webhook(console, stage)
        _conclude(console, stage, listed, differences, took_s=time.monotonic() - began_at)
        if keep:
            _keep_running(console, stage)
    return 1 if differences else 0


def demo_home(root: Path) -> Path:
    """Where the demonstration lives. What is above it is made private: it may well be a real home one day."""
    return preflight.private_folder(root / "var") / "demo"


def _play(stage: Stage, programme: list[Scene], console: Console) -> tuple[Cast, dict[str, Listed]]:
    """Lets the meetings end one after the other and watches until every recording has come to an end."""
    store, waiting = wiring.open_store(stage.settings), list(programme)
    give_up_at = time.monotonic() + _START_TIMEOUT_S + _SECONDS_PER_RECORDING * len(programme)
    cast: Cast = {}
    listed: dict[str, Listed] = {}
    with Live(console=console, refresh_per_second=4, transient=console.is_terminal) as live:
        while waiting or not _has_ended(cast, listed) or any(_untold(stage, listed)):
            if not stage.is_alive():
                raise Away(f"the service has stopped; its log is {stage.log_path}")
            if time.monotonic() > give_up_at:
                break
            for scene in waiting[:2]:
                facts = stage.tell_simulator("recordings", scene.to_play())
                cast[facts["recording_id"]] = (scene, facts)
            del waiting[:2]
            with suppress(StoreUnavailable):
                rows = store.list_transcriptions(limit=len(programme) + 100)
                listed = {row.state.recording_id: row for row in rows}
            if console.is_terminal:
                most = max(5, console.height - 6)
                told = len(stage.receiver.told)
                shown = live_table(
                    cast, listed, now=time.time(), most_rows=most, width=console.width, told=told
                )
                live.update(shown)
            time.sleep(0.2)
    return cast, listed


def _has_ended(cast: Cast, listed: Mapping[str, Listed]) -> bool:
    """Ended, and nothing finished is left unread."""
    return all(
        i in listed and listed[i].state.phase in ENDS and not listed[i].state.pending_transcripts
        for i in cast
    )


def _untold(stage: Stage, listed: Mapping[str, Listed]) -> Iterator[str]:
    """Ends of which no webhook came, and webhooks that were not signed rightly."""
    events = {Phase.STORED: "transcription.completed", Phase.FAILED: "transcription.failed"}
    for recording_id, row in listed.items():
        wanted = events.get(row.state.phase)
        if wanted is not None and wanted not in stage.receiver.told.get(recording_id, ()):
            yield f"{recording_id}: no webhook {wanted} came"
    if stage.receiver.refused:
        yield f"{stage.receiver.refused} webhooks were not signed rightly"


def _show_webhook(console: Console, stage: Stage) -> None:
    receiver = stage.receiver
    if receiver.last is not None:
        title = f"Its own signed webhooks, of {len(receiver.told)} recordings; the last"
        _show(console, title, webhook_lines(receiver.last))
    console.print("")


def _show(console: Console, title: str, lines: list[str]) -> None:
    if lines:
        console.print(f"\n{title}", style="bold")
    for line in lines:
        console.print(f"  {line}", markup=False, soft_wrap=True)


def _differences(cast: Cast, listed: Mapping[str, Listed], bill: Mapping[str, Any]) -> list[str]:
    found = []
    for recording_id, (scene, _) in cast.items():
        state = listed[recording_id].state if recording_id in listed else None
        for difference in scene.differences(state, bill["per_recording"][recording_id]):
            found.append(f"{recording_id} ({scene.title}): {difference}")
    if bill["downloads_with_authorization"]:
        found.append("our API key was sent to the download host")
    if bill["responses"].get("429"):
        found.append(f"{bill['responses']['429']} requests above Recall's rates")
    return found


def _conclude(
    console: Console, stage: Stage, listed: Mapping[str, Listed], differences: list[str], *, took_s: float
) -> None:
    if differences:
        console.print("[red]This is not what the script says:[/]")
        for difference in differences:
            console.print(f"  {difference}", markup=False)
        console.print(f"The service's log: {stage.log_path}", markup=False, soft_wrap=True)
        return
    home = stage.settings.home
    console.print(f"[green]Everything came out as scripted[/], in {took_s:.0f} s.\n")
    console.print("What to look at next:", style="bold")
    for line in (
        f"the transcripts   {home / 'transcripts' / 'default'}/RECORDING/TRANSCRIPT/",
        *_to_try(home / "transcripts", listed.values()),
        f"the service's log {stage.log_path}",
        f"the recordings    {_LOOK}     (show ID, status, webhooks deliveries)",
        f"everything live   {program()} demo --keep     (dashboard, health, metrics, a curl of /v1)",
        f"your own Recall   {program()} check, then {program()} up     (README: Connecting your Recall)",
    ):
        console.print(f"  {line}", soft_wrap=True)


def _to_try(transcripts: Path, listed: Iterable[Listed]) -> Iterator[str]:
    """A file of subtitles, and a search that finds something."""
    for state in (row.state for row in listed):
        if state.phase is Phase.STORED and state.current is not None:
            folder = transcripts / folder_of(state.workspace, state.recording_id, state.current)
            words = re.findall(
                r"[A-Za-z]{5,}", (folder / "transcript.txt").read_text("utf-8").partition("]")[2]
            )
            if words:
                yield f"subtitles         {folder / 'transcript.srt'}"
                yield f"a search          {_AT_DEMO} search {words[-1].lower()}"
                return


def _keep_running(console: Console, stage: Stage) -> None:
    base = f"http://127.0.0.1:{stage.settings.port}"
    password = kept_password(stage.settings) if console.is_terminal else None
    known = f"password {password}" if password else f"password in {stage.settings.home / FILE_NAME}"
    console.print("\nStill running. Ctrl-C stops it.", style="bold")
    console.print(f"  dashboard  {base}/ops/     (user {USER}, {known})", soft_wrap=True)
    console.print(f"  health     {base}/readyz\n  metrics    {base}/metrics     (the same password)")
    console.print(
        f"  /v1        curl -H 'Authorization: Bearer {API_KEY}' {base}/v1/transcriptions", soft_wrap=True
    )
    console.print(f"  Recall     {stage.simulator_url}/_sim/bill     (its own bill)")
    console.print(f"  recordings {_LOOK}     (show ID, status)", soft_wrap=True)
    while stage.is_alive():
        time.sleep(0.5)
