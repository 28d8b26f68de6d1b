"""A person is erased while the service runs: nothing of theirs is left in any file of its home."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from app.core.state import Phase
from tests.flow.stage import Installation, running, wait_until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("erasure")
    (folder / "policy.toml").write_text("participants = true\n", "utf-8")
    with running(folder, workers=2, AFTERWORD_POLICY=str(folder / "policy.toml")) as place:
        yield place


def manifests(place: Installation) -> list[Path]:
    return list((place.home / "transcripts").glob("*/*/*/manifest.json"))


def recorded(place: Installation) -> list[str]:
    """Six more, with their results."""
    recordings = [place.recall.record() for _ in range(6)]
    wait_until(lambda: all(map(place.stored, recordings)), within_s=60, what="six results")
    return recordings


def speakers(folder: Path) -> set[str]:
    return {
        turn["participant"]["name"] for turn in json.loads((folder / "transcript.json").read_text("utf-8"))
    }


def holding(place: Installation, word: str) -> list[str]:
    """Files of the home with this in their bytes."""
    written = [word.encode(), json.dumps(word)[1:-1].encode()]
    found = []
    for path in place.home.rglob("*"):
        with suppress(FileNotFoundError):  # deleted meanwhile
            content = path.read_bytes() if path.is_file() else b""
            found += [str(path.relative_to(place.home))] if any(w in content for w in written) else []
    return found


@pytest.mark.timeout(300)
def test_erasing_a_person_beside_the_running_service(place: Installation) -> None:
    recordings = recorded(place)
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
    assert left == set(by_recording) - theirs
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


@pytest.mark.timeout(300)
def test_killed_in_the_middle_of_it_the_service_and_the_next_call_finish(place: Installation) -> None:
    """SIGKILL of the command and of every worker: after the first tombstone, and between two deletions."""
    recorded(place)
    for is_in_the_middle in (_has_tombstone, _is_half_deleted):
        name = sorted(set().union(*(speakers(path.parent) for path in manifests(place))))[0]
        theirs = [path.parent for path in manifests(place) if name in speakers(path.parent)]
        for folder in theirs:
            for number in range(_MANY_FILES):  # so that deleting takes a while
                (folder / f"more-{number}").write_text(name, "utf-8")
        workers = [place.child(f"worker-{number}") for number in (1, 2)]  # whose horses die with them
        erasing = place.spawn("erase", "--participant", name, "--yes")
        wait_until(lambda: is_in_the_middle(place, theirs), within_s=30, what="its middle", every_s=0.005)  # noqa: B023
        erasing.kill()
        for victim in workers:
            with suppress(psutil.NoSuchProcess):
                victim.kill()
        erasing.wait()
        assert holding(place, name) != [], "it was over before"
        said = place.afterword("erase", "--participant", name, "--yes")
        assert name not in said.stdout + said.stderr
        wait_until(
            lambda: holding(place, name) == [],  # noqa: B023
            within_s=60,
            what=lambda: f"nothing of theirs; left: {holding(place, name)[:5]}",  # noqa: B023
        )
        assert name not in place.log()
        assert [folder for folder in theirs if folder.parent.exists()] == []
        phases = [place.store.load("default", folder.parent.name).transcription.phase for folder in theirs]
        assert set(phases) == {Phase.ERASED}
    place.wait_until_well()


_MANY_FILES = 1500


def _has_tombstone(place: Installation, theirs: list[Path]) -> bool:
    states = (place.store.load("default", folder.parent.name).transcription for folder in theirs)
    return any(state.phase is Phase.ERASED for state in states)


def _is_half_deleted(_: Installation, theirs: list[Path]) -> bool:
    """Whichever end of a folder is deleted first."""
    ends = ((folder / "more-0", folder / f"more-{_MANY_FILES - 1}") for folder in theirs)
    return any(first.exists() != last.exists() for first, last in ends)
