"""
rq-dashboard under `/ops/rq/`, behind the guard, in a small Flask application of its own that is made when
somebody first asks for it: most web processes never pay the 190 ms and the memory of its import.

Knows what of rq-dashboard 0.9 is dangerous or broken for us, and mends it from outside; each mend has its
comment and its test. It would be better to say all this upstream. Refuses to know what a job means: emptying
a queue or deleting a job here loses nothing, because the dispatcher offers again from the database.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from html import escape
from json import JSONDecodeError
from pathlib import Path
from typing import Any

from flask import Flask, Response, redirect, request
from redis.exceptions import RedisError
from rq import Worker
from rq.exceptions import DeserializationError, InvalidJobOperation, NoSuchJobError
from rq.job import Job, requeue_job
from rq.serializers import JSONSerializer
from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.wrappers import Response as AnyResponse

from app.adapters.rq_queue import RECALL, connect
from app.ops import guard

PREFIX = "/ops/rq"
_REGISTRIES = frozenset({"queued", "failed", "deferred", "started", "finished", "canceled", "scheduled"})
_ORDERS = frozenset({"asc", "dsc"})
_LARGEST_PAGE = 1000


def mount(app: Flask, *, redis_url: str, password: str | None) -> None:
    """
    Hangs the board and the guard into an application.

    Args:
        app: Its `/ops…` and its `/metrics` are guarded from now on.
        redis_url: Where RQ's jobs are. Not contacted before the first look at the board.
        password: Of the user `ops`; None: only this machine may look.
    """
    guard.install(app, password=password)
    board = _once(functools.partial(_make_board, redis_url))

    def show(rest: str = "") -> AnyResponse:
        return Response.from_app(board(), _environ_below_prefix(), buffered=True)

    def enter() -> AnyResponse:
        return redirect(f"{PREFIX}/", 302)

    for rule in ("/ops", "/ops/", PREFIX):
        app.add_url_rule(rule, "ops_enter", enter, provide_automatic_options=False)
    for rule in (f"{PREFIX}/", f"{PREFIX}/<path:rest>"):
        app.add_url_rule(rule, "ops_rq", show, methods=["GET", "POST"], provide_automatic_options=False)


def _once(make: Callable[[], Flask]) -> Callable[[], Flask]:
    """`make`, called by the first caller alone."""
    lock, made = threading.Lock(), list[Flask]()

    def get() -> Flask:
        with lock:
            if not made:
                made.append(make())
            return made[0]

    return get


def _environ_below_prefix() -> dict[str, Any]:
    outer = request.environ
    return {
        **outer,
        "SCRIPT_NAME": outer.get("SCRIPT_NAME", "") + PREFIX,
        "PATH_INFO": outer["PATH_INFO"].removeprefix(PREFIX),
    }


def _make_board(redis_url: str) -> Flask:
    import rq_dashboard
    from rq_dashboard import web

    _speak_json(web)
    # Its page asks the application, not itself, for the icon: so the application serves the same folder.
    board = Flask("app.ops.rq_board", static_folder=Path(web.__file__).parent / "static")
    # What goes wrong unforeseen is answered and logged by the outer application, as everything else.
    board.config["PROPAGATE_EXCEPTIONS"] = True
    # Only shown; the real address may hold a password.
    board.config["RQ_DASHBOARD_REDIS_URL"] = ("Afterword",)
    redis = connect(redis_url, patience="web")
    board.redis_conn = redis  # type: ignore[attr-defined]  # where rq-dashboard looks for it
    board.before_request(_refuse_what_would_fail)

    @board.before_request
    def ask_redis_first() -> None:
        redis.ping()  # its own pages answer 200 with an error in them, or show what they have

    board.after_request(_escape_values)
    board.register_blueprint(rq_dashboard.blueprint)
    # Its own opens a connection per request, with redis-py's 59 s of patience, swapped in for all threads.
    board.before_request_funcs.pop(rq_dashboard.blueprint.name)
    _add_refusals(board)
    return board


class _JsonJob(Job):
    def __init__(self, id: str | None = None, connection: Any = None, serializer: Any = None) -> None:
        super().__init__(id, connection, serializer or JSONSerializer)


class _JsonWorkers:
    @staticmethod
    def all(connection: Any) -> list[Any]:
        return Worker.all(connection, job_class=_JsonJob, serializer=JSONSerializer)


def _speak_json(web: Any) -> None:
    """
    rq-dashboard has one setting for the serializer and forgets it in half of its places. There RQ takes
    pickle: wrong for our jobs, and for foreign ones the code of whoever may write to Redis, run by us.
    """
    web.config.serializer = JSONSerializer
    web.Job = _JsonJob
    web.Worker = _JsonWorkers
    web.requeue_job = functools.partial(requeue_job, serializer=JSONSerializer)


def _refuse_what_would_fail() -> None:
    if request.endpoint == "rq_dashboard.requeue_all" and request.method != "POST":
        raise MethodNotAllowed(
            valid_methods=["POST"]
        )  # a link, an image, a preview would run every failed job
    asked = request.view_args or {}
    if asked.get("instance_number", 0) != 0 or asked.get("registry_name", "queued") not in _REGISTRIES:
        raise NotFound
    if asked.get("order", "asc") not in _ORDERS:
        raise NotFound
    for name in ("page", "per_page"):
        text = str(asked.get(name, 1))
        if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= _LARGEST_PAGE):
            raise NotFound
    if "queue_name" in asked and asked["queue_name"] is None:
        asked["queue_name"] = RECALL  # the tab "Jobs"; RQ's queue "default" is none of ours


def _escape_values(response: Response) -> Response:
    """Its pages put what a job says (an exception's text) into HTML as it is: <%- escapes, <%= does not."""
    if response.mimetype == "text/html":
        page = response.get_data(as_text=True)
        response.set_data(page.replace("<%= d.", "<%- d.").replace("<%= JSON.", "<%- JSON."))
    return response


def _add_refusals(board: Flask) -> None:
    @board.errorhandler(RedisError)
    def away(error: RedisError) -> Response:
        return _page(
            503,
            "Redis is away",
            "Jobs cannot be shown now. Nothing is lost: they are offered again from the database.",
        )

    @board.errorhandler(NoSuchJobError)
    def gone(error: NoSuchJobError) -> Response:
        return _page(
            404, "No such job", "Finished jobs are kept for a minute. See `afterword show` for what happened."
        )

    @board.errorhandler(DeserializationError)
    @board.errorhandler(UnicodeDecodeError)
    @board.errorhandler(JSONDecodeError)
    def foreign(error: Exception) -> Response:
        return _page(404, "Not a job of Afterword", "Its data is not JSON, so it was not read.")

    @board.errorhandler(InvalidJobOperation)
    def refused(error: InvalidJobOperation) -> Response:
        return _page(409, "Not possible", "The job is not in a state in which this can be done.")


def _page(status: int, title: str, text: str) -> Response:
    head = f"<!doctype html><meta charset=utf-8><title>{escape(title)}</title>"
    body = f'<h1>{escape(title)}</h1><p>{escape(text)}</p><p><a href="{PREFIX}/">Queues</a></p>\n'
    response = Response(head + body, status, content_type="text/html; charset=utf-8")
    if status == 503:
        response.headers["Retry-After"] = "5"
    return response
