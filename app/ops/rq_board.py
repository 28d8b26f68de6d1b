"""
rq-dashboard under `/ops/rq/`, behind the guard, in a small Flask application of its own that is made at the
first request for it: most web processes never pay the 190 ms and the memory of its import.

What of rq-dashboard 0.9 is dangerous or broken for us is mended from outside; each mend has its comment and
its test. It would be better to say all this upstream. Our queues, their jobs and workers are shown, and
nothing else of the Redis database. Emptying a queue or deleting a job here loses nothing, because the
dispatcher offers again from the database.
"""

from __future__ import annotations

import functools
import json
import re
import secrets
import threading
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import Any

from flask import Flask, Response, current_app, g, redirect, request
from jinja2.ext import Extension
from redis.exceptions import RedisError
from rq import Queue, Worker
from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.job import Job
from rq.results import Result
from rq.serializers import JSONSerializer
from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.wrappers import Response as AnyResponse

from app.adapters.redis.errors import is_of_another_type
from app.adapters.redis.job_queue import FIELDS, LONGEST_FIELD_BYTES, RECALL, connect, read_call
from app.errors import QueueUnavailable, StoreUnavailable
from app.ops import guard

PREFIX = "/ops/rq"
_REGISTRIES = frozenset({"queued", "failed", "deferred", "started", "finished", "canceled", "scheduled"})
_ORDERS = frozenset({"asc", "dsc"})
_LARGEST_PAGE = 1000
_JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")  # RQ's alphabet
# Of what a worker says of a failure: packed, and what is shown of it. Packed it is a thousandth at least.
_LONGEST_RESULT_BYTES, _LONGEST_SHOWN_CHARS = 16 * 1024, 64 * 1024
_REQUEUE_ALL = "rq_dashboard.requeue_all"
_NAMES = "AFTERWORD_QUEUE_NAMES"

# Its pages compile templates in the browser: hence `unsafe-eval`, and here alone.
_POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}' 'unsafe-eval'; style-src 'self'; "
    "style-src-attr 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; form-action 'none'; "
    "frame-ancestors 'none'; base-uri 'none'; object-src 'none'"
)

Names = Callable[[], Mapping[str, str]]


def mount(
    app: Flask, *, redis_url: str, names: Names, password: str | None, metrics_token: str | None = None
) -> None:
    """
    Hangs the board and the guard (`guard.install`) into an application. Redis is not contacted before the
    first look at the board; `names` is asked at each for RQ's names of our queues, see `RqQueue.names`.
    """
    guard.install(app, password=password, metrics_token=metrics_token)
    board = _once(functools.partial(_make_board, redis_url, names))

    def show(rest: str = "") -> AnyResponse:
        return Response.from_app(board(), _environ_below_prefix(), buffered=True)

    enter = functools.partial(redirect, f"{PREFIX}/", 302)
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


def _make_board(redis_url: str, names: Names) -> Flask:
    import rq_dashboard
    from rq_dashboard import web

    _speak_json(web)
    # Its page asks the application, not itself, for the icon: so the application serves the same folder.
    board = Flask("app.ops.rq_board", static_folder=Path(web.__file__).parent / "static")
    board.config[_NAMES] = names
    # No redirects of the router's: each names the host that was asked for, whatever that was.
    board.url_map.merge_slashes = board.url_map.strict_slashes = board.url_map.redirect_defaults = False
    # Flask escapes by the ending of a template's name, and its scripts are templates too.
    board.jinja_options = {"autoescape": True, "extensions": [_Mended]}
    # What goes wrong unforeseen is answered and logged by the outer application, as everything else.
    board.config["PROPAGATE_EXCEPTIONS"] = True
    # Only shown; the real address may hold a password.
    board.config["RQ_DASHBOARD_REDIS_URL"] = ("Afterword",)
    redis = connect(redis_url, timeouts="web")
    board.redis_conn = redis  # type: ignore[attr-defined]  # where rq-dashboard looks for it
    board.before_request(_refuse_what_would_fail)

    @board.before_request
    def ask_redis_first() -> None:
        redis.ping()  # its own pages answer 200 with an error in them, or show what they have

    board.context_processor(lambda: {"nonce": g.setdefault("nonce", secrets.token_urlsafe(16))})
    board.after_request(_confine)
    board.register_blueprint(rq_dashboard.blueprint)
    # Its own opens a connection per request, with redis-py's 59 s of patience, swapped in for all threads.
    board.before_request_funcs.pop(rq_dashboard.blueprint.name)
    for kind, told in _REFUSALS.items():
        board.register_error_handler(kind, functools.partial(_page, *told))
    return board


