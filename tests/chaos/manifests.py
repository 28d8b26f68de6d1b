"""
Every manifest as it appears: what a product sees that waits for `manifest.json`. Read from the disk while the
service runs, since a file that is written over tells nothing afterwards.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

_LOOK_EVERY_S = 0.25
# Where another provider may be asked: a manifest with one of these is the last word, or there is none.
_PROVISIONAL = frozenset({"empty", "silent", "unreadable"})


@dataclass(frozen=True, slots=True)
class Seen:
    """One manifest when it was first seen; `at_ns` is the time of the file."""

    recording_id: str
    transcript_id: str
    sha256: str
    verdict: str | None
    superseded_by: str | None
    at_ns: int


def of_bytes(raw: bytes, *, recording_id: str, transcript_id: str, at_ns: int) -> Seen:
    """What a manifest says, as far as a reader goes by it; one that cannot be read says nothing."""
    try:
        said = json.loads(raw)
    except ValueError:
        said = {}
    verdict, superseded_by = said.get("verdict"), said.get("superseded_by")
    return Seen(recording_id, transcript_id, hashlib.sha256(raw).hexdigest(), verdict, superseded_by, at_ns)


def wrongs(seen: list[Seen]) -> Iterator[tuple[str, str]]:
    """
    (recording, what is wrong) for each manifest that was not final.

    Args:
        seen: In the order in which they were seen; a changed one is there again.
    """
    of_recording: defaultdict[str, list[Seen]] = defaultdict(list)
    for one in seen:
        of_recording[one.recording_id].append(one)
    for recording_id, manifests in of_recording.items():
        first: dict[str, Seen] = {}
        for one in manifests:
            known = first.setdefault(one.transcript_id, one)
            # Words may come between the manifest of an empty one and its commit; then it says so.
            is_overtaken = known.superseded_by is None and one.superseded_by is not None
            if known.sha256 != one.sha256 and not is_overtaken:
                yield recording_id, f"the manifest of {one.transcript_id} changed"
        yield from ((recording_id, what) for what in _out_of_order(first.values()))


def _out_of_order(manifests: Iterable[Seen]) -> Iterator[str]:
    in_order = sorted(manifests, key=lambda one: one.at_ns)
    results = [one for one in in_order if one.superseded_by is None]
    for one in results[:-1]:
        if one.verdict in _PROVISIONAL:
            yield f"the manifest of {one.transcript_id} says {one.verdict}, and another result followed"
    seen: set[str] = set()
    for one in in_order:
        if one.superseded_by is not None and one.superseded_by not in seen:
            yield f"the manifest of {one.transcript_id} came before that of {one.superseded_by}"
        seen.add(one.transcript_id)


@dataclass(slots=True)
class Manifests:
    """Watches a folder of results, `RECORDING/TRANSCRIPT/manifest.json`."""

    base: Path
    seen: list[Seen] = field(default_factory=list)
    _signs: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def begin(self) -> None:
        """In a thread of its own, until `end`."""
        self._thread = threading.Thread(target=self._watch, name="manifests", daemon=True)
        self._thread.start()

    def end(self) -> list[Seen]:
        """Everything seen, after a last look."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self.look()
        return self.seen

    def _watch(self) -> None:
        while not self._stop.wait(_LOOK_EVERY_S):
            self.look()

    def look(self) -> None:
        """What is new or changed."""
        for recording in _folders(self.base):
            for transcript in _folders(recording.path):
                self._look_at(f"{transcript.path}/manifest.json", recording.name, transcript.name)

    def _look_at(self, path: str, recording_id: str, transcript_id: str) -> None:
        try:
            stat = os.stat(path)
            sign = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if self._signs.get(path) == sign:
                return
            raw = Path(path).read_bytes()
        except FileNotFoundError:
            return
        self._signs[path] = sign
        self.seen.append(
            of_bytes(raw, recording_id=recording_id, transcript_id=transcript_id, at_ns=stat.st_mtime_ns)
        )


def _folders(path: os.PathLike[str] | str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as found:
            return [entry for entry in found if entry.is_dir()]
    except FileNotFoundError:
        return []
