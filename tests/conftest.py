"""What holds for all tests."""

from __future__ import annotations

import signal
from collections import Counter

import pytest

# A run under nohup, or of a script in the background, ignores it; what a test starts must hear it.
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Started in the background by a shell, Ctrl-C is ignored here and in every process that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """
    For `--dist loadgroup --no-loadscope-reorder`: a file that is in no group is one by itself, so that its
    fixtures are made once; and the groups whose tests may take longest together are begun first.
    """
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.location[0]))
    allowed: Counter[str] = Counter()
    for item in items:
        allowed[_group(item)] += _allowed_s(item)
    items.sort(key=lambda item: (-allowed[_group(item)], _group(item)))


def _group(item: pytest.Item) -> str:
    mark = item.get_closest_marker("xdist_group")
    return "" if mark is None else str(mark.args[0])


def _allowed_s(item: pytest.Item) -> int:
    """What is not slow hardly waits: it fills the processors at the end, when no service is in a hurry."""
    mark = item.get_closest_marker("timeout")
    if item.get_closest_marker("slow") is None:
        return 0
    return 60 if mark is None else int(mark.args[0])
