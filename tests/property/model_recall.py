"""
One API key's way to Recall: implements `ports.Recall` on the `bill.RecallModel`.

Each call is an effect at which a worker may be stopped. What Recall answers is bytes, read by the
product's own `wire`: a misreading there costs money here.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.errors import AccountRefused, DownloadBlocked, RecallBusy
from app.ports import Artifact, CreateAnswer, CreateOrder, RecordingFacts, RecordingSeen
from app.recall import wire
from tests.property.bill import CREATES, Answer, RecallModel, Transcript, iso

if TYPE_CHECKING:
    from app.ports import Recall


@dataclass(frozen=True, slots=True)
class ModelRecall:
    """`ports.Recall` with one API key; keys of different users do not share their Idempotency-Keys."""

    model: RecallModel
    api_key: str

    @property
    def fingerprint(self) -> str:
        return f"{self.api_key:>08}"

    def create(self, order: CreateOrder, *, is_still_fresh: Callable[[], bool]) -> CreateAnswer:
        model = self.model
        model.pause(f"before the POST for {order.marker}")
        way = model.choose(f"POST for {order.marker}", CREATES)
        if way == "no connection":
            return CreateAnswer("not_sent", detail="refused")
        if not is_still_fresh():
            model.say(f"the stamp of {order.marker} is too old: nothing is sent")
            return CreateAnswer("not_sent", detail="stale_stamp")
        answer = model.post(order, self.api_key, way)
        model.say(f"POST for {order.marker}, key …{order.idempotency_key[-4:]}: {_plainly(way, answer)}")
        model.pause(f"after the POST for {order.marker}")
        if answer is None:
            return CreateAnswer("unknown", detail="read_timeout")
        status, body = answer
        said = b"<html>" if body is None else json.dumps(body).encode()
        now = datetime.fromtimestamp(model.now(), UTC)
        headers = {"Retry-After": "7"}
        return wire.read_create_answer(status, headers, said, order=order, now=now, cap_s=120.0)

    def retrieve(self, transcript_id: str, *, recording_id: str) -> Artifact | None:
        self._read(f"before GET {transcript_id}")
        made = self.model.transcripts.get(transcript_id)
        if made is None or made.visible_at > self.model.now():
            return None
        return wire.read_artifact(
            json.dumps(self.model.artifact(made)).encode(),
            transcript_id=transcript_id,
            recording_id=recording_id,
        )

    def list_page(self, recording_id: str, cursor_url: str | None) -> tuple[list[Artifact], str | None]:
        self._read(f"before a page of {recording_id}")
        start = int(cursor_url.rpartition("=")[2]) if cursor_url else 0
        stop = start + self.model.page_size
        rows = self.model.visible(recording_id)
        following = f"https://recall.example/?cursor={stop}" if stop < len(rows) else None
        page = {"results": [self.model.artifact(t) for t in rows[start:stop]], "next": following}
        return wire.read_list(json.dumps(page).encode(), recording_id=recording_id)

    def recording(self, recording_id: str) -> RecordingFacts:
        self._read(f"before GET {recording_id}")
        known = self.model.recordings[recording_id]
        body = {
            "id": known.id,
            "status": {"code": known.status},
            "bot": {"id": known.bot_id, "metadata": {}} if known.bot_id else None,
            "metadata": known.metadata,
            "started_at": iso(0.0),
            "completed_at": iso(known.duration_s),
        }
        status = 404 if known.status == "unknown" else 200
        return wire.read_recording(
            status, json.dumps(body).encode(), recording_id=recording_id, now=self.model.now()
        )

    def recordings_page(
        self, created_after: float, cursor_url: str | None
    ) -> tuple[list[RecordingSeen], str | None]:
        raise NotImplementedError("reconcile is not driven here")

    def delete(self, transcript_id: str) -> None:
        self._read(f"before DELETE {transcript_id}")
        self.model.delete_transcript(self.model.transcripts[transcript_id])

    def probe(self) -> None:
        self._read("before the probe")

    def download(self, url: str, target: Path, *, keep_going: Callable[[], object]) -> None:
        made = self.model.transcripts[url.rpartition("/")[2]]
        self.model.pause(f"during the download of {made.id}")
        keep_going()
        if self.model.downloads == "blocked" or made.is_deleted:
            raise DownloadBlocked("http_403")
        text = json.dumps(_turns(made)).encode()
        target.write_bytes(text[:-9] if self.model.downloads == "garbled" else text)

    def _read(self, where: str) -> None:
        self.model.pause(where)
        if self.model.account in (401, 403):  # a low balance is no matter for reading
            raise AccountRefused(self.model.account)
        if self.model.reads != "well":
            cause = "http_429" if self.model.reads == "limited" else "http_503"
            raise RecallBusy(cause, retry_after_s=20.0)


def _turns(made: Transcript) -> list[Any]:
    if made.ending == "empty":
        return []
    word = {"text": made.id, "start_timestamp": {"relative": 1.0}, "end_timestamp": {"relative": 2.0}}
    return [{"participant": {"id": 1, "name": "Ana"}, "language_code": "en", "words": [word]}]


def _plainly(way: str, answer: Answer | None) -> str:
    return f"{way}; " + ("no answer" if answer is None else f"Recall says {answer[0]}")


if TYPE_CHECKING:

    def _is_a_recall(it: ModelRecall) -> Recall:
        return it
