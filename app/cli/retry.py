"""`retry` and `replay`: by hand. Each says what it will cost before it does it."""

from __future__ import annotations

from dataclasses import replace

import click

from app import wiring
from app.adapters.sql.inbox import DeliveryInbox
from app.cli.confirm import is_agreed
from app.cli.costs import price_of
from app.cli.presence import why_idle
from app.cli.reading import read_store
from app.cli.show import find, workspace_option
from app.cli.words import short_id
from app.core import events
from app.core.commands import AskTranscript, CreateTranscript, LookUpTranscript
from app.core.machine import Decision, decide
from app.core.policy import CEILING, Policy
from app.core.rules_create import next_provider
from app.core.state import ENDS, AttemptStatus, Phase, Transcription
from app.core.step import budget as budget_of
from app.errors import AfterwordError
from app.orchestrator.planning import planned
from app.orchestrator.records import Loaded, Source
from app.orchestrator.service import Service
from app.recall.examples import NOTE, is_example
from app.recall.json_fields import Unreadable
from app.recall.webhook_events import Decoded, decode_delivery
from app.settings.environment import load_settings
from app.settings.program_name import command as call
from app.settings.program_name import pasteable
from app.settings.used_by_command import POLICY, QUEUE, STORED

# Recall itself is the service's to ask.
_USED = STORED | QUEUE | POLICY
_HIGHEST = 2**63 - 1  # that a database can number


@click.command("retry")
@click.argument("recording")
@click.option("--budget", type=click.IntRange(1, CEILING), help="paid attempts in all, at most nine")
@click.option("--over-budget", is_flag=True, help="also beyond the policy's daily_budget")
@workspace_option
@click.option("--yes", is_flag=True, help="do not ask")
def retry_command(
    recording: str, budget: int | None, over_budget: bool, workspace: str | None, yes: bool
) -> int:
    """Try a failed or skipped recording again. What costs nothing is tried before another paid attempt."""
    settings = load_settings(used=_USED)
    service, store = wiring.open_service(settings), read_store(settings)
    state = find(store, recording, workspace=workspace).transcription.state
    if not retry(service, state, budget=budget or 0, over_budget=over_budget, yes=yes):
        return 1
    click.echo(pasteable(why_idle(settings) or "Under way."))
    click.echo(f"{call(f'show {short_id(store, state.recording_id)}')} shows how it goes.")
    return 0


def retry(
    service: Service, state: Transcription, *, budget: int, yes: bool, over_budget: bool = False
) -> bool:
    """
    Says what it costs by the policy of the recording's own workspace, asks, and does it; False: nothing done.
    Raises `WorkspaceUnknown` where the settings do not have that workspace.
    """
    before = service.store.load(state.workspace, state.recording_id)
    policy = _policy(service, before, state)
    event = events.RetryAsked(service.store.now(), budget, over_budget)
    decision = decide(state, event, policy)
    click.echo(pasteable(_what_it_costs(decision, policy)))
    if decision.ignored is not None or (_may_cost(decision) and not is_agreed(yes=yes)):
        return False
    decision, _ = service.advance(state.workspace, state.recording_id, event, Source(by="person"))
    if decision.ignored is not None:
        click.echo(pasteable(f"Nothing done: {decision.ignored}."))
    return decision.ignored is None


@click.command("replay")
@click.argument("delivery", type=int)
@click.option("--yes", is_flag=True, help="do not ask")
def replay_command(delivery: int, yes: bool) -> int:
    """Apply a stored delivery once more, past the deduplication. Its number is in `show` and in the log."""
    settings = load_settings(used=_USED)
    service, store = wiring.open_service(settings), read_store(settings)
    if not replay(service, store, delivery, yes=yes):
        return 1
    click.echo(pasteable(f"Applied. {why_idle(settings) or ''}".rstrip()))
    return 0


