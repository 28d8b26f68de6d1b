"""
Values that outlive a version: they stand in Recall's records and in ours. Under another key a forgotten claim
would be paid again; under another id, what was noted down would name nothing.
"""

from __future__ import annotations

import pytest

from app.adapters.sql.tables import transcription_id
from app.core.policy import CEILING
from app.orchestrator.effects.create_transcript import idempotency_key

RECORDING = "03d06804-0cb2-42f8-a255-5b950dde7c57"
# https://docs.recall.ai/docs/bot-async-transcription
RECALLS_LIMIT = 10


@pytest.mark.parametrize(
    ("workspace", "recording", "ordinal", "serial", "expected"),
    [
        ("default", RECORDING, 1, 0, "cabe9e5e-e418-5559-9b2f-1e316a7ac00c"),
        ("default", RECORDING, 1, 1, "5a0c6873-e155-55a4-a7af-a1be092a9dd9"),
        ("default", RECORDING, 2, 0, "6ac71cc5-67ac-50e1-a4d9-9a9d0a92f678"),
        ("default", RECORDING, 9, 12, "8f106410-5c14-5411-85cb-53fcf4b52869"),
        ("eu", RECORDING, 1, 0, "5fd1f7ce-be4c-5e9c-86b3-802329c639e8"),
        ("default", "11111111-2222-4333-8444-555555555555", 1, 0, "a4a9bd7b-5d48-5a87-91f0-76e63808733b"),
    ],
)
def test_an_idempotency_key_is_the_same_for_ever(
    workspace: str, recording: str, ordinal: int, serial: int, expected: str
) -> None:
    assert idempotency_key(workspace, recording, ordinal, serial) == expected


@pytest.mark.parametrize(
    ("workspace", "recording", "expected"),
    [
        ("default", RECORDING, "txn_5217ba2ec4a756b1bc8a4af1fd3c1f8b"),
        ("eu", RECORDING, "txn_1d671077230451b6bc3329b02e61a9c1"),
        ("default", "11111111-2222-4333-8444-555555555555", "txn_1b3081da2e1d5065873673ec70eda6f1"),
    ],
)
def test_a_transcriptions_id_is_the_same_for_ever(workspace: str, recording: str, expected: str) -> None:
    assert transcription_id(workspace, recording) == expected


def test_one_transcript_per_recording_is_left_for_others() -> None:
    assert CEILING < RECALLS_LIMIT
