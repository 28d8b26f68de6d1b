"""
Recall itself, at its worst, in memory: its own clock, its own bill, webhooks, and people who order or
delete things there.

It can lose any answer, answer late, refuse before it looks at the key, replay stored answers (errors
too) for an hour, show new things with a lag, and hold transcripts that are not ours. It knows nothing
of our store: what it counts, it counts by itself. `model_recall` is the way to it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from app.recall.types import CreateOrder

# How a create goes. The first is what a healthy Recall does; repeated, because it is the usual.
CREATES = (
    "answered",
    "answered",
    "answered",
    "answer lost",
    "request lost",
    "arrives late",
    "5xx, made",
    "5xx, not made",
    "no id in the answer",
    "409",
    "429",
    "429",
    "429 without being asked",
    "507",
    "400 about the provider",
    "400 about something",
    "401",
    "402",
    "403",
    "no connection",
)
# What becomes of a transcript, after how many seconds. The first is a healthy Recall's.
ENDINGS = (
    ("spoken", 30.0),
    ("spoken", 0.0),
    ("spoken", 2_000.0),
    ("spoken", 90_000.0),
    ("failed", 20.0),
    ("failed", 1_500.0),
    ("zoom", 10.0),
    ("empty", 30.0),
    ("never", math.inf),
)
# What a gateway on the way, or a Recall that mixes up its answers, adds to these.
STATUSES = ("404", "405", "410", "418", "302", "html")
ASTRAY = (
    "made, answered with another",
    "made, answered with another, marked",
    "made, answered with another, its id alone",
)
# About what an answer is. The first is what a healthy Recall does.
ABOUT = ("what was asked", "another", "another, marked", "the id of another", "the recording of another")
# As long as a transcript alone may be forgotten.
FORGOTTEN_S = 540.0
LAGS_S = (0.0, 4.0, 59.0)
LATE_LAGS_S = (*LAGS_S, 1_800.0, 3_540.0)
# A retrieve knows what no list shows yet.
RETRIEVED_AFTER_S = 59.0
FOREIGN_KEY = "key-of-another-workspace"
LATENESS_S = (1.0, 25.0, 240.0)
IDEMPOTENCY_HOUR_S = 3_600.0
_STATUS = {"spoken": "done", "empty": "done", "failed": "failed", "zoom": "failed"}
_SUB_CODE = {"failed": "provider_connection_failed", "zoom": "zoom_captions_failure"}
Answer = tuple[int, Any]


@dataclass(slots=True)
class Transcript:
    """One line of the bill."""

    id: str
    recording_id: str
    provider: str
    marker: str | None
    created_at: float
    visible_at: float
    ending: str
    ends_at: float
    is_deleted: bool = False
    is_announced: bool = False

    def status(self, now: float) -> str:
        if self.is_deleted:
            return "deleted"
        return _STATUS[self.ending] if now >= self.ends_at else "processing"

    @property
    def ordinal(self) -> int | None:
        return int(self.marker.rpartition("/")[2]) if self.marker else None

    @property
    def is_asynchronous(self) -> bool:
        return "_async" in self.provider


@dataclass(slots=True)
class Recording:
    id: str
    bot_id: str | None = None
    status: str = "done"
    metadata: dict[str, str] = field(default_factory=dict)
    duration_s: float = 1_800.0


@dataclass(slots=True)
class Message:
    """A webhook, to be delivered never, once or often."""

    id: str
    what: str
    recording_id: str
    body: bytes
    times: int = 0


@dataclass(slots=True)
class _Late:
    """A POST somewhere on its way."""

    order: CreateOrder
    user: str
    ending: tuple[str, float]
    arrives_at: float


@dataclass(slots=True)
class RecallModel:
    """
    The state of Recall.

    Args:
        now: Recall's clock.
        choose: (what, options) -> one of them; the first where nobody chooses.
        pause: Told where a worker might be stopped or killed.
        say: A line of the story.
        on_create: Told of each transcript made for us, before it is on the bill.

    Attributes:
        creates, lags_s: The ways of a POST, and how late a list is, that are chosen from.
        forgotten: Transcripts and recordings, and until when; a recording takes its transcripts along.
        strays: So many of the next reads may be about another thing.
        fills_several: Of the providers in an answer others are filled too, one before the one ordered.
        shown: Recordings that the key of another workspace sees as well.
    """

    now: Callable[[], float]
    choose: Callable[[str, tuple[Any, ...]], Any]
    pause: Callable[[str], None]
    say: Callable[[str], None]
    on_create: Callable[[CreateOrder], None]
    page_size: int = 50
    keeps_server_errors: bool = True
    recordings: dict[str, Recording] = field(default_factory=dict)
    transcripts: dict[str, Transcript] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    account: int = 200  # 401, 402 or 403: refused as a whole
    downloads: str = "well"  # blocked, garbled
    reads: str = "well"  # busy, limited, anything
    creates: tuple[str, ...] = CREATES
    lags_s: tuple[float, ...] = LAGS_S
    forgotten: dict[str, float] = field(default_factory=dict)
    strays: int = 0
    fills_several: bool = False
    shown: set[str] = field(default_factory=set)
    sent: dict[str, bytes] = field(default_factory=dict)  # by Idempotency-Key
    other_bytes: list[str] = field(default_factory=list)
    _kept: dict[tuple[str, str, str], tuple[float, Answer]] = field(default_factory=dict)
    _late: list[_Late] = field(default_factory=list)

    # -- what happens by itself ---------------------------------------------------------------------
    def tick(self) -> None:
        """Late requests arrive, transcripts end and are announced; in the order of time."""
        now = self.now()
        for late in sorted((x for x in self._late if x.arrives_at <= now), key=lambda x: x.arrives_at):
            self._late.remove(late)
            answer = self.execute(late.order, late.user, "answered", late.ending)
            self.say(f"the late POST for {late.order.marker} arrives at Recall: {answer[0]}")
        for made in self.transcripts.values():
            if made.ends_at <= now and not made.is_announced and not made.is_deleted:
                made.is_announced = True
                status = made.status(now)
                self.announce(f"transcript.{status}", made.recording_id, made, _SUB_CODE.get(made.ending))

    def moments(self) -> Iterable[float]:
        """When something happens by itself."""
        yield from (late.arrives_at for late in self._late)
        yield from (t.ends_at for t in self.transcripts.values() if not t.is_announced and not t.is_deleted)

    def announce(
        self, what: str, recording_id: str, made: Transcript | None = None, sub_code: str | None = None
    ) -> None:
        recording = self.recordings[recording_id]
        bot = {"id": recording.bot_id, "metadata": {}} if recording.bot_id else None
        data: dict[str, Any] = {
            "data": {"code": what.rpartition(".")[2], "sub_code": sub_code, "updated_at": iso(self.now())},
            "recording": {"id": recording_id, "metadata": recording.metadata},
            "bot": bot,
        }
        if made is not None:
            data["transcript"] = {"id": made.id, "metadata": _metadata(made)}
        body = json.dumps({"event": what, "data": data}).encode()
        name = f"{what} {made.id if made else recording_id}"
        self.messages.append(Message(f"msg_{len(self.messages) + 1}", name, recording_id, body))

    # -- what people do -----------------------------------------------------------------------------
    def order_elsewhere(self, recording_id: str, provider: str, ending: tuple[str, float]) -> Transcript:
        """Another party's transcript: none of our business, unless it is asynchronous and finished."""
        return self._make(recording_id, provider, None, ending, lag_s=0.0)

    def delete_transcript(self, made: Transcript) -> None:
        made.is_deleted = True
        self.announce("transcript.deleted", made.recording_id, made)

    def delete_recording(self, recording_id: str) -> None:
        self.recordings[recording_id].status = "deleted"
        for made in self.transcripts.values():
            if made.recording_id == recording_id and not made.is_deleted:
                self.delete_transcript(made)
        self.announce("recording.deleted", recording_id)

    def note_bytes(self, order: CreateOrder, sent: bytes) -> None:
        """A repetition under one key sends the very bytes of the first."""
        if self.sent.setdefault(order.idempotency_key, sent) != sent:
            self.other_bytes.append(f"{order.marker} is sent under its key with other bytes than before")

    # -- what we do ---------------------------------------------------------------------------------
    def post(self, order: CreateOrder, user: str, way: str) -> Answer | None:
        """What the POST does at Recall and what is answered; None when no answer comes back."""
        early = self._before_the_key(order, user, way)
        if early is not None or way == "request lost":
            return early
        ending = self.choose("what becomes of the transcript", ENDINGS)
        if way == "arrives late":
            late_s = self.choose("late by", LATENESS_S)
            self._late.append(_Late(order, user, ending, self.now() + late_s))
            return None
        answer = self.execute(order, user, way, ending)
        if way in ASTRAY and answer[0] == 200 and answer[1]:
            said = self.astray(answer[1], "another, marked" if way.endswith("marked") else "another")
            return 200, {"id": said["id"]} if way.endswith("its id alone") else said
        return None if way == "answer lost" else answer

    def _before_the_key(self, order: CreateOrder, user: str, way: str) -> Answer | None:
        """What is answered before anybody looks at the Idempotency-Key."""
        if self.account != 200:
            return self.account, {"code": "refused"}
        if way in ("401", "402", "403", "429"):
            return int(way), {"detail": "judged before the key"}
        if way in STATUSES:  # by a gateway: Recall has not heard of it
            return (200, None) if way == "html" else (int(way), {"detail": "by something on the way"})
        if self.is_hidden(order.recording_id, user):
            return 404, {"detail": "not found"}
        return (409, {"detail": "conflict"}) if way == "409" else None

    def execute(self, order: CreateOrder, user: str, way: str, ending: tuple[str, float]) -> Answer:
        """Once per key, user and path in an hour; whatever was answered is answered again."""
        identity = (user, order.idempotency_key, order.recording_id)
        until, kept = self._kept.get(identity, (-math.inf, (0, None)))
        if self.now() < until:
            return kept
        answer = self._refusal(order, way) or self._made(order, ending)
        is_kept = answer[0] < 500 or self.keeps_server_errors or answer[0] == 507
        if way == "5xx, made":
            answer = (503, None) if self.keeps_server_errors else answer
        if is_kept:
            self._kept[identity] = (self.now() + IDEMPOTENCY_HOUR_S, answer)
        if way == "no id in the answer" and answer[0] == 200:
            return 200, {}
        return (503, None) if way == "5xx, made" else answer

    def _refusal(self, order: CreateOrder, way: str) -> Answer | None:
        recording = self.recordings[order.recording_id]
        if recording.status != "done":
            return (404 if recording.status == "unknown" else 400), {"detail": "not this recording"}
        match way:
            case "400 about the provider":
                return 400, {"provider": ["no credentials"]}
            case "400 about something":
                return 400, {"non_field_errors": ["no"]}
            case "429 without being asked":  # unlike the others: by the view, and so kept with the key
                return 429, {"detail": "throttled"}
            case "507":
                return 507, {"detail": "full"}
            case "5xx, not made":
                return 500, None
        return None

    def _made(self, order: CreateOrder, ending: tuple[str, float]) -> Answer:
        self.on_create(order)
        lag_s = self.choose("in the list after", self.lags_s)
        made = self._make(order.recording_id, order.provider, order.marker, ending, lag_s=lag_s)
        return 200, self.artifact(made)

    def _make(
        self, recording_id: str, provider: str, marker: str | None, ending: tuple[str, float], *, lag_s: float
    ) -> Transcript:
        now, number = self.now(), len(self.transcripts) + 1
        made = Transcript(
            id=f"bbbbbbbb-0000-4000-8000-{number:012d}",
            recording_id=recording_id,
            provider=provider,
            marker=marker,
            created_at=now,
            visible_at=now + lag_s,
            ending=ending[0],
            ends_at=now + ending[1],
        )
        self.transcripts[made.id] = made
        whose = f"for {marker}" if marker else f"by somebody else, of {recording_id}"
        self.say(f"Recall makes {made.id} {whose} with {provider}: {ending[0]} after {ending[1]:g} s")
        return made

    def artifact(self, made: Transcript) -> dict[str, Any]:
        status = made.status(self.now())
        url = f"https://files.example/{made.id}" if status == "done" else None
        sub_code = _SUB_CODE.get(made.ending) if status == "failed" else None
        return {
            "id": made.id,
            "recording": {"id": made.recording_id},
            "status": {"code": status, "sub_code": sub_code},
            "metadata": _metadata(made),
            "data": {"download_url": url, "provider_data_download_url": None},
            "provider": {"aws_transcribe_async": {}, made.provider: {}, "rev_async": {}}
            if self.fills_several
            else {made.provider: {}},
        }

    def astray(self, true: dict[str, Any], about: str) -> dict[str, Any]:
        """An answer about another thing, or the true one with one part of its identity exchanged."""
        recording_id = true["recording"]["id"]
        others = [t for t in self.transcripts.values() if t.recording_id != recording_id]
        if about == "what was asked" or not others:
            return true
        other = self.artifact(others[-1])
        self.say(f"the answer about {true['id']} is about {about}: {other['id']}")
        match about:
            case "another, marked":
                return {**other, "metadata": true["metadata"]}
            case "the id of another":
                return {**true, "id": other["id"]}
            case "the recording of another":
                return {**true, "recording": other["recording"]}
            case _:
                return other

    # -- who sees what ------------------------------------------------------------------------------
    def is_hidden(self, recording_id: str, user: str, transcript_id: str = "") -> bool:
        """Whether this key is answered as if there were no such recording, or transcript."""
        ids = (recording_id, transcript_id)
        is_forgotten = any(self.forgotten.get(id, -math.inf) > self.now() for id in ids)
        return is_forgotten or (user == FOREIGN_KEY and recording_id not in self.shown)

    def found(self, transcript_id: str, user: str) -> Transcript | None:
        """What a retrieve finds."""
        made = self.transcripts.get(transcript_id)
        if made is None or self.is_hidden(made.recording_id, user, made.id):
            return None
        is_new = min(made.visible_at, made.created_at + RETRIEVED_AFTER_S) > self.now()
        return None if is_new else made

    def visible(self, recording_id: str, user: str) -> list[Transcript]:
        """What a list shows this key by now."""
        mine = (t for t in self.transcripts.values() if t.recording_id == recording_id)
        seen = (t for t in mine if not self.is_hidden(recording_id, user, t.id))
        return [t for t in seen if t.visible_at <= self.now()]


def _metadata(made: Transcript) -> dict[str, str]:
    return {"afterword": made.marker} if made.marker else {}


def iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()
