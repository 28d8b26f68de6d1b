"""The files that are written less strictly than JSON, and those that are no transcript."""

from __future__ import annotations

import json
import math

import pytest
import requests

from app.simulator.meetings.odd_files import KINDS, UNREADABLE, render
from tests.simulator.conftest import Recall, make_tiny

TURNS = make_tiny(1).turns


def served(recall: Recall, word: str) -> bytes:
    rid = recall.recording(bodies=[word])
    url = recall.done(rid)["data"]["download_url"]
    first, second = (requests.get(url, timeout=9).content for _ in range(2))
    assert first == second, "the same bytes each time"
    return first


@pytest.mark.parametrize("kind", sorted(set(KINDS) - UNREADABLE - {"participant"}))
def test_an_odd_file_still_holds_what_was_said(recall: Recall, kind: str) -> None:
    raw = served(recall, kind)
    turns = json.loads(raw.decode("utf-8-sig", "surrogatepass"))
    assert [turn["words"][0]["text"].rstrip("\udc61") for turn in turns] == ["Hi", "Oh"]


@pytest.mark.parametrize("kind", sorted(UNREADABLE))
def test_what_is_no_transcript_is_none(recall: Recall, kind: str) -> None:
    raw = served(recall, kind)
    try:
        said = json.loads(raw)
    except ValueError:
        return
    assert not isinstance(said, list)


def test_each_odd_file_is_odd_in_its_own_way() -> None:
    def turns(kind: str) -> list[dict[str, object]]:
        return list(json.loads(render(TURNS, kind).decode("utf-8-sig", "surrogatepass")))

    assert math.isnan(json.loads(render(TURNS, "nan"))[0]["words"][0]["confidence"])
    assert b"-Infinity" in render(TURNS, "infinity")
    assert render(TURNS, "bom").startswith(b"\xef\xbb\xbf[")
    assert b"\\udc61" in render(TURNS, "surrogate")
    assert b"\xed\xb1\xa1" in render(TURNS, "raw_surrogate")
    assert [turn["speaker"] for turn in turns("speaker")] == ["Ana", None]
    assert [turn["participant"]["name"] for turn in turns("renamed")] == ["iPhone", None]  # type: ignore[index]
    assert [turn["participant"]["name"] for turn in turns("renamed_back")] == ["Ana", "iPhone"]  # type: ignore[index]


def test_a_participant_id_can_have_a_megabyte(recall: Recall) -> None:
    raw = served(recall, "participant:1000000")
    assert len(json.loads(raw)[0]["participant"]["id"]) > 1_000_000


def test_the_second_transcript_of_a_recording_has_a_file_of_its_own(recall: Recall) -> None:
    rid = recall.recording(bodies=["garbage"])
    first, second = (recall.done(rid)["data"]["download_url"] for _ in range(2))
    assert requests.get(first, timeout=9).content == render(TURNS, "garbage")
    assert requests.get(second, timeout=9).content == render(TURNS, "ok")
