"""`manifest.json`: the same facts are the same bytes, and only a whole one is recognised."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.transcripts.manifest import (
    MAX_BYTES,
    AttemptLine,
    Manifest,
    ManifestUnreadable,
    StoredFile,
    build_manifest,
    parse_manifest,
)
from app.transcripts.model import UNREAD, Summary

SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
MANIFEST = Manifest(
    workspace="default",
    recording_id="rec-1",
    transcript_id="tra-1",
    bot_id="bot-1",
    metadata={"customer": "Zoë", "note": None},
    provider="assembly_ai_async",
    attempts=(AttemptLine(1, "recallai_async", "failed"), AttemptLine(2, "assembly_ai_async", "done")),
    summary=Summary(
        turns=2, words=9, spoken_words=8, speakers=2, languages=(("en", 6), ("de", 2)), duration_ms=61_500
    ),
    created_at=datetime(2026, 11, 20, 9, 30, tzinfo=UTC),
    files=(
        StoredFile("sentences.json", 120, "application/json", SHA),
        StoredFile("transcript.json", 900, "application/json", SHA),
    ),
)


def test_the_bytes_are_those_a_reader_was_promised() -> None:
    content = build_manifest(MANIFEST)
    assert content.endswith(b"}\n")
    assert json.loads(content) == {
        "format": 1,
        "workspace": "default",
        "recording_id": "rec-1",
        "transcript_id": "tra-1",
        "bot_id": "bot-1",
        "metadata": {"customer": "Zoë", "note": None},
        "provider": "assembly_ai_async",
        "attempts": [
            {"ordinal": 1, "provider": "recallai_async", "state": "failed"},
            {"ordinal": 2, "provider": "assembly_ai_async", "state": "done"},
        ],
        "language": "en",
        "languages": [{"code": "en", "words": 6}, {"code": "de", "words": 2}],
        "verdict": "spoken",
        "counts": {"turns": 2, "words": 9, "spoken_words": 8, "speakers": 2},
        "duration_ms": 61_500,
        "created_at": "2026-11-20T09:30:00Z",
        "files": {
            "sentences.json": {"size_bytes": 120, "media_type": "application/json", "sha256": SHA},
            "transcript.json": {"size_bytes": 900, "media_type": "application/json", "sha256": SHA},
        },
    }


def test_order_and_time_zone_of_the_same_facts_do_not_change_the_bytes() -> None:
    same = replace(
        MANIFEST,
        metadata=dict(sorted(MANIFEST.metadata.items(), reverse=True)),
        attempts=MANIFEST.attempts[::-1],
        files=MANIFEST.files[::-1],
        created_at=MANIFEST.created_at.astimezone(timezone(timedelta(hours=9))),
    )
    assert build_manifest(same) == build_manifest(MANIFEST)


def test_an_empty_result_of_a_recording_without_bot_is_described_too() -> None:
    nothing = Summary(turns=0, words=0, spoken_words=0, speakers=0, languages=(), duration_ms=None)
    manifest = replace(MANIFEST, bot_id=None, attempts=(), summary=nothing, metadata={})
    content = build_manifest(manifest)
    assert parse_manifest(content) == manifest
    document = json.loads(content)
    assert (document["verdict"], document["language"], document["duration_ms"]) == ("empty", None, None)


RAW = (StoredFile("transcript.json", 900, "application/json", SHA),)


def test_a_download_that_is_no_transcript_is_described_by_its_bytes_alone() -> None:
    manifest = replace(MANIFEST, summary=UNREAD, files=RAW)
    content = build_manifest(manifest)
    assert parse_manifest(content) == manifest
    document = json.loads(content)
    assert (document["verdict"], document["language"], document["duration_ms"]) == ("unreadable", None, None)
    assert set(document["counts"].values()) == {0}
    assert list(document["files"]) == ["transcript.json"]


@pytest.mark.parametrize(
    "changes",
    [
        {"files": MANIFEST.files},
        {"files": ()},
        {"files": (StoredFile("sentences.json", 2, "application/json", SHA),)},
        {"summary": replace(UNREAD, words=1)},
        {"summary": replace(UNREAD, duration_ms=0)},
    ],
)
def test_what_was_not_read_cannot_have_been_rendered_or_counted(changes: dict[str, Any]) -> None:
    with pytest.raises(ManifestUnreadable, match="unreadable"):
        build_manifest(replace(replace(MANIFEST, summary=UNREAD, files=RAW), **changes))


def test_a_candidate_names_the_transcript_that_became_the_result() -> None:
    superseded = replace(MANIFEST, superseded_by="tra-2")
    content = build_manifest(superseded)
    assert parse_manifest(content) == superseded
    assert json.loads(content)["superseded_by"] == "tra-2"
    assert "superseded_by" not in json.loads(build_manifest(MANIFEST))


def test_an_adopted_transcript_says_so_and_any_other_says_nothing() -> None:
    adopted = replace(MANIFEST, is_adopted=True)
    assert parse_manifest(build_manifest(adopted)) == adopted
    assert json.loads(build_manifest(adopted))["adopted"] is True
    assert "adopted" not in json.loads(build_manifest(MANIFEST))


@pytest.mark.slow
@settings(deadline=None)
@given(
    text=st.text(),
    metadata=st.dictionaries(st.text(), st.none() | st.text()),
    at=st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)),
    count=st.integers(0, 2**63),
)
def test_what_was_built_is_recognised(
    text: str, metadata: dict[str, str | None], at: datetime, count: int
) -> None:
    manifest = replace(
        MANIFEST,
        workspace=text,
        metadata=metadata,
        created_at=at,
        summary=replace(MANIFEST.summary, words=count),
    )
    assert parse_manifest(build_manifest(manifest)) == manifest


def test_a_folder_with_the_manifest_of_another_transcript_is_told_apart() -> None:
    assert MANIFEST.is_about("rec-1", "tra-1")
    assert not MANIFEST.is_about("rec-1", "tra-2")
    assert not MANIFEST.is_about("rec-2", "tra-1")


def test_unknown_fields_of_a_newer_program_are_passed_over() -> None:
    document = json.loads(build_manifest(MANIFEST)) | {"erased": None}
    document["files"]["sentences.json"]["compressed"] = True
    assert parse_manifest(json.dumps(document).encode()) == MANIFEST


def test_a_manifest_cut_anywhere_is_refused() -> None:
    content = build_manifest(MANIFEST)
    for length in range(len(content) - 2):
        with pytest.raises(ManifestUnreadable):
            parse_manifest(content[:length])


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("format", 2),
        ("format", True),
        ("recording_id", 7),
        ("bot_id", 7),
        ("metadata", None),
        ("metadata", {"secret": 1}),
        ("attempts", {}),
        ("attempts", ["secret"]),
        ("attempts", [{"ordinal": "1", "provider": "p", "state": "done"}]),
        ("counts", {"turns": 1}),
        ("counts", {"turns": -1, "words": 0, "spoken_words": 0, "speakers": 0}),
        ("duration_ms", 1.5),
        ("languages", [{"code": "en"}]),
        ("created_at", "secret"),
        ("created_at", "2026-11-20T09:30:00"),
        ("verdict", None),
        ("verdict", "unreadable"),
        ("superseded_by", 7),
        ("adopted", "yes"),
        ("files", []),
        ("files", {"a.json": None}),
        ("files", {"a.json": {"size_bytes": 1, "media_type": "m", "sha256": "secret"}}),
        ("files", {"../secret": {"size_bytes": 1, "media_type": "m", "sha256": SHA}}),
        ("files", {".secret": {"size_bytes": 1, "media_type": "m", "sha256": SHA}}),
    ],
)
def test_a_manifest_that_is_not_ours_is_refused_without_quoting_it(path: str, value: Any) -> None:
    document = json.loads(build_manifest(MANIFEST)) | {path: value}
    with pytest.raises(ManifestUnreadable) as caught:
        parse_manifest(json.dumps(document).encode())
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"null",
        b"\xff",
        b"[" * 100_000,
        b'{"format": ' + b"9" * 5000 + b"}",
        b" " * (MAX_BYTES + 1),
    ],
    ids=["nothing", "a list", "null", "not UTF-8", "deep", "a long number", "too large"],
)
def test_bytes_that_are_no_manifest_are_refused(content: bytes) -> None:
    with pytest.raises(ManifestUnreadable):
        parse_manifest(content)


def test_when_the_recording_began_is_there_only_where_it_is_known() -> None:
    assert b"started_at" not in build_manifest(MANIFEST)
    began = datetime(2026, 11, 20, 9, 0, 0, 500_000, tzinfo=timezone(timedelta(hours=9)))
    known = build_manifest(replace(MANIFEST, started_at=began))
    assert json.loads(known)["started_at"] == "2026-11-20T00:00:00.500000Z"
    assert parse_manifest(known).started_at == began


@pytest.mark.parametrize(
    "changes",
    [
        {"created_at": datetime(2026, 11, 20)},
        {"started_at": datetime(2026, 11, 20)},
        {"files": (StoredFile("a/b.json", 1, "m", SHA),)},
        {"files": (StoredFile("a.json", 1, "m", SHA.upper()),)},
        {"files": (StoredFile("a.json", 1, "m", SHA), StoredFile("a.json", 2, "m", SHA))},
    ],
)
def test_what_could_not_be_recognised_later_is_not_written(changes: dict[str, Any]) -> None:
    with pytest.raises(ManifestUnreadable):
        build_manifest(replace(MANIFEST, **changes))
