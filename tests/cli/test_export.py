"""`export`: everything out, streamed, and again without what is there."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from app.core import events
from app.core.machine import Decision
from app.core.state import Phase
from app.orchestrator.records import ArtifactRow, Source
from app.results import export
from tests.cli.conftest import FIRST, WORKSPACE, Home

MANIFEST = {
    "format": 1, "workspace": WORKSPACE, "transcript_id": "t1", "bot_id": None, "metadata": {},
    "provider": FIRST,
    "attempts": [], "language": "en", "languages": [], "verdict": "spoken", "duration_ms": 1500,
    "counts": {"turns": 1, "words": 1, "spoken_words": 1, "speakers": 1},
    "created_at": "2026-11-28T00:00:00Z",
}  # fmt: skip


def stored(home: Home, *, title: str = "Weekly") -> str:
    recording = home.hears()
    loaded = home.store.load(WORKSPACE, recording)
    metadata = (("title", title),)
    state = replace(
        loaded.transcription,
        phase=Phase.STORED,
        current="t1",
        verdict="spoken",
        provider=FIRST,
        metadata=metadata,
    )
    files = ("transcript.txt", "manifest.json")
    folder = f"{WORKSPACE}/{recording}/t1"
    row = ArtifactRow(WORKSPACE, recording, "t1", 1, FIRST, "spoken", None, folder, files)
    event = events.DowntimeDetected(home.store.now())
    home.store.commit(loaded, Decision(state), event=event, source=Source(by="worker"), artifact=row)
    place = Path(home.settings.storage_url.removeprefix("file://")) / folder
    place.mkdir(parents=True)
    (place / "transcript.txt").write_text("[00:00:01] Ana: Zürich.\n")
    (place / "segments.json").write_text("[]")
    txt = {"transcript.txt": {"size_bytes": 1, "media_type": "text/plain", "sha256": "0" * 64}}
    (place / "manifest.json").write_text(json.dumps({**MANIFEST, "recording_id": recording, "files": txt}))
    return recording


@pytest.mark.slow
def test_each_transcription_is_a_line_with_its_words(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "PAGE", 2)
    recordings = [stored(home) for _ in range(3)] + [home.hears()]
    said = home.run("export")
    assert said.code == 0
    told = [json.loads(line) for line in said.out.splitlines()]
    assert [one["recording_id"] for one in told] == recordings[::-1]
    assert told[1]["text"] == "[00:00:01] Ana: Zürich.\n"
    assert (told[0]["text"], told[0]["waits_for"]) == (None, "the create")
    assert set(told[0]) == set(home.run("list", "--json", "--limit", "1").json)
    assert "4 transcriptions exported." in said.err
    assert home.run("export", "--since", "2031-01-01").out == ""
    assert "such as 7d, or a date such as" in home.run("export", "--since", "yesterday").err


def test_a_table_has_a_row_for_each_and_no_cell_that_a_spreadsheet_runs(home: Home) -> None:
    recording = stored(home, title="=HYPERLINK(1)")
    heading, row = csv.reader(io.StringIO(home.run("export", "--format", "csv").out))
    assert tuple(heading) == export.COLUMNS
    told = dict(zip(heading, row, strict=True))
    assert told["recording_id"] == recording
    assert told["title"] == "'=HYPERLINK(1)"
    assert json.loads(told["metadata"]) == {"title": "=HYPERLINK(1)"}
    assert json.loads(told["files"])[-1].endswith("manifest.json")
    assert told["reason"] == ""


def test_files_are_copied_once_and_what_is_gone_is_said(home: Home, tmp_path: Path) -> None:
    recording = stored(home)
    folder, stored_in = (
        tmp_path / "out",
        Path(home.settings.storage_url.removeprefix("file://")) / WORKSPACE / recording / "t1",
    )
    assert home.run("export", "--files", str(folder)).code == 0
    copied = folder / WORKSPACE / recording / "t1"
    assert {p.name: p.read_bytes() for p in copied.iterdir()} == {
        name: (stored_in / name).read_bytes() for name in ("transcript.txt", "manifest.json")
    }
    assert (copied / "transcript.txt").stat().st_mode & 0o777 == 0o600
    was = (copied / "transcript.txt").stat().st_mtime_ns
    (copied / "manifest.json").write_text("half")
    (stored_in / "transcript.txt").unlink()
    said = home.run("export", "--files", str(folder))
    assert said.code == 1
    assert "1 files that should be stored are gone" in said.err
    assert (copied / "transcript.txt").stat().st_mtime_ns == was
    assert (copied / "manifest.json").read_bytes() == (stored_in / "manifest.json").read_bytes()
    (tmp_path / "file").write_text("")
    said = home.run("export", "--files", str(tmp_path / "file" / "below"))
    assert said.code == 69
    assert "cannot be written" in said.err
