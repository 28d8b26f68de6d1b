"""Every reachable state of the machine is visited, and the invariants are asserted on every step."""

from __future__ import annotations

import gc
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import pytest

from app.core import events as ev
from app.core.commands import Command, CreateTranscript
from app.core.machine import RULES
from app.core.policy import Policy
from app.core.state import ENDS, OPEN, Attempt, AttemptStatus, Phase
from app.core.step import budget
from app.core.wanted import is_wanted
from app.orchestrator.next_steps import NEXT_STEPS
from tests.core import diagram, walk
from tests.core.walk import LATE, OURS, Cast, World

pytestmark = pytest.mark.timeout(400)
BEFORE_THE_KEY = (ev.Refusal.BUSY, ev.Refusal.ACCOUNT, ev.Refusal.PAYLOAD)
# The casts that `--fast` walks; each of the others takes seconds.
FAST = {
    "one provider, captions beside",
    "one provider, absences",
    "one provider, commands are lost",
    "one provider, and it is down",
}
_CASTS = [
    pytest.param(cast, id=name.replace(" ", "_"), marks=() if name in FAST else pytest.mark.slow)
    for name, cast in walk.CASTS.items()
]
Transition = diagram.Transition
ByEvent = dict[type[ev.Event], list[Transition]]


@dataclass
class Summary:
    """What is left of a walk: for the tests that look at all casts."""

    edges: set[diagram.Edge]
    counted: set[type[ev.Event]] = field(default_factory=set)  # events that were not ignored somewhere
    words: dict[type[ev.Event], set[str]] = field(default_factory=lambda: defaultdict(set))  # why ignored


# By cast: what this process has walked.
SEEN: dict[int, Summary] = {}


def summary(cast: Cast) -> Summary:
    if id(cast) not in SEEN:
        SEEN[id(cast)] = _summary(list(walk.reachable(cast)))
    return SEEN[id(cast)]


def _summary(transitions: Iterable[Transition]) -> Summary:
    found = Summary(diagram.moves_of(transitions))
    for _, event, _, _, decision in transitions:
        if decision.ignored is None:
            found.counted.add(type(event))
        else:
            found.words[type(event)].add(decision.ignored)
    return found


# One process walks for a cast: its transitions are computed once and looked at by every test.
@pytest.fixture(scope="module", params=_CASTS)
def cast(request: pytest.FixtureRequest) -> Cast:
    found: Cast = request.param
    return found


@pytest.fixture(scope="module")
def transitions(cast: Cast) -> Iterator[list[Transition]]:
    """All steps. Without the collector, which would go through the millions of objects over and over."""
    gc.disable()
    try:
        found = list(walk.reachable(cast))
        SEEN[id(cast)] = _summary(found)
        gc.freeze()
    finally:
        gc.enable()
    yield found
    gc.unfreeze()


@pytest.fixture(scope="module")
def by_event(transitions: list[Transition]) -> ByEvent:
    """All steps, by the event's class."""
    found: ByEvent = defaultdict(list)
    for transition in transitions:
        found[type(transition[1])].append(transition)
    return found


@pytest.fixture(scope="module")
def moved(transitions: list[Transition]) -> list[Transition]:
    """The steps to another world."""
    return [each for each in transitions if each[3] is not each[0]]


@pytest.fixture(scope="module")
def attempts_changed(moved: list[Transition]) -> list[Transition]:
    """The steps that change an attempt or add one."""
    return [each for each in moved if each[3].state.attempts != each[0].state.attempts]


@pytest.fixture(scope="module")
def worlds(transitions: list[Transition]) -> list[World]:
    """Every world once: equal ones are one object."""
    return list({id(after): after for *_, after, _ in transitions}.values())


