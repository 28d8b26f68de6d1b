"""`search`: sentences in stored transcripts. Read only."""

from __future__ import annotations

import json
from itertools import groupby

import click

from app import wiring
from app.adapters.sql.search_results import StoredResults
from app.adapters.sql.store import SqlStore
from app.cli.reading import read_store
from app.cli.show import find, workspace_option
from app.cli.words import harmless_json, open_console, printable, say
from app.errors import AfterwordError, StoreUnavailable
from app.orchestrator.ports_search import Hit
from app.results.search import MOST, Page, file_of, hit_object, not_indexed, search
from app.settings.environment import Settings, load_settings
from app.settings.used_by_command import POLICY, RESULTS, STORED
from app.settings.workspaces import workspaces_of


@click.command("search")
@click.argument("words", nargs=-1)
@click.option("--speaker", default="", metavar="NAME", help="said by this name, or a part of it")
@click.option("--recording", metavar="ID", help="in this recording alone; the beginning of an id will do")
@workspace_option
@click.option("--limit", type=click.IntRange(1, MOST), default=20, show_default=True)
@click.option("--cursor", metavar="TEXT", help="what follows a page: its last line names it")
@click.option("--json", "as_json", is_flag=True, help="one object per line; docs/json.md has the fields")
def search_command(
    words: tuple[str, ...],
    speaker: str,
    recording: str | None,
    workspace: str | None,
    limit: int,
    cursor: str | None,
    as_json: bool,
) -> int:
    """
    Sentences with all of these words, the newest transcript first; '"two words"' side by side.

    Exit 1 when nothing is found.
    """
    if not words and not speaker:
        raise click.UsageError("say what to look for: words, or --speaker NAME")
    settings = load_settings(used=STORED | RESULTS | POLICY)
    if not _is_wanted(settings):
        raise AfterwordError("search is switched off by the policy (search = false)")
    store = read_store(settings)
    if recording is not None:
        state = find(store, recording, workspace=workspace).transcription.state
        recording, workspace = state.recording_id, state.workspace
    page = search(
        wiring.open_search_index(settings, store),
        " ".join(words),
        speaker=speaker,
        recording_id=recording,
        workspace=workspace,
        limit=limit,
        cursor=cursor,
    )
    if as_json:
        for hit in page.hits:
            click.echo(harmless_json(json.dumps(_record(hit, settings))))
    else:
        _print(page, settings)
    _say_what_is_left(page, settings, store)
    return 0 if page.hits else 1


def standing_of_index(settings: Settings, store: SqlStore) -> tuple[int | None, str]:
    """How many stored transcripts are not in the index, None where that is not known; and in words."""
    if not _is_wanted(settings):
        return None, "off (search = false in the policy)"
    try:
        left = not_indexed(wiring.open_search_index(settings, store), StoredResults(store))
    except StoreUnavailable as trouble:
        return None, f"the index cannot be used: {trouble}"
    return left, f"{left} stored transcripts are not indexed" if left else "all that is stored is indexed"


def rebuild_index(settings: Settings) -> int:
    """For `render --index`: throws the index away and makes it of what is stored; says how far it is."""
    store, console = read_store(settings), open_console(is_stderr=True)
    upkeep = wiring.open_search_upkeep(settings, store, workspaces=workspaces_of(settings))

    def tell(done: int, of: int) -> None:
        if console.is_terminal:
            console.print(f"\r{done} of {of} transcripts", end="")

    upkeep.rebuild(tell)
    left, said = standing_of_index(settings, store)
    say(console, f"\r{said}" if console.is_terminal else said)
    return 1 if left else 0


def index_one(settings: Settings, store: SqlStore, workspace: str, recording_id: str) -> int:
    """For `render RECORDING --index`: this recording's result anew, and no other."""
    upkeep = wiring.open_search_upkeep(settings, store, workspaces=workspaces_of(settings))
    is_there = upkeep.renew(workspace, recording_id)
    click.echo("Its transcript is indexed." if is_there else "It has no transcript for the index.")
    return 0


def _is_wanted(settings: Settings) -> bool:
    return any(one.policy.search for one in workspaces_of(settings).values())


def _record(hit: Hit, settings: Settings) -> dict[str, object]:
    about = {"workspace": hit.workspace, "transcript_id": hit.transcript_id, "file": file_of(hit)}
    return {**hit_object(hit, settings.public_url), **about}


def _print(page: Page, settings: Settings) -> None:
    console = open_console()
    for (recording, file), hits in groupby(page.hits, lambda hit: (hit.recording_id, file_of(hit))):
        say(console, f"{recording}  {settings.storage_url}/{file}")
        for hit in hits:
            said = printable(f"{hit.speaker}: {hit.text}")
            say(console, f"  [{_clock(hit.start_s)}] {said}", indent="  ")


def _say_what_is_left(page: Page, settings: Settings, store: SqlStore) -> None:
    console = open_console(is_stderr=True)
    if not page.hits:
        say(console, "None.")
    if page.next_cursor is not None:
        say(console, f"There is more: --cursor {page.next_cursor}")
    left, said = standing_of_index(settings, store)
    if left:
        say(console, f"{said} yet.")


def _clock(time_s: float | None) -> str:
    if time_s is None:
        return "--:--:--"
    minutes, seconds = divmod(int(time_s), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"
