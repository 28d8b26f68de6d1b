"""`retranscribe`: a further paid transcript beside the first. It says what it costs before it does it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import cast, get_args

import click

from app import wiring
from app.api import transcribing as api
from app.api.problems import Problem
from app.api.types import TranscribeOrder
from app.cli.confirm import is_agreed
from app.cli.costs import price_of
from app.cli.presence import why_idle
from app.cli.reading import read_store
from app.cli.show import find, workspace_option
from app.cli.words import short_id
from app.core import events
from app.core.intent import Diarization
from app.core.machine import decide
from app.core.policy import Order, Policy
from app.orchestrator.planning import planned
from app.orchestrator.records import Loaded, Source
from app.results.transcription_object import duration_s_of
from app.settings.environment import load_settings
from app.settings.program_name import command as call
from app.settings.program_name import pasteable
from app.settings.used_by_command import POLICY, QUEUE, RESULTS, STORED

_USED = STORED | QUEUE | POLICY | RESULTS


@click.command("retranscribe")
@click.argument("recording")
@click.option("--provider", help="Recall's key or the vendor's name; without it the policy's first")
@click.option("--language", help="a BCP 47 tag such as de-CH, or auto; without it as the policy says")
@click.option("--diarization", type=click.Choice(get_args(Diarization)), help="without it as the policy says")
@workspace_option
@click.option("--yes", is_flag=True, help="do not ask")
def retranscribe_command(
    recording: str,
    provider: str | None,
    language: str | None,
    diarization: str | None,
    workspace: str | None,
    yes: bool,
) -> int:
    """
    Pay for a further transcript of a completed recording. With words it becomes the result; the first one's
    files stay. One that failed or was skipped is for `retry`.
    """
    settings = load_settings(used=_USED)
    service, store = wiring.open_service(settings), read_store(settings)
    shown = find(store, recording, workspace=workspace)
    state = shown.transcription.state
    loaded = service.store.load(state.workspace, state.recording_id)
    order = order_of(provider=provider, language=language, diarization=diarization)
    policy = planned_for(service.policy_of(state.workspace), loaded, order)
    event = events.ExtraOrdered(service.store.now(), f"retranscribe/{uuid.uuid4()}", order)
    why = decide(loaded.transcription, event, policy).ignored
    if why is not None:
        click.echo(pasteable(f"Nothing to do: {why}."))
        return 1
    first = policy.providers[0].key
    price = price_of(policy, first, duration_s_of(state, wiring.open_blobs(settings)))
    click.echo(
        f"This creates a further transcript with {first}: attempt {loaded.transcription.next_ordinal}, which "
        f"Recall and the provider charge for: {price}."
    )
    if not is_agreed(yes=yes):
        return 1
    decision, _ = service.advance(state.workspace, state.recording_id, event, Source(by="person"))
    if decision.ignored is not None:
        click.echo(pasteable(f"Nothing done: {decision.ignored}."))
        return 1
    click.echo(pasteable(why_idle(settings) or "Under way."))
    click.echo(f"{call(f'show {short_id(store, state.recording_id)}')} shows how it goes.")
    return 0


def order_of(*, provider: str | None, language: str | None = None, diarization: str | None = None) -> Order:
    """As `/v1` reads it. Raises `click.UsageError`."""
    given = {"language": language, "provider": provider}
    with _as_usage():
        order = api.order_of(TranscribeOrder.model_validate(given))
    return replace(order, diarization=cast("Diarization | None", diarization))


def planned_for(policy: Policy, before: Loaded, order: Order) -> Policy:
    """The policy for an extra that is ordered so. Raises `click.UsageError`: no provider can do it."""
    with _as_usage():
        api.raise_if_unable(order, before, policy)
    ordered = replace(before.transcription, intent=order)
    return planned(policy, ordered, processing=before.processing, forms=before.forms)


@contextmanager
def _as_usage() -> Iterator[None]:
    try:
        yield
    except Problem as problem:
        raise click.UsageError(problem.message, ctx=click.get_current_context(silent=True)) from None
