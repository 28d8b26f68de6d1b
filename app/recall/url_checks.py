"""
Which addresses may be spoken to. PURE: a name is never resolved here; who resolves it asks
`is_public` of every address that comes back, and `is_public_name` first, because a proxy resolves for itself.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

# Everything that is not unicast on the open internet, or has a special purpose there. Spelled out, because
# `ipaddress.is_global` changes with the Python version. Sources:
# https://www.iana.org/assignments/iana-ipv4-special-registry
# https://www.iana.org/assignments/ipv4-address-space (multicast, reserved)
_SPECIAL_IPV4 = tuple(
    map(
        ipaddress.IPv4Network,
        ("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12")
        + ("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24")
        + ("192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24")
        + ("224.0.0.0/4", "240.0.0.0/4"),
    )
)
_LOOPBACK_IPV4 = ipaddress.IPv4Network("127.0.0.0/8")
# The only block of global unicast, and what is special inside it: protocol assignments (Teredo, benchmarking
# and ORCHID among them), documentation, 6to4 (an IPv4 address of anywhere), AS112, documentation again.
# https://www.iana.org/assignments/ipv6-address-space, https://www.iana.org/assignments/iana-ipv6-special-registry
_UNICAST_IPV6 = ipaddress.IPv6Network("2000::/3")
_SPECIAL_IPV6 = tuple(
    map(ipaddress.IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"))
)
# An IPv4 address in the last 32 bits that is connected to as such: by the system (RFC 4291, 2.5.5.2) and by
# the translator of an IPv6-only network (RFC 6052, 2.1).
_WRAPPED_IPV4 = tuple(map(ipaddress.IPv6Network, ("::ffff:0:0/96", "64:ff9b::/96")))

# A name, or an address: `urlsplit` has checked those of IPv6.
_HOST = re.compile(r"[0-9a-z_-]{1,63}(\.[0-9a-z_-]{1,63})*\.?|[0-9a-f:.]*:[0-9a-f:.]*")
# Names that the open internet has not: reserved ones, those without a dot, and numbers, which many resolvers
# take for an IPv4 address (`127.1`, `0x7f000001`). https://www.iana.org/assignments/special-use-domain-names,
# https://url.spec.whatwg.org/#ends-in-a-number-checker
_INNER_NAME = re.compile(r"(.+\.)?(localhost|localdomain|local|internal|home\.arpa|[0-9]+|0x[0-9a-f]*)|[^.]+")
_SAFE = re.compile(r"[!-~]+")  # printable ASCII without blanks: nothing a header or a log could break on


def parts_of(url: str) -> SplitResult | None:
    """An absolute http(s) URL without user or password; None for everything else."""
    if not _SAFE.fullmatch(url) or "\\" in url:
        return None
    try:
        parts = urlsplit(url)
        has_good_port = parts.port != 0  # reading the port is what checks it
    except ValueError:
        return None
    is_bare = parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
    return parts if has_good_port and is_bare else None


def host_is_loopback(url: str) -> bool:
    """True for `localhost` and literal loopback addresses; a name is not resolved."""
    parts = parts_of(url)
    host = (parts and parts.hostname) or ""
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    # Not `is_loopback`: whether that means `::ffff:127.0.0.1` changes with the Python version.
    return ip in _LOOPBACK_IPV4 if isinstance(ip, ipaddress.IPv4Address) else int(ip) == 1


def is_public(address: str) -> bool:
    """
    True when a numeric address is one of the open internet: global unicast without the special blocks.

    False for loopback, private, link-local (a cloud's metadata service lives there), multicast and
    reserved ranges, for all of them dressed up as IPv6, and for an address with a zone.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if "%" in address:
        return False
    if isinstance(ip, ipaddress.IPv4Address):
        return not any(ip in block for block in _SPECIAL_IPV4)
    if any(ip in block for block in _WRAPPED_IPV4):
        return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
    return ip in _UNICAST_IPV6 and not any(ip in block for block in _SPECIAL_IPV6)


def is_public_name(host: str) -> bool:
    """True for a name (in lower case) in the open internet's form, and for a numeric address of it."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return bool(_HOST.fullmatch(host)) and not _INNER_NAME.fullmatch(host.removesuffix("."))
    return is_public(host)


def why_refused(url: str, *, is_private_fine: bool, is_plain_fine: bool) -> str | None:
    """
    Why an address must not be asked, before anything is resolved: `bad_address`, `not_https` or
    `address_refused`; None when it may.

    Args:
        is_private_fine: It may lead into a private network.
        is_plain_fine: It may be http.
    """
    parts = parts_of(url)
    if parts is None:
        return "bad_address"
    if parts.scheme != "https" and not is_plain_fine:
        return "not_https"
    return None if is_private_fine or is_public_name(parts.hostname or "") else "address_refused"


def check_base_url(url: str) -> str:
    """
    Recall's base URL without its trailing slash.

    Raises:
        ValueError: One sentence for the operator; it does not repeat the value.
    """
    parts = parts_of(url)
    if parts is None:
        raise ValueError("not an absolute http(s) address, or one with a user name in it")
    if "?" in url or "#" in url:  # also with nothing behind it: the path would be part of it
        raise ValueError("has a query or a fragment; only scheme, host, port and path belong there")
    if parts.netloc.endswith(":") or not _HOST.fullmatch(parts.hostname or ""):
        raise ValueError("its host is no name or address, or its port is empty")
    if parts.scheme != "https" and not host_is_loopback(url):
        raise ValueError("plain http is for loopback only; use https")
    return url.rstrip("/")
