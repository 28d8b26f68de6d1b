"""
The way to the database: one engine per process, read and write transactions, its clock.

In here: addresses, pragmas, time-outs, what a fork does to connections, which errors end one.
Not in here: tables. The rest of the store stands on `Database` and sees no driver.

Every infrastructure wait ends within 5 s: pool, lock, statement, connect; a PostgreSQL server that stands
still is given up after 6 s of silence and 3 s of knocking again.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError

from app.adapters.sql.errors import is_wrong_server, translated
from app.adapters.sql.tables import DbNow
from app.adapters.sql.write_lock import WriteLock
from app.errors import ConfigError, StoreUnavailable

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite
    from sqlalchemy.engine import ExceptionContext
    from sqlalchemy.sql.selectable import TypedReturnsRows

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

WAIT_S = 5.0  # the cap of every wait
# What is deleted or written over leaves nothing in the file. https://sqlite.org/pragma.html#pragma_secure_delete
_PRAGMAS = ("synchronous=FULL", "foreign_keys=ON", "secure_delete=ON", "journal_size_limit=67108864")
BUSY_S = 4.0  # SQLite: less, so that a web request gets its 503 from us


class Database:
    """
    Connections, transactions, clock. Opens nothing until first used; survives `os.fork`.

    Args:
        url: `sqlite:///path`, `postgresql://…` or `postgres://…`.
        pool_size: Most connections of this process.
        clock_offset_s: Added to the database's clock. For tests and chaos only; may be changed on
            the instance at any time, which moves time for everything this instance reads and writes.
        makes_file: Whether a SQLite file that is missing at the first use is made. One that was there and
            was taken away never is: a service must not go on with an empty one.
    """

    def __init__(
        self, url: str, *, pool_size: int = 5, clock_offset_s: float = 0.0, makes_file: bool = True
    ) -> None:
        self.url = parse_url(url)
        self.clock_offset_s = clock_offset_s
        self.makes_file = makes_file
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.write_lock = WriteLock(sqlite_path(self.url)) if self.is_sqlite else None
        self.engine = _sqlite_engine(self, pool_size) if self.is_sqlite else _postgresql(url, pool_size)
        event.listen(self.engine, "handle_error", _leave_wrong_server)
        self._writer = self.engine.execution_options(begins="BEGIN IMMEDIATE")
        self._left_to_parent: list[sa.Pool] = []
        self._rehearsed: Connection | None = None
        _open.add(self)

    @property
    def db_now(self) -> sa.ColumnElement[float]:
        """The clock, as SQL."""
        return DbNow() + sa.literal(self.clock_offset_s, sa.Double)

    def now(self) -> float:
        """The database's clock, seconds since the epoch."""
        with self.reading() as connection:
            return self.now_in(connection)

    def now_in(self, connection: Connection) -> float:
        """`now` within a transaction."""
        return float(connection.execute(sa.select(self.db_now)).scalar_one())

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that writes nothing: never waits for writers."""
        if self._rehearsed is not None:
            yield self._rehearsed
            return
        with translated(), self.engine.begin() as connection:
            yield connection

    def read_all(self, query: TypedReturnsRows[*_Ts]) -> Sequence[sa.Row[*_Ts]]:
        """Every row of a query in a transaction of its own, as below."""
        with self.reading() as connection:
            return connection.execute(query).all()

    def read_first(self, query: TypedReturnsRows[*_Ts]) -> sa.Row[*_Ts] | None:
        with self.reading() as connection:
            return connection.execute(query).first()

    def read_value(self, query: TypedReturnsRows[_T, *tuple[Any, ...]]) -> _T | None:
        """The first column of the first row."""
        with self.reading() as connection:
            return connection.execute(query).scalar()

    def write(self, statement: sa.UpdateBase) -> int:
        """One statement in a transaction of its own; returns how many rows it changed."""
        with self.writing() as connection:
            return connection.execute(statement).rowcount

    @contextmanager
    def writing(self, *, wait_s: float = BUSY_S, is_urgent: bool = False) -> Iterator[Connection]:
        """
        A transaction that may write; on SQLite it is the only one of its kind, from its start.

        Args:
            is_urgent: See `WriteLock.taken`; also for what would stand in the way of something urgent.
        """
        if self._rehearsed is not None:
            yield self._rehearsed
            return
        with translated(), ExitStack() as stack:
            connection = stack.enter_context(self._writer.connect())
            # After the pool: a wait for a connection must not hold the lock.
            if self.write_lock is not None:
                stack.enter_context(self.write_lock.taken(wait_s=wait_s, is_urgent=is_urgent))
            with connection.begin():
                yield connection

    @contextmanager
    def rehearsal(self) -> Iterator[None]:
        """All that is read and written within is one transaction, and rolled back. Not for threads."""
        with self.writing() as connection:
            self._rehearsed = connection
            try:
                yield
            finally:
                self._rehearsed = None
                connection.rollback()

    def insert(self, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
        """INSERT with ON CONFLICT, in the dialect's words."""
        # Imported here, like the driver below: PostgreSQL's half is 8 MB that SQLite has no use for.
        if self.is_sqlite:
            from sqlalchemy.dialects.sqlite import insert as sqlite_insert

            return sqlite_insert(table)
        from sqlalchemy.dialects.postgresql import insert as postgresql_insert

        return postgresql_insert(table)

    def upsert(
        self,
        table: sa.Table,
        key: Mapping[str, object],
        values: Mapping[str, object],
        *,
        changed: Mapping[str, object] | None = None,
        where: sa.ColumnElement[bool] | None = None,
    ) -> sqlite.Insert | postgresql.Insert:
        """A new row; one that has this key already gets `changed`, else `values`, if `where` holds."""
        new = self.insert(table).values({**key, **values})
        return new.on_conflict_do_update(index_elements=list(key), set_=dict(changed or values), where=where)

    def close(self) -> None:
        """Closes every idle connection and the files of its lock; the next use opens new ones."""
        self.engine.dispose()
        if self.write_lock is not None:
            self.write_lock.close()

    def forget_parent(self) -> None:
        """In a forked child: connections belong to the parent, which goes on using them."""
        # Kept referenced and never closed: SQLite forbids even closing one across a fork.
        # https://sqlite.org/howtocorrupt.html#_carrying_an_open_database_file_across_a_fork_
        self._left_to_parent.append(self.engine.pool)
        self.engine.dispose(close=False)
        if self.write_lock is not None:
            self.write_lock.forget_parent()


