"""
Structured logs on stdout: one line per decision, JSON unless a person watches a terminal.

Redaction here is the last line of defence, not the first: nothing secret is handed to a logger. It masks what
looks like a secret, what stands under a secret's name, and the values it was told with `hide`. What other
libraries log goes through the same pipeline, from WARNING up. A line that cannot be written is dropped and
counted: a full disk, a closed terminal or a reader that stands still stops no work
(`app.processes.nonblocking_writer`).
"""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

from app.processes.nonblocking_writer import Dropped, SteadyStream

HIDDEN = "[hidden]"
_SHORTEST_TO_HIDE = 6  # a shorter secret would mask ordinary words, and is none

# By the name of a key. A secret's label is made to be logged.
_SECRET_KEYS = re.compile(
    r"api_?key|authorization|credential|secret(?!s?_label)|passw|token|cookie|signature", re.IGNORECASE
)
# By shape, wherever it stands; the group is masked, else all of it. Bounded, so that no text takes long.
_SHAPES = tuple(
    re.compile(pattern)
    for pattern in (
        r"whsec_[A-Za-z0-9+/=_-]+",
        # Credentials in a header: with a digit, a capital or a sign among them, so that prose is left alone.
        r"(?i:\b(?:bearer|basic|token)\s+)(?P<hidden>(?=\S*[0-9A-Z=+/_~.])[A-Za-z0-9._~+/=-]{6,}|[a-z]{16,})",
        r"(?i:\bauthorization[\"']?\s*[:=]\s*[\"']?)(?P<hidden>[^\s\"',;}]+)",
        # user:password@ of an address, the last @ counting: an unescaped one may be in the password.
        r"(?<=://)[^\s\"'<>/?#]{1,300}(?=@)|(?<=://)[^\s\"'<>/@:]{0,300}:[^\s\"'<>]{1,300}(?=@)",
        # Every query: pre-signed addresses of S3, Google and Azure bear their signature there.
        r"(?i:https?://[^\s\"'<>?]{0,1000}\?)(?P<hidden>[^\s\"'<>]+)",
        r"\?(?P<hidden>[^\s\"'<>?=&]{1,100}=[^\s\"'<>]*)",
        r"(?i:\bx-(?:amz|goog)-[a-z-]+[\"']?\s*[=:]\s*[\"']?)(?P<hidden>[^\s&\"',}]+)",
        r"(?i:\b(?:sig|[\w-]*(?:signature|api_?key|passw(?:or)?d|secret|token))=)(?P<hidden>[^\s&\"',;]+)",
        r"(?i:[\"'](?:[\w-]*(?:api_?key|password|secret|token))[\"']\s*:\s*[\"'])(?P<hidden>[^\"']+)",
    )
)
_FIRST = ("timestamp", "level", "child", "event")


class _Process:
    """What is true of the whole process, threads included: they begin with an empty context."""

    child: str | None = None
    known_secrets: re.Pattern[str] | None = None
    dropped = Dropped()


def configure(child: str | None = None, *, stream: TextIO | None = None) -> None:
    """
    Sets up logging for this process, to stdout; once more is no harm. One with a name (`name_child`) and
    without a `stream` is one of the service: what it would print about errors is steady, too.
    """
    # The last is for gunicorn by hand with its stdout closed.
    out = stream or sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115  # for life
    renderer = _renderer(out)
    steady = SteadyStream(out, _Process.dropped, lambda lines: _line_about_dropped(lines, renderer))
    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,  # plain text: no local variables
        redact,
        _in_order,
    ]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(steady),  # type: ignore[arg-type]  # it writes and flushes
        cache_logger_on_first_use=False,
    )
    _take_over_stdlib(steady, [structlog.stdlib.add_logger_name, *shared], renderer)
    name_child(child)
    if child is not None and stream is None:
        _take_over_errors()


def silence() -> None:
    """No line at all, for a command that talks with a person or answers a program."""
    structlog.configure(
        processors=[_drop], wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL)
    )
    logging.getLogger().handlers[:] = [logging.NullHandler()]
    logging.captureWarnings(True)


def steady_stdout() -> SteadyStream:
    """Standard output, for what is no line of the log and may wait for no reader either."""
    return SteadyStream(sys.stdout, _Process.dropped)


def dropped() -> Dropped:
    """The count of lines that were dropped, by this process and those forked with it."""
    return _Process.dropped


