"""
moto's server, one request at a time.

A conditional PUT of moto's looks first and writes then: of two at once both would win, which no store does.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

import moto.server

_TURN = threading.Lock()
_server: Any = moto.server


class OneAtATime(_server.DomainDispatcherApplication):  # type: ignore[misc]  # it exports nothing by name
    """Answers a request when the one before has been answered."""

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        with _TURN:
            return super().__call__(environ, start_response)


if __name__ == "__main__":
    _server.DomainDispatcherApplication = OneAtATime
    _server.main(sys.argv[1:])
