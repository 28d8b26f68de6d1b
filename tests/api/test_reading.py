"""What is read by `/v1`: the object of the seed's documents, pages, and files as they are stored."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path

import pytest
from flask import Request as FlaskRequest
from flask import Response
from werkzeug.wrappers import Request

from app.adapters.local_files import LocalBlobs
from app.adapters.sql.access import AccessKey
from app.api.calls import Call
from app.api.objects import Results
from app.api.reading import Reading
from app.api.types import TranscriptionObject, TranscriptionPage
from app.core import events
from app.transcripts.result_folder import RAW
from tests.api.stage import Stage
from tests.transcripts.recall_json import spoke

SEED = {
    *("id", "recording_id", "status", "language", "provider", "duration_ms", "segments", "text", "error"),
    *("created_at", "completed_at"),
}


def test_a_stored_one_is_the_seeds_object_with_its_words(stage: Stage) -> None:
    recording = stage.stored()

    by_recording = stage.get(f"/transcriptions/{recording}")
    told = by_recording.json
    assert by_recording.status_code == 200
    assert told.keys() >= SEED
    TranscriptionObject.model_validate(told)
    assert (told["status"], told["recording_id"], told["error"]) == ("completed", recording, None)
    assert [(s["speaker"], s["text"]) for s in told["segments"]] == [
        ("SPEAKER_0", "Hello, thanks for joining us today."),
        ("SPEAKER_1", "Happy to be here."),
        ("SPEAKER_1", "Let's get started."),
        ("SPEAKER_0", "So, tell me about your background."),
    ]
    assert told["segments"][0].keys() == {"text", "speaker", "start", "end", "confidence"}
    assert "Happy to be here." in told["text"]
    assert stage.get(f"/transcriptions/{told['id']}").json == told


@pytest.mark.slow
def test_the_object_is_the_same_for_odd_names_quotes_and_letters_of_many_bytes(stage: Stage) -> None:
    odd = 'A "quoted" \\ name \U0001f642'
    words = " ".join(["\U0001f642\u00e9\u6f22"] * 20_000)  # pieces end in the middle of letters
    recording = stage.stored(spoke(words, who=odd), metadata={"k": '"\n'})

    told = stage.get(f"/transcriptions/{recording}").json
    assert {s["speaker"] for s in told["segments"]} == {odd}
    assert told["text"].count("\U0001f642\u00e9\u6f22") == 20_000
    assert told["metadata"] == {"k": '"\n'}


def test_one_that_is_under_way_has_null_for_words_and_one_that_failed_says_why(stage: Stage) -> None:
    waiting, failed = str(uuid.uuid4()), str(uuid.uuid4())
    stage.happens(waiting, events.RecordingDone(stage.store.now()))
    stage.happens(failed, events.RecordingFailed(stage.store.now(), "no_audio"))

    told = stage.get(f"/transcriptions/{waiting}").json
    assert (told["status"], told["segments"], told["text"]) == ("processing", None, None)
    told = stage.get(f"/transcriptions/{failed}").json
    assert told["status"] == "failed"
    assert told["error"]["code"] == "recording_failed"
    assert "could not record" in told["error"]["message"]


def test_unchanged_is_304_and_a_change_is_not(stage: Stage) -> None:
    recording = stage.stored()
    path = f"/transcriptions/{recording}"
    etag = stage.get(path).headers["ETag"]

    again = stage.get(path, headers={"If-None-Match": etag})
    assert (again.status_code, again.data) == (304, b"")
    stage.happens(recording, events.TranscriptDone(stage.store.now(), str(uuid.uuid4())))
    assert stage.get(path, headers={"If-None-Match": etag}).status_code == 200


@pytest.mark.slow
def test_pages_go_through_all_once_and_filters_narrow(stage: Stage) -> None:
    recordings = [stage.stored(metadata={"team": "sales" if n % 2 else "care"}) for n in range(5)]

    seen: list[str] = []
    path = "/transcriptions?limit=2"
    while True:
        page = stage.get(path).json
        TranscriptionPage.model_validate(page)
        seen += [row["recording_id"] for row in page["data"]]
        if page["next_cursor"] is None:
            break
        path = f"/transcriptions?limit=2&cursor={page['next_cursor']}"
    assert seen == recordings[::-1]
    assert "segments" not in page["data"][0]
    assert "text" not in page["data"][0]

    def found(query: str) -> list[str]:
        return [row["recording_id"] for row in stage.get(f"/transcriptions?{query}").json["data"]]

    assert found("metadata.team=sales") == [recordings[3], recordings[1]]
    assert found(f"recording_id={recordings[2].upper()}") == [recordings[2]]
    assert len(found("status=completed")) == 5
    assert found("status=failed") == []
    assert found("provider=deepgram_async") == []
    assert found("created_before=2020-01-01T00:00:00Z") == []
    assert len(found("created_after=2020-01-01T00:00:00Z")) == 5


@pytest.mark.slow
def test_a_file_is_its_bytes_with_its_digest_ranges_and_head(stage: Stage) -> None:
    recording = stage.stored()
    files = {one["name"]: one for one in stage.get(f"/transcriptions/{recording}").json["files"]}
    assert {RAW, "transcript.txt", "manifest.json"} <= files.keys()

    for name, file in files.items():
        answer = stage.get(file["url"].removeprefix("/v1"))
        assert hashlib.sha256(answer.data).hexdigest() == file["sha256"], name
        assert len(answer.data) == file["size_bytes"]
        assert answer.headers["Content-Type"] == file["media_type"]
        assert answer.headers["ETag"] == f'"{file["sha256"]}"'
        path = f"/transcriptions/{recording}/files/{name}"
        part = stage.get(path, headers={"Range": "bytes=3-9"})
        assert (part.status_code, part.data) == (206, answer.data[3:10])
        assert part.headers["Content-Range"] == f"bytes 3-9/{file['size_bytes']}"
        head = stage.ask("HEAD", path)
        assert (head.status_code, head.data) == (200, b"")
        assert head.headers["Content-Length"] == str(file["size_bytes"])
        assert stage.get(path, headers={"If-None-Match": f'"{file["sha256"]}"'}).status_code == 304
        other = {"Range": "bytes=3-9", "If-Range": '"another"'}
        assert stage.get(path, headers=other).status_code == 200
        assert stage.get(path, headers={"Range": "bytes=-4"}).data == answer.data[-4:]


def test_a_range_that_the_file_does_not_have_says_how_long_it_is(stage: Stage) -> None:
    recording = stage.stored()
    answer = stage.get(f"/transcriptions/{recording}/files/{RAW}", headers={"Range": "bytes=99999999-"})
    assert answer.status_code == 416
    assert answer.headers["Content-Range"].startswith("bytes */")
    assert answer.json["error"]["code"] == "range_not_satisfiable"


def test_a_name_that_the_manifest_does_not_have_leads_nowhere(stage: Stage) -> None:
    recording = stage.stored()
    climbing = ("../manifest.json", "..%2f..%2fafterword.db", "%2e%2e", ".", "a/b")
    for name in (*climbing, "a.txt", "transcript.json%00"):
        answer = stage.get(f"/transcriptions/{recording}/files/{name}")
        assert answer.status_code == 404, name


def test_a_file_that_is_gone_is_made_anew_and_one_that_cannot_be_is_404(stage: Stage) -> None:
    recording = stage.stored()
    stage.with_large_file(recording, size_bytes=100)
    whole = stage.get(f"/transcriptions/{recording}").json
    for name in ("transcript.txt", "provider.json", "segments.json"):
        next(stage.settings.home.rglob(f"{recording}/*/{name}")).unlink()
    path = f"/transcriptions/{recording}/files"
    assert stage.get(f"{path}/transcript.txt").text == whole["text"]
    assert stage.get(f"{path}/provider.json").status_code == 404
    assert stage.get(f"/transcriptions/{recording}").json == whole


def test_a_format_that_an_older_version_did_not_store_is_made_on_the_spot(stage: Stage) -> None:
    recording = stage.stored()
    path = f"/transcriptions/{recording}/files/transcript.srt"
    new = stage.get(path)
    segments = stage.get(f"/transcriptions/{recording}").json["segments"]
    stage.as_stored_before(recording, "transcript.srt", "segments.json")
    old = stage.get(path)
    assert (old.status_code, old.data) == (200, new.data)
    assert old.headers["ETag"] == new.headers["ETag"]
    assert old.headers["Content-Type"] == new.headers["Content-Type"]
    assert stage.get(path, headers={"Range": "bytes=2-5"}).data == new.data[2:6]
    assert stage.get(f"/transcriptions/{recording}").json["segments"] == segments


class Signing(LocalBlobs):
    """Files with addresses, as an object store gives them."""

    def signed_url(self, key: str, *, expires_s: float) -> str | None:
        return f"https://bucket.example/{key}?expires={expires_s:.0f}"


def test_files_come_from_their_stores_own_addresses_where_the_policy_says_so(stage: Stage) -> None:
    recording = stage.stored()
    row = stage.store.find_transcription(recording)
    assert row is not None
    root = Path(stage.settings.storage_url.removeprefix("file://"))
    key = AccessKey("k", "", frozenset())
    path = {"id": recording, "name": "transcript.txt"}

    def asked(method: str, *, presigned: bool) -> Response:
        reading = Reading(stage.store, Results(Signing(root)), presigned=presigned)
        request = Request.from_values(method=method)
        return reading.file(Call(FlaskRequest(request.environ), key, path))

    assert asked("GET", presigned=False).status_code == 200
    away = asked("GET", presigned=True)
    assert away.status_code == 302
    assert away.headers["Location"] == (
        f"https://bucket.example/default/{recording}/{row.state.current}/transcript.txt?expires=300"
    )
    assert asked("HEAD", presigned=True).status_code == 200


def test_what_it_costs_is_the_sum_of_its_attempts_and_null_before_any(stage: Stage) -> None:
    recording, at = str(uuid.uuid4()), stage.store.now()
    stage.happens(recording, events.RecordingDone(at))
    assert stage.get(f"/transcriptions/{recording}").json["cost"] is None
    sent = events.Sending(at, 1, "recallai_async", 0, 1800.0)
    failed = events.TranscriptFailed(at, "t", 1, "provider_error")
    stage.happens(recording, sent, events.Created(at, 1, "t", "recallai_async"), failed)
    stage.happens(recording, events.Sending(at, 2, "assembly_ai_async", 0))
    told = stage.get(f"/transcriptions/{recording}").json
    TranscriptionObject.model_validate(told)
    assert [attempt["cost"] for attempt in told["attempts"]] == [0.135, 0.189]
    assert told["cost"] == {"amount": 0.324, "currency": "USD", "is_complete": True}
