"""`DELETE`: from its answer on nothing of a transcription is shown; what is another workspace's stays."""

from __future__ import annotations

from app.api.keys import Scope
from app.core.state import Phase
from tests.api.stage import WORKSPACE, Stage


def test_after_the_answer_nothing_of_it_is_shown(stage: Stage) -> None:
    recording, other = stage.stored(metadata={"title": "Z-project"}), stage.stored()
    id_ = stage.get(f"/transcriptions/{recording}").json["id"]
    answer = stage.ask("DELETE", f"/transcriptions/{id_}")
    assert (answer.status_code, answer.data) == (202, b"")
    shown = stage.get(f"/transcriptions/{id_}").json
    assert (shown["status"], shown["segments"], shown["files"]) == ("failed", None, [])
    assert "Z-project" not in str(shown)
    assert stage.get(f"/transcriptions/{id_}/files/transcript.txt").status_code == 404
    assert stage.order(recording).status_code == 410
    assert stage.ask("DELETE", f"/transcriptions/{recording}").status_code == 202
    pending = stage.store.load(WORKSPACE, recording).pending
    assert {command.key for command in pending} == {"erase_results", "delete_at_recall"}
    assert stage.get(f"/transcriptions/{other}").json["status"] == "completed"


def test_only_with_its_scope_and_in_its_workspace(stage: Stage) -> None:
    recording = stage.stored()
    reader = stage.new_key("reader", Scope.READ)
    stranger = stage.new_key("stranger", *Scope, workspace="other")
    assert stage.ask("DELETE", f"/transcriptions/{recording}", key=reader).status_code == 403
    assert stage.ask("DELETE", f"/transcriptions/{recording}", key=stranger).status_code == 404
    assert stage.store.load(WORKSPACE, recording).transcription.phase is Phase.STORED
