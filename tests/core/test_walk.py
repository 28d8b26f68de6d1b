"""Every reachable state of the machine is visited, and the invariants are asserted on every step."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from app.core import events as ev
from app.core.commands import Command, CreateTranscript
from app.core.machine import Decision, is_wanted
from app.core.policy import Policy
from app.core.state import ENDS, OPEN, Attempt, Fate, Goal
from app.core.step import budget
from app.orchestrator.next_steps import NEXT_STEPS
from tests.core import diagram, walk
from tests.core.walk import LATE, OURS, Cast, World

pytestmark = pytest.mark.timeout(120)
BEFORE_THE_KEY = (ev.Refusal.BUSY, ev.Refusal.ACCOUNT, ev.Refusal.PAYLOAD)
# The casts that `--fast` walks; each of the others takes seconds.
FAST = {
    "one provider, captions beside",
    "one provider, another party, deletions, our own faults",
    "one provider, absences",
    "one provider, commands are lost",
    "one provider, and it is down",
}
Transition = tuple[World, ev.Event, Command | None, World, Decision]


# One process walks for a cast: its transitions are computed once and looked at by every test.
@pytest.fixture(
    scope="module",
    params=[
        pytest.param(cast, id=name.replace(" ", "_"), marks=[] if name in FAST else pytest.mark.slow)
        for name, cast in walk.CASTS.items()
    ],
)
def cast(request: pytest.FixtureRequest) -> Cast:
    found: Cast = request.param
    return found


@pytest.fixture(scope="module")
def transitions(cast: Cast) -> Iterator[list[Transition]]:
    """All steps. Without the collector, which would go through the millions of objects over and over."""
    gc.disable()
    try:
        found = list(walk.reachable(cast))
        gc.freeze()
    finally:
        gc.enable()
    yield found
    gc.unfreeze()


def test_walk_is_not_trivial(transitions: list[Transition]) -> None:
    goals = {after.state.goal for *_, after, _ in transitions}
    assert len(transitions) > 4_000
    assert goals | {Goal.SKIPPED} == set(Goal) - {Goal.ERASED}


def test_a_send_happens_only_for_the_goal_with_nothing_open_and_nothing_unread(
    transitions: list[Transition], cast: Cast
) -> None:
    sends = 0
    for before, event, _, _, decision in transitions:
        if not isinstance(event, ev.Sending) or decision.ignored:
            continue
        sends += 1
        others = [a for a in before.state.attempts if a.fate in OPEN and a.ordinal != event.ordinal]
        assert before.state.goal is Goal.CREATING
        assert not others, "an earlier attempt is not known to have ended"
        assert not before.state.unread, "a finished transcript has not been looked at"
        assert event.ordinal <= budget(before.state, cast.policy)
    assert sends > 5


def test_a_new_key_is_taken_only_after_a_definite_answer_or_the_long_wait(
    transitions: list[Transition],
) -> None:
    renewed = 0
    for before, event, _, after, _ in transitions:
        for line in after.state.attempts:
            old = before.state.attempt_of(ordinal=line.ordinal)
            if old is None or line.generation == old.generation:
                continue
            renewed += 1
            if old.is_doubtful:
                is_judged = isinstance(event, ev.CreateRefused) and event.refusal not in BEFORE_THE_KEY
                assert is_proven_absent(old, event) or is_judged, event
    assert renewed > 5


def is_proven_absent(line: Attempt, event: ev.Event) -> bool:
    """Two lists after the long wait, and the recording itself is seen under the key that read them."""
    is_seen = isinstance(event, ev.RecordingAsked) and event.condition is not ev.RecordingCondition.UNKNOWN
    return is_seen and line.absence is not None and line.absence.lists >= 2


def test_an_absence_grows_only_by_full_lists_without_it_after_its_time(transitions: list[Transition]) -> None:
    for before, event, _, after, _ in transitions:
        for line in after.state.attempts:
            old = before.state.attempt_of(ordinal=line.ordinal)
            had = old.absence.lists if old is not None and old.absence is not None else 0
            if line.absence is None or line.absence.lists <= had:
                continue
            assert isinstance(event, ev.Listed)
            assert line.transcript_id not in {seen.transcript_id for seen in event.seen}
            assert event.transcript_id is not None or event.since_last_send_s >= 4_200


def test_a_lost_command_is_followed_by_a_look_and_never_by_a_create(transitions: list[Transition]) -> None:
    for _, event, _, after, decision in transitions:
        if isinstance(event, ev.CommandMissing) and not decision.ignored:
            assert decision.commands, after
            assert not any(isinstance(c, CreateTranscript) for c in decision.commands)


def test_a_new_attempt_line_appears_only_by_a_claim_or_by_our_own_marker(
    transitions: list[Transition],
) -> None:
    for before, event, _, after, _ in transitions:
        known = {a.ordinal for a in before.state.attempts}
        for line in after.state.attempts:
            if line.ordinal in known or isinstance(event, ev.Sending | ev.Listed):
                continue
            assert getattr(event, "ordinal", None) == line.ordinal


def test_a_stored_goal_stays_stored(transitions: list[Transition]) -> None:
    for before, _, _, after, _ in transitions:
        if before.state.goal is Goal.STORED:
            assert after.state.goal is Goal.STORED


def test_a_finished_asynchronous_transcript_is_always_taken_up(transitions: list[Transition]) -> None:
    for before, event, _, after, decision in transitions:
        if not isinstance(event, ev.TranscriptDone) or event.transcript_id in before.state.looked_at:
            continue
        assert after.state.unread_of(event.transcript_id), decision
        assert any(c.key == f"fetch:{event.transcript_id}" for c in after.pending)


def test_after_a_failure_that_no_provider_can_cure_nothing_further_is_planned(
    transitions: list[Transition],
) -> None:
    ends = 0
    for before, event, _, after, decision in transitions:
        told = (seen.sub_code for seen in getattr(event, "seen", ()))
        if walk.INCURABLE not in (getattr(event, "sub_code", None), *told) or decision.ignored:
            continue
        is_new = {a.fate for a in before.state.attempts} != {a.fate for a in after.state.attempts}
        assert after.state.planned is None or not is_new, f"{event} leads to a further payment"
        ends += after.state.goal is Goal.FAILED and before.state.goal is not Goal.FAILED
    assert ends > 10


def test_a_foreign_failure_changes_nothing(transitions: list[Transition]) -> None:
    for before, event, _, after, decision in transitions:
        if isinstance(event, ev.TranscriptFailed) and event.transcript_id not in OURS.values():
            assert decision.ignored
            assert after == before


def test_what_is_ignored_has_a_reason_and_changes_no_attempt(transitions: list[Transition]) -> None:
    for before, _, _, after, decision in transitions:
        if decision.ignored is not None:
            assert decision.ignored
            assert after.state.attempts == before.state.attempts


def test_no_command_waits_in_vain_and_none_that_is_needed_is_missing(transitions: list[Transition]) -> None:
    for *_, after, _ in transitions:
        assert all(is_wanted(after.state, c) for c in after.pending)
        if after.state.goal not in ENDS and after != walk.START:
            assert after.pending, f"nothing will ever happen again: {after.state}"
        for line in after.state.attempts:
            is_over = after.state.goal in ENDS or after.state.publishing is not None
            if line.fate in (Fate.UNKNOWN, Fate.SENDING) and not is_over:
                is_last_question = line.absence is not None and line.absence.is_for_the_recording
                key = "ask_recording" if is_last_question else str(line.ordinal)
                assert any(key in c.key for c in after.pending), line


def test_every_failure_has_a_name(transitions: list[Transition]) -> None:
    failures = 0
    for before, event, _, after, decision in transitions:
        if after.state.goal is Goal.FAILED and before.state.goal is not Goal.FAILED:
            failures += 1
            assert decision.state.reason in NEXT_STEPS, event
    assert failures > 10


@pytest.mark.parametrize("mood", ["refused", "busy", "unknown", "not_sent"])
def test_from_every_state_alarms_alone_lead_to_an_end(
    transitions: list[Transition], cast: Cast, mood: str
) -> None:
    ends: set[World] = set()
    for *_, after, _ in transitions:
        path = []
        world = after
        while world not in ends and not walk.is_end(world) and world != walk.START:
            path.append(world)
            assert len(path) < 40, f"pending for ever: {after}"
            world = _after_the_next_alarm(world, cast, mood)
        ends.update(path)


def _after_the_next_alarm(world: World, cast: Cast, mood: str) -> World:
    """Performs what is pending, with the least helpful answer there is."""
    for command in sorted(world.pending, key=lambda c: c.key):
        for event in _grim(world, command, cast.policy, mood):
            world, _ = walk.step(world, event, command, cast.policy)
    return world


def _grim(world: World, command: Command, policy: Policy, mood: str) -> Iterator[ev.Event]:
    if isinstance(command, CreateTranscript):
        yield from _grim_create(world, command, policy, mood)
        return
    tid = getattr(command, "transcript_id", None) or ""
    ordinal = getattr(command, "ordinal", 0)
    answers: dict[str, ev.Event] = {
        "look_up": ev.Listed(LATE, ordinal, (), 9_000.0, 9_000.0, transcript_id=tid or None),
        "ask": ev.StillProcessing(LATE, tid),
        "fetch": ev.FetchBlocked(LATE, tid, "refused"),
        "publish": ev.WaitEnded(LATE, command.key, "storage_unavailable", transcript_id=tid),
        "prune": ev.Pruned(LATE, ordinal, has_room=False),
        "await_provider": ev.ProviderAwaited(LATE),
        "ask_recording": ev.RecordingAsked(LATE, ev.RecordingCondition.NOT_DONE),
    }
    yield answers[command.key.partition(":")[0]]


def _grim_create(world: World, command: CreateTranscript, policy: Policy, mood: str) -> Iterator[ev.Event]:
    ordinal = command.ordinal
    line = world.state.attempt_of(ordinal=ordinal)
    if line is None or line.fate is not Fate.SENDING:
        event = walk.before_the_send(world.state, command, policy)
        yield event
        if not isinstance(event, ev.Sending):
            return
    answers: dict[str, ev.Event] = {
        "refused": ev.CreateRefused(LATE, ordinal, ev.Refusal.PROVIDER),
        "busy": ev.CreateRefused(LATE, ordinal, ev.Refusal.BUSY),
        "unknown": ev.CreateUnknown(LATE, ordinal),
        "not_sent": ev.CreateNotSent(LATE, ordinal),
    }
    yield answers[mood]


def test_the_diagram_in_the_readme_is_what_the_machine_does(
    transitions: list[Transition], cast: Cast
) -> None:
    drawn = diagram.README.read_text("utf-8")
    moves = ((b.state.goal, type(e).__name__, a.state.goal) for b, e, _, a, _ in transitions)
    for before, event, after in diagram.edges_of(moves):
        lines = [line for line in drawn.splitlines() if f" {before.value} --> {after.value}:" in line]
        assert len(lines) == 1, "renew it: python -m tests.core.diagram"
        assert event in lines[0] or " more" in lines[0], "renew it: python -m tests.core.diagram"
