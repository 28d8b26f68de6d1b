"""A stored result, as a worker would have left it."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from app.core import events
from app.core.state import Phase
from app.orchestrator.effects.fetch_transcript import described
from app.orchestrator.records import ArtifactRow, Source
from app.transcripts.manifest import Manifest, build_manifest
from app.transcripts.render import render
from tests.cli.conftest import FIRST, WORKSPACE, Home
from tests.transcripts.recall_json import spoke

EARLIER = ("sentences.json", "transcript.txt")


def stored(
    home: Home,
    *,
    formats: tuple[str, ...] = EARLIER,
    turns: Sequence[object] = (),
    recording: str | None = None,
    provider: str = FIRST,
    ordinal: int | None = None,
) -> tuple[str, Path]:
    """A recording whose transcript has these formats, and its folder. Without an ordinal it is adopted."""
    recording, tid, at = recording or home.hears(), str(uuid.uuid4()), home.store.now()
    folder = Path(home.settings.storage_url.removeprefix("file://")) / WORKSPACE / recording / tid
    folder.mkdir(parents=True)
    (folder / "transcript.json").write_text(json.dumps(list(turns) or [spoke("Good morning.")]), "utf-8")
    with ExitStack() as opened:
        outputs = {
            name: opened.enter_context((folder / name).open("w", encoding="utf-8")) for name in formats
        }
        summary = render(io.BytesIO((folder / "transcript.json").read_bytes()), outputs)
    files = tuple(described(path) for path in sorted(folder.iterdir()))
    manifest = Manifest(
        WORKSPACE, recording, tid, None, {}, provider, (), summary, datetime(2026, 11, 20, tzinfo=UTC), files
    )
    (folder / "manifest.json").write_bytes(build_manifest(manifest))
    home.happens(recording, events.TranscriptDone(at, tid, ordinal))
    names = (*(file.name for file in files), "manifest.json")
    row = ArtifactRow(
        WORKSPACE, recording, tid, ordinal, provider, "spoken", "en", f"{WORKSPACE}/{recording}/{tid}", names
    )
    event = events.Stored(at, tid, provider, "en", is_empty=False)
    home.service.advance(WORKSPACE, recording, event, Source(by="worker"), artifact=row)
    assert home.store.load(WORKSPACE, recording).transcription.phase is Phase.STORED
    return recording, folder
