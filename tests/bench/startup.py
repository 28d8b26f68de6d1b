"""
How long starting takes: the launcher before a command, `import app`, and web until it answers. Rows of
`bench memory` (`--only start`).

Each time is held against the same thing without the part in question, in turns, and medians are compared:
on a busy machine a process start alone varies by more than what is measured here.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import requests

from app.errors import Away
from app.settings.program_name import ROOT
from tests.bench.report import Options, Row, at_most, median
from tests.flow.stage import Installation, installation

LAUNCHER_MS = 150.0
IMPORT_MS = 20.0
WEB_READY_S = 2.0


def rows(options: Options, raw: dict[str, object]) -> list[Row]:
    """Measures everything; single measurements go to `raw`."""
    rounds = options.rounds or (2 if options.quick else 15)
    version = ["-m", "app", "--version"]
    took = in_turns(
        {
            "launcher": [str(ROOT / "afterword"), "--version"],
            "without launcher": [sys.executable, "-P", *version],
            "import app": [sys.executable, "-c", "import app"],
            "bare Python": [sys.executable, "-c", "pass"],
        },
        rounds,
    )
    ready = [_web_ready_s(options) for _ in range(1 if options.quick else min(rounds, 5))]
    raw["start"] = {"commands_ms": took, "web_ready_s": [seconds for seconds, _ in ready]}
    launcher = median(took["launcher"]) - median(took["without launcher"])
    imported = median(took["import app"]) - median(took["bare Python"])
    return [
        at_most("the launcher adds to a command", launcher, "ms", limit=LAUNCHER_MS),
        Row("  the command without it (--version)", median(took["without launcher"]), "ms"),
        at_most("`import app` over a bare Python", imported, "ms", limit=IMPORT_MS),
        at_most("`up` started until web answers", median(s for s, _ in ready), "s", limit=WEB_READY_S),
        Row("  until everything is ready", median(s for _, s in ready), "s"),
    ]


def in_turns(commands: Mapping[str, Sequence[str]], rounds: int) -> dict[str, list[float]]:
    """Milliseconds that each command took, `rounds` times, one after the other; one more to warm up."""
    took: dict[str, list[float]] = {name: [] for name in commands}
    with tempfile.TemporaryDirectory(prefix="bench-") as elsewhere:
        for number in range(rounds + 1):
            for name, command in commands.items():
                ms = _run_ms(command, cwd=elsewhere)
                if number:
                    took[name].append(ms)
    return took


def _run_ms(command: Sequence[str], *, cwd: str) -> float:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    began_at = time.perf_counter()
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    ms = (time.perf_counter() - began_at) * 1000
    if done.returncode != 0:
        raise Away(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-300:]}")
    return ms


def _web_ready_s(options: Options) -> tuple[float, float]:
    """From the start of `up` in a new home until `/healthz` answers, and until `/readyz` says ok."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as tmp,
        installation(Path(tmp), seed=options.seed, time_scale=1.0) as place,
    ):
        began_at = time.perf_counter()
        place.service = place.spawn("up")
        web_s = _wait(place, began_at, lambda: bool(_get(place, "/healthz").ok))
        return web_s, _wait(place, began_at, lambda: bool(_get(place, "/readyz").json()["status"] == "ok"))


def _get(place: Installation, path: str) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.get(f"{place.url}{path}", timeout=5)


def _wait(place: Installation, began_at: float, is_so: Callable[[], bool]) -> float:
    assert place.service is not None
    while True:
        try:
            if is_so():
                return time.perf_counter() - began_at
        except (requests.ConnectionError, ValueError):
            pass
        if place.service.poll() is not None or time.perf_counter() - began_at > 30:
            raise Away(f"up did not become ready; its log: {place.log()[-500:]}")
        time.sleep(0.01)
