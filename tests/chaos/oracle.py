"""
What became of every recording, judged by Recall's own bill, its list of deliveries and the stored files.
Pure: evidence in, offences out. The service's database is asked only how it says that each one ended.

Every offence is counted in exactly one row; tests doctor the evidence and expect exactly that row.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from tests.chaos.hostile_requests import NEEDS_DATABASE, Answered
from tests.chaos.recovery import Recovery
from tests.chaos.script import End, Plan

ENDS = frozenset({"stored", "failed", "skipped", "erased"})
# Of the end of the last fault.
RECOVERS_WITHIN_S = {True: 30.0, False: 60.0}  # by: was it only a killed process?
# A request that was being answered when the database came back may still be refused.
_STILL_AWAY_S = 8.0


class Kind(StrEnum):
    """The rows that must be 0."""

    LOST = "lost"
    PENDING = "pending"
    OTHER_END = "ended otherwise than scripted"
    PAID_TWICE = "paid twice"
    OVER_BUDGET = "budget exceeded"
    HALF_WRITTEN = "half-written"
    OTHER_BYTES = "stored otherwise than served"
    FORGERY = "forged deliveries accepted"
    KEY_LEAKED = "API key sent to the download host"
    STRANGER_5XX = "5xx to strangers"
    RECALL_5XX = "5xx to Recall with the database there"
    NOT_RECOVERED = "recovered too late"
    STUCK = "stuck: not at an end, and nothing to do"
    NOT_FINAL = "a manifest that was not final"
    REMOVED_PAID = "a removed provider paid"
    FOREIGN_PAID = "another workspace's recording paid"
    UNTOLD = "ended and not announced"
    OTHER_NEWS = "announced and did not end so"
    EARLY_NEWS = "announced before its manifest"
    FORGED_NEWS = "announcement with a wrong signature"


@dataclass(frozen=True, slots=True)
class Offence:
    """One thing that must not be; `recording_id` is None where it is about none."""

    kind: Kind
    recording_id: str | None
    what: str


@dataclass(frozen=True, slots=True)
class Known:
    """How the service says that a recording ended."""

    phase: str
    reason: str | None = None
    current: str | None = None
    has_pending: bool = False

    @property
    def is_unread(self) -> bool:
        """A finished transcript waits beside the result; one that cannot be read stays with a failed one."""
        return self.has_pending and self.phase == "stored"

    @property
    def has_ended(self) -> bool:
        return self.phase in ENDS and not self.is_unread


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of results with a manifest: what is wrong with it, and whether it is what Recall served."""

    faults: tuple[str, ...] = ()
    is_as_served: bool = True


@dataclass(frozen=True, slots=True)
class Terms:
    """What is expected of this run beyond the plans."""

    budget: int
    on_silence: str = "fail"


@dataclass(frozen=True, slots=True)
class Removed:
    """A provider, and the Idempotency-Keys of before: a repetition under one sends the same bytes."""

    provider: str
    keys_before: frozenset[str]


