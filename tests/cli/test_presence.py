"""Whether the service runs: by its home, by its heartbeats, and when neither can be asked."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.cli.presence import service_of
from app.processes import home_lock
from app.settings.environment import Settings
from tests.cli.conftest import Home
from tests.workers.programs import Program, eventually
from workers.dispatcher import ProgramReport

HOLDER = """
from app.processes.home_lock import hold_home, listen_on
with hold_home(Path({home!r})):
    listener = listen_on("127.0.0.1", {port})
    PrintedLog().info("held")
    time.sleep(1000)
"""


@pytest.fixture
def hold(home: Home, tmp_path: Path) -> Iterator[Callable[[], Program]]:
    running: list[Program] = []

    def start() -> Program:
        source = HOLDER.format(home=str(home.settings.home), port=home.settings.port)
        running.append(Program(source, tmp_path))
        eventually(lambda: running[0].events("held"))
        return running[0]

    yield start
    for one in running:
        one.close()


def without_database(settings: Settings) -> Settings:
    return settings.model_copy(update={"database_url": "postgresql://nobody@127.0.0.1:9/none"})


def test_nothing_runs_and_that_is_known(home: Home) -> None:
    found = service_of(home.settings)
    assert (found.is_running, found.programs) == (False, ())


@pytest.mark.slow
def test_up_of_this_home_is_known_without_its_database_and_its_port_is_its_own(
    home: Home, hold: Callable[[], Program]
) -> None:
    settings = without_database(home.settings)
    assert service_of(settings).is_running is None, "elsewhere it may run"
    up = hold()
    assert home_lock.is_held(settings.home)
    found = service_of(settings)
    assert (found.holder, found.has_signs, found.is_running) == (up.process.pid, None, True)
    assert found.is_own_port(settings.port) is True
    up.process.kill()
    up.wait()
    assert service_of(settings).is_running is None


def test_programs_tell_their_host_process_and_settings(home: Home) -> None:
    told = {"salt": "x", "digests": {"PORT": "1"}}
    ProgramReport(home.store, told=told, up=os.getppid()).give()
    ProgramReport(home.store, told={}, up=None).give()
    home.store.beat("web@elsewhere", detail=json.dumps({"host": "elsewhere"}))
    home.store.beat("dispatcher")
    found = service_of(home.settings)
    host = socket.gethostname()
    assert [(p.name, p.host) for p in found.programs] == [(f"dispatcher@{host}", host), (f"up@{host}", host)]
    assert (found.programs[1].pid, found.programs[1].settings) == (os.getppid(), told)
    assert found.programs[1].age_s < 30
    assert found.is_running


@pytest.mark.parametrize("detail", ["", "no JSON", "[]", '{"settings": 7}'])
def test_heartbeat_of_another_version_is_one_all_the_same(home: Home, detail: str) -> None:
    home.store.beat("up@elsewhere", detail=detail)
    (program,) = service_of(home.settings).programs
    assert (program.host, program.pid, program.settings) == ("elsewhere", None, {})
