"""
Where web can be reached, and whether it answers: for the one line that `up` says when it does.

It knows addresses. It refuses to know whether the service is well; that is `/readyz`.
"""

from __future__ import annotations

import http.client
from collections.abc import Mapping

# Short: the supervisor asks, and tends nobody meanwhile.
_PATIENCE_S = 0.5
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # told, not bound


def addresses(host: str, port: int) -> Mapping[str, str]:
    """What a person who has just started the service wants to open or to paste, by name."""
    base = f"http://{_in_url(_EVERYWHERE.get(host, host))}:{port}"
    found = {"webhook": f"{base}/webhooks/recall", "readyz": f"{base}/readyz", "ops": f"{base}/ops/"}
    if host in _EVERYWHERE:
        found["listens_on"] = f"every address of this machine, port {port}"
    return found


def answers(host: str, port: int) -> bool:
    """Whether web answers there now; within half a second."""
    connection = http.client.HTTPConnection(_EVERYWHERE.get(host, host), port, timeout=_PATIENCE_S)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
