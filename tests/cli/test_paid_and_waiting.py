"""What is said to be paid for, and what a recording is said to wait for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.adapters.sql.finding import Pending
from app.core.state import ENDS, Attempt, AttemptStatus, Phase, Transcription
from app.results.transcription_object import is_paid, number_paid, waits_for

ATTEMPT = Attempt(1, "deepgram_async", AttemptStatus.CLAIMED)
ASK = Pending("ask_transcript", due_at=60.0, is_held=False, waits_for=None)
MADE = frozenset(
    {
        AttemptStatus.RUNNING,
        AttemptStatus.DONE,
        AttemptStatus.EMPTY,
        AttemptStatus.FAILED,
        AttemptStatus.SILENT,
    }
)


@pytest.mark.parametrize("status", AttemptStatus)
@pytest.mark.parametrize("is_doubtful", [False, True])
def test_paid_is_what_was_made_and_not_known_what_may_have_been(
    status: AttemptStatus, is_doubtful: bool
) -> None:
    attempt = replace(ATTEMPT, status=status, is_doubtful=is_doubtful)
    is_open = status in (AttemptStatus.SENDING, AttemptStatus.UNKNOWN) or (is_doubtful and status not in MADE)
    assert is_paid(attempt) is (True if status in MADE else None if is_open else False)


def test_the_number_paid_is_of_what_is_known_to_be() -> None:
    statuses = (AttemptStatus.FAILED, AttemptStatus.REFUSED, AttemptStatus.UNKNOWN, AttemptStatus.DONE)
    attempts = tuple(replace(ATTEMPT, ordinal=n, status=status) for n, status in enumerate(statuses, start=1))
    assert number_paid(Transcription("default", "r", attempts=attempts)) == 2


@pytest.mark.parametrize("phase", Phase)
def test_only_what_has_not_ended_waits(phase: Phase) -> None:
    state = Transcription("default", "r", phase=phase)
    assert (waits_for(state, ASK) is None) == (phase in ENDS)
    assert waits_for(state, None) is None


def test_what_is_waited_for_is_its_cause_where_it_has_one() -> None:
    state = Transcription("default", "r", phase=Phase.CREATING)
    running = replace(ATTEMPT, status=AttemptStatus.RUNNING, error="http_503")
    for attempts, pending, said in (
        ((), ASK, "the transcript, which is being made"),
        ((running,), ASK, "the transcript, which is being made"),
        ((replace(ATTEMPT, error="http_503"),), ASK, "; http_503 last time"),
        ((), replace(ASK, waits_for="rate"), "its turn at Recall's rates"),
        ((), replace(ASK, is_held=True), "the account, which Recall refuses"),
    ):
        waiting = waits_for(replace(state, attempts=attempts), pending)
        assert waiting is not None
        assert said in waiting
