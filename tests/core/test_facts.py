"""Questions about a state, durations and selection: small, pure, and each at its edges."""

from __future__ import annotations

import pytest

from app.core.absence import Absence, lasting
from app.core.durations import Durations, growing
from app.core.policy import (
    Selection,
    why_not_selected,
)
from app.core.state import Attempt, AttemptStatus, PendingTranscript, Transcription
from app.recall.http_exchange import HttpTimeouts

BARE = Transcription("default", "r-1")


def with_lines(*lines: Attempt) -> Transcription:
    return Transcription("default", "r-1", attempts=lines)


def test_the_open_attempt_is_a_running_one_before_one_that_is_not_sent() -> None:
    waiting, running = Attempt(1, "a", AttemptStatus.CLAIMED), Attempt(2, "b", AttemptStatus.RUNNING)
    assert BARE.open_attempt is None
    assert with_lines(Attempt(1, "a", AttemptStatus.FAILED)).open_attempt is None
    assert with_lines(waiting).open_attempt == waiting
    assert with_lines(waiting, running).open_attempt == running


def test_an_attempt_is_found_by_its_transcript_before_its_ordinal() -> None:
    first, second = (
        Attempt(1, "a", AttemptStatus.FAILED, transcript_id="t-1"),
        Attempt(2, "b", AttemptStatus.RUNNING),
    )
    t = with_lines(first, second)
    assert t.attempt_of(ordinal=2) == second
    assert t.attempt_of(ordinal=2, transcript_id="t-1") == first
    assert t.attempt_of(ordinal=2, transcript_id="t-9") == second
    assert t.attempt_of(transcript_id="t-9") is None
    assert t.attempt_of(ordinal=3) is None
    assert t.next_ordinal == 3
    assert BARE.next_ordinal == 1
    assert t.has_other_open(1)
    assert not t.has_other_open(2)


def test_lines_stay_in_the_order_of_their_ordinals() -> None:
    second, first = Attempt(2, "b", AttemptStatus.RUNNING), Attempt(1, "a", AttemptStatus.FAILED)
    t = with_lines(second).with_attempt(first)
    assert t.attempts == (first, second)
    assert t.with_attempt(Attempt(1, "c", AttemptStatus.DONE)).attempts == (
        Attempt(1, "c", AttemptStatus.DONE),
        second,
    )


@pytest.mark.parametrize("status", list(AttemptStatus))
@pytest.mark.parametrize("is_doubtful", [True, False])
def test_what_may_be_repeated_and_what_was_never_sent(status: AttemptStatus, is_doubtful: bool) -> None:
    line = Attempt(1, "a", status, is_doubtful=is_doubtful)
    assert line.is_unsent is (status is AttemptStatus.CLAIMED and not is_doubtful)
    assert line.may_be_repeated is (
        status in (AttemptStatus.SENDING, AttemptStatus.UNKNOWN)
        or (status is AttemptStatus.CLAIMED and is_doubtful)
    )


def test_lists_count_only_when_they_are_apart() -> None:
    young = Absence(100.0, key="k")
    once = young.listed(105.0, apart_s=60.0)
    assert (once.lists, once.listed_at) == (1, 105.0)
    assert once.listed(164.9, apart_s=60.0) is once
    twice = once.listed(165.0, apart_s=60.0)
    assert (twice.lists, twice.listed_at, twice.is_for_the_recording) == (2, 165.0, True)
    assert not once.is_for_the_recording


def test_an_absence_goes_on_under_its_own_key_only() -> None:
    known = Absence(100.0, lists=1, key="k")
    assert lasting(known, at=200.0, key="k") is known
    assert lasting(known, at=200.0, key="other") == Absence(200.0, key="other")
    assert lasting(None, at=200.0, key="k") == Absence(200.0, key="k")


def test_an_absence_is_older_than_a_step_of_the_clock_or_younger_than_now() -> None:
    t = Transcription(
        "default",
        "r-1",
        pending_transcripts=(
            PendingTranscript("t-1", 0.0, absence=Absence(100.0)),
            PendingTranscript("t-2", 0.0),
        ),
    )
    assert t.absences == (Absence(100.0),)
    assert not t.has_absence_before(0.0, now=500.0)
    assert not t.has_absence_before(0.0, now=50.0)
    assert not t.has_absence_before(100.0, now=500.0)
    assert not t.has_absence_before(50.0, now=100.0)
    assert t.has_absence_before(100.5, now=500.0)
    assert t.has_absence_before(50.0, now=99.0)
    assert not BARE.has_absence_before(100.5, now=500.0)
    assert t.has_absence_before(0.5, now=99.0)


