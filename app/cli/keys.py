"""`keys`: API keys of `/v1`, made, listed, revoked. A key is shown once; the database keeps its SHA-256."""

from __future__ import annotations

import json

import click

from app.adapters.sql.access import AccessKey
from app.api.keys import NAME, Scope, digest_of, new_key
from app.cli.reading import read_store
from app.cli.words import time_of
from app.errors import AfterwordError
from app.results.transcription_object import iso
from app.settings.environment import load_settings
from app.settings.used_by_command import STORED
from app.settings.workspaces import workspaces_of

_USED = STORED | {"AFTERWORD_API_KEYS"}
PAYS = "With config:write it can start paying for every new recording of {}."


@click.group("keys")
def keys_command() -> None:
    """API keys of /v1."""


@keys_command.command("create")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice([str(s) for s in Scope]),
    help="what it may do; may be given again",
)
@click.option("--workspace", metavar="NAME", help="the only one that it sees")
def create_command(name: str, scopes: tuple[str, ...], workspace: str | None) -> int:
    """Make a key and show it, this once."""
    settings = load_settings(used=_USED)
    if not NAME.fullmatch(name):
        raise click.BadParameter("1 to 64 letters, digits, and _ . -", param_hint="NAME")
    if workspace is not None and workspace not in (known := workspaces_of(settings)):
        raise click.BadParameter(f"known are {', '.join(known)}", param_hint="--workspace")
    key = new_key()
    kept = AccessKey(name, digest_of(key), frozenset(scopes), workspace)
    is_taken = name in {one.name for one in settings.api_keys}
    if is_taken or not read_store(settings).add_access_key(kept):
        raise AfterwordError(f"there is a key {name}, perhaps a revoked one: take another name")
    click.echo(key)
    click.echo("It is shown this once; only its SHA-256 is kept. Send `Authorization: Bearer KEY`.", err=True)
    if Scope.CONFIG_WRITE in scopes:
        click.echo(PAYS.format(workspace or "every workspace"), err=True)
    return 0


@keys_command.command("list")
@click.option("--json", "as_json", is_flag=True, help="one object per line")
def list_command(as_json: bool) -> int:
    """All keys, without what would open anything."""
    settings = load_settings(used=_USED)
    named = [AccessKey(key.name, key.digest, key.scopes) for key in settings.api_keys]
    keys = (*named, *read_store(settings).access_keys())
    for key in keys:
        shown = {
            "name": key.name,
            "scopes": sorted(key.scopes),
            "workspace": key.workspace,
            "created_at": iso(key.created_at or None),
            "revoked_at": iso(key.revoked_at),
        }
        click.echo(json.dumps(shown) if as_json else _line(key))
    if not keys and not as_json:
        click.echo("None.")
    return 0


def _line(key: AccessKey) -> str:
    of = "" if key.workspace is None else f"  workspace {key.workspace}"
    made = f"made {time_of(key.created_at)}" if key.created_at else "of AFTERWORD_API_KEYS"
    revoked = "" if key.revoked_at is None else f"  revoked {time_of(key.revoked_at)}"
    return f"{key.name}  {' '.join(sorted(key.scopes))}{of}  {made}{revoked}"


@keys_command.command("revoke")
@click.argument("name")
def revoke_command(name: str) -> int:
    """A key opens nothing any more, within a second or two."""
    settings = load_settings(used=_USED)
    if name in {key.name for key in settings.api_keys}:
        raise AfterwordError(f"{name} is of AFTERWORD_API_KEYS: take it out there")
    if not read_store(settings).revoke_access_key(name):
        raise AfterwordError(f"there is no key {name} that is in use")
    click.echo(f"{name} is revoked.")
    return 0
