"""A folder for the files of one command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from app.orchestrator.command_context import CommandContext


@contextmanager
def scratch_folder(context: CommandContext) -> Iterator[Path]:
    """For files that are put in place or given up within this command."""
    context.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    with TemporaryDirectory(dir=context.scratch, prefix=f"fetch-{context.recording_id}-") as folder:
        yield Path(folder)
