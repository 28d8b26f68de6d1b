"""What holds for all tests."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

from tests import compiled_once

compiled_once.share()

# A run under nohup, or of a script in the background, ignores it; what a test starts must hear it.
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Started in the background by a shell, Ctrl-C is ignored here and in every process that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# They look at one programme, which takes long to play.
_ONE_PROGRAMME = {f"tests/flow/test_{name}.py" for name in ("by_hand", "scenes", "secrets")}

_ONLY_COMPUTE = {"core", "property"}


class _Files(LoadFileScheduling):  # type: ignore[misc]  # untyped
    """One process per file, and one for those that share what is played once."""

    def _split_scope(self, nodeid: str) -> str:
        file = str(super()._split_scope(nodeid))
        return "programme" if file in _ONE_PROGRAMME else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _Files | None:
    return _Files(config, log) if config.getvalue("dist") == "loadfile" else None


# What measures coverage: the tests beside the code that must be covered. The walk, and what is slow in
# rendering, reach no line that these do not.
_COVERING = {
    "tests/core",
    "tests/transcripts",
    "tests/recall/test_signatures.py",
    "tests/recall/test_endpoints.py",
}
_TOO_SLOW = {
    f"test_{name}.py"
    for name in ("walk", "render", "properties", "subtitle_readers", "subtitles_in_a_browser")
}

# Fixtures that start a server, or a program that imports the product anew.
_STARTERS = {"program", "postgresql_server", "postgresql_url"}


@pytest.hookimpl(tryfirst=True)  # before `-m` looks at the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """
    The files whose slow tests may take longest together are begun first (`--no-loadscope-reorder`); then
    what starts a process by one of its fixtures is slow too.
    """
    allowed: Counter[Path] = Counter()
    for item in items:
        allowed[item.path] += _allowed_s(item)
    items.sort(key=lambda item: -allowed[item.path])
    for item in items:
        if _starts_a_process(item):
            item.add_marker("slow")
        if _is_covering(item):
            item.add_marker("covering")


def _allowed_s(item: pytest.Item) -> int:
    """What does not wait fills the processors later; the walk, a minute and more, must not be last."""
    mark = item.get_closest_marker("timeout")
    if item.get_closest_marker("slow") is None:
        return 0
    return 2 if mark is None or item.path.parent.name in _ONLY_COMPUTE else int(mark.args[0])


def _is_covering(item: pytest.Item) -> bool:
    place = item.path.relative_to(item.config.rootpath)
    is_beside = not _COVERING.isdisjoint({str(place), str(place.parent)})
    return is_beside and place.name not in _TOO_SLOW


def _starts_a_process(item: pytest.Item) -> bool:
    of_cases: Any = getattr(item, "callspec", None)
    is_on_postgresql = of_cases is not None and "postgresql" in of_cases.params.values()
    return is_on_postgresql or not _STARTERS.isdisjoint(getattr(item, "fixturenames", ()))
