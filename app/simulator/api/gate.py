"""
What stands between the socket and a view of /api/v1: firewall, key, method, Idempotency-Key, rate.

An unknown path is a page (404) before any key; the key is judged before method and existence (seen live by
integrators). Whether the rate or the Idempotency-Key is judged first is not published: see `throttle_first`.
Sources: https://docs.recall.ai/reference/authentication, https://docs.recall.ai/docs/errors.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from flask import Flask, Response, g, request
from werkzeug.exceptions import MethodNotAllowed, NotFound

from app.simulator.api import answers
from app.simulator.api.answers import Answer
from app.simulator.api.cut_response import to_response
from app.simulator.api.idempotency import Memory
from app.simulator.api.lying import Lying
from app.simulator.model.rates import Rates
from app.simulator.model.state import World

PREFIX = "/api/v1/"
# What the firewall takes for an attack: the document names localhost and addresses of bare numbers.
_SUSPECT = re.compile(rb"localhost|https?://\[?[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}", re.IGNORECASE)

View = Callable[..., Answer]


class Gate:
    """Authentication, rates and faults before a view, and the counts of its answers."""

    def __init__(self, world: World, lying: Lying) -> None:
        self._world = world
        self._lying = lying
        self._rates = Rates(world)
        self._memory = Memory(world)

    def attach(self, app: Flask) -> None:
        """Stand before every request but the side door's."""
        # Flask would redirect a path without its slash; `_without_slash` decides instead.
        app.url_map.strict_slashes = False
        app.before_request(self._before)

    def respond(self, view: View) -> Callable[..., Response]:
        """The view behind its Idempotency-Key and its rate, as Flask wants it."""

        def respond(**path: str) -> Response:
            key = request.headers.get("Idempotency-Key")
            if request.method not in ("POST", "PATCH") or not key:
                answer = self._perform(view, path)
            else:
                answer = self._once(view, path, identity=(key, g.user, request.method, request.path))
            return self._count(self._lying.after(g.question, answer))

        return respond

    def _once(self, view: View, path: dict[str, str], *, identity: tuple[str, str, str, str]) -> Answer:
        refusal = self._rate(path) if self._world.settings.throttle_first else None
        stored = refusal or self._memory.begin(identity)
        if stored is not None:
            return stored
        answer = None
        try:
            answer = self._perform(view, path, rated=self._world.settings.throttle_first)
        finally:
            self._memory.end(identity, answer)
        return answer

    def _perform(self, view: View, path: dict[str, str], *, rated: bool = False) -> Answer:
        answer = (None if rated else self._rate(path)) or self._lying.instead(g.question) or view(**path)
        if answer.late_s:
            self._world.clock.sleep(answer.late_s)
        return answer

    def _rate(self, path: dict[str, str]) -> Answer | None:
        rate = str(request.endpoint).partition(":")[2]
        if rate != "create":
            return self._rates.admit(rate, g.workspace)
        with self._world.lock:
            recording = self._world.recordings.get(path["id"])
        # An id without a recording counts for itself.
        return self._rates.admit(rate, recording.rate_key if recording else path["id"])

    def _before(self) -> Response | None:
        if request.path.startswith("/_sim"):
            return None
        settings = self._world.settings
        kind = (request.endpoint or "unrouted").partition(":")[0]
        with self._world.lock:
            self._world.bill.calls[kind] += 1
        if settings.call_delay_ms:
            # Real, not scaled: it stands for the network in between.
            self._world.clock.sleep(settings.call_delay_ms / 1000 * self._world.clock.scale)
        refusal = self._refuse(kind)
        return None if refusal is None else self._count(refusal)

    def _refuse(self, kind: str) -> Answer | None:
        settings = self._world.settings
        if settings.down:
            return answers.cut() if settings.down_mode == "cut" else answers.shed()
        if self._is_suspect():
            return answers.blocked(settings.waf_style)
        failure = request.routing_exception
        if isinstance(failure, NotFound) or not request.path.startswith(PREFIX):
            return answers.unrouted()
        if not request.path.endswith("/"):
            return _without_slash()
        methods = failure.valid_methods if isinstance(failure, MethodNotAllowed) else _methods()
        allow = ", ".join(sorted(methods or []))
        refusal = self._why_unauthorized(allow)
        if refusal is None and isinstance(failure, MethodNotAllowed):
            refusal = answers.method_not_allowed(request.method, allow)
        return refusal or self._note_create(kind)

    def _is_suspect(self) -> bool:
        body = request.get_data()
        if request.method == "GET":
            return bool(body) or "Transfer-Encoding" in request.headers
        return _SUSPECT.search(body) is not None

    def _note_create(self, kind: str) -> Answer | None:
        if kind != "create":
            return None
        recording_id = (request.view_args or {})["id"]
        with self._world.lock:
            self._world.bill.of(recording_id).create_posts += 1
            recording = self._world.recordings.get(recording_id)
        disliked = recording is not None and recording.script.payload_403
        return answers.blocked(self._world.settings.waf_style) if disliked else None

    def _why_unauthorized(self, allow: str) -> Answer | None:
        words = request.headers.get("Authorization", "").split()
        if not words:
            detail = "Authentication credentials were not provided."
            return answers.unauthorized("not_authenticated", detail, allow)
        scheme, token = ("token", words[0]) if len(words) == 1 else (words[0].lower(), words[1])
        if (len(words) == 1 and token.lower() == "token") or scheme not in ("token", "bearer"):
            detail = "Invalid token header. No credentials provided."
            return answers.unauthorized("authentication_failed", detail, allow)
        # Bearer is not Recall's word: refused like a wrong key, even with the right one.
        if scheme == "bearer" or len(words) > 2 or token not in self._world.settings.known_keys:
            return answers.unauthorized("authentication_failed", answers.BAD_TOKEN, allow)
        settings = self._world.settings
        g.user, g.workspace = token, settings.workspaces.get(token, "default")
        g.question = self._lying.question(
            str(request.endpoint).partition(":")[0],
            path=request.view_args or {},
            query=request.args,
            workspace=g.workspace,
        )
        return None

    def _count(self, answer: Answer) -> Response:
        with self._world.lock:
            self._world.bill.responses["cut" if answer.cut else str(answer.status)] += 1
        return to_response(answer)


def _methods() -> set[str]:
    rule = request.url_rule
    return set(rule.methods or ()) if rule else set()


def _without_slash() -> Answer:
    # Django redirects a GET; a POST cannot be redirected without losing its body.
    if request.method != "GET":
        return answers.unrouted()
    query = f"?{request.query_string.decode()}" if request.query_string else ""
    return Answer(301, content_type="text/html", headers=(("Location", f"{request.path}/{query}"),))
