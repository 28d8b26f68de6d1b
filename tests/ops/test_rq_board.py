"""rq-dashboard's real pages over a real Valkey, with jobs of ours in it."""

from __future__ import annotations

import base64
import json
import logging
import os
import pickle
import re
import subprocess
import sys
from html import escape
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient
from redis import Redis
from rq import Queue as RqJobs
from rq import SimpleWorker
from rq.job import Job
from rq.serializers import JSONSerializer

from app.adapters.redis import embedded_server
from app.adapters.redis.job_queue import INBOX, RECALL, RqQueue
from app.errors import StoreUnavailable
from app.ops import rq_board
from app.orchestrator.records import Offerable
from app.orchestrator.timing import Timing
from tests.ops.conftest import NAMES, QUEUE_ID, ROOT, Console, PrintedErrors, valkey

QUEUE = NAMES[RECALL]
SENTENCE = "fetch the transcript of recording 0f5b1b1e"
OWN = {"Sec-Fetch-Site": "same-origin"}
HOSTILE = "<img src=x onerror=alert(1)>"


def fail_badly() -> None:
    """A job."""
    raise RuntimeError(HOSTILE)


@pytest.fixture(scope="module")
def one_board(console: Console, valkey_url: str) -> FlaskClient:
    """For a whole module: each application compiles its templates anew."""
    return console(redis_url=valkey_url)


@pytest.fixture
def board(one_board: FlaskClient, redis: Redis) -> FlaskClient:
    """Above a Redis that is empty."""
    return one_board


@pytest.fixture
def queued(redis: Redis, valkey_url: str) -> str:
    """The id of a command's job, offered as the dispatcher does."""
    RqQueue(valkey_url, 2, Timing(), QUEUE_ID).offer([Offerable(7, SENTENCE)])
    (job_id,) = jobs(redis).get_job_ids()
    return job_id


@pytest.fixture
def failed(redis: Redis) -> str:
    """The id of a job that a worker ran and that failed."""
    job = jobs(redis).enqueue_call(f"{__name__}.fail_badly", description="fail badly")
    work(redis)
    return job.id


def jobs(redis: Redis) -> RqJobs:
    return RqJobs(QUEUE, connection=redis, serializer=JSONSerializer)


def work(redis: Redis) -> None:
    SimpleWorker([jobs(redis)], connection=redis, serializer=JSONSerializer).work(
        burst=True, logging_level="CRITICAL"
    )
    for name in ("rq.worker", "rq.job"):  # set by RQ for the whole process
        logging.getLogger(name).setLevel(logging.NOTSET)
        logging.getLogger(name).handlers.clear()


def busy_worker(redis: Redis, job_id: str) -> None:
    """Registers a worker that is at this job."""
    worker = SimpleWorker([jobs(redis)], name="worker-1-abc", connection=redis, serializer=JSONSerializer)
    worker.register_birth()  # type: ignore[no-untyped-call]
    worker.set_current_job_id(job_id)


def data(board: FlaskClient, path: str) -> Any:
    answer = board.get(f"/ops/rq/0/data/{path}.json")
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return answer.get_json()


@pytest.mark.slow
def test_front_page_shows_queues_and_its_links_stay_below_the_prefix(board: FlaskClient, queued: str) -> None:
    answer = board.get("/ops/rq/")
    page = answer.get_data(as_text=True)
    assert answer.status_code == 200
    assert 'href="/ops/rq/0/view/queues"' in page
    assert 'var url = "/ops/rq/"' in page
    inbox, queue = data(board, "queues")["queues"]
    assert (inbox["name"], inbox["count"]) == (NAMES[INBOX], 0)
    assert (queue["name"], queue["count"]) == (QUEUE, 1)
    assert queue["queued_url"].startswith(f"/ops/rq/0/view/jobs/{QUEUE}/queued/")
    assert board.get(queue["queued_url"]).status_code == 200


