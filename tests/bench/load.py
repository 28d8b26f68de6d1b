"""
`python -m tests.bench.load`: sends signed deliveries over kept-alive raw sockets and says what came back.

One process, one thread, nothing imported from the service: all requests are made and signed before the clock
starts. Reads a `Task` as JSON from standard input, writes `Report` as JSON to standard output, and the ids
that were acknowledged to a file, one a line. Refuses to know who listens.
"""

from __future__ import annotations

import base64
import gc
import hashlib
import hmac
import json
import random
import selectors
import socket
import subprocess
import sys
import time
import uuid
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from app.settings.program_name import ROOT

NAME = "tests.bench.load (Python, one thread, raw kept-alive sockets)"
# More than any server here takes; preparing costs 20 µs each, and signatures hold for five minutes.
_MOST_PER_SECOND = 12_000
# Two processes race for a new connection; all at once, one of them may get nearly all, which measures luck.
_APART_S = 0.005
_PERCENTS = (50.0, 95.0, 99.0, 99.9)
_ACCEPTED = b"HTTP/1.1 202"


@dataclass(frozen=True, slots=True)
class Task:
    """
    Attributes:
        connections: Kept alive, all from the start.
        seconds: Measured, after `warm_up_s` of the same.
        per_second: Open loop at this mean rate (exponential gaps): a request's time runs from when it was
            due, whether or not a connection was free. 0: closed loop, each connection sends when answered.
        run: Begins the webhook ids, so that no two runs share one.
        acked_path: Where the acknowledged ids go; empty for nowhere.
    """

    port: int
    connections: int
    seconds: float
    run: str
    secret: str
    per_second: float = 0.0
    warm_up_s: float = 0.5
    seed: int = 1
    event: str = "recording.done"
    path: str = "/webhooks/recall"
    acked_path: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """
    Attributes:
        per_second: Requests answered with 202 in the measured time.
        ms: Latency by percentile ("p50", …) and "max", of those; closed loop from send, open loop from due.
        statuses: Of every answer, the warm-up's too; "cut" counts connections that ended without one.
        sent: Requests written.
    """

    per_second: float
    ms: dict[str, float]
    statuses: dict[str, int]
    sent: int
    seconds: float
    tool: str = NAME


def measure(task: Task) -> Report:
    """Runs the task in a process of its own. Raises `RuntimeError` with its words when it fails."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.bench.load"],
        input=json.dumps(asdict(task)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=task.seconds + 60,
        check=False,
    )
    if ended.returncode:
        raise RuntimeError(f"the load generator failed: {ended.stderr[-2000:]}")
    return Report(**json.loads(ended.stdout))


# -- deliveries ------------------------------------------------------------------------------------------
def delivery(number: int, task: Task, *, now_s: int) -> tuple[str, bytes]:
    """A webhook id, and the whole signed request with that id."""
    webhook_id = f"msg_{task.run}{number:07d}"
    body = _body(task.event, uuid.uuid5(uuid.NAMESPACE_URL, f"{task.seed}/{webhook_id}"))
    key = base64.b64decode(task.secret.removeprefix("whsec_") + "==")
    digest = hmac.digest(key, b"%s.%d.%s" % (webhook_id.encode(), now_s, body), hashlib.sha256)
    head = (
        f"POST {task.path} HTTP/1.1\r\nHost: 127.0.0.1:{task.port}\r\nUser-Agent: Svix-Webhooks/1.62\r\n"
        f"Accept: */*\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"webhook-id: {webhook_id}\r\nwebhook-timestamp: {now_s}\r\n"
        f"webhook-signature: v1,{base64.b64encode(digest).decode()}\r\n\r\n"
    )
    return webhook_id, head.encode() + body


def _body(event: str, recording: uuid.UUID) -> bytes:
    """About 600 bytes; bots' metadata makes real ones longer. https://docs.recall.ai/docs/recording-webhooks"""
    stamp = "2026-01-15T09:30:00.000000Z"
    state = {"code": "done", "sub_code": None, "updated_at": stamp}
    bot = {"id": str(uuid.uuid5(recording, "bot")), "metadata": {"customer": "c_1204", "region": "eu"}}
    about = {"id": str(recording), "metadata": {"meeting": f"weekly-{recording.hex[:8]}"}}
    data = {"data": state, "recording": about, "bot": bot, "sdk_upload": None, "padding": "x" * 160}
    return json.dumps({"event": event, "data": data}).encode()


# -- sending ---------------------------------------------------------------------------------------------
@dataclass(slots=True)
class _Connection:
    sock: socket.socket
    number: int = -1  # of the request under way
    began_at: float = 0.0
    answer: bytes = b""


