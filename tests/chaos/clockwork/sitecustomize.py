"""
SQLite's clock in a run whose database's clock steps: in every process of the service that finds this
folder on its PYTHONPATH. `CHAOS_CLOCK` names a file that holds how far the clock is off, seconds.

SQLite has no clock of its own: `julianday('now')` is the machine's, which a test must not set. A function of
that name on each connection is what the service asks instead.
"""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import Any

_EPOCH_DAY, _DAY_S = 2440587.5, 86_400.0
_connect = sqlite3.connect


def julianday(moment: str) -> float:
    """`julianday('now')`, as far off as the file says."""
    if moment != "now":
        raise NotImplementedError("only the time now is moved")
    try:
        off_s = float(_FILE.read_text("ascii"))
    except (FileNotFoundError, ValueError):
        off_s = 0.0
    return (time.time() + off_s) / _DAY_S + _EPOCH_DAY


def connect(*args: Any, **kwargs: Any) -> sqlite3.Connection:
    """`sqlite3.connect`, with the clock."""
    connection: sqlite3.Connection = _connect(*args, **kwargs)
    connection.create_function("julianday", 1, julianday)
    return connection


if "CHAOS_CLOCK" in os.environ:
    _FILE = Path(os.environ["CHAOS_CLOCK"])
    sqlite3.connect = sqlite3.dbapi2.connect = connect  # type: ignore[assignment]