_open: weakref.WeakSet[Database] = weakref.WeakSet()


def _after_fork() -> None:
    for database in tuple(_open):
        database.forget_parent()


os.register_at_fork(after_in_child=_after_fork)


def parse_url(url: str) -> URL:
    """
    The kind of database, and a SQLite file's path; `postgres://`, as Heroku writes it, is PostgreSQL too.

    Raises:
        ConfigError: Not an address of a database we can use. The message holds no part of it.
    """
    name = url.partition("://")[0].partition("+")[0]
    if name in ("postgres", "postgresql"):
        return URL.create("postgresql+psycopg")  # the rest is for libpq alone to read
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise ConfigError(["DATABASE_URL is not an address: sqlite:///path or postgresql://…"]) from None
    if name != "sqlite":
        raise ConfigError(["DATABASE_URL names neither SQLite nor PostgreSQL"])
    if not parsed.database or parsed.database == ":memory:" or "mode" in parsed.query:
        raise ConfigError(["DATABASE_URL must name a file: sqlite:///path"])
    return parsed


def sqlite_path(url: URL) -> Path:
    """The database file of a SQLite address."""
    return Path(str(url.database)).absolute()


def file_identity(path: Path) -> tuple[int, int] | None:
    """Which file a path leads to now; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _sqlite_engine(database: Database, pool_size: int) -> Engine:
    path = sqlite_path(database.url)
    engine = sa.create_engine(
        database.url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=WAIT_S,
        hide_parameters=True,  # rows hold names and bodies; errors are logged
        connect_args={"timeout": BUSY_S, "check_same_thread": False},
    )

    _keep_to_one_file(database, engine, path)

    @event.listens_for(engine, "connect")
    def _settle_in(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver begins nothing: `_begin` does
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            assert database.write_lock is not None
            with database.write_lock.taken(wait_s=BUSY_S):  # SQLite does not wait here, it fails at once
                connection.execute("PRAGMA journal_mode=WAL")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("begins", "BEGIN"))

    return engine


def _keep_to_one_file(database: Database, engine: Engine, path: Path) -> None:
    """
    A file that is moved, removed or put back while it is open would be written to under its old name for
    ever, and what was acknowledged would be gone: connections to another file than the path's are left.

    Source: https://sqlite.org/howtocorrupt.html#unlink
    """

    @event.listens_for(engine, "do_connect")
    def _make_file(_dialect: Any, _record: Any, _args: Any, _kw: Any) -> None:
        if database.makes_file:
            make_private_file(path)
        elif file_identity(path) is None:
            about = "put it back, or run `./afterword migrate` for a new one"
            raise StoreUnavailable(f"the database file {path} is not there: {about}")

    @event.listens_for(engine, "connect")
    def _note_file(_connection: Any, record: Any) -> None:
        database.makes_file = False
        record.info["file"] = file_identity(path)

    @event.listens_for(engine, "checkout")
    def _leave_other_file(_connection: Any, record: Any, _proxy: Any) -> None:
        if record.info.get("file") != file_identity(path):
            raise DisconnectionError


def make_private_file(path: Path) -> None:
    """
    An empty database file that only its owner reads (0600), and its folder (0700) where it was missing.

    Raises:
        StoreUnavailable: It cannot be made.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Never opened when it is there: closing a descriptor of ours would drop the locks that SQLite holds
        # in this process, and the last to close it elsewhere would then delete the log of changes under us.
        # https://sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreUnavailable(
            f"the database file {path} cannot be opened ({error.strerror}): check its folder"
        ) from error


def _postgresql(url: str, pool_size: int) -> Engine:
    from app.adapters.sql.postgresql import postgresql_engine

    return postgresql_engine(url, pool_size=pool_size, pool_timeout_s=WAIT_S)


def _leave_wrong_server(context: ExceptionContext) -> None:
    """Closes this connection, and the pool's others before their next use."""
    if is_wrong_server(context.original_exception):
        context.is_disconnect = True
