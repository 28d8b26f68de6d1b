"""`up`, `dev`, `migrate`, `simulate`: the commands that run something."""

from __future__ import annotations

import importlib
import shutil
import subprocess
from collections.abc import Callable

import click

from app import log, wiring
from app.cli import preflight
from app.recall.limits import EventName
from app.settings.environment import Settings, load_settings
from app.settings.used_by_command import STORED


@click.command("up")
def up_command() -> int:
    """Run the service: web, workers, dispatcher and, unless REDIS_URL is set, Valkey."""
    settings = load_settings()
    log.configure("up")
    for warning in settings.warnings:
        log.get_logger().warning("setting_questionable", about=warning)
    return _up(settings)


@click.command("migrate")
def migrate_command() -> int:
    """Bring the database to this version's schema."""
    wiring.migrate(load_settings(used=STORED))
    click.echo("The database is up to date.")
    return 0


@click.command("simulate", context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def simulate_command(arguments: tuple[str, ...]) -> int:
    """A Recall.ai of your own; `./afterword simulate --help` lists its options."""
    from app.simulator.__main__ import main

    return main(list(arguments))


@click.command("dev")
def dev_command() -> int:
    """Check, then run the service behind ngrok, where that is installed."""
    from app.cli.check import problems_of

    settings = load_settings()
    log.configure("up")
    for problem in problems_of(settings):
        click.echo(f"  - {problem}", err=True)
    # Where the home cannot be used, `up` says so and ends.
    tunnel = None if preflight.why_no_home(settings.home) else _start_ngrok(settings)
    try:
        return _up(settings)
    finally:
        if tunnel is not None:
            tunnel.terminate()
            tunnel.wait(timeout=5)


def _up(settings: Settings) -> int:
    # By name: `app` never imports `workers`, which runs it.
    run_up: Callable[[Settings], int] = importlib.import_module("workers.up").run_up
    return run_up(settings)


def _start_ngrok(settings: Settings) -> subprocess.Popen[bytes] | None:
    domain = settings.ngrok_domain
    if not domain or shutil.which("ngrok") is None:
        missing = "NGROK_DOMAIN is not set" if not domain else "ngrok is not installed"
        click.echo(f"{missing}: the service runs, but Recall cannot reach it (https://ngrok.com/download).")
        return None
    click.echo("\nWebhook URL for the Recall dashboard (Webhooks > Add endpoint):\n")
    click.echo(f"  https://{domain}/webhooks/recall\n\nEvents to tick:")
    click.echo("".join(f"  {name}\n" for name in EventName))
    # Only the webhook path is let through: see ngrok.yml, whose placeholder domain is replaced here.
    template = (settings.root / "ngrok.yml").read_text("utf-8")
    config = settings.home / "ngrok.yml"
    preflight.private_folder(settings.home)
    text = template.replace("your-name.ngrok.app", domain).replace("url: 8000", f"url: {settings.port}")
    config.write_text(text, "utf-8")
    own = subprocess.run(["ngrok", "config", "check"], capture_output=True, check=False, text=True).stdout
    found = [word for word in own.split() if word.endswith((".yml", ".yaml"))]
    configs = [argument for path in [*found, str(config)] for argument in ("--config", path)]
    return subprocess.Popen(["ngrok", "start", "--all", "--log", "stderr", "--log-level", "warn", *configs])
