"""`python -m app`, and the console script `afterword`."""

from __future__ import annotations

import sys


def main() -> int:
    """Runs the command line; returns its exit code."""
    from app import installed, outlet

    held = installed.hold()  # before anything of .venv is imported
    if held is not None:
        return held
    streams = outlet.take_over()
    from app.cli import run

    return outlet.close(streams, run(sys.argv[1:]))


if __name__ == "__main__":
    sys.exit(main())
