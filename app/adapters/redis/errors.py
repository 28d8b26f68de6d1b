"""
What a failing Redis means for a person, and for the connections to it: exceptions of redis-py become
sentences with a remedy, and an answer that means "wrong server" ends the connections that lead there.

Refuses to repeat what redis-py says: its sentences may hold arguments, or the address with its password.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from typing import Any, TypeAlias

from redis import Redis
from redis import exceptions as said

from app.adapters.redis.private_socket import SocketRefused

_FULL = "its memory is full (maxmemory): give it more; nothing may be evicted from a queue"
_CLUSTER = "it runs in cluster mode, which is not supported: name a single server (cluster-enabled no)"
_LOGIN = "it refuses the user or the password of REDIS_URL; correct what stands before its @"
_DEMOTED = "it takes no writes, being a replica: after a fail-over REDIS_URL must lead to the new primary"
_NOT_REDIS = "what answers there is not Redis: another program's port, or an encrypted one (rediss://)?"
_ABSENT = (
    "it is not reached; is the server of REDIS_URL running, and its port the right one? "
    "Without REDIS_URL it is the Valkey that `up` starts, and starts again"
)
OLDEST = (6, 2)  # BLMOVE, without which RQ may lose a job between taking and starting it

_Kinds: TypeAlias = tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...]
# By kind; the first that fits. https://redis.readthedocs.io/en/stable/exceptions.html
_KINDS: _Kinds = (
    ((said.AuthenticationError, said.AuthenticationWrongNumberOfArgsError), _LOGIN),
    (said.NoPermissionError, "its user may not do this; allow it all commands on keys ~rq:* (ACL SETUSER)"),
    (said.OutOfMemoryError, _FULL),
    (said.ReadOnlyError, _DEMOTED),
    (said.MasterDownError, "it is a replica without its primary: is a fail-over under way?"),
    ((said.ClusterError, said.MovedError, said.AskError, said.ClusterCrossSlotError), _CLUSTER),
    (said.BusyLoadingError, "it is starting and still reads its data; it is asked again"),
    (said.InvalidResponse, _NOT_REDIS),
)
# By the words of an answer that has no class of its own.
# https://github.com/valkey-io/valkey/blob/9.0/src/server.c
_WORDS = (
    ("DB index is out of range", "it has no database of that number; correct the number at REDIS_URL's end"),
    ("invalid DB index", "it has no database of that number; correct the number at REDIS_URL's end"),
    ("SELECT is not allowed in cluster mode", _CLUSTER),
    ("MISCONF", "it takes no writes, because it cannot write its own file: is its disk full?"),
    ("READONLY", _DEMOTED),
    (
        "NOREPLICAS",
        "it takes no writes without its replicas (min-replicas-to-write): is a fail-over under way?",
    ),
    ("UNBLOCKED", _DEMOTED),
    ("protected mode", "it admits its own machine alone (protected mode): give it a password, and REDIS_URL"),
    ("unknown command", "it lacks a command: Redis 6.2 or newer is needed, or Valkey"),
    ("BUSY", "a script keeps it busy; see what else uses it"),
)
# By what caused an error about the connection: its own sentence is free text, its causes are not.
_CAUSES: _Kinds = (
    (
        ssl.SSLError,
        "no encrypted connection comes about: where its port is not encrypted, write redis:// for "
        "rediss://; where it wants a certificate, name it (?ssl_certfile=…&ssl_keyfile=…)",
    ),
    (socket.gaierror, "the host of REDIS_URL is not known here; is it spelt rightly?"),
    (PermissionError, "this user may not use the socket of REDIS_URL; see its owner and mode"),
)
_WRONG_NAME = "its certificate is for another host name than REDIS_URL's; write that name there"
# https://docs.openssl.org/master/man1/openssl-verification-options/
_CERTIFICATE = {
    10: "its certificate has expired; renew it on the server",
    62: _WRONG_NAME,
    64: _WRONG_NAME,
}
_NO_AUTHORITY = (
    "its certificate is signed by no authority known here: name the authority's file in REDIS_URL "
    "(?ssl_ca_certs=/path/ca.pem)"
)


def why_unusable(error: BaseException) -> str:
    """One sentence about an exception of redis-py, with the remedy; never what was sent."""
    if isinstance(error, SocketRefused):
        return str(error)
    why = _of_kind(_KINDS, error) or _by_words(error) or _by_cause(error)
    return f"Redis cannot be used: {why or f'it answers with an error ({type(error).__name__}), see its log'}"


def is_wrong_server(error: BaseException) -> bool:
    """Whether the answer is about the server at the other end: where the address leads now may be another."""
    kinds = (
        *(said.ReadOnlyError, said.BusyLoadingError, said.ClusterDownError, said.MovedError, said.AskError),
        # Full, or without the login that it took: it may have been given up for another, and stay up.
        *(said.OutOfMemoryError, said.AuthenticationError),
    )
    words = ("READONLY", "NOREPLICAS", "UNBLOCKED", "MISCONF")
    is_answer = isinstance(error, said.ResponseError)
    return isinstance(error, kinds) or (is_answer and str(error).startswith(words))


def is_of_another_type(error: BaseException) -> bool:
    """Whether Redis holds something else under a key than what is asked for."""
    return isinstance(error, said.ResponseError) and str(error).startswith("WRONGTYPE")


def forgetful(client: Redis) -> Redis:
    """
    The client, which from now on connects anew after an answer of a wrong server: a demoted primary may go on
    answering for as long as the connections to it are kept.
    """
    pool = client.connection_pool
    kind: Any = pool.connection_class

    class Forgetful(kind):  # type: ignore[misc]
        """A connection that reports to its pool."""

        def read_response(self, *args: Any, **kwargs: Any) -> Any:
            try:
                return super().read_response(*args, **kwargs)
            except said.RedisError as error:
                if is_wrong_server(error):
                    # Those in use, this one too, end when they are given back: answers may be on their way.
                    for used in (self, *pool._get_in_use_connections()):  # type: ignore[no-untyped-call]
                        used.mark_for_reconnect()
                    pool.disconnect(inuse_connections=False)
                raise

    pool.connection_class = Forgetful
    return client


def why_unfit(client: Redis) -> str | None:
    """A sentence where a server that answers cannot carry the queue by its kind, else None. Never raises."""
    about = _info(client)
    if about.get("cluster_enabled") == 1 or about.get("redis_mode") == "cluster":
        return f"Redis cannot be used: {_CLUSTER}."
    numbers = str(about.get("redis_version", "")).split(".")[:2]
    if all(number.isdecimal() for number in numbers) and tuple(map(int, numbers)) < OLDEST:
        return f"Redis cannot be used: it is version {'.'.join(numbers)}; 6.2 or newer is needed, or Valkey."
    return None


def note_of(client: Redis) -> str | None:
    """A sentence about what works and may lose jobs one day, else None. Never raises."""
    policy = _info(client).get("maxmemory_policy", "noeviction")
    if policy == "noeviction":
        return None
    return (
        f"Redis may drop jobs when its memory is full (maxmemory-policy {policy}), which are then done late: "
        "set maxmemory-policy to noeviction."
    )


def _info(client: Redis) -> dict[str, Any]:
    try:
        about: dict[str, Any] = client.info()
    except said.RedisError:  # away, or INFO is not allowed
        return {}
    return about


def _of_kind(kinds: _Kinds, error: BaseException) -> str | None:
    return next((why for kind, why in kinds if isinstance(error, kind)), None)


def _by_words(error: BaseException) -> str | None:
    text = str(error) if isinstance(error, said.ResponseError) else ""
    return next((why for words, why in _WORDS if words in text), None)


def _by_cause(error: BaseException) -> str | None:
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _CERTIFICATE.get(cause.verify_code, _NO_AUTHORITY)
        if why := _of_kind(_CAUSES, cause):
            return why
        if isinstance(cause, TimeoutError) and "handshake" in str(cause):
            return "it does not begin to encrypt; where its port is not encrypted, write redis:// there"
    return _by_silence(error)


def _by_silence(error: BaseException) -> str | None:
    cut = (ConnectionResetError, BrokenPipeError)
    if isinstance(error, said.TimeoutError):
        return "it does not answer in time; is the server hung, or a firewall between?"
    if "max number of clients" in str(error):
        return "it has no connection free (maxclients): end some clients, or allow more"
    if any(isinstance(cause, cut) for cause in _causes(error)) or "losed by server" in str(error):
        return "it ends the connection: is it restarting, or its port an encrypted one (rediss://)?"
    return _ABSENT if isinstance(error, said.ConnectionError | OSError) else None


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    for _ in range(8):  # a chain may close on itself
        if seen is None:
            return
        yield seen
        seen = seen.__cause__ or seen.__context__
