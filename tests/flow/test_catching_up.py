"""
What no webhook told us of: recordings since the installation's first start are taken up by itself, older
ones by hand with their number and cost named first; interrupted or not, nothing is paid twice.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

import pytest
import sqlalchemy as sa

from app.adapters.sql import tables
from app.settings.program_name import ROOT
from tests.contract.store_builders import history_of
from tests.flow.programme import assert_each_is_paid_once_and_stored, assert_whole
from tests.flow.stage import Installation, installation, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("catching up"), pytest.mark.timeout(240)]

HOUR = timedelta(hours=1)
OLD = 16


@dataclass(frozen=True, slots=True)
class Unheard:
    """An installation that began two hours ago, and recordings whose webhooks never came."""

    place: Installation
    ids: Mapping[str, str]
    old: list[str]  # from days before Afterword


@pytest.fixture(scope="module")
def unheard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Unheard]:
    home = tmp_path_factory.mktemp("unheard")
    with installation(home, seed=51, time_scale=120, workers=2) as place:
        assert place.afterword("migrate").returncode == 0
        began = tables.installation.c
        with place.store.writing() as connection:
            two_hours_ago = sa.update(tables.installation).values(at=began.at - 7200)
            connection.execute(two_hours_ago.where(began.key == "first_start"))
        ids = {
            "lost": recorded(place, HOUR),
            "lost too": recorded(place, HOUR / 2),
            "has a transcript": recorded(place, HOUR),
            "skipped": recorded(place, HOUR, metadata={"afterword": "skip"}),
            "under way": recorded(place, HOUR, finish=False),
        }
        place.recall.create(ids["has a transcript"])
        old = [recorded(place, timedelta(days=3, hours=number)) for number in range(OLD)]
        place.start()
        yield Unheard(place, ids, old)


def recorded(
    place: Installation, ago: timedelta, *, metadata: Mapping[str, str] | None = None, finish: bool = True
) -> str:
    """A recording of that long ago that nothing told us of."""
    script = {"recording_done": "drop", "transcribe_s": 10}
    made = place.recall.tell("recordings", script=script, metadata=metadata, finish=finish)
    recording = str(made["recording_id"])
    place.recall.simulator.world.recordings[recording].created_at -= ago
    return recording


def test_recordings_that_were_never_announced_are_taken_up_looked_at_first_and_paid_once(
    unheard: Unheard,
) -> None:
    place, lost = unheard.place, [unheard.ids[name] for name in ("lost", "lost too")]
    assert_each_is_paid_once_and_stored(place, lost, within_s=30)
    for recording in lost:
        assert place.recall.bill(recording)["lists"] == 1, "nobody knew whether there was a transcript"
        first = history_of(place.store, recording)[0]
        assert (first["event"], first["by"]) == ("recording_done", "reconcile")


def test_a_recording_with_somebody_elses_transcript_is_taken_up_and_costs_nothing(unheard: Unheard) -> None:
    recording = unheard.ids["has a transcript"]
    unheard.place.wait_for_ends(recording, within_s=30)
    assert unheard.place.recall.bill(recording)["create_posts"] == 1, "theirs"
    ((_, folder),) = unheard.place.stored(recording).items()
    assert_whole(folder)
    shown = unheard.place.show(recording)
    assert (shown["is_adopted"], shown["attempts"], shown["status"]) == (True, [], "completed")
    theirs = json.loads((folder / "manifest.json").read_text("utf-8"))
    assert (theirs["adopted"], theirs["provider"], theirs["attempts"]) == (True, shown["provider"], [])


def test_a_recording_lost_later_is_found_by_a_later_shorter_pass(unheard: Unheard) -> None:
    place = unheard.place
    recording = recorded(place, timedelta(seconds=30))
    assert_each_is_paid_once_and_stored(place, [recording], within_s=30)
    passes = [line for line in place.log_lines() if line.get("event") == "reconciled"]
    assert [line["is_whole"] for line in passes[:2]] == [True, False]


def test_what_is_older_not_selected_or_under_way_is_left_alone(unheard: Unheard) -> None:
    place = unheard.place
    for recording in (unheard.ids["skipped"], unheard.ids["under way"], *unheard.old):
        assert place.store.load("default", recording).version == 0
        assert place.recall.bill(recording)["create_posts"] == 0


def test_backfill_names_number_and_cost_and_resumes_where_it_was_killed(unheard: Unheard) -> None:
    place, old = unheard.place, unheard.old
    tried = place.afterword("backfill", "--since", "7d", "--dry-run")
    assert tried.returncode == 0, tried.stderr
    assert f"{OLD} to transcribe: up to {OLD} paid transcripts" in tried.stdout
    assert known(place, old) == 0, "a dry run does nothing"

    # Small pages, and Recall takes its time: there is a middle in which to stop.
    place.recall.settings(page_size=2, call_delay_ms=400)
    _, code = stopped_midway(place, old, at_least=2, signum=signal.SIGKILL)
    assert code == -signal.SIGKILL
    said, code = stopped_midway(place, old, at_least=known(place, old) + 2, signum=signal.SIGINT)
    assert code == 130
    assert "goes on where it stopped" in said
    assert "Traceback" not in said
    left = OLD - known(place, old)
    assert 0 < left <= OLD - 4
    place.recall.settings(page_size=50, call_delay_ms=0)
    finished = place.afterword("backfill", "--since", "7d", "--yes")
    assert finished.returncode == 0, finished.stderr
    assert f"{left} to transcribe: up to {left} paid transcripts" in finished.stdout
    assert f"{left} taken up" in finished.stdout
    assert_each_is_paid_once_and_stored(place, old, within_s=30)
    assert place.recall.whole_bill()["responses"].get("429", 0) == 0
    assert all(place.recall.bill(recording)["billed"] == 1 for recording in old)


def stopped_midway(
    place: Installation, old: list[str], *, at_least: int, signum: signal.Signals
) -> tuple[str, int]:
    """A backfill stopped when so many are known; what it said, and its exit code."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "app", "backfill", "--since", "7d", "--yes"],
        cwd=ROOT,
        env=place.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        wait_until(lambda: known(place, old) >= at_least, within_s=20, what="its middle", every_s=0.05)
        process.send_signal(signum)
        said, _ = process.communicate(timeout=10)
    finally:
        process.kill()
    return said, process.returncode


def known(place: Installation, recordings: list[str]) -> int:
    heard_of = {row.state.recording_id for row in place.store.list_transcriptions(limit=1000)}
    return len(heard_of & set(recordings))
