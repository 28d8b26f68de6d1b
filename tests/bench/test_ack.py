"""`bench ack` runs, its numbers are there, and what it says it counted it did count. No time is judged."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from app.recall.signatures import judge_headers, parse_secret, verify
from tests.bench import ack, load
from tests.bench.receivers import SECRET, Receiver, receiver
from tests.bench.report import Options


@pytest.mark.slow
def test_quick_run_measures_each_receiver_and_finds_every_acknowledged_delivery() -> None:
    result = ack.run(Options(quick=True, only=("limits",), seconds=0.2))

    values = {row.what: row.value for row in result.rows}
    for name in ("bare 202", "verify only", "durable"):
        assert values[f"4 connections: {name}"] > 0
    assert values["4 connections: durable, p99"] >= values["4 connections: durable, p50"] > 0
    (counted,) = [row for row in result.rows if row.unit == "missing"]
    assert (counted.value, counted.is_met) == (0, True)
    assert "of 0 acknowledged" not in counted.what
    assert all(
        report["statuses"].keys() == {"202"} for found in result.raw["limits"].values() for report in found
    )


@pytest.mark.slow
def test_acknowledged_delivery_that_is_not_in_the_database_is_counted(tmp_path: Path) -> None:
    with receiver("durable", tmp_path / "home") as one:
        measured = ack.Measured(acked={one.name: {"msg_never_stored"}})

        row = ack.missing_row(measured, [one], "limits")

    assert (row.value, row.is_met) == (1, False)


def test_every_prepared_delivery_is_rightly_signed_and_has_an_id_of_its_own() -> None:
    task = load.Task(port=1, connections=1, seconds=1, run="r", secret=SECRET)
    made = [load.delivery(number, task, now_s=1_700_000_000) for number in range(50)]

    for webhook_id, request in made:
        head, _, body = request.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")[1:]
        claim = judge_headers(dict(line.split(": ", 1) for line in lines))
        assert verify(claim, body, [parse_secret(SECRET)], now_s=1_700_000_000).webhook_id == webhook_id
    assert len({webhook_id for webhook_id, _ in made}) == 50


class _Answering(BaseHTTPRequestHandler):
    """Takes every second delivery and refuses the others."""

    protocol_version = "HTTP/1.1"
    taken: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        webhook_id = self.headers["webhook-id"]
        is_taken = int(webhook_id[-1]) % 2 == 0
        if is_taken:
            self.taken.append(webhook_id)
        self.send_response(202 if is_taken else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: object) -> None: ...


@pytest.fixture
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answering) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.mark.slow
@pytest.mark.parametrize("per_second", [0.0, 100.0])
def test_generator_says_exactly_which_were_acknowledged(port: int, tmp_path: Path, per_second: float) -> None:
    _Answering.taken.clear()
    acked = tmp_path / "acked"
    task = load.Task(port, 2, 0.3, "r", SECRET, per_second=per_second, warm_up_s=0.1, acked_path=str(acked))

    report = load.run(task)

    assert sorted(acked.read_text().split()) == sorted(_Answering.taken)
    assert report.statuses["202"] == len(_Answering.taken) > 0
    assert report.statuses["503"] > 0
    assert sum(report.statuses.values()) == report.sent
    if per_second:  # open loop: as many as were due, however the answers come
        assert report.sent == len(load._schedule(task, 0.4))


def test_receivers_of_the_limits_have_no_database_to_be_asked_for() -> None:
    measured = ack.Measured(acked={"bare 202": {"msg_1"}})

    assert ack.missing_row(measured, [Receiver("bare 202", 1)], "limits").value == 0
