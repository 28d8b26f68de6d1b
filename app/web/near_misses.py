"""
POSTs that miss the webhook, though their sender may well be Recall: another path or method, headers that are
too large, HTTP that cannot be parsed. Each has a kind to be counted under and a remedy for the log.

Whether a request bore complete and fresh signature headers is told from its head alone: no body is read for
it, and no HMAC computed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

from app.recall.signatures import HEADER_NAMES, WebhookRejected, judge_headers

WRONG_PATH = "wrong_path"
WRONG_METHOD = "wrong_method"

_URL = "set the endpoint's URL in the Recall dashboard (Webhooks) to https://YOUR-HOST/webhooks/recall"
REMEDIES: Mapping[str, str] = {
    WRONG_PATH: (
        f"signed webhooks come to a path that does not take them: {_URL}, exactly; "
        "a proxy in front must pass the path on as it is"
    ),
    WRONG_METHOD: (
        f"signed webhooks come with another method than POST: {_URL}; a redirect in between (http to https, "
        "another host name) turns POST into GET, so name the last address"
    ),
    "headers_too_large": (
        "a header of more than 8 kB, or more than 32 kB of them, was refused (431). Recall's own are below "
        "2 kB: let the proxy in front remove what it or a cookie adds. Without a proxy this is a stranger"
    ),
    "request_line_too_long": f"a URL of more than 8 kB was refused (414); for webhooks, {_URL}",
    "malformed_http": (
        "not HTTP/1.1. Strangers do this all day; if webhooks are missing, look whether the URL or the proxy "
        "speaks TLS (https) or HTTP/2 to this port, which speaks plain HTTP/1.1"
    ),
    "unknown_expectation": "an Expect header that is not known was refused (417); Recall sends none",
    "too_slow": (
        "a request was not complete within ten seconds. If webhooks are missing, look at the network or the "
        "proxy in front; else a stranger keeps connections open"
    ),
    "too_large": (
        "a body of more than 1 MiB was refused (413). Recall's are far smaller; most likely a stranger"
    ),
    "bad_framing": (
        "a body ended early or its chunks could not be read (400). If webhooks are missing, look at the "
        "proxy in front; else a stranger"
    ),
}
_KINDS: Mapping[int, str] = {
    408: "too_slow",
    413: "too_large",
    414: "request_line_too_long",
    417: "unknown_expectation",
    431: "headers_too_large",
}

_ENVIRON_KEYS = tuple((name, "HTTP_" + name.upper().replace("-", "_")) for name in HEADER_NAMES)
_IN_HEAD = re.compile(
    rb"^((?:webhook|svix)-(?:id|timestamp|signature)):[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE
)


def kind_of(status: int) -> str:
    """Under which kind a request is counted that was refused with this status before it was a request."""
    return _KINDS.get(status, "malformed_http")


def signature_headers(environ: Mapping[str, Any]) -> dict[str, str]:
    """Those of a WSGI environment that `judge_headers` looks at."""
    return {name: environ[key] for name, key in _ENVIRON_KEYS if key in environ}


def is_plausible(headers: Mapping[str, str]) -> bool:
    """Whether these signature headers are complete, well-formed and of the last five minutes."""
    try:
        return any(claim.is_fresh(time.time()) for claim in judge_headers(headers))
    except WebhookRejected:
        return False


def is_plausible_head(head: bytes) -> bool:
    """The same, of the first bytes of a request that could not be parsed."""
    found = ((name.decode("ascii"), text.decode("latin-1")) for name, text in _IN_HEAD.findall(head))
    return is_plausible(dict(found))
