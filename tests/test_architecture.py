"""Dependencies point inwards; what is pure stays pure."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.adapters.redis import job_queue

ROOT = Path(__file__).resolve().parent.parent
PURE = (
    "app/core",
    "app/transcripts",
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
# The streets, each with those that it never reaches: core <- recall <- orchestrator <- adapters <- the rest.
_ENTRIES = ("app.web", "app.ops", "app.cli", "app.wiring", "app.demo", "app.simulator")
FORBIDDEN = {
    "app/core": (
        "app.recall",
        "app.orchestrator",
        "app.adapters",
        "app.transcripts",
        "app.settings",
        *_ENTRIES,
    ),
    "app/recall": (
        "app.orchestrator",
        "app.adapters",
        "app.settings",
        "app.results",
        "app.processes",
        *_ENTRIES,
    ),
    "app/transcripts": ("app.recall", "app.orchestrator", "app.adapters", "app.settings", *_ENTRIES),
    "app/settings": ("app.orchestrator", "app.adapters", "app.results", "app.processes", *_ENTRIES),
    "app/orchestrator": ("app.adapters", "app.settings", "app.processes", *_ENTRIES),
    "app/adapters": ("app.recall", *_ENTRIES),
    "app/processes": (
        "app.core",
        "app.recall",
        "app.orchestrator",
        "app.adapters",
        "app.settings",
        *_ENTRIES,
    ),
    "app/simulator": (
        "app.core",
        "app.recall",
        "app.orchestrator",
        "app.adapters",
        "app.settings",
        "app.transcripts",
    ),
    "app": ("workers",),
}
# Of a street that is forbidden: records and figures, which know no way to Recall.
ALLOWED = {"app/adapters": ("app.recall.types",)}


def _files(place: str) -> list[Path]:
    path = ROOT / place
    return [path] if path.suffix == ".py" else sorted(path.rglob("*.py"))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _is_below(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


@pytest.mark.parametrize("place", PURE)
def test_pure_code_imports_nothing_that_does_io(place: str) -> None:
    files = _files(place)
    assert files
    for path in files:
        bad = [name for name in _imports(path) if any(_is_below(name, impure) for impure in IMPURE)]
        assert not bad, f"{path.relative_to(ROOT)} imports {bad}"


@pytest.mark.parametrize("place", list(FORBIDDEN))
def test_dependencies_point_inwards(place: str) -> None:
    for path in _files(place):
        names = [n for n in _imports(path) if not any(_is_below(n, a) for a in ALLOWED.get(place, ()))]
        bad = [n for n in names if any(_is_below(n, forbidden) for forbidden in FORBIDDEN[place])]
        assert not bad, f"{path.relative_to(ROOT)} imports {bad}"


def test_the_package_itself_imports_nothing() -> None:
    assert not list(_imports(ROOT / "app/__init__.py"))


@pytest.mark.parametrize("name", [job_queue.RECEIVE_JOB, job_queue.PERFORM_JOB])
def test_job_functions_named_as_strings_exist(name: str) -> None:
    module, _, function = name.rpartition(".")
    assert callable(getattr(importlib.import_module(module), function))


def test_files_stay_small_enough_to_read() -> None:
    sizes = {
        p.relative_to(ROOT): p.read_text("utf-8").count("\n") for d in ("app", "workers") for p in _files(d)
    }
    assert {str(path): size for path, size in sizes.items() if size > 400} == {}
