"""
The engine for PostgreSQL: how it connects, and what each of its transactions says first.

libpq reads the address itself, so that everything libpq's documentation allows means what is written there.
Nothing is left in a session: behind a pooler that hands a server connection to another client after each
transaction (PgBouncer, `pool_mode = transaction`) it belongs to others, too. So: no prepared statements,
settings for one transaction only, advisory locks of a transaction, no LISTEN, no temporary tables.
https://www.pgbouncer.org/features.html

A server that says nothing is given up. A stopped or swapped-out one holds its end of the TCP connection: the
kernel there goes on acknowledging, so neither keepalives nor `tcp_user_timeout` notice, and
`statement_timeout` is the server's own. psycopg waits in Python for the socket and looks up every 0.1 s;
`DeadlineConnection` looks at the clock, too.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg
import sqlalchemy as sa
from psycopg.abc import PQGen
from psycopg.waiting import Ready, Wait
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from app.errors import ConfigError
from app.settings.server_urls import for_libpq

# The server itself ends statements and waits for locks after 5 s, so that an honest one is heard by then.
SILENCE_S = 6.0
CONNECT_S = 3  # for each address of the host
CONNECT_S_OF_SEVERAL = 2  # for each address of each host; psycopg takes no less
_BEGIN = (
    "BEGIN ISOLATION LEVEL READ COMMITTED;"  # whatever the server's default is
    " SET LOCAL statement_timeout = '5s'; SET LOCAL lock_timeout = '5s';"
    " SET LOCAL idle_in_transaction_session_timeout = '10s';"
    " SET LOCAL datestyle = 'ISO'"  # whatever role, database or server say: the driver reads no other
)

_Result = TypeVar("_Result")


def postgresql_engine(url: str, *, pool_size: int, pool_timeout_s: float) -> Engine:
    """
    Args:
        url: `postgresql://…`, read by libpq.
        pool_timeout_s: Longest wait for a connection of the pool.
    """
    engine = sa.create_engine(
        "postgresql+psycopg://",
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=pool_timeout_s,
        # A round trip per transaction, against a claim that fails because a firewall dropped an idle
        # connection: after a POST that failure would cost a look-up, in web a redelivery.
        pool_pre_ping=True,
        hide_parameters=True,
        use_native_hstore=False,  # one question less; there is none of that type
    )
    address = for_libpq(url)
    connect_s = CONNECT_S if "target_session_attrs" not in address else CONNECT_S_OF_SEVERAL

    @event.listens_for(engine, "do_connect")
    def _connect(_dialect: Any, _record: Any, _args: Any, _kw: Any) -> DeadlineConnection:
        return DeadlineConnection.connect(
            address,
            autocommit=True,  # the driver begins nothing: `_begin` does
            prepare_threshold=None,
            connect_timeout=connect_s,
            client_encoding="UTF8",  # whatever address or PGCLIENTENCODING say: a title holds any sign
            tcp_user_timeout=int(pool_timeout_s * 1000),  # a server that vanished without a word; Linux only
            keepalives_idle=5,
            keepalives_interval=2,
            keepalives_count=3,
        )

    @event.listens_for(engine, "connect")
    def _refuse_carelessness(connection: Any, _record: Any) -> None:
        if connection.execute("SHOW synchronous_commit").fetchone()[0] == "off":
            raise ConfigError(
                ["PostgreSQL runs with synchronous_commit=off and may lose deliveries: set it to on"]
            )
        # Reported at each login: https://www.postgresql.org/docs/current/libpq-status.html
        if connection.info.parameter_status("server_encoding") not in ("UTF8", "SQL_ASCII"):
            raise ConfigError(
                ["the database cannot hold every name and title: make one with ENCODING 'UTF8'"]
            )

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(_BEGIN)

    return engine


class DeadlineConnection(psycopg.Connection[Any]):
    """
    Closes itself and raises `psycopg.OperationalError` when the server is silent for `silence_s` seconds.

    Silence, not duration: a long answer or a large batch under way is none. Who was waiting for a COMMIT
    does not know whether it happened, as with every connection that is lost at that moment.
    """

    silence_s = SILENCE_S

    def wait(self, gen: PQGen[_Result], *args: Any, **kwargs: Any) -> _Result:
        """See `psycopg.Connection.wait`: whatever waits for the server after the log-in does it here."""
        return super().wait(self._with_deadline(gen), *args, **kwargs)

    def _with_deadline(self, gen: PQGen[_Result]) -> Generator[Wait, Ready | int, _Result]:
        heard_at = time.monotonic()
        try:
            wish = next(gen)
            while True:
                ready = yield wish
                if ready:
                    heard_at = time.monotonic()
                elif time.monotonic() - heard_at > self.silence_s:
                    self.close()  # what it says later must not be taken for the next answer
                    raise psycopg.OperationalError("the server is silent")
                wish = gen.send(ready)
        except StopIteration as end:
            result: _Result = end.value
            return result


def allow_silence(connection: sa.Connection, silence_s: float) -> None:
    """For work that may wait longer than usual; holds until the connection is closed."""
    driver: object = connection.connection.dbapi_connection
    if isinstance(driver, DeadlineConnection):
        driver.silence_s = silence_s
