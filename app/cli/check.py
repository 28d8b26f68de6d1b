"""`check`: every problem of configuration and surroundings with its remedy; and whether the service runs."""

from __future__ import annotations

import contextlib
import json
import os
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import click

from app import wiring
from app.cli import preflight
from app.cli.access_notes import access_notes
from app.cli.account_status import why_old
from app.cli.check_policy import check_policy, why_models_old
from app.cli.check_recall import Accounts
from app.cli.presence import RESPONSE_TIMEOUT_S, Service, service_of
from app.cli.reading import read_store, why_gone
from app.cli.words import open_console, say
from app.errors import AfterwordError, Away, ConfigError, HeldByAnother, StoreUnavailable
from app.ops import password
from app.orchestrator.stored_results import why_other_store
from app.processes import heartbeats, home_lock, web_probe
from app.settings.environment import Settings, load_settings
from app.settings.program_name import pasteable
from app.settings.server_urls import storage_folder
from app.settings.used_by_command import POLICY, QUEUE, RECALL, RESULTS, STORED
from app.settings.workspaces import workspaces_of

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
# Parts of readiness that nothing else here asks about.
_PARTS = ("workers", "recall", "providers", "inbox", "outgoing", "budget", "web")


@dataclass
class _Checked:
    """What was found; `service` is None where the settings say too little to ask."""

    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    service: Service | None = None


@click.command("check")
@click.option("--json", "as_json", is_flag=True, help="for programs; docs/json.md has the fields")
@click.option("--policy", type=_FILE, help="only this policy file, and what is sent by it")
@click.option("--explain", type=_FILE, help="with --policy: for this recording, as Recall's API answers it")
def check_command(as_json: bool, policy: Path | None, explain: Path | None) -> int:
    """Say everything that is wrong, and what to do about it; and whether the service runs."""
    if policy is not None:
        return check_policy(policy, explain, as_json=as_json)
    if explain is not None:
        raise click.UsageError("--explain goes with --policy")
    found = _Checked()
    settings = _settings(found)
    is_misconfigured = bool(found.problems)
    if settings is not None:
        found.warnings += settings.warnings
        found.warnings += why_models_old(settings.policy, datetime.now(UTC))
        found.problems += problems_of(settings, warn=found.warnings.append)
        _add_service(found, settings)
    found.problems = [pasteable(problem) for problem in found.problems]
    found.warnings = [pasteable(warning) for warning in found.warnings]
    _print(found, as_json=as_json)
    return 78 if is_misconfigured else 1 if found.problems else 0


def _settings(found: _Checked) -> Settings | None:
    """The settings, as far as they can be read; what is wrong is added."""
    try:
        return load_settings()
    except ConfigError as error:
        found.problems += error.problems
    with contextlib.suppress(ConfigError):
        return load_settings(used=())
    return None


def _add_service(found: _Checked, settings: Settings) -> None:
    """Whether it runs, what waits for its restart, and how it is by its own account."""
    if settings.wrong & STORED:
        return
    service = found.service = service_of(settings)
    if service.is_running is False and service.has_run and not home_lock.is_stopped(settings.home):
        found.problems.append(service.sentence())
    if (changed := service.why_changed()) is not None:
        found.warnings.append(changed)
    if service.is_running and (no_web := service.why_no_web(settings)) is not None:
        found.problems.append(no_web)
    if service.is_running and not settings.wrong & (STORED | QUEUE | RESULTS | POLICY):
        _add_parts(found, settings)


def _add_parts(found: _Checked, settings: Settings) -> None:
    """A sentence for each part of readiness that is not well and that nothing else asks about."""
    report = wiring.open_readiness(settings).ask(within_s=RESPONSE_TIMEOUT_S)
    said = report.by_part()
    states = {"web": "down", **report.parts}
    is_told = {part: states[part] == "down" for part in _PARTS}
    is_told |= {part: states[part] != "unknown" for part in ("outgoing", "budget")}
    ailing = [said[part] for part in _PARTS if part in said and is_told[part]]
    found.problems += [sentence for sentence in ailing if sentence not in found.problems]
    if report.facts is not None and (old := why_old(report.facts)) is not None:
        found.warnings.append(old)


def problems_of(settings: Settings, *, warn: Callable[[str], None] = lambda note: None) -> Iterator[str]:
    """
    One sentence each; nothing is asked that a wrong setting is needed for. Writes are tried and taken back.
    Recall is asked one harmless question, and about recordings known here where the key is new to them.
    `warn` gets what is no problem and may become one.
    """
    asked = _Asked(settings, warn, Accounts(settings, warn))
    for ask, used in _QUESTIONS:
        if used & settings.wrong:
            continue
        try:
            said = ask(asked)
        except AfterwordError as error:
            said = str(error)  # one that cannot be asked does not hide the others
        yield from [said] if isinstance(said, str) else said or ()


@dataclass
class _Asked:
    """What each question knows."""

    settings: Settings
    warn: Callable[[str], None]
    accounts: Accounts


def _home(asked: _Asked) -> str | None:
    home = asked.settings.home
    if (note := preflight.why_little_space(home)) is not None:
        asked.warn(note)
    return preflight.why_no_home(home) or preflight.why_unwritable(home, "AFTERWORD_HOME")


def _port(asked: _Asked) -> str | None:
    """Why `up` could not listen on HOST and PORT; None when it could, or when our own `up` does already."""
    try:
        home_lock.ensure_port_free(asked.settings.host, asked.settings.port)
    except HeldByAnother as taken:
        return None if _is_at_work(asked) else str(taken)
    except (ConfigError, Away) as error:
        return f"{error}."
    return None


