"""
What a failing database means for a person: foreign exceptions become `StoreUnavailable` here and
nowhere else, each with the remedy.

Refuses to repeat what the driver says: its messages may hold parameters or the address with its password.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from sqlalchemy import exc

from app.errors import StoreUnavailable

# https://sqlite.org/rescode.html; primary codes: the low byte of the extended ones
_SQLITE = {
    5: "locked by another program; end the one that holds it open for writing",
    6: "locked by another program; end the one that holds it open for writing",
    8: "read-only; check the permissions of the file and its folder",
    10: "not readable or writable (I/O error); check the disk",
    11: "damaged; restore a backup",
    13: "on a full disk; free some space",
    14: "not openable; check that its folder exists and is writable",
    26: "not a SQLite database; check DATABASE_URL",
}

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_POSTGRESQL = {
    "08": "the connection was cut; is the server running?",
    "28": "the server refuses this user or password; check DATABASE_URL",
    "3D": "the named database does not exist; create it or check DATABASE_URL",
    "40": "another transaction was in the way; it is tried again",
    "42501": "this user lacks a permission; grant it",
    "42P01": "a table is missing; run `afterword migrate`",
    "42703": "a column is missing; run `afterword migrate`",
    "53": "the server is out of space, memory or connections; free some",
    "55P03": "a row stayed locked for seconds; see which session holds it",
    "57014": "a statement took too long; see what the server is busy with",
    "57": "the server is starting or stopping",
    "25006": "the server is read-only; is it a replica?",
}


@contextmanager
def translated() -> Iterator[None]:
    """
    Around every use of the database.

    Raises:
        StoreUnavailable: From any error of SQLAlchemy or the driver.
    """
    try:
        yield
    except exc.SQLAlchemyError as error:
        raise StoreUnavailable(_remedy(error)) from error


def violated(error: exc.IntegrityError) -> Literal["check", "unique", "other"]:
    """Which kind of constraint refused a row."""
    state = getattr(error.orig, "sqlstate", None)
    code = getattr(error.orig, "sqlite_errorcode", None)
    if state == "23514" or code == 275:
        return "check"
    if state == "23505" or code in (2067, 1555):
        return "unique"
    return "other"


def is_deadlock(error: BaseException | None) -> bool:
    """PostgreSQL ended this transaction in favour of another; nothing of it was written."""
    original = getattr(error, "orig", None)
    return getattr(original, "sqlstate", None) in ("40P01", "40001")


def _remedy(error: exc.SQLAlchemyError) -> str:
    original = getattr(error, "orig", None)
    code = getattr(original, "sqlite_errorcode", None)
    state = getattr(original, "sqlstate", None)
    if isinstance(error, exc.TimeoutError):
        return "no database connection became free within seconds; see what keeps them, or allow more"
    if code is not None:
        return _sqlite_remedy(code, str(original))
    if state is not None:
        why = _POSTGRESQL.get(state) or _POSTGRESQL.get(state[:2])
        return f"the database cannot be used: {why or f'error {state}, see its log'}"
    if isinstance(error, exc.OperationalError):
        return "the database cannot be reached: refused or silent; is the server of DATABASE_URL running?"
    return f"the database cannot be used: {type(original or error).__name__}"


def _sqlite_remedy(code: int, message: str) -> str:
    if message.startswith(("no such table", "no such column")):
        return "the database has no tables of this version; run `afterword migrate`"
    return f"the database is {_SQLITE.get(code & 0xFF, f'not usable (SQLite error {code})')}"
