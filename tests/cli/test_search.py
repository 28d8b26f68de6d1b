"""`search`: what a person and a program get, and what `status` says of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from app import wiring
from app.cli.search import rebuild_index
from app.core import events
from app.core.machine import Decision
from app.core.state import Phase
from app.orchestrator.ports_search import StoredResult
from app.orchestrator.records import ArtifactRow, Source
from app.transcripts.passages import Passage
from tests.cli.conftest import FIRST, WORKSPACE, Home


def stored(home: Home) -> str:
    """A recording whose transcript says two things, not indexed yet."""
    recording = home.hears()
    loaded = home.store.load(WORKSPACE, recording)
    state = replace(loaded.transcription, phase=Phase.STORED, current="t1", verdict="spoken", provider=FIRST)
    files = ("sentences.json", "transcript.txt")
    row = ArtifactRow(WORKSPACE, recording, "t1", 1, FIRST, "spoken", None, "f", files)
    event = events.DowntimeDetected(home.store.now())
    home.store.commit(loaded, Decision(state), event=event, source=Source(by="worker"), artifact=row)
    said = [("Ana Souza", 83.5, "The budget\x1b[31m is on."), ("Max", None, "No budget.")]
    lines = [{"speaker": who, "start_s": at, "end_s": at, "text": text} for who, at, text in said]
    folder = Path(home.settings.storage_url.removeprefix("file://")) / WORKSPACE / recording / "t1"
    folder.mkdir(parents=True)
    content = "[\n" + ",\n".join(json.dumps(line) for line in lines) + "\n]\n"
    (folder / "sentences.json").write_text(content)
    return recording


@pytest.mark.slow
def test_what_was_said_is_shown_with_recording_time_and_file(home: Home) -> None:
    recording = stored(home)
    assert "1 stored transcripts are not indexed" in home.run("status").out
    missed = home.run("search", "budget")
    assert missed.code == 1
    assert missed.out == ""
    assert "1 stored transcripts are not indexed yet" in missed.err
    assert rebuild_index(home.settings) == 0
    said = home.run("search", "budget")
    assert said.code == 0
    heading, first, second = said.out.splitlines()
    assert heading == f"{recording}  {home.settings.storage_url}/{WORKSPACE}/{recording}/t1/transcript.txt"
    assert first == "  [00:01:23] Ana Souza: The budget [31m is on."
    assert second == "  [--:--:--] Max: No budget."
    assert said.err == ""
    told = home.run("status", "--json").json
    assert told["not_indexed"] == 0
    assert "all that is stored is indexed" in home.run("status").out


@pytest.mark.slow
def test_a_program_gets_an_object_a_line_and_the_cursor_of_the_next_page(home: Home) -> None:
    recording = stored(home)
    rebuild_index(home.settings)
    page = home.run("search", "budget", "--json", "--limit", "1", "--recording", recording[:8])
    hit = page.json
    assert (hit["recording_id"], hit["speaker"], hit["start"], hit["url"]) == (
        recording,
        "Ana Souza",
        83.5,
        None,
    )
    assert hit["file"] == f"{WORKSPACE}/{recording}/t1/transcript.txt"
    cursor = page.err.split("--cursor ")[1].strip()
    rest = home.run("search", "budget", "--json", "--cursor", cursor)
    assert (rest.json["text"], rest.err) == ("No budget.", "")
    assert home.run("search", "budget", "--cursor", "x").code == 1
    assert home.run("search", "--speaker", "ana", "--json").json["speaker"] == "Ana Souza"
    assert home.run("search").code == 2


@pytest.mark.parametrize("words", ["\udcff", "\0", '"', "NEAR(", "a" * 5000, "terms:*"])
def test_whatever_is_typed_is_a_question(home: Home, words: str) -> None:
    index = wiring.open_search_index(home.settings, home.store)
    index.put(StoredResult(WORKSPACE, "r", "t"), [Passage("Ana", 1.0, 2.0, "Something.")])
    assert home.run("search", words).code == 1


def test_a_policy_without_search_says_so(home: Home) -> None:
    (home.place.home / "policy.toml").write_text("search = false\n")
    home.monkeypatch.setenv("AFTERWORD_POLICY", str(home.place.home / "policy.toml"))
    said = home.run("search", "budget")
    assert (said.code, said.out) == (1, "")
    assert "switched off" in said.err
    assert home.run("status", "--json").json["not_indexed"] is None
    assert "search        off" in home.run("status").out


def test_a_damaged_index_is_said_and_is_no_other_trouble(home: Home) -> None:
    stored(home)
    rebuild_index(home.settings)
    path = home.settings.home / "afterword.search.db"
    path.write_bytes(b"no database" * 1000)
    said = home.run("search", "budget")
    assert said.code == 69
    assert "damaged" in said.err
    assert "damaged" in home.run("status").out
    assert home.run("render", "--index").code == 0
    assert home.run("search", "budget").code == 0
