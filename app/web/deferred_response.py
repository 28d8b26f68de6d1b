"""
Answers that wait for the disk without a thread that waits with them.

A delivery is answered when its batch is committed. With a thread per waiting request each commit wakes
dozens of threads that queue for Python's one lock, which cost more than everything else together. So the
thread hands its finished answer over and goes on to the next request; the committer settles the answer once
the row is stored, and the main loop sends all that were settled, after one wake-up. One that is not settled
in time, or settled badly, is replaced by the other one its maker gave.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from functools import partial
from typing import Any

from gunicorn import util
from gunicorn.http.wsgi import Response

from app.web.bounded_worker import LINGER_BYTES, LINGER_S, BoundedWorker, Connection
from app.web.group_commit import settle

# status line, headers, body
Plain = tuple[str, list[tuple[str, str]], bytes]

# In a WSGI environment: where an answer that is kept back is put down, and that answer.
_UNSETTLED, _KEY = "afterword.unsettled", "afterword.late_answer"


class DeferredResponse(Future[bool]):
    """
    One answer that may not be sent yet. Its result, which any thread may set, is whether it is sent or the
    other one is.

    Attributes:
        deadline: time.monotonic() when the other one is sent.
        conn: Set once the thread is done with the connection.
    """

    def __init__(self, *, deadline: float, otherwise: Callable[[], Plain]) -> None:
        super().__init__()
        self.deadline = deadline
        self.otherwise = otherwise
        self.conn: Connection | None = None
        self.response: Any = None
        self.body = b""

    def release(self, conn: Connection, tell: Callable[[DeferredResponse], None]) -> None:
        """
        The thread is done with the connection; the last thing it does. `tell` is called once that and the
        result are there, in whichever order: else two threads would have the connection.
        """
        self.conn = conn
        self.add_done_callback(lambda _: tell(self))


def defer_response(
    environ: dict[str, Any], *, within_s: float, otherwise: Callable[[], Plain]
) -> DeferredResponse | None:
    """
    Keeps back the answer that the application is about to give to this request. After `within_s` seconds the
    one of `otherwise` is sent, which is called on the main loop, so without I/O.

    Returns:
        What to settle; None under a server that cannot do it: the caller has to wait by itself.
    """
    unsettled: deque[DeferredResponse] | None = environ.get(_UNSETTLED)
    if unsettled is None:
        return None
    deferred = DeferredResponse(deadline=time.monotonic() + within_s, otherwise=otherwise)
    unsettled.append(deferred)
    environ[_KEY] = deferred
    return deferred


class _KeptBack(Exception):  # no error: the way past gunicorn's sending of the answer
    """Its one argument is the answer."""


# What gunicorn takes for a thread's result: the connection stays open.
_STAYS: Future[bool] = Future()
_STAYS.set_result(True)


class DeferredResponseWorker(BoundedWorker):
    """Set by `worker_class` in gunicorn.conf.py. `is_chosen`: gunicorn has been told so in this process."""

    wsgi: Any
    is_chosen = False

    @classmethod
    def setup(cls) -> None:
        """gunicorn calls this once it has read which class to use, before it loads the application."""
        DeferredResponseWorker.is_chosen = True

    def init_process(self) -> None:
        self._unsettled: deque[DeferredResponse] = deque()  # in the order of their deadlines, nearly
        self._ready: deque[DeferredResponse] = deque()
        self._is_rung = False
        super().init_process()

    def load_wsgi(self) -> None:
        super().load_wsgi()
        self._application, self.wsgi = self.wsgi, self._call_application

    # -- threads ---------------------------------------------------------------------------------
    def _call_application(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ[_UNSETTLED] = self._unsettled
        answer: Iterable[bytes] = self._application(environ, start_response)
        deferred: DeferredResponse | None = environ.get(_KEY)
        if deferred is None:
            return answer
        deferred.response = start_response.__self__  # gunicorn's, whose method it is
        deferred.body = b"".join(answer)
        getattr(answer, "close", lambda: None)()
        raise _KeptBack(deferred)

    def handle_request(self, req: Any, conn: Connection) -> Any:
        """As gunicorn's; a kept back answer is the result instead of whether the connection stays open."""
        try:
            return super().handle_request(req, conn)
        except _KeptBack as kept:
            return kept.args[0]

    def _keepalive_after(self, conn: Connection, keepalive: Any) -> Any:
        is_ready = super()._keepalive_after(conn, bool(keepalive))
        if not isinstance(keepalive, DeferredResponse):
            return is_ready
        if not is_ready:
            keepalive.response.force_close()
        return keepalive

    def enqueue_req(self, conn: Connection) -> None:
        """As gunicorn's, but the main loop is not woken for an answer that is kept back."""
        self.tpool.submit(self.handle, conn).add_done_callback(partial(self._handled, conn))

    def _handled(self, conn: Connection, handled: Future[Any]) -> None:
        if handled.exception() is None and isinstance(deferred := handled.result(), DeferredResponse):
            deferred.release(conn, self._tell)
        else:
            self.method_queue.defer(self.finish_request, conn, handled)

    def _tell(self, deferred: DeferredResponse) -> None:
        self._ready.append(deferred)
        if not self._is_rung:
            self._is_rung = True
            self.method_queue.defer(self._send_ready)

    # -- main loop -------------------------------------------------------------------------------
    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Wakes up for the next answer that waits in vain, too."""
        if self._unsettled:
            timeout = min(timeout, self._unsettled[0].deadline - time.monotonic())
        super().wait_for_and_dispatch_events(max(0.0, timeout))

    def murder_pending(self) -> None:
        """Ends the waiting of those whose time is up, too."""
        super().murder_pending()
        now = time.monotonic()
        waiting = self._unsettled
        while waiting and (waiting[0].done() or waiting[0].deadline <= now):
            settle(waiting.popleft(), is_stored=False)

    def _send_ready(self) -> None:
        self._is_rung = False  # first: what is told from here on rings again
        while self._ready:
            deferred = self._ready.popleft()
            assert deferred.conn is not None
            try:
                self._send(deferred, deferred.conn)
            except OSError as error:  # also a peer that takes nothing: no thread waits for it here
                self.log.debug("the answer could not be sent: %s", type(error).__name__)
                self._drop(deferred.conn, status=None)

    def _send(self, deferred: DeferredResponse, conn: Connection) -> None:
        is_good = deferred.result()
        response = deferred.response if is_good else _other(deferred)
        conn.sock.setblocking(False)
        # In flight they were not counted; kept alive, all at once, they would leave no room for a new one.
        if not self.alive or len(self.keepalived_conns) >= self.max_keepalived:
            response.force_close()
        if deferred.body and is_good:
            response.write(deferred.body)
        response.close()
        if not response.should_close():
            self.finish_request(conn, _STAYS)
            return
        closing = self.tpool.submit(util.close_graceful, conn.sock, timeout=LINGER_S, max_drain=LINGER_BYTES)
        closing.add_done_callback(lambda done: self.method_queue.defer(self.finish_request, conn, done))


def _other(deferred: DeferredResponse) -> Any:
    """The other answer, begun."""
    first = deferred.response
    response = Response(first.req, first.sock, first.cfg)
    response.must_close = first.must_close
    status, headers, body = deferred.otherwise()
    response.start_response(status, headers)
    response.write(body)
    return response
