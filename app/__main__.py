"""`python -m app`, and the console script `afterword`."""

from __future__ import annotations

import sys


def main() -> int:
    """Runs the command line; returns its exit code."""
    from app import installed, outlet

    streams = outlet.take_over()  # first: else the next file that is opened could be a missing stream
    held = installed.hold()  # before anything of .venv is imported
    if held is not None:
        return held
    try:
        from app.cli import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # while importing
        code = 130
    return outlet.close(streams, code)


if __name__ == "__main__":
    sys.exit(main())
