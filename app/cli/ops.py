"""`ops`: where the console is, and how to enter it."""

from __future__ import annotations

import json

import click

from app.ops import USER
from app.ops import password as passwords
from app.settings.environment import load_settings
from app.settings.program_name import command
from app.settings.used_by_command import CONSOLE


@click.command("ops")
@click.option("--json", "as_json", is_flag=True, help="for programs")
def ops_command(as_json: bool) -> int:
    """Address, user and password of the console (/ops) and of /metrics."""
    settings = load_settings(used=CONSOLE)
    password = passwords.kept_password(settings)
    address = passwords.address(settings)
    if as_json:
        metrics = f"{address.removesuffix('ops/')}metrics"
        record = {"address": address, "metrics": metrics, "user": USER, "password": password}
        click.echo(json.dumps(record, indent=2))
    else:
        click.echo(f"Address   {address}")
        click.echo(f"User      {USER}")
        none_yet = f"none yet: {command('up')} makes one, or set AFTERWORD_OPS_PASSWORD"
        click.echo(f"Password  {password or none_yet}")
    return 0 if password else 1