@pytest.mark.slow
def test_styles_and_scripts_are_served_by_us(board: FlaskClient) -> None:
    page = board.get("/ops/rq/").get_data(as_text=True)
    script = next(part for part in page.split('"') if part.endswith("jquery-3.5.1.min.js"))
    answer = board.get(script)
    assert answer.status_code == 200
    assert len(answer.data) > 50_000


def test_queued_job_shows_its_sentence_in_list_and_page(board: FlaskClient, queued: str) -> None:
    (listed,) = data(board, f"jobs/{QUEUE}/queued/8/asc/1")["jobs"]
    assert (listed["id"], listed["description"]) == (queued, SENTENCE)
    assert board.get(f"/ops/rq/0/view/job/{queued}").status_code == 200
    shown = data(board, f"job/{queued}")
    assert (shown["description"], shown["status"], shown["origin"]) == (SENTENCE, "queued", QUEUE)


@pytest.mark.slow
def test_failed_job_shows_its_exception(board: FlaskClient, failed: str) -> None:
    (listed,) = data(board, f"jobs/{QUEUE}/failed/8/dsc/1")["jobs"]
    assert listed["id"] == failed
    assert "RuntimeError" in data(board, f"job/{failed}")["exc_info"]


@pytest.mark.slow
@pytest.mark.parametrize("page", ["", "0/view/jobs", "0/view/workers", "0/view/job/{job}"])
def test_what_a_job_says_is_escaped_by_every_page(board: FlaskClient, failed: str, page: str) -> None:
    text = board.get("/ops/rq/" + page.format(job=failed)).get_data(as_text=True)
    assert "<%=" not in text
    assert HOSTILE not in text
    if "{job}" in page:
        assert "<%- d.exc_info %>" in text


def test_tab_jobs_shows_our_queue_instead_of_one_that_nobody_uses(board: FlaskClient, queued: str) -> None:
    page = board.get("/ops/rq/0/view/jobs").get_data(as_text=True)
    assert f'api.getJobs("{QUEUE}", "queued"' in page


def test_page_of_workers_shows_one_that_is_busy_with_a_json_job(
    board: FlaskClient, redis: Redis, queued: str
) -> None:
    busy_worker(redis, queued)
    assert board.get("/ops/rq/0/view/workers").status_code == 200
    (shown,) = data(board, "workers")["workers"]
    assert (shown["name"], shown["queues"], shown["current_job"]["description"]) == (
        "worker-1-abc",
        [QUEUE],
        SENTENCE,
    )


def test_failed_job_can_be_put_back_and_stays_json(board: FlaskClient, redis: Redis, failed: str) -> None:
    assert board.post(f"/ops/rq/job/{failed}/requeue", headers=OWN).get_json() == {"status": "OK"}
    assert jobs(redis).get_job_ids() == [failed]
    job = Job.fetch(failed, connection=redis, serializer=JSONSerializer)
    assert json.loads(job.data)[0].endswith("fail_badly")


@pytest.mark.slow
def test_all_failed_jobs_can_be_put_back_by_a_post_but_not_by_a_link(
    board: FlaskClient, redis: Redis, failed: str
) -> None:
    for refused in (board.get, board.head):
        answer = refused(f"/ops/rq/requeue/{QUEUE}", headers=OWN)
        assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert jobs(redis).get_job_ids() == []
    assert board.post(f"/ops/rq/requeue/{QUEUE}", headers=OWN).get_json() == {"status": "OK", "count": 1}
    assert jobs(redis).get_job_ids() == [failed]


@pytest.mark.slow
def test_queue_can_be_emptied_and_job_deleted(
    board: FlaskClient, redis: Redis, queued: str, failed: str
) -> None:
    assert board.post(f"/ops/rq/job/{failed}/delete", headers=OWN).status_code == 200
    assert not Job.exists(failed, connection=redis)
    assert board.post(f"/ops/rq/queue/{QUEUE}/queued/empty", headers=OWN).status_code == 200
    assert jobs(redis).count == 0


