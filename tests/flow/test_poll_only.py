"""
A workspace that cannot have an endpoint: no webhook ever comes, none could be verified, and `poll_only` has
the service ask instead.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from app.core.state import Phase
from tests.flow.programme import assert_whole
from tests.flow.stage import Installation, installation, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

# A webhook counts as overdue after 20 s at least, however fast time runs.
_ENDS_WITHIN_S = 70.0
_SILENT: Mapping[str, Any] = {"recording_done": "drop", "done_webhook": ["drop"] * 3, "transcribe_s": 20}


@dataclass(frozen=True, slots=True)
class Polled:
    place: Installation
    plain: list[str]
    fails_once: str
    began_at: float  # by the monotonic clock


@pytest.fixture(scope="module")
def polled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Polled]:
    tmp = tmp_path_factory.mktemp("polled")
    (tmp / "policy.toml").write_text("poll_only = true\n")
    with installation(tmp, seed=78, workers=2, AFTERWORD_POLICY=str(tmp / "policy.toml")) as place:
        del place.environment["RECALL_WEBHOOK_SECRETS"]
        place.start()
        began_at = time.monotonic()
        plain = [place.recall.record(**_SILENT) for _ in range(3)]
        fails_once = place.recall.record(transcripts=["failed:provider_connection_failed"], **_SILENT)
        wanted = {*plain, fails_once}
        wait_until(lambda: wanted <= _stored(place), within_s=_ENDS_WITHIN_S, what="all are stored")
        yield Polled(place, plain, fails_once, began_at)


def _stored(place: Installation) -> set[str]:
    rows = place.store.list_transcriptions(limit=100)
    return {row.state.recording_id for row in rows if row.state.phase is Phase.STORED}


def test_without_a_webhook_secret_and_without_a_webhook_each_recording_is_paid_once_and_stored(
    polled: Polled,
) -> None:
    place = polled.place
    place.wait_until_well()
    for recording in polled.plain:
        assert place.recall.bill(recording)["billed"] == place.recall.bill(recording)["create_posts"] == 1
        ((transcript_id, folder),) = place.stored(recording).items()
        assert_whole(folder)
        assert (folder / "transcript.json").read_bytes() == place.recall.served(transcript_id)


def test_a_failure_that_nobody_announces_is_followed_by_the_next_provider(polled: Polled) -> None:
    place, recording = polled.place, polled.fails_once
    assert [t["provider"] for t in place.recall.paid(recording)] == ["recallai_async", "assembly_ai_async"]
    assert place.recall.bill(recording)["max_open"] == 1
    assert len(place.stored(recording)) == 1


def test_it_was_polling_alone(polled: Polled) -> None:
    attempts = [a for d in polled.place.recall.deliveries() for a in d["attempts"]]
    assert attempts == [], "something came by webhook"
    assert polled.place.kept_deliveries() == set()


def test_recall_is_asked_every_minute_and_not_every_ten(polled: Polled) -> None:
    place = polled.place
    passes = [line for line in place.log_lines() if line.get("event") == "reconciled"]
    took_s = time.monotonic() - polled.began_at
    assert len(passes) > 2 * took_s / place.settings.durations.reconcile_every_s
