"""
Addresses of databases, Redis and the storage: what is wrong with one, before anything is connected. Each is
read by the library that will use it, because what that ignores (a second `host=`) or fails on later
(`?foo=bar`) is found nowhere else. No sentence repeats a value: an address may hold a password, also where
none belongs.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from app.errors import ConfigError
from app.settings.faults import nearest
from app.settings.host_environment import can_be_asked_for

_ENCODE = "should a special sign in user or password be %-encoded (@ is %40, / is %2F, # is %23)?"
_NO_NAME = "a host is no name or address: one of its parts is empty or too long."
# What the addresses of other programs have, and what stands for it here.
_FOREIGN = {
    "pgbouncer": "leave it out, PgBouncer is fine without",
    "schema": "leave it out, and set it in the database: ALTER ROLE … SET search_path",
    "connection_limit": "leave it out, this program keeps few connections",
    "pool_timeout": "leave it out, this program has its own",
}
_KEPT = "surrogateescape"  # of %-encoded bytes that are no text; else they would be those of another file
_BELOW_BYTES = 300  # of what is made below a home or a storage
_FILES = ("sslcert", "sslkey", "sslrootcert", "sslcrl", "passfile")
# Of redis-py's many: who logs in, to what, and how it is encrypted.
# https://redis.readthedocs.io/en/stable/connections.html
_REDIS_FILES = ("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile")
_REDIS = (
    *("db", "username", "password", "client_name", *_REDIS_FILES),
    *("ssl_cert_reqs", "ssl_check_hostname", "ssl_password", "ssl_min_version"),
)
# In an address they would win over what keeps every wait under 5 s, or change what RQ reads.
_REDIS_OWN = (
    *("socket_timeout", "socket_connect_timeout", "socket_read_size", "socket_keepalive", "timeout"),
    *("retry_on_timeout", "retry_on_error", "max_connections", "health_check_interval", "protocol"),
    *("encoding", "encoding_errors", "decode_responses", "socket_type"),
)
_REDIS_FOREIGN = dict.fromkeys(_REDIS_OWN, "leave it out, this program has its own")


def sqlite_url(path: Path | str) -> str:
    """The address of a file, whatever its name: what `sqlalchemy.make_url` would decode is encoded."""
    return "sqlite:///" + str(path).replace("%", "%25").replace("?", "%3F")


def sqlite_file(url: str) -> Path | None:
    """The file of a SQLite address, as SQLAlchemy reads it; None for another address or without a file."""
    scheme, _, rest = url.partition("://")
    name = unquote(rest[1:].partition("?")[0], errors=_KEPT)
    return Path(name) if scheme == "sqlite" and rest[:1] == "/" and name not in ("", ":memory:") else None


def storage_folder(url: str) -> Path | None:
    """The folder of a `file://` address; None where it names none, or not by an absolute path that can be."""
    scheme, _, rest = url.partition("://")
    # Not urlsplit: a "#" or "?" in a folder's name is part of it.
    path = Path(unquote(rest.removeprefix("localhost"), errors=_KEPT))
    is_good = path.is_absolute() and len(path.parts) > 1 and ".." not in path.parts and fits(path)
    return path if scheme.lower() == "file" and is_good else None


def fits(path: Path) -> bool:
    """Whether it is text that the system takes, with files below it; the disk is not looked at."""
    try:
        whole = str(path).encode()
    except UnicodeEncodeError:
        return False
    longest, longest_part = os.pathconf("/", "PC_PATH_MAX"), os.pathconf("/", "PC_NAME_MAX")
    is_short = len(whole) + _BELOW_BYTES < longest and max(map(len, whole.split(b"/"))) <= longest_part
    return is_short and b"\0" not in whole


def for_libpq(url: str) -> str:
    """
    The connection string for a `postgresql://` address. Raises `ConfigError` where libpq cannot read it; the
    message holds no part of it.

    Of several hosts the one that takes writes is asked for, unless the address says otherwise: after a
    fail-over the first may be the old primary. https://www.postgresql.org/docs/current/libpq-connect.html
    """
    from psycopg.conninfo import make_conninfo

    given = _read_by_libpq(url.partition("://")[2])
    if given is None:
        raise ConfigError([f"DATABASE_URL: libpq cannot read it; {_ENCODE}"])
    given.setdefault("fallback_application_name", "afterword")
    has_several = any("," in given.get(name, "") for name in ("host", "hostaddr"))
    if has_several and "PGTARGETSESSIONATTRS" not in os.environ:
        given.setdefault("target_session_attrs", "read-write")
    return make_conninfo(**given)


def postgresql_problems(url: str) -> Iterator[str]:
    """What libpq would refuse, ignore or misread in a `postgresql://` address, each a sentence."""
    from psycopg import pq

    rest = url.partition("://")[2]
    if re.search(r"@[^/?]*@", rest):  # the second half of the password would be taken for the host
        yield "an @ in user or password must be written %40."
        return
    credentials = re.match(r"[^@/]*@|", rest)
    head = credentials[0] if credentials else ""
    front, _, query = rest.removeprefix(head).partition("?")
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    known = {option.keyword.decode() for option in pq.Conninfo.get_defaults()} | {"ssl"}
    names = [unquote(name) for name, _, _ in pairs]
    yield from _strange(names, known, _FOREIGN, is_hidden="@" in query)
    kept = "&".join("".join(pair) for pair in pairs if unquote(pair[0]) in known)
    given = _read_by_libpq(f"{head}{front}?{kept}")
    if given is None:
        yield f"libpq cannot read it; {_ENCODE}"
        return
    hosts = (given.get("host") or os.environ.get("PGHOST", "")).split(",")
    ports = given.get("port", "").split(",")
    are_good = all(not p or (re.fullmatch("[0-9]{1,5}", p) and 1 <= int(p) <= 65535) for p in ports)
    are_enough = len(ports) in (1, len((given.get("hostaddr") or given.get("host", "")).split(",")))
    yield from _broken(
        (not are_good, f"a port is not a number from 1 to 65535; {_ENCODE}"),
        (are_good and not are_enough, "name one port, or one for each host"),
        (not all(can_be_asked_for(host) for host in hosts if not host.startswith(("/", "@"))), _NO_NAME),
        # https://www.postgresql.org/docs/current/protocol-replication.html
        ("replication" in given, "its parameter replication makes a connection without tables; leave it out"),
        (
            given.get("target_session_attrs") in ("read-only", "standby", "prefer-standby"),
            "target_session_attrs must find a server that takes writes, as read-write does",
        ),
    )
    yield from _missing_files(given, _FILES)
    yield from _refused_values(given)


def redis_problems(url: str) -> Iterator[str]:
    """What redis-py would refuse, ignore or misread in an address, each a sentence."""
    if not re.match(r"(redis|rediss|unix)://.", url):
        yield "must begin with redis://, rediss:// or unix://."
        return
    try:
        unquote(url, errors="strict")
    except UnicodeDecodeError:  # redis-py would send another password
        yield "holds %-encoded bytes that are not UTF-8; write it anew."
        return
    try:
        parts = urlsplit(url)
        is_good_port = parts.port != 0
    except ValueError:
        is_good_port = False
    if not is_good_port or parts.fragment:
        yield f"its port is not a number from 1 to 65535; {_ENCODE}"
        return
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    names = [name for name, _ in pairs]
    yield from _strange(names, _REDIS, _REDIS_FOREIGN, is_hidden="@" in parts.query)
    given = {name: value for name, value in pairs if name in _REDIS}
    yield from (f"its parameter {name} has no value." for name in given if not given[name])
    yield from _missing_files(given, _REDIS_FILES)
    host, is_socket = parts.hostname or "", parts.scheme == "unix"
    number = unquote(parts.path).removeprefix("/")
    is_number = re.fullmatch(r"[0-9]{0,9}", number) is not None
    name = given.get("client_name", "")  # https://redis.io/commands/client-setname
    yield from _broken(
        (not re.fullmatch(r"[!-~]*", name), "client_name must be letters, digits and signs without blanks"),
        (
            is_socket and (host or len(parts.path) < 2),
            "a socket's path has three slashes: unix:///run/redis.sock",
        ),
        ("," in host, "names several hosts; name one (Sentinel and cluster mode are not supported)"),
        (host and "," not in host and not can_be_asked_for(unquote(host)), _NO_NAME),
        # redis-py would take database 0
        (
            not (is_socket or is_number),
            f"after the host stands the database's number alone, as in /0; {_ENCODE}",
        ),
        (
            not is_socket and is_number and number and given.get("db", number) != number,
            "/NUMBER and ?db=NUMBER name different databases; leave one of them out",
        ),
    )
    yield from _refused_by_redis(f"{parts.scheme}://{parts.netloc}{parts.path}", given)


def _broken(*rules: tuple[object, str]) -> Iterator[str]:
    """The sentences of those that are broken."""
    return (sentence for is_broken, sentence in rules if is_broken)


def _strange(
    names: list[str], known: Collection[str], foreign: Mapping[str, str], *, is_hidden: bool
) -> Iterator[str]:
    """`is_hidden`: a name may be the end of a password with an unencoded ? in it."""
    for name, times in Counter(names).items():
        if name not in known:
            near = nearest(name, known, cutoff=0.75)
            hint = foreign.get(name) or (f"did you mean {near}?" if near else "leave it out")
            shown = name if re.fullmatch(r"[a-z_]{2,30}", name) and not is_hidden else "(not shown)"
            yield f"there is no parameter {shown}; {hint}"
        elif times > 1:
            yield f"its parameter {name} stands there {times} times; join the values or leave one."


def _missing_files(given: Mapping[str, str], names: Collection[str]) -> Iterator[str]:
    for name in names:
        path = given.get(name)
        if path and path != "system" and not os.path.exists(path):  # https://www.postgresql.org: sslrootcert
            yield f"its parameter {name} names a file that is not there."


def _read_by_libpq(rest: str) -> dict[str, str] | None:
    from psycopg import Error
    from psycopg.conninfo import conninfo_to_dict

    try:
        return {name: str(value) for name, value in conninfo_to_dict(f"postgresql://{rest}").items()}
    except (Error, ValueError):  # its own sentence quotes the address; a null byte is a ValueError
        return None


def _refused_values(given: Mapping[str, str]) -> Iterator[str]:
    """libpq looks at values when it begins to connect: here to a folder that has no socket."""
    from psycopg import pq
    from psycopg.conninfo import make_conninfo

    others = {name: value for name, value in given.items() if name not in ("host", "hostaddr", "port")}
    tried = pq.PGconn.connect_start(make_conninfo(**others, host="/").encode())
    said = tried.error_message.decode("utf-8", "replace")
    tried.finish()
    if said.startswith("connection to server"):
        return
    named = re.match(r'invalid "?(\w+)"? value|weak (sslmode)|definition of (service)', said)
    name = next((group for group in (named.groups() if named else ()) if group), "one of its parameters")
    yield (
        f"{name} has a value that libpq refuses; the right ones are listed at "
        "https://www.postgresql.org/docs/current/libpq-connect.html."
    )


def _refused_by_redis(address: str, given: Mapping[str, str]) -> Iterator[str]:
    from redis import RedisError
    from redis.connection import Connection, parse_url

    kind: Any = parse_url(address).get("connection_class", Connection)  # type: ignore[no-untyped-call]
    for name, text in given.items():
        try:
            read = parse_url(f"{address}?{urlencode({name: text})}")  # type: ignore[no-untyped-call]
            kind(**{name: read[name]} if text else {})
        except TypeError:
            yield f"its parameter {name} belongs to an encrypted connection, rediss://."
        except (ValueError, RedisError):
            yield f"its parameter {name} has a value that cannot be used."
