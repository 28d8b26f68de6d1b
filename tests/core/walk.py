"""
The world around the machine, abstracted so that all of it can be walked: one recording, one or two
providers, our transcripts, another party's, and a real-time one. Times are two: now, and much later.
Counters that only lengthen waits are forgotten, which is what makes the walk finite. A `Cast` says
who takes part: all of them at once would be a million worlds, three casts cover every pair.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import cached_property, lru_cache
from operator import attrgetter
from typing import Any

from app.core import events as ev
from app.core import reasons
from app.core.absence import Absence
from app.core.commands import (
    AskRecording,
    AskTranscript,
    AwaitProvider,
    BeginExtra,
    Command,
    CreateTranscript,
    DeleteAtRecall,
    EraseResults,
    FetchTranscript,
    LookUpTranscript,
    PruneTranscript,
    PublishTranscript,
    RenderTranscript,
)
from app.core.cost import MICROS, Cost, Prices
from app.core.machine import Decision, decide
from app.core.policy import Policy, ProviderChoice
from app.core.quality import EMPTY, Quality
from app.core.rules_create import why_not_send
from app.core.seen import FailureCause, Seen, TranscriptStatus
from app.core.state import (
    ENDS,
    AtRecall,
    Attempt,
    AttemptStatus,
    PendingTranscript,
    Phase,
    Transcription,
)

NOW = 1_000.0
SOON = NOW + 700.0  # an absence has lasted, and a list may be read again
LATE = NOW + 200_000.0
BOTH = (ProviderChoice("a_async"), ProviderChoice("b_async"))
OURS = {1: "ours-1", 2: "ours-2", 3: "ours-3"}
FOREIGN = "foreign"
REALTIME = "realtime"
INCURABLE = "zoom_captions_failure"
REFUSALS = tuple(ev.Refusal)
# The only reasons a rule looks at: a recording that failed and was done after all.
REVIVABLE = (reasons.RECORDING_FAILED, reasons.RECORDING_NEVER_DONE)


@dataclass(frozen=True)
class Cast:
    """Who and what takes part in a walk."""

    policy: Policy
    others: tuple[str, ...] = ()  # FOREIGN, REALTIME
    has_deletions: bool = False
    has_our_faults: bool = False
    has_silences: bool = False
    has_absences: bool = False  # 404 for a transcript, now and for long
    has_policy_changes: bool = False  # between the plan and the send
    has_commands_lost: bool = False
    has_looks: bool = True  # old news: Recall is looked at before a create
    has_empties: bool = True  # transcripts without a word, short recordings
    has_shortfalls: bool = False  # transcripts whose words call for another provider, or are flagged
    has_waits_ended: bool = False  # a command put off for a day, a list that could not be read for as long
    has_forgotten: bool = True  # webhooks about attempts that this database does not know
    has_erasures: bool = False
    retries: tuple[int, ...] = ()  # budgets that a person names with a retry; 0: none
    has_orders: bool = False  # a program orders the transcription
    extras: tuple[str, ...] = ()  # orders of a further transcript beside the result
    besides: tuple[str, ...] = ()  # the same, to compare with
    has_renders: bool = False  # a person asks for formats
    has_daily_budget: bool = False  # which may be reached before any claim

    @property
    def most_extras(self) -> int:
        return len(self.extras) + len(self.besides) + len(self.policy.shadow_providers)


# The small walks first: they let nearly every event happen.
CASTS = {
    "one provider, captions beside": Cast(Policy(BOTH[:1], 1), (REALTIME,)),
    "two providers, transcripts that fall short": Cast(
        Policy(BOTH, 2, quality=Quality(thin="fall-back")),
        has_shortfalls=True,
        has_looks=False,
        has_forgotten=False,
    ),
    "one provider, transcripts that fall short": Cast(
        Policy(BOTH[:1], 1, quality=Quality(thin="fall-back", empty="flag")),
        has_shortfalls=True,
        has_deletions=True,
        has_our_faults=True,
        has_looks=False,
    ),
    "one provider, policy, room and service change": Cast(
        Policy(BOTH[:1], 1, at_limit="prune"), has_policy_changes=True, has_silences=True
    ),
    "one provider, absences": Cast(Policy(BOTH[:1], 1), has_absences=True),
    "two providers, the policy changes": Cast(
        Policy(BOTH, 2), has_policy_changes=True, has_looks=False, has_empties=False, has_forgotten=False
    ),
    "one provider, commands are lost": Cast(Policy(BOTH[:1], 1), has_commands_lost=True),
    "one provider, a person asks again": Cast(
        Policy(BOTH[:1], 1),
        has_policy_changes=True,
        has_waits_ended=True,
        retries=(0, 2),
        has_renders=True,
        has_looks=False,
        has_empties=False,
    ),
    "one provider, a program orders": Cast(
        Policy(BOTH[:1], 1), (REALTIME,), has_orders=True, has_empties=False, has_policy_changes=True
    ),
    "one provider, one to compare with": Cast(
        Policy(BOTH[:1], 1), besides=("c",), has_looks=False, has_forgotten=False
    ),
    "one provider, a shadow, our own faults": Cast(
        Policy(BOTH[:1], 1, shadow_percent=100.0, shadow_providers=("b_async",)),
        has_our_faults=True,
        has_waits_ended=True,
        has_looks=False,
        has_empties=False,
        has_forgotten=False,
    ),
    "one provider, a daily budget": Cast(
        Policy(BOTH[:1], 1, prices=Prices("USD", {"a_async": MICROS}, 1.0, 5 * MICROS)),
        has_daily_budget=True,
        has_deletions=True,
        has_erasures=True,
        has_looks=False,
        has_empties=False,
        has_forgotten=False,
        retries=(0,),
    ),
    "one provider, and it is down": Cast(
        Policy(BOTH[:1], 1, tripped_providers=frozenset({"a_async"})), (REALTIME,)
    ),
    "one provider, another party, deletions, our own faults": Cast(
        Policy(BOTH[:1], 1), (FOREIGN,), has_deletions=True, has_our_faults=True
    ),
    "one provider, erasures": Cast(
        Policy(BOTH[:1], 1, delete_at_recall="transcript"),
        has_erasures=True,
        has_looks=False,
        has_empties=False,
        has_our_faults=True,
        has_waits_ended=True,
        retries=(2,),
    ),
    "one provider, an extra is ordered": Cast(
        Policy(BOTH[:1], 1),
        (REALTIME,),
        extras=("o",),
        has_looks=False,
        has_policy_changes=True,
        has_forgotten=False,
    ),
    "one provider, an extra is ordered, all that may go wrong": Cast(
        Policy(BOTH[:1], 1),
        extras=("o",),
        has_deletions=True,
        has_our_faults=True,
        has_silences=True,
        has_waits_ended=True,
        has_looks=False,
        has_empties=False,
        has_forgotten=False,
    ),
    "one provider, an extra, erasures": Cast(
        Policy(BOTH[:1], 1, delete_at_recall="transcript"),
        extras=("o",),
        has_erasures=True,
        has_looks=False,
        has_empties=False,
        has_forgotten=False,
    ),
    "two providers, captions beside": Cast(
        Policy(BOTH, 2), (REALTIME,), has_looks=False, has_empties=False, has_forgotten=False
    ),
    "two providers, silence goes on": Cast(
        Policy(BOTH, 2, on_silence="next"), has_deletions=True, has_empties=False, has_forgotten=False
    ),
    "two providers, the first is down, room is made at the limit": Cast(
        Policy(BOTH, 2, at_limit="prune", tripped_providers=frozenset({"a_async"})),
        has_looks=False,
        has_empties=False,
        has_forgotten=False,
    ),
    "two providers, long silences": Cast(
        Policy(BOTH, 2), has_silences=True, has_empties=False, has_forgotten=False
    ),
    "two providers, a person asks again": Cast(
        Policy(BOTH, 2),
        retries=(0,),
        has_looks=False,
        has_empties=False,
        has_forgotten=False,
    ),
}


@dataclass(frozen=True)
class World:
    """A state and the keys of its outbox."""

    state: Transcription
    pending: frozenset[Command]

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.state, self.pending))

    @cached_property
    def by_key(self) -> dict[str, Command]:
        return {c.key: c for c in self.pending}

    @cached_property
    def commands(self) -> tuple[Command, ...]:
        return tuple(self.pending)


START = World(Transcription("default", "rec"), frozenset())


def webhooks(state: Transcription, cast: Cast) -> Iterator[ev.Event]:
    """Whatever Recall may say at any moment, in any order."""
    yield ev.RecordingDone(NOW)
    if cast.has_looks:
        yield ev.RecordingDone(NOW, lookup_required=True)
    yield ev.RecordingFailed(NOW)
    if cast.has_silences:
        yield ev.DowntimeDetected(NOW)
    if cast.has_absences:
        yield ev.ClockStepped(NOW)
    for ordinal in range(1, cast.policy.attempts + cast.most_extras + 1):
        if not cast.has_forgotten and state.attempt_of(ordinal=ordinal) is None:
            continue
        yield ev.TranscriptDone(NOW, OURS[ordinal], ordinal)
        yield ev.TranscriptFailed(NOW, OURS[ordinal], ordinal, "x", FailureCause.PROVIDER)
        yield ev.TranscriptFailed(NOW, OURS[ordinal], ordinal, INCURABLE, FailureCause.PLATFORM)
    for other in cast.others:
        yield ev.TranscriptDone(NOW, other)
        yield ev.TranscriptFailed(NOW, other)
    if cast.has_deletions:
        yield ev.RecordingDeleted(NOW)
        yield ev.TranscriptDeleted(NOW, OURS[1], 1)


def answers(state: Transcription, command: Command, cast: Cast) -> Iterator[ev.Event]:
    """Whatever performing the command may bring."""
    match command:
        case CreateTranscript():
            yield from _create_answers(state, command, cast)
        case LookUpTranscript():
            yield from _lists(command, cast)
        case AskTranscript(transcript_id=tid):
            yield from _ask_answers(tid, cast)
        case FetchTranscript(transcript_id=tid):
            yield from _fetch_answers(tid, cast)
        case PublishTranscript(transcript_id=tid) | RenderTranscript(transcript_id=tid):
            is_new = isinstance(command, PublishTranscript)
            yield ev.Published(NOW, tid, "a_async", "en") if is_new else ev.Rendered(NOW, tid)
            yield ev.WaitEnded(LATE, command.key, "storage_unavailable", transcript_id=tid)
        case PruneTranscript(ordinal=ordinal):
            yield ev.Pruned(NOW, ordinal, has_room=True)
            yield ev.Pruned(NOW, ordinal, has_room=False)
        case AskRecording():
            yield from _recording_answers(state)
        case _:
            yield from _other_answers(command)


def _other_answers(command: Command) -> Iterator[ev.Event]:
    if isinstance(command, AwaitProvider):
        yield from _awaited()
    elif isinstance(command, BeginExtra):
        yield ev.ExtraDue(NOW)
    elif isinstance(command, EraseResults):
        yield from (ev.ResultsErased(NOW), ev.ResultsErased(LATE))
    elif isinstance(command, DeleteAtRecall):
        yield from _deletions()


def _deletions() -> Iterator[ev.Event]:
    for at in (NOW, SOON, LATE):
        yield ev.DeletedAtRecall(at)
        yield ev.DeletedAtRecall(at, (OURS[1],), (1,), is_whole=True)


def _awaited() -> Iterator[ev.Event]:
    yield ev.ProviderAwaited(NOW)


def _recording_answers(state: Transcription) -> Iterator[ev.Event]:
    yield from (ev.RecordingAsked(NOW, condition) for condition in ev.RecordingCondition)
    if state.lacks_evidence:
        yield ev.RecordingAsked(NOW, ev.RecordingCondition.DONE, duration_s=20)
        yield ev.RecordingAsked(NOW, ev.RecordingCondition.DONE, is_silent=True)
    yield ev.RecordingAsked(LATE, ev.RecordingCondition.NOT_DONE)
    yield ev.RecordingAsked(LATE, ev.RecordingCondition.UNKNOWN)


def _ask_answers(tid: str, cast: Cast) -> Iterator[ev.Event]:
    yield ev.StillProcessing(NOW, tid)
    yield ev.StillProcessing(LATE, tid)
    yield ev.TranscriptDone(NOW, tid)
    yield ev.TranscriptFailed(NOW, tid, None, "x")
    yield ev.TranscriptFailed(NOW, tid, None, INCURABLE, FailureCause.PLATFORM)
    yield ev.TranscriptGone(NOW, tid)
    if cast.has_absences:
        yield from _missing(tid)


def _missing(tid: str) -> Iterator[ev.Event]:
    for at in (NOW, SOON, LATE):
        yield ev.TranscriptMissing(at, tid, at_excluding_pauses=at)


def before_the_send(state: Transcription, command: CreateTranscript, policy: Policy) -> ev.Event:
    """The claim, or what the policy of now has against it."""
    unwanted = why_not_send(state, command.ordinal, command.provider, policy.intended(state.intent))
    if unwanted is not None:
        return replace(unwanted, at=NOW)
    return ev.Sending(NOW, command.ordinal, command.provider, command.key_serial)


def _create_answers(state: Transcription, command: CreateTranscript, cast: Cast) -> Iterator[ev.Event]:
    line = state.attempt_of(ordinal=command.ordinal)
    if line is None or line.status is not AttemptStatus.SENDING:
        yield before_the_send(state, command, cast.policy)
        if cast.has_policy_changes and (line is None or not line.is_doubtful):
            yield ev.NoLongerWanted(NOW, command.ordinal, "deselected", "excluded")
            yield ev.NoLongerWanted(NOW, command.ordinal, "provider_left", command.provider)
            yield ev.NoLongerWanted(NOW, command.ordinal, "no_further_attempt", "attempts")
        if cast.has_daily_budget and (line is None or not line.is_doubtful):
            for at in (NOW, LATE):
                yield ev.DailyBudgetReached(at, command.ordinal, command.provider, 600.0, 1800.0)
        if cast.policy.tripped_providers and line is None:
            yield ev.ProviderDown(NOW, command.ordinal, command.provider)
        if cast.has_policy_changes and line is None:
            yield ev.BudgetSpent(NOW, command.ordinal)
        return
    tid = OURS.get(command.ordinal, f"ours-{command.ordinal}")
    yield ev.Created(NOW, command.ordinal, tid, command.provider)
    yield ev.CreateUnknown(NOW, command.ordinal)
    yield ev.CreateNotSent(NOW, command.ordinal)
    for refusal in REFUSALS:
        yield ev.CreateRefused(NOW, command.ordinal, refusal)


def _lists(command: LookUpTranscript, cast: Cast) -> Iterator[ev.Event]:
    if command.transcript_id is not None:
        for event in _lists(replace(command, transcript_id=None), cast):
            assert isinstance(event, ev.Listed)
            yield replace(event, at=SOON, transcript_id=command.transcript_id)
        return
    ordinal = command.ordinal
    ages = ((1.0, 1.0), (3_600.0, 3_000.0), (9_000.0, 9_000.0))
    for first_s, last_s in ages:
        yield ev.Listed(SOON, ordinal, (), first_s, last_s)
    yield ev.Listed(NOW, ordinal, (), 1.0, 1.0, is_resendable=False)
    ours = ordinal or 1
    for status in set(TranscriptStatus) - {TranscriptStatus.OTHER}:  # which is as processing
        yield ev.Listed(NOW, ordinal, (Seen(OURS[ours], status, ours, "a_async"),), 1.0, 1.0)
    failed = Seen(
        OURS[ours], TranscriptStatus.FAILED, ours, "a_async", INCURABLE, failure=FailureCause.PLATFORM
    )
    yield ev.Listed(NOW, ordinal, (failed,), 1.0, 1.0)
    for other in cast.others:
        is_realtime = other == REALTIME
        done = Seen(other, TranscriptStatus.DONE, None, "z", is_realtime=is_realtime)
        yield ev.Listed(NOW, ordinal, (done,), 1.0, 1.0)


def _fetch_answers(tid: str, cast: Cast) -> Iterator[ev.Event]:
    if tid == REALTIME:
        yield ev.Unwanted(NOW, tid, "x_streaming")
    else:
        yield ev.Stored(NOW, tid, "a_async", "en", is_empty=False)
        if cast.has_empties:
            yield ev.Stored(NOW, tid, "a_async", None, is_empty=True)
        if cast.has_shortfalls:
            thin = ev.Stored(NOW, tid, "a_async", "en", is_empty=False, finding="thin", is_provisional=True)
            if tid != OURS[2]:  # of which it is enough that it is whole, or empty
                yield thin
            if len(cast.policy.providers) == 1:
                yield replace(thin, finding="cut_off", is_provisional=False)
    yield ev.NotYet(NOW, tid)
    yield ev.NotYet(LATE, tid)
    yield ev.DownloadUnreadable(SOON, tid, "aa")
    yield ev.DownloadUnreadable(SOON, tid, "aa", is_kept=True)
    if cast.has_absences:
        yield from _missing(tid)
    yield ev.TranscriptGone(NOW, tid)
    yield ev.FetchBlocked(NOW, tid, "refused")
    yield ev.FetchBlocked(LATE, tid, "refused")


def step(world: World, event: ev.Event, source: Command | None, policy: Policy) -> tuple[World, Decision]:
    """Applies the event as `Transcriptions.commit` would: the source is done, commands replace by key."""
    if isinstance(event, ev.ProviderAwaited):
        policy = replace(policy, tripped_providers=frozenset())  # the wait is over: somebody may try it
    state = _tried_often(world.state) if event.at == LATE else world.state
    decision = decide(state, event, policy, pending=world.commands)
    left = world.by_key.copy()
    if source is not None and not isinstance(event, ev.Sending):
        left.pop(source.key, None)
    elif source is not None and decision.ignored:
        left.pop(source.key, None)  # a claim that is not wanted ends its command
    for gone in decision.dropped:
        left.pop(gone.key, None)
    for new in decision.commands:
        left[new.key] = _forget_wait(new)
    is_same = decision.state is world.state  # and has forgotten already
    if is_same and left == world.by_key:
        return world, decision
    after = world.state if is_same else forget(decision.state)
    return World(after, frozenset(left.values())), decision


@lru_cache(10_000)
def _tried_often(state: Transcription) -> Transcription:
    """Much later also means: after many looks."""
    lines = tuple(replace(a, tries=9) for a in state.attempts)
    return replace(
        state,
        attempts=lines,
        pending_transcripts=tuple(replace(u, tries=9) for u in state.pending_transcripts),
    )


@lru_cache(10_000)
def forget(state: Transcription) -> Transcription:
    """Without what only lengthens waits or is only read by people; in one walk equal ones are one object."""
    bare = _bare(state)
    key = (*_kept(state), *bare.values())
    if key not in _forgotten:
        _forgotten[key] = replace(state, **bare)
    return _forgotten[key]


def _bare(state: Transcription) -> dict[str, Any]:
    is_stored, is_open = state.phase is Phase.STORED, state.phase not in ENDS
    pending = sorted(map(_forget_pending, state.pending_transcripts), key=attrgetter("transcript_id"))
    return {
        "attempts": tuple(map(_forget_line, state.attempts)),
        "pending_transcripts": tuple(pending),
        "superseded": tuple(sorted(state.superseded)),
        "listed_empty_at": NOW if state.listed_empty_at else 0.0,
        "processed_transcripts": tuple(sorted(state.processed_transcripts)),
        "recording_asks": min(state.recording_asks, 1) if state.phase is Phase.NEW else 0,
        "recording_wait_since": NOW if state.recording_wait_since and is_open else 0.0,
        "provider_wait_since": NOW if state.provider_wait_since and is_open else 0.0,
        "daily_budget_wait_since": NOW if state.daily_budget_wait_since and is_open else 0.0,
        "reason": state.reason if state.reason in REVIVABLE else None,
        "erased_at": NOW if state.erased_at else None,
        "candidate_verdict": state.candidate_verdict if state.candidate and not is_stored else EMPTY,
        # What no rule reads any more once a transcript is stored.
        "is_recording_done": is_stored or state.is_recording_done,
        "retry_requested": not is_stored and state.retry_requested,
        "budget": 0 if is_stored else state.budget,
        "exceeds_daily_budget": not is_stored and state.exceeds_daily_budget,
        **_UNREAD,
    }


_UNREAD: dict[str, Any] = {
    "duration_s": None,
    "looks_for_others": 0,
    "first_heard_at": 0.0,
    "completed_at": None,
    "detail": None,
    "candidate_words": 0,
    "is_flagged": False,  # told, and read by no rule
    "language": None,
    "provider": None,
    "is_by_hand": False,  # asked about by `select` alone, and these policies select everything
}


@lru_cache(10_000)
def _forget_line(line: Attempt) -> Attempt:
    bare = replace(
        line,
        since=NOW,
        tries=0,
        blocked=0,
        error=None,
        is_recording_unknown=False,
        cost=_forget_cost(line),
        key_serial=min(line.key_serial, 1),
    )
    return replace(bare, absence=_forget_absence(line.absence))


@lru_cache(10_000)
def _forget_pending(pending: PendingTranscript) -> PendingTranscript:
    bare = replace(pending, since=NOW, tries=0, absence=_forget_absence(pending.absence))
    return replace(bare, digest=None, digests=0, digest_at=0.0)


def _forget_cost(line: Attempt) -> Cost | None:
    """Whether there is one."""
    return None if line.cost is None else Cost(MICROS, line.cost.currency, 0)


def _forget_absence(absence: Absence | None) -> Absence | None:
    if absence is None:
        return None
    listed_at = NOW if absence.lists else 0.0
    return Absence(NOW, min(absence.lists, 2), listed_at, is_recording_seen=absence.is_recording_seen)


_kept = attrgetter(*({field.name for field in fields(Transcription)} - _bare(START.state).keys()))
_forgotten: dict[tuple[Any, ...], Transcription] = {}  # by what is left of it


@lru_cache(10_000)
def _forget_wait(command: Command) -> Command:
    bare = replace(command, after_s=0.0)
    return replace(bare, key_serial=min(bare.key_serial, 1)) if isinstance(bare, CreateTranscript) else bare


def moves(world: World, cast: Cast) -> Iterator[tuple[ev.Event, Command | None]]:
    if cast.has_commands_lost and not is_end(world) and world != START:
        yield ev.CommandMissing(NOW), None
    for event in _by_hand(world, cast):
        yield event, None
    for event in webhooks(world.state, cast):
        yield event, None
    for command in world.pending:
        for event in answers(world.state, command, cast):
            yield event, command
        for event in _troubles(command, cast):
            yield event, command


def _by_hand(world: World, cast: Cast) -> Iterator[ev.Event]:
    """What people and programs order."""
    yield from (ev.RetryAsked(NOW, budget) for budget in cast.retries)
    if cast.has_daily_budget:
        yield from (ev.RetryAsked(NOW, budget, over_budget=True) for budget in cast.retries)
    if cast.has_renders:
        yield from (ev.RenderAsked(NOW, tid) for tid in sorted(world.state.processed_transcripts))
    if cast.has_erasures:
        yield ev.DetailsExpired(NOW)
        yield from (ev.EraseAsked(NOW, each) for each in (None, AtRecall.RECORDING))
    if cast.has_orders:
        yield ev.TranscriptionOrdered(NOW)
    if world.state.phase is Phase.STORED:
        yield from (ev.ExtraOrdered(NOW, order) for order in cast.extras)
    if world.state.outward.phase is Phase.STORED:
        yield from (ev.ExtraOrdered(NOW, order, is_beside=True) for order in cast.besides)


def _troubles(command: Command, cast: Cast) -> Iterator[ev.Event]:
    """What may become of any command: our code fails at it, or it is put off for a day."""
    tid = getattr(command, "transcript_id", None)
    if cast.has_our_faults:
        yield ev.CommandFailed(NOW, command.key, transcript_id=tid)
    if cast.has_waits_ended:
        yield ev.WaitEnded(LATE, command.key, "http_418", transcript_id=tid)
    if cast.has_waits_ended and isinstance(command, LookUpTranscript):
        yield ev.LookUpImpossible(LATE, command.ordinal)


def reachable(
    cast: Cast, limit: int = 60_000
) -> Iterator[tuple[World, ev.Event, Command | None, World, Decision]]:
    """Every transition of every reachable world, each world once; equal worlds are one object."""
    _forgotten.clear()
    seen = {START: START}
    queue = deque([START])
    while queue:
        world = queue.popleft()
        for event, source in moves(world, cast):
            reached, decision = step(world, event, source, cast.policy)
            after = world if reached is world else seen.get(reached)
            if after is None:
                assert len(seen) < limit, "the walk does not end: something unbounded is in the state"
                after = seen[reached] = reached
                queue.append(after)
            yield world, event, source, after, decision


def is_end(world: World) -> bool:
    return world.state.phase in ENDS


__all__ = ["ENDS", "Phase", "is_end", "reachable", "step"]
