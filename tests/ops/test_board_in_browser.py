"""The board in a real browser: under its policy every page works, and nothing that a job says is run."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from redis import Redis
from werkzeug.serving import make_server

from app.adapters.redis.job_queue import RECALL, RqQueue
from app.orchestrator.records import Offerable
from app.orchestrator.timing import Timing
from tests.ops.conftest import NAMES, PASSWORD, QUEUE_ID, Console
from tests.ops.test_rq_board import HOSTILE, busy_worker, jobs, work

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="the board in a browser: no Chromium on PATH"),
]

Look = Callable[[str], str]


@pytest.fixture
def look(console: Console, valkey_url: str, redis: Redis, tmp_path: Path) -> Iterator[Look]:
    """Opens a page of the board; returns its DOM after a while. Fails when the browser refused anything."""
    client: FlaskClient = console(redis_url=valkey_url)
    server = make_server("127.0.0.1", 0, client.application, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    user, password = "ops", PASSWORD.replace(" ", "%20").replace(":", "%3A")

    def opened(path: str) -> str:
        assert CHROMIUM is not None
        done = subprocess.run(
            [
                CHROMIUM,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--enable-logging=stderr",
                f"--user-data-dir={tmp_path}/profile",
                "--virtual-time-budget=4000",
                "--dump-dom",
                f"http://{user}:{password}@127.0.0.1:{server.server_port}/ops/rq/{path}",
            ],
            capture_output=True,
            text=True,
            timeout=90,
            check=True,
        )
        said = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
        assert said == []
        return done.stdout

    yield opened
    server.shutdown()


def test_queues_jobs_and_workers_are_shown_under_the_policy(
    look: Look, redis: Redis, valkey_url: str
) -> None:
    RqQueue(valkey_url, 2, Timing(), QUEUE_ID).offer([Offerable(7, "fetch the transcript of a meeting")])
    (job_id,) = jobs(redis).get_job_ids()
    busy_worker(redis, job_id)
    queues = look("")
    assert NAMES[RECALL] in queues
    assert "Loading" not in queues
    assert "fetch the transcript of a meeting" in look("0/view/jobs")
    assert "worker-1-abc" in look("0/view/workers")
    page = look(f"0/view/job/{job_id}")
    assert "fetch the transcript of a meeting" in page
    assert "queued" in page


def test_what_a_job_says_is_shown_and_not_run(look: Look, redis: Redis) -> None:
    job = jobs(redis).enqueue_call("tests.ops.test_rq_board.fail_badly", description=HOSTILE)
    work(redis)
    for path in (f"0/view/job/{job.id}", f"0/view/jobs/{NAMES[RECALL]}/failed/8/asc/1"):
        page = look(path)
        assert "&lt;img src=x onerror=alert(1)&gt;" in page
        assert "<img" not in page
