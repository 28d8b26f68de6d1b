"""
A pass that sees none of the recordings known here; what Recall answers outside commands; troubles and pauses
that end though nothing waits for their end.
"""

from __future__ import annotations

from dataclasses import replace

from app.core.events import RecordingDeleted
from app.errors import RecallBusy
from app.orchestrator.records import KEY_ACCEPTED, KEY_BY_HAND, KEY_FOREIGN, KEY_UNSEEING, Source
from app.recall.types import Answer
from tests.orchestrator.list_stage import HOUR, POLICY
from tests.orchestrator.test_recall_list_passes import Hall


# -- a pass that sees nothing known here -----------------------------------------------------------
def _unseeing() -> Hall:
    """What is known here was deleted at Recall, and a recording was never heard of."""
    hall = Hall()
    hall.is_pressed()
    hall.has(1)
    hall.sees = set()
    hall.a_pass()
    return hall


def _status(hall: Hall) -> str | None:
    return hall.store.key_status("default", hall.fingerprint)


def test_a_pass_that_sees_nothing_known_here_says_so_once_and_takes_nothing_up() -> None:
    hall = _unseeing()
    hall.a_pass(at=10)
    assert _status(hall) == KEY_UNSEEING
    assert "lost 0" not in hall.known
    told = [line for line in hall.lines if line["event"] == "pass_sees_nothing_known"]
    assert len(told) == 1
    assert "./afterword reconcile" in told[0]["remedy"]
    assert hall.service.account.may_ask(hall.service.workspaces["default"]), "commands go on"


def test_a_persons_yes_ends_the_vouching_for_this_key_and_no_other() -> None:
    hall = _unseeing()
    hall.service.account.sight.accept(hall.service.workspaces["default"], by_hand=True)
    hall.service = hall.open_service()
    hall.retrieved.clear()
    hall.a_pass(at=10)
    assert "lost 0" in hall.known
    assert (hall.retrieved, _status(hall)) == ([], KEY_BY_HAND)
    hall.fingerprint = "f2"
    assert not hall.service.account.may_ask(hall.service.workspaces["default"])


def test_a_pass_that_sees_a_known_recording_again_goes_on_by_itself() -> None:
    hall = _unseeing()
    hall.sees = None
    hall.a_pass(at=10)
    assert ("lost 0" in hall.known, _status(hall)) == (True, KEY_ACCEPTED)


def test_nothing_is_vouched_for_by_what_is_known_to_be_deleted() -> None:
    hall = Hall()
    hall.is_pressed()
    for recording in hall.known:
        deleted = RecordingDeleted(hall.at)
        hall.service.advance("default", recording, deleted, Source(by="webhook"))
    hall.has(1)
    hall.sees = set()
    hall.a_pass()
    assert ("lost 0" in hall.known, _status(hall)) == (True, KEY_ACCEPTED)


def test_a_pass_that_gets_no_answer_about_what_is_known_says_nothing_of_the_key() -> None:
    hall = Hall()
    hall.is_pressed()
    hall.has(1)

    def busy() -> None:
        raise RecallBusy("http_503", retry_after_s=1)

    hall.on_retrieve = busy
    hall.a_pass()
    assert ("lost 0" in hall.known, _status(hall)) == (False, KEY_ACCEPTED)


def test_a_key_that_was_never_accepted_is_not_in_use_for_a_pass_that_sees_nothing() -> None:
    hall = Hall()
    hall.fingerprint, hall.sees = "of another workspace", set()
    workspace = hall.open_service().workspaces["default"]
    account = hall.service.account
    assert account.may_ask(workspace), "nothing is known that it could be held against"
    hall.is_pressed()  # while the pass reads a page
    assert not account.sight.vouches(workspace)
    assert not account.may_ask(workspace)
    assert _status(hall) == KEY_FOREIGN


def test_a_persons_yes_while_a_pass_asks_stays() -> None:
    hall = _unseeing()
    hall.store.set_key_status("default", hall.fingerprint, KEY_ACCEPTED)
    sight, workspace = hall.service.account.sight, hall.service.workspaces["default"]
    hall.on_retrieve = lambda: sight.accept(workspace, by_hand=True)
    hall.a_pass(at=10)
    assert _status(hall) == KEY_BY_HAND


# -- what Recall answered meanwhile ----------------------------------------------------------------
def test_answers_to_a_pass_and_its_looks_are_counted_when_the_job_ends() -> None:
    hall = Hall()
    hall.is_pressed()
    hall.has(1)
    hall.a_pass()
    assert [a.endpoint for a in hall.store.answers] == ["recordings", "recording"]
    assert hall.counted == []


def test_answers_to_a_look_at_a_new_key_are_counted() -> None:
    hall = Hall()
    hall.is_pressed()
    hall.fingerprint = "rotated"
    assert hall.service.account.may_ask(hall.service.workspaces["default"])
    assert [a.endpoint for a in hall.store.answers] == ["recording"]


def test_trouble_is_looked_at_again_where_nothing_else_asks() -> None:
    hall = Hall(policy=replace(POLICY, reconcile=False))
    hall.store.note_answers("default", [Answer("retrieve", "silence")])
    hall.sweeps()
    assert hall.queue.passes_asked == 1
    hall.works()
    assert len(hall.probes) == 1
    assert hall.store.recall_trouble_since("default") is None
    hall.at += HOUR
    hall.sweeps()
    assert hall.queue.passes_asked == 1


def test_a_pause_about_creates_ends_when_no_create_waits() -> None:
    hall = Hall()
    hall.is_pressed()
    hall.service.account.refused(hall.service.workspaces["default"], 402, creates_only=True)
    hall.sweeps()
    assert hall.store.paused("default") is not None, "its create sees when the account is mended"
    hall.store.commands.clear()
    hall.sweeps()
    assert hall.store.paused("default") is None
