"""
Starts and stops what the demonstration needs: the simulator in this process, the service as
`afterword up` in one of its own, with a home and ports of its own and no settings.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from app.demo.receiver import Receiver, receiving
from app.demo.script import POLICY
from app.errors import Away, HeldByAnother
from app.processes.home_lock import is_held
from app.processes.parent_death import die_with_parent
from app.settings.environment import Settings, load_settings
from app.settings.program_name import ROOT
from app.simulator.server import Simulator, SimulatorConfig, default_key, default_secret

TIME_SCALE = 60.0
POLICY_FILE = "policy.toml"
API_KEY = "demo-key-of-this-machine-alone"  # of `/v1`; it may read, on loopback
_READY_WITHIN_S = 60.0
_STOPS_WITHIN_S = 40.0


@dataclass(frozen=True, slots=True)
class Stage:
    """A running demonstration."""

    settings: Settings
    simulator_url: str
    service: subprocess.Popen[bytes]
    log_path: Path
    receiver: Receiver

    def tell_simulator(self, path: str, body: Mapping[str, Any]) -> Any:
        answer = requests.post(f"{self.simulator_url}/_sim/{path}", json=body, timeout=10)
        answer.raise_for_status()
        return answer.json()

    def bill(self) -> Any:
        return requests.get(f"{self.simulator_url}/_sim/bill", timeout=10).json()

    def is_alive(self) -> bool:
        return self.service.poll() is None


@contextmanager
def open_stage(*, seed: int, home: Path) -> Iterator[Stage]:
    """
    Everything running and ready; stopped in order at the end. Raises `HeldByAnother` where another
    demonstration uses the same home, `Away` when the service did not become ready.
    """
    _empty(home)
    with receiving() as receiver:
        (home / POLICY_FILE).write_text(receiver.policy() + POLICY, "utf-8")
        yield from _running(receiver, seed=seed, home=home)


def _running(receiver: Receiver, *, seed: int, home: Path) -> Iterator[Stage]:
    api, downloads, web = _free_ports(3)
    environment = _environment(home, api_port=api, web_port=web, seed=seed, secret=receiver.secret)
    settings = load_settings(environment)
    log_path = home / "up.log"
    with log_path.open("wb") as log:
        # Before this process has threads; its own session, so that Ctrl-C reaches only us.
        service = subprocess.Popen(
            [sys.executable, "-P", "-m", "app", "up"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=functools.partial(die_with_parent, os.getpid(), by_polling=False),  # noqa: PLW1509
        )
    hook = f"http://127.0.0.1:{web}/webhooks/recall"
    config = SimulatorConfig(
        port=api, download_port=downloads, webhook_url=hook, time_scale=TIME_SCALE, seed=seed
    )
    simulator = Simulator(config)
    try:
        simulator.start()
        _wait_until_ready(service, web, log_path)
        yield Stage(settings, f"http://127.0.0.1:{api}", service, log_path, receiver)
    finally:
        _stop(service)
        simulator.stop()


def _environment(home: Path, *, api_port: int, web_port: int, seed: int, secret: str) -> dict[str, str]:
    """Only what a process needs to run, and our own settings."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")
    return {
        **{name: os.environ[name] for name in kept if name in os.environ},
        "PYTHONSAFEPATH": "1",
        "AFTERWORD_ISOLATED": "1",
        "AFTERWORD_HOME": str(home),
        "AFTERWORD_TIME_SCALE": f"{TIME_SCALE:g}",
        "RECALL_API_BASE_URL": f"http://127.0.0.1:{api_port}",
        "RECALL_API_KEY": default_key(seed),
        "RECALL_WEBHOOK_SECRETS": default_secret(seed),
        "AFTERWORD_POLICY": str(home / POLICY_FILE),
        "DEMO_WEBHOOK_SECRET": secret,
        "AFTERWORD_API_KEYS": f"demo=transcriptions:read={hashlib.sha256(API_KEY.encode()).hexdigest()}",
        "HOST": "127.0.0.1",
        "PORT": str(web_port),
    }


def _empty(home: Path) -> None:
    """Files stay until the next start. Only ever our own folder below `var`."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if is_held(home):
        raise HeldByAnother(f"another demo runs in {home}; stop it first (Ctrl-C in its terminal)")
    shutil.rmtree(home)
    home.mkdir(mode=0o700, parents=True)


def _free_ports(number: int) -> list[int]:
    with ExitStack() as held:  # all at once, so that none is found twice
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)]
        return [s.getsockname()[1] for s in sockets]


def _wait_until_ready(service: subprocess.Popen[bytes], port: int, log_path: Path) -> None:
    give_up_at = time.monotonic() + _READY_WITHIN_S
    while time.monotonic() < give_up_at and service.poll() is None:
        with suppress(requests.RequestException, ValueError):
            if requests.get(f"http://127.0.0.1:{port}/readyz", timeout=2).json().get("status") == "ok":
                return
        time.sleep(0.1)
    raise Away(f"the service did not become ready; its log is {log_path}")


def _stop(service: subprocess.Popen[bytes]) -> None:
    service.terminate()  # nothing where it has ended
    try:
        service.wait(timeout=_STOPS_WITHIN_S)
    except subprocess.TimeoutExpired:
        service.kill()
        service.wait()
