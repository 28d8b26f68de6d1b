"""
Where web can be reached from this machine, and whether it answers there. Whether the service is well is
`/readyz`.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from contextlib import closing
from typing import Any

# Short: the supervisor asks, and tends nothing meanwhile.
_RESPONSE_TIMEOUT_S = 0.5
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # told, not bound


def base_url(host: str, port: int) -> str:
    """Of what listens on HOST and PORT, as seen from this machine; without a slash at its end."""
    return f"http://{in_url(_EVERYWHERE.get(host, host))}:{port}"


def in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def addresses(host: str, port: int) -> Mapping[str, str]:
    """Addresses to open or to paste after a start, by name."""
    base = base_url(host, port)
    found = {"webhook": f"{base}/webhooks/recall", "readyz": f"{base}/readyz", "ops": f"{base}/ops/"}
    if host in _EVERYWHERE:
        found["listens_on"] = f"every address of this machine, port {port}"
    return found


def answers(host: str, port: int) -> bool:
    """Whether web answers there now; within half a second."""
    return _get(host, port, "/healthz", patience_s=_RESPONSE_TIMEOUT_S)[0] == 200


def is_ours(host: str, port: int) -> bool:
    """Whether what listens there answers as a web process of ours does, well or not; within two seconds."""
    try:
        told: Any = json.loads(_get(host, port, "/readyz", patience_s=2.0)[1])
    except ValueError:
        return False
    parts = told.get("parts") if isinstance(told, dict) else None
    return isinstance(parts, dict) and "database" in parts


def _get(host: str, port: int, path: str, *, patience_s: float) -> tuple[int, bytes]:
    """Status and body; (0, b"") without an answer."""
    with closing(http.client.HTTPConnection(_EVERYWHERE.get(host, host), port, timeout=patience_s)) as web:
        try:
            web.request("GET", path)
            answer = web.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