def replay(service: Service, store: DeliveryInbox, delivery: int, *, yes: bool) -> bool:
    """As `retry`, with a delivery that is stored."""
    workspace, decoded = _decoded(store, delivery)
    event, recording = decoded.event, decoded.recording_id
    if event is None or recording is None:
        click.echo(f"Nothing to do: {decoded.note or decoded.kind}.")
        store.put_aside(delivery, kind=decoded.kind)
        return False
    if isinstance(event, events.RecordingDone):
        # A replay never pays for what may exist: it looks first.
        event = replace(event, lookup_required=True)
    before = service.store.load(workspace, recording)
    policy = _policy(service, before, before.transcription)
    decision = decide(before.transcription, event, policy, pending=before.pending)
    if decision.ignored is None:  # else it is said once, below
        click.echo(_what_it_costs(decision, policy))
    if _may_cost(decision) and not is_agreed(yes=yes):
        return False
    done, _ = service.advance(workspace, recording, event, Source(by="replay"))
    store.put_aside(delivery, kind=decoded.kind, recording_id=recording)
    if done.ignored:
        click.echo(f"Nothing done: {done.ignored}.")
    return not done.ignored


def _decoded(store: DeliveryInbox, delivery: int) -> tuple[str, Decoded]:
    """Its workspace, and what it says: an example nothing. One that still cannot be read is put aside."""
    kept = store.delivery(delivery) if 0 < delivery <= _HIGHEST else None
    if kept is None or kept[1] is None:
        raise AfterwordError(f"there is no delivery {delivery}, or its body is no longer kept")
    try:
        decoded = decode_delivery(kept[1], at=store.now())
    except Unreadable as error:
        store.put_aside(delivery, kind="unreadable")
        aside = "it is put aside now, and its body is dropped two weeks after it came"
        raise AfterwordError(f"delivery {delivery} is unreadable: {error.reason}; {aside}") from error
    if is_example(decoded.recording_id):
        decoded = replace(decoded, event=None, note=NOTE)
    return kept[0], decoded


def _may_cost(decision: Decision) -> bool:
    """At once, or once what is asked first has found nothing."""
    pays = any(isinstance(c, CreateTranscript | LookUpTranscript) for c in decision.commands)
    return pays or _is_followed_by_a_paid_one(decision)


def _is_followed_by_a_paid_one(decision: Decision) -> bool:
    """What is free goes first; after it an attempt that is open, or another since a person named a budget."""
    state = decision.state
    line = state.open_attempt
    is_open = line is not None and line.status is not AttemptStatus.RUNNING
    return (state.retry_requested or is_open) and state.phase not in ENDS and decision.ignored is None


def _policy(service: Service, before: Loaded, state: Transcription) -> Policy:
    """For this recording."""
    policy = service.policy_of(state.workspace)
    return planned(policy, state, processing=before.processing, forms=before.forms)


def _what_it_costs(decision: Decision, policy: Policy) -> str:
    if decision.ignored is not None:
        return f"Nothing to do: {decision.ignored.removeprefix('nothing to retry: ')}."
    for command in decision.commands:
        if isinstance(command, CreateTranscript):
            return (
                f"This creates a transcript with {command.provider}: attempt {command.ordinal}, which Recall "
                f"and the provider charge for: {_price(decision, policy, command.provider)}."
            )
    if any(isinstance(c, LookUpTranscript) for c in decision.commands):
        return (
            "This looks at Recall first. If no transcript is there, it creates one, which is charged for: "
            f"{_price(decision, policy)}."
        )
    if _is_followed_by_a_paid_one(decision):
        return (
            "This asks Recall first. If nothing is there, an attempt follows, which is charged for: "
            f"{_price(decision, policy)}."
        )
    if decision.state.phase in (Phase.FETCHING, Phase.TRANSCRIBING, Phase.STORED):
        free = "This asks Recall and fetches what is finished. It costs nothing."
        return f"{free}{_what_else(decision, policy)}"
    return "This costs nothing."


def _price(decision: Decision, policy: Policy, provider: str | None = None) -> str:
    """Of that attempt; without a provider, of the one that is open or comes next."""
    state, policy = decision.state, policy.intended(decision.state.intent)
    line = state.open_attempt
    provider = provider or (line.provider if line is not None else next_provider(state, policy))
    return price_of(policy, provider or policy.providers[0].key, state.duration_s)


def _what_else(decision: Decision, policy: Policy) -> str:
    """What may be paid for after a look that is free."""
    state, words = decision.state, ""
    if state.phase not in ENDS and state.next_ordinal <= budget_of(state, policy):
        words += " Only if Recall says that the transcript failed or is gone, the next attempt follows, paid."
    if any(isinstance(c, AskTranscript) for c in decision.commands) and state.next_ordinal <= CEILING:
        words += f" If there is nothing yet, `--budget {state.next_ordinal}` pays for another attempt."
    return words
