"""
The parts of a run: database, simulated Recall and `up`, in a home of its own, with nobody's settings.

Starting, stopping and asking a running service is `tests.flow.stage`; here it is given the policy and the
database of a run, and afterwards everything is read that the oracle judges by.
"""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import sqlalchemy as sa

from app.adapters.sql import tables as t
from app.errors import Away
from app.simulator.api.files import render_transcript
from tests.announce.receiver import SECRET
from tests.chaos.announcements import Endpoints, endpoints
from tests.chaos.bucket import Bucket, faulty_bucket
from tests.chaos.oracle import ENDS, Folder, Known, faults_of
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
# In its place from the change of policy on.
REMOVED, _INSTEAD = _PROVIDERS[0], "gladia_v2_async"
_ROOT_OF_FILES = "transcripts/default"
THEIRS, _THEIR_KEY = "theirs", "their-key"
_THEIR_RECORDINGS = 3
_THEIR_IDS = uuid.UUID("0f0d5a86-2f53-5f0a-9d0b-5a0f1f6d7b11")
_UP_AGAIN_WITHIN_S = 30.0


@dataclass(slots=True)
class Stage:
    """
    A run's parts.

    Attributes:
        endpoints: Of outgoing webhooks.
        starter: Starts the service anew: its thread lives as long as the stage, and `up` is tied to it.
        theirs: The recordings of the other workspace.
        keys_before: The Idempotency-Keys stamped before the policy was changed; None while it is the first.
        is_restarting: There is no service for a moment, and that is right.
        bucket: Where the results are, if not on the disk.
    """

    place: Installation
    starter: Executor
    policy_path: Path
    endpoints: Endpoints
    on_silence: str = "fail"
    theirs: list[str] = field(default_factory=list)
    keys_before: frozenset[str] | None = None
    is_restarting: bool = False
    bucket: Bucket | None = None

    def record(self, request: Mapping[str, Any]) -> str:
        """A meeting has ended at Recall; its id."""
        return str(self.place.recall.tell("recordings", **request)["recording_id"])

    def has_create(self, recording_id: str) -> bool:
        """Whether Recall got a create for it. In this process: no request, no lock."""
        bill = self.place.recall.simulator.world.bill.recordings.get(recording_id)
        return bill is not None and bill.create_posts > 0

    # -- what is changed behind the service's back -------------------------------------------------
    @property
    def files(self) -> Path:
        """Where the results of the workspace lie."""
        return self.place.home / _ROOT_OF_FILES

    def let_another_workspace_record(self) -> None:
        """At the beginning: a pass over Recall's list takes up only what is overdue."""
        self.place.recall.settings(workspaces={_THEIR_KEY: THEIRS})
        # Ids of their own, or those of the run would follow from the moment.
        self.theirs = [str(uuid.uuid5(_THEIR_IDS, str(number))) for number in range(_THEIR_RECORDINGS)]
        for recording_id in self.theirs:
            self.record({"workspace": THEIRS, "recording_id": recording_id})

    def belong_to_another_workspace(self) -> None:
        """Restarts the service with a key that is valid, and sees nothing of what it knows."""
        self._restart(lambda: self.place.environment.update(RECALL_API_KEY=_THEIR_KEY))

    def belong_to_the_first_workspace(self) -> None:
        """Restarts it with the key it had."""
        self._restart(lambda: self.place.environment.update(RECALL_API_KEY=self.place.recall.key))

    def take_a_provider_out(self) -> None:
        """Restarts it under a policy without the first provider; another stands in its place."""

        def change() -> None:
            with self.place.store.reading() as connection:
                self.keys_before = frozenset(connection.execute(sa.select(t.sends.c.key)).scalars())
            providers = (_INSTEAD, *_PROVIDERS[1:])
            self.policy_path.write_text(_policy(self.on_silence, providers, self.endpoints), "utf-8")

        self._restart(change)

    def set_clock(self, off_s: float) -> None:
        """The database's clock, and with it this process's reading of it, is so far off from now on."""
        self.place.database.set_clock(off_s)
        if self.place.database.url is None:
            self.place.store.clock_offset_s = off_s

    def _restart(self, change: Callable[[], object]) -> None:
        self.is_restarting = True
        try:
            self.place.stop()
            change()
            self.place.service = self.starter.submit(self.place.spawn, "up").result()
            give_up_at = time.monotonic() + _UP_AGAIN_WITHIN_S
            while not self._is_up():
                if time.monotonic() > give_up_at:
                    raise TimeoutError("the service did not come back")
                time.sleep(0.1)
        finally:
            self.is_restarting = False

    def _is_up(self) -> bool:
        with suppress(requests.RequestException, ValueError):
            return bool(self.place.readyz()["status"] != "unavailable")
        return False

    # -- what the oracle judges by ----------------------------------------------------------------
    def known(self, number: int) -> dict[str, Known]:
        """How the service says that each recording ended. Raises `StoreUnavailable`."""
        return {
            row.state.recording_id: Known(
                phase=row.state.phase.value,
                reason=row.state.reason,
                current=row.state.current,
                has_pending=bool(row.state.pending_transcripts),
            )
            for row in self.place.store.list_transcriptions(limit=2 * number + 100)
        }

    def stuck(self) -> list[str]:
        """Recordings that are not at an end and have no command. Raises `StoreUnavailable`."""
        is_theirs = (t.commands.c.workspace == t.transcriptions.c.workspace) & (
            t.commands.c.recording_id == t.transcriptions.c.recording_id
        )
        asked = sa.select(t.transcriptions.c.recording_id).where(
            t.transcriptions.c.phase.not_in(sorted(ENDS)),
            t.transcriptions.c.version > 0,
            ~sa.exists().where(is_theirs),
        )
        with self.place.store.reading() as connection:
            return list(connection.execute(asked).scalars())

    def folders(self) -> dict[str, dict[str, Folder]]:
        """Every folder of results there is, by recording and transcript, read from the disk and judged."""
        if self.bucket is not None:
            self.bucket.copy()
        found: dict[str, dict[str, Folder]] = {}
        for folder in sorted(self.files.glob("*/*")):
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
    tmp: Path,
    *,
    seed: int,
    database: str,
    workers: int,
    on_silence: str = "fail",
    told: Collection[str] = (),
    store: str = "files",
) -> Iterator[Stage]:
    """
    Everything running and ready; stopped in order at the end.

    Raises:
        Away: The service did not become ready; the message names its log.
    """
    policy = tmp / "policy.toml"
    with ExitStack() as opened:
        bucket, more = None, dict[str, Any]()
        if store != "files":
            bucket = opened.enter_context(faulty_bucket(seed, tmp / "home/transcripts"))
            more |= bucket.environment
        starter = opened.enter_context(ThreadPoolExecutor(max_workers=1))
        told_to = opened.enter_context(endpoints(tmp / "home" / _ROOT_OF_FILES))
        place = opened.enter_context(
            installation(
                tmp,
                database=database,
                seed=seed,
                time_scale=TIME_SCALE,
                workers=workers,
                AFTERWORD_POLICY=str(policy),
                HOOK_SECRET=SECRET,
                **more,
            )
        )
        policy.write_text(_policy(on_silence, _PROVIDERS, told_to), "utf-8")
        place.recall.settings(page_size=_PAGE_SIZE)
        if "addresses" in told:
            place.recall.settings(next_address=("https", "recall", "path")[seed % 3])
        if "clock" in told:
            place.environment.update(place.database.with_clock())
        try:
            place.start()
        except AssertionError as error:
            raise Away(str(error)) from error
        stage = Stage(place, starter, policy, told_to, on_silence, bucket=bucket)
        if "foreign key" in told:
            stage.let_another_workspace_record()
        yield stage


def _policy(on_silence: str, providers: tuple[str, ...], told_to: Endpoints) -> str:
    return (
        f"providers = {json.dumps(providers)}\nattempts = {BUDGET}\n"
        f'give_up_after_h = {GIVE_UP_AFTER_H}\non_silence = "{on_silence}"\n' + told_to.policy
    )