@pytest.mark.slow
def test_walk_is_not_trivial(transitions: list[Transition], worlds: list[World], cast: Cast) -> None:
    assert len(transitions) > 4_000
    phases = {world.state.phase for world in (walk.START, *worlds)}
    assert phases | {Phase.SKIPPED, Phase.ERASED} == set(Phase)
    assert (Phase.ERASED in phases) is cast.has_erasures


@pytest.mark.slow
def test_a_send_happens_only_while_creating_with_nothing_open_and_nothing_pending(
    by_event: ByEvent, cast: Cast
) -> None:
    sends = 0
    for before, event, _, _, decision in by_event[ev.Sending]:
        if not isinstance(event, ev.Sending) or decision.ignored:
            continue
        sends += 1
        others = [a for a in before.state.attempts if a.status in OPEN and a.ordinal != event.ordinal]
        assert before.state.phase is Phase.CREATING
        assert not others, "an earlier attempt is not known to have ended"
        assert not before.state.pending_transcripts, "a finished transcript has not been looked at"
        assert event.ordinal <= budget(before.state, cast.policy)
    assert sends > 5


def test_beside_a_candidate_one_attempt_is_paid_at_most_and_only_where_its_verdict_calls_for_it(
    by_event: ByEvent, cast: Cast
) -> None:
    second = 0
    for before, event, _, _, decision in by_event[ev.Sending]:
        state = before.state
        if not isinstance(event, ev.Sending) or decision.ignored or state.candidate is None:
            continue
        if state.attempt_of(ordinal=event.ordinal) is None:  # claimed because of it
            second += 1
            assert cast.policy.quality.calls_for_another(state.candidate_verdict)
            assert len(state.attempts) <= state.attempts_at_candidate
            assert not state.superseded
    assert (second > 5) is (cast.has_empties and len(cast.policy.providers) > 1)


def test_a_new_key_is_taken_only_after_a_definite_answer_or_the_long_wait(
    attempts_changed: list[Transition],
) -> None:
    renewed = 0
    for before, event, _, after, _ in attempts_changed:
        for line in after.state.attempts:
            old = before.state.attempt_of(ordinal=line.ordinal)
            if old is None or line.key_serial == old.key_serial:
                continue
            renewed += 1
            if old.is_doubtful:
                is_judged = isinstance(event, ev.CreateRefused) and event.refusal not in BEFORE_THE_KEY
                assert is_proven_absent(old, event) or is_judged, event
    assert renewed > 5


def is_proven_absent(line: Attempt, event: ev.Event) -> bool:
    """Two lists after the long wait, the last between two answers of its key that show the recording."""
    is_seen = isinstance(event, ev.RecordingAsked) and event.condition is not ev.RecordingCondition.UNKNOWN
    absence = line.absence
    return is_seen and absence is not None and absence.lists >= 2 and absence.is_recording_seen


def test_an_absence_grows_only_by_full_lists_without_it_after_its_time(
    attempts_changed: list[Transition],
) -> None:
    grown = 0
    for before, event, _, after, _ in attempts_changed:
        for line in after.state.attempts:
            old = before.state.attempt_of(ordinal=line.ordinal)
            had = old.absence.lists if old is not None and old.absence is not None else 0
            if line.absence is None or line.absence.lists <= had:
                continue
            grown += 1
            assert isinstance(event, ev.Listed)
            assert line.transcript_id not in {seen.transcript_id for seen in event.seen}
            assert event.transcript_id is not None or event.since_last_send_s >= 4_200
    assert grown > 5


def test_a_lost_command_is_followed_by_a_look_and_never_by_a_create(by_event: ByEvent, cast: Cast) -> None:
    lost = 0
    for _, event, _, after, decision in by_event[ev.CommandMissing]:
        if isinstance(event, ev.CommandMissing) and not decision.ignored:
            lost += 1
            assert decision.commands, after
            assert not any(isinstance(c, CreateTranscript) for c in decision.commands)
    assert (lost > 5) is cast.has_commands_lost


