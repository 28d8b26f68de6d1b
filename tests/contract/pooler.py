"""
A real PgBouncer before a PostgreSQL server. It is no wheel: where the program is missing its tests are
skipped by name (Debian: `apt-get install pgbouncer`).
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from tests.contract.forwarder import Forwarder, unix

_CONFIGURATION = """\
[databases]
postgres = host=127.0.0.1 port={server_port} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {pool_mode}
default_pool_size = {server_connections}
max_client_conn = 200
"""


@contextmanager
def pooled(server_url: str, *, server_connections: int = 3, pool_mode: str = "transaction") -> Iterator[str]:
    """
    The address of a PgBouncer.

    Args:
        server_connections: That all clients share.
    """
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        pytest.skip("PgBouncer: not installed (apt-get install pgbouncer)")
    server = unix(f"{make_url(server_url).query['host']}/.s.PGSQL.5432")
    with Forwarder(server) as way, tempfile.TemporaryDirectory(prefix="pgbouncer-") as folder:
        with socket.create_server(("127.0.0.1", 0)) as reserved:
            port = reserved.getsockname()[1]
        path = Path(folder, "pgbouncer.ini")
        path.write_text(
            _CONFIGURATION.format(
                server_port=way.port,
                port=port,
                server_connections=server_connections,
                pool_mode=pool_mode,
            )
        )
        Path(folder).chmod(0o755)
        with Path(folder, "log").open("wb") as log:
            # It refuses to work as root.
            user = {"user": "nobody"} if os.geteuid() == 0 else {}
            process = subprocess.Popen([program, str(path)], stdout=log, stderr=log, **user)  # type: ignore[call-overload]
        try:
            _wait_for(port, process, Path(folder, "log"))
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
        finally:
            process.kill()
            process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    ends_at = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < ends_at, log.read_text()
        time.sleep(0.02)
