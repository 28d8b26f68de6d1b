"""
Whatever is sent with a right key: no 5xx, every problem with a code, no word of another workspace. The long
run is `afterword test --fuzz`, which also has schemathesis hold the same document against it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.api.keys import Scope
from app.api.problems import CODES
from tests.api.stage import Stage, open_stage

REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "1000"))  # `afterword test --fuzz` sets it
FIRST_DAY = "0001-01-01T00:00:00+23:59"
SECRET = "words-of-another-workspace"


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    home = tmp_path_factory.mktemp("fuzzed")
    (home / "policy.toml").write_text("[api]\nrequests_per_minute = 60000\n")
    stage = open_stage(home, AFTERWORD_POLICY="policy.toml")
    stage.key = stage.new_key("fuzz", *Scope, workspace="default")
    yield stage
    stage.store.close()


@pytest.fixture(scope="module")
def known(fuzzed: Stage) -> list[str]:
    """Ids that lead somewhere, and some that must not."""
    ours = fuzzed.stored()
    theirs = fuzzed.stored(workspace="other", metadata={"title": SECRET})
    listed = fuzzed.store.list_transcriptions()
    return [ours, theirs, *(row.id for row in listed)]


TEXT = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        ["", "..", "%2e%2e", "a/../..", "\x00", "manifest.json", "default", "9" * 400, "\U0001f642"]
    ),
)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from(["language", "diarization", "provider", "force", "auto_transcription", "enabled"])
GOOD = st.sampled_from(["en", "de-CH", "jpn", "deepgram", "whisper", "assemblyai", True, False])
BODY = st.one_of(
    st.binary(max_size=60),
    VALUE.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(FIELDS, st.one_of(GOOD, VALUE), max_size=4).map(lambda body: json.dumps(body).encode()),
)
PARAMETERS = st.sampled_from(
    [
        *("recording_id", "bot_id", "status", "verdict", "provider", "created_after", "created_before"),
        *("limit", "cursor", "q", "speaker", "metadata.team", "metadata.", "metadata.\x00", "x"),
    ]
)
GOOD_VALUES = st.sampled_from(
    [
        "1",
        "100",
        "0",
        "-1",
        "completed",
        "2026-01-01T00:00:00Z",
        "2026-01-01",
        "0001-01-01T00:00:00+23:59",
        "nan",
    ]
)
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            *("Range", "If-Range", "If-None-Match", "Idempotency-Key", "Content-Type", "Accept", "Origin"),
            *("Access-Control-Request-Method", "If-Match", "Transfer-Encoding", "X-HTTP-Method-Override"),
        ]
    ),
    st.one_of(
        st.sampled_from(
            ["bytes=0-", "bytes=-1", "bytes=5-2", "bytes=0-1,3-4", "*", 'W/"a"', "chunked", "x" * 300]
        ),
        st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=20),
    ),
    max_size=3,
)


@st.composite
def requests(draw: st.DrawFn, known: list[str]) -> dict[str, Any]:
    id_ = draw(st.one_of(st.sampled_from(known), TEXT))
    name = draw(st.one_of(st.sampled_from(["manifest.json", "transcript.txt", "sentences.json"]), TEXT))
    path = draw(
        st.sampled_from(
            [
                *("/transcriptions", f"/transcriptions/{id_}", f"/transcriptions/{id_}/files/{name}"),
                *(f"/recordings/{id_}/transcribe", f"/projects/{id_}/config/processing", "/search"),
                *("/projects/default/config/processing", f"/{id_}/{name}", "/docs", "/openapi.json"),
            ]
        )
    )
    values = st.one_of(GOOD_VALUES, st.sampled_from(known), TEXT)
    return {
        "method": draw(st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])),
        "path": quote(path, safe="/%"),
        "query_string": draw(st.dictionaries(PARAMETERS, values, max_size=4)),
        "data": draw(BODY),
        "headers": draw(HEADERS),
    }


def _judge(stage: Stage, asked: dict[str, Any]) -> None:
    answer = stage.ask(asked.pop("method"), asked.pop("path"), **asked)
    assert answer.status_code < 500, (asked, answer.data)
    assert SECRET.encode() not in answer.data
    if answer.status_code >= 400 and answer.data:
        error = json.loads(answer.data)["error"]
        assert CODES[error["code"]][0] == answer.status_code
        assert error["message"]


@pytest.mark.slow
def test_no_request_is_answered_with_5xx_or_without_a_code(fuzzed: Stage, known: list[str]) -> None:
    @settings(
        max_examples=REQUESTS,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(requests(known))
    def run(asked: dict[str, Any]) -> None:
        _judge(fuzzed, asked)

    run()


def test_nothing_was_written_beside_the_home(fuzzed: Stage, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert not list(Path(fuzzed.settings.home).parent.glob("manifest.json"))
