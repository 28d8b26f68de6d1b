"""
Before the children are forked: does the storage take writes, and does it hold what the database knows of?
Asked in a process of its own: the threads of an object store's client do not outlive a fork.
"""

from __future__ import annotations

import json
import os
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import structlog

from app import wiring
from app.errors import AfterwordError, BlobsUnavailable, ConfigError, StoreUnavailable
from app.orchestrator.stored_results import why_other_store
from app.processes.parent_death import die_with_parent
from app.settings.object_stores import is_object_store

if TYPE_CHECKING:
    from app.settings.environment import Settings

_TROUBLE, _PROBLEM = "trouble", "problem"

_log = structlog.get_logger(__name__)


def refuse_unfit_storage(settings: Settings) -> None:
    """
    One that is away is said in the log, and no reason to refuse deliveries.

    Raises:
        ConfigError: The address never will be one, or leads to another store than the one that was used.
    """
    found = _ask_apart(settings) if is_object_store(settings.storage_url) else _ask(settings)
    if _TROUBLE in found:
        _log.error("storage_unavailable", cause=found[_TROUBLE])
    if _PROBLEM in found:
        raise ConfigError([found[_PROBLEM]])


def _ask(settings: Settings) -> dict[str, str]:
    try:
        blobs = wiring.open_blobs(settings)
        blobs.check()
        with closing(wiring.open_store(settings)) as store:
            why = why_other_store(store, blobs)
    except BlobsUnavailable as error:
        return {_TROUBLE: str(error)}
    except StoreUnavailable:
        return {}  # which is said elsewhere
    except AfterwordError as error:
        return {_PROBLEM: str(error)}
    return {_PROBLEM: why} if why is not None else {}


def _ask_apart(settings: Settings) -> dict[str, str]:
    parent, (reader, writer) = os.getpid(), os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            die_with_parent(parent)
            os.write(writer, json.dumps(_ask(settings)).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        said = answer.read()
    with suppress(ChildProcessError):  # where children are ignored
        os.waitpid(pid, 0)
    try:
        return dict(json.loads(said))
    except ValueError:
        return {_TROUBLE: f"{settings.storage_url} could not be asked: the process that asked has ended"}
