"""Whose fault it is, as stories: what is held against a provider, against a recording, against nobody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from app.core import events, reasons
from app.core.commands import CreateTranscript
from app.core.machine import decide
from app.core.policy import Policy
from app.core.rules_create import why_not_send
from app.core.state import Phase, Transcription
from app.orchestrator.records import PauseSubject
from app.recall.providers import BUILT_IN_PROVIDERS
from tests.property.bill import Recording
from tests.property.surroundings import DURATIONS
from tests.property.test_found import announced, everything, one_that, phase_of
from tests.property.world import World

HOUR_S, DAY_S = 3600.0, 86_400.0
FIRST, SECOND = (choice.key for choice in BUILT_IN_PROVIDERS[:2])
BOT = "cccccccc-0000-4000-8000-000000000001"


def world_with(scratch: Path, providers: int) -> World:
    return World(scratch, Policy(BUILT_IN_PROVIDERS[:providers], providers, durations=DURATIONS))


def first_post(answer: str, times: int = 1) -> Callable[[str, tuple[Any, ...]], Any]:
    """The first creates are answered like this; everything else is healthy."""
    left = [times]

    def choose(what: str, options: tuple[Any, ...]) -> Any:
        if what.startswith("POST") and left[0]:
            left[0] -= 1
            return answer
        return options[0]

    return choose


def state_of(world: World, recording: Recording) -> Transcription:
    return world.store.load("default", recording.id).transcription


def lines_of(world: World, recording: Recording) -> list[tuple[str, str]]:
    return [(line.provider, line.status.value) for line in state_of(world, recording).attempts]


def paid(world: World) -> int:
    return sum(1 for transcript in world.recall.transcripts.values() if transcript.marker)


def test_recordings_that_are_gone_are_nothing_against_their_provider(tmp_path: Path) -> None:
    world = world_with(tmp_path, 3)
    gone = [world.add_recording(number) for number in range(1, 8)]
    for recording in gone:
        announced(world, recording)
        recording.status = "deleted"
    world.live(world.clock.at + 30, delivers=everything)
    assert {state_of(world, recording).reason for recording in gone} == {reasons.RECORDING_GONE}
    assert world.store.tripped_providers("default") == frozenset()
    healthy = world.add_recording(9)
    announced(world, healthy)
    world.live(world.clock.at + 60, delivers=everything)
    assert lines_of(world, healthy) == [(FIRST, "done")]


def test_creates_refused_for_the_providers_sake_open_its_breaker_for_all(tmp_path: Path) -> None:
    world = world_with(tmp_path, 3)
    world.choose_by = first_post("400 about the provider", times=15)
    recordings = [world.add_recording(number) for number in range(1, 6)]
    for recording in recordings:
        announced(world, recording)
        world.live(world.clock.at + 1, delivers=everything)
    assert FIRST in world.store.tripped_providers("default")


def test_a_refusal_that_names_nothing_burns_no_provider_and_goes_on_when_it_is_over(tmp_path: Path) -> None:
    world = world_with(tmp_path, 3)
    world.choose_by = first_post("400 about something", times=2)
    recording = world.add_recording(1)
    announced(world, recording)
    world.live(world.clock.at + HOUR_S, delivers=everything)
    assert lines_of(world, recording) == [(FIRST, "done")]


def test_a_refusal_that_names_nothing_ends_by_a_name_after_three_and_a_retry_goes_on_with_it(
    tmp_path: Path,
) -> None:
    world = world_with(tmp_path, 1)
    world.choose_by = first_post("400 about something", times=3)
    recording = world.add_recording(1)
    announced(world, recording)
    world.live(world.clock.at + HOUR_S, delivers=everything)
    state = state_of(world, recording)
    assert (state.phase, state.reason) == (Phase.FAILED, reasons.REQUEST_REFUSED)
    assert "0 transcripts at Recall" in (state.detail or ""), "what was counted is told"
    assert world.store.tripped_providers("default") == frozenset()
    world.retry(recording.id, budget=0)
    world.live(world.clock.at + HOUR_S, delivers=everything)
    assert lines_of(world, recording) == [(FIRST, "done")], "the only attempt there may be"
    assert paid(world) == 1


@pytest.mark.parametrize("cause", ["unknown", "limit", "payload"])
def test_what_a_person_can_mend_is_retried_with_the_same_attempt(tmp_path: Path, cause: str) -> None:
    world = world_with(tmp_path, 1)
    recording = world.add_recording(1, status="unknown" if cause == "unknown" else "done")
    others = []
    if cause == "limit":
        for _ in range(10):
            others.append(world.recall.order_elsewhere(recording.id, "gladia_v2_async", ("failed", 0.0)))
    refusal = {"unknown": None, "limit": "400 about something", "payload": "403"}[cause]
    if refusal is not None:
        world.choose_by = first_post(refusal, times=99)
    announced(world, recording)
    world.live(world.clock.at + 2 * DAY_S, delivers=everything)
    assert phase_of(world, recording) is Phase.FAILED
    assert paid(world) == 0
    recording.status = "done"
    world.choose_by = first_post("400 about something", times=0)
    world.retry(recording.id, budget=0)
    world.live(world.clock.at + HOUR_S, delivers=everything)
    assert lines_of(world, recording) == [(FIRST, "done")], world.told("used up without having been paid")
    assert paid(world) == 1


def test_retry_of_a_silent_transcript_asks_and_pays_only_when_a_budget_is_named(tmp_path: Path) -> None:
    world = world_with(tmp_path, 3)
    world.choose_by = one_that("never")
    recording = world.add_recording(1)
    announced(world, recording)
    world.live(world.clock.at + 2 * DAY_S, delivers=everything)
    assert state_of(world, recording).reason == reasons.NO_ANSWER
    for _ in range(2):
        world.retry(recording.id, budget=0)
        world.live(world.clock.at + 3 * HOUR_S, delivers=everything)
        assert state_of(world, recording).reason == reasons.NO_ANSWER
        assert paid(world) == 1, "nobody agreed to a second one"
    world.retry(recording.id, budget=2)
    world.live(world.clock.at + 3 * HOUR_S, delivers=everything)
    assert [provider for provider, _ in lines_of(world, recording)] == [FIRST, SECOND]


@pytest.mark.slow
def test_a_create_of_unknown_status_outlasts_a_day_in_which_the_key_was_refused(tmp_path: Path) -> None:
    world = world_with(tmp_path, 1)
    world.choose_by = first_post("request lost")
    recording = world.add_recording(1)
    announced(world, recording)
    for _ in range(4):
        world.live(world.clock.at + 0.3, delivers=everything)
    assert lines_of(world, recording) == [(FIRST, "unknown")]
    world.recall.account = 401
    world.live(world.clock.at + 26 * HOUR_S)
    world.recall.account = 200
    world.live(world.clock.at + 2 * HOUR_S, delivers=everything)
    assert lines_of(world, recording) == [(FIRST, "done")], "patience stands still while the key is refused"
    assert paid(world) == 1


@pytest.mark.parametrize("waits_for", ["the recording", "the balance"])
def test_recording_deleted_while_its_attempt_waits_ends_by_that_name_at_once(
    tmp_path: Path, waits_for: str
) -> None:
    world = world_with(tmp_path, 1)
    recording = world.add_recording(1)
    announced(world, recording)
    if waits_for == "the balance":
        world.recall.account = 402
    else:
        recording.status = "unknown"
    world.live(world.clock.at + 60, delivers=everything)
    assert lines_of(world, recording) == [(FIRST, "claimed")]
    recording.status = "unknown"
    world.recall.announce("recording.deleted", recording.id)
    world.live(world.clock.at + 120, delivers=everything)
    state = state_of(world, recording)
    assert (state.phase, state.reason) == (Phase.FAILED, reasons.RECORDING_GONE)


@pytest.mark.slow
def test_recordings_that_wait_for_a_provider_end_by_a_name_after_a_day_and_keep_their_attempts(
    tmp_path: Path,
) -> None:
    world = world_with(tmp_path, 1)
    for _ in range(5):
        world.store.record_result("default", FIRST, worked=False, open_s=3 * DAY_S)
    recordings = [world.add_recording(number) for number in range(1, 4)]
    for recording in recordings:
        announced(world, recording)
    world.live(world.clock.at + 23 * HOUR_S, delivers=everything)
    assert {phase_of(world, recording) for recording in recordings} == {Phase.CREATING}
    world.live(world.clock.at + 2 * HOUR_S, delivers=everything)
    states = [state_of(world, recording) for recording in recordings]
    assert {(state.reason, state.detail) for state in states} == {(reasons.PROVIDERS_DOWN, FIRST)}
    assert all(state.attempts == () for state in states)
    world.store.record_result("default", FIRST, worked=True, open_s=0.0)
    world.retry(recordings[0].id, budget=0)
    world.live(world.clock.at + HOUR_S, delivers=everything)
    assert phase_of(world, recordings[0]) is Phase.STORED


def test_a_day_in_which_we_were_away_is_not_held_against_providers_that_were_down(tmp_path: Path) -> None:
    world = world_with(tmp_path, 1)
    world.choose_by = one_that("never")
    for _ in range(5):
        world.store.record_result("default", FIRST, worked=False, open_s=DAY_S / 2)
    recordings = [world.add_recording(number) for number in range(1, 4)]
    for recording in recordings:
        announced(world, recording)
    world.live(world.clock.at + 60, delivers=everything)
    world.pass_time(1.1 * DAY_S)
    world.live(world.clock.at + 300, delivers=everything)
    phases = Counter(phase_of(world, recording) for recording in recordings)
    assert phases == {Phase.TRANSCRIBING: 1, Phase.CREATING: 2}, "one tries it for all"


def test_a_probe_that_must_wait_for_its_bots_rate_leaves_its_place_to_others(tmp_path: Path) -> None:
    world = world_with(tmp_path, 1)
    world.choose_by = one_that("never")
    for number in range(1, 6):
        announced(world, world.add_recording(number, bot_id=BOT))
    world.live(world.clock.at + 30, delivers=everything)
    for _ in range(5):
        world.store.record_result("default", FIRST, worked=False, open_s=20)
    world.live(world.clock.at + 21)
    sixth = world.add_recording(6, bot_id=BOT)
    announced(world, sixth)
    world.live(world.clock.at + 90, delivers=everything)
    assert lines_of(world, sixth) == [(FIRST, "running")], "a minute, not the quarter of an hour of a probe"


def test_a_provider_that_left_the_policy_does_not_keep_the_attempt_that_was_set_aside(tmp_path: Path) -> None:
    world = world_with(tmp_path, 2)
    world.choose_by = first_post("400 about something", times=3)
    recording = world.add_recording(1)
    announced(world, recording)
    world.live(world.clock.at + HOUR_S, delivers=everything)
    assert state_of(world, recording).reason == reasons.REQUEST_REFUSED
    left = Policy(BUILT_IN_PROVIDERS[1:], 2, durations=DURATIONS)
    asked = decide(state_of(world, recording), events.RetryAsked(world.clock.at, 0), left)
    unwanted = why_not_send(asked.state, 1, FIRST, left)
    assert unwanted is not None
    planned = decide(asked.state, unwanted, left)
    assert planned.commands == (CreateTranscript(1, SECOND, 3),), "nothing was made under the first provider"


def test_a_named_budget_moves_an_attempt_that_was_set_aside_on_to_the_next_provider(tmp_path: Path) -> None:
    world = world_with(tmp_path, 2)
    world.choose_by = first_post("400 about something", times=3)
    recording = world.add_recording(1)
    announced(world, recording)
    world.live(world.clock.at + HOUR_S, delivers=everything)
    world.retry(recording.id, budget=2)
    world.live(world.clock.at + HOUR_S, delivers=everything)
    assert lines_of(world, recording) == [(FIRST, "refused"), (SECOND, "done")]
    assert paid(world) == 1


def test_a_budget_that_allows_no_further_attempt_pays_for_none_beside_a_silent_one(tmp_path: Path) -> None:
    world = world_with(tmp_path, 3)
    world.choose_by = one_that("never")
    recording = world.add_recording(1)
    announced(world, recording)
    world.live(world.clock.at + 2 * DAY_S, delivers=everything)
    world.retry(recording.id, budget=1)
    world.live(world.clock.at + 3 * HOUR_S, delivers=everything)
    assert paid(world) == 1, "one in all, the person said"


def test_a_persons_wish_ends_with_the_attempt_that_it_set_going(tmp_path: Path) -> None:
    """Else the silence of that attempt would be paid for once more, a day later, with nobody there."""
    recording_done, first = events.RecordingDone(1.0), events.CreateRefused
    policy = Policy(BUILT_IN_PROVIDERS[:3], 3, durations=DURATIONS)
    state = decide(Transcription("default", "r"), recording_done, policy).state
    for key_serial in range(3):
        state = decide(state, events.Sending(2.0, 1, FIRST, key_serial), policy).state
        state = decide(state, first(3.0, 1, events.Refusal.UNEXPLAINED, "http_400", 60.0), policy).state
    assert state.reason == reasons.REQUEST_REFUSED
    requested = replace(decide(state, events.RetryAsked(9.0, 0), policy).state, retry_requested=True)
    sent = decide(requested, events.Sending(10.0, 1, FIRST, 3), policy).state
    assert not sent.retry_requested


@pytest.mark.slow
def test_a_days_pause_of_the_account_is_not_held_against_a_provider_that_is_found_busy(
    tmp_path: Path,
) -> None:
    """Right before the claim the same clock counts as in the wait: patience stood still meanwhile."""
    world = world_with(tmp_path, 1)
    world.choose_by = one_that("never")
    for _ in range(5):
        world.store.record_result("default", FIRST, worked=False, open_s=60)
    recordings = [world.add_recording(number) for number in range(1, 4)]
    for recording in recordings:
        announced(world, recording)
    world.live(world.clock.at + 5, delivers=everything)
    world.recall.account = 401
    world.store.pause("default", PauseSubject.ACCOUNT, 401, probe_after_s=15.0)
    world.live(world.clock.at + 26 * HOUR_S)
    world.recall.account = 200
    world.store.unpause("default")
    for item in list(world.store.due(100, offer_again_s=0.0)):  # all waits end before a create begins
        world.run(partial(world.service.perform, item.id))
    world.live(world.clock.at + 60, delivers=everything)
    assert all(state_of(world, recording).reason is None for recording in recordings), world.told("ended")


@pytest.mark.slow
def test_a_day_without_money_does_not_shorten_the_day_in_which_a_recording_may_become_ready(
    tmp_path: Path,
) -> None:
    seldom = replace(DURATIONS, account_probe_every_s=60.0)  # a day with one each 15 s plays for long
    world = World(tmp_path, Policy(BUILT_IN_PROVIDERS[:1], 1, durations=seldom))
    recording = world.add_recording(1, status="processing")
    announced(world, recording)
    world.recall.account = 402
    world.live(world.clock.at + 26 * HOUR_S, delivers=everything)
    world.recall.account = 200
    world.live(world.clock.at + HOUR_S, delivers=everything)
    assert phase_of(world, recording) is Phase.CREATING, world.told("ended after a minute")
    recording.status = "done"
    world.live(world.clock.at + 2 * HOUR_S, delivers=everything)
    assert phase_of(world, recording) is Phase.STORED
