"""A person is erased while the service runs: nothing of theirs is left in any file of its home."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flow.stage import Installation, installation, wait_until

pytestmark = pytest.mark.slow


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Installation]:
    (tmp_path / "policy.toml").write_text("participants = true\n", "utf-8")
    with installation(tmp_path, workers=2, AFTERWORD_POLICY=str(tmp_path / "policy.toml")) as place:
        yield place


def manifests(place: Installation) -> list[Path]:
    return list((place.home / "transcripts").glob("*/*/*/manifest.json"))


def speakers(folder: Path) -> set[str]:
    return {
        turn["participant"]["name"] for turn in json.loads((folder / "transcript.json").read_text("utf-8"))
    }


def holding(place: Installation, word: str) -> list[str]:
    written = [word.encode(), json.dumps(word)[1:-1].encode()]
    files = [path for path in place.home.rglob("*") if path.is_file()]
    return [
        str(path.relative_to(place.home)) for path in files if any(w in path.read_bytes() for w in written)
    ]


@pytest.mark.timeout(150)
def test_erasing_a_person_beside_the_running_service(place: Installation) -> None:
    place.start()
    recordings = [place.recall.record() for _ in range(6)]
    wait_until(lambda: len(manifests(place)) == 6, within_s=60, what="six results")
    by_recording = {path.parent.parent.name: speakers(path.parent) for path in manifests(place)}
    name = sorted(by_recording[recordings[0]])[0]
    theirs = {recording for recording, names in by_recording.items() if name in names}
    find = ("search", "--speaker", name)
    wait_until(lambda: bool(place.afterword(*find).stdout), within_s=30, what="an index")
    said = place.afterword("erase", "--participant", name, "--yes")
    assert said.returncode == 0, said.stdout + said.stderr
    assert f"{len(theirs)} erased here" in said.stdout
    assert name not in said.stdout + said.stderr
    left = {path.parent.parent.name for path in manifests(place)}
    assert left == set(recordings) - theirs
    assert holding(place, name) == []
    assert place.afterword(*find).returncode == 1
    world = place.recall.simulator.world

    def is_deleted_at_recall() -> bool:
        made = [one for recording in theirs for one in world.recordings[recording].transcripts]
        return {one.status.code for one in made} == {"deleted"}

    wait_until(is_deleted_at_recall, within_s=60, what="no transcript of theirs at Recall")
    bills = {recording: place.recall.bill(recording)["billed"] for recording in recordings}
    for recording in theirs:
        place.recall.emit("recording.done", recording)
        assert place.afterword("retry", recording, "--yes").returncode == 1
    place.afterword("reconcile")
    assert place.afterword("render", "--all").returncode == 0
    wait_until(lambda: not place.store.has_unapplied(), within_s=20, what="the webhooks are applied")
    assert {recording: place.recall.bill(recording)["billed"] for recording in recordings} == bills
    assert {path.parent.parent.name for path in manifests(place)} == left
    for recording in theirs:
        shown = json.loads(place.afterword("show", recording, "--json").stdout)
        assert (shown["phase"], shown["files"], shown["metadata"]) == ("erased", [], {})
