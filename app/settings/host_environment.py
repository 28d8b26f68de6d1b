"""
What the environment says to the libraries under us: proxies and files of certificates. They would say what is
wrong only at the first request, in their own words, one worker at a time. And who may write to the home.
"""

from __future__ import annotations

import importlib.util
import ipaddress
import os
import re
import ssl
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

# Lower case wins: https://requests.readthedocs.io/en/latest/user/advanced/#proxies
_PROXIES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
# https://requests.readthedocs.io/en/latest/user/advanced/#ssl-cert-verification
# https://docs.openssl.org/master/man3/SSL_CTX_load_verify_locations/
_FILES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
NAMES = (*_PROXIES, *_FILES)


def is_host(text: str) -> bool:
    """Whether this is an address or a host name alone: no scheme, port or path. A name is not resolved."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        is_name = re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?", text) is not None
        return is_name and can_be_asked_for(text)
    return True


def can_be_asked_for(host: str) -> bool:
    """
    Not so where a part of the name is empty or over 63 bytes, or holds a null byte: Python's resolver then
    raises what is no OSError. https://docs.python.org/3/library/codecs.html#module-encodings.idna
    """
    try:
        return b"\0" not in host.encode("idna")
    except UnicodeError:
        return False


def home_warnings(home: Path, *, user: int) -> Iterator[str]:
    """
    Who else can replace the database in the home, each a sentence. `user` is the user id of this process. No
    warning of what containers are given: a folder of root's or of a group, and any user's where this is root.
    """
    try:
        found = home.stat()
    except OSError:  # it is made later, or said to be unusable then
        return
    if user not in (0, found.st_uid) and found.st_uid != 0:
        yield (
            f"AFTERWORD_HOME: {home} belongs to another user (uid {found.st_uid}), who can replace what is "
            "in it; choose a folder of your own."
        )
    if found.st_mode & stat.S_IWOTH:
        yield f"AFTERWORD_HOME: all users may write to {home} and replace what is in it: chmod 700 it."


def surroundings_problems(environ: Mapping[str, str], *, host: str) -> Iterator[tuple[str, str]]:
    """
    The variable, and what is wrong with it without the value: a proxy's address may hold a password. `host`
    is Recall's, which is reached through a proxy unless `no_proxy` names it.
    """
    for name in _FILES:
        path = environ.get(name, "").strip()
        if path and (why := _why_no_certificates(name, path)) is not None:
            yield name, f"{why}; correct it or unset it"
    no_proxy = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    if proxy_bypass_environment(host, {"no": no_proxy}):
        return
    for name in [name for name in _PROXIES if environ.get(name, "").strip()][:1]:
        if (why := _why_no_proxy(environ[name].strip())) is not None:
            yield name, why


def _why_no_certificates(name: str, path: str) -> str | None:
    if not os.path.exists(path):
        return "there is no such file or folder"
    if os.path.isdir(path):
        return "this is a folder, and a file is needed" if name == "SSL_CERT_FILE" else None
    if name == "SSL_CERT_DIR":
        return "this is a file, and a folder is needed"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError:
        return "the file holds no certificates that can be read (PEM)"
    except OSError as error:
        return f"the file cannot be read ({error.strerror})"
    return None


def _why_no_proxy(value: str) -> str | None:
    address = value if "://" in value else f"http://{value}"
    try:
        parts = urlsplit(address)
        is_good = bool(parts.hostname) and parts.port != 0 and can_be_asked_for(parts.hostname or "")
    except ValueError:
        is_good = False
    if not is_good:
        return "must be an address as in http://proxy.example:3128; correct it or unset it"
    if parts.scheme.startswith("socks") and importlib.util.find_spec("socks") is None:
        return (
            "names a SOCKS proxy, for which PySocks is needed and not installed: use an http:// proxy, unset "
            "it, or run `.venv/bin/pip install pysocks` in the program's folder"
        )
    if not parts.scheme.startswith(("socks", "http")):
        return "a proxy's address begins with http://, https:// or socks5h://"
    return None
