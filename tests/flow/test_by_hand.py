"""The commands a person runs against a real home, and their exit codes."""

from __future__ import annotations

import json
import stat

import pytest

from tests.flow.programme import Programme, assert_whole
from tests.flow.stage import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("programme"), pytest.mark.timeout(400)]


def test_list_names_every_recording_once(programme: Programme) -> None:
    listed = programme.place.afterword("list", "--json", "--limit", "1000")
    assert listed.returncode == 0
    rows = [json.loads(line) for line in listed.stdout.splitlines()]
    ids = [row["recording_id"] for row in rows]
    assert len(ids) == len(set(ids))
    assert set(programme.ids.values()) <= set(ids)
    assert len({row["id"] for row in rows}) == len(rows)


def test_list_for_people_can_be_narrowed_to_the_failed(programme: Programme) -> None:
    listed = programme.place.afterword("list", "--goal", "failed")
    assert listed.returncode == 0
    assert programme.ids["every provider fails"][:8] in listed.stdout
    assert programme.ids["happy 1"][:8] not in listed.stdout


def test_show_tells_the_whole_story_to_people(programme: Programme) -> None:
    recording = programme.ids["first provider fails"]
    shown = programme.place.afterword("show", recording[:13])
    assert shown.returncode == 0
    for word in ("recording_done", "transcript_failed", "stored", "provider_connection_failed", recording):
        assert word in shown.stdout


def test_show_json_is_the_transcription_object_with_its_words_and_files(programme: Programme) -> None:
    shown = programme.show("happy 1")
    transcript_id, folder = programme.the_stored("happy 1")
    asked = {
        "id", "recording_id", "status", "language", "provider", "duration_ms", "segments", "text", "error",
        "created_at", "completed_at", "workspace", "phase", "reason", "next_step", "attempts", "files",
    }  # fmt: skip
    assert asked <= set(shown)
    assert (shown["status"], shown["phase"], shown["workspace"]) == ("completed", "stored", "default")
    assert shown["text"] == (folder / "transcript.txt").read_text("utf-8")
    assert shown["segments"]
    assert [a["transcript_id"] for a in shown["attempts"]] == [transcript_id]
    base = f"default/{programme.ids['happy 1']}/{transcript_id}"
    assert {f"{base}/{path.name}" for path in folder.iterdir()} == set(shown["files"])


def test_what_is_not_there_exits_1_and_wrong_usage_exits_2(programme: Programme) -> None:
    assert programme.place.afterword("show", "ffffffff-ffff").returncode == 1
    assert programme.place.afterword("retry", "ffffffff-ffff").returncode == 1
    assert programme.place.afterword("replay", "999999").returncode == 1
    assert programme.place.afterword("show").returncode == 2
    assert programme.place.afterword("retry", "x", "--budget", "10").returncode == 2
    assert programme.place.afterword("no-such-command").returncode == 2


def test_retry_of_what_is_stored_has_nothing_to_do_and_costs_nothing(programme: Programme) -> None:
    refused = programme.place.afterword("retry", programme.ids["happy 1"], "--budget", "9", "--yes")
    assert refused.returncode == 1
    assert "Nothing to do" in refused.stdout
    assert programme.place.recall.bill(programme.ids["happy 1"])["billed"] == 1


def test_retry_pays_for_one_more_attempt_only_with_a_budget_and_says_so_first(programme: Programme) -> None:
    place, recording = programme.place, programme.ids["every provider fails, retried by hand"]
    refused = place.afterword("retry", recording)
    assert refused.returncode == 1
    assert "--budget" in refused.stdout
    assert place.recall.bill(recording)["billed"] == 3
    agreed = place.afterword("retry", recording, "--budget", "4", "--yes")
    assert agreed.returncode == 0, agreed.stderr
    assert "attempt 4" in agreed.stdout
    assert "charge" in agreed.stdout
    place.wait_for_ends(recording, within_s=30)
    assert place.recall.bill(recording)["billed"] == 4
    assert place.show(recording)["status"] == "completed"


def test_replay_of_a_delivery_that_did_its_work_costs_nothing(programme: Programme) -> None:
    replayed = programme.place.afterword("replay", "1", "--yes")
    assert replayed.returncode in (0, 1), replayed.stderr
    bill = programme.place.recall.whole_bill()["per_recording"]
    for scene in ("happy 1", "happy 2", "happy 3"):
        assert bill[programme.ids[scene]]["billed"] == 1


def test_check_finds_nothing_to_mend_in_a_running_home(programme: Programme) -> None:
    checked = programme.place.afterword("check", "--json")
    assert checked.returncode == 0, checked.stdout
    assert json.loads(checked.stdout)["ok"] is True


def test_migrate_of_a_home_in_use_changes_nothing(programme: Programme) -> None:
    migrated = programme.place.afterword("migrate")
    assert migrated.returncode == 0, migrated.stderr
    assert programme.show("happy 1")["status"] == "completed"


def test_every_file_is_the_owners_alone_and_nothing_half_is_left(programme: Programme) -> None:
    for path in programme.place.home.rglob("*"):
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode):
            assert stat.S_IMODE(mode) == 0o700, path
        elif stat.S_ISREG(mode):
            assert stat.S_IMODE(mode) == 0o600, path
    transcripts = programme.place.home / "transcripts"
    folders = {path.parent for path in transcripts.rglob("*") if path.is_file()}
    assert folders
    for folder in folders:
        assert_whole(folder)
    assert list((programme.place.home / "scratch").glob("*")) == []


def test_further_transcripts_are_paid_once_each_and_one_to_compare_with_is_no_result(
    programme: Programme,
) -> None:
    place = programme.place
    again, beside = place.recall.record(), place.recall.record()
    place.wait_for_ends(again, beside, within_s=60)
    done = place.afterword("retranscribe", again, "--provider", "deepgram", "--yes")
    assert done.returncode == 0, done.stderr

    before = place.show(beside)
    order = ("compare", beside, "--providers", "recallai,deepgram,assemblyai", "--yes")
    done = place.afterword(*order)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "This creates 2 paid transcripts" in done.stdout
    after = place.show(beside)
    assert (after["files"], after["completed_at"]) == (before["files"], before["completed_at"])
    assert [(a["provider"], a["state"], a["is_beside"]) for a in after["attempts"]] == [
        ("recallai_async", "done", False),
        ("deepgram_async", "done", True),
        ("assembly_ai_async", "done", True),
    ]
    assert place.afterword(*order).returncode == 0
    assert place.recall.bill(beside)["billed"] == 3

    wait_until(lambda: place.show(again)["provider"] == "deepgram_async", within_s=60, what="the new result")
    assert place.recall.bill(again)["billed"] == 2
