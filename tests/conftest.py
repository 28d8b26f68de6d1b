"""What holds for all tests."""

from __future__ import annotations

import signal

import pytest

# A run under nohup, or of a script in the background, ignores it; what a test starts must hear it.
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Started in the background by a shell, Ctrl-C is ignored here and in every process that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """
    For `--dist loadgroup --no-loadscope-reorder`: a file that is in no group is one by itself, so that its
    fixtures are made once; and the groups that are allowed the longest time are begun first.
    """
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.location[0]))
    longest: dict[str, float] = {}
    for item in items:
        longest[_group(item)] = max(_allowed_s(item), longest.get(_group(item), 0.0))
    items.sort(key=lambda item: (-longest[_group(item)], _group(item)))


def _group(item: pytest.Item) -> str:
    mark = item.get_closest_marker("xdist_group")
    return "" if mark is None else str(mark.args[0])


def _allowed_s(item: pytest.Item) -> float:
    """A slow test without a time of its own comes before those that are not slow."""
    mark = item.get_closest_marker("timeout")
    if mark is not None:
        return float(mark.args[0])
    return 60.0 if item.get_closest_marker("slow") else 0.0
