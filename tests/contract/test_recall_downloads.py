"""Downloads, by our client from the simulator: whole or not at all, and never with our key."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from app.errors import DownloadBlocked
from app.transcripts.render import read_roster, render
from app.transcripts.roster import people_listed
from tests.contract.recall_stage import Stage


def test_a_finished_transcript_is_downloaded_without_our_key(stage: Stage, tmp_path: Path) -> None:
    ready = stage.done(stage.recording(download=["gzip"]))
    packed = stage.download(ready, tmp_path)
    assert isinstance(json.loads(packed), list)
    assert stage.download(ready, tmp_path) == packed
    bill = stage.sim("bill")
    assert (bill["downloads"], bill["downloads_with_authorization"]) == (2, 0)


@pytest.mark.parametrize(
    ("word", "cause"),
    [
        ("expired", "expired"),
        ("truncated", "truncated"),
        ("blocked:1000", "connection_lost"),
        ("404", "http_404"),
    ],
)
def test_a_bad_download_is_blocked_and_leaves_nothing(
    stage: Stage, tmp_path: Path, word: str, cause: str
) -> None:
    ready = stage.done(stage.recording(download=[word]))
    with pytest.raises(DownloadBlocked) as caught:
        stage.download(ready, tmp_path)
    assert caught.value.cause == cause
    assert list(tmp_path.iterdir()) == []


def test_an_address_that_grew_old_is_expired_and_a_fresh_one_works(stage: Stage, tmp_path: Path) -> None:
    ready = stage.done(stage.recording())
    stage.sim("advance", {"seconds": 7 * 3600})
    with pytest.raises(DownloadBlocked, match=r"^expired$"):
        stage.download(ready, tmp_path)
    fresh = stage.recall.retrieve(ready.transcript_id, recording_id=ready.recording_id or "")
    assert fresh is not None
    stage.download(fresh, tmp_path)


@pytest.mark.parametrize(
    ("mode", "cause"), [("cut", "connection_lost"), ("503", "http_503"), ("403", "http_403")]
)
def test_a_blocked_download_host_is_told_from_an_expired_address(
    stage: Stage, tmp_path: Path, mode: str, cause: str
) -> None:
    ready = stage.done(stage.recording())
    stage.settings(downloads_blocked=True, downloads_blocked_mode=mode)
    with pytest.raises(DownloadBlocked) as caught:
        stage.download(ready, tmp_path)
    assert caught.value.cause == cause


@pytest.mark.parametrize(
    ("provider", "options"),
    [("deepgram_async", {"diarize": True}), ("assembly_ai_async", {"speaker_labels": True})],
)
def test_a_hybrid_transcript_is_named_by_recalls_list_of_participants(
    stage: Stage, tmp_path: Path, provider: str, options: dict[str, Any]
) -> None:
    made = stage.sim("recordings", {"kind": "invoice_call", "script": {"hybrid": "voices:2"}})
    ready = stage.done(made["recording_id"], provider=provider, options=options, separate_streams=True)
    raw = stage.download(ready, tmp_path)
    stage.recall.download(
        stage.recall.recording(made["recording_id"]).participants_url or "",
        tmp_path / "people",
        keep_going=lambda: None,
    )
    with (tmp_path / "people").open("rb") as listed:
        people = people_listed(listed)
    source = io.BytesIO(raw)
    out = {"sentences.json": io.StringIO()}
    render(source, out, roster=read_roster(source).with_people(people))
    first, *others = people.values()
    speakers = {line["speaker"] for line in json.loads(out["sentences.json"].getvalue())}
    assert speakers == {f"{first}, voice 1", f"{first}, voice 2", *others}
    assert all(turn["participant"]["id"] is None for turn in json.loads(raw))
