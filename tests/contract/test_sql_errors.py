"""What a person reads when the database refuses: the true cause, and nothing of a secret."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import OperationalError

from app.adapters.sql.engine import Database
from app.adapters.sql.errors import translated
from app.errors import StoreUnavailable

RIGHT, WRONG = "right-Zq9", "wrong-Zq9"
# Before the rules of the server, which trusts everybody: the first that fits counts.
RULES = "local all aw scram-sha-256\nlocal all shut reject\nlocal all named peer\n"


@pytest.fixture(scope="module")
def strict(postgresql_server: str) -> Iterator[URL]:
    """The server's address; it wants a password of user aw and admits not everybody."""
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE aw LOGIN PASSWORD '{RIGHT}'")
        connection.execute("CREATE ROLE none_left LOGIN CONNECTION LIMIT 0")
        connection.execute("CREATE ROLE nobody_s NOLOGIN")
        (place,) = connection.execute("SHOW hba_file").fetchone() or ("",)
        rules = Path(place).read_text()
        Path(place).write_text(RULES + rules)
        connection.execute("SELECT pg_reload_conf()")
        yield make_url(postgresql_server)
        Path(place).write_text(rules)
        connection.execute("SELECT pg_reload_conf()")
        for role in ("aw", "none_left", "nobody_s"):
            connection.execute(f"DROP ROLE {role}")


def refusal(url: URL | str) -> str:
    """What is said of it, without what was tried."""
    text = url if isinstance(url, str) else url.render_as_string(hide_password=False)
    database = Database(text, pool_size=1)
    try:
        with pytest.raises(StoreUnavailable) as refused:
            database.now()
    finally:
        database.close()
    assert "Zq9" not in str(refused.value)
    return str(refused.value)


TABLE = [
    ({"username": "aw", "password": WRONG}, "the server refuses the password of user aw"),
    ({"username": "aw", "password": None}, "wants a password of user aw"),
    ({"username": "stranger"}, "has no user stranger"),
    ({"database": "nodb"}, "has no database nodb"),
    ({"username": "shut"}, "does not admit user shut to database postgres"),
    ({"username": "named"}, "does not take user named"),
    ({"username": "nobody_s"}, "user nobody_s may not log in"),
    ({"username": "none_left"}, "no connection free for user none_left"),
]


@pytest.mark.parametrize(("changes", "why"), TABLE, ids=[why for _, why in TABLE])
def test_a_server_that_refuses_is_not_called_absent(
    strict: URL, changes: dict[str, str | None], why: str
) -> None:
    url = strict.set(username=changes.get("username", strict.username))
    url = url.set(password=changes.get("password", ""), database=changes.get("database", strict.database))
    ends_at = time.monotonic() + 5  # the server reads its rules anew a moment after it was told to
    while why not in (said := refusal(url)) and time.monotonic() < ends_at:
        time.sleep(0.05)
    assert why in said
    assert "running?" not in said


def test_a_server_that_is_not_there_is_still_called_absent() -> None:
    said = refusal(f"postgresql://aw:{WRONG}@127.0.0.1:1/postgres")
    assert "is the server of DATABASE_URL running?" in said


@pytest.mark.parametrize(
    "words",
    [
        "consuming input failed: SSL connection has been closed unexpectedly",
        "SSL SYSCALL error: EOF detected",
        "SSL error: unexpected eof while reading",
    ],
)
def test_an_encrypted_connection_that_is_cut_is_no_question_of_encryption(words: str) -> None:
    with pytest.raises(StoreUnavailable, match="connection was cut"), translated():
        raise OperationalError("SELECT 1", {}, psycopg.OperationalError(words))


def test_a_host_nobody_knows_is_not_repeated_because_it_may_be_half_a_password() -> None:
    said = refusal(f"postgresql://aw:half@{WRONG}.invalid/postgres")
    assert "host of DATABASE_URL is not known" in said
    assert "%40" in said


def test_a_file_that_is_no_database_is_told_without_a_setting_nobody_made(tmp_path: Path) -> None:
    path = tmp_path / "afterword.db"
    path.write_text("this is a diary " * 100)
    said = refusal(f"sqlite:///{path}")
    assert "not a SQLite database" in said
    assert "DATABASE_URL" not in said
