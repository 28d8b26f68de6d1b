"""`render`: what it makes, what it leaves, and what it says."""

from __future__ import annotations

import json

import pytest

from app import wiring
from app.core.policy import FORMATS
from tests.cli.conftest import WORKSPACE, Home
from tests.cli.results import stored


@pytest.mark.slow
def test_one_recording_gets_what_it_lacks_and_its_history_says_so(home: Home) -> None:
    recording, folder = stored(home)
    said = home.run("render", recording[:13])
    assert (said.code, said.out, said.err) == (0, "1 rendered.\n", "")
    assert {path.name for path in folder.iterdir()} == {*FORMATS, "transcript.json", "manifest.json"}
    assert "rendered (worker)" in home.run("show", recording).out
    shown = home.run("show", recording, "--json").json
    assert shown["segments"] == [
        {"text": "Good morning.", "speaker": "Ana", "start": 0.0, "end": 1.8, "confidence": None}
    ]
    assert f"{WORKSPACE}/{recording}/{folder.name}/transcript.srt" in shown["files"]


def test_show_makes_on_the_spot_what_an_earlier_version_did_not_store(home: Home) -> None:
    recording, folder = stored(home, formats=())
    shown = home.run("show", recording, "--json").json
    assert [segment["text"] for segment in shown["segments"]] == ["Good morning."]
    assert shown["text"] == "[00:00:00] Ana: Good morning.\n"
    assert {path.name for path in folder.iterdir()} == {"transcript.json", "manifest.json"}


@pytest.mark.slow
def test_all_are_rendered_that_lack_something_and_damage_is_told(home: Home) -> None:
    _, folder = stored(home)
    whole, _ = stored(home, formats=FORMATS)
    damaged, broken = stored(home)
    (broken / "transcript.json").write_text("[]", "utf-8")
    versions = home.version(whole)
    said = home.run("render", "--all")
    assert said.code == 1
    assert said.out.splitlines()[0] == "1 rendered, 1 lacked nothing. 1 could not be rendered."
    assert f"Not rendered: {damaged}, transcript {broken.name}." in said.err
    assert home.version(whole) == versions
    assert (folder / "transcript.vtt").read_text("utf-8").startswith("WEBVTT")
    assert home.run("render", "--all", "--workspace", "other").out == "0 rendered, 0 lacked nothing.\n"


@pytest.mark.slow
def test_pages_are_read_to_the_end(home: Home) -> None:
    recordings = [stored(home, formats=FORMATS)[0] for _ in range(3)]
    first = home.store.stored_transcripts(limit=2)
    rest = home.store.stored_transcripts(after=first[-1].number, limit=2)
    assert [row.recording_id for row in (*first, *rest)] == recordings
    assert home.store.stored_transcripts(after=rest[-1].number) == []


@pytest.mark.slow
def test_a_storage_that_cannot_be_written_is_told_and_tried_again_by_the_service(home: Home) -> None:
    recording, _ = stored(home)
    scratch = home.settings.home / "scratch"
    scratch.write_text("a file where a folder should be", "utf-8")
    said = home.run("render", recording)
    assert (said.code, said.out.splitlines()[0]) == (1, "0 rendered. 1 could not be rendered.")
    assert "its missing formats, to be written" not in home.run("show", recording).out, "it has ended"
    (command,) = home.store.load(WORKSPACE, recording).pending
    assert command.key.startswith("fetch:")


@pytest.mark.slow
def test_the_index_gets_one_recording_alone_and_keeps_the_others(home: Home) -> None:
    recordings = [stored(home)[0] for _ in range(3)]
    wiring.open_search_index(home.settings, home.store).clear()
    for recording in recordings[:2]:
        said = home.run("render", recording, "--index")
        assert (said.code, said.out.splitlines()[-1]) == (0, "Its transcript is indexed.")
    found = home.run("search", "morning", "--json").out.splitlines()
    assert {json.loads(line)["recording_id"] for line in found} == set(recordings[:2])
    assert home.run("status", "--json").json["not_indexed"] == 1
    assert "It has no transcript for the index." in home.run("render", home.hears(), "--index").out


@pytest.mark.parametrize("arguments", [(), ("--all", "some-recording")])
def test_one_or_all_is_to_be_said(home: Home, arguments: tuple[str, ...]) -> None:
    assert home.run("render", *arguments).code == 2
