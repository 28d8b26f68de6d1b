"""The parts of `bounded_worker` that need no socket, and what it takes for granted about gunicorn."""

from __future__ import annotations

import inspect
import io
from typing import Any

import gunicorn
import pytest
from gunicorn.config import Config
from gunicorn.http import errors as parsing
from gunicorn.http.parser import RequestParser
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.base import Worker
from gunicorn.workers.gthread import TConn, ThreadWorker

from app.web.bounded_worker import (
    BodyRefused,
    BoundedUnreader,
    BoundedWorker,
    Connection,
    RequestTooSlow,
    is_head_ready,
    read_body,
    status_of,
)
from app.web.deferred_response import DeferredResponseWorker


def test_gunicorn_is_the_one_whose_inside_we_know() -> None:
    """Another major version: read its gthread.py against http_limits.py, then raise this number."""
    assert gunicorn.version_info[0] == 27


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (BoundedWorker, ThreadWorker),
        (DeferredResponseWorker, ThreadWorker),
        (Connection, TConn),
        (BoundedUnreader, SocketUnreader),
    ],
)
def test_every_method_we_replace_exists_in_gunicorn_with_the_same_parameters(
    ours: type, theirs: type
) -> None:
    own = {"renew", "begin", "_park", "_unpark", "_next_step", "_drop", "_deadline_of", "__init__"}
    own |= {"_call_application", "_begin", "_handled", "_tell", "_send_ready", "_send", "setup"}
    replaced = {name for name, value in vars(ours).items() if inspect.isroutine(value)} - own

    for name in replaced:
        assert list(inspect.signature(getattr(ours, name)).parameters) == list(
            inspect.signature(getattr(theirs, name)).parameters
        )


def test_everything_else_we_touch_in_gunicorn_is_there() -> None:
    source = inspect.getsource(ThreadWorker)
    for name in ("nr_conns", "pending_conns", "keepalived_conns", "poller", "murder_pending()", "data_ready"):
        assert name in source
    assert (
        "conn.close(graceful=True)" in source
    )  # the linger on the main loop that Connection.close takes out
    assert "self.unreader" in inspect.getsource(RequestParser.__mro__[1])
    assert "handle_error" in vars(Worker)
    assert "worker_class.setup()" in inspect.getsource(Config)  # by which we learn that ours was chosen
    for name in ("self.wsgi = ", "self.alive"):  # what answers late
        assert name in inspect.getsource(Worker)
    for name in ("self.wsgi(environ, resp.start_response)", "self.method_queue.defer(", "fs.cancelled()"):
        assert name in source


@pytest.mark.parametrize(
    ("head", "is_ready"),
    [
        (b"", False),
        (b"P", False),
        (b"\r\n", False),
        (b"POST / HTTP/1.1", False),
        (b"POST / HTTP/1.1\r\n", False),
        (b"\r\nPOST / HTTP/1.1\r\nHost: x\r\n", False),
        (b"POST / HTTP/1.1\r\nHost: x\r\n\r", False),
        (b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", True),
        (b"POST / HTTP/1.1\r\n\r\nbody", True),
        (b"GET /\r\n", True),
        (b"GET / HTTP/2.0\r\n", True),
        (b"POST / HTTP/1.1\nHost", True),
        (b"POST / HTTP/1.1\r\nHost: x\n", True),
        (b"a" * 8193, True),
    ],
)
def test_thread_is_taken_only_by_a_complete_head_or_a_hopeless_one(head: bytes, is_ready: bool) -> None:
    assert is_head_ready(head) is is_ready


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RequestTooSlow(), 408),
        (parsing.UnsupportedTransferCoding("x"), 400),
        (parsing.InvalidChunkSize(b"x"), 400),
        (parsing.InvalidProxyHeader("x"), 400),
        (parsing.LimitRequestHeaders("x"), 431),
        (parsing.ExpectationFailed("x"), 417),
        (parsing.InvalidResponseHeader("ours"), None),
        (parsing.ConfigurationProblem("ours"), None),
        (KeyError("ours"), None),
    ],
)
def test_strangers_never_get_a_5xx_and_our_own_faults_are_not_blamed_on_them(
    error: Exception, status: int | None
) -> None:
    assert status_of(error) == status


def test_no_parse_error_of_gunicorn_is_left_without_a_4xx() -> None:
    classes: list[Any] = [kind for kind in vars(parsing).values() if isinstance(kind, type)]
    kinds = [kind for kind in classes if issubclass(kind, parsing.ParseException)]
    ours = {parsing.InvalidResponseHeader, parsing.InvalidResponseHeaderName, parsing.ConfigurationProblem}

    statuses = {kind: status_of(kind.__new__(kind)) for kind in kinds if kind not in ours}
    assert len(statuses) > 10
    assert all(status and 400 <= status < 500 for status in statuses.values())


def environ(body: bytes, **more: str) -> dict[str, Any]:
    return {"wsgi.input": io.BytesIO(body), **more}


def test_body_of_exactly_the_limit_is_read_and_marked_so() -> None:
    given = environ(b"x" * 10, CONTENT_LENGTH="10")

    assert read_body(given, limit_bytes=10) == b"x" * 10
    assert given["afterword.body_is_read"]


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (environ(b"x" * 11), 413),
        (environ(b"", CONTENT_LENGTH="11"), 413),
        (environ(b"x" * 5, CONTENT_LENGTH="6"), 400),
        (environ(b"x", CONTENT_LENGTH="x"), 400),
    ],
)
def test_body_that_is_too_long_or_too_short_is_refused(given: dict[str, Any], status: int) -> None:
    with pytest.raises(BodyRefused) as caught:
        read_body(given, limit_bytes=10)

    assert caught.value.status == status
    assert "afterword.body_is_read" not in given
