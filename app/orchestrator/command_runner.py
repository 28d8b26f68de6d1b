"""
One command, from its lease to its outcome: the one place that applies, defers or drops.

    command id -> lease -> tried too often? -> is it wanted? -> is its account paused?
               -> effect(context) -> Happened | Later | Refused | NotWanted

Nothing is decided here: what happened is an event, and `transitions` commits what follows from it. An effect
writes a transcription's record itself in two moments only, both of a create: its claim, and how its request
ended. (Rates, circuit breakers and pauses are an installation's, not a transcription's.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, assert_never

from app.core import events
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
    about,
)
from app.core.state import AttemptStatus
from app.core.wanted import is_wanted
from app.errors import BlobsUnavailable, LeaseLost
from app.orchestrator.account_pause import proves_account
from app.orchestrator.command_context import CommandContext, EffectStore, Workspace
from app.orchestrator.database_time import DatabaseTime
from app.orchestrator.effects import (
    create_transcript,
    delete_at_recall,
    erase_results,
    fetch_transcript,
    prune_transcript,
    publish_transcript,
    queries,
    render_transcript,
)
from app.orchestrator.giving_up import giving_up
from app.orchestrator.lease import LeaseRenewer
from app.orchestrator.outcome import Happened, Later, NotWanted, Outcome, Refused
from app.orchestrator.parts import Parts
from app.orchestrator.ports import Leases, RateLimits
from app.orchestrator.rate_limits import CommandRates
from app.orchestrator.records import Begun, PauseSubject, Source

DEAD_LETTER_AFTER = 8
_OWN = PublishTranscript | RenderTranscript | EraseResults  # which ask nothing of Recall

_EFFECTS: dict[type[Command], Callable[[CommandContext], Outcome]] = {
    CreateTranscript: create_transcript.create,
    LookUpTranscript: queries.look_up,
    AskTranscript: queries.ask_transcript,
    AskRecording: queries.ask_recording,
    AwaitProvider: queries.await_provider,
    BeginExtra: queries.begin_extra,
    PruneTranscript: prune_transcript.prune,
    FetchTranscript: fetch_transcript.fetch,
    PublishTranscript: publish_transcript.publish,
    RenderTranscript: render_transcript.render,
    EraseResults: erase_results.erase,
    DeleteAtRecall: delete_at_recall.delete,
}


class RunnerStore(EffectStore, Leases, RateLimits, Protocol):
    """Leases, and what effects ask."""


class CommandRunner:
    """Holds no state between commands."""

    def __init__(self, parts: Parts) -> None:
        self._store: RunnerStore = parts.store
        self._blobs, self._clock, self._scratch = parts.blobs, parts.clock, parts.scratch
        self._log, self._account, self._transitions = parts.log, parts.account, parts.transitions
        self._forget_text = parts.forget_text
        self._workspaces, self._presence, self._durations = parts.workspaces, parts.presence, parts.timing
        self._stored = parts.stored

    def perform(self, command_id: int) -> None:
        """Takes the command's lease and does it. One that another worker has, or that is done, ends here."""
        begun = self._store.begin(command_id, self._presence, lease_s=self._durations.lease_s)
        if begun is None:
            return
        leased = begun.leased
        workspace = self._workspaces.get(leased.workspace)
        if workspace is None:
            after_s = self._durations.workspace_unknown_every_s
            self._account.suspend(leased.workspace, probe_after_s=after_s)
            self._store.defer(leased, after_s=after_s, cause=PauseSubject.WORKSPACE_UNKNOWN)
            return
        lease_s, renew_s = self._durations.lease_s, self._durations.lease_renew_s
        try:
            with LeaseRenewer(self._store, leased, lease_s=lease_s, every_s=renew_s) as renewer:
                context = self._context(begun, workspace, renewer)
                self._apply(context, self._outcome(context, begun))
        except LeaseLost:
            self._log.warning("lease_lost", recording=leased.recording_id, command=leased.command.key)

    def _context(self, begun: Begun, workspace: Workspace, renewer: LeaseRenewer) -> CommandContext:
        store, clock, leased = self._store, self._clock, begun.leased
        time = DatabaseTime(store.now, clock.boottime, begun.at)
        rates = CommandRates(
            store, clock, workspace.name, workspace.policy, now=time.now, brought=leased.slot
        )
        return CommandContext(
            workspace=workspace,
            leased=leased,
            before=self._transitions.noticed(begun.before),
            tripped=begun.tripped,
            time=time,
            renewer=renewer,
            store=store,
            blobs=self._blobs,
            clock=clock,
            scratch=self._scratch,
            log=self._log,
            rates=rates,
            transitions=self._transitions,
            probe=self._account.probe,
            forget_text=self._forget_text,
        )

    def _outcome(self, context: CommandContext, begun: Begun) -> Outcome:
        leased, command = context.leased, context.leased.command
        if leased.tries > DEAD_LETTER_AFTER:
            return Happened(self._end_dead_letter(context))
        if not is_wanted(context.state, command):
            return NotWanted()
        is_clear = not begun.is_paused and context.recall.fingerprint in begun.keys
        is_clear |= isinstance(command, _OWN)
        waiting = None if is_clear else self._account.why_wait(context.workspace, command)
        if waiting is not None:
            return waiting
        try:
            return _EFFECTS[type(command)](context)
        except BlobsUnavailable as trouble:
            self._log.error("storage_unavailable", recording=leased.recording_id, cause=str(trouble))
            return Later(context.policy.durations.blocked_first_s, "storage_unavailable")

    def _end_dead_letter(self, context: CommandContext) -> events.Event:
        leased, command, at = context.leased, context.leased.command, context.now()
        line = None
        if isinstance(command, CreateTranscript):
            line = context.state.attempt_of(ordinal=command.ordinal)
        if line is not None and line.status is AttemptStatus.SENDING:
            # Something may have been sent: that is looked up, whatever else went wrong.
            return events.CreateUnknown(at, line.ordinal, "eight_tries")
        self._log.error("dead_letter", recording=leased.recording_id, command=command.key, tries=leased.tries)
        return events.CommandFailed(at, **about(command))

    # -- what follows from an outcome ----------------------------------------------------------------
    def _apply(self, context: CommandContext, outcome: Outcome) -> None:
        match outcome:
            case Happened():
                self._happened(context, outcome)
            case Later():
                self._defer(context, outcome)
            case Refused():
                self._refused(context, outcome)
            case NotWanted():
                self._store.drop(context.leased, answers=context.answers())
            case _:
                assert_never(outcome)

    def _happened(self, context: CommandContext, outcome: Happened) -> None:
        leased, event = context.leased, outcome.event
        source = Source(command=leased, by="worker", answers=context.answers())
        # Without `context.before`: the effect took its time, and a create's claim has changed the state.
        decision, _ = self._transitions.advance(
            leased.workspace, leased.recording_id, event, source, artifact=outcome.artifact
        )
        if proves_account(event):
            self._account.accepted(context.workspace)
        self._stored(decision.state, outcome.artifact)

    def _defer(self, context: CommandContext, later: Later) -> None:
        """The command comes back later; after a day of that its wait ends by an event."""
        leased, wait_s = context.leased, later.after_s
        if not later.ends_by_itself:
            ended = giving_up(context, later.cause)
            if ended is not None:
                self._happened(context, Happened(ended))
                return
            if later.slot is None:  # growing with the time that it is wanted: nothing is asked in a circle
                at_most_s = context.policy.durations.put_off_at_most_s
                wait_s = max(wait_s, min((context.now() - leased.wanted_since) / 2, at_most_s))
            log = self._log.bind(recording=leased.recording_id, command=leased.command.key)
            log.info("waiting", cause=later.cause, wait_s=round(wait_s, 1))
        self._store.defer(
            leased, after_s=wait_s, cause=later.cause, slot=later.slot, answers=context.answers()
        )

    def _refused(self, context: CommandContext, refused: Refused) -> None:
        """First the pause, then what it means for the command."""
        workspace, every_s = context.workspace, context.policy.durations.account_probe_every_s
        if refused.event is not None:
            self._account.refused(workspace, refused.status, creates_only=refused.creates_only)
            self._happened(context, Happened(refused.event))
            return
        wait_s = self._account.on_refusal(workspace, refused.status)
        if wait_s is not None:  # it is this one thing that was refused, and not the account
            self._defer(context, Later(wait_s, f"http_{refused.status}"))
        else:
            self._defer(context, Later(every_s, "account", ends_by_itself=True))
