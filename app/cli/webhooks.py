"""`webhooks`: who is told what became of a recording, what came back, and by hand once more."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from app import wiring
from app.adapters.sql.announcements import DISABLED, Delivered
from app.adapters.sql.store import SqlStore
from app.cli.listing import print_table
from app.cli.presence import why_idle
from app.cli.reading import read_store
from app.cli.show import find
from app.cli.words import harmless_json, open_console, printable, span
from app.errors import AfterwordError, QueueUnavailable
from app.orchestrator.records import AnnouncementOffer
from app.results.transcription_object import iso
from app.settings.environment import Settings, load_settings
from app.settings.outgoing import Endpoint
from app.settings.program_name import command as call
from app.settings.program_name import pasteable
from app.settings.used_by_command import POLICY, QUEUE, STORED

_HIGHEST = 2**63 - 1  # that a database can number


@click.group("webhooks")
def webhooks_command() -> None:
    """Outgoing webhooks: docs/webhooks.md."""


@webhooks_command.command("list")
@click.option("--json", "as_json", is_flag=True, help="one object per line; docs/json.md has the fields")
def list_command(as_json: bool) -> int:
    """The endpoints of the policy, how each is, and what waits for it."""
    settings = load_settings(used=STORED | POLICY)
    with contextlib.closing(read_store(settings)) as store:
        records = [_record(endpoint, store) for endpoint in settings.endpoints]
        names = {endpoint.name for endpoint in settings.endpoints}
        left = {name: n for name, n in store.announcements_waiting().items() if name not in names}
    if as_json:
        for record in records:
            click.echo(harmless_json(json.dumps(record, ensure_ascii=False)))
    elif records:
        _print(records, ("endpoint", "state", "waiting", "last_delivered_at", "url", "events"))
    else:
        click.echo("There are none: `[webhooks.NAME]` in policy.toml makes one, see docs/webhooks.md.")
    for name, number in sorted(left.items()):
        about = f"{number} waiting for {name}, which is not in the policy (any more)."
        click.echo(about, err=True)
    return 0


def _record(endpoint: Endpoint, store: SqlStore) -> dict[str, Any]:
    state = store.endpoint_state(endpoint.name)
    return {
        "endpoint": endpoint.name,
        "state": state.said(endpoint.digest),
        "waiting": store.announcements_waiting().get(endpoint.name, 0),
        "last_delivered_at": iso(state.delivered_at),
        "url": endpoint.url.partition("?")[0],  # what is behind it may be a secret
        "events": sorted(endpoint.events),
        "workspaces": sorted(endpoint.workspaces),
        "metadata": dict(endpoint.metadata),
        "include_text": endpoint.include_text,
    }


@webhooks_command.command("test")
@click.argument("name")
def test_command(name: str) -> int:
    """Send `webhook.test` to an endpoint now, and say what came back. Exit 1 when it was not taken."""
    from app.announce.exchange import post
    from app.announce.payload import enveloped
    from app.announce.signing import signed_headers

    settings = load_settings(used=POLICY)
    endpoint, now = _endpoint(settings, name), datetime.now(UTC)
    body = enveloped("webhook.test", now.timestamp(), {"endpoint": endpoint.name})
    headers = signed_headers(str(uuid.uuid4()), body, endpoint.secrets, at=now)
    answer = post(endpoint, headers, body.encode(), timeout_s=wiring.open_schedule(settings).timeout_s)
    came = answer.status if answer.status is not None else answer.cause
    click.echo(f"{name} answered {came} after {span(answer.took_s)}.")
    if answer.is_taken:
        return 0
    if (remedy := _REMEDIES.get(answer.cause)) is not None:
        click.echo(remedy)
    return 1


_REMEDIES = {
    "http_410": "A 410 in earnest disables the endpoint.",
    "http_401": "It does not know this signature: is the secret the same on both sides?",
    "address_refused": "Its name leads into a private network; `allow_private = true` in its table lets it.",
    "dns": "Its host's name is not known here.",
    "refused": "Nothing listens there.",
    "tls": "Its certificate is not accepted here.",
    "timeout": "No answer in 15 seconds.",
}


@webhooks_command.command("enable")
@click.argument("name")
def enable_command(name: str) -> int:
    """Ask an endpoint again that answered 410, or fails; what waits for it is due now."""
    settings = load_settings(used=STORED | QUEUE | POLICY)
    _endpoint(settings, name)
    with contextlib.closing(read_store(settings)) as store:
        number = store.enable_endpoint(name)
    click.echo(f"{name} is asked again; {number} waiting.")
    click.echo(pasteable(why_idle(settings) or "Under way."))
    return 0


@webhooks_command.command("deliveries")
@click.option("--endpoint", help="to this one alone")
@click.option("--recording", metavar="ID", help="about this one alone; the beginning of its id will do")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="one object per line; docs/json.md has the fields")
def deliveries_command(endpoint: str | None, recording: str | None, limit: int, as_json: bool) -> int:
    """What was announced, the latest first, and what came back at each try."""
    settings = load_settings(used=STORED)
    with contextlib.closing(read_store(settings)) as store:
        if recording is not None:
            recording = find(store, recording).transcription.state.recording_id
        found = store.delivered(endpoint=endpoint, recording_id=recording, limit=limit)
    records = [_delivery(one) for one in found]
    if as_json:
        for record in records:
            click.echo(harmless_json(json.dumps(record, ensure_ascii=False)))
    elif records:
        _print(
            records,
            ("number", "created_at", "endpoint", "event", "recording_id", "status", "tries", "next_at"),
        )
        if any(record["status"] != "delivered" for record in records):
            click.echo(pasteable(f"{call('webhooks resend NUMBER')} sends one again from its first try on."))
    else:
        click.echo("Nothing was announced yet.")
    return 0


def _delivery(one: Delivered) -> dict[str, Any]:
    return {
        "number": one.id,
        "webhook_id": one.webhook_id,
        "endpoint": one.endpoint,
        "event": one.event,
        "workspace": one.workspace,
        "recording_id": one.recording_id,
        "status": one.status,
        "created_at": iso(one.created_at),
        "next_at": iso(one.due_at),
        "tries": [{"at": iso(at), "answer": answer, "took_ms": took_ms} for at, answer, took_ms in one.tries],
    }


@webhooks_command.command("resend")
@click.argument("announcement", metavar="ID")
def resend_command(announcement: str) -> int:
    """Send one announcement again, from its first try on: by its number, or by the webhook-id it keeps."""
    settings = load_settings(used=STORED | QUEUE | POLICY)
    with contextlib.closing(read_store(settings)) as store:
        is_number = announcement.isdecimal() and int(announcement) <= _HIGHEST
        number = int(announcement) if is_number else store.announcement_of(announcement) or 0
        endpoint = store.resend_announcement(number)
        if endpoint is None:
            raise AfterwordError(
                f"no announcement {printable(announcement)}, or it is erased; see `webhooks deliveries`"
            )
        _endpoint(settings, endpoint)
        with contextlib.suppress(QueueUnavailable):  # the dispatcher offers it
            wiring.open_queue(settings, store=store).offer_announcements(
                [AnnouncementOffer(number, endpoint)]
            )
        if store.endpoint_state(endpoint).said(_endpoint(settings, endpoint).digest) == DISABLED:
            click.echo(pasteable(f"{endpoint} is disabled: {call(f'webhooks enable {endpoint}')} first."))
            return 1
    click.echo(pasteable(why_idle(settings) or "Under way."))
    click.echo(pasteable(f"{call('webhooks deliveries')} shows what comes back."))
    return 0


def _endpoint(settings: Settings, name: str) -> Endpoint:
    known = {endpoint.name: endpoint for endpoint in settings.endpoints}
    if name not in known:
        there = f"there are {', '.join(known)}" if known else "there is none"
        raise AfterwordError(f"the policy has no [webhooks.{name}]; {there}")
    return known[name]


def _print(records: Iterable[Mapping[str, Any]], names: tuple[str, ...]) -> None:
    """A line each, or, where a terminal is too narrow, one that is folded."""
    told = [[_said(record[name]) for name in names] for record in records]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(name.replace("_", " "), no_wrap=True)
    for cells in told:
        table.add_row(*map(Text, cells))
    print_table(open_console(), table, ("  ".join(filter(None, cells)) for cells in told))


def _said(value: Any) -> str:
    match value:
        case None:
            return ""
        case [{"answer": _}, *_]:
            return ", ".join(one["answer"] for one in value)
        case list():
            return ", ".join(map(str, value))
        case _:
            return str(value)