@dataclass(slots=True)
class _Tally:
    acked: list[int] = field(default_factory=list)
    times: list[tuple[float, float]] = field(default_factory=list)  # (answered at, seconds) of each 202
    statuses: Counter[str] = field(default_factory=Counter)
    sent: int = 0


class Sender:
    """The sockets and what came back through them."""

    def __init__(self, task: Task, requests: Sequence[bytes]) -> None:
        self._task = task
        self._requests = requests
        # `select` counts microseconds, `epoll` in Python whole milliseconds: with a schedule that matters.
        self._selector = selectors.SelectSelector() if task.per_second else selectors.DefaultSelector()
        self._free: deque[_Connection] = deque()
        for _ in range(task.connections):
            self._connect()
            time.sleep(_APART_S)
        self.tally = _Tally()

    def _connect(self) -> None:
        sock = socket.create_connection(("127.0.0.1", self._task.port), timeout=10)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = _Connection(sock)
        self._selector.register(sock, selectors.EVENT_READ, connection)
        self._free.append(connection)

    def closed_loop(self, until: float) -> None:
        """Each connection sends as soon as it was answered."""
        while time.perf_counter() < until and self.tally.sent < len(self._requests):
            while self._free and self.tally.sent < len(self._requests):
                self._send(self._free.popleft(), time.perf_counter())
            self._collect(1.0)

    def open_loop(self, due: Sequence[float]) -> None:
        """Each request is sent when it is due, or as soon afterwards as a connection is free."""
        for at in due:
            while (left_s := at - time.perf_counter()) > 0 or not self._free:
                self._collect(max(left_s, 0.0) if self._free else 5.0)
            self._send(self._free.popleft(), at)

    def finish(self, *, patience_s: float = 5.0) -> None:
        """Waits for the answers that are still under way."""
        until = time.perf_counter() + patience_s
        while len(self._free) < self._task.connections and time.perf_counter() < until:
            self._collect(0.1)

    def _send(self, connection: _Connection, began_at: float) -> None:
        connection.number, connection.began_at = self.tally.sent, began_at
        connection.sock.sendall(self._requests[connection.number])
        self.tally.sent += 1

    def _collect(self, timeout_s: float) -> None:
        for key, _ in self._selector.select(timeout_s):
            connection: _Connection = key.data
            data = connection.sock.recv(65536)
            connection.answer += data
            if not data:
                self._cut(connection)
            elif _is_complete(connection.answer):
                self._note(connection, time.perf_counter())

    def _note(self, connection: _Connection, now: float) -> None:
        if connection.answer.startswith(_ACCEPTED):
            self.tally.acked.append(connection.number)
            self.tally.times.append((now, now - connection.began_at))
        self.tally.statuses[connection.answer[9:12].decode()] += 1
        connection.answer = b""
        self._free.append(connection)

    def _cut(self, connection: _Connection) -> None:
        self.tally.statuses["cut"] += 1
        self._selector.unregister(connection.sock)
        connection.sock.close()
        self._connect()


def _is_complete(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return False
    _, _, length = head.lower().partition(b"content-length:")
    return len(body) >= int(length.split(b"\r", 1)[0] or 0)


def run(task: Task) -> Report:
    """The task, in this process."""
    now_s = int(time.time())
    over_s = task.warm_up_s + task.seconds
    due = _schedule(task, over_s) if task.per_second else []
    count = len(due) or int(over_s * _MOST_PER_SECOND)
    made = [delivery(number, task, now_s=now_s) for number in range(count)]
    gc.collect()
    gc.disable()
    sender = Sender(task, [request for _, request in made])
    start = time.perf_counter()
    if due:
        sender.open_loop([start + at for at in due])
    else:
        sender.closed_loop(start + over_s)
    end = time.perf_counter()
    sender.finish()
    if task.acked_path:
        acked = (made[number][0] for number in sender.tally.acked)
        Path(task.acked_path).write_text("".join(f"{name}\n" for name in acked), "ascii")
    return _report(sender.tally, since=start + task.warm_up_s, until=end)


def _schedule(task: Task, over_s: float) -> list[float]:
    dice = random.Random(task.seed)
    due, at = [], 0.0
    while (at := at + dice.expovariate(task.per_second)) < over_s:
        due.append(at)
    return due


def _report(tally: _Tally, *, since: float, until: float) -> Report:
    took = sorted(seconds * 1000 for at, seconds in tally.times if at >= since)
    inside = sum(since <= at <= until for at, _ in tally.times)
    ms = {
        f"p{percent:g}": took[min(len(took) - 1, int(len(took) * percent / 100))]
        for percent in _PERCENTS
        if took
    }
    if took:
        ms["max"] = took[-1]
    seconds = until - since
    return Report(inside / seconds, ms, dict(tally.statuses), tally.sent, seconds)


if __name__ == "__main__":
    print(json.dumps(asdict(run(Task(**json.loads(sys.stdin.read()))))))
