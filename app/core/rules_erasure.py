"""
Rules about what is taken away: a recording erased for good, and our transcripts deleted at Recall.

An erased recording leaves a tombstone: ids, ordinals and times. From then on two things alone are wanted of
it, and neither can lead to a create: that its files go here (`EraseResults`), and what is ours at Recall
(`DeleteAtRecall`). A request that was under way when it was erased may make a transcript later; so Recall's
list is read until every attempt is settled and the time is over in which one could appear.
"""

from __future__ import annotations

from dataclasses import replace

from app.core import events
from app.core.commands import Command, DeleteAtRecall, EraseResults
from app.core.policy import Policy
from app.core.rules_results import DELETED
from app.core.state import OPEN, AtRecall, Attempt, AttemptStatus, Phase, Transcription
from app.core.step import Step, ignore

_BOTH = (EraseResults(), DeleteAtRecall())
NAMES = frozenset(command.NAME for command in _BOTH)
# Of all that may happen to an erased recording.
TAKEN_UP = (
    events.EraseAsked,
    events.ResultsErased,
    events.DeletedAtRecall,
    events.CommandFailed,
    events.WaitEnded,
)


def is_wanted(t: Transcription, command: Command) -> bool:
    """Of an erased recording, and of these two commands of any."""
    match command:
        case EraseResults():
            return t.phase is Phase.ERASED and t.is_kept_here
        case DeleteAtRecall():
            return t.to_delete is not None and (t.phase is Phase.ERASED or _is_stored_whole(t))
        case _:
            return False


def _is_stored_whole(t: Transcription) -> bool:
    """It is stored, and nothing may come after it."""
    return t.is_idle and not t.waiting_extras


def deletion(t: Transcription, event: events.Event, pending: tuple[Command, ...], p: Policy) -> Step:
    """By policy, of what is stored: it begins when nothing is open or unread any more."""
    is_stored = isinstance(event, events.Stored | events.Published) and t.phase is Phase.STORED
    if is_stored and p.delete_at_recall != "never":
        t = replace(t, to_delete=AtRecall(p.delete_at_recall))
    if t.phase is Phase.ERASED or any(isinstance(c, DeleteAtRecall) for c in pending):
        return Step(t)
    return Step(t, (DeleteAtRecall(),))  # where it is not wanted, `decide` leaves it out


def on_erase_asked(t: Transcription, e: events.EraseAsked, p: Policy) -> Step:
    """The tombstone, and both commands: in one commit, which takes every other command's lease."""
    asked = (e.at_recall, t.to_delete)  # what was to be deleted there before still is
    to_delete = next((each for each in (AtRecall.RECORDING, AtRecall.TRANSCRIPT) if each in asked), None)
    read = (u.transcript_id for u in t.pending_transcripts)
    erased = Transcription(
        t.workspace,
        t.recording_id,
        phase=Phase.ERASED,
        attempts=tuple(_bare(line) for line in t.attempts),
        processed_transcripts=(*t.processed_transcripts, *read),
        provider=t.provider,
        budget=t.budget,
        first_heard_at=t.first_heard_at,
        completed_at=t.completed_at or e.at,
        erased_at=e.at,
        is_kept_here=True,
        to_delete=to_delete,
    )
    return Step(erased, _BOTH)  # where nothing is to be deleted there, `decide` leaves that out


def _bare(line: Attempt) -> Attempt:
    """For the bill, and to know what is ours at Recall."""
    status = AttemptStatus.REFUSED if line.is_unsent else line.status
    bare = Attempt(line.ordinal, line.provider, status, line.key_serial, line.transcript_id, line.error)
    return replace(bare, since=line.since, is_doubtful=line.is_doubtful, cost=line.cost)


def on_results_erased(t: Transcription, e: events.ResultsErased, p: Policy) -> Step:
    if not t.is_kept_here:
        return ignore(t, "nothing of it is kept here")
    left_s = (t.erased_at or 0.0) + p.durations.last_write_after_s - e.at
    if left_s > 0:
        return Step(t, (EraseResults(after_s=left_s),))
    return Step(replace(t, is_kept_here=False))


def on_deleted_at_recall(t: Transcription, e: events.DeletedAtRecall, p: Policy) -> Step:
    """A stored recording's is done with the first time; an erased one's list is read again."""
    if t.to_delete is None:
        return ignore(t, "nothing is to be deleted there")
    for line in t.attempts:
        is_gone = line.ordinal in e.ordinals or line.transcript_id in e.transcript_ids
        if line.status in OPEN and is_gone:
            t = t.with_attempt(replace(line, status=AttemptStatus.FAILED, error=DELETED))
    if t.phase is not Phase.ERASED:
        return Step(replace(t, to_delete=None))
    if e.is_whole:
        t = replace(t, to_delete=AtRecall.TRANSCRIPT)
    age_s = e.at - (t.erased_at or 0.0)
    left_s = p.durations.never_happened_after_s - age_s
    is_clean = not e.transcript_ids
    if left_s <= 0 and (is_clean or age_s >= p.durations.give_up_s):
        alarm = None if is_clean else "not_deleted_at_recall"
        return Step(replace(t, to_delete=None, attempts=tuple(map(_settled, t.attempts))), alarm=alarm)
    again_s = min(max(age_s, p.durations.second_list_after_s), p.durations.resend_at_most_every_s)
    return Step(t, (DeleteAtRecall(after_s=min(again_s, left_s) if left_s > 0 else again_s),))


def _settled(line: Attempt) -> Attempt:
    """No list of all that time has it."""
    if line.status not in OPEN:
        return line
    is_known = line.status is AttemptStatus.RUNNING
    status = AttemptStatus.FAILED if is_known else AttemptStatus.REFUSED
    error = DELETED if is_known else "it_did_not_happen"
    return replace(line, status=status, error=error, is_doubtful=False)


def not_erased(t: Transcription, e: events.CommandFailed | events.WaitEnded, p: Policy) -> Step:
    """
    Our own code failed at it, or a day of waiting. An erasure is not given up; the deletion of what is stored
    here is.
    """
    if t.phase is not Phase.ERASED:
        return Step(replace(t, to_delete=None), alarm="not_deleted_at_recall")
    again = (replace(c, after_s=p.durations.ask_at_most_every_s) for c in _BOTH if e.command == c.NAME)
    alarm = "not_erased" if e.command == EraseResults.NAME else "not_deleted_at_recall"
    return Step(t, tuple(again), alarm=alarm)


def on_details_expired(t: Transcription, e: events.DetailsExpired, p: Policy) -> Step:
    """Of what has ended: without its bot and metadata. The result stays."""
    if t.phase not in (Phase.STORED, Phase.FAILED, Phase.SKIPPED):
        return ignore(t, "it has not ended")
    return Step(replace(t, bot_id=None, metadata=(), detail=None))
