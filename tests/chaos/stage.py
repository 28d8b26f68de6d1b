"""
The parts of a run: database, simulated Recall and `up`, in a home of its own, with nobody's settings.

Starting, stopping and asking a running service is `tests.flow.stage`; here it is given the policy and the
database of a run, and afterwards everything is read that the oracle judges by.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.errors import Away
from app.simulator.downloads import render_transcript
from tests.chaos.oracle import Folder, Known, faults_of
from tests.flow.stage import Installation, installation

TIME_SCALE = 60.0
# Instead of a day: a run must see the end of what Recall never answers. More than the two hours and a bit
# that a create of unknown fate takes at most.
GIVE_UP_AFTER_H = 4
# Five, the simulator's own, would make reconcile ask for pages without end: two days' recordings come in
# minutes here, and what a request costs this machine is not scaled.
_PAGE_SIZE = 50
BUDGET = 3
_PROVIDERS = ("recallai_async", "assembly_ai_async", "deepgram_async")
_ROOT_OF_FILES = "transcripts/default"


@dataclass(frozen=True, slots=True)
class Stage:
    """A run's parts."""

    place: Installation

    def record(self, request: Mapping[str, Any]) -> str:
        """A meeting has ended at Recall; its id."""
        return str(self.place.recall.tell("recordings", **request)["recording_id"])

    def has_create(self, recording_id: str) -> bool:
        """Whether Recall got a create for it. In this process: no request, no lock."""
        bill = self.place.recall.simulator.world.bill.recordings.get(recording_id)
        return bill is not None and bill.create_posts > 0

    # -- what the oracle judges by ----------------------------------------------------------------
    def known(self, number: int) -> dict[str, Known]:
        """How the service says that each recording ended. Raises `StoreUnavailable`."""
        return {
            row.state.recording_id: Known(
                goal=row.state.goal.value,
                reason=row.state.reason,
                current=row.state.current,
                has_unread=bool(row.state.unread),
            )
            for row in self.place.store.list_transcriptions(limit=2 * number + 100)
        }

    def folders(self) -> dict[str, dict[str, Folder]]:
        """Every folder of results there is, by recording and transcript, read from the disk and judged."""
        found: dict[str, dict[str, Folder]] = {}
        base = self.place.home / _ROOT_OF_FILES
        for folder in sorted(base.glob("*/*")):
            read = self._folder(folder)
            if read is not None:
                found.setdefault(folder.parent.name, {})[folder.name] = read
        return found

    def _folder(self, folder: Path) -> Folder | None:
        """None where there is no manifest: no reader looks at it."""
        try:
            manifest = (folder / "manifest.json").read_bytes()
        except FileNotFoundError:
            return None
        files = {
            path.name: (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
            for path in folder.iterdir()
            if path.name != "manifest.json"
        }
        return Folder(faults_of(manifest, files), is_as_served=self._is_as_served(folder))

    def _is_as_served(self, folder: Path) -> bool:
        transcript = self.place.recall.simulator.world.transcripts.get(folder.name)
        if transcript is None or transcript.recording.id != folder.parent.name:
            return False
        raw = folder / "transcript.json"
        if transcript.outcome.name == "huge":  # made anew for each download, and too large to compare here
            return raw.stat().st_size > 1_000_000 * transcript.outcome.count
        return raw.read_bytes() == render_transcript(transcript)


@contextmanager
def open_stage(
    tmp: Path, *, seed: int, database: str, workers: int, on_silence: str = "fail"
) -> Iterator[Stage]:
    """
    Everything running and ready; stopped in order at the end.

    Raises:
        Away: The service did not become ready; the message names its log.
    """
    policy = tmp / "policy.toml"
    policy.write_text(_policy(on_silence), "utf-8")
    with installation(
        tmp,
        database=database,
        seed=seed,
        time_scale=TIME_SCALE,
        workers=workers,
        AFTERWORD_POLICY=str(policy),
    ) as place:
        place.recall.settings(page_size=_PAGE_SIZE)
        try:
            place.start()
        except AssertionError as error:
            raise Away(str(error)) from error
        yield Stage(place)


def _policy(on_silence: str) -> str:
    return (
        f"providers = {json.dumps(_PROVIDERS)}\nattempts = {BUDGET}\n"
        f'give_up_after_h = {GIVE_UP_AFTER_H}\non_silence = "{on_silence}"\n'
    )
