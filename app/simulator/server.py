"""
One simulated Recall: two web servers in threads of this process, wired to one world.
"""

from __future__ import annotations

import base64
import hashlib
import socket
import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from flask import Flask
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from app.simulator.api.downloads import Downloads
from app.simulator.api.recall_api import RecallApi
from app.simulator.api.side_door import SideDoor
from app.simulator.model.clock import SimClock, Timers
from app.simulator.model.ids import Ids
from app.simulator.model.lifecycle import Lifecycle
from app.simulator.model.settings import Settings
from app.simulator.model.state import MeetingMaker, World
from app.simulator.model.webhooks import Webhooks

_BACKLOG = 256


@dataclass(frozen=True, slots=True)
class SimulatorConfig:
    """
    How a simulator starts; what can change later is in Settings.

    Port 0 takes a free one. `webhook_secrets` and `api_keys` are made from the seed where None; an empty
    tuple of secrets means unsigned deliveries. `time_scale` divides every duration.
    """

    host: str = "127.0.0.1"
    port: int = 0
    download_port: int = 0
    webhook_url: str | None = None
    webhook_secrets: tuple[str, ...] | None = None
    api_keys: tuple[str, ...] | None = None
    time_scale: float = 1.0
    seed: int = 1
    limits: float | str = "on"
    call_delay_ms: int = 0
    header_family: str = "webhook"
    generation: str = "vendor"
    # Tests hand in smaller meetings; None is the simulator's own library.
    make_meeting: MeetingMaker | None = None

    def settings(self) -> Settings:
        """The settings at the start, and after a reset."""
        secrets = (default_secret(self.seed),) if self.webhook_secrets is None else self.webhook_secrets
        wanted: dict[str, Any] = {
            "api_keys": list((default_key(self.seed),) if self.api_keys is None else self.api_keys),
            "webhook_secrets": list(secrets),
            "webhook_url": self.webhook_url,
            "limits": self.limits,
            "call_delay_ms": self.call_delay_ms,
            "header_family": self.header_family,
            "generation": self.generation,
        }
        return Settings().change(wanted)


def default_key(seed: int) -> str:
    """The API key of a simulator that was given none."""
    return "simulated-" + hashlib.sha256(f"key {seed}".encode()).hexdigest()[:24]


def default_secret(seed: int) -> str:
    """The workspace verification secret of a simulator that was given none."""
    return "whsec_" + base64.b64encode(hashlib.sha256(f"secret {seed}".encode()).digest()).decode()


class PortTaken(OSError):
    """Another process listens where the simulator should."""


class _Quiet(WSGIRequestHandler):
    """Logs nothing: request lines of the download port are pre-signed addresses."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Silence."""

    def log_error(self, format: str, *args: object) -> None:
        """Silence: a cut connection is no error here."""


class Simulator:
    """A simulated Recall; `with Simulator(config) as recall:` starts and stops it."""

    def __init__(self, config: SimulatorConfig | None = None) -> None:
        self.config = config or SimulatorConfig()
        initial = self.config.settings()
        self._clock = SimClock(self.config.time_scale)
        self.world = World(
            clock=self._clock,
            timers=Timers(self._clock),
            ids=Ids(self.config.seed),
            settings=initial,
            make_meeting=self.config.make_meeting or _library(),
        )
        webhooks = Webhooks(self.world)
        lifecycle = Lifecycle(self.world, webhooks)
        self._downloads = Downloads(self.world)
        self._api = Flask("app.simulator.api", static_folder=None)
        RecallApi(self.world, lifecycle, webhooks, self._downloads).attach(self._api)
        self._api.register_blueprint(SideDoor(self.world, lifecycle, webhooks, initial=initial).blueprint())
        self._servers: list[BaseWSGIServer] = []

    def start(self) -> Simulator:
        """
        Listen, and return at once.

        Raises:
            PortTaken: and nothing listens then.
        """
        host = self.config.host
        listening = [_listen(host, self.config.port)]
        try:
            listening.append(_listen(host, self.config.download_port))
        except PortTaken:
            listening[0].close()
            raise
        for app, sock in zip((self._api, self._downloads.app), listening, strict=True):
            self._serve(app, sock)
        # Addresses for the outside: 0.0.0.0 is no place to connect to.
        name = "127.0.0.1" if host == "0.0.0.0" else host
        self.world.api_url, self.world.download_url = (f"http://{name}:{s.port}" for s in self._servers)
        return self

    def stop(self) -> None:
        """Stop listening; what still waits never happens."""
        self._clock.close()
        self.world.timers.close()
        # Side by side: each waits for its own loop to look up.
        ending = [threading.Thread(target=server.shutdown) for server in self._servers]
        for thread in ending:
            thread.start()
        for thread, server in zip(ending, self._servers, strict=True):
            thread.join()
            server.server_close()
        self._servers.clear()

    def __enter__(self) -> Simulator:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def api_url(self) -> str:
        """`http://host:port` of /api/v1 and /_sim."""
        return self.world.api_url

    @property
    def download_url(self) -> str:
        """`http://host:port` of the downloads."""
        return self.world.download_url

    @property
    def api_key(self) -> str:
        """A key that is valid now."""
        return self.world.settings.api_keys[0]

    @property
    def webhook_secret(self) -> str:
        """The first secret deliveries are signed with now."""
        return self.world.settings.webhook_secrets[0]

    def _serve(self, app: Flask, sock: socket.socket) -> None:
        host, port = sock.getsockname()[:2]
        # By descriptor, because werkzeug would print and exit when a port is taken.
        server = make_server(host, port, app, threaded=True, request_handler=_Quiet, fd=sock.fileno())
        sock.close()  # werkzeug works on a duplicate
        self._servers.append(server)
        serve = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        serve.start()


def _listen(host: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(_BACKLOG)
    except OSError as problem:
        sock.close()
        raise PortTaken(f"Cannot listen on {host} port {port}: {problem.strerror}.") from problem
    return sock


def _library() -> MeetingMaker:
    from app.simulator.meetings.transcript_json import (
        make_meeting,
    )  # reads its content from disk

    return make_meeting
