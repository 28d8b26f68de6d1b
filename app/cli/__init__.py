"""
The command line. Commands are imported when they are used, so that `--help` costs nothing.

Exit codes: 0 done, 1 ran and the answer is no, 2 usage, 69 something needed is away, 75 held by
another process, 78 configuration, 130 Ctrl-C.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence

import click

from app.errors import (
    AfterwordError,
    Away,
    BlobsUnavailable,
    ConfigError,
    HeldByAnother,
    QueueUnavailable,
    StoreUnavailable,
)
from app.processes.garbage import without_collecting
from app.settings.program_name import program

_COMMANDS = {  # by name: its file here, and what it is for
    "demo": ("demo", "25 meetings from recording.done to stored transcripts, offline"),
    "up": ("up", "run the service"),
    "dev": ("up", "check, up and ngrok, for development against a real workspace"),
    "check": ("check", "configuration and surroundings, every problem with its remedy"),
    "ops": ("ops", "the console's address and password"),
    "status": ("status", "one screen: what runs, each part, what is undone, what is paused"),
    "list": ("show", "what there is"),
    "show": ("show", "everything that happened to one recording"),
    "export": ("export", "everything out: transcriptions with their words, and their files"),
    "search": ("search", "sentences in stored transcripts"),
    "retry": ("retry", "try a failed recording again; says what it costs first"),
    "retranscribe": ("retranscribe", "pay for a further transcript beside the first; names the price first"),
    "compare": ("compare", "the same recordings by several providers, side by side; names the price first"),
    "replay": ("retry", "apply a stored delivery once more"),
    "render": ("render", "the formats that stored transcripts lack, made without Recall"),
    "reconcile": ("backfill", "take up recordings whose webhooks were lost"),
    "backfill": ("backfill", "transcribe older recordings; names number and cost first"),
    "keys": ("keys", "API keys of /v1: make, list, revoke"),
    "move-store": ("move_store", "every stored result to another store, verified; --to URL"),
    "webhooks": ("webhooks", "outgoing webhooks: list, test, enable, deliveries, resend"),
    "erase": ("erase", "a recording or a person: results and personal data, here and at Recall"),
    "migrate": ("up", "bring the database to this version"),
    "simulate": ("up", "a Recall.ai of your own, to develop against"),
    "test": ("dev_tools", "the whole test suite"),
    "chaos": ("dev_tools", "the proof: faults of every kind, and what became of every recording"),
    "mutate": (
        "dev_tools",
        "which wrong lines no test would notice: --paths core, --only, --survivors",
    ),
    "bench": (
        "dev_tools",
        "how fast: ack, drain, latency, growth, memory, search, upgrade, each beside its limit",
    ),
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        with without_collecting():
            module = importlib.import_module(f"app.cli.{_COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, f"{cmd_name.replace('-', '_')}_command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in _COMMANDS.items()])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="afterword", prog_name="afterword")
def cli() -> None:
    """Afterword turns finished Recall.ai recordings into stored transcripts."""


def run(arguments: Sequence[str]) -> int:
    """Runs one command; every expected trouble is a sentence on stderr and an exit code."""
    with without_collecting():
        from app import log

    log.silence()  # what runs a service turns it on
    try:
        code = cli.main(args=list(arguments), prog_name=program(), standalone_mode=False)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 130
    except ConfigError as error:
        complain(error.problems)
        return 78
    except AfterwordError as error:
        from app.cli.words import open_console, say

        say(open_console(is_stderr=True), f"afterword: {_said(error, arguments)}")
        if isinstance(error, HeldByAnother):
            return 75
        is_away = isinstance(error, Away | StoreUnavailable | QueueUnavailable | BlobsUnavailable)
        return 69 if is_away else 1
    return code if isinstance(code, int) else 0


def _said(error: AfterwordError, arguments: Sequence[str]) -> str:
    """A trouble with the database also says which file it is; the demo has one of its own."""
    if not isinstance(error, StoreUnavailable) or arguments[:1] == ["demo"]:
        return str(error)
    from app.cli.preflight import with_database_file
    from app.settings.environment import load_settings
    from app.settings.used_by_command import STORED

    # They were good a moment ago.
    return with_database_file(str(error), load_settings(used=STORED))


def complain(problems: Sequence[str]) -> None:
    """All problems at once, on stderr."""
    from app.cli.words import open_console, say

    heading = "1 configuration error" if len(problems) == 1 else f"{len(problems)} configuration errors"
    console = open_console(is_stderr=True)
    say(console, f"afterword: {heading} before this can start:")
    for problem in problems:
        say(console, f"  - {problem}", indent="  ")
    say(console, "Settings come from the environment and from .env; .env.example explains each.")
