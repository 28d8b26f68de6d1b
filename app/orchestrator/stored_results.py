"""
Whether a store of results is the one that the database means: asked of the latest few.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from app.orchestrator.ports_blobs import Blobs
from app.transcripts.result_folder import MANIFEST

_LATEST = 10


class ResultsStore(Protocol):
    def latest_results(self, limit: int) -> Sequence[str]:
        """Folders of stored results with a manifest, the latest first."""


def why_other_store(store: ResultsStore, blobs: Blobs) -> str | None:
    """
    Why nothing should be stored there: the latest result is missing, or half of the latest ones. None where
    they are there; a single older one may have been taken away by hand.

    Raises:
        StoreUnavailable, BlobsUnavailable: It cannot be said now.
    """
    folders = store.latest_results(_LATEST)
    missing = [folder for folder in folders if not blobs.exists(f"{folder}/{MANIFEST}")]
    if not missing or (missing[0] != folders[0] and 2 * len(missing) < len(folders)):
        return None
    recording = missing[0].partition("/")[2].partition("/")[0]
    return (
        f"STORAGE_URL lacks what the database says is stored: of the latest {len(folders)} results "
        f"{len(missing)} are not there (recording {recording}). Set it to the store that has them; "
        "`./afterword move-store --to URL` copies them to another. After one was deleted by hand: "
        "`./afterword erase RECORDING`."
    )
