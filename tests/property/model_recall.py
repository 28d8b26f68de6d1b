"""
One API key's way to Recall: implements `ports.Recall` on the `bill.RecallModel`.

Each call is an effect at which a worker may be stopped. What Recall answers is bytes, read by the
product's own readers: a misreading there costs money here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.errors import AccountRefused, CursorRefused, DownloadBlocked, RecallBusy
from app.recall import create_response, endpoints, json_fields, resources
from app.recall.types import Answer as Counted
from app.recall.types import Artifact, CreateAnswer, CreateOrder, RecordingFacts, RecordingSeen
from tests.property.bill import ABOUT, Answer, RecallModel, Transcript, iso

if TYPE_CHECKING:
    from app.orchestrator.ports_recall import Recall

# What a read is answered with where anything may come, and what to a cursor that is not taken.
_ANYTHING = ("http_400", "http_404", "http_405", "http_410", "http_418", "http_302", "not_json")
_COME_BACK_S = 20.0


@dataclass(frozen=True, slots=True)
class ModelRecall:
    """`ports.Recall` with one API key; keys of different users do not share their Idempotency-Keys."""

    model: RecallModel
    api_key: str

    @property
    def fingerprint(self) -> str:
        return f"{self.api_key:>08}"

    def create_body(self, order: CreateOrder) -> bytes:
        return endpoints.create_body(order)

    def answers(self) -> list[Counted]:
        return []

    def create(
        self, order: CreateOrder, body: bytes | None = None, *, is_still_fresh: Callable[[], bool]
    ) -> CreateAnswer:
        model = self.model
        sent = self.create_body(order) if body is None else body
        # What is sent decides what is made, not what is meant.
        ((provider, options),) = json.loads(sent)["provider"].items()
        order = replace(order, provider=provider, options=options)
        model.pause(f"before the POST for {order.marker}")
        way = model.choose(f"POST for {order.marker}", model.creates)
        if way == "no connection":
            return CreateAnswer("not_sent", detail="refused")
        if not is_still_fresh():
            model.say(f"the stamp of {order.marker} is too old: nothing is sent")
            return CreateAnswer("not_sent", detail="stale_stamp")
        model.note_bytes(order, sent)
        answer = model.post(order, self.api_key, way)
        model.say(f"POST for {order.marker}, key …{order.idempotency_key[-4:]}: {_plainly(way, answer)}")
        model.pause(f"after the POST for {order.marker}")
        if answer is None:
            return CreateAnswer("unknown", detail="read_timeout")
        status, content = answer
        said = b"<html>" if content is None else json.dumps(content).encode()
        now = datetime.fromtimestamp(model.now(), UTC)
        headers = {"Retry-After": "7"}
        return create_response.read_create_answer(status, headers, said, order=order, now=now, cap_s=120.0)

    def retrieve(self, transcript_id: str, *, recording_id: str) -> Artifact | None:
        self._read(f"before GET {transcript_id}")
        made = self.model.found(transcript_id, self.api_key)
        if made is None:
            return None
        body = json.dumps(self._perhaps_astray(made)).encode()
        with _understanding():
            return resources.read_artifact(body, transcript_id=transcript_id, recording_id=recording_id)

    def list_page(self, recording_id: str, cursor: str | None, /) -> tuple[list[Artifact], str | None]:
        self._read(f"before a page of {recording_id}", has_cursor=cursor is not None)
        start = int(cursor.rpartition("=")[2]) if cursor else 0
        stop = start + self.model.page_size
        rows = self.model.visible(recording_id, self.api_key)
        following = f"https://recall.example/?cursor={stop}" if stop < len(rows) else None
        page = {"results": [self._perhaps_astray(t) for t in rows[start:stop]], "next": following}
        with _understanding():
            return resources.read_list(json.dumps(page).encode(), recording_id=recording_id)

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
        is_unknown = known.status == "unknown" or self.model.is_hidden(recording_id, self.api_key)
        if self._strays() not in ("what was asked", "the id of another"):
            body["id"] = next((r.id for r in self.model.recordings.values() if r.id != known.id), known.id)
        with _understanding():
            status, said = (404 if is_unknown else 200), json.dumps(body).encode()
            return resources.read_recording(status, said, recording_id=recording_id, now=self.model.now())

    def recordings_page(
        self, created_after: float, cursor: str | None, /
    ) -> tuple[list[RecordingSeen], str | None]:
        raise NotImplementedError("reconcile is not driven here")

    def delete(self, transcript_id: str) -> None:
        self._read(f"before DELETE {transcript_id}")
        made = self.model.found(transcript_id, self.api_key)
        if made is not None:
            self.model.delete_transcript(made)

    def delete_recording(self, recording_id: str) -> None:
        self._read(f"before DELETE {recording_id}")
        self.model.delete_recording(recording_id)

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

    def _strays(self) -> str:
        """About what the next answer is."""
        if self.model.strays == 0:
            return ABOUT[0]
        self.model.strays -= 1
        return str(self.model.choose("the answer is about", ABOUT))

    def _perhaps_astray(self, made: Transcript) -> dict[str, Any]:
        return self.model.astray(self.model.artifact(made), self._strays())

    def _read(self, where: str, *, has_cursor: bool = False) -> None:
        self.model.pause(where)
        if self.model.account in (401, 403):  # a low balance is no matter for reading
            raise AccountRefused(self.model.account)
        if self.model.reads == "anything":
            cause = str(self.model.choose("a read is answered", _ANYTHING))
            self.model.say(f"the read is answered {cause}")
            is_refused = has_cursor and cause in ("http_400", "http_404")
            trouble = CursorRefused if is_refused else RecallBusy
            raise trouble(cause, retry_after_s=_COME_BACK_S)
        if self.model.reads != "well":
            cause = "http_429" if self.model.reads == "limited" else "http_503"
            raise RecallBusy(cause, retry_after_s=20.0)


@contextmanager
def _understanding() -> Iterator[None]:
    """An answer that is not what was asked is trouble on the way, as the client says it."""
    try:
        yield
    except json_fields.Unreadable as error:
        raise RecallBusy(f"unreadable: {error}", retry_after_s=_COME_BACK_S) from error


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