def name_child(child: str | None) -> None:
    """The name of this process among the children of `up`, for every further line of every thread."""
    _Process.child = child


def hide(values: Iterable[str | None]) -> None:
    """Masks these very values in every further line: a bare API key has no shape by which to know it."""
    long_enough = sorted({v for v in values if v and len(v) >= _SHORTEST_TO_HIDE}, key=len, reverse=True)
    _Process.known_secrets = re.compile("|".join(map(re.escape, long_enough))) if long_enough else None


def get_logger() -> FilteringBoundLogger:
    """A logger of the present configuration."""
    logger: FilteringBoundLogger = structlog.get_logger()
    return logger


def redact(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """A structlog processor that masks secrets by key, by shape and by value, however deep."""
    return {key: value if key.startswith("_") else _clean_under(key, value) for key, value in line.items()}


def redact_text(text: str) -> str:
    """The text without whatever looks like a secret in it."""
    for shape in _SHAPES:
        text = shape.sub(_mask, text)
    known = _Process.known_secrets
    return known.sub(HIDDEN, text) if known is not None else text


def _mask(match: re.Match[str]) -> str:
    if "hidden" not in match.re.groupindex:
        return HIDDEN
    start = match.start("hidden") - match.start()
    return match[0][:start] + HIDDEN + match[0][start + len(match["hidden"]) :]


def _clean_under(key: str, value: Any) -> Any:
    # True, False and None under such a name say whether there is one.
    if _SECRET_KEYS.search(key) and not (value is None or isinstance(value, bool)):
        return HIDDEN
    return _clean(value)


def _clean(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {redact_text(str(key)): _clean_under(str(key), item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(item) for item in value]
    # Whatever else would be shown by its repr, after us: an exception, a path, bytes.
    return redact_text(value if isinstance(value, str) else repr(value))


def _in_order(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    if _Process.child is not None:
        line.setdefault("child", _Process.child)
    return {**{key: line[key] for key in _FIRST if key in line}, **line}


def _renderer(out: TextIO) -> Any:
    if out.isatty():
        # Not its own formatter of exceptions, which shows local variables.
        plain = structlog.dev.plain_traceback
        return structlog.dev.ConsoleRenderer(
            colors=True, pad_event_to=24, sort_keys=False, exception_formatter=plain
        )
    return structlog.processors.JSONRenderer()


def _line_about_dropped(lines: int, renderer: Any) -> str:
    line: EventDict = {
        "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "level": "warning",
        "event": "log_lines_dropped",
        "lines": lines,
        "about": f"{lines} log lines were dropped: what reads this log stood still, or its disk was full.",
    }
    return f"{renderer(None, 'warning', _in_order(None, 'warning', line))}\n"


def _drop(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    raise structlog.DropEvent


def _take_over_errors() -> None:
    """What Python prints by itself could wait for a reader for ever; uncaught exceptions become lines."""
    if sys.stderr is not None and not isinstance(sys.stderr, SteadyStream):
        sys.stderr = SteadyStream(sys.stderr, _Process.dropped)
    sys.excepthook = _tell_uncaught
    threading.excepthook = lambda about: _tell_uncaught(
        about.exc_type, about.exc_value or about.exc_type(), about.exc_traceback
    )


def _tell_uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if not issubclass(kind, SystemExit | KeyboardInterrupt):
        get_logger().error("uncaught_exception", exc_info=(kind, error, traceback))


def _take_over_stdlib(stream: SteadyStream, before: list[Any], renderer: Any) -> None:
    handler = _StdlibHandler(stream)
    # On the handler too: RQ lowers its own logger to INFO, where it logs the arguments of jobs.
    handler.setLevel(logging.WARNING)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=before))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    # Those that brought a handler of their own, as gunicorn does when it starts, would speak past us.
    for logger in list(logging.Logger.manager.loggerDict.values()):
        if isinstance(logger, logging.Logger):
            logger.handlers.clear()
            logger.propagate = True
    logging.captureWarnings(True)


class _StdlibHandler(logging.StreamHandler["SteadyStream"]):
    def handleError(self, record: logging.LogRecord) -> None:
        """A call whose arguments do not fit its format; logging itself would print them, secrets and all."""
        get_logger().warning("log_call_broken", logger=record.name, file=record.filename, line=record.lineno)
