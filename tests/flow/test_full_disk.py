"""
The disk with the database, Redis' file and the results is full: deliveries are answered 503 or wait, and when
there is room again everything goes on without a hand.

A small file system of its own has to be mounted, which only root may do, and not everywhere.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.flow.deliveries import deliver
from tests.flow.programme import assert_each_is_paid_once_and_stored
from tests.flow.stage import Installation, installation, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

_SIZE = "24m"
_ENDS_WITHIN_S = 100.0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = _mount(folder)
    if mounted is not None:
        pytest.skip(f"a full disk: mounting needs root ({mounted})")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False, timeout=20)


def _mount(folder: Path) -> str | None:
    """None, or why not."""
    mount = shutil.which("mount")
    if not sys.platform.startswith("linux") or mount is None:
        return "no tmpfs here"
    asked = [mount, "-t", "tmpfs", "-o", f"size={_SIZE}", "tmpfs", str(folder)]
    ran = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=False)
    return None if ran.returncode == 0 else ran.stderr.strip() or f"exit {ran.returncode}"


def test_full_disk_refuses_or_waits_and_goes_on_by_itself_when_there_is_room(
    small_disk: Path, tmp_path: Path
) -> None:
    with installation(small_disk, seed=79, workers=2) as place:
        place.log_path = tmp_path / "up.log"  # what is said must be read; it is not what is being filled
        place.start()
        before = place.recall.record()
        under_way = [place.recall.record(transcribe_s=120) for _ in range(2)]
        wait_until(lambda: all(place.recall.paid(r) for r in under_way), within_s=20, what="both are paid")
        place.wait_for_ends(before, within_s=30)
        fillers = _fill(small_disk)
        during = [place.recall.record() for _ in range(3)]
        assert _is_refused(place, during[0])
        wait_until(lambda: _is_unready(place), within_s=20, what="readyz tells")
        for filler in fillers:
            filler.unlink()
        assert_each_is_paid_once_and_stored(place, [before, *under_way, *during], within_s=_ENDS_WITHIN_S)
        place.wait_until_well(within_s=40)
        acknowledged = {
            d["webhook_id"]
            for d in place.recall.deliveries()
            if any(a["status"] == 202 for a in d["attempts"])
        }
        assert acknowledged
        assert acknowledged <= place.kept_deliveries()


def _fill(folder: Path) -> list[Path]:
    """To the last byte: in large pieces, then in small ones."""
    fillers = []
    for number, size_bytes in enumerate((65_536, 512)):
        fillers.append(folder / f"filler {number}")
        with fillers[-1].open("wb", buffering=0) as file:
            try:
                while file.write(b"x" * size_bytes) == size_bytes:
                    pass
            except OSError:
                continue
    return fillers


def _is_refused(place: Installation, recording_id: str) -> bool:
    """A delivery that cannot be kept is not acknowledged. What SQLite has of its log may hold a few more."""
    for number in range(200):
        answer = deliver(place, recording_id, webhook_id=f"msg_while_full_{number}")
        if answer.status_code == 503:
            return True
        assert answer.status_code == 202, answer.text
    return False


def _is_unready(place: Installation) -> bool:
    answer = requests.get(f"{place.url}/readyz", timeout=10)
    return answer.status_code == 503 and answer.json()["parts"]["database"] == "down"