def test_a_new_attempt_line_appears_only_by_a_claim_or_by_our_own_marker(
    attempts_changed: list[Transition],
) -> None:
    appeared = 0
    for before, event, _, after, _ in attempts_changed:
        if len(after.state.attempts) == len(before.state.attempts):
            continue
        known = {a.ordinal for a in before.state.attempts}
        for line in after.state.attempts:
            if line.ordinal in known:
                continue
            appeared += 1
            assert isinstance(event, ev.Listed) or getattr(event, "ordinal", None) == line.ordinal
    assert appeared > 5


def test_a_stored_transcription_stays_stored(transitions: list[Transition]) -> None:
    """Until a further one is ordered beside it."""
    stored = [
        after
        for before, event, _, after, _ in transitions
        if before.state.phase is Phase.STORED and not isinstance(event, ev.ExtraOrdered | ev.ExtraDue)
    ]
    assert len(stored) > 100
    assert {after.state.phase for after in stored} - {Phase.ERASED} == {Phase.STORED}


def test_from_an_erased_recording_nothing_leads_back_and_nothing_is_paid(
    transitions: list[Transition], cast: Cast
) -> None:
    erased = unfinished = 0
    for before, event, _, after, decision in transitions:
        if after.state.phase is not Phase.ERASED:
            assert before.state.phase is not Phase.ERASED
            continue
        erased += 1
        assert {c.key for c in after.pending} <= {"erase_results", "delete_at_recall"}
        assert (after.state.metadata, after.state.bot_id) == ((), None)
        known = {a.ordinal for a in before.state.attempts}
        assert {a.ordinal for a in after.state.attempts} == known, event
        assert (after.state.current, after.state.pending_transcripts) == (None, ())
        assert (after.state.extra, after.state.waiting_extras) == (None, ())
        is_left = after.state.is_kept_here, after.state.to_delete is not None
        keys = {c.key for c in after.pending}
        assert is_left == ("erase_results" in keys, "delete_at_recall" in keys)
        unfinished += is_left[1]
        if not is_left[1] and isinstance(event, ev.DeletedAtRecall) and decision.ignored is None:
            assert after.state.open_attempt is None
    assert (erased > 100 and unfinished > 50) is cast.has_erasures


def test_an_extra_costs_one_attempt_at_most_and_takes_nothing_from_the_result(
    transitions: list[Transition], cast: Cast
) -> None:
    ends: Counter[str] = Counter()
    for before, event, _, after, decision in transitions:
        was, now = before.state, after.state
        if was.extra is None:
            if now.extra is not None:
                assert isinstance(event, ev.ExtraOrdered | ev.ExtraDue)
                assert was.phase is Phase.STORED
                assert not [a for a in was.attempts if a.status in OPEN]
                assert not isinstance(event, ev.ExtraOrdered) or event.order not in was.orders
            continue
        if isinstance(event, ev.Sending) and decision.ignored is None:
            assert event.ordinal == was.extra.ordinal
        if isinstance(event, ev.EraseAsked):
            continue
        assert was.outward.phase is Phase.STORED or not was.extra.is_beside
        if now.extra is not None:
            assert (now.current, now.verdict) == (was.current, was.verdict)
            continue
        assert now.phase is Phase.STORED
        assert not [a for a in now.attempts if a.is_unsent], "an attempt that is paid for later"
        is_new = now.current != was.current
        assert not is_new or (isinstance(event, ev.Stored) and not event.is_empty)
        assert not (is_new and was.extra.is_beside), "one to compare with became the result"
        assert is_new or now.verdict == was.verdict
        ends["new" if is_new else "as before"] += 1
    assert (ends["new"] > 5) is bool(cast.extras)
    assert (ends["as before"] > 5) is bool(cast.most_extras)


