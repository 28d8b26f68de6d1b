"""Heartbeats of processes: who, where, how old; written seldom, and never a reason to fail."""

from __future__ import annotations

import json
import os
import socket

from app.errors import StoreUnavailable
from app.processes.heartbeats import Beat, Beater, hosts, read


class Rows:
    """The table, and whether it can be written."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str]] = []
        self.is_away = False
        self.closed = 0

    def beat(self, name: str, *, detail: str = "") -> None:
        if self.is_away:
            raise StoreUnavailable("gone")
        self.rows.append((name, detail))

    def close(self) -> None:
        self.closed += 1


def test_beat_names_role_host_and_process_and_comes_at_most_every_ten_seconds() -> None:
    rows, now = Rows(), [100.0]
    beater = Beater(rows, "worker-1", after=rows.close, clock=lambda: now[0])
    for _ in range(1000):  # a job each 10 ms
        now[0] += 0.01
        beater.beat_if_due()
    assert len(rows.rows) == 1
    now[0] += 10.0
    beater.beat_if_due()
    assert len(rows.rows) == rows.closed == 2
    name, detail = rows.rows[0]
    assert name == f"worker-1@{socket.gethostname()}"
    told = json.loads(detail)
    assert (told["host"], told["pid"]) == (socket.gethostname(), os.getpid())


def test_without_its_database_a_process_goes_on_and_tries_again_in_ten_seconds() -> None:
    rows, now = Rows(), [100.0]
    beater = Beater(rows, "web", clock=lambda: now[0])
    rows.is_away = True
    beater.beat_if_due()
    rows.is_away = False
    beater.beat_if_due()
    assert rows.rows == []
    now[0] += 10.0
    beater.beat_if_due()
    assert len(rows.rows) == 1


def test_rows_are_read_by_role_and_host_whatever_stands_in_them() -> None:
    found = read(
        {
            "dispatcher": (1.0, ""),
            "worker-1@one": (2.0, '{"pid": 7, "host": "one"}'),
            "web@two": (-0.5, "nonsense"),
            "inbox@three": (31.0, '["pid"]'),
            "up@four": (3.0, '{"pid": "7"}'),
        }
    )
    assert found == (
        Beat("inbox", "three", None, 31.0),
        Beat("up", "four", None, 3.0),
        Beat("web", "two", None, 0.0),
        Beat("worker-1", "one", 7, 2.0),
    )
    assert hosts(found) == {"one", "two", "four"}
