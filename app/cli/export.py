"""`export`: everything out, streamed. Read only."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.console import Console

from app import wiring
from app.adapters.sql.finding import Filters
from app.cli.reading import read_store
from app.cli.words import moment_of, open_console, say
from app.errors import Away
from app.results.export import copy_files, csv_line, ndjson_line, transcriptions
from app.settings.environment import load_settings
from app.settings.used_by_command import RESULTS, STORED

_SAY_EVERY = 20


@click.command("export")
@click.option("--since", help="heard of in the last 12h, 7d, 2w, or since a date such as 2026-11-28")
@click.option("--format", "as_", type=click.Choice(["ndjson", "csv"]), default="ndjson", show_default=True)
@click.option(
    "--files",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="also copy the stored files there; what is there already is left",
)
def export_command(since: str | None, as_: str, folder: Path | None) -> int:
    """
    Every transcription on standard output, the newest first: ndjson with the words, csv without.

    Exit 1 when files that should be stored are gone.
    """
    settings = load_settings(used=STORED | RESULTS)
    store, blobs = read_store(settings), wiring.open_blobs(settings)
    began = moment_of(since, now=store.now(), name="--since") if since else None
    console = open_console(is_stderr=True)
    number = gone = 0
    try:
        if as_ == "csv":
            sys.stdout.write(csv_line(None))
        for number, each in enumerate(transcriptions(store, Filters(since=began)), start=1):
            sys.stdout.write(csv_line(each) if as_ == "csv" else ndjson_line(each, blobs))
            gone += copy_files(each[2], blobs, folder) if folder is not None else 0
            _tell(console, number)
    except OSError as error:
        raise Away(f"the export cannot be written ({error.strerror}): is the disk full?") from error
    end = "\r" if console.is_terminal else ""
    said = f"{number} transcriptions exported" + (f", files in {folder}" if folder is not None else "")
    say(console, f"{end}{said}.")
    if gone:
        say(console, f"{gone} files that should be stored are gone from {settings.storage_url}.")
    return 1 if gone else 0


def _tell(console: Console, number: int) -> None:
    if console.is_terminal and number % _SAY_EVERY == 0:
        console.print(f"\r{number} transcriptions", end="")
