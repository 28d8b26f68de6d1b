"""
Which addresses may be spoken to. PURE: a name is never resolved here; who resolves it asks
`is_public` of every address that comes back.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}
_SAFE = re.compile(r"[!-~]+")  # printable ASCII without blanks: nothing a header or a log could break on


def _split(url: str) -> SplitResult | None:
    """The parts of an absolute http(s) URL without user or password; None for everything else."""
    if not _SAFE.fullmatch(url) or "\\" in url:
        return None
    try:
        parts = urlsplit(url)
        is_good = parts.port != 0  # reading the port is what checks it
    except ValueError:
        return None
    is_good = is_good and parts.scheme in _DEFAULT_PORTS and bool(parts.hostname) and "@" not in parts.netloc
    return parts if is_good else None


def origin(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port, lower case and with the default port filled in; None for a bad URL."""
    parts = _split(url)
    if parts is None:
        return None
    return parts.scheme, parts.hostname or "", parts.port or _DEFAULT_PORTS[parts.scheme]


def host_is_loopback(url: str) -> bool:
    """True for `localhost` and literal loopback addresses; a name is not resolved."""
    parts = origin(url)
    if parts is None:
        return False
    if parts[1] == "localhost":
        return True
    try:
        return ipaddress.ip_address(parts[1]).is_loopback
    except ValueError:
        return False


def is_public(address: str) -> bool:
    """
    True when a numeric address is one of the open internet.

    False for loopback, private, link-local (a cloud's metadata service lives there), multicast and
    reserved ranges, and for all of them dressed up as IPv6.
    """
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        # 64:ff9b::/96 is how an IPv6-only network spells an IPv4 address (RFC 6052).
        if ip in ipaddress.IPv6Network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast


def check_base_url(url: str) -> str:
    """
    Recall's base URL without its trailing slash.

    Raises:
        ValueError: One sentence for the operator; it does not repeat the value.
    """
    parts = _split(url)
    if parts is None:
        raise ValueError("not an absolute http(s) address, or one with a user name in it")
    if parts.query or parts.fragment:
        raise ValueError("has a query or a fragment; only scheme, host, port and path belong there")
    if parts.scheme != "https" and not host_is_loopback(url):
        raise ValueError("plain http is for loopback only; use https")
    return url.rstrip("/")
