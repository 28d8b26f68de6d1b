"""What is announced of a change, and to whom."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from app.announce.news import News, events_of, webhook_id_of
from app.core.state import Attempt, AttemptStatus, Extra, Phase, Transcription
from app.settings.outgoing import OutgoingEvent
from tests.announce.receiver import endpoint

FETCHING = Transcription(
    "default",
    "r1",
    Phase.FETCHING,
    metadata=(("team", "sales"),),
    attempts=(Attempt(1, "deepgram_async", AttemptStatus.FAILED, transcript_id="t0"),),
    first_heard_at=1000.0,
)
STORED = replace(FETCHING, phase=Phase.STORED, current="t1", verdict="spoken", completed_at=1010.0)
EXTRA = replace(STORED, phase=Phase.CREATING, completed_at=None, extra=Extra(2, 1010.0))
FAILED = replace(FETCHING, phase=Phase.FAILED, reason="no_provider_left", completed_at=1010.0)
COMPLETED, FAILURE, FLAGGED = "transcription.completed", "transcription.failed", "transcription.flagged"


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (FETCHING, STORED, [COMPLETED]),
        (FETCHING, FAILED, [FAILURE]),
        (FAILED, STORED, [COMPLETED]),  # late, and welcome
        (STORED, replace(STORED, current="t2"), [COMPLETED]),
        (FETCHING, replace(STORED, verdict="thin", is_flagged=True), [COMPLETED, FLAGGED]),
        (STORED, replace(STORED, superseded=("t0",)), []),
        (FAILED, replace(FAILED, detail="more"), []),
        (FETCHING, replace(FETCHING, candidate="t1"), []),  # held while another provider is asked
        (FETCHING, replace(FETCHING, phase=Phase.SKIPPED), []),
        (STORED, replace(STORED, phase=Phase.ERASED), []),
        (FETCHING, FETCHING, []),
        (STORED, EXTRA, []),
        (EXTRA, STORED, []),  # without words: all is as it was announced
        (EXTRA, replace(STORED, current="t2"), [COMPLETED]),
    ],
)
def test_a_change_is_announced_when_a_recording_ends_and_its_result_is_final(
    before: Transcription, after: Transcription, told: list[str]
) -> None:
    assert list(events_of(before, after)) == told


def test_endpoints_get_what_they_want_of_event_workspace_and_metadata() -> None:
    news = News(
        [
            endpoint("http://a", "all"),
            endpoint("http://a", "failures", events=frozenset({OutgoingEvent.FAILED})),
            endpoint("http://a", "elsewhere", workspaces=frozenset({"eu"})),
            endpoint("http://a", "sales", metadata=(("team", "sales"),), workspaces=frozenset({"default"})),
            endpoint("http://a", "support", metadata=(("team", "support"),)),
        ]
    )
    assert [one.endpoint for one in news(FETCHING, STORED)] == ["all", "sales"]
    assert [one.endpoint for one in news(FETCHING, FAILED)] == ["all", "failures", "sales"]
    assert News([])(FETCHING, STORED) == ()


def test_ids_are_the_same_for_ever_and_no_two_things_share_one() -> None:
    told = {
        webhook_id_of(state, event, name)
        for state in (STORED, replace(STORED, current="t2"), replace(STORED, recording_id="r2"))
        for event in (COMPLETED, FLAGGED)
        for name in ("crm", "data")
    }
    assert len(told) == 12
    # Never change: receivers that saw it must know it again.
    assert webhook_id_of(STORED, COMPLETED, "crm") == "1dabec62-55fa-5228-9ca4-80f1823278c3"


def test_facts_are_those_of_the_commit_without_what_the_files_say() -> None:
    (said,) = News([endpoint("http://a")])(FETCHING, FAILED)
    facts = json.loads(said.facts)
    assert (said.transcript_id, facts["status"], facts["reason"]) == ("t0", "failed", "no_provider_left")
    assert (facts["error"]["code"], bool(facts["error"]["message"])) == ("no_provider_left", True)
    assert (facts["metadata"], facts["completed_at"]) == ({"team": "sales"}, "1970-01-01T00:16:50.000+00:00")
    assert not {"segments", "text"} & facts.keys()
    (done,) = News([endpoint("http://a")])(FETCHING, STORED)
    assert json.loads(done.facts)["error"] is None
