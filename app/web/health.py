"""
Is the service ready, and if not, which part? Only the database decides about "unavailable": without it
a delivery cannot be kept. Everything else makes the service late, not deaf.

All parts are asked at once, each in a thread of its own, and what has not answered in time is "unknown": a
database that hangs, a Redis that stands still, a mount whose server is gone delay the answer by no more than
that. A question that hangs is not asked a second time meanwhile: one thread per part, however often one asks.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

import structlog

from app.adapters.redis.job_queue import QueueCounts, RqQueue
from app.adapters.sql.announcements import DISABLED, FAILING, EndpointState
from app.adapters.sql.health import Facts, Health
from app.core.durations import Scaled, seconds
from app.errors import AfterwordError
from app.orchestrator.ports_blobs import ResultBlobs
from app.orchestrator.records import KEY_FOREIGN, KEY_UNSEEING
from app.processes import heartbeats
from app.recall.limits import STATUS_PAGE
from app.settings.outgoing import Endpoint
from app.settings.workspaces import WorkspaceSettings

PARTS = ("database", "queue", "storage", "workers", "recall", "providers", "inbox", "outgoing", "budget")
RESPONSE_TIMEOUT_S = 0.7  # of the second in which /readyz answers
FRESH_FOR_S = 1.0

OK, DOWN, PAUSED, UNKNOWN = "ok", "down", "paused", "unknown"

# Causes of "down" that have a sentence of their own.
_SILENT, _BLOCKED, _UNREAD = "silent", "blocked", "unread"
_UNREADABLE, _NONE_COME = "unreadable", "none_come"
# A key's status, and the cause that `/readyz` names.
_BLIND = {KEY_FOREIGN: "key_sees_nothing_here", KEY_UNSEEING: "pass_sees_nothing_known"}
# A clock that is a little ahead of the database's is no reason to take no notice.
_SKEW_S = 300.0

_SENTENCES: Mapping[str, Mapping[str, str]] = {
    "database": {
        DOWN: (
            "The database takes no writes: webhooks get 503 and come again. Look at its disk and log; "
            "`./afterword check` may say why."
        ),
        UNKNOWN: "The database does not answer: webhooks get 503 and come again. Look at its host and log.",
    },
    "queue": {
        DOWN: "Redis is away or takes no writes: work waits in the database. `./afterword check` says why.",
        UNKNOWN: "Redis does not answer: work waits in the database. Look at its host and log.",
    },
    "storage": {
        DOWN: "The storage takes no writes: finished transcripts wait. `./afterword check` says why.",
        UNKNOWN: "The storage does not answer: finished transcripts wait. Look at its mount or host.",
    },
    "workers": {
        DOWN: "No worker or no dispatcher is at work: all waits. Start ./afterword up, or see its log.",
        UNKNOWN: "Whether workers are at work is not known while the database or Redis does not answer.",
        _SILENT: (
            "No heartbeat for a minute from {who}: stopped, hung, or it dies at each start. `up` starts "
            "again what has ended: see its log's lines child_died; what hangs has to be killed."
        ),
    },
    "recall": {
        DOWN: (
            "Recall refuses everything or does not answer, for a minute or longer: work waits and is tried "
            f"again. See {STATUS_PAGE} and this machine's way to the internet."
        ),
        PAUSED: "Recall's account or key needs a hand: see ./afterword check.",
        UNKNOWN: "How Recall answers is not known while the database does not answer.",
        _BLOCKED: (
            "Finished transcripts cannot be downloaded, for a minute or longer: they wait and are tried "
            "again. See this machine's way to the download hosts (proxy, firewall); `./afterword list` says "
            "what waits."
        ),
        _UNREAD: (
            "Recall's list of recordings could not be read for hours: lost webhooks are not made up for. "
            "The log's lines reconcile_put_off say why."
        ),
    },
    "providers": {
        DOWN: (
            "Every provider of the policy is passed over after failing again and again. Look at their "
            "credentials and balance in Recall's dashboard; one attempt tries each again within a quarter of "
            "an hour."
        ),
        UNKNOWN: "How the providers are is not known while the database does not answer.",
    },
    "inbox": {
        DOWN: (
            "Webhooks come and are refused, all of the last ten minutes: the log's lines webhook_rejected "
            "say why and what to do."
        ),
        UNKNOWN: "What became of the last webhooks is not known while the database does not answer.",
        _UNREADABLE: (
            "A rightly signed webhook could not be read: number {number}; the log's line delivery_unreadable "
            "says why. `./afterword replay {number}` tries again after an update, or puts it aside."
        ),
        _NONE_COME: (
            "Recordings are found in Recall's list that no webhook told of, and none came for a day: each is "
            "late. Look in Recall's dashboard (Webhooks) whether the endpoint is enabled and its URL leads "
            "here."
        ),
    },
    "outgoing": {
        DOWN: (
            "Outgoing webhooks to {failing} fail again and again: what is announced waits and is tried "
            "again. `./afterword webhooks deliveries` says what comes back."
        ),
        PAUSED: (
            "Outgoing webhooks to {gone} are disabled: it answered 410, and what is announced waits. "
            "`./afterword webhooks enable {first}` sends it all, as does another url."
        ),
        UNKNOWN: "How the endpoints are is not known while the database does not answer.",
    },
    "budget": {
        PAUSED: (
            "The daily budget is reached: new attempts wait for the next UTC day (`./afterword list`). "
            "`./afterword retry RECORDING --over-budget` pays for one all the same; a higher daily_budget "
            "under [cost] lets all go on."
        ),
        UNKNOWN: "Whether the daily budget is reached is not known while the database does not answer.",
    },
}
NO_WEB = (
    "No web process answers: webhooks are not taken, and Recall sends them again. See the log of `up`; one "
    "that hangs has to be killed, then `up` starts it again."
)

log = structlog.get_logger()


T = TypeVar("T")


class Probe(Generic[T]):
    """One question that may hang, asked in a thread of its own; its answer holds for a second."""

    def __init__(self, ask: Callable[[], T], *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._answered = threading.Event()
        self._is_out = False
        self._began_at = self._ended_at = float("-inf")
        self._answer: T | None = None
        self._is_well = False

    def begin(self) -> None:
        """Asks, unless the last answer is fresh or a question is still out."""
        with self._lock:
            now = self._monotonic()
            if self._is_out or now - self._ended_at < FRESH_FOR_S:
                return
            self._is_out, self._began_at = True, now
            self._answered.clear()
            try:
                threading.Thread(target=self._run, name="probe", daemon=True).start()
            except RuntimeError:  # no thread to be had: as if it hung, but not for ever
                self._is_out = False

    def result(self, within_s: float) -> tuple[str, T | None]:
        """
        "ok" and the answer, "down" when it raised, or "unknown" while there is none. `within_s` counts from
        the moment of asking: of many that wait for one that hangs, none waits longer than the first.
        """
        self._answered.wait(max(0.0, self._began_at + within_s - self._monotonic()))
        with self._lock:
            if self._is_out or not self._answered.is_set():
                return UNKNOWN, None
            if self._is_well:
                return OK, self._answer
            # A time-out of the part's own, later than our patience, is no other answer than none.
            return (DOWN if self._ended_at - self._began_at <= within_s else UNKNOWN), None

    def _run(self) -> None:
        answer, is_well = None, False
        try:
            answer, is_well = self._ask(), True
        except AfterwordError:
            pass
        except Exception as error:  # the outermost line of this thread; its message may quote what is secret
            stack = "".join(traceback.format_tb(error.__traceback__))
            log.error("request_failed", route="readiness", error=type(error).__name__, stack=stack)
        with self._lock:
            self._answer, self._is_well = answer, is_well
            self._ended_at, self._is_out = self._monotonic(), False
            self._answered.set()


@dataclass(frozen=True, slots=True)
class Report:
    """
    How the service is.

    Attributes:
        parts: Each of `PARTS` to "ok", "down", "paused" or "unknown".
        facts, queues: From the database, from Redis; None when that did not answer in time.
        causes: Why a part is "down", where there is a sentence for that alone.
        silent: Processes that should give heartbeats, and do not.
        endpoints: Of outgoing webhooks, by their names: "ok", "failing" or "disabled".
    """

    parts: Mapping[str, str]
    facts: Facts | None = None
    queues: tuple[QueueCounts, ...] | None = None
    causes: Mapping[str, str] = field(default_factory=dict)
    silent: tuple[str, ...] = ()
    endpoints: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_ready(self) -> bool:
        """Whether a write to the inbox works."""
        return self.parts["database"] == OK

    @property
    def status(self) -> str:
        """ "ok", "degraded" or "unavailable"."""
        if not self.is_ready:
            return "unavailable"
        return "ok" if all(state == OK for state in self.parts.values()) else "degraded"

    @property
    def oldest_undone_s(self) -> float | None:
        """Age of the oldest work that is wanted and not done; None when there is none, or it is not known."""
        return self.facts.oldest_undone_s if self.facts is not None else None

    def body(self) -> dict[str, object]:
        """Of `/readyz`."""
        parts, undone_s = dict(self.parts), self.oldest_undone_s
        body: dict[str, object] = {"status": self.status, "parts": parts, "oldest_undone_s": undone_s}
        if self.facts is not None and self.facts.pause is not None:
            since_s = round(self.facts.now - self.facts.pause.since, 1)
            body["recall_paused"] = {"cause": self.facts.pause.cause, "since_s": since_s}
        elif self.facts is not None and self.facts.key_status in _BLIND:
            body["recall_paused"] = {"cause": _BLIND[self.facts.key_status], "since_s": None}
        return body

    def by_part(self) -> dict[str, str]:
        """A sentence with its remedy for each part that is not well, and for "web", no part of `parts`."""
        who, number = ", ".join(self.silent), self.facts.unreadable if self.facts is not None else None
        gone = [name for name, state in self.endpoints.items() if state == DISABLED]
        failing = [name for name, state in self.endpoints.items() if state == FAILING]
        more = {"gone": ", ".join(gone), "first": gone[0] if gone else "", "failing": ", ".join(failing)}
        told = {
            part: _SENTENCES[part][self.causes.get(part, state)].format(who=who, number=number, **more)
            for part, state in self.parts.items()
            if state != OK
        }
        is_webless = self.facts is not None and heartbeats.has_lost_web(self.facts.heartbeats, self.silent)
        return {**told, "web": NO_WEB} if is_webless else told


@dataclass(frozen=True, slots=True)
class ToldAfter(Scaled):
    """Seconds after which something is told, or for which it is."""

    trouble_s: float = seconds(60, floor=1)  # Recall refuses or is silent
    refusals_for_s: float = seconds(600, floor=10)
    unread_list_s: float = seconds(7200, floor=60)  # no page of Recall's list was read
    no_webhook_s: float = seconds(86_400, floor=60)  # though recordings are found there


class Readiness:
    """Asks every part. One that ails in a workspace is said to ail, in the words of the first such one."""

    def __init__(
        self,
        store: Health,
        queue: RqQueue,
        blobs: ResultBlobs,
        *,
        workspaces: Collection[WorkspaceSettings],
        endpoints: Collection[Endpoint] = (),
        told: ToldAfter,
    ) -> None:
        self._workspaces, self._endpoints = tuple(workspaces), tuple(endpoints)
        self._told = told
        self._write = Probe(store.check_write)
        self._facts = Probe(
            lambda: [store.health(one.name, fingerprint=one.fingerprint) for one in self._workspaces]
        )
        self._queue = Probe(queue.check_write)
        self._queues = Probe(queue.counts)  # by names that the database keeps: hangs with either
        self._blobs = Probe(blobs.check)

    def answer(self) -> tuple[dict[str, object], bool]:
        """As `WebParts.readiness`."""
        report = self.ask()
        return report.body(), report.is_ready

    def ask(self, *, within_s: float = RESPONSE_TIMEOUT_S) -> Report:
        """As of now, or of the last second. Never raises."""
        probes: tuple[Probe[object], ...] = (self._write, self._facts, self._queue, self._queues, self._blobs)  # type: ignore[assignment]
        for probe in probes:
            probe.begin()
        database, _ = self._write.result(within_s)
        storage, _ = self._blobs.result(within_s)
        queue, _ = self._queue.result(within_s)
        _, queues = self._queues.result(within_s)
        _, found = self._facts.result(within_s)
        parts = {"database": database, "queue": queue, "storage": storage}
        if found is None:
            return Report(parts | dict.fromkeys(PARTS[3:], UNKNOWN), None, queues)
        pairs = list(zip(self._workspaces, found, strict=True))
        recall = [self._recall(*pair) for pair in pairs]
        facts = next((f for f, state in zip(found, recall, strict=True) if state != OK), found[0])
        facts = replace(facts, breakers={k: v for one in found for k, v in one.breakers.items()})
        silent = heartbeats.silent(facts.heartbeats, now=facts.now)
        states = {
            "workers": _workers(facts, queues, silent),
            "recall": _worst(recall),
            "providers": _worst(_providers(*pair) for pair in pairs),
            "inbox": _worst(self._inbox(*pair) for pair in pairs),
            "outgoing": _outgoing(endpoints := self._endpoint_states(facts)),
            "budget": PAUSED if facts.is_budget_reached else OK,
        }
        causes = {part: state for part, state in states.items() if state not in (OK, DOWN, PAUSED, UNKNOWN)}
        parts |= states | dict.fromkeys(causes, DOWN)
        return Report(parts, facts, queues, causes, silent, endpoints)

    def _endpoint_states(self, facts: Facts) -> dict[str, str]:
        nothing = EndpointState()
        return {one.name: facts.endpoints.get(one.name, nothing).said(one.digest) for one in self._endpoints}

    def _recall(self, workspace: WorkspaceSettings, facts: Facts) -> str:
        if facts.pause is not None or facts.key_status in _BLIND:
            return PAUSED
        told_after_s = self._told.trouble_s
        for since, state in ((facts.recall_trouble_since, DOWN), (facts.download_trouble_since, _BLOCKED)):
            if since is not None and facts.now - since >= told_after_s:
                return state
        return _UNREAD if workspace.policy.reconcile and self._is_list_unread(facts) else OK

    def _is_list_unread(self, facts: Facts) -> bool:
        began = heartbeats.started_at(facts.heartbeats)
        if began is None:  # nothing runs, or nothing that says since when
            return False
        last = max(began, facts.first_start_at or 0.0, facts.list_read_at or 0.0)
        return facts.now - last >= self._told.unread_list_s

    def _inbox(self, workspace: WorkspaceSettings, facts: Facts) -> str:
        if facts.has_unreadable:
            return _UNREADABLE
        accepted, lately_s = (facts.accepted_at, facts.last_webhook_at), self._told.refusals_for_s
        is_refused = bool(workspace.webhook_secrets) and _is_of_the_last(lately_s, facts, facts.refused_at)
        if is_refused and not _is_of_the_last(lately_s, facts, *accepted):
            return DOWN
        day_s = self._told.no_webhook_s
        is_made_up_for = not workspace.policy.poll_only and _is_of_the_last(
            day_s, facts, facts.made_up_for_at
        )
        has_heard = _is_of_the_last(day_s, facts, *accepted, facts.first_start_at)  # a day is given to begin
        return _NONE_COME if is_made_up_for and not has_heard else OK


def _outgoing(endpoints: Mapping[str, str]) -> str:
    states = endpoints.values()
    return PAUSED if DISABLED in states else DOWN if FAILING in states else OK


def _worst(states: Iterable[str]) -> str:
    return next((state for state in states if state != OK), OK)


def _providers(workspace: WorkspaceSettings, facts: Facts) -> str:
    wanted = {choice.key for choice in workspace.policy.providers}
    return DOWN if wanted and wanted <= facts.passed_over else OK


def _is_of_the_last(seconds: float, facts: Facts, *moments: float | None) -> bool:
    """Whether one of the moments is; none that a clock set back since has put into the future."""
    return any(at is not None and -_SKEW_S <= facts.now - at <= seconds for at in moments)


def _workers(facts: Facts, queues: tuple[QueueCounts, ...] | None, silent: Collection[str]) -> str:
    age_s, _ = facts.heartbeats.get("dispatcher", (float("inf"), ""))
    if age_s > heartbeats.ALIVE_WITHIN_S:
        return DOWN
    if queues is None:
        return UNKNOWN
    if not all(queue.workers for queue in queues):
        return DOWN
    return _SILENT if any(not name.startswith("web@") for name in silent) else OK
