"""
`python -m app.simulator`: a Recall.ai of one's own, in the foreground.

Exit codes: 0 stopped by SIGTERM, 2 usage, 75 a port is taken, 130 Ctrl-C.
"""

from __future__ import annotations

import argparse
import queue
import secrets
import signal
import sys
from collections.abc import Sequence

from app.simulator.model.settings import GENERATIONS, BadSetting
from app.simulator.server import PortTaken, Simulator, SimulatorConfig, default_key, default_secret

EXIT_HELD = 75
EXIT_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run until Ctrl-C or SIGTERM; returns the exit code."""
    parser = _parser()
    wanted = parser.parse_args(argv)
    config = _config(wanted)
    try:
        simulator = Simulator(config)
    except (BadSetting, ValueError) as problem:
        parser.error(str(problem))
    ended = _until_signal()
    try:
        simulator.start()
    except PortTaken as problem:
        print(f"{problem} Choose others with --port and --download-port.", file=sys.stderr)
        return EXIT_HELD
    print(_welcome(simulator), flush=True)
    code = ended.get()
    simulator.stop()
    return code


def _until_signal() -> queue.SimpleQueue[int]:
    """Where the exit code arrives; asked for before the welcome, so that no signal is missed after it."""
    ended: queue.SimpleQueue[int] = queue.SimpleQueue()
    signal.signal(signal.SIGTERM, lambda *_: ended.put(0))
    signal.signal(signal.SIGINT, lambda *_: ended.put(EXIT_INTERRUPTED))
    return ended


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="afterword simulate", description="A Recall.ai that runs on this machine."
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="where to listen (default 127.0.0.1)")
    add("--port", type=int, default=8001, help="of the API (default 8001; 0 takes a free one)")
    add("--download-port", type=int, default=8002, help="of the pre-signed downloads (default 8002)")
    add(
        "--webhook-url",
        default="http://127.0.0.1:8000/webhooks/recall",
        help="where deliveries go ('' for nowhere)",
    )
    add(
        "--webhook-secret",
        action="append",
        help="whsec_…; several as during a rotation (default: always the same one)",
    )
    add("--api-key", action="append", help="accepted keys (default: always the same one)")
    add("--time-scale", type=float, default=1.0, help="divides every duration (default 1)")
    # New ids each time: a product remembers those of the last run, and would do nothing about them.
    add("--seed", type=int, help="decides ids, meetings, key and secret (default: new meetings each time)")
    add("--limits", default="on", help="Recall's rates: on, off, or a factor (default on)")
    add("--call-delay-ms", type=int, default=0, help="added to every API call, real time (default 0)")
    add(
        "--header-family",
        choices=("webhook", "svix"),
        default="webhook",
        help="names of the signature headers",
    )
    add(
        "--generation",
        choices=GENERATIONS,
        default="vendor",
        help="of provider options: the vendors' own, or Recall's older ones (default vendor)",
    )
    return parser


def _config(wanted: argparse.Namespace) -> SimulatorConfig:
    limits: float | str = wanted.limits
    if limits not in ("on", "off"):
        try:
            limits = float(limits)
        except ValueError:
            _parser().error("--limits is on, off, or a number")
    known = 1 if wanted.seed is None else wanted.seed  # the settings a person has copied stay good
    return SimulatorConfig(
        host=wanted.host,
        port=wanted.port,
        download_port=wanted.download_port,
        webhook_url=wanted.webhook_url or None,
        webhook_secrets=tuple(wanted.webhook_secret or [default_secret(known)]),
        api_keys=tuple(wanted.api_key or [default_key(known)]),
        time_scale=wanted.time_scale,
        seed=secrets.randbits(31) if wanted.seed is None else wanted.seed,
        limits=limits,
        call_delay_ms=wanted.call_delay_ms,
        header_family=wanted.header_family,
        generation=wanted.generation,
    )


def _welcome(simulator: Simulator) -> str:
    settings = simulator.world.settings
    where = settings.webhook_url or "nowhere (no --webhook-url)"
    scale = simulator.config.time_scale
    too = f"\n  AFTERWORD_TIME_SCALE={scale:g}" if scale != 1 else ""
    return f"""\
A simulated Recall.ai is running. Nothing here costs money.

  RECALL_API_BASE_URL={simulator.api_url}
  RECALL_API_KEY={simulator.api_key}
  RECALL_WEBHOOK_SECRETS={" ".join(settings.webhook_secrets)}{too}

  downloads   {simulator.download_url}
  webhooks to {where}
  time        {scale:g} times as fast as real

A meeting ends, and its recording is done:

  curl -X POST {simulator.api_url}/_sim/recordings -d '{{}}'

One whose first provider fails:

  curl -X POST {simulator.api_url}/_sim/recordings -d '{{"script": {{"transcripts": ["failed"]}}}}'

What it was asked, and what it would charge:  curl {simulator.api_url}/_sim/bill
All it can do: app/simulator/README.md.  Ctrl-C ends it."""


if __name__ == "__main__":
    sys.exit(main())
