"""
A real simulator on free ports, a client that reads like Recall's documents, and a receiver that keeps what
it gets.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests

from app.simulator.server import Simulator, SimulatorConfig
from tests.patience import SLOW_MACHINE

SCALE = 100.0


@dataclass(frozen=True)
class TinyMeeting:
    """Two turns: what the tests here need of a meeting."""

    language: str = "haw"
    title: str = "Tiny"
    duration_s: float = 120.0
    turns: list[dict[str, Any]] = field(default_factory=lambda: [_turn(1, "Ana", "Hi"), _turn(2, None, "Oh")])


def _turn(number: int, name: str | None, text: str) -> dict[str, Any]:
    word = {
        "text": text,
        "start_timestamp": {"relative": 0.5 + number, "absolute": None},
        "end_timestamp": {"relative": 0.9 + number, "absolute": None},
    }
    person = {
        "id": number,
        "name": name,
        "is_host": None,
        "platform": None,
        "extra_data": None,
        "email": None,
    }
    return {"participant": person, "language_code": "haw", "words": [word]}


def make_tiny(seed: int, *, kind: str | None = None) -> TinyMeeting:
    """The meeting of every recording here."""
    return TinyMeeting(title=f"Tiny {seed}")


@dataclass
class Received:
    """One request that reached the receiver."""

    headers: dict[str, str]
    body: str
    at: float


class Receiver:
    """A webhook endpoint; `answer` says what the n-th request gets."""

    def __init__(self) -> None:
        self.got: list[Received] = []
        self.answer: Callable[[int], tuple[int, dict[str, str]]] = lambda nth: (200, {})
        self.before: Callable[[], None] = lambda: None
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                receiver.before()
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.got.append(Received(headers, body, time.monotonic()))
                status, more = receiver.answer(len(receiver.got))
                self.send_response(status)
                for name, value in {"Content-Length": "0", **more}.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Silence."""

        class Server(ThreadingHTTPServer):
            request_queue_size = 128
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def events(self) -> list[str]:
        """The names of the events received, in order."""
        return [one.body.partition('"event":"')[2].partition('"')[0] for one in list(self.got)]


class Recall:
    """A running simulator and the calls one makes to it."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.url = simulator.api_url
        self.http = requests.Session()
        self.http.trust_env = False

    def call(self, method: str, path: str, **more: Any) -> requests.Response:
        """A call with the key; `path` is relative to /api/v1/ or a whole address."""
        headers = {"Authorization": self.simulator.api_key, **more.pop("headers", {})}
        url = path if path.startswith("http") else f"{self.url}/api/v1/{path}"
        return self.http.request(method, url, headers=headers, timeout=20, **more)

    def sim(self, path: str, body: dict[str, Any] | None = None, *, expect: int = 200) -> Any:
        """A call to the side door: GET without a body, POST with one."""
        method = "GET" if body is None else "POST"
        answer = self.http.request(method, f"{self.url}/_sim/{path}", json=body, timeout=20)
        assert answer.status_code == expect, answer.text
        return answer.json()

    def recording(self, *, finish: bool = True, **script: Any) -> str:
        """Make a recording with this script; its id."""
        made = self.sim("recordings", {"script": script, "finish": finish})
        return str(made["recording_id"])

    def create(self, recording_id: str, **more: Any) -> requests.Response:
        """create_transcript with Recall's own provider, unless `json` says otherwise."""
        body = more.pop("json", {"provider": {"recallai_async": {"language_code": "auto"}}})
        return self.call("POST", f"recording/{recording_id}/create_transcript/", json=body, **more)

    def created(self, recording_id: str, **more: Any) -> str:
        """The id of a transcript that was accepted."""
        answer = self.create(recording_id, **more)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    def transcript(self, transcript_id: str) -> Any:
        """Retrieve it."""
        return self.call("GET", f"transcript/{transcript_id}/").json()

    def done(self, recording_id: str, **more: Any) -> Any:
        """Create a transcript and wait until it has ended."""
        transcript_id = self.created(recording_id, **more)
        until(lambda: self.transcript(transcript_id)["status"]["code"] != "processing")
        return self.transcript(transcript_id)

    def status(self, transcript_id: str) -> str:
        """The status code of a transcript."""
        return str(self.transcript(transcript_id)["status"]["code"])

    def deliveries(self, event: str) -> list[dict[str, Any]]:
        """All messages of this event."""
        return [d for d in self.sim("deliveries")["deliveries"] if d["event"] == event]


def until(happens: Callable[[], object], *, within_s: float = 5.0) -> None:
    """Wait for something that another thread does."""
    deadline = time.monotonic() + within_s * SLOW_MACHINE
    while not happens():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


@pytest.fixture
def start() -> Iterator[Callable[..., Recall]]:
    """Start a simulator with other than the usual configuration."""
    running: list[Simulator] = []

    def begin(**config: Any) -> Recall:
        usual: dict[str, Any] = {"time_scale": SCALE, "make_meeting": make_tiny}
        simulator = Simulator(SimulatorConfig(**{**usual, **config})).start()
        running.append(simulator)
        return Recall(simulator)

    yield begin
    for simulator in running:
        simulator.stop()


@pytest.fixture
def recall(start: Callable[..., Recall]) -> Recall:
    """A simulator a hundred times as fast as real, without a webhook endpoint and without rates."""
    return start(limits="off")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """An endpoint that answers 200."""
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def hooked(start: Callable[..., Recall], receiver: Receiver) -> Recall:
    """A simulator that delivers to `receiver`."""
    return start(limits="off", webhook_url=receiver.url)
