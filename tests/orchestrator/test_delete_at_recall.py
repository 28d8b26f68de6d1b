"""By policy a stored recording's transcripts are deleted at Recall: when, and which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.adapters.local_files import LocalBlobs
from app.core import events
from app.core.commands import DeleteAtRecall
from app.core.seen import TranscriptStatus
from app.core.state import AtRecall, Phase, Transcription
from app.errors import RecallBusy
from app.orchestrator.effects.delete_at_recall import delete
from app.orchestrator.outcome import Happened, Later, Outcome
from app.recall.types import Artifact
from tests.doubles.manifests import put_result
from tests.orchestrator.bare_context import NOW, context_of

STORED = Transcription(
    *("default", "r"),
    phase=Phase.STORED,
    current="t1",
    processed_transcripts=("t1",),
    to_delete=AtRecall.TRANSCRIPT,
)


def artifact(id_: str, status: TranscriptStatus, ordinal: int | None) -> Artifact:
    return Artifact(id_, status, None, "deepgram_async", ordinal, False)


OURS, THEIRS = artifact("t1", TranscriptStatus.DONE, 1), artifact("t9", TranscriptStatus.DONE, None)


@dataclass
class Recall:
    listed: Sequence[Artifact] = (OURS, THEIRS)
    deleted: list[str] = field(default_factory=list)
    is_silent: bool = False
    fingerprint: str = "f1"

    def list_page(self, recording_id: str, cursor: str | None, /) -> tuple[list[Artifact], str | None]:
        return list(self.listed), None

    def delete(self, id_: str) -> None:
        if self.is_silent:
            raise RecallBusy("silence", retry_after_s=3.0)
        self.deleted.append(id_)

    delete_recording = delete


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobs:
    blobs = LocalBlobs(tmp_path / "results")
    put_result(blobs, "r", "t1", {"transcript.json": b"[1]", "transcript.txt": b"a"})
    return blobs


def outcome(blobs: LocalBlobs, recall: Recall, state: Transcription = STORED) -> Outcome:
    renewer = SimpleNamespace(check=lambda: None, raise_if_lost=lambda: None)
    return delete(context_of(DeleteAtRecall(), state=state, recall=recall, blobs=blobs, renewer=renewer))


def test_what_is_ours_is_deleted_and_what_is_not_stays(blobs: LocalBlobs) -> None:
    failed, gone = artifact("t2", TranscriptStatus.FAILED, 2), artifact("t3", TranscriptStatus.DELETED, 3)
    recall = Recall((OURS, failed, gone, THEIRS))
    happened = events.DeletedAtRecall(NOW, ("t1", "t2"), (1, 2))
    assert outcome(blobs, recall) == Happened(happened)
    assert recall.deleted == ["t1", "t2"]


def test_the_recording_itself_only_where_that_is_wanted(blobs: LocalBlobs) -> None:
    recall = Recall()
    done = outcome(blobs, recall, replace(STORED, to_delete=AtRecall.RECORDING))
    assert done == Happened(events.DeletedAtRecall(NOW, ("t1",), (1,), is_whole=True))
    assert recall.deleted == ["t1", "r"]


def test_an_adopted_result_stays_at_recall_unless_the_recording_goes(blobs: LocalBlobs) -> None:
    put_result(blobs, "r", "t9", {"transcript.json": b"[1]"})
    adopted = replace(STORED, current="t9", processed_transcripts=("t9",))
    recall = Recall((THEIRS,))
    assert outcome(blobs, recall, adopted) == Happened(events.DeletedAtRecall(NOW))
    assert recall.deleted == []
    outcome(blobs, recall, replace(adopted, to_delete=AtRecall.RECORDING))
    assert recall.deleted == ["r"]


@pytest.mark.parametrize("harm", ["a file is changed", "a file is gone", "no manifest"])
def test_nothing_is_deleted_unless_what_is_stored_here_is_whole(blobs: LocalBlobs, harm: str) -> None:
    folder = blobs.root / "default/r/t1"
    match harm:
        case "a file is changed":
            (folder / "transcript.txt").write_bytes(b"b")
        case "a file is gone":
            (folder / "transcript.json").unlink()
        case _:
            (folder / "manifest.json").unlink()
    recall = Recall()
    waits = outcome(blobs, recall)
    assert isinstance(waits, Later)
    assert waits.cause == "stored_result_not_whole"
    assert recall.deleted == []


@pytest.mark.parametrize("status", [TranscriptStatus.DONE, TranscriptStatus.PROCESSING])
def test_nothing_is_deleted_while_one_of_ours_is_not_stored(
    blobs: LocalBlobs, status: TranscriptStatus
) -> None:
    recall = Recall((OURS, artifact("t4", status, 2)))
    waits = outcome(blobs, recall)
    assert isinstance(waits, Later)
    assert waits.cause == "transcript_not_stored"
    assert recall.deleted == []


def test_what_cannot_be_deleted_now_is_tried_again(blobs: LocalBlobs) -> None:
    assert outcome(blobs, Recall(is_silent=True)) == Later(3.0, "silence")


def test_of_an_erased_recording_all_of_ours_goes_whatever_it_is(tmp_path: Path) -> None:
    recall = Recall((OURS, artifact("t4", TranscriptStatus.PROCESSING, 2), THEIRS))
    erased = replace(STORED, phase=Phase.ERASED, current=None, erased_at=1.0)
    outcome(LocalBlobs(tmp_path), recall, erased)
    assert recall.deleted == ["t1", "t4"]
