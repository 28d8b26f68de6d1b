"""`status`: one screen. What runs, each part, what is undone, what came last, what is paused."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import click
from rich.console import Console

from app import wiring
from app.adapters.sql.health import Facts
from app.adapters.sql.spending import Spent
from app.cli import costs
from app.cli.access_notes import access_notes
from app.cli.account_status import Standings, standings_of, why_old
from app.cli.presence import RESPONSE_TIMEOUT_S, Service, is_gone, service_of
from app.cli.reading import read_store
from app.cli.search import standing_of_index
from app.cli.words import open_console, printable, say, span, time_of
from app.core.cost import amount_of
from app.core.state import Phase
from app.errors import Away, ConfigError, StoreUnavailable
from app.processes import heartbeats
from app.results.transcription_object import iso
from app.settings.environment import Settings, load_settings
from app.settings.program_name import command as call
from app.settings.program_name import pasteable
from app.settings.used_by_command import POLICY, QUEUE, RESULTS, STORED
from app.settings.workspaces import workspaces_of
from app.web.health import Report

_LABEL = 14  # columns
_FORGOTTEN_AFTER_S = 86_400.0  # a process that gave no sign for so long is of another day
_COLOURS = {"ok": "green", "down": "red", "paused": "yellow", "unknown": "yellow"}

# In a person's words; a provider without a row was never passed over.
_BREAKERS = {"closed": "asked", "open": "open: passed over", "half_open": "half-open: about to be tried"}


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="for programs; docs/json.md has the fields")
def status_command(as_json: bool) -> int:
    """
    One screen: is it well, and if not, which part?

    Exit 1 when it is not, 69 when nothing can be read, 78 when the policy on disk is broken.
    """
    settings, misconfigured = _settings()
    try:
        with contextlib.closing(read_store(settings)) as store:
            counts, spent = store.counts().transcriptions, store.spent()
            standings = standings_of(store, workspaces_of(settings))
            access = list(access_notes(store, settings))
            index = standing_of_index(settings, store)
        report = wiring.open_readiness(settings).ask(within_s=RESPONSE_TIMEOUT_S)
        if report.facts is None:
            raise StoreUnavailable("the database does not answer")
    except (Away, StoreUnavailable) as trouble:
        if as_json:
            click.echo(json.dumps({"is_well": False, "problem": str(trouble)}, indent=2))
        else:
            click.echo(pasteable(service_of(settings).sentence()))
        raise
    service = service_of(settings)
    no_web = service.why_no_web(settings) if service.is_running else None
    wrong = misconfigured + ([no_web] if no_web is not None else [])
    seen = Seen(settings, report, report.facts, service, standings, counts, index, spent, wrong, access)
    if as_json:
        click.echo(json.dumps(seen.record(), indent=2))
    else:
        _print(open_console(), seen)
    return 78 if misconfigured else 0 if seen.is_well else 1


def _settings() -> tuple[Settings, list[str]]:
    """A policy that is broken on disk is told, and no reason to say nothing else: the service has another."""
    used = STORED | QUEUE | RESULTS
    try:
        return load_settings(used=used | POLICY), []
    except ConfigError as error:
        return load_settings(used=used), list(error.problems)


@dataclass(frozen=True, slots=True)
class Seen:
    """All of it, as of `facts.now`."""

    settings: Settings
    report: Report
    facts: Facts
    service: Service
    standings: Standings
    counts: Mapping[str, int]  # recordings by phase
    index: tuple[int | None, str]  # see `standing_of_index`
    spent: Sequence[Spent]  # of this UTC day
    wrong: Sequence[str] = ()  # further problems, a sentence each
    access: Sequence[str] = ()  # who may start paying by the API, a sentence each

    @property
    def is_well(self) -> bool:
        """It runs, and there is nothing to mend."""
        return self.report.status == "ok" and not self.problems()

    def processes(self) -> list[dict[str, Any]]:
        """Those that gave a heartbeat within a day."""
        return [
            {
                "name": beat.role,
                "host": beat.host,
                "pid": beat.pid,
                "age_s": round(beat.age_s, 1),
                "is_alive": beat.age_s <= heartbeats.SILENT_AFTER_S and not is_gone(beat.host, beat.pid),
            }
            for beat in heartbeats.read(self.facts.heartbeats)
            if beat.age_s < _FORGOTTEN_AFTER_S
        ]

    def providers(self) -> dict[str, str]:
        """Of the policy, and those that fail: `closed` breakers let through, `open` ones do not."""
        policies = [one.policy for one in workspaces_of(self.settings).values()]
        known = {key: "closed" for policy in policies for key in policy.every_provider}
        return {**known, **self.facts.breakers}

    def problems(self) -> list[str]:
        """A sentence each, with its remedy."""
        said = [*self.wrong] if self.service.is_running else [self.service.sentence(), *self.wrong]
        ailing = self.report.by_part()
        if not self.service.is_running:
            ailing.pop("web", None)  # of course
        said += [*ailing.values(), *self.standings.problems()]
        return [pasteable(sentence) for sentence in dict.fromkeys(said)]

    def notes(self) -> list[str]:
        """What is no trouble, and should be known."""
        said = (self.service.why_changed(), why_old(self.facts), *self.standings.notes(), *self.access)
        return [pasteable(sentence) for sentence in said if sentence is not None]

    def record(self) -> dict[str, Any]:
        """For programs: docs/json.md."""
        facts = self.facts
        return {
            "is_well": self.is_well,
            "status": self.report.status,
            "version": version("afterword"),
            "now": iso(facts.now),
            "service": {"is_running": self.service.is_running, "pid": self.service.holder},
            "processes": self.processes(),
            "parts": dict(self.report.parts),
            "oldest_undone_s": self.report.oldest_undone_s,
            "last_webhook_at": iso(facts.last_webhook_at),
            "last_stored_at": iso(facts.last_stored_at),
            "recordings": {phase.value: self.counts.get(phase.value, 0) for phase in Phase},
            "not_indexed": self.index[0],
            "providers": [{"provider": name, "breaker": at} for name, at in self.providers().items()],
            "endpoints": [{"endpoint": name, "state": at} for name, at in self.report.endpoints.items()],
            **self.standings.record(),
            "spent_today": [costs.spent_record(one) for one in self.spent],
            "daily_budget": amount_of(self.settings.policy.prices.daily_budget) or None,
            "recall_trouble_since": iso(facts.recall_trouble_since),
            "changed_settings": list(self.service.changed),
            "problems": self.problems(),
            "notes": self.notes(),
        }


def _print(console: Console, seen: Seen) -> None:
    well = "[green]all is well[/]" if seen.is_well else "[red]not well[/]"
    console.print(f"Afterword {version('afterword')}, {time_of(seen.facts.now)}: {well}")
    for label, text, colour in _lines(seen):
        say(console, f"{label:<{_LABEL}}{printable(text)}", indent=" " * (_LABEL - 4), style=colour)
    for sentence in (*seen.problems(), *seen.notes()):
        say(console, f"\n{sentence}")


def _lines(seen: Seen) -> Iterable[tuple[str, str, str | None]]:
    """Label, text, colour."""
    yield ("service", _runs(seen.service), "green" if seen.service.is_running else "red")
    for process in seen.processes():
        alive = None if process["is_alive"] else "red"
        yield ("", f"{process['name']:<13}{process['host']}, {span(process['age_s'])} ago", alive)
    for part, state in seen.report.parts.items():
        yield (part, state, _COLOURS.get(state))
    undone_s, now = seen.report.oldest_undone_s, seen.facts.now
    yield ("oldest undone", "nothing is" if undone_s is None else span(undone_s), None)
    yield ("last webhook", _ago(seen.facts.last_webhook_at, now), None)
    yield ("last stored", _ago(seen.facts.last_stored_at, now), None)
    told = ", ".join(f"{number} {phase}" for phase in Phase if (number := seen.counts.get(phase)))
    why = f" ({call('list --phase failed')} says why)" if seen.counts.get(Phase.FAILED) else ""
    yield ("recordings", f"{told}{why}" if told else "none yet", None)
    yield ("search", seen.index[1], None)
    if (spent := costs.today(seen.spent, seen.settings.policy.prices)) is not None:
        yield ("spent today", spent, None)
    breakers = [f"{name} {_BREAKERS.get(at, at)}" for name, at in seen.providers().items()]
    yield ("providers", ", ".join(breakers), None)
    if endpoints := seen.report.endpoints:
        yield ("webhooks", ", ".join(f"{name} {state}" for name, state in endpoints.items()), None)
    paused = seen.standings.record()["paused"]
    yield ("paused", "no" if paused is None else paused["cause"], None)


def _runs(service: Service) -> str:
    if service.is_running is None:
        return "not known"
    if not service.is_running:
        return "does not run"
    pid = service.holder
    here = "up" if service.is_home_held else "by hand"
    return f"runs ({here}, process {pid})" if pid else f"runs ({here})"


def _ago(at: float | None, now: float) -> str:
    return "none yet" if at is None else f"{time_of(at)} ({span(now - at)} ago)"
