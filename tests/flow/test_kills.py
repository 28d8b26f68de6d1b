"""
SIGKILL of any process of `up`, while a create is on the wire, a transcript is running and another is being
downloaded: everything still ends right, and no create is paid twice.
"""

from __future__ import annotations

import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import psutil
import pytest

from tests.flow.programme import assert_each_is_paid_once_and_stored
from tests.flow.stage import Installation, installation, is_port_free, running, wait_until
from tests.process_checks import is_alive

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("kills"), pytest.mark.timeout(400)]

# Of the end of the last fault, where only a process died.
ENDS_WITHIN_S = 30.0

Victims = Callable[[Installation], list[psutil.Process]]
_SCRIPTS: tuple[dict[str, Any], ...] = (
    {},
    {"creates": ["timeout_after:30"]},
    {"creates": ["cut_after"]},
    {"download": ["slow:30"]},
)
_RECALL_WORKERS = tuple(f"worker-{number}" for number in range(1, 5))
VICTIMS: dict[str, Victims] = {
    "every horse": lambda up: up.children_of(*_RECALL_WORKERS, "inbox"),
    "every worker": lambda up: [up.child(name) for name in _RECALL_WORKERS],
    "inbox": lambda up: [up.child("inbox")],
    "dispatcher": lambda up: [up.child("dispatcher")],
    "web": lambda up: [up.child("web")],
    "a gunicorn worker": lambda up: up.children_of("web")[:1],
    "valkey": lambda up: [up.child("valkey")],
    "the Valkey server": lambda up: up.children_of("valkey"),
    "everything but up": lambda up: up.family(),
}


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    # On PostgreSQL the short form of `afterword chaos` kills everything of these.
    with running(tmp_path_factory.mktemp("kills"), seed=7) as place:
        yield place


@pytest.mark.parametrize("victims", VICTIMS)
def test_a_kill_in_the_middle_of_everything_loses_nothing_and_pays_nothing_twice(
    up: Installation, victims: str
) -> None:
    recordings = {
        "request on the wire": up.recall.record(creates=["slow:60"]),
        "accepted, not answered": up.recall.record(creates=["timeout_after:60"]),
        "transcribing": up.recall.record(transcribe_s=60),
        "downloading": up.recall.record(download=["slow:90"]),
    }
    wait_until(
        lambda: _is_in_the_middle(up, recordings), within_s=20, what="creates and a download under way"
    )
    late = up.recall.record()
    killed = VICTIMS[victims](up)
    assert killed, "nobody to kill"
    _kill(killed)
    assert_each_is_paid_once_and_stored(
        up, [*recordings.values(), late], within_s=ENDS_WITHIN_S, is_after_kill=True
    )


@pytest.mark.chaos
def test_kills_at_any_moment_lose_nothing_and_pay_nothing_twice(up: Installation) -> None:
    seed = time.time_ns() % 100_000
    dice = random.Random(seed)
    sys.stdout.write(f"seed {seed}\n")  # shown when it fails
    recordings = []
    for _ in range(16):
        recordings.append(up.recall.record(**dice.choice(_SCRIPTS)))
        time.sleep(dice.uniform(0.0, 0.6))
        if family := up.family():
            _kill([dice.choice(family)])
    assert_each_is_paid_once_and_stored(up, recordings, within_s=ENDS_WITHIN_S, is_after_kill=True)


def test_killing_up_takes_its_children_along_and_the_next_up_finishes_the_work(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with installation(tmp_path_factory.mktemp("up"), seed=8) as place:
        place.start()
        recordings = {
            "request on the wire": place.recall.record(creates=["slow:60"]),
            "accepted, not answered": place.recall.record(creates=["timeout_after:60"]),
            "downloading": place.recall.record(download=["slow:90"]),
        }
        wait_until(lambda: _is_in_the_middle(place, recordings), within_s=20, what="work under way")
        family = place.family()
        assert len(family) >= 10, "children and grandchildren"
        assert place.service is not None
        place.service.kill()
        place.service.wait()
        wait_until(lambda: not any(map(is_alive, family)), within_s=5, what="its family is gone")
        assert is_port_free(int(place.environment["PORT"]))
        while_away = place.recall.record()
        place.start()
        assert_each_is_paid_once_and_stored(
            place, [*recordings.values(), while_away], within_s=ENDS_WITHIN_S, is_after_kill=True
        )


def test_ctrl_c_in_the_middle_of_work_exits_130_and_the_next_up_finishes(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with installation(tmp_path_factory.mktemp("ctrlc"), seed=9) as place:
        place.start()
        recordings = {
            "accepted, not answered": place.recall.record(creates=["timeout_after:60"]),
            "downloading": place.recall.record(download=["slow:90"]),
        }
        wait_until(lambda: _is_in_the_middle(place, recordings), within_s=20, what="work under way")
        family = place.family()
        assert place.stop(signal.SIGINT) == 130
        assert [p for p in family if p.is_running()] == [], "orphans"
        assert is_port_free(int(place.environment["PORT"]))
        assert list(place.home.rglob("*.sock")) == []
        place.start()
        assert_each_is_paid_once_and_stored(
            place, list(recordings.values()), within_s=ENDS_WITHIN_S, is_after_kill=True
        )
        assert place.stop(signal.SIGTERM) == 0


def _is_in_the_middle(up: Installation, recordings: dict[str, str]) -> bool:
    bills = {name: up.recall.bill(recording) for name, recording in recordings.items()}
    creates = all(bill["create_posts"] for name, bill in bills.items() if name != "downloading")
    return creates and bills["downloading"]["downloads"] == 1


def _kill(victims: list[psutil.Process]) -> None:
    for victim in victims:
        with suppress(psutil.NoSuchProcess):
            victim.kill()