@pytest.mark.slow
def test_no_get_changes_anything(board: FlaskClient, redis: Redis, queued: str, failed: str) -> None:
    before = {key: redis.dump(key) for key in redis.keys("rq:*")}
    for path in (
        f"job/{queued}/delete",
        f"job/{failed}/requeue",
        f"requeue/{QUEUE}",
        f"queue/{QUEUE}/failed/empty",
        f"queue/{QUEUE}/compact",
    ):
        assert board.get(f"/ops/rq/{path}", headers=OWN).status_code == 405
    assert {key: redis.dump(key) for key in redis.keys("rq:*")} == before


def test_post_of_another_site_changes_nothing(board: FlaskClient, redis: Redis, failed: str) -> None:
    answer = board.post(f"/ops/rq/job/{failed}/requeue", headers={"Origin": "http://evil.example"})
    assert answer.status_code == 403
    assert jobs(redis).get_job_ids() == []


UNKNOWN = [
    "0/view/job/unknown",
    "0/data/job/unknown.json",
    f"0/view/jobs/{QUEUE}/nothing/8/asc/1",
    f"0/data/jobs/{QUEUE}/nothing/8/asc/1.json",
    f"0/data/jobs/{QUEUE}/queued/0/asc/1.json",
    f"0/data/jobs/{QUEUE}/queued/x/asc/1.json",
    f"0/data/jobs/{QUEUE}/queued/8/asc/-1.json",
    f"0/data/jobs/{QUEUE}/queued/8/asc/٣.json",
    f"0/data/jobs/{QUEUE}/queued/8/asc/99999999999999999999.json",
    f"0/data/jobs/{QUEUE}/queued/8/sideways/1.json",
    "1/view/queues",
    "99999999999999999999/view/queues",
    "nowhere",
]


@pytest.mark.parametrize("path", UNKNOWN)
def test_what_does_not_exist_is_404_never_500(board: FlaskClient, path: str) -> None:
    assert board.get(f"/ops/rq/{path}").status_code == 404


NOT_OURS = [
    "default",
    "recall",
    "other",
    "x');alert(1);('",
    "x&#39;);alert(1);//",
    'x"><script>alert(1)</script>',
    "</script><script>alert(1)</script>",
    "*",
    "%00",
]


@pytest.mark.parametrize("name", NOT_OURS)
def test_queue_that_is_not_ours_is_not_there_even_if_redis_has_it(
    board: FlaskClient, redis: Redis, name: str
) -> None:
    RqJobs(name, connection=redis, serializer=JSONSerializer).enqueue_call("os.getpid")
    before = {key: redis.dump(key) for key in redis.keys("*")}
    quoted = quote(name, safe="")
    for path in (f"0/view/jobs/{quoted}/queued/8/asc/1", f"0/data/jobs/{quoted}/queued/8/asc/1.json"):
        answer = board.get(f"/ops/rq/{path}")
        assert answer.status_code == 404
        assert "alert" not in answer.get_data(as_text=True)
    for path in (f"queue/{quoted}/queued/empty", f"queue/{quoted}/compact", f"requeue/{quoted}"):
        assert board.post(f"/ops/rq/{path}", headers=OWN).status_code == 404
    for path in ("", "0/view/jobs"):
        page = board.get(f"/ops/rq/{path}").get_data(as_text=True)
        assert f'value="{escape(name)}"' not in page
        assert "alert" not in page
    assert {key: redis.dump(key) for key in redis.keys("*")} == before
    assert [queue["name"] for queue in data(board, "queues")["queues"]] == sorted(NAMES.values())