@dataclass(frozen=True, slots=True)
class Evidence:
    """
    Everything read after a run.

    Attributes:
        plans: By recording id.
        bill: The simulator's `/_sim/bill`.
        deliveries: The simulator's `/_sim/deliveries`.
        known: By recording id.
        kept: Webhook ids in the database.
        folders: By recording id, then by transcript id; only those with a manifest.
        undone: Work that is still due, in words.
        stranger_5xx: What strangers sent that was answered with a 5xx.
        database_away: (from, to), seconds since the epoch.
        recoveries: One for every fault that could be measured.
        stuck: Recordings that were not at an end and had no command, at any look.
        not_final: (recording, what is wrong) with a manifest that a reader has seen.
        removed: What was taken out of the policy while the service ran.
        told: What a healthy endpoint of outgoing webhooks was told of each recording.
        told_early: Recordings whose manifest was not there at that moment.
        told_forged: Requests to it that were not rightly signed.
        theirs: Recordings of another workspace, to whose key the service was restarted for a while.
    """

    plans: Mapping[str, Plan]
    bill: Mapping[str, Any]
    deliveries: Sequence[Mapping[str, Any]]
    known: Mapping[str, Known]
    kept: frozenset[str]
    folders: Mapping[str, Mapping[str, Folder]]
    terms: Terms
    undone: tuple[str, ...] = ()
    stranger_5xx: tuple[Answered, ...] = ()
    database_away: tuple[tuple[float, float], ...] = ()
    recoveries: tuple[Recovery, ...] = ()
    stuck: frozenset[str] = frozenset()
    not_final: tuple[tuple[str, str], ...] = ()
    removed: Removed | None = None
    theirs: tuple[str, ...] = ()
    told: Mapping[str, frozenset[str]] = field(default_factory=dict)
    told_early: tuple[str, ...] = ()
    told_forged: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    Attributes:
        offences: None at all, or the run has failed.
        ends: How often each scripted end was reached.
        both_finished: Two of ours ran at a time because the policy says `on_silence = "next"`.
        paid, paid_at_least: Accepted creates, and the scripted minimum.
        longest_s: Longest recovery by (was it only a killed process?).
    """

    offences: tuple[Offence, ...]
    ends: Mapping[End, int] = field(default_factory=dict)
    both_finished: tuple[str, ...] = ()
    paid: int = 0
    paid_at_least: int = 0
    longest_s: Mapping[bool, float] = field(default_factory=dict)

    def count(self, kind: Kind) -> int:
        return sum(offence.kind is kind for offence in self.offences)


def faults_of(manifest: bytes, files: Mapping[str, tuple[int, str]]) -> tuple[str, ...]:
    """
    What is wrong with a folder of results.

    Args:
        manifest: The bytes of `manifest.json`.
        files: What lies beside it: name to (size in bytes, SHA-256 as hex).
    """
    try:
        named = json.loads(manifest)["files"]
        wanted = {name: (file["size_bytes"], file["sha256"]) for name, file in named.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return ("the manifest cannot be read",)
    missing = [f"{name} is missing" for name in sorted({"transcript.json", *wanted} - set(files))]
    other = [
        f"{name} is not as the manifest says"
        for name in sorted(wanted)
        if name in files and files[name] != wanted[name]
    ]
    return tuple(missing + other)


def judge(evidence: Evidence) -> Verdict:
    """Holds everything against the script."""
    offences: list[Offence] = []
    ends: Counter[End] = Counter()
    both = []
    for recording_id, plan in evidence.plans.items():
        known = evidence.known.get(recording_id)
        offences += _of_the_end(recording_id, plan, known, evidence)
        if known is not None and End(known.phase, known.reason) in plan.ends:
            ends[End(known.phase, known.reason)] += 1
            offences += _of_the_news(recording_id, known, evidence.told.get(recording_id, frozenset()))
        offences += _of_the_files(recording_id, evidence)
        offences += _of_the_removed(recording_id, evidence)
        money = list(_of_the_money(recording_id, plan, evidence))
        if plan.is_silent and evidence.terms.on_silence == "next" and _only_paid_twice(money):
            both.append(recording_id)
        else:
            offences += money
    offences += [
        *_of_the_deliveries(evidence),
        *_of_what_was_seen_meanwhile(evidence),
        *_of_the_surroundings(evidence),
    ]
    per_recording = evidence.bill["per_recording"]
    return Verdict(
        offences=tuple(offences),
        ends=dict(ends),
        both_finished=tuple(both),
        paid=sum(per_recording[i]["billed"] for i in evidence.plans),
        paid_at_least=sum(plan.paid[0] for plan in evidence.plans.values()),
        longest_s=_longest(evidence.recoveries),
    )


def _is_acknowledged(delivery: Mapping[str, Any]) -> bool:
    return any(a["status"] is not None and 200 <= a["status"] < 300 for a in delivery["attempts"])


def _of_the_end(recording_id: str, plan: Plan, known: Known | None, evidence: Evidence) -> Iterator[Offence]:
    if known is None:
        # Also when its webhook was never sent: then reconcile has to find it in Recall's list.
        yield Offence(Kind.LOST, recording_id, "not in the database")
    elif known.phase not in ENDS:
        yield Offence(Kind.PENDING, recording_id, f"still {known.phase}")
    elif known.phase == "failed" and known.reason is None:
        yield Offence(Kind.LOST, recording_id, "failed without a reason")
    elif known.is_unread:
        yield Offence(Kind.PENDING, recording_id, "a finished transcript was not looked at")
    elif End(known.phase, known.reason) not in plan.ends:
        wanted = " or ".join(map(str, plan.ends))
        yield Offence(Kind.OTHER_END, recording_id, f"{End(known.phase, known.reason)}, not {wanted}")
    elif known.phase == "stored" and known.current not in evidence.folders.get(recording_id, {}):
        yield Offence(Kind.HALF_WRITTEN, recording_id, "stored, and there is no manifest")
    elif evidence.bill["per_recording"][recording_id]["billed"] < plan.paid[0]:
        yield Offence(Kind.OTHER_END, recording_id, f"fewer paid than the script's {plan.paid[0]}")


def _of_the_files(recording_id: str, evidence: Evidence) -> Iterator[Offence]:
    for transcript_id, folder in evidence.folders.get(recording_id, {}).items():
        for fault in folder.faults:
            yield Offence(Kind.HALF_WRITTEN, recording_id, f"{transcript_id}: {fault}")
        if not folder.faults and not folder.is_as_served:
            yield Offence(Kind.OTHER_BYTES, recording_id, transcript_id)


def _of_the_money(recording_id: str, plan: Plan, evidence: Evidence) -> Iterator[Offence]:
    bill = evidence.bill["per_recording"][recording_id]
    markers = Counter(t["marker"] for t in bill["transcripts"] if t["marker"])
    doubled = sorted(marker for marker, number in markers.items() if number > 1)
    if bill["billed"] > evidence.terms.budget:
        what = f"{bill['billed']} paid, {evidence.terms.budget} allowed"
        yield Offence(Kind.OVER_BUDGET, recording_id, what)
    elif doubled:
        yield Offence(Kind.PAID_TWICE, recording_id, f"two transcripts marked {doubled[0]}")
    elif bill["max_open"] > 1:
        yield Offence(Kind.PAID_TWICE, recording_id, f"{bill['max_open']} of ours ran at one time")
    elif bill["billed"] > plan.paid[1]:
        what = f"{bill['billed']} paid where the script needs {plan.paid[1]}"
        yield Offence(Kind.PAID_TWICE, recording_id, what)


def _of_the_removed(recording_id: str, evidence: Evidence) -> Iterator[Offence]:
    removed = evidence.removed
    if removed is None:
        return
    for made in evidence.bill["per_recording"][recording_id]["transcripts"]:
        is_ours = made["marker"] is not None and made["provider"] == removed.provider
        if is_ours and made["idempotency_key"] not in removed.keys_before:
            what = f"{made['id']} by {removed.provider}, under a key of after the change"
            yield Offence(Kind.REMOVED_PAID, recording_id, what)


# By the end: what must have been announced, and what may have been (a success after a failure is).
_NEWS = {
    "stored": ("transcription.completed", {"transcription.completed", "transcription.failed"}),
    "failed": ("transcription.failed", {"transcription.failed"}),
}


def _of_the_news(recording_id: str, known: Known, told: frozenset[str]) -> Iterator[Offence]:
    """Of one that ended as scripted; what did not is told in a row of its own."""
    wanted, allowed = _NEWS.get(known.phase, (None, set[str]()))
    if wanted is not None and wanted not in told:
        yield Offence(Kind.UNTOLD, recording_id, f"{wanted} never came")
    if wrong := told - allowed:
        yield Offence(Kind.OTHER_NEWS, recording_id, ", ".join(sorted(wrong)))


def _only_paid_twice(offences: Sequence[Offence]) -> bool:
    return bool(offences) and all(offence.kind is Kind.PAID_TWICE for offence in offences)


def _of_the_deliveries(evidence: Evidence) -> Iterator[Offence]:
    for delivery in evidence.deliveries:
        name = f"{delivery['event']} {delivery['webhook_id']}"
        if delivery["forged"]:
            if _is_acknowledged(delivery) or delivery["webhook_id"] in evidence.kept:
                yield Offence(Kind.FORGERY, delivery["recording_id"], name)
            continue
        yield from _of_the_delivery(delivery, name, evidence.kept)
        for attempt in delivery["attempts"]:
            at = datetime.fromisoformat(attempt["at"]).timestamp()
            if _is_wrong_5xx(attempt["status"], at, evidence.database_away):
                yield Offence(Kind.RECALL_5XX, delivery["recording_id"], f"{attempt['status']} to {name}")


def _of_the_delivery(delivery: Mapping[str, Any], name: str, kept: frozenset[str]) -> Iterator[Offence]:
    recording_id, is_acknowledged = delivery["recording_id"], _is_acknowledged(delivery)
    if is_acknowledged and delivery["webhook_id"] not in kept:
        yield Offence(Kind.LOST, recording_id, f"{name} was acknowledged and is not in the database")
    elif delivery["state"] == "failed" and not is_acknowledged:
        yield Offence(Kind.LOST, recording_id, f"{name} was never accepted")
    elif delivery["state"] in ("pending", "held"):
        # Recall's schedule grows to ten hours: unlucky or refused, the tries tell.
        tries = ", ".join(f"{a['at'][11:19]} {a['status'] or a.get('error')}" for a in delivery["attempts"])
        yield Offence(Kind.PENDING, recording_id, f"{name} is still being delivered; tries: {tries}")


def _is_wrong_5xx(status: int | None, at: float, away: Sequence[tuple[float, float]]) -> bool:
    if status is None or status < 500:
        return False
    is_away = any(begin - _STILL_AWAY_S <= at <= end + _STILL_AWAY_S for begin, end in away)
    return not (status == 503 and is_away)


def _of_what_was_seen_meanwhile(evidence: Evidence) -> Iterator[Offence]:
    for recording_id in sorted(evidence.stuck):
        yield Offence(Kind.STUCK, recording_id, "it had no command")
    for recording_id, what in evidence.not_final:
        yield Offence(Kind.NOT_FINAL, recording_id, what)
    for recording_id in evidence.told_early:
        yield Offence(Kind.EARLY_NEWS, recording_id, "there was no manifest")
    if evidence.told_forged:
        yield Offence(Kind.FORGED_NEWS, None, f"{evidence.told_forged} times")
    for recording_id in evidence.theirs:
        if billed := evidence.bill["per_recording"][recording_id]["billed"]:
            yield Offence(Kind.FOREIGN_PAID, recording_id, f"{billed} times")


def _of_the_surroundings(evidence: Evidence) -> Iterator[Offence]:
    for what in evidence.undone:
        yield Offence(Kind.PENDING, None, what)
    for answered in evidence.stranger_5xx:
        away = evidence.database_away if answered.what == NEEDS_DATABASE else ()
        if _is_wrong_5xx(answered.status, answered.at, away):
            when = datetime.fromtimestamp(answered.at).strftime("%H:%M:%S")
            yield Offence(Kind.STRANGER_5XX, None, f"{answered.status} for {answered.what} at {when}")
    if evidence.bill["downloads_with_authorization"]:
        yield Offence(Kind.KEY_LEAKED, None, f"{evidence.bill['downloads_with_authorization']} times")
    for recovery in evidence.recoveries:
        limit_s = RECOVERS_WITHIN_S[recovery.is_kill]
        if recovery.took_s is None:
            yield Offence(Kind.NOT_RECOVERED, None, f"after {recovery.fault}: nothing was created any more")
        elif recovery.took_s > limit_s:
            what = f"after {recovery.fault}: {recovery.took_s:.1f} s, not {limit_s:g}"
            yield Offence(Kind.NOT_RECOVERED, None, what)


def _longest(recoveries: Sequence[Recovery]) -> dict[bool, float]:
    found: dict[bool, float] = {}
    for recovery in recoveries:
        if recovery.took_s is not None:
            found[recovery.is_kill] = max(found.get(recovery.is_kill, 0.0), recovery.took_s)
    return found
