"""The oracle can fail: each doctored piece of evidence is counted in exactly the row meant for it."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from app.core import reasons
from tests.chaos.hostile_requests import NEEDS_DATABASE, Answered
from tests.chaos.oracle import Evidence, Folder, Kind, Known, Removed, Terms, faults_of, judge
from tests.chaos.recovery import Recovery
from tests.chaos.script import STORED, End, Plan

_COMPLETED, _FAILED = frozenset({"transcription.completed"}), frozenset({"transcription.failed"})
_AT = "2026-01-01T12:00:00+00:00"
_AT_S = 1_767_268_800.0

Doctor = Callable[[Evidence], Evidence]


def _plan(number: int, **more: Any) -> Plan:
    given = {"title": "a scene", "script": {}, "paid": (1, 1), "ends": (STORED,)}
    return Plan(number=number, at_s=float(number), **{**given, **more})


def _transcript(recording_id: str, ordinal: int, status: str = "done") -> dict[str, Any]:
    return {
        "id": f"{recording_id}-t{ordinal}",
        "status": status,
        "marker": f"{recording_id}/{ordinal}",
        "provider": "recallai_async" if recording_id in "ad" and ordinal == 1 else "deepgram_async",
        "idempotency_key": f"key-of-{recording_id}-t{ordinal}",
    }


def _bill_of(recording_id: str, paid: int) -> dict[str, Any]:
    made = [_transcript(recording_id, ordinal) for ordinal in range(1, paid + 1)]
    return {"create_posts": paid, "billed": paid, "max_open": min(paid, 1), "transcripts": made}


def _delivery(recording_id: str, *, status: int | None = 202, **more: Any) -> dict[str, Any]:
    given = {
        "webhook_id": f"msg_{recording_id}",
        "event": "recording.done",
        "recording_id": recording_id,
        "forged": False,
        "state": "delivered",
        "attempts": [{"at": _AT, "status": status}],
    }
    return {**given, **more}


@pytest.fixture
def clean() -> Evidence:
    """Two that are stored, one that failed as scripted, one found though nobody told us of it."""
    plans = {
        "a": _plan(0),
        "b": _plan(1, paid=(2, 2)),
        "c": _plan(2, paid=(3, 3), ends=(End("failed", reasons.ALL_PROVIDERS_FAILED),)),
        "d": _plan(3, script={"recording_done": "drop"}),
    }
    forged = _delivery("a", status=401, webhook_id="msg_forged", forged=True, state="failed")
    return Evidence(
        plans=plans,
        bill={
            "per_recording": {i: _bill_of(i, paid) for i, paid in {"a": 1, "b": 2, "c": 3, "d": 1}.items()},
            "downloads_with_authorization": 0,
        },
        deliveries=[_delivery(i) for i in "abc"] + [forged, _delivery("d", state="dropped", attempts=[])],
        known={
            "a": Known("stored", current="a-t1"),
            "b": Known("stored", current="b-t2"),
            "c": Known("failed", reason=reasons.ALL_PROVIDERS_FAILED),
            "d": Known("stored", current="d-t1"),
        },
        kept=frozenset({"msg_a", "msg_b", "msg_c"}),
        folders={"a": {"a-t1": Folder()}, "b": {"b-t2": Folder()}, "d": {"d-t1": Folder()}},
        terms=Terms(budget=3),
        told={"a": _COMPLETED, "b": _COMPLETED | _FAILED, "c": _FAILED, "d": _COMPLETED},
        recoveries=(Recovery("a horse", is_kill=True, took_s=2.0), Recovery("database away", False, 40.0)),
    )


def test_a_run_that_went_as_scripted_has_no_offence(clean: Evidence) -> None:
    verdict = judge(clean)
    assert verdict.offences == ()
    assert dict(verdict.ends) == {STORED: 3, End("failed", reasons.ALL_PROVIDERS_FAILED): 1}
    assert (verdict.paid, verdict.paid_at_least) == (7, 7)
    assert verdict.longest_s == {True: 2.0, False: 40.0}


def _with_bill(recording_id: str, **changed: Any) -> Doctor:
    def doctored(evidence: Evidence) -> Evidence:
        bill = copy.deepcopy(dict(evidence.bill))
        bill["per_recording"][recording_id] |= changed
        return replace(evidence, bill=bill)

    return doctored


def _with_known(recording_id: str, known: Known | None) -> Doctor:
    def doctored(evidence: Evidence) -> Evidence:
        others = {i: k for i, k in evidence.known.items() if i != recording_id}
        return replace(evidence, known=others if known is None else {**others, recording_id: known})

    return doctored


def _with_folders(recording_id: str, folders: dict[str, Folder]) -> Doctor:
    return lambda evidence: replace(evidence, folders={**evidence.folders, recording_id: folders})


def _with_delivery(delivery: dict[str, Any]) -> Doctor:
    return lambda evidence: replace(evidence, deliveries=[*evidence.deliveries, delivery])


def _with_strangers(*answered: Answered) -> Doctor:
    return lambda evidence: replace(evidence, stranger_5xx=answered)


def _with_told(recording_id: str, told: frozenset[str]) -> Doctor:
    return lambda evidence: replace(evidence, told={**evidence.told, recording_id: told})


def _with_theirs(evidence: Evidence, recording_id: str) -> Evidence:
    bill = copy.deepcopy(dict(evidence.bill))
    bill["per_recording"][recording_id] = _bill_of(recording_id, 0)
    return replace(evidence, bill=bill, theirs=(recording_id,))


_ONE_MARKER = [_transcript("b", 1), _transcript("b", 1)]
_MORE = _delivery("a", webhook_id="msg_more")
_REFUSED = {"at": _AT, "status": 503}


@pytest.mark.parametrize(
    ("known", "has_ended"),
    [
        (Known("stored", current="a-t1"), True),
        (Known("stored", current="a-t1", has_pending=True), False),
        (Known("failed", reason=reasons.NO_ANSWER, has_pending=True), True),
        (Known("transcribing"), False),
    ],
)
def test_the_play_waits_for_what_has_not_ended_and_not_for_what_stays_with_a_failed_one(
    known: Known, has_ended: bool
) -> None:
    assert known.has_ended is has_ended


DOCTORED: dict[str, tuple[Kind, Doctor]] = {
    "acknowledged, and not in the database": (Kind.LOST, _with_known("a", None)),
    "nobody told us of it, and reconcile did not find it": (Kind.LOST, _with_known("d", None)),
    "nobody told us of it, and it waits for ever": (Kind.PENDING, _with_known("d", Known("new"))),
    "failed without a reason": (Kind.LOST, _with_known("c", Known("failed"))),
    "an acknowledged delivery is not in the database": (Kind.LOST, _with_delivery(_MORE)),
    "a delivery was given up": (
        Kind.LOST,
        _with_delivery(_delivery("a", status=None, webhook_id="msg_more", state="failed")),
    ),
    "still transcribing": (Kind.PENDING, _with_known("a", Known("transcribing"))),
    "a finished transcript is unread": (
        Kind.PENDING,
        _with_known("a", Known("stored", current="a-t1", has_pending=True)),
    ),
    "a delivery is under way": (
        Kind.PENDING,
        _with_delivery(_delivery("a", status=None, webhook_id="msg_more", state="pending")),
    ),
    "commands are due": (Kind.PENDING, lambda e: replace(e, undone=("3 commands due",))),
    "failed where it should be stored": (
        Kind.OTHER_END,
        _with_known("a", Known("failed", reason=reasons.OUR_FAULT)),
    ),
    "failed for another reason": (
        Kind.OTHER_END,
        _with_known("c", Known("failed", reason=reasons.NO_ANSWER)),
    ),
    "fewer paid than there had to be": (Kind.OTHER_END, _with_bill("b", billed=1)),
    "two with one marker": (Kind.PAID_TWICE, _with_bill("b", transcripts=_ONE_MARKER)),
    "two ran at a time": (Kind.PAID_TWICE, _with_bill("b", max_open=2)),
    "one more than the script needs": (Kind.PAID_TWICE, _with_bill("a", billed=2)),
    "above the budget": (Kind.OVER_BUDGET, _with_bill("c", billed=4)),
    "stored without a manifest": (Kind.HALF_WRITTEN, _with_folders("a", {})),
    "a file is missing": (Kind.HALF_WRITTEN, _with_folders("a", {"a-t1": Folder(("x is missing",))})),
    "a half-written folder beside a whole one": (
        Kind.HALF_WRITTEN,
        _with_folders("a", {"a-t1": Folder(), "a-t0": Folder(("x is missing",))}),
    ),
    "other bytes than Recall served": (
        Kind.OTHER_BYTES,
        _with_folders("a", {"a-t1": Folder(is_as_served=False)}),
    ),
    "a forgery was accepted": (
        Kind.FORGERY,
        _with_delivery(_delivery("a", webhook_id="msg_f", forged=True)),
    ),
    "a forgery was kept": (Kind.FORGERY, lambda e: replace(e, kept=e.kept | {"msg_forged"})),
    "the key went to the download host": (
        Kind.KEY_LEAKED,
        lambda e: replace(e, bill={**e.bill, "downloads_with_authorization": 1}),
    ),
    "a stranger got a 500": (Kind.STRANGER_5XX, _with_strangers(Answered("unsigned", 500, _AT_S))),
    "/v1 said 503 though the database was there": (
        Kind.STRANGER_5XX,
        _with_strangers(Answered(NEEDS_DATABASE, 503, _AT_S)),
    ),
    "503 to Recall though the database was there": (
        Kind.RECALL_5XX,
        _with_delivery({**_delivery("a"), "attempts": [_REFUSED, {"at": _AT, "status": 202}]}),
    ),
    "work went on too late after an outage": (
        Kind.NOT_RECOVERED,
        lambda e: replace(e, recoveries=(Recovery("database away", False, 61.0),)),
    ),
    "work went on too late after a kill": (
        Kind.NOT_RECOVERED,
        lambda e: replace(e, recoveries=(Recovery("a horse", True, 31.0),)),
    ),
    "a result was not announced": (Kind.UNTOLD, _with_told("a", frozenset())),
    "a failure was not announced": (Kind.UNTOLD, _with_told("c", frozenset())),
    "a failure was announced as a result, too": (Kind.OTHER_NEWS, _with_told("c", _COMPLETED | _FAILED)),
    "a result was announced too early": (Kind.EARLY_NEWS, lambda e: replace(e, told_early=("a",))),
    "an announcement was not signed": (Kind.FORGED_NEWS, lambda e: replace(e, told_forged=1)),
    "not at an end and without a command": (Kind.STUCK, lambda e: replace(e, stuck=frozenset({"a"}))),
    "a manifest that changed": (
        Kind.NOT_FINAL,
        lambda e: replace(e, not_final=(("a", "the manifest of a-t1 changed"),)),
    ),
    "paid under a key of after the provider was removed": (
        Kind.REMOVED_PAID,
        lambda e: replace(e, removed=Removed("recallai_async", frozenset({"key-of-a-t1"}))),
    ),
    "another workspace's recording paid": (
        Kind.FOREIGN_PAID,
        lambda e: _with_bill("t", **_bill_of("t", 1))(_with_theirs(e, "t")),
    ),
    "work never went on": (
        Kind.NOT_RECOVERED,
        lambda e: replace(e, recoveries=(Recovery("a horse", True, None),)),
    ),
}


@pytest.mark.parametrize("doctored", DOCTORED)
def test_what_must_not_be_is_counted_once_and_in_its_own_row(clean: Evidence, doctored: str) -> None:
    kind, doctor = DOCTORED[doctored]
    assert [offence.kind for offence in judge(doctor(clean)).offences] == [kind]


def test_every_row_has_evidence_that_fills_it() -> None:
    assert {kind for kind, _ in DOCTORED.values()} == set(Kind)


def test_503_to_recall_is_right_while_the_database_is_away_and_500_never(clean: Evidence) -> None:
    away = replace(clean, database_away=((_AT_S - 5, _AT_S + 5),))
    attempts = [{"at": _AT, "status": 503}, {"at": _AT, "status": 202}]
    assert judge(_with_delivery(_delivery("a") | {"attempts": attempts})(away)).offences == ()
    attempts = [{"at": _AT, "status": 500}, {"at": _AT, "status": 202}]
    verdict = judge(_with_delivery(_delivery("a") | {"attempts": attempts})(away))
    assert [o.kind for o in verdict.offences] == [Kind.RECALL_5XX]


def test_only_what_needs_the_database_may_say_503_to_a_stranger_while_it_is_away(clean: Evidence) -> None:
    away = replace(clean, database_away=((_AT_S - 5, _AT_S + 5),))
    assert judge(_with_strangers(Answered(NEEDS_DATABASE, 503, _AT_S))(away)).offences == ()
    for wrong in (Answered(NEEDS_DATABASE, 500, _AT_S), Answered("unsigned", 503, _AT_S)):
        assert [o.kind for o in judge(_with_strangers(wrong)(away)).offences] == [Kind.STRANGER_5XX]


@pytest.mark.parametrize(("on_silence", "kinds"), [("next", []), ("fail", [Kind.PAID_TWICE])])
def test_two_finished_are_counted_apart_where_the_policy_allows_it(
    clean: Evidence, on_silence: str, kinds: list[Kind]
) -> None:
    silent = _plan(0, script={"transcripts": ["never"]}, paid=(1, 2))
    given = _with_bill("a", billed=2, max_open=2)(replace(clean, plans={**clean.plans, "a": silent}))
    verdict = judge(replace(given, terms=Terms(budget=3, on_silence=on_silence)))
    assert [o.kind for o in verdict.offences] == kinds
    assert verdict.both_finished == (("a",) if on_silence == "next" else ())


def test_the_policy_next_excuses_no_recording_that_was_not_silent(clean: Evidence) -> None:
    given = replace(_with_bill("b", max_open=2)(clean), terms=Terms(budget=3, on_silence="next"))
    assert [o.kind for o in judge(given).offences] == [Kind.PAID_TWICE]


def test_a_folder_is_whole_when_everything_named_is_there_as_named() -> None:
    content = b"[]"
    digest = hashlib.sha256(content).hexdigest()
    told = {"size_bytes": len(content), "sha256": digest}
    manifest = json.dumps({"files": {"transcript.json": told}}).encode()
    there = {"transcript.json": (2, digest)}
    assert faults_of(manifest, there) == ()
    assert faults_of(manifest, {}) == ("transcript.json is missing",)
    assert faults_of(manifest, {"transcript.json": (1, digest)}) != ()
    assert faults_of(manifest, {"transcript.json": (2, "0" * 64)}) != ()
    assert faults_of(manifest[:-5], there) == ("the manifest cannot be read",)
    assert faults_of(b'{"files": {}}', there | {"x": (1, "")}) == ()
    assert faults_of(b'{"files": {}}', {}) == ("transcript.json is missing",)