def test_jobs_and_workers_of_other_queues_are_not_there(board: FlaskClient, redis: Redis) -> None:
    other = RqJobs("other", connection=redis, serializer=JSONSerializer)
    job = other.enqueue_call("os.getpid")
    worker = SimpleWorker([other], name="worker-of-others", connection=redis, serializer=JSONSerializer)
    worker.register_birth()  # type: ignore[no-untyped-call]
    for path in (f"0/view/job/{job.id}", f"0/data/job/{job.id}.json"):
        assert board.get(f"/ops/rq/{path}").status_code == 404
    for path in (f"job/{job.id}/delete", f"job/{job.id}/requeue"):
        board.post(f"/ops/rq/{path}", headers=OWN)
    assert other.get_job_ids() == [job.id]
    assert data(board, "workers") == {"workers": []}


@pytest.mark.parametrize("job_id", ["x'y", 'x"y', "x<y", "a b", "ä", "x" * 101, "x:y", "%00"])
def test_job_id_that_is_none_is_404(board: FlaskClient, job_id: str) -> None:
    quoted = quote(job_id, safe="")
    for path in (f"0/view/job/{quoted}", f"0/data/job/{quoted}.json"):
        assert board.get(f"/ops/rq/{path}").status_code == 404
    for path in (f"job/{quoted}/delete", f"job/{quoted}/requeue"):
        assert board.post(f"/ops/rq/{path}", headers=OWN).status_code == 404


def test_every_script_bears_the_nonce_of_its_own_answer(board: FlaskClient) -> None:
    nonces = set()
    for path in ("", "0/view/jobs", "0/view/workers"):
        answer = board.get(f"/ops/rq/{path}")
        (nonce,) = re.findall(
            r"script-src 'nonce-([^']+)' 'unsafe-eval';", answer.headers["Content-Security-Policy"]
        )
        page = answer.get_data(as_text=True)
        assert page.count("<script") == page.count(f'<script nonce="{nonce}"') > 4
        nonces.add(nonce)
    assert len(nonces) == 3


def test_names_in_scripts_are_escaped_too(console: Console, valkey_url: str, redis: Redis) -> None:
    hostile = "x');alert('"
    board = console(redis_url=valkey_url, names=lambda: {RECALL: hostile, INBOX: "inbox"})
    page = board.get("/ops/rq/0/view/jobs").get_data(as_text=True)
    assert hostile not in page
    assert "x&#39;);alert(&#39;" in page


def test_board_without_the_database_says_so(console: Console, valkey_url: str) -> None:
    def away() -> NoReturn:
        raise StoreUnavailable("gone")

    answer = console(redis_url=valkey_url, names=away).get("/ops/rq/")
    assert answer.status_code == 503
    assert "The database is away" in answer.get_data(as_text=True)


def test_requeue_of_an_unknown_job_is_404_and_of_one_that_waits_409(board: FlaskClient, queued: str) -> None:
    assert board.post("/ops/rq/job/unknown/requeue", headers=OWN).status_code == 404
    assert board.post(f"/ops/rq/job/{queued}/requeue", headers=OWN).status_code == 409


