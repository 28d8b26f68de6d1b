"""`up` where what it needs is not as it should be: it starts all the same, or says in a sentence why not."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
import requests

from app.settings.program_name import ROOT
from tests.flow.deliveries import deliver
from tests.flow.stage import Installation, installation, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("hard starts")]


@pytest.fixture
def down(tmp_path: Path) -> Iterator[Installation]:
    with installation(tmp_path, workers=1) as place:
        yield place


def answers(place: Installation) -> bool:
    with suppress(requests.RequestException):
        return requests.get(f"{place.url}/healthz", timeout=2).status_code == 200
    return False


def said(place: Installation, event: str) -> list[dict[str, object]]:
    return [line for line in place.log_lines() if line.get("event") == event]


def test_valkey_that_cannot_start_keeps_no_delivery_from_being_taken_and_is_back_by_itself(
    down: Installation,
) -> None:
    (down.home).mkdir()
    in_the_way = down.home / "valkey"
    in_the_way.touch()
    down.service = down.spawn("up")
    wait_until(lambda: answers(down), within_s=8, what="web answers")
    recording = down.recall.record()
    wait_until(lambda: bool(down.recall.deliveries(recording)), within_s=20, what="it is announced")
    assert deliver(down, recording, webhook_id="msg_without_valkey").status_code == 202
    wait_until(lambda: len(said(down, "child_died")) >= 3, within_s=10, what="it is tried again")
    waits = [float(str(line["starts_again_in_s"])) for line in said(down, "child_died")]
    assert waits == sorted(waits)
    assert waits[0] < waits[-1]
    assert "move it away" in str(said(down, "child_failed")[0]["cause"])
    assert "Traceback" not in down.log()
    in_the_way.unlink()
    down.wait_for_ends(recording, within_s=40)
    assert down.readyz()["parts"]["queue"] == "ok"


def test_up_says_once_where_it_listens_when_web_answers(down: Installation) -> None:
    down.start()  # web answers; `up` looks by itself, and says so then
    wait_until(lambda: said(down, "ready") != [], within_s=10, what="it says where it listens")
    (line,) = said(down, "ready")
    assert line["webhook"] == f"{down.url}/webhooks/recall"
    assert requests.get(str(line["readyz"]), timeout=5).status_code == 200
    assert requests.get(str(line["ops"]), auth=down.operator, timeout=5).status_code == 200


@pytest.mark.parametrize("home", ["/proc/nowhere", "/dev/null"])
def test_home_that_cannot_be_used_exits_78_with_a_sentence(down: Installation, home: str) -> None:
    refused = down.afterword("up", AFTERWORD_HOME=home)
    assert refused.returncode == 78
    assert f"AFTERWORD_HOME: {home}" in refused.stderr
    assert "choose another" in refused.stderr
    assert "Traceback" not in refused.stdout + refused.stderr


def test_place_for_transcripts_that_cannot_be_made_is_told_at_the_start(down: Installation) -> None:
    down.environment["STORAGE_URL"] = "file:///dev/null/transcripts"
    down.service = down.spawn("up")
    wait_until(lambda: answers(down), within_s=30, what="web answers: deliveries need no such place")
    assert "/dev/null/transcripts" in str(said(down, "storage_unavailable")[0]["cause"])


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mount = shutil.which("mount")
    if not sys.platform.startswith("linux") or mount is None:
        pytest.skip("a full disk: no tmpfs here")
    asked = [mount, "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    ran = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=False)
    if ran.returncode != 0:
        pytest.skip(f"a full disk: mounting needs root ({ran.stderr.strip() or ran.returncode})")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False, timeout=20)


def fill(folder: Path) -> None:
    for number, size_bytes in enumerate((65_536, 512)):
        with (folder / f"filler {number}").open("wb", buffering=0) as file, suppress(OSError):
            while file.write(b"x" * size_bytes) == size_bytes:
                pass


def test_restart_on_a_full_disk_answers_503_raises_the_alarm_and_is_well_when_there_is_room(
    small_disk: Path, tmp_path: Path
) -> None:
    with installation(small_disk, workers=1) as place:
        place.log_path = tmp_path / "up.log"
        place.start()
        assert place.stop(signal.SIGTERM) == 0
        with closing(sqlite3.connect(place.home / "afterword.db")) as last:
            last.execute("SELECT count(*) FROM installation")  # its closing frees the log of changes
        fill(small_disk)
        place.service = place.spawn("up")
        wait_until(lambda: answers(place), within_s=15, what="web answers")
        assert place.readyz()["parts"]["database"] == "down"
        metrics = requests.get(f"{place.url}/metrics", auth=place.operator, timeout=10).text
        assert 'afterword_up{part="database"} 0.0' in metrics
        waits = ("waiting_for_redis", "waiting_for_database")
        wait_until(lambda: any(said(place, event) for event in waits), within_s=20, what="workers wait")
        assert "Traceback" not in place.log()
        for filler in small_disk.glob("filler *"):
            filler.unlink()
        place.wait_until_well(within_s=40)


def test_workers_started_by_hand_say_that_storage_cannot_be_used(tmp_path: Path) -> None:
    with installation(tmp_path, workers=1, STORAGE_URL="file:///dev/null/transcripts") as place:
        with place.log_path.open("wb") as log:
            workers = subprocess.Popen(
                [sys.executable, "-P", "-m", "workers"],
                cwd=ROOT,
                env=place.environment,
                stdout=log,
                stderr=log,
            )
        try:
            wait_until(lambda: "storage_unavailable" in place.log(), within_s=30, what="it is told")
            assert "/dev/null/transcripts" in place.log()
            assert workers.poll() is None, "recordings can wait for it"
        finally:
            workers.kill()
            workers.wait()
