"""
`python -m tests.bench`: each benchmark beside its limit. Exit 0 when it ran and no target was missed; 1 when
one was, and the table says which; 69 when something needed is not there.
"""

from __future__ import annotations

import importlib
import signal
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from app.errors import AfterwordError
from tests.bench.report import Options, Result, show, write_json

BENCHMARKS = ("ack", "drain", "latency", "growth", "memory", "search", "upgrade")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("what", type=click.Choice([*BENCHMARKS, "all"]), default="all")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option(
    "--rounds", type=click.IntRange(0, 100), default=0, help="of each measurement; 0: its own number"
)
@click.option(
    "--seconds", type=click.FloatRange(0.0, 600.0), default=0.0, help="of each measurement; 0: its own"
)
@click.option("--database", type=click.Choice(["sqlite", "postgresql"]), default="sqlite", show_default=True)
@click.option("--recordings", type=click.IntRange(0, 10_000_000), default=0, help="0: the benchmark's own")
@click.option(
    "--workers", type=click.IntRange(0, 64), default=0, help="of the service; 0: the benchmark's own"
)
@click.option("--only", multiple=True, metavar="PART", help="a part of the benchmark; may be repeated")
@click.option("--quick", is_flag=True, help="tiny numbers: that it runs, not how fast anything is")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="every measurement, as a file")
def main(what: str, json_path: Path | None, only: tuple[str, ...], **given: Any) -> None:
    """How fast, beside how fast it could be: ack, drain, latency, growth, memory, search, upgrade."""
    # Like Ctrl-C: what was started is stopped first.
    signal.signal(signal.SIGTERM, lambda signum, frame: sys.exit(128 + signum))
    options, console = Options(only=only, **given), Console()
    if not console.is_terminal:
        console.width = 120
    results: list[Result] = []
    code = 0
    try:
        for name in BENCHMARKS if what == "all" else (what,):
            console.print(f"{name} …", style="dim")
            results.append(importlib.import_module(f"tests.bench.{name}").run(options))
            show(results[-1], console)
            code = code or (0 if results[-1].is_met else 1)
    except AfterwordError as error:
        console.print(f"afterword: {error}", markup=False, soft_wrap=True)
        code = 69
    except KeyboardInterrupt:
        code = 130
    if json_path is not None and results:
        write_json(json_path, results, options)
    sys.exit(code)


if __name__ == "__main__":
    main(prog_name="afterword bench")
