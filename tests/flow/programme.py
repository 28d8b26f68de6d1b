"""
The shared programme: all scenes at once against one running `up`, then Recall's bill is copied. Tests look
at the copy, at the files and at the commands; what they do afterwards changes nothing of it.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.flow.leaks import JobWatch
from tests.flow.scenes import PLAYS, SCRIPTS
from tests.flow.stage import Installation

ENDS_WITHIN_S = 100.0
# Anything that was going to be created too often is created in this time.
_QUIET_S = 1.5
_TEMPORARY = re.compile(r".+~[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Programme:
    """What was played, and what Recall had on its bill when all had ended."""

    place: Installation
    ids: Mapping[str, str] = field(repr=False)
    whole_bill: Mapping[str, Any] = field(repr=False)
    jobs: JobWatch = field(repr=False)

    def bill(self, scene: str) -> Any:
        return self.whole_bill["per_recording"][self.ids[scene]]

    def played_again(self, scene: str) -> Any:
        """The bill of another recording with the scene's script, which has the service to itself."""
        recording = self.place.recall.record(**SCRIPTS[scene])
        self.place.wait_for_ends(recording, within_s=60)
        return self.place.recall.bill(recording)

    def transcripts(self, scene: str) -> list[Any]:
        found: list[Any] = self.bill(scene)["transcripts"]
        return found

    def show(self, scene: str) -> Any:
        return self.place.show(self.ids[scene])

    def stored(self, scene: str) -> dict[str, Path]:
        return self.place.stored(self.ids[scene])

    def the_stored(self, scene: str) -> tuple[str, Path]:
        """The one stored transcript."""
        ((transcript_id, folder),) = self.stored(scene).items()
        return transcript_id, folder

    def assert_stored_whole(self, scene: str, *, paid: int) -> None:
        """So many on Recall's bill, one transcript stored, as Recall serves it, and nothing half."""
        assert self.bill(scene)["billed"] == paid, self.bill(scene)
        transcript_id, folder = self.the_stored(scene)
        assert_whole(folder)
        assert (folder / "transcript.json").read_bytes() == self.place.recall.served(transcript_id)


def play(place: Installation) -> Programme:
    """Plays everything and waits for the ends."""
    ids = {}
    jobs = JobWatch(place)
    jobs.start()
    with ThreadPoolExecutor(len(PLAYS)) as pool:
        hands = {name: pool.submit(by_hand, place) for name, by_hand in PLAYS.items()}
        for name, script in SCRIPTS.items():
            ids[name] = place.recall.record(**script)
            time.sleep(0.05)
        ids |= {name: hand.result() for name, hand in hands.items()}
    place.wait_for_ends(*ids.values(), within_s=ENDS_WITHIN_S)
    time.sleep(_QUIET_S)
    place.wait_for_ends(*ids.values(), within_s=10)
    jobs.stop()
    return Programme(place, ids, place.recall.whole_bill(), jobs)


def assert_whole(folder: Path, *, is_after_kill: bool = False) -> None:
    """
    Everything the manifest names is there as it says, and nothing else is.

    Args:
        is_after_kill: A process killed while it wrote leaves its temporary file to the sweep, an hour later.
    """
    manifest = json.loads((folder / "manifest.json").read_bytes())
    named = manifest["files"]
    present = {path.name for path in folder.iterdir()}
    left = {name for name in present if is_after_kill and _TEMPORARY.fullmatch(name)}
    assert present - left == {*named, "manifest.json"}
    assert {"transcript.json", "sentences.json", "transcript.txt"} <= set(named)
    for name, file in named.items():
        content = (folder / name).read_bytes()
        assert file["sha256"] == hashlib.sha256(content).hexdigest(), name
        assert len(content) == file["size_bytes"], name


def assert_each_is_paid_once_and_stored(
    place: Installation, recordings: Sequence[str], *, within_s: float = 60.0, is_after_kill: bool = False
) -> None:
    """The end every recording must come to, whatever was killed or away meanwhile."""
    place.wait_for_ends(*recordings, within_s=within_s)
    time.sleep(_QUIET_S / 2)
    for recording in recordings:
        assert place.recall.bill(recording)["billed"] == 1, place.recall.bill(recording)
        ((transcript_id, folder),) = place.stored(recording).items()
        assert_whole(folder, is_after_kill=is_after_kill)
        assert (folder / "transcript.json").read_bytes() == place.recall.served(transcript_id)