def test_an_absence_of_an_attempt_that_is_over_is_none() -> None:
    line = Attempt(1, "a", AttemptStatus.RUNNING, absence=Absence(100.0))
    assert with_lines(line).absences == (Absence(100.0),)
    assert with_lines(Attempt(1, "a", AttemptStatus.SILENT, absence=Absence(100.0))).absences == ()


def test_three_equal_downloads_apart_are_unreadable() -> None:
    pending_transcripts = PendingTranscript("t-1", 0.0)
    once = pending_transcripts.unreadable("aa", 10.0, apart_s=30.0)
    assert (once.digest, once.digests, once.digest_at) == ("aa", 1, 10.0)
    assert once.unreadable("aa", 39.9, apart_s=30.0) is once
    twice = once.unreadable("aa", 40.0, apart_s=30.0)
    assert (twice.digests, twice.digest_at, twice.is_unreadable) == (2, 40.0, False)
    assert twice.unreadable("bb", 41.0, apart_s=30.0).digests == 1
    assert twice.unreadable("aa", 70.0, apart_s=30.0).is_unreadable


def test_only_the_line_with_its_id_is_put_in_place() -> None:
    t = Transcription(
        "default", "r-1", pending_transcripts=(PendingTranscript("t-1", 0.0), PendingTranscript("t-2", 0.0))
    )
    changed = t.with_pending(PendingTranscript("t-2", 5.0))
    assert changed.pending_transcripts == (PendingTranscript("t-1", 0.0), PendingTranscript("t-2", 5.0))
    rest = t.as_processed("t-1")
    assert rest.pending_transcripts == (PendingTranscript("t-2", 0.0),)
    assert rest.processed_transcripts == ("t-1",)


# -- durations -------------------------------------------------------------------------------------


def test_waits_double_up_to_a_limit() -> None:
    assert [growing(2.0, n, 60.0) for n in (0, 1, 2, 5)] == [2.0, 4.0, 8.0, 60.0]
    assert growing(1.0, 30, 1e12) == growing(1.0, 31, 1e12) == 2.0**30


def test_scaled_durations_keep_their_floors() -> None:
    scaled = Durations().scaled(60.0)
    assert scaled.give_up_s == 1_440.0
    assert scaled.stamp_max_age_s == 5.0
    assert scaled.short_recording_s == 60.0  # of the meeting, not of the program
    assert (
        Durations(stamp_max_age_s=4.0).scaled(2.0).stamp_max_age_s == 4.0
    )  # a floor above the value does not raise it
    assert Durations(stamp_max_age_s=8.0).scaled(2.0).stamp_max_age_s == 5.0
    assert Durations().scaled(1.0) == Durations()
    assert scaled.second_list_after_s == 1.0


def test_the_create_protocol_stands_on_recalls_hour() -> None:
    """https://docs.recall.ai/reference-link/idempotency"""
    d, answer_s = Durations(), HttpTimeouts().create_overall_s
    assert d.resend_until_s + answer_s < 3600.0 < d.never_happened_after_s - answer_s


# -- policy ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("selection", "metadata", "expected"),
    [
        (Selection(), {}, None),
        (Selection(), {"afterword": "skip"}, "excluded by metadata afterword"),
        (Selection(), {"afterword": "other"}, None),
        (Selection(default="none"), {}, "not selected by the policy"),
        (Selection(default="none", include=(("team", "blue"), ("x", "y"))), {"team": "blue"}, None),
        (
            Selection(default="none", include=(("team", "blue"),)),
            {"team": "red"},
            "not selected by the policy",
        ),
        (
            Selection(include=(("team", "blue"),), exclude=(("team", "blue"),)),
            {"team": "blue"},
            "excluded by metadata team",
        ),
        (Selection(default="all", include=(("team", "blue"),)), {}, None),
        (Selection(exclude=(("team", "blue"), ("x", "y"))), {"x": "y"}, "excluded by metadata x"),
    ],
)
def test_exclusion_wins_over_inclusion_and_both_over_the_default(
    selection: Selection, metadata: dict[str, str | None], expected: str | None
) -> None:
    assert why_not_selected(selection, metadata) == expected
