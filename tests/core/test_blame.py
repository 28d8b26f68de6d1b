"""What the end of an attempt says about its provider."""

from __future__ import annotations

import pytest

from app.core import blame
from app.core import events as ev
from app.core.events import Refusal
from app.core.policy import Policy, ProviderChoice
from tests.core.playbook import Dialogue
from tests.core.scenes.beginnings import (
    CLAIMED,
    FAILED_ONCE,
    FETCHING,
    RUNNING,
    SECOND_RUNNING,
    SENDING,
    T1,
    T2,
    A,
    B,
    Events,
)

POLICY = Policy((ProviderChoice(A), ProviderChoice(B)), 2)


def verdicts(given: Events, event: ev.Event) -> list[tuple[str, bool]]:
    dialogue = Dialogue(POLICY)
    for earlier in given:
        dialogue.told(earlier)
    before = dialogue.state
    dialogue.told(event)
    return list(blame.verdicts(before, dialogue.state, event))


@pytest.mark.parametrize(
    ("given", "event", "expected"),
    [
        (RUNNING, ev.TranscriptDone(20.0, T1, 1), [(A, True)]),
        (FETCHING, ev.Stored(30.0, T1, A, "en", is_empty=True), [(A, True)]),
        (FETCHING, ev.Stored(30.0, T1, A, "en", is_empty=False), []),  # said when it was finished
        (RUNNING, ev.TranscriptFailed(20.0, T1, 1, "provider_connection_failed"), [(A, False)]),
        (RUNNING, ev.TranscriptFailed(20.0, T1, 1, "zoom_captions_failure"), []),
        (RUNNING, ev.TranscriptFailed(20.0, T1, 1, None), []),
        (RUNNING, ev.TranscriptGone(20.0, T1), []),
        (SENDING, ev.CreateRefused(12.0, 1, Refusal.PROVIDER, "http_400"), [(A, False)]),
        (SENDING, ev.CreateRefused(12.0, 1, Refusal.RECORDING_GONE, "http_404"), []),
        (SENDING, ev.CreateRefused(12.0, 1, Refusal.BUSY, "http_429"), []),
        (SENDING, ev.Created(12.0, 1, T1, A), []),
        (CLAIMED, ev.NoLongerWanted(99.0, 1, "deselected", "x"), []),
        (FAILED_ONCE, ev.TranscriptDone(99.0, T2, 2), []),  # of an attempt that was not known before
        (RUNNING, ev.StillProcessing(99.0, T1), []),
        (SECOND_RUNNING, ev.TranscriptDone(99.0, T2, 2), [(B, True)]),
    ],
)
def test_a_provider_is_credited_for_what_it_finished_and_blamed_for_what_recall_blames_it_for(
    given: Events, event: ev.Event, expected: list[tuple[str, bool]]
) -> None:
    assert verdicts(given, event) == expected


def test_an_attempt_of_an_unknown_provider_says_nothing_and_hides_none_after_it() -> None:
    nameless = (*RUNNING, ev.TranscriptDone(20.0, "ours-0", 0))
    assert verdicts(nameless, ev.Stored(21.0, "ours-0", "", None, is_empty=True)) == []
    both = ev.Listed(50.0, 0, (ev.Seen(T1, "done", 1, A), ev.Seen("ours-0", "failed", 0, None, "provider_x")))
    dialogue = Dialogue(POLICY)
    for earlier in (*RUNNING, ev.Created(20.0, 0, "ours-0", None)):
        dialogue.told(earlier)
    before = dialogue.state
    dialogue.told(both)
    assert list(blame.verdicts(before, dialogue.state, both)) == [(A, True)]
