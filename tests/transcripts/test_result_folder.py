"""Where people and programs find a result: a change of these names would be a change of the interface."""

from __future__ import annotations

from app.transcripts import result_folder


def test_a_transcript_has_a_folder_below_its_workspace_and_recording() -> None:
    assert result_folder.folder_of("eu", "r-1", "t-1") == "eu/r-1/t-1"


def test_the_files_of_every_result_have_these_names() -> None:
    names = (result_folder.RAW, result_folder.PROVIDER_RAW, result_folder.MANIFEST)
    assert names == ("transcript.json", "provider.json", "manifest.json")
