"""`render`: the formats that stored transcripts lack, made from what is stored. Recall is not asked."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from app import wiring
from app.adapters.sql.queries import StoredTranscript
from app.adapters.sql.store import SqlStore
from app.cli.reading import read_store
from app.cli.search import index_one, rebuild_index
from app.cli.show import find, workspace_option
from app.cli.words import open_console, say
from app.core import events
from app.core.commands import RenderTranscript
from app.errors import WorkspaceUnknown
from app.orchestrator.ports_blobs import Blobs
from app.orchestrator.records import Source
from app.settings.environment import Settings, load_settings
from app.settings.program_name import command as call
from app.settings.used_by_command import POLICY, QUEUE, RESULTS, STORED
from app.transcripts.result_folder import folder_of

if TYPE_CHECKING:
    from app.orchestrator.service import Service

_USED = STORED | QUEUE | POLICY | RESULTS
_WORKER_HAS_IT_S = 60.0  # a worker of the service may have been faster; it needs seconds
_LOOK_EVERY_S = 0.1


@click.command("render")
@click.argument("recording", required=False)
@click.option("--all", "is_all", is_flag=True, help="all that lack a format of the policy")
@click.option(
    "--index", "is_index", is_flag=True, help="also in the search index, anew; alone: the index of all"
)
@workspace_option
def render_command(recording: str | None, is_all: bool, is_index: bool, workspace: str | None) -> int:
    """Make the formats that stored transcripts lack, without Recall. The service may run meanwhile."""
    is_index_alone = is_index and not is_all and recording is None
    if is_all == (recording is not None) and not is_index_alone:
        raise click.UsageError("name a recording, or --all")
    settings = load_settings(used=_USED)
    store = read_store(settings)
    of = None
    if recording is not None:
        state = find(store, recording, workspace=workspace).transcription.state
        of = (state.workspace, state.recording_id)
    code = 0 if is_index_alone else _render(settings, store, of, workspace)
    if not is_index:
        return code
    return max(code, rebuild_index(settings) if of is None else index_one(settings, store, *of))


def _render(settings: Settings, store: SqlStore, of: tuple[str, str] | None, workspace: str | None) -> int:
    is_all = of is None
    rendering = Rendering(wiring.open_service(settings), store, wiring.open_blobs(settings))
    made = left = failed = 0
    for stored in _stored(store, of):
        if workspace not in (None, stored.workspace):
            continue
        if is_all and not rendering.lacks(stored):
            left += 1
        elif rendering.render(stored):
            made += 1
        else:
            failed += 1
            about = f"{stored.recording_id}, transcript {stored.transcript_id}"
            say(open_console(is_stderr=True), f"Not rendered: {about}.")
    had = f", {left} lacked nothing" if is_all else ""
    click.echo(f"{made} rendered{had}." + (f" {failed} could not be rendered." if failed else ""))
    if failed:
        click.echo(f"{call('show RECORDING')} has its history; the log says what is wrong with its files.")
    return 1 if failed else 0


def _stored(store: SqlStore, of: tuple[str, str] | None) -> Iterator[StoredTranscript]:
    after = 0
    while page := store.stored_transcripts(of=of, after=after):
        yield from page
        after = page[-1].number


class Rendering:
    """Renders stored transcripts, here or by a worker that is faster."""

    def __init__(self, service: Service, store: SqlStore, blobs: Blobs) -> None:
        self._service, self._store, self._blobs = service, store, blobs

    def lacks(self, stored: StoredTranscript) -> bool:
        """Whether the database knows of no file for a format of its workspace's policy."""
        workspace = self._service.workspaces.get(stored.workspace)
        return workspace is None or not set(workspace.policy.formats) <= set(stored.files)

    def render(self, stored: StoredTranscript) -> bool:
        """
        False where it cannot be: its workspace is in no setting, its bytes are damaged, or the storage is in
        trouble; then the service goes on trying.
        """
        event = events.RenderAsked(self._service.store.now(), stored.transcript_id)
        try:
            decision, _ = self._service.advance(
                stored.workspace, stored.recording_id, event, Source(by="person")
            )
        except WorkspaceUnknown:
            return False
        return decision.ignored is None and self._is_done(stored) and self._is_whole(stored)

    def _is_done(self, stored: StoredTranscript) -> bool:
        until = time.monotonic() + _WORKER_HAS_IT_S
        while (command := self._command(stored)) is not None and time.monotonic() < until:
            if command["due_at"] > self._service.store.now():
                return False  # it was tried, and put off
            self._service.perform(command["id"])
            time.sleep(0 if self._command(stored) is None else _LOOK_EVERY_S)
        return command is None

    def _command(self, stored: StoredTranscript) -> Mapping[str, Any] | None:
        shown = self._store.show(stored.workspace, stored.recording_id)
        key = RenderTranscript(stored.transcript_id).key
        return next((row for row in shown.commands if row["key"] == key), None) if shown else None

    def _is_whole(self, stored: StoredTranscript) -> bool:
        (now,) = self._store.stored_transcripts(
            of=(stored.workspace, stored.recording_id), after=stored.number - 1, limit=1
        )
        folder = folder_of(stored.workspace, stored.recording_id, stored.transcript_id)
        return not self.lacks(now) and all(self._blobs.exists(f"{folder}/{name}") for name in now.files)
