"""
No key, secret, pre-signed address, name or word of a meeting outside the stored files: after the whole
programme, with its failures, in the log, in Redis, and on the pages for operators.
"""

from __future__ import annotations

import re

import pytest
import requests

from app import wiring
from tests.flow.leaks import leaks, people_of, quotations_of
from tests.flow.programme import Programme

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("programme"), pytest.mark.timeout(400)]

_CALLS = {
    "workers.jobs.receive": 0,
    "workers.jobs.perform": 1,
    "workers.jobs.reconcile": 0,
    "workers.jobs.index": 1,
}


def test_what_is_looked_for_is_found_where_it_may_stand(programme: Programme) -> None:
    """Else the tests below prove nothing."""
    _, folder = programme.the_stored("happy 1")
    place = programme.place
    assert len(people_of(place)) > 20
    assert len(quotations_of(place)) > 5000
    assert len(leaks(place, (folder / "transcript.txt").read_text("utf-8"))) > 20
    assert leaks(place, f"key={place.environment['RECALL_API_KEY']}")


def test_the_log_of_the_whole_programme_keeps_every_secret(programme: Programme) -> None:
    log = programme.place.log()
    assert programme.place.operator[1] not in log
    assert log.count('"decided"') > 200, "this is not the log of the programme"
    assert leaks(programme.place, log) == []


def test_the_log_of_the_whole_programme_has_no_traceback(programme: Programme) -> None:
    assert "Traceback" not in programme.place.log()


def test_jobs_carry_ids_and_nothing_else(programme: Programme) -> None:
    calls = programme.jobs.calls
    assert len(calls) > 20, "the watch saw no jobs"
    for function, instance, arguments, keywords in calls.values():
        assert function in _CALLS
        assert (instance, keywords) == (None, {})
        assert len(arguments) == _CALLS[function]
        assert all(isinstance(argument, int) for argument in arguments)


def test_what_stands_beside_a_job_in_redis_keeps_every_secret(programme: Programme) -> None:
    assert leaks(programme.place, "\n".join(programme.jobs.texts)) == []


def test_metrics_keep_every_secret_and_every_id(programme: Programme) -> None:
    page = requests.get(f"{programme.place.url}/metrics", auth=programme.place.operator, timeout=10)
    assert page.status_code == 200
    assert "afterword" in page.text
    assert leaks(programme.place, page.text) == []
    # An id as a label would make one time series per recording.
    assert re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-", page.text) is None


@pytest.mark.parametrize(
    "path",
    [
        "/ops/rq/",
        "/ops/rq/0/data/queues.json",
        "/ops/rq/0/data/workers.json",
        "/ops/rq/0/data/jobs/{recall}/queued/100/asc/1.json",
        "/ops/rq/0/data/jobs/{recall}/finished/100/asc/1.json",
        "/ops/rq/0/data/jobs/{recall}/failed/100/asc/1.json",
        "/ops/rq/0/data/jobs/{inbox}/failed/100/asc/1.json",
    ],
)
def test_the_dashboard_keeps_every_secret(programme: Programme, path: str) -> None:
    place = programme.place
    path = path.format_map(wiring.open_queue(place.settings).names)
    page = requests.get(f"{place.url}{path}", auth=place.operator, timeout=10)
    assert page.status_code == 200, page.text[:200]
    assert place.operator[1] not in page.text
    assert leaks(programme.place, page.text) == []


@pytest.mark.parametrize("path", ["/readyz", "/healthz", "/v1/transcriptions", "/nothing/here"])
def test_open_pages_keep_every_secret(programme: Programme, path: str) -> None:
    page = requests.get(f"{programme.place.url}{path}", timeout=10)
    assert leaks(programme.place, page.text) == []
