"""
Structured logs on stdout: one line per decision, JSON unless a person watches a terminal.

Redaction here is the last line of defence, not the first: nothing secret is handed to a logger. What
other libraries log goes through the same pipeline, from WARNING up.
"""

from __future__ import annotations

import logging
import re
import sys
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

_SECRET_KEYS = re.compile(r"api_?key|authorization|secret|password|passwd|cookie|signature", re.IGNORECASE)
_SECRETS = re.compile(
    r"whsec_[A-Za-z0-9+/=]+"
    r"|(?i:bearer|basic|token)\s+[A-Za-z0-9._~+/=-]{8,}"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"  # user:password in an address
    r"|(?<=\?)[^\s\"']*(?i:signature|x-amz-|token|sig=)[^\s\"']*"  # the query of a pre-signed address
)
_HIDDEN = "[hidden]"


def redact(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """A structlog processor that masks secrets by key and by shape."""
    return {
        key: _HIDDEN if _SECRET_KEYS.search(key) and value else _clean(value) for key, value in line.items()
    }


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _SECRETS.sub(_HIDDEN, value)
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {
            key: _HIDDEN if _SECRET_KEYS.search(str(key)) else _clean(item) for key, item in value.items()
        }
    return value


def configure(child: str | None = None, *, stream: TextIO | None = None) -> None:
    """
    Sets up logging for this process.

    Args:
        child: The name of this process among the children of `up`; stands on every line.
        stream: Where to; stdout by default.
    """
    out = stream or sys.stdout
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=True, pad_event_to=24)
        if out.isatty()
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=shared))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    structlog.contextvars.clear_contextvars()
    if child is not None:
        structlog.contextvars.bind_contextvars(child=child)


def get_logger() -> FilteringBoundLogger:
    """A logger of the present configuration."""
    logger: FilteringBoundLogger = structlog.get_logger()
    return logger
