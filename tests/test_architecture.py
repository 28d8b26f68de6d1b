"""Dependencies point inwards; what is pure stays pure."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from app.adapters.redis import job_queue
from app.recall.limits import REGIONS, EventName
from app.recall.providers import ASYNC_PROVIDERS

ROOT = Path(__file__).resolve().parent.parent
PURE = (
    "app/core",
    "app/announce/news.py",
    "app/announce/schedule.py",
    "app/announce/signing.py",
    "app/transcripts",
    "app/recall/translation",
    *(
        f"app/recall/{n}.py"
        for n in (
            "signatures",
            "endpoints",
            "webhook_events",
            "create_response",
            "resources",
            "url_checks",
            "json_fields",
            "types",
            "limits",
            "providers",
        )
    ),
)
# What does I/O, reads a clock, or logs.
IMPURE = {
    "time",
    "datetime.datetime.now",
    "os",
    "socket",
    "requests",
    "sqlalchemy",
    "redis",
    "rq",
    "logging",
    "structlog",
}
# Each street with those it may import: core <- recall <- orchestrator <- adapters <- web, ops, cli, workers,
# and what stands beside. The root's errors, log and clock are free to all but the core, `wiring` to _ENTRIES.
ARROWS: dict[str, tuple[str, ...]] = {
    "core": (),
    "transcripts": (),
    "recall": ("core",),
    "settings": ("core", "recall"),
    "orchestrator": ("core", "recall", "transcripts"),
    "adapters": ("core", "recall", "orchestrator", "settings", "transcripts"),  # what is searched by
    "results": ("core", "orchestrator", "transcripts", "adapters"),
    "announce": ("core", "recall", "transcripts", "settings", "orchestrator", "adapters", "results"),
    "processes": (),
    "web": ("core", "recall", "orchestrator", "adapters", "settings", "processes"),
    "ops": ("core", "recall", "orchestrator", "adapters", "settings", "processes", "web"),
    "api": (
        *(
            "core",
            "recall",
            "orchestrator",
            "adapters",
            "settings",
            "results",
            "transcripts",
            "processes",
            "web",
        ),
    ),
    "simulator": (),  # another reading of Recall's documents: shared code would hide a misreading
    "demo": ("core", "settings", "adapters", "results", "processes", "web", "simulator"),
    "cli": (
        *("core", "recall", "orchestrator", "adapters", "settings", "results", "announce", "processes"),
        *("web", "ops", "api", "demo", "simulator", "transcripts"),
    ),
    "workers": (
        *("core", "recall", "orchestrator", "adapters", "settings", "announce", "processes", "web", "ops"),
    ),
}
_ENTRIES = ("web", "cli", "workers")
_FREE = ("errors", "log", "clock")
# All that adapters may have of `recall`: records and figures, which know no way to Recall.
_FACTS = ("app.recall.types", "app.recall.limits")


def _files(place: str) -> list[Path]:
    path = ROOT / place
    return [path] if path.suffix == ".py" else sorted(path.rglob("*.py"))


def _imports(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # A relative one names no street, which is an error of its own.
            module = "app.<relative>" if node.level else node.module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _is_below(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


@pytest.mark.parametrize("place", PURE)
def test_pure_code_imports_nothing_that_does_io(place: str) -> None:
    files = _files(place)
    assert files
    for path in files:
        bad = [
            name
            for name in _imports(path.read_text("utf-8"))
            if any(_is_below(name, impure) for impure in IMPURE)
        ]
        assert not bad, f"{path.relative_to(ROOT)} imports {bad}"


def _street(name: str) -> str:
    """Of `app.web.health` web, of `workers.jobs` workers, of `app.errors` errors; "" for what is not ours."""
    parts = name.split(".")
    if parts[0] == "app":
        return parts[1] if len(parts) > 1 else "app"
    return "workers" if parts[0] == "workers" else ""


def _against_the_arrows(street: str, source: str) -> list[str]:
    """What a file of this street imports and may not."""
    allowed = {street, *ARROWS[street], *(_FREE if street != "core" else ())}
    allowed |= {"wiring"} if street in _ENTRIES else set()
    found = [name for name in _imports(source) if _street(name) and _street(name) not in allowed]
    if street == "adapters":
        found += [n for n in _imports(source) if _street(n) == "recall" and not n.startswith(_FACTS)]
    return found


def test_every_folder_is_a_street_and_only_few_files_are_loose() -> None:
    folders = {path.parent.name for path in (ROOT / "app").glob("*/__init__.py")}
    assert folders | {"workers"} == set(ARROWS)
    assert len(list((ROOT / "app").glob("*.py"))) <= 8


@pytest.mark.slow
@pytest.mark.parametrize("street", ARROWS)
def test_no_import_goes_against_the_arrows(street: str) -> None:
    place = "workers" if street == "workers" else f"app/{street}"
    for path in _files(place):
        assert not _against_the_arrows(street, path.read_text("utf-8")), path.relative_to(ROOT)


def test_the_arrows_go_round_in_no_circle() -> None:
    tuple(TopologicalSorter(ARROWS).static_order())


@pytest.mark.parametrize(
    ("street", "source"),
    [
        ("core", "from app import errors"),
        ("core", "import app.recall.types"),
        ("recall", "from app.orchestrator.records import NewDelivery"),
        ("orchestrator", "from app import adapters"),
        ("orchestrator", "def late():\n    from app.adapters.sql import store"),
        ("adapters", "from app.recall.client import RecallClient"),
        ("adapters", "import app.web.health as health"),
        ("simulator", "from app.recall.signatures import verify"),
        ("ops", "from app import wiring"),
        ("web", "import workers.jobs"),
        ("web", "from . import health"),
    ],
)
def test_an_import_against_the_arrows_is_found(street: str, source: str) -> None:
    assert _against_the_arrows(street, source)


# Words of Recall's own: event names, providers, sub codes, statuses, addresses.
_RECALLS = re.compile(
    "|".join(map(re.escape, (*EventName, *ASYNC_PROVIDERS, *REGIONS)))
    + r"|_async\b|_streaming\b|zoom_|provider_connection|http_\d|recall\.ai|sub code"
)


def test_the_core_holds_no_word_of_recalls_own() -> None:
    """In its code: a comment may say where a duration comes from."""
    for path in _files("app/core"):
        tree = ast.parse(path.read_text("utf-8"))
        prose = {
            id(node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }
        texts = [n for n in ast.walk(tree) if isinstance(n, ast.Constant) and id(n) not in prose]
        found = [n.value for n in texts if isinstance(n.value, str) and _RECALLS.search(n.value)]
        assert not found, f"{path.relative_to(ROOT)}: {found}"


def test_the_package_itself_imports_nothing() -> None:
    assert not list(_imports((ROOT / "app/__init__.py").read_text("utf-8")))


@pytest.mark.parametrize("name", [*job_queue.JOBS, *job_queue.OUTGOING_JOBS])
def test_job_functions_named_as_strings_exist(name: str) -> None:
    module, _, function = name.rpartition(".")
    assert callable(getattr(importlib.import_module(module), function))


def test_files_stay_small_enough_to_read() -> None:
    sizes = {
        p.relative_to(ROOT): p.read_text("utf-8").count("\n") for d in ("app", "workers") for p in _files(d)
    }
    assert {str(path): size for path, size in sizes.items() if size > 400} == {}
