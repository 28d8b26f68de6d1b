"""An installation with a database, stored results, and the real application before them; no worker runs."""

from __future__ import annotations

import hashlib
import io
import json
import uuid
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from app import wiring
from app.adapters.sql.access import AccessKey
from app.adapters.sql.store import SqlStore
from app.api.keys import Scope, digest_of, new_key
from app.api.ordering import open_transitions
from app.core import events
from app.orchestrator.records import ArtifactRow, Source
from app.settings.environment import Settings, load_settings
from app.settings.workspaces import workspaces_of
from app.transcripts.formats import FORMATS, MEDIA_TYPES
from app.transcripts.manifest import Manifest, StoredFile, build_manifest, parse_manifest
from app.transcripts.render import render
from app.transcripts.result_folder import MANIFEST, RAW, folder_of
from app.web.application import create_app
from tests import migrated
from tests.transcripts.recall_json import spoke

WORKSPACE = "default"
TURNS = (
    spoke("Hello, thanks for joining us today.", who="SPEAKER_0", id=1),
    spoke("Happy to be here. Let's get started.", who="SPEAKER_1", id=2, at_s=8),
    spoke("So, tell me about your background.", who="SPEAKER_0", id=1, at_s=18),
)


def environment(home: Path, **more: str) -> dict[str, str]:
    return {
        "AFTERWORD_ISOLATED": "1",
        "AFTERWORD_HOME": str(home),
        "RECALL_API_KEY": "k",
        "RECALL_API_BASE_URL": "http://127.0.0.1:1",
        "RECALL_WEBHOOK_SECRETS": "whsec_" + "A" * 32,
        **more,
    }


@dataclass
class Stage:
    settings: Settings
    store: SqlStore
    app: Flask = field(init=False)
    client: FlaskClient = field(init=False)
    key: str = field(init=False)

    def __post_init__(self) -> None:
        self.app = create_app(wiring.web_parts(self.settings))
        self.client = self.app.test_client()
        self.key = self.new_key("all", *Scope)

    def new_key(self, name: str, *scopes: Scope, workspace: str | None = None) -> str:
        key = new_key()
        assert self.store.add_access_key(AccessKey(name, digest_of(key), frozenset(scopes), workspace))
        return key

    def ask(self, method: str, path: str, *, key: str | None = None, **more: Any) -> Any:
        headers = {"Authorization": f"Bearer {key or self.key}", **more.pop("headers", {})}
        # Buffered: the answer is read and closed, as a connection would do it.
        return self.client.open(f"/v1{path}", method=method, headers=headers, buffered=True, **more)

    def get(self, path: str, **more: Any) -> Any:
        return self.ask("GET", path, **more)

    def order(self, recording: str, body: Any = None, **more: Any) -> Any:
        data = b"" if body is None else json.dumps(body).encode()
        return self.ask("POST", f"/recordings/{recording}/transcribe", data=data, **more)

    # -- what has happened -----------------------------------------------------------------------
    def happens(self, recording: str, *happened: events.Event, workspace: str = WORKSPACE) -> None:
        policies = {name: one.policy for name, one in workspaces_of(self.settings).items()}
        policies.setdefault(workspace, policies[WORKSPACE])
        transitions = open_transitions(self.store, policies)
        for event in happened:
            transitions.advance(workspace, recording, event, Source(by="test"))

    def stored(
        self,
        *turns: Any,
        workspace: str = WORKSPACE,
        metadata: Mapping[str, str] | None = None,
        provider: str = "recallai_async",
    ) -> str:
        """A recording with a result of these turns; its id."""
        recording, transcript = str(uuid.uuid4()), str(uuid.uuid4())
        now = self.store.now()
        done = events.RecordingDone(now, metadata=tuple((metadata or {}).items()))
        self.happens(recording, done, events.TranscriptDone(now, transcript), workspace=workspace)
        self._write(workspace, recording, transcript, turns or TURNS, provider)
        policies = {workspace: workspaces_of(self.settings)[WORKSPACE].policy}
        row = ArtifactRow(
            *(workspace, recording, transcript, None, provider, "spoken", "en"),
            folder=folder_of(workspace, recording, transcript),
            files=(*FORMATS, RAW, MANIFEST),
        )
        stored = events.Stored(now, transcript, provider, "en", is_empty=False)
        open_transitions(self.store, policies).advance(
            workspace, recording, stored, Source(by="test"), artifact=row
        )
        return recording

    def with_large_file(self, recording: str, *, size_bytes: int, name: str = "provider.json") -> None:
        """A file of so many bytes beside the others."""
        manifest_path = next(self.settings.home.rglob(f"{recording}/*/{MANIFEST}"))
        path = manifest_path.with_name(name)
        path.write_bytes(b"[" + b" " * (size_bytes - 2) + b"]")
        manifest = parse_manifest(manifest_path.read_bytes())
        file = StoredFile(name, size_bytes, MEDIA_TYPES[name], _sha256(path))
        manifest_path.write_bytes(build_manifest(replace(manifest, files=(*manifest.files, file))))

    def as_stored_before(self, recording: str, *names: str) -> None:
        """Without these files, also in the manifest."""
        path = next(self.settings.home.rglob(f"{recording}/*/{MANIFEST}"))
        manifest = parse_manifest(path.read_bytes())
        for name in names:
            path.with_name(name).unlink()
        files = tuple(file for file in manifest.files if file.name not in names)
        path.write_bytes(build_manifest(replace(manifest, files=files)))

    def _write(
        self, workspace: str, recording: str, transcript: str, turns: Sequence[Any], provider: str
    ) -> None:
        folder = Path(self.settings.storage_url.removeprefix("file://"))
        folder /= folder_of(workspace, recording, transcript)
        folder.mkdir(parents=True)
        raw = json.dumps(turns).encode()
        (folder / RAW).write_bytes(raw)
        with ExitStack() as opened:
            outputs = {
                name: opened.enter_context((folder / name).open("w", encoding="utf-8", newline="\n"))
                for name in FORMATS
            }
            summary = render(io.BytesIO(raw), outputs)
        files = tuple(
            StoredFile(path.name, path.stat().st_size, MEDIA_TYPES[path.name], _sha256(path))
            for path in sorted(folder.iterdir())
        )
        at = datetime.now(UTC)
        manifest = Manifest(workspace, recording, transcript, None, {}, provider, (), summary, at, files)
        (folder / MANIFEST).write_bytes(build_manifest(manifest))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def open_stage(home: Path, **more: str) -> Stage:
    settings = load_settings(environment(home, **more), root=home)
    migrated.migrate(settings)
    return Stage(settings, wiring.open_store(settings))