def _our_names() -> Mapping[str, str]:
    names: Mapping[str, str] = current_app.config[_NAMES]()
    return names


def _unless_unreadable(error: Exception) -> None:
    """Raises what is Redis's own trouble; what RQ's parsers make of what a stranger wrote is none of ours."""
    if isinstance(error, RedisError) and not is_of_another_type(error):
        raise error


class _OwnJob(Job):
    """A job of our queues, of which the fields of ours are read; others are not there. Always JSON."""

    def __init__(self, id: str | None = None, connection: Any = None, serializer: Any = None) -> None:
        super().__init__(id, connection, serializer or JSONSerializer)

    @classmethod
    def fetch(cls, id: str, connection: Any = None, serializer: Any = None) -> Job:
        """RQ's. Raises `NoSuchJobError` also for what is no job of ours."""
        ours = _our_names().values()
        try:
            job = super().fetch(id, connection, serializer)
        except Exception as error:
            _unless_unreadable(error)
            raise NoSuchJobError from error
        if job.origin not in ours:
            raise NoSuchJobError
        return job

    def restore(self, raw_data: Mapping[bytes, bytes]) -> None:
        """RQ's, of what our own programs write. Raises whatever RQ raises."""
        fields = {name: raw_data.get(name.encode(), b"")[: LONGEST_FIELD_BYTES + 1] for name in FIELDS}
        if any(len(value) > LONGEST_FIELD_BYTES for value in fields.values()):
            raise NoSuchJobError
        fields["data"] = json.dumps(read_call(fields["data"])).encode()
        super().restore({name.encode(): value for name, value in fields.items() if value})

    def get_meta(self, refresh: bool = True) -> dict[str, Any]:
        """Nothing: our jobs have none."""
        return {}

    def latest_result(self, timeout: int = 0) -> Result | None:
        """RQ's; None also for one that cannot be read. What a failure says is cut at its beginning."""
        try:
            written: Any = self.connection.xrevrange(f"rq:results:{self.id}", count=1)
            if not written or sum(map(len, written[0][1].values())) > _LONGEST_RESULT_BYTES:
                return None
            (number, fields), *_ = written
            found = Result.restore(self.id, number.decode(), fields, self.connection, JSONSerializer)
        except Exception as error:
            _unless_unreadable(error)
            return None
        found.exc_string = found.exc_string and found.exc_string[-_LONGEST_SHOWN_CHARS:]
        return found


class _OwnQueue(Queue):
    """One of our queues."""

    job_class = _OwnJob

    @classmethod
    def all(cls, connection: Any = None, **_: Any) -> list[Any]:  # type: ignore[override]
        return [cls(name, connection=connection, serializer=JSONSerializer) for name in _our_names().values()]


class _OwnWorker(Worker):
    """A worker of our queues."""

    @classmethod
    def all(cls, connection: Any = None, **_: Any) -> list[Any]:  # type: ignore[override]
        found: list[Any] = []
        for queue in _OwnQueue.all(connection):
            found += super().all(queue=queue, job_class=_OwnJob, serializer=JSONSerializer)
        return found

    @classmethod
    def find_by_key(cls, *args: Any, **named: Any) -> Any:
        """RQ's; None also for what is no worker."""
        try:
            return super().find_by_key(*args, **named)
        except Exception as error:
            _unless_unreadable(error)
            return None

    def get_current_job(self) -> Job | None:
        try:
            return super().get_current_job()
        except NoSuchJobError:  # it has just ended
            return None


