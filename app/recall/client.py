"""
Moves bytes to Recall and back: time-outs, repetition within seconds, and nothing else. The requests are made
in `endpoints`, what an answer means is decided in `create_response` and `resources`, what follows from it by
the callers.

The rule about money: `create` repeats a POST only while nothing of it was written to a socket, on a
fresh connection each time, with the same key; everything after the first byte that is not a complete
answer is "unknown". Long waits are never slept here: they are `RecallBusy`.
"""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import requests
import tenacity

from app.errors import AccountRefused, CursorRefused, DownloadBlocked, RecallBusy
from app.recall import create_response, download, endpoints, resources, url_checks
from app.recall.endpoints import HttpRequest
from app.recall.http_exchange import TROUBLE, Call, HttpTimeouts, NotSent, Reply, Wire, chunks, name_of
from app.recall.json_fields import Unreadable
from app.recall.limits import ACCOUNT_STATUSES
from app.recall.signatures import fingerprint_of
from app.recall.types import Answer, Artifact, CreateAnswer, CreateOrder, RecordingFacts, RecordingSeen

_T = TypeVar("_T")
_STALE = "stale_stamp"
_UNEXPECTED = {"2xx": "unreadable", "4xx": "unexpected"}
# Of what each list is, in its address.
_LISTED = {"list": "transcript", "recordings": "recording"}
# Recall's documented successes. What is accepted, partial or transformed on the way is none of them.
_DONE = {"GET": (200,), "DELETE": (200, 204)}
# A cursor that has run out or is of another list. Django's own word for it is 404.
_CURSOR_REFUSED = (400, 404, 410, 422)
# What Recall itself answers to a create that it does not take. https://docs.recall.ai/docs/errors
_CREATE_REFUSED = (400, 404, 409, 410, 422)


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def sleep(self, seconds: float) -> None: ...


class Log(Protocol):
    """structlog's way to say something."""

    def info(self, event: str, **fields: Any) -> Any: ...


class _Hiccup(RecallBusy):
    """Worth another try at once."""


