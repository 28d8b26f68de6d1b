"""
Everything around the real `Service`, put together: the surroundings in memory, workers that stop
anywhere, and Recall's model. One `World` per run; it tells its story.

Effects are where a worker may be halted: each call to Recall, before and after each commit, around
each file. `run` performs undisturbed; `work` lets it stop on the way.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from app.core import events
from app.core.policy import Policy, why_not_selected
from app.core.state import Transcription
from app.orchestrator.command_context import Workspace
from app.orchestrator.records import KEY_ACCEPTED, BootClock, Leased, NewDelivery, Source
from app.orchestrator.service import Service
from app.orchestrator.timing import Timing
from app.recall.types import CreateOrder
from tests.property import lies
from tests.property.bill import (
    ASTRAY,
    CREATES,
    FOREIGN_KEY,
    LATE_LAGS_S,
    STATUSES,
    Message,
    RecallModel,
    Recording,
)
from tests.property.model_recall import ModelRecall
from tests.property.surroundings import (
    DURATIONS,
    START,
    TIMING,
    Backup,
    MemoryQueue,
    MovedClock,
    WatchedBlobs,
    WatchedStore,
)
from tests.property.workers import Asked, Stopped, Word, Worker, current
from workers.dispatcher import Dispatcher

_JUST_AFTER_S = 0.06
_MOST_LOOKS = 20_000


class World:
    """See the module. `choose_by` draws a value; without it the healthy choice is made."""

    def __init__(self, scratch: Path, policy: Policy, timing: Timing = TIMING) -> None:
        self.story: list[str] = []
        self.wrongs: list[str] = []  # broken promises noticed in passing
        self.scratch = scratch
        self.policy, self.timing = policy, timing
        self.clock = MovedClock(self)
        self.store = WatchedStore(self)
        self.queue = MemoryQueue()
        self.blobs = WatchedBlobs(self)
        self.recall = RecallModel(
            now=self.clock.now, choose=self.choose, pause=self.pause, say=self.say, on_create=self._created
        )
        self.lies = lies.told()
        if "late" in self.lies:
            self.recall.lags_s = LATE_LAGS_S
        self.recall.creates = (
            CREATES + STATUSES * ("statuses" in self.lies) + ASTRAY * ("another" in self.lies)
        )
        self.recall.fills_several = "several" in self.lies
        self.api_key = "key-1"
        for number in (1, 2):  # both were seen to see: a recording may be the only one, and unknown to Recall
            self.store.set_key_status(
                "default", ModelRecall(self.recall, f"key-{number}").fingerprint, KEY_ACCEPTED
            )
        self.workers: list[Worker] = []
        self.lease: Leased | None = None
        self.choose_by: Callable[[str, tuple[Any, ...]], Any] | None = None
        self.retried: dict[str, int] = {}  # recording -> what a person allowed
        self.paid_beside_silence = 0
        self.known: dict[str, Transcription] = {}  # each state when it was last looked at
        self._number = 0
        self._deliveries = 0
        self._putting: set[str] = set()  # leases under which a file was put
        self._stamped_before: frozenset[str] = frozenset()  # keys of before the last change of policy
        self._stepped_s = 0.0  # how far the database's clock was ever set forward, in all
        self.was_put_back = False
        self.backup: Backup | None = None
        self._heard_then: dict[str, int] = {}  # how often each message had come when it was made
        listening = structlog.make_filtering_bound_logger(0)
        self._log = structlog.wrap_logger(None, processors=[self._hear], wrapper_class=listening)
        self.service = self.open_service()
        self.dispatcher = Dispatcher(
            self.store,
            self.queue,
            sweep=lambda: None,
            clock=self.clock.now,
            log=self._log,
        )

    def open_service(self) -> Service:
        """As a process started now would have it: with today's API key."""
        workspace = Workspace("default", ModelRecall(self.recall, self.api_key), self.policy)
        return Service(
            store=self.store,
            queue=self.queue,
            blobs=self.blobs,
            clock=self.clock,
            workspaces={"default": workspace},
            timing=self.timing,
            scratch=self.scratch,
            log=self._log,
        )

    # -- the story -----------------------------------------------------------------------------------
    def say(self, text: str) -> None:
        worker = current()
        who = f"  {worker.name}: " if worker is not None else "  "
        self.story.append(f"{_elapsed(self.clock.at - START)}{who}{short(text)}")

    def told(self, what: str) -> str:
        return "\n".join([what, "The story:", *self.story])

    def _hear(self, _: Any, __: str, fields: Mapping[str, Any]) -> str:
        said = {key: value for key, value in fields.items() if key not in ("event", "workspace")}
        event = said.pop("happened", fields["event"])
        if fields["event"] != "alarm" and event != "offered":
            self.say(f"    -> {event} " + " ".join(f"{key}={value}" for key, value in said.items()))
        raise structlog.DropEvent

    # -- choices and stops -----------------------------------------------------------------------------
    def choose(self, what: str, options: tuple[Any, ...]) -> Any:
        if self.choose_by is None:
            return options[0]
        worker = current()
        return self.choose_by(what, options) if worker is None else worker.ask(what, options)

    def pause(self, where: str) -> None:
        worker = current()
        if worker is not None:
            worker.halt(short(where))

    def pass_time(self, seconds: float) -> None:
        """Slow workers keep their leases; a job longer than its time-out is killed; frozen ones stand."""
        until = self.clock.at + seconds
        while (soon := min(self.recall.moments(), default=math.inf)) <= until:
            self.clock.at = max(soon, self.clock.at)  # what happens at Recall meanwhile has its own time
            self.recall.tick()
        self.clock.at = until
        for worker in list(self.workers):
            is_over = self.clock.at - worker.started_at > TIMING.job_timeout_s
            if is_over and not worker.is_frozen and worker is not current():
                self.kill(worker)
            elif worker.leased is not None and not worker.is_frozen:
                self.store.keep_lease(worker.leased)

    # -- work ------------------------------------------------------------------------------------------
    def run(self, job: Callable[[], object]) -> None:
        """Undisturbed, to its end."""
        self.lease = None
        try:
            job()
        except Exception as error:
            error.add_note(self.told("a job raised"))
            raise

    def start(self, job: Callable[[], object], *, stops_at: str) -> Worker | None:
        """In a worker of its own; returned when it halts on its way."""
        if not stops_at:
            self.run(job)
            return None
        self._number += 1
        worker = Worker(f"worker {self._number}", job, started_at=self.clock.at)
        self.workers.append(worker)
        return self.go_on(worker, stops_at=stops_at)

    def go_on(self, worker: Worker, *, stops_at: str) -> Worker | None:
        """The same worker when it halts again; None when it has ended."""
        word: Word = worker.go_on(stops_at)
        while isinstance(word, Asked):
            assert self.choose_by is not None
            word = worker.answer(self.choose_by(word.what, word.options))
        if isinstance(word, Stopped):
            worker.has_stopped = True
            self.say(f"{worker.name} stops {word.where}")
            return worker
        self.workers.remove(worker)
        if word.error is not None:
            word.error.add_note(self.told(f"{worker.name} raised"))
            raise word.error
        if worker.has_stopped:
            self.say(f"{worker.name} ends")
        return None

    def kill(self, worker: Worker) -> None:
        self.workers.remove(worker)
        worker.kill()
        self.say(f"{worker.name} is killed, {worker.where}")

    def live(
        self,
        until: float,
        *,
        delivers: Callable[[Message], bool] = lambda m: False,
        is_over: Callable[[], bool] = lambda: False,
    ) -> None:
        """
        The whole service works as it should until then: dispatcher, inbox, workers, webhooks. Or until it
        `is_over`: what follows is offered, and no worker has begun it.
        """
        for _ in range(_MOST_LOOKS):
            if is_over():
                return
            self.recall.tick()
            for message in [m for m in self.recall.messages if not m.times and delivers(m)]:
                self.deliver(message)
            self.dispatcher.tick()
            if self._work_off():
                continue
            moments = [*self.store.moments(), *self.recall.moments()]
            soon = min([m for m in moments if m > self.clock.at], default=math.inf) + _JUST_AFTER_S
            self.pass_time_at_work(min(soon, until) - self.clock.at)
            if soon >= until:
                return
        raise AssertionError(self.told("the service never comes to rest"))

    def pass_time_at_work(self, seconds: float) -> None:
        """The dispatcher signs now and then, as its sweep does: having nothing to do is not being away."""
        until = self.clock.at + max(0.0, seconds)
        while self.clock.at < until:
            self.pass_time(min(TIMING.silence_s / 2, until - self.clock.at))
            self.store.record_heartbeat(
                quiet_s=TIMING.silence_s, boot=BootClock("property", self.clock.boottime)
            )

    def _work_off(self) -> bool:
        """False when there was nothing to do."""
        if self.queue.has_wakeup:
            self.queue.has_wakeup = False
            self.run(self.service.receive)
            return True
        ids, self.queue.ids = self.queue.ids, []
        for command_id in ids:
            self.run(partial(self.service.perform, command_id))
        return bool(ids)

    @property
    def is_well(self) -> bool:
        recall = self.recall
        is_recall_well = (recall.account, recall.reads, recall.downloads) == (200, "well", "well")
        is_forgotten = any(until > self.clock.at for until in recall.forgotten.values())
        is_seen = self.api_key != FOREIGN_KEY and not is_forgotten
        return is_recall_well and is_seen and not self.blobs.is_away

    def mend(self) -> None:
        self.recall.account, self.recall.reads, self.recall.downloads = 200, "well", "well"
        self.recall.strays = 0
        self.recall.forgotten.clear()
        self.blobs.is_away = self.queue.is_away = False
        if self.api_key == FOREIGN_KEY:
            self.restart_with_key("key-1")

    # -- the service is started anew -------------------------------------------------------------------
    def restart_with_key(self, api_key: str) -> None:
        """Whatever was under way is stopped first."""
        self.stop()
        self.api_key = api_key
        self.service = self.open_service()

    def restart_with_policy(self, policy: Policy) -> None:
        """Under a fresh key nothing is paid any more that this policy does not want."""
        self.stop()
        self._stamped_before = frozenset(
            stamp.send.key for known in self.store.recordings.values() for stamp in known.sends
        )
        self.policy = policy
        self.service = self.open_service()

    def stop(self) -> None:
        for worker in list(self.workers):
            self.kill(worker)

    def step_clock(self, by_s: float) -> None:
        """The database's clock is set, by so much; nothing else notices."""
        self.clock.off_s += by_s
        self._stepped_s += max(0.0, by_s)

    # -- what comes from outside -----------------------------------------------------------------------
    def deliver(self, message: Message, *, under_a_new_id: bool = False) -> None:
        self._deliveries += 1
        message.times += 1
        webhook_id = f"{message.id}-again-{self._deliveries}" if under_a_new_id else message.id
        row = NewDelivery("default", webhook_id, self.clock.at, int(self.clock.at), "label", message.body)
        self.say(f"delivered: {message.what} ({webhook_id})")
        self.store.add_deliveries([row])

    def add_recording(self, number: int, **facts: Any) -> Recording:
        recording = Recording(f"aaaaaaaa-0000-4000-8000-{number:012d}", **facts)
        self.recall.recordings[recording.id] = recording
        return recording

    # -- the database as it was ------------------------------------------------------------------------
    def back_up(self) -> None:
        self.backup = self.store.copy()
        self._heard_then = {message.id: message.times for message in self.recall.messages}

    def put_back(self) -> None:
        """Everybody is stopped, and what was committed since the backup is forgotten: by us alone."""
        if self.backup is None:
            return
        self.stop()
        self.was_put_back = True
        # It takes a while; what a younger one cannot tell is in docs/operating.md.
        tells_s = max(TIMING.silence_s, *self.recall.lags_s)
        if self.store.now() - self.backup.made_at <= tells_s:
            self.pass_time(tells_s + 1.0)
        self.store.put_back(self.backup)
        self.known.clear()
        for message in self.recall.messages:
            message.times = self._heard_then.get(message.id, 0)

    def retry(self, recording_id: str, *, budget: int) -> None:
        """An operator's `retry --budget`."""
        event = events.RetryAsked(self.clock.at, budget)
        self.say(f"an operator retries {recording_id}, budget {budget}")
        self.retried[recording_id] = max(budget, self.retried.get(recording_id, 0))
        self.run(partial(self.service.advance, "default", recording_id, event, Source(by="person")))

    # -- noticed in passing ------------------------------------------------------------------------------
    def _created(self, order: CreateOrder) -> None:
        """Recall is about to make a transcript of ours: is everything before it known to be of no use?"""
        recording_id, ordinal = order.recording_id, int(order.marker.rpartition("/")[2])
        self.wrongs += [*self._unwanted(order), *self._followed(recording_id, ordinal)]
        state = self.store.load("default", recording_id).transcription
        for made in self.recall.transcripts.values():
            if made.recording_id != recording_id or made.ordinal is None or made.ordinal >= ordinal:
                continue
            status = made.status(self.clock.at)
            if status in ("failed", "deleted") or made.id in state.processed_transcripts:
                continue
            is_silent = self.clock.at + self._stepped_s - made.created_at >= DURATIONS.give_up_s
            if is_silent and (self.policy.on_silence == "next" or recording_id in self.retried):
                self.paid_beside_silence += 1  # the named exception, or a person's decision
                continue
            self.wrongs.append(f"{made.id} is {status} and not looked at, and attempt {ordinal} is paid")

    def _unwanted(self, order: CreateOrder) -> Iterator[str]:
        """Only a repetition under the same key may order what the policy does not want any more."""
        if order.idempotency_key in self._stamped_before:
            return
        if order.provider not in [choice.key for choice in self.policy.providers]:
            yield f"{order.marker} is paid with {order.provider}, which the policy does not name"
        metadata = self.recall.recordings[order.recording_id].metadata
        if order.recording_id not in self.retried and why_not_selected(self.policy.select, metadata):
            yield f"{order.marker} is paid, and the policy does not select the recording"

    def _followed(self, recording_id: str, ordinal: int) -> Iterator[str]:
        """A manifest of ours that is followed by another attempt was not final."""
        if "provisional" not in self.lies or recording_id in self.retried or self.was_put_back:
            return
        for made in self.recall.transcripts.values():
            is_ours = made.recording_id == recording_id and made.ordinal is not None
            if is_ours and f"default/{recording_id}/{made.id}/manifest.json" in self.blobs.files:
                yield f"{made.id} has a manifest, and attempt {ordinal} is paid after it"

    def file_is_put(self, key: str, content: bytes) -> None:
        before = self.blobs.files.get(key, content)
        is_watched = "provisional" in self.lies and key.endswith("/manifest.json") and not self.was_put_back
        # Words may come between the manifest of an empty one and its commit: then it says what overtook it.
        is_overtaken = b"superseded_by" in content and b"superseded_by" not in before
        if is_watched and before != content and not is_overtaken:
            self.wrongs.append(f"{key} changes")
        worker = current()
        leased = worker.leased if worker is not None else self.lease
        if leased is None:
            return
        is_first_or_last = leased.token not in self._putting or key.endswith("/manifest.json")
        self._putting.add(leased.token)
        if is_first_or_last and not self.store.is_held(leased):
            self.wrongs.append(f"{key} is put by a worker whose lease went to another")


def _elapsed(seconds: float) -> str:
    minutes, s = divmod(seconds, 60)
    hours, m = divmod(int(minutes), 60)
    return f"[{hours:3d}:{m:02d}:{s:05.2f}]"


def short(text: str) -> str:
    """Ids as R1 and T3."""
    text = re.sub(r"aaaaaaaa-0000-4000-8000-0*([0-9]+)", r"R\1", text)
    return re.sub(r"bbbbbbbb-0000-4000-8000-0*([0-9]+)", r"T\1", text)