class Bomb:
    """Unpickled, it leaves a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (os.mkdir, (str(self.path),))


def result_entry(value: bytes) -> dict[Any, Any]:
    """As RQ writes the outcome of a job that succeeded."""
    at = "2026-01-01T00:00:00.000000Z"
    return {"type": 1, "created_at": at, "return_value": base64.b64encode(value)}


@pytest.mark.slow
@pytest.mark.parametrize("field", ["data", "meta", "result", "in the stream of results"])
def test_pickled_job_of_a_stranger_is_never_unpickled(
    board: FlaskClient, redis: Redis, failed: str, tmp_path: Path, field: str
) -> None:
    crater = tmp_path / "crater"
    bomb = pickle.dumps(Bomb(crater))
    redis.hset(f"rq:job:{failed}", field, bomb)
    redis.xadd(f"rq:results:{failed}", result_entry(bomb if field == "in the stream of results" else b"1"))
    busy_worker(redis, failed)
    for path in (
        f"0/view/job/{failed}",
        f"0/data/job/{failed}.json",
        f"0/data/jobs/{QUEUE}/failed/8/asc/1.json",
    ):
        assert board.get(f"/ops/rq/{path}").status_code in (200, 404)
    for path in ("0/data/workers.json", "0/view/workers"):
        board.get(f"/ops/rq/{path}")
    for path in (f"job/{failed}/requeue", f"requeue/{QUEUE}", f"job/{failed}/delete"):
        board.post(f"/ops/rq/{path}", headers=OWN)
    assert not crater.exists()


def test_redis_away_is_a_503_that_says_so_on_every_page(console: Console) -> None:
    board = console(redis_url="redis://:hunter2@127.0.0.1:1/0")
    for path in ("", "0/view/jobs", "0/view/workers", "0/data/queues.json", "0/view/job/x"):
        answer = board.get(f"/ops/rq/{path}")
        page = answer.get_data(as_text=True)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert "Redis is away" in page
        assert "hunter2" not in page


def test_address_of_redis_is_not_on_the_pages(board: FlaskClient, valkey_url: str) -> None:
    page = board.get("/ops/rq/").get_data(as_text=True)
    assert valkey_url not in page
    assert "unix:" not in page


@pytest.mark.slow
def test_board_works_again_when_redis_is_back(console: Console, tmp_path: Path) -> None:
    board = console(redis_url=embedded_server.url(tmp_path))
    assert board.get("/ops/rq/").status_code == 503
    process = valkey(tmp_path)
    try:
        assert board.get("/ops/rq/").status_code == 200
    finally:
        process.terminate()
        process.wait(10)


def test_unforeseen_failure_is_answered_and_logged_by_the_outer_application(
    console: Console, valkey_url: str, queued: str
) -> None:
    log = PrintedErrors()

    def unforeseen() -> NoReturn:
        raise ValueError("not a time")

    board = console(redis_url=valkey_url, log=log, names=unforeseen)
    answer = board.get(f"/ops/rq/0/data/job/{queued}.json")
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (500, "internal_error")
    ((event, values),) = log.lines
    assert (event, values["error"]) == ("request_failed", "ValueError")


@pytest.mark.parametrize("path", ["/ops", "/ops/", "/ops/rq"])
def test_shorter_paths_lead_to_the_board_without_naming_a_host(board: FlaskClient, path: str) -> None:
    answer = board.get(path)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/ops/rq/")


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/ops/rq/0", "/ops/rq/0/view", "/ops/rq/0/view/queues/"])
def test_no_redirect_repeats_the_host_that_was_sent(board: FlaskClient, path: str) -> None:
    answer = board.get(path, headers={"Host": "evil.example"})
    assert answer.status_code in (200, 401)
    assert "evil.example" not in str(answer.headers) + answer.get_data(as_text=True)


@pytest.mark.slow
def test_dashboard_is_imported_by_the_first_look_and_not_before() -> None:
    source = (
        "import sys; from flask import Flask; from app.ops import rq_board;"
        "from tests.ops.conftest import NAMES, PASSWORD, basic;"
        "app = Flask('x'); url = 'redis://127.0.0.1:1/0';"
        "rq_board.mount(app, redis_url=url, names=lambda: NAMES, password=PASSWORD);"
        "client = app.test_client();"
        "assert client.get('/ops/rq/').status_code == 401;"
        "client.environ_base['HTTP_AUTHORIZATION'] = basic('ops', PASSWORD);"
        "assert client.get('/ops/').status_code == 302;"
        "assert 'rq_dashboard' not in sys.modules and 'arrow' not in sys.modules;"
        "assert client.get('/ops/rq/').status_code == 503;"
        "assert 'rq_dashboard' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", source], cwd=ROOT, check=True, timeout=30)


@pytest.mark.slow
def test_rq_dashboard_still_has_the_names_that_are_replaced() -> None:
    web = __import__("rq_dashboard.web", fromlist=["web"])
    assert {"Job", "Queue", "Worker", "requeue_job", "config", "push_rq_connection"} <= vars(web).keys()
    assert rq_board.PREFIX == "/ops/rq"
