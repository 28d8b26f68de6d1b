"""Search by `/v1`: what was said, in the key's workspace alone."""

from __future__ import annotations

from app import wiring
from app.api.keys import Scope
from app.api.types import SearchPage
from app.settings.workspaces import workspaces_of
from tests.api.stage import Stage
from tests.transcripts.recall_json import spoke


def index(stage: Stage) -> None:
    """What the worker that stores does."""
    workspaces = workspaces_of(stage.settings)
    wiring.open_search_upkeep(stage.settings, stage.store, workspaces=workspaces).rebuild()


def test_sentences_are_found_with_their_time_and_a_way_to_them(stage: Stage) -> None:
    recording = stage.stored()
    index(stage)
    page = stage.get("/search?q=background").json
    SearchPage.model_validate(page)
    (hit,) = page["data"]
    assert (hit["recording_id"], hit["speaker"]) == (recording, "SPEAKER_0")
    assert "background" in hit["text"]
    assert stage.get(hit["url"].removeprefix("/v1")).json["recording_id"] == recording
    assert stage.get("/search?q=nothing-like-it").json == {"data": [], "next_cursor": None}


def test_a_page_ends_with_the_cursor_of_the_next(stage: Stage) -> None:
    stage.stored(*(spoke(f"Budget number {n}.", at_s=10.0 * n) for n in range(5)))
    index(stage)
    seen, path = [], "/search?q=budget&limit=2"
    while True:
        page = stage.get(path).json
        seen += [hit["text"] for hit in page["data"]]
        if page["next_cursor"] is None:
            break
        path = f"/search?q=budget&limit=2&cursor={page['next_cursor']}"
    assert len(seen) == len(set(seen)) == 5
    assert stage.get("/search?q=budget&cursor=x").status_code == 422
    assert stage.get("/search").status_code == 422


def test_a_key_of_one_workspace_finds_no_word_of_another(stage: Stage) -> None:
    for workspace in ("default", "other"):
        stage.stored(workspace=workspace)
    index(stage)
    ours = stage.new_key("ours", Scope.READ, workspace="default")
    assert len(stage.get("/search?q=background").json["data"]) == 2
    (hit,) = stage.get("/search?q=background", key=ours).json["data"]
    found = stage.store.find_transcription(hit["recording_id"])
    assert found is not None
    assert found.state.workspace == "default"