def test_what_is_only_to_compare_with_never_becomes_the_result(by_event: ByEvent, cast: Cast) -> None:
    """Whenever its words come: while it is under way, after it was given up."""
    stored = 0
    for before, event, _, after, decision in by_event[ev.Stored]:
        line = before.state.attempt_of(transcript_id=getattr(event, "transcript_id", None) or "none")
        is_beside = line is not None and before.state.is_beside(line)
        if isinstance(event, ev.Stored) and is_beside and decision.ignored is None:
            stored += 1
            assert (after.state.current, after.state.verdict) == (before.state.current, before.state.verdict)
    assert (stored > 5) is bool(cast.besides or cast.policy.shadow_providers)


def test_a_finished_asynchronous_transcript_is_always_taken_up(
    by_event: ByEvent,
) -> None:
    finished = 0
    for before, event, _, after, decision in by_event[ev.TranscriptDone]:
        if (
            not isinstance(event, ev.TranscriptDone)
            or event.transcript_id in before.state.processed_transcripts
            or before.state.phase is Phase.ERASED
        ):
            continue
        finished += 1
        assert after.state.pending_transcript(event.transcript_id), decision
        assert any(c.key == f"fetch:{event.transcript_id}" for c in after.pending)
    assert finished > 100


def test_after_a_failure_that_no_provider_can_cure_nothing_further_is_planned(
    transitions: list[Transition],
) -> None:
    ends = 0
    for before, event, _, after, decision in transitions:
        told = (seen.sub_code for seen in getattr(event, "seen", ()))
        if walk.INCURABLE not in (getattr(event, "sub_code", None), *told) or decision.ignored:
            continue
        is_new = {a.status for a in before.state.attempts} != {a.status for a in after.state.attempts}
        assert after.state.planned is None or not is_new, f"{event} leads to a further payment"
        ends += after.state.phase is Phase.FAILED and before.state.phase is not Phase.FAILED
    assert ends > 10


def test_a_foreign_failure_changes_nothing(by_event: ByEvent, cast: Cast) -> None:
    failures = 0
    for before, event, _, after, decision in by_event[ev.TranscriptFailed]:
        if isinstance(event, ev.TranscriptFailed) and event.transcript_id not in OURS.values():
            failures += 1
            assert decision.ignored
            assert after is before
    assert (failures > 100) is bool(cast.others)


def test_what_is_ignored_has_a_reason_and_changes_no_attempt(transitions: list[Transition]) -> None:
    ignored = 0
    for before, _, _, after, decision in transitions:
        if decision.ignored is not None:
            ignored += 1
            assert decision.ignored
            assert after is before or after.state.attempts == before.state.attempts
    assert ignored > 1_000


def test_no_command_waits_in_vain_and_none_that_is_needed_is_missing(worlds: list[World]) -> None:
    doubtful = 0
    for world in worlds:
        state, pending = world.state, world.pending
        assert all(is_wanted(state, c) for c in pending)
        if state.phase in ENDS or world == walk.START:
            continue
        assert pending, f"nothing will ever happen again: {state}"
        for line in state.attempts:
            if line.status in (AttemptStatus.UNKNOWN, AttemptStatus.SENDING) and state.publishing is None:
                doubtful += 1
                is_last_question = line.absence is not None and line.absence.is_for_the_recording
                key = "ask_recording" if is_last_question else str(line.ordinal)
                assert any(key in c.key for c in pending), line
    assert doubtful > 5


def test_a_person_revives_what_failed_or_was_skipped_and_pays_within_the_budget_they_named(
    by_event: ByEvent, cast: Cast
) -> None:
    revived: Counter[Phase] = Counter()
    for before, event, _, after, decision in by_event[ev.RetryAsked]:
        if not isinstance(event, ev.RetryAsked) or decision.ignored is not None:
            continue
        if event.over_budget and before.state.phase is Phase.CREATING:
            assert before.state.daily_budget_wait_since, "only what waits for the budget goes beyond it"
            continue
        revived[before.state.phase] += 1
        if before.state.phase is Phase.STORED:
            assert after.state.attempts == before.state.attempts, "what is stored is paid no further"
            continue
        assert before.state.phase in (Phase.FAILED, Phase.SKIPPED)
        assert after.state.phase not in ENDS
        assert after.pending
        if after.state.planned is not None:
            assert after.state.planned <= max(cast.policy.attempts, before.state.budget, event.budget)
    assert (revived[Phase.FAILED] > 100) is bool(cast.retries)
    assert (revived[Phase.SKIPPED] > 5) is bool(cast.retries and cast.has_policy_changes)


