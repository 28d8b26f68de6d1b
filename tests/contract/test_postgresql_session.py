"""What an address, a role or the server's own settings say about a session changes nothing that is read."""

from __future__ import annotations

from datetime import UTC, datetime

import psycopg
import pytest
import sqlalchemy as sa

from app.adapters.sql.postgresql import postgresql_engine
from app.errors import ConfigError

TEXT, AT = "Zoë 🎉", datetime(2026, 11, 3, 1, 2, 3, tzinfo=UTC)


def _written_and_read(url: str) -> list[object]:
    engine = postgresql_engine(url, pool_size=1, pool_timeout_s=5)
    try:
        with engine.begin() as connection:
            asked = sa.text("SELECT CAST(:text AS text), CAST(:at AS timestamptz)")
            return list(connection.execute(asked, {"text": TEXT, "at": AT}).one())
    finally:
        engine.dispose()


@pytest.mark.parametrize(
    "parameter",
    [
        "client_encoding=latin1",
        "client_encoding=sql_ascii",
        "options=-c%20datestyle%3Dsql",
        "options=-c%20datestyle%3Dgerman",
        "options=-c%20datestyle%3Dpostgres",
        "options=-c%20timezone%3DAsia/Tokyo",
    ],
)
def test_address_with_another_encoding_or_style_of_dates_is_read_the_same(
    postgresql_server: str, parameter: str
) -> None:
    join = "&" if "?" in postgresql_server else "?"
    assert _written_and_read(f"{postgresql_server}{join}{parameter}") == [TEXT, AT]


@pytest.mark.parametrize(
    ("name", "value"),
    [("PGCLIENTENCODING", "LATIN1"), ("PGDATESTYLE", "SQL"), ("PGOPTIONS", "-c datestyle=SQL")],
)
def test_environment_with_another_encoding_or_style_of_dates_is_read_the_same(
    postgresql_server: str, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    assert _written_and_read(postgresql_server) == [TEXT, AT]


def _with_encoding(server: str, encoding: str) -> str:
    name = f"encoded_{encoding.lower()}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(
            f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"
        )
    return sa.make_url(server).set(database=name).render_as_string(hide_password=False)


@pytest.mark.parametrize("encoding", ["LATIN1", "WIN1252", "EUC_JP"])
def test_database_that_cannot_hold_every_sign_is_refused_with_the_remedy(
    postgresql_server: str, encoding: str
) -> None:
    with pytest.raises(ConfigError, match="ENCODING 'UTF8'"):
        _written_and_read(_with_encoding(postgresql_server, encoding))


@pytest.mark.parametrize("encoding", ["UTF8", "SQL_ASCII"])
def test_database_that_holds_every_sign_is_used(postgresql_server: str, encoding: str) -> None:
    assert _written_and_read(_with_encoding(postgresql_server, encoding)) == [TEXT, AT]
