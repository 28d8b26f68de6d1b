"""
A PostgreSQL connection that gives up on a server that says nothing.

A stopped or swapped-out server holds its end of the TCP connection: the kernel there goes on
acknowledging, so neither keepalives nor `tcp_user_timeout` notice, and `statement_timeout` is the
server's own. psycopg waits in Python for the socket and looks up every 0.1 s; here it looks at the
clock, too. Nothing here knows statements or tables.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg
import sqlalchemy as sa
from psycopg.abc import PQGen
from psycopg.waiting import Ready, Wait

# The server itself ends statements and waits for locks after 5 s, so that an honest one is heard by then.
SILENCE_S = 6.0

_Result = TypeVar("_Result")


class PatientConnection(psycopg.Connection[Any]):
    """
    Closes itself and raises `psycopg.OperationalError` when the server is silent for `silence_s` seconds.

    Silence, not duration: a long answer or a large batch under way is none. Who was waiting for a COMMIT
    does not know whether it happened, as with every connection that is lost at that moment.
    """

    silence_s = SILENCE_S

    def wait(self, gen: PQGen[_Result], *args: Any, **kwargs: Any) -> _Result:
        """See `psycopg.Connection.wait`: whatever waits for the server after the log-in does it here."""
        return super().wait(self._impatient(gen), *args, **kwargs)

    def _impatient(self, gen: PQGen[_Result]) -> Generator[Wait, Ready | int, _Result]:
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
    if isinstance(driver, PatientConnection):
        driver.silence_s = silence_s