def test_an_attempt_has_a_cost_as_long_as_it_may_be_charged_for(worlds: list[World], cast: Cast) -> None:
    costs: Counter[bool] = Counter()
    for world in worlds:
        for line in world.state.attempts:
            costs[line.cost is not None] += 1
            assert line.cost is None or not line.is_unpaid, "what was not made is not given back"
            assert line.cost is not None or line.is_unpaid or not cast.has_daily_budget
    assert (costs[True] > 100) is cast.has_daily_budget


def test_every_failure_has_a_name(moved: list[Transition]) -> None:
    failures = 0
    for before, event, _, after, decision in moved:
        if after.state.phase is Phase.FAILED and before.state.phase is not Phase.FAILED:
            failures += 1
            assert decision.state.reason in NEXT_STEPS, event
    assert failures > 10


@pytest.fixture(scope="module")
def moodless(cast: Cast) -> dict[World, World]:
    """What the next alarm makes of a world without a pending create: the same in every mood."""
    return {}


@pytest.mark.parametrize("mood", ["refused", "busy", "unknown", "not_sent"])
def test_from_every_state_alarms_alone_lead_to_an_end(
    worlds: list[World], cast: Cast, mood: str, moodless: dict[World, World]
) -> None:
    ends: set[World] = set()
    for after in worlds:
        path = []
        world = after
        while world not in ends and not walk.is_end(world) and world != walk.START:
            path.append(world)
            assert len(path) < 40, f"pending for ever: {after}"
            if any(isinstance(command, CreateTranscript) for command in world.pending):
                world = _after_the_next_alarm(world, cast, mood)
                continue
            if world not in moodless:
                moodless[world] = _after_the_next_alarm(world, cast, mood)
            world = moodless[world]
        ends.update(path)
    assert len(ends) > 100


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
    if line is None or line.status is not AttemptStatus.SENDING:
        event = walk.before_the_send(world.state, command, policy)
        is_new = isinstance(event, ev.Sending) and (line is None or not line.is_doubtful)
        if mood == "busy" and policy.prices.daily_budget and is_new:
            event = ev.DailyBudgetReached(LATE, ordinal, command.provider, 600.0)
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


# The rest stands last: the casts that this process has walked before are not walked again.


@pytest.mark.slow
def test_every_event_happens_in_the_walk_and_counts() -> None:
    """One that is only noted, whatever the state, is ignored with the same words everywhere."""
    uncounted = set(RULES)
    words: dict[type[ev.Event], set[str]] = defaultdict(set)
    for cast in walk.CASTS.values():
        if not uncounted:
            return
        if len(cast.policy.providers) == 1:
            found = summary(cast)
            uncounted -= found.counted
            for kind, whys in found.words.items():
                words[kind] |= whys
    never = {kind for kind in uncounted if kind not in words}
    assert not never, "tests/core/walk.py has to let it happen"
    in_vain = {kind for kind in uncounted if len(words[kind]) > 1}
    assert not in_vain, "tests/core/walk.py lets it happen only where it is ignored"


@pytest.mark.slow
def test_the_diagram_in_the_readme_is_what_the_machine_does() -> None:
    found = set().union(*(summary(cast).edges for cast in walk.CASTS.values()))
    drawn = diagram.README.read_text("utf-8")
    assert diagram.drawn(drawn, diagram.mermaid(found)) == drawn, "renew it: python -m tests.core.diagram"
