"""`erase`: results, index, personal data here, and what is ours at Recall; a tombstone stays."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from app import wiring
from app.adapters.sql.store import SqlStore
from app.cli.presence import why_idle
from app.cli.reading import read_store
from app.cli.show import find, workspace_option
from app.core.state import AtRecall, Transcription
from app.errors import WorkspaceUnknown
from app.orchestrator.ports_blobs import ResultBlobs
from app.results.erasure import Wanted, erase
from app.settings.environment import load_settings
from app.settings.program_name import command as call
from app.settings.program_name import pasteable
from app.settings.used_by_command import POLICY, QUEUE, RESULTS, STORED

if TYPE_CHECKING:
    from app.orchestrator.service import Service

_USED = STORED | QUEUE | POLICY | RESULTS
_WORKER_HAS_IT_S = 60.0  # a worker of the service may have been faster; it needs seconds
_LOOK_EVERY_S = 0.1
_LOG_IS_READ_S = 10.0


@click.command("erase")
@click.argument("recording", required=False)
@click.option("--bot", metavar="ID", help="every recording of this bot")
@click.option("--metadata", metavar="K=V", help="every recording with this metadata")
@click.option("--participant", metavar="NAME", help="every recording with this person; a name or e-mail")
@click.option("--media", is_flag=True, help="at Recall the whole recording with its media, too")
@click.option("--dry-run", is_flag=True, help="say which, and do nothing")
@click.option("--yes", is_flag=True, help="do not ask")
@workspace_option
def erase_command(
    recording: str | None,
    bot: str | None,
    metadata: str | None,
    participant: str | None,
    media: bool,
    dry_run: bool,
    yes: bool,
    workspace: str | None,
) -> int:
    """Delete a recording's results and personal data, here and at Recall. There is no way back."""
    if sum(each is not None for each in (recording, bot, metadata, participant)) != 1:
        raise click.UsageError("name a recording, or one of --bot, --metadata and --participant")
    wanted = Wanted(bot, _pair(metadata) if metadata is not None else None, participant)
    settings = load_settings(used=_USED)
    store, blobs = read_store(settings), wiring.open_blobs(settings)
    if recording is not None:
        states = [find(store, recording, workspace=workspace).transcription.state]
    else:
        states = list(wanted.matching(store, blobs))
        states = [state for state in states if workspace in (None, state.workspace)]
    erasing = Erasing(wiring.open_service(settings), store, blobs)
    _say_what(states, media=media)
    if dry_run:
        click.echo("Nothing was done.")
        return 0
    if states and not _is_agreed(yes=yes):
        return 1
    is_done = erasing.run(states, AtRecall.RECORDING if media else AtRecall.TRANSCRIPT)
    if states:
        idle = why_idle(settings)
        what = "the recordings with their media" if media else "the transcripts made by Afterword"
        click.echo(pasteable(f"At Recall {what} are deleted by the service's workers. {idle or ''}".rstrip()))
    return 0 if is_done else 1


def _pair(text: str) -> tuple[str, str]:
    key, is_there, value = text.partition("=")
    if not is_there:
        what = "a name, an equals sign and a value, such as team=sales"
        raise click.BadParameter(what, param_hint="--metadata")
    return key, value


def _say_what(states: list[Transcription], *, media: bool) -> None:
    if not states:
        click.echo("No recording is meant.")
        return
    click.echo(f"{len(states)} to erase: results, index, metadata, history; the bill and the ids stay.")
    if media:
        click.echo("At Recall the media of the recordings are deleted for good.")
    for state in states:
        click.echo(f"  {state.workspace}  {state.recording_id}  {state.phase.value}")


def _is_agreed(*, yes: bool) -> bool:
    if yes:
        return True
    if not sys.stdin.isatty():
        raise click.UsageError("this cannot be undone: say --yes. Nothing was done.")
    return click.confirm("Erase them?")


class Erasing:
    """Erases one after the other; what was cut before is finished too."""

    def __init__(self, service: Service, store: SqlStore, blobs: ResultBlobs) -> None:
        self._service, self._store, self._blobs = service, store, blobs

    def run(self, states: list[Transcription], at_recall: AtRecall) -> bool:
        """Whether everything is done here; what is not is told."""
        words = {word for state in states for word in (state.recording_id, state.bot_id) if word}
        bodies = self._store.forget_bodies_naming(words) if words else 0
        unknown = [state for state in states if not self._is_erased(state, at_recall)]
        for workspace in {state.workspace for state in states}:  # at once: see `SearchIndex.forget`
            ids = [state.recording_id for state in states if state.workspace == workspace]
            self._service.forget_text(workspace, *ids)
        files = self._finish()
        for state in unknown:
            click.echo(f"Not erased: {state.recording_id}; no setting names its workspace.", err=True)
        left = self._store.left_to_erase()
        for one in left:
            click.echo(f"Not erased yet: files of {one.recording_id}; the service goes on.", err=True)
        is_clean = self._is_log_empty()
        if states:
            done = len(states) - len(unknown)
            click.echo(f"{done} erased here: {files} files, {bodies} bodies of deliveries.")
        if not is_clean:
            click.echo(f"The database's log is in use; {call('erase')} of anything clears it.", err=True)
        return not unknown and not left and is_clean

    def _is_erased(self, state: Transcription, at_recall: AtRecall) -> bool:
        try:
            of = (state.workspace, state.recording_id)
            erase(self._service.transitions, self._service.store, *of, at_recall=at_recall)
        except WorkspaceUnknown:
            return False
        return True

    def _finish(self) -> int:
        """How many files there were."""
        files = 0
        until = time.monotonic() + _WORKER_HAS_IT_S
        while (left := self._store.left_to_erase()) and time.monotonic() < until:
            for one in left:
                files += sum(1 for _ in self._blobs.keys(f"{one.workspace}/{one.recording_id}"))
                self._service.perform(one.command_id)
            time.sleep(_LOOK_EVERY_S if len(self._store.left_to_erase()) else 0)
        return files

    def _is_log_empty(self) -> bool:
        return _within(_LOG_IS_READ_S, self._store.truncate_log)


def _within(seconds: float, is_done: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while not is_done():
        if time.monotonic() > until:
            return False
        time.sleep(_LOOK_EVERY_S)
    return True
