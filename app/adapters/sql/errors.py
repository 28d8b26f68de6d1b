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
    10: "not readable or writable (I/O error); is the disk full or failing?",
    11: "damaged; restore a backup",
    13: "on a full disk; free some space",
    14: "not openable; check that its folder exists and is writable",
    26: "in a file that is not a SQLite database; move that file away, or name the right one",
}

_CUT = "the connection was cut; is the server running?"
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_POSTGRESQL = {
    "08": _CUT,
    "08P01": "a pooler ends the connection; its log says why (pool_mode must be transaction or session)",
    "28": "the server refuses this user or password; check DATABASE_URL",
    "3F": "there is no schema to work in; create that of the role's search_path, or mend search_path",
    "3D": "the named database does not exist; create it or check DATABASE_URL",
    "40": "another transaction was in the way; it is tried again",
    "42501": "this user lacks a permission; grant it",
    "42P01": "a table is missing; run `./afterword migrate`",
    "42703": "a column is missing; run `./afterword migrate`",
    "53": "the server is out of space, memory or connections; free some",
    "53100": "the server's disk is full; free some space",
    "58": "the server's own system fails, its disk perhaps; see its log",
    "XX": "the server finds its own files damaged, or itself at fault; see its log",
    "55P03": "a row stayed locked for seconds; see which session holds it",
    "57014": "a statement took too long; see what the server is busy with",
    "57": "the server is starting or stopping",
    "25006": "the server takes no writes: a replica, or no longer the primary; the address is tried anew",
}

# Answers that say something about the server at the other end, not about the statement: whichever server the
# address leads to now may give another. https://www.postgresql.org/docs/current/errcodes-appendix.html
_WRONG_SERVER = (
    "08",  # the connection, also a pooler's to its server
    "25006",  # read-only: demoted, or fenced off by default_transaction_read_only
    "25P03",  # ended because it was idle in a transaction, or
    "25P04",  # because the transaction took too long
    "53",  # no space, memory or connections left there: it may be given up for another, and stay up
    "58",  # its system or its disk fails
    "XX",  # what it has on its disk is damaged
    "40001",  # a standby cancels what stands in recovery's way; READ COMMITTED has no other reason
    "57P",  # stopping, crashed, starting, database dropped, idle for too long
)
# https://sqlite.org/rescode.html: the file may have been replaced, or its disk mounted anew.
_WRONG_FILE = (8, 10, 11, 26)  # READONLY, IOERR, CORRUPT, NOTADB

# While connecting libpq has no codes, only words: the server's own (behind FATAL, in its language), then
# libpq's and the system's. The first that is found counts; {user} and {database} are those that were tried.
# https://github.com/postgres/postgres/blob/REL_18_STABLE/src/backend/libpq/auth.c
_CONNECTING = (
    # Of several servers one may be read-only and the others away: this says more.
    ("session is read-only", "no server that it names takes writes; is a fail-over under way?"),
    ("server is in hot standby", "no server that it names takes writes; is a fail-over under way?"),
    ("server is not in hot standby", "target_session_attrs asks for a standby; leave it out"),
    ("cannot connect to server", "the pooler does not reach its server; see the pooler's log"),
    ("no more connections allowed", "the pooler has no connection free (max_client_conn); allow more"),
    ("bouncer config error", "the pooler knows no database {database} or no user {user}; see its settings"),
    ("no such database", "the pooler has no database {database}; see its configuration"),
    ("no such user", "the pooler has no user {user}; see its list of users"),
    ("password authentication failed", "the server refuses the password of user {user}; mend DATABASE_URL"),
    ("no password supplied", "the server wants a password of user {user}, and DATABASE_URL has none"),
    ("too many connections", "the server has no connection free for user {user}; free some or allow more"),
    ("too many clients", "the server has no connection free; free some or allow more"),
    ("connection slots are reserved", "the server has no connection free; free some or allow more"),
    ("pg_hba.conf", "the server does not admit user {user} to database {database} from here (pg_hba.conf)"),
    ("not permitted to log in", "user {user} may not log in; grant it LOGIN, or mend DATABASE_URL"),
    ("authentication failed", "the server does not take user {user} from here; see its pg_hba.conf"),
    ("the database system is", "the server is starting or stopping"),
    # Both name what is not there in quotation marks: role "x", database "x".
    ('FATAL:  role "', "the server has no user {user}; create it, or mend DATABASE_URL"),
    ('FATAL:  database "', "the server has no database {database}; create it, or mend DATABASE_URL"),
    ("FATAL", "the server refuses the connection; its log says why"),
    # Of a connection that there was, which is no question of sslmode.
    ("SSL connection has been closed", _CUT),
    ("SSL SYSCALL", _CUT),
    ("unexpected eof", _CUT),
    ("SSL", "the server and DATABASE_URL do not agree about encryption (sslmode); mend one of them"),
    ("certificate", "the server's certificate is not accepted (sslmode, sslrootcert)"),
    ("sslmode", "sslmode in DATABASE_URL is none that exists"),
)
_NO_HOST = (
    "the database cannot be reached: the host of DATABASE_URL is not known here; is it spelt rightly, and "
    "are special signs in user and password %-encoded (@ is %40)?"
)
_ABSENT = "the database cannot be reached: refused or silent; is the server of DATABASE_URL running?"
_LONGEST_NAME = 63  # PostgreSQL's own limit


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


def is_wrong_server(error: BaseException | None) -> bool:
    """
    Whether a connection with this answer is of no use any more, like the others made before it.

    Args:
        error: The driver's own.
    """
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF in _WRONG_FILE
    state = getattr(error, "sqlstate", None)
    return state is not None and state.startswith(_WRONG_SERVER)


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
        return _why_not_connected(original)
    name = type(original or error).__name__
    return f"the database's driver refuses what it is given ({name}): a fault of this program; report it"


def _why_not_connected(original: object) -> str:
    """By the words of what was said. None is repeated: a mistyped address has its password in the host."""
    said = str(original)
    if "failed to resolve host" in said or "could not translate host name" in said:
        return _NO_HOST
    for words, why in _CONNECTING:
        if words in said:
            tried = getattr(original, "pgconn", None)
            names = {"user": _tried(tried, "user"), "database": _tried(tried, "db")}
            return f"the database cannot be used: {why.format(**names)}"
    return _ABSENT


def _tried(pgconn: object, what: str) -> str:
    """A name that was logged in with; never the host or the password."""
    name = getattr(pgconn, what, None) or b""
    text = bytes(name).decode("utf-8", "replace")[:_LONGEST_NAME]
    return "".join(c if c.isprintable() else "?" for c in text) or "(none)"


def _sqlite_remedy(code: int, message: str) -> str:
    if message.startswith(("no such table", "no such column")):
        return "the database has no tables of this version; run `./afterword migrate`"
    return f"the database is {_SQLITE.get(code & 0xFF, f'not usable (SQLite error {code})')}"
