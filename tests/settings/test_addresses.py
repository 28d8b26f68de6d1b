"""The database lies where its name says, and what libpq allows is allowed here."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict
from redis.connection import parse_url
from sqlalchemy.engine import make_url

from app import wiring
from app.adapters.local_files import from_url
from app.adapters.redis import embedded_server
from app.adapters.sql.migrations import migrate
from app.processes.home_lock import make_home
from app.settings.environment import load_settings
from app.settings.server_urls import for_libpq, sqlite_file, sqlite_url
from tests.settings.conftest import GOOD, Load, Problems

NAMES = [
    "ws_feature%2Flogin",
    "100%",
    "%41%zz",
    "what?",
    "a?b=c&d",
    "no#fragment",
    "two  words",
    "Büro-会議",
    "a:b@c",
    "semi;colon+plus",
    "~tilde",
    "[::1]",
    "quo\"te's",
    "back\\slash",
    "line\nbreak",
]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_embedded_lies_in_the_home_whatever_its_name(load: Load, tmp_path: Path, name: str) -> None:
    home = tmp_path / name
    settings = load(AFTERWORD_HOME=str(home))
    make_home(settings.home)
    migrate(settings.database_url)
    store = wiring.open_store(settings)
    store.check_write()
    store.close()

    assert settings.database_file == settings.home / "afterword.db"
    with closing(sqlite3.connect(settings.home / "afterword.db")) as connection:
        assert connection.execute("SELECT count(*) FROM deliveries").fetchone() == (0,)
    blobs = from_url(settings.storage_url)
    blobs.check()
    assert (settings.home / "transcripts").is_dir()
    socket = embedded_server.socket_path(settings.home)
    read = parse_url(embedded_server.url(settings.home))  # type: ignore[no-untyped-call]
    assert read["path"] == str(socket)
    places = {path.name for path in tmp_path.iterdir()}
    assert places == {name, "a root with blanks"}, "nothing lies elsewhere"


@pytest.mark.slow
@given(st.text(st.characters(exclude_characters="\0"), min_size=1, max_size=30))
@settings(max_examples=300, deadline=None)
def test_a_files_address_is_read_back_as_that_file(name: str) -> None:
    path = f"/srv/{name}/a.db"
    url = sqlite_url(path)
    assert make_url(url).database == path
    assert str(sqlite_file(url)) == str(Path(path))


def test_a_file_name_that_is_no_text_is_read_back_too() -> None:
    assert make_url(sqlite_url("/srv/\udcff/a.db")).database == "/srv/\udcff/a.db"


@pytest.mark.parametrize(
    ("given", "file"),
    [
        ("sqlite:////srv/a.db", "/srv/a.db"),
        ("sqlite:////srv/a b.db", "/srv/a b.db"),
        ("sqlite:////srv/a%20b.db", "/srv/a b.db"),
        ("sqlite:////srv/50%25.db", "/srv/50%.db"),
        ("sqlite:////srv/why%3F.db", "/srv/why?.db"),
        ("sqlite:////srv/a#1.db", "/srv/a#1.db"),
    ],
)
def test_a_files_address_given_by_hand_means_what_sqlalchemy_reads_in_it(
    load: Load, given: str, file: str
) -> None:
    settings = load(DATABASE_URL=given)
    assert settings.database_file == Path(file)
    assert make_url(settings.database_url).database == make_url(given).database == file


def test_a_relative_file_is_the_roots_even_where_the_root_has_signs_in_its_name(tmp_path: Path) -> None:
    root = tmp_path / "50%25?"
    root.mkdir()
    settings = load_settings({**GOOD, "DATABASE_URL": "sqlite:///db/a.db"}, root=root)
    assert settings.database_file == root / "db" / "a.db"


@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("postgresql://u@a,b/d", {"host": "a,b", "target_session_attrs": "read-write"}),
        ("postgresql://u@a:1,b:2/d", {"host": "a,b", "port": "1,2", "target_session_attrs": "read-write"}),
        ("postgresql:///d?host=a,b&port=1,2", {"port": "1,2", "target_session_attrs": "read-write"}),
        ("postgresql://a,b/d?target_session_attrs=primary", {"target_session_attrs": "primary"}),
        ("postgresql://u@%2Fvar%2Frun%2Fpostgresql/d", {"host": "/var/run/postgresql", "dbname": "d"}),
        ("postgresql:///d?host=/var/run/postgresql", {"host": "/var/run/postgresql"}),
        ("postgresql://u:p%40ss%2F%23@h/d", {"password": "p@ss/#"}),
        ("postgresql://[2001:db8::1]:6000/d", {"host": "2001:db8::1", "port": "6000"}),
        ("postgres://h/d?sslmode=verify-full&sslrootcert=system", {"sslmode": "verify-full"}),
        ("postgresql://h/d?ssl=true", {"sslmode": "require"}),
        ("postgresql://h/d?application_name=mine", {"application_name": "mine"}),
        ("postgresql://h/d?options=-c%20geqo%3Doff", {"options": "-c geqo=off"}),
    ],
)
def test_what_libpq_allows_means_what_libpq_says(
    load: Load, problems: Problems, url: str, read: dict[str, str]
) -> None:
    assert problems(DATABASE_URL=url) == ()
    found = conninfo_to_dict(for_libpq(load(DATABASE_URL=url).database_url))
    assert {name: found.get(name) for name in read} == read


def test_one_host_is_taken_as_it_is_so_that_a_replica_can_be_read() -> None:
    assert "target_session_attrs" not in conninfo_to_dict(for_libpq("postgresql://h/d"))


def test_all_problems_of_an_address_are_said_at_once(problems: Problems) -> None:
    found = problems(DATABASE_URL="postgresql://h:0/d?pgbouncer=true&sslmod=require&sslmode=on")
    assert [
        word for word in ("pgbouncer", "sslmod;", "a port", "sslmode has") if word in " ".join(found)
    ] == [
        "pgbouncer",
        "sslmod;",
        "a port",
        "sslmode has",
    ]
    found = problems(REDIS_URL="redis://a,b/x?foo=1&ssl_keyfile=/no-pe")
    assert len(found) == 5


@pytest.mark.parametrize(
    "url",
    [
        "redis://h?db=3",
        "redis://:p%2Fq@h:6379",
        "redis://user:pw@[::1]:6380/2",
        "rediss://h/0?ssl_cert_reqs=none&ssl_check_hostname=false",
        "unix:///run/redis.sock",
        "unix://user:pw@/run/redis.sock?db=2",
        "redis:///1",
    ],
)
def test_addresses_of_redis_that_redis_reads_are_fine(problems: Problems, url: str) -> None:
    assert problems(REDIS_URL=url) == ()


@pytest.mark.parametrize(
    "url",
    [
        "redis://u/secret?mysecret=t@h/0",  # each a password with an unencoded sign in it
        "redis://secret?mysecret=t@h/0",
        "postgresql://u:/a?mysecret=t@h/d",
    ],
)
def test_what_looks_like_a_parameter_and_may_be_a_password_is_not_shown(problems: Problems, url: str) -> None:
    found = problems(**{"REDIS_URL" if url.startswith("redis") else "DATABASE_URL": url})
    assert found
    assert "mysecret" not in " ".join(found)