def _is_at_work(asked: _Asked) -> bool:
    """The processes may have been started one by one, without `up`: then they share its database."""
    settings = asked.settings
    service = service_of(settings)
    if (is_own := service.is_own_port(settings.port)) is not None:
        return is_own
    is_ours = service.has_signs
    if is_ours is None:  # the database is away, which must not make our own web process a stranger
        is_ours = web_probe.is_ours(settings.host, settings.port)
    if is_ours:
        asked.warn(f"Port {settings.port} is taken, it seems by this service, which is at work.")
    return is_ours


def _database(asked: _Asked) -> str | list[str] | None:
    """Whether it can be used and written, and what it knows of accounts, keys and providers."""
    from app.adapters.sql import migrations

    settings = asked.settings
    try:
        revision = migrations.current_revision(settings.database_url)
        if revision is None:
            if (gone := why_gone(settings)) is not None:
                return f"{gone[0].upper()}{gone[1:]}."
            if settings.database_file is None:
                return "The database has no tables yet: run `./afterword migrate` (`up` does it too)."
            folder = settings.database_file.parent
            return None if folder == settings.home else preflight.why_unwritable(folder, "DATABASE_URL")
        if migrations.is_newer_than_program(settings.database_url):
            return "The database is newer than this program: update the program."
        if revision != migrations.newest_revision():
            old = "The database is of an earlier version"
            if service_of(settings).is_running:
                return f"{old}: stop the service, then `./afterword migrate` (`up` does it too)."
            asked.warn(f"{old}: `up` and `./afterword migrate` bring it to this one.")
            return None
        with contextlib.closing(wiring.open_store(settings)) as store:
            store.check_write()
            deque(map(asked.warn, access_notes(store, settings)), maxlen=0)
            return list(asked.accounts.problems_known(store))
    except StoreUnavailable as error:
        return preflight.with_database_file(str(error), settings)


def _password(asked: _Asked) -> str | None:
    """A password that a host made for itself is no other host's."""
    if asked.settings.ops_password:
        return None
    try:
        with contextlib.closing(read_store(asked.settings)) as store:
            hosts = heartbeats.hosts(heartbeats.read(store.heartbeats()))
    except AfterwordError:
        return None  # `_database` says why
    return password.why_setting_needed(asked.settings, hosts)


def _queue(asked: _Asked) -> str | None:
    from app.adapters.redis import embedded_server, errors, job_queue

    settings = asked.settings
    if settings.redis_url is None:
        embedded_server.find_binary()  # `up` brings its own, if there is one
        if not home_lock.is_held(settings.home):
            return None
        try:
            wiring.open_queue(settings).check_write()
        except AfterwordError as error:
            why = str(error).rstrip(".?")
            return f"{why}. It is the Valkey that `up` brought: stop `up` and start it again."
        return None
    wiring.open_queue(settings).check_write()
    with contextlib.closing(job_queue.connect(settings.redis_url, timeouts="web")) as client:
        if (note := errors.note_of(client)) is not None:
            asked.warn(note)
        return errors.why_unfit(client)


def _storage(asked: _Asked) -> str | None:
    folder = storage_folder(asked.settings.storage_url)
    if folder is not None and not os.path.lexists(folder):  # `up` makes it; asking does not
        return preflight.why_unwritable(folder, "STORAGE_URL")
    wiring.open_blobs(asked.settings).check()
    return None


def _results(asked: _Asked) -> str | None:
    """Whether `up` would refuse the storage, since it is another than the one that was used."""
    settings = asked.settings
    try:
        with contextlib.closing(wiring.open_store(settings)) as store:
            return why_other_store(store, wiring.open_blobs(settings))
    except AfterwordError:
        return None  # `_database` or `_storage` says why


def _webhooks(asked: _Asked) -> list[str]:
    known = workspaces_of(asked.settings)
    return [
        f"policy: [webhooks.{endpoint.name}] is for the workspace {name}, which is not there."
        for endpoint in asked.settings.endpoints
        for name in sorted(endpoint.workspaces - known.keys())
    ]


_QUESTIONS: tuple[tuple[Callable[[_Asked], str | list[str] | None], frozenset[str]], ...] = (
    (lambda asked: asked.accounts.problems(), RECALL),
    (_home, frozenset({"AFTERWORD_HOME"})),
    (_port, STORED | {"HOST", "PORT"}),
    (_database, STORED),
    (_password, STORED | {"AFTERWORD_OPS_PASSWORD"}),
    (_queue, QUEUE | STORED),
    (_storage, RESULTS),
    (_results, RESULTS | STORED),
    (_webhooks, POLICY),
)


def _print(found: _Checked, *, as_json: bool) -> None:
    service = found.service
    if as_json:
        told = {
            "ok": not found.problems,
            "problems": found.problems,
            "warnings": found.warnings,
            "is_running": service and service.is_running,
            "changed_settings": service.changed if service else (),
        }
        click.echo(json.dumps(told, indent=2))
        return
    console = open_console()
    for warning in found.warnings:
        say(console, f"  note: {warning}", indent="  ")
    for problem in found.problems:
        say(console, f"  - {problem}", indent="  ")
    if found.problems:
        console.print(f"{len(found.problems)} problem{'' if len(found.problems) == 1 else 's'} found.")
    else:
        console.print("Everything needed is there.")
    if service is not None and pasteable(service.sentence()) not in found.problems:
        say(console, service.sentence())
