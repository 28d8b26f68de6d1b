"""The whole service with its results in a bucket, on the way to which everything goes wrong once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app import wiring
from app.orchestrator.ports_blobs import ResultBlobs
from tests.doubles.s3_server import BUCKET, KEYS, FaultyProxy, error, make_bucket, s3_server
from tests.flow.stage import Installation, installation, wait_until

pytestmark = pytest.mark.slow
OTHER = "others"


@pytest.fixture
def proxy() -> Iterator[FaultyProxy]:
    with s3_server() as url, FaultyProxy(url) as proxy:
        make_bucket(url, OTHER)
        yield proxy


@pytest.fixture
def place(tmp_path: Path, proxy: FaultyProxy) -> Iterator[Installation]:
    at: dict[str, Any] = {**KEYS, "AWS_ENDPOINT_URL": proxy.url, "STORAGE_URL": f"s3://{BUCKET}/calls"}
    with installation(tmp_path, workers=2, **at) as place:
        yield place


def stored(blobs: ResultBlobs) -> list[str]:
    return [key for key in blobs.keys() if key.endswith("/manifest.json")]  # noqa: SIM118


def part(place: Installation) -> str:
    return str(place.readyz()["parts"]["storage"])


@pytest.mark.timeout(240)
def test_results_wait_for_a_store_in_trouble_and_are_moved_while_the_service_runs(
    place: Installation, proxy: FaultyProxy, tmp_path: Path
) -> None:
    place.start()
    blobs = wiring.open_blobs(place.settings)
    place.recall.tell("recordings")
    wait_until(lambda: len(stored(blobs)) == 1, within_s=30, what="the first result")

    proxy.choose = error(400, "ExpiredToken")
    place.recall.tell("recordings")
    wait_until(lambda: part(place) == "down", within_s=15, what="/readyz says that the storage is down")
    assert "credentials have expired" in place.afterword("check").stdout
    wait_until(lambda: "storage_unavailable" in place.log_path.read_text(), within_s=30, what="a log line")
    proxy.choose = None
    wait_until(lambda: len(stored(blobs)) == 2, within_s=60, what="the second result, when it is mended")
    wait_until(lambda: part(place) == "ok", within_s=15, what="/readyz says that it is well")

    to = f"file://{tmp_path}/moved"
    first = place.afterword("move-store", "--to", to)
    assert (first.returncode, first.stderr) == (0, "")
    assert "2 results are in the new store" in first.stdout
    assert "The service runs and stores on" in first.stdout
    place.recall.tell("recordings")
    wait_until(lambda: len(stored(blobs)) == 3, within_s=30, what="the third result")
    place.stop()
    last = place.afterword("move-store", "--to", to)
    assert (last.returncode, last.stderr) == (0, "")
    assert "copied now: 1 " in last.stdout
    assert f"STORAGE_URL={to}" in last.stdout

    taken = place.afterword("check", STORAGE_URL=to)
    assert (taken.returncode, taken.stderr) == (0, ""), taken.stdout
    refused = place.afterword("up", STORAGE_URL=f"s3://{OTHER}")
    assert refused.returncode == 78
    assert "lacks what the database says is stored" in refused.stderr