class RecallClient:
    """
    One workspace of Recall; implements `ports_recall.Recall`. May be made before a fork and used after it.
    `api_key` is never shown: not in `repr`, logs or errors. `clock` sleeps between tries; its `now` is only
    compared with a date in Retry-After and with a recording's `expires_at`.

    Raises:
        ValueError: A key with characters that no header can hold, or a bad address.
    """

    def __init__(
        self, base_url: str, api_key: str, timeouts: HttpTimeouts, *, clock: Clock, log: Log | None = None
    ) -> None:
        if not api_key.isascii() or not api_key.isprintable() or " " in api_key or not api_key:
            raise ValueError("the API key is empty or has blanks or unprintable characters in it")
        self._base_url = url_checks.check_base_url(base_url)
        self._key = api_key
        self._timeouts = timeouts
        self._cap_s = timeouts.retry_after_at_most_s
        self._come_back_s = timeouts.busy_retry_after_s
        self._clock = clock
        self._log = log
        self._wire: tuple[int, Wire] | None = None
        self._answers: list[Answer] = []

    def __repr__(self) -> str:
        return f"RecallClient({self._base_url}, key {self.fingerprint})"

    @property
    def fingerprint(self) -> str:
        return fingerprint_of(self._key.encode())

    def answers(self) -> list[Answer]:
        found, self._answers = self._answers, []
        return found

    # -- the POST ----------------------------------------------------------------------------------

    def create_body(self, order: CreateOrder) -> bytes:
        return endpoints.create_body(order)

    def create(
        self, order: CreateOrder, body: bytes | None = None, *, is_still_fresh: Callable[[], bool]
    ) -> CreateAnswer:
        request = endpoints.create_request(self._base_url, self._key, order, body)
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_result(lambda a: a.kind == "not_sent" and a.detail != _STALE),
            retry_error_callback=lambda state: state.outcome and state.outcome.result(),
            **self._retries(),
        )
        answer: CreateAnswer = retrying(self._post_once, request, order, is_still_fresh)
        self._say("create", status=answer.status, kind=answer.kind, detail=answer.detail)
        return answer

    def _post_once(
        self, request: HttpRequest, order: CreateOrder, is_still_fresh: Callable[[], bool]
    ) -> CreateAnswer:
        call = Call(overall_s=self._timeouts.create_overall_s, may_write=is_still_fresh)
        # A fresh connection: one kept alive may be closed under the request: an unknown outcome.
        fresh = Wire()
        try:
            reply = self._exchange(fresh, request, call)
        except NotSent:
            return CreateAnswer("not_sent", detail=_STALE)
        except TROUBLE as error:
            self._note("create", None)
            return CreateAnswer("unknown" if call.has_written else "not_sent", detail=name_of(error, call))
        finally:
            fresh.close()
        answer = create_response.read_create_answer(
            reply.status, reply.headers, reply.body, order=order, now=self._now(), cap_s=self._cap_s
        )
        is_expected = answer.kind == "created" or reply.status in _CREATE_REFUSED
        self._note("create", reply.status, is_expected=is_expected)
        if answer.retry_after_s is None:
            return answer
        return replace(answer, retry_after_s=self._jittered(answer.retry_after_s))

    # -- what may be asked again ------------------------------------------------------------------

    def retrieve(self, transcript_id: str, *, recording_id: str) -> Artifact | None:
        request = endpoints.retrieve_request(self._base_url, self._key, transcript_id)
        # Nothing but 404: a 410 is no word of Recall's, and a gateway's would be taken for a loss.
        reply = self._ask("retrieve", request, missing=(404,))
        if reply.status == 404:
            return None
        with self._understanding():
            return resources.read_artifact(reply.body, transcript_id=transcript_id, recording_id=recording_id)

    def list_page(self, recording_id: str, cursor: str | None, /) -> tuple[list[Artifact], str | None]:
        make = partial(endpoints.list_request, recording_id=recording_id)
        return self._page("list", make, partial(resources.read_list, recording_id=recording_id), cursor)

    def recording(self, recording_id: str) -> RecordingFacts:
        request = endpoints.recording_request(self._base_url, self._key, recording_id)
        reply = self._ask("recording", request, missing=(404,))
        with self._understanding():
            now = self._clock.now()
            return resources.read_recording(reply.status, reply.body, recording_id=recording_id, now=now)

    def recordings_page(
        self, created_after: float, cursor: str | None, /
    ) -> tuple[list[RecordingSeen], str | None]:
        def read(body: bytes) -> tuple[list[RecordingSeen], str | None]:
            return resources.read_recordings_list(body, now=self._clock.now())  # when the answer is there

        make = partial(endpoints.recordings_list_request, created_after=created_after)
        return self._page("recordings", make, read, cursor)

    def delete(self, transcript_id: str) -> None:
        self._delete(endpoints.delete_request(self._base_url, self._key, transcript_id), transcript_id)

    def delete_recording(self, recording_id: str) -> None:
        self._delete(
            endpoints.recording_delete_request(self._base_url, self._key, recording_id), recording_id
        )

    def _delete(self, request: HttpRequest, own_id: str) -> None:
        # May be repeated: if the first one was heard, the second finds nothing, which is as good.
        reply = self._ask("delete", request, missing=(404, 410))
        if reply.status not in (404, 410):
            with self._understanding():
                resources.read_deletion(reply.body, own_id=own_id)

    def probe(self) -> None:
        reply = self._ask("list", endpoints.probe_request(self._base_url, self._key))
        with self._understanding():
            resources.read_probe(reply.body)

    def download(self, url: str, target: Path, *, keep_going: Callable[[], object]) -> None:
        is_local = url_checks.host_is_loopback(self._base_url)
        try:
            download.fetch(url, target, timeouts=self._timeouts, is_local=is_local, keep_going=keep_going)
        except DownloadBlocked as blocked:
            status = blocked.cause.removeprefix("http_")
            if blocked.cause != "disk":  # our own
                self._note("download", int(status) if status.isdecimal() else None)
            raise
        self._note("download", 200)

    # -- how ----------------------------------------------------------------------------------------

    def _ask(self, endpoint: str, request: HttpRequest, *, missing: tuple[int, ...] = ()) -> Reply:
        """
        The answer to a GET or DELETE: 200 (a deletion's also 204), or one of the statuses in `missing`.

        Raises:
            RecallBusy: No answer, or any other status: 429 and 5xx, and what a gateway on the way may say
                (103, 202, 3xx, 400, 405, 418, …). Only what certainly never left is repeated here, and what
                went to a kept connection that was closed instead of answering: Recall counts everything
                else, and the caller has one slot.
            AccountRefused: 401, 402, 403.
        """
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_Hiccup), reraise=True, **self._retries()
        )
        reply: Reply = retrying(self._ask_once, endpoint, request, missing)
        return reply

    def _ask_once(self, endpoint: str, request: HttpRequest, missing: tuple[int, ...]) -> Reply:
        call = Call(overall_s=self._timeouts.get_overall_s)
        try:
            reply = self._exchange(self._kept(), request, call)
        except TROUBLE as error:
            cause = name_of(error, call)
            self._say(request.method.lower(), status=None, detail=cause)
            self._note(endpoint, None)
            is_closed_meanwhile = call.is_on_kept and cause == "connection_lost"
            busy = _Hiccup if is_closed_meanwhile or not call.has_written else RecallBusy
            raise busy(cause, retry_after_s=self._come_back_s) from None  # messages hold addresses
        self._say(request.method.lower(), status=reply.status)
        is_expected = reply.status in (*missing, *_DONE[request.method])
        self._note(endpoint, reply.status, is_expected=is_expected)
        if is_expected:
            return reply
        raise self._refusal(reply)

    def _refusal(self, reply: Reply) -> Exception:
        status, wait_s = reply.status, self._come_back_s
        if status in ACCOUNT_STATUSES:
            return AccountRefused(status)
        if status == 429 or (status in (503, 507) and "Retry-After" in reply.headers):
            told_s = create_response.retry_after_s(reply.headers, now=self._now(), cap_s=self._cap_s)
            wait_s = self._jittered(told_s)
        return RecallBusy(f"http_{status}", retry_after_s=wait_s)

    def _note(self, endpoint: str, status: int | None, *, is_expected: bool = True) -> None:
        """
        For `answers`. `status` is None where no complete answer came; `is_expected`: Recall has such a 2xx
        or 4xx for this question (a gateway on the way has any).
        """
        outcome = "silence" if status is None else f"{status // 100}xx"
        if status in (*ACCOUNT_STATUSES, 429):
            outcome = f"http_{status}"
        elif not is_expected:
            outcome = _UNEXPECTED.get(outcome, outcome)
        self._answers.append(Answer(endpoint, outcome))

    def _page(
        self,
        endpoint: str,
        make: Callable[..., HttpRequest],
        read: Callable[[bytes], tuple[list[_T], str | None]],
        cursor: str | None,
    ) -> tuple[list[_T], str | None]:
        """
        A page of a list. A 404 is not an empty list: it raises. "Not there" is what lets us pay again.

        Raises:
            CursorRefused: The page was reached by a cursor, and Recall does not take it.
        """
        with self._understanding(RecallBusy if cursor is None else CursorRefused):
            request = make(self._base_url, self._key, cursor=cursor)
        reply = self._ask(endpoint, request, missing=() if cursor is None else _CURSOR_REFUSED)
        if reply.status in _CURSOR_REFUSED:
            raise CursorRefused(f"cursor_refused: http_{reply.status}", retry_after_s=self._come_back_s)
        with self._understanding():
            found, following = read(reply.body)
            onward = None if following is None else endpoints.cursor_of(following, _LISTED[endpoint])
            if onward is not None and onward == cursor:
                raise Unreadable("the next page is this page")
            return found, onward

    def _exchange(self, connections: Wire, request: HttpRequest, call: Call) -> Reply:
        """The request out, the whole answer in. Raises `NotSent` (see `Call`) or one of `TROUBLE`."""
        timeout_s = (self._timeouts.connect_timeout_s, self._timeouts.read_timeout_s)
        made = requests.Request(request.method, request.url, dict(request.headers), data=request.body)
        with call, connections.open(made.prepare(), timeout_s=timeout_s) as response:
            call.is_on_kept = False
            body = b""
            if response.status_code < 200:
                # No last word: what follows it would be read as the answer to the next question.
                response.raw.close()
            else:
                body = b"".join(chunks(response, at_most=resources.MAX_ANSWER_BYTES))
                call.check()
            return Reply(response.status_code, response.headers, body)

    @contextlib.contextmanager
    def _understanding(self, trouble: type[RecallBusy] = RecallBusy) -> Iterator[None]:
        """
        An answer that is not Recall's (a gateway's page with status 200) is trouble on the way. Of a request:
        a kept cursor that is none is refused as Recall would.
        """
        try:
            yield
        except Unreadable as error:
            if self._answers and trouble is RecallBusy:
                self._answers[-1] = replace(self._answers[-1], outcome="unreadable")
            raise trouble(f"unreadable: {error.reason}", retry_after_s=self._come_back_s) from None

    def _kept(self) -> Wire:
        """Kept-alive connections of this process; a forked child makes its own."""
        if self._wire is None or self._wire[0] != os.getpid():
            self._wire = (os.getpid(), Wire())
        return self._wire[1]

    def _retries(self) -> dict[str, Any]:
        """Three tries within a few seconds; the longer waits belong to the callers."""
        return {
            "sleep": self._clock.sleep,
            "wait": tenacity.wait_random_exponential(multiplier=0.4, max=2),
            "stop": tenacity.stop_after_attempt(3) | tenacity.stop_before_delay(10),
        }

    def _jittered(self, wait_s: float) -> float:
        """A little later than told, so that those who were told the same do not come together."""
        return min(wait_s + random.uniform(0.0, min(1.0, 0.1 * wait_s)), self._cap_s)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.now(), UTC)

    def _say(self, what: str, **fields: Any) -> None:
        if self._log is not None:
            self._log.info(f"recall_{what}", key=self.fingerprint, **fields)
