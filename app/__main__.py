"""`python -m app`, and the console script `afterword`."""

from __future__ import annotations

import signal
import sys


def main() -> int:
    """Runs the command line; returns its exit code."""
    from app.processes import early_signals, output_streams, venv_lock

    if sys.argv[1:2] in (["up"], ["dev"]):
        early_signals.mind_signals(kept=frozenset({signal.SIGHUP}))
    streams = output_streams.take_over()  # first: else the next file that is opened could be a missing stream
    held = venv_lock.hold()  # before anything of .venv is imported
    if held is not None:
        return held
    try:
        from app.cli import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # while importing
        code = 130
    return output_streams.close(streams, code)


if __name__ == "__main__":
    sys.exit(main())