def _requeue(job_id: str, connection: Any) -> Job | None:
    try:
        return _OwnJob.fetch(job_id, connection=connection).requeue()
    except (NoSuchJobError, InvalidJobOperation):
        if request.endpoint != _REQUEUE_ALL:  # of all, one that is gone does not hold the others up
            raise
        return None


def _speak_json(web: Any) -> None:
    """
    rq-dashboard has one setting for the serializer and forgets it in half of its places. There RQ takes
    pickle: wrong for our jobs, and for foreign ones a way to run code here by writing to Redis.
    """
    web.config.serializer = JSONSerializer
    web.Job = _OwnJob
    web.Queue = _OwnQueue
    web.Worker = _OwnWorker
    web.requeue_job = _requeue


def _refuse_what_would_fail() -> None:
    if request.endpoint == _REQUEUE_ALL and request.method != "POST":
        raise MethodNotAllowed(
            valid_methods=["POST"]
        )  # a link, an image, a preview would run every failed job
    asked = request.view_args or {}
    if not _JOB_ID.fullmatch(asked.get("job_id", "x")):
        raise NotFound
    if asked.get("instance_number", 0) != 0 or asked.get("registry_name", "queued") not in _REGISTRIES:
        raise NotFound
    if asked.get("order", "asc") not in _ORDERS:
        raise NotFound
    if not all(_is_number_of_a_page(str(asked.get(name, 1))) for name in ("page", "per_page")):
        raise NotFound
    if "queue_name" in asked:
        _refuse_queue_of_others(asked)


def _is_number_of_a_page(text: str) -> bool:
    return text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= _LARGEST_PAGE


def _refuse_queue_of_others(asked: dict[str, Any]) -> None:
    names = _our_names()
    if asked["queue_name"] is None:
        asked["queue_name"] = names[RECALL]  # the tab "Jobs"; RQ's queue "default" is none of ours
    if asked["queue_name"] not in names.values():
        raise NotFound


class _Mended(Extension):
    """
    Its templates, before they are compiled: what a job says (an exception's text) went into HTML as it was,
    since <%- escapes and <%= does not; and each script bears the nonce of the page's policy.
    """

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        source = re.sub(r"<%= \$\('<div/>'\)\.text\((.*?)\)\.html\(\) %>", r"<%= \1 %>", source)  # by hand
        return source.replace("<%=", "<%-").replace("<script", '<script nonce="{{ nonce }}"')


def _confine(response: Response) -> Response:
    if "nonce" in g:
        response.headers["Content-Security-Policy"] = _POLICY.format(nonce=g.nonce)
    return response


_DATABASE_AWAY = (503, "The database is away", "The names of our queues are kept there. Nothing is lost.")
_REFUSALS: Mapping[type[Exception], tuple[int, str, str]] = {
    RedisError: (
        503,
        "Redis is away",
        "Jobs cannot be shown now. Nothing is lost: they are offered again from the database.",
    ),
    StoreUnavailable: _DATABASE_AWAY,
    QueueUnavailable: _DATABASE_AWAY,
    NoSuchJobError: (
        404,
        "No such job",
        "It is none of Afterword's, or finished: those are kept for a minute. See `./afterword show` for "
        "what happened.",
    ),
    UnicodeDecodeError: (404, "Not a job of Afterword", "There is an id in Redis that is no text."),
    InvalidJobOperation: (409, "Not possible", "The job is not in a state in which this can be done."),
}


def _page(status: int, title: str, text: str, _: Exception) -> Response:
    head = f"<!doctype html><meta charset=utf-8><title>{escape(title)}</title>"
    body = f'<h1>{escape(title)}</h1><p>{escape(text)}</p><p><a href="{PREFIX}/">Queues</a></p>\n'
    response = Response(head + body, status, content_type="text/html; charset=utf-8")
    if status == 503:
        response.headers["Retry-After"] = "5"
    return response
