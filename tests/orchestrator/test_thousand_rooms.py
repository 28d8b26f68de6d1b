"""A thousand recordings whose transcript is empty or not: which of them are paid for again."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.core import events as ev
from app.core.commands import AskRecording
from app.core.state import Phase
from app.orchestrator.effects import queries
from app.orchestrator.outcome import Happened
from app.recall.types import RecordingFacts
from app.simulator.meetings.transcript_json import WRITTEN, make_meeting
from tests.core.playbook import T1, T2, Dialogue, published, stored
from tests.orchestrator.bare_context import context_of

Entry = dict[str, Any]


@dataclass
class Beside:
    """What Recall keeps beside a recording; without a timeline the list of participants."""

    is_silent: bool
    seed: int
    fingerprint: str = "f1"
    downloads: list[str] = field(default_factory=list)

    def recording(self, _: str) -> RecordingFacts:
        url = None if self.seed % 7 == 0 else "timeline"
        done = ev.RecordingCondition.DONE
        return RecordingFacts(done, duration_s=1_800.0, timeline_url=url, participants_url="people")

    def download(self, url: str, target: Path, *, keep_going: Any) -> None:
        self.downloads.append(url)
        entries = _noise(self.seed) if self.is_silent else _spoken(self.seed % len(WRITTEN))
        people = [] if self.is_silent else [{"id": 1, "is_host": True}, {"id": 2, "is_host": False}]
        target.write_text(json.dumps(entries if url == "timeline" else people))


def _entry(start_s: float, end_s: float) -> Entry:
    return {
        "participant": None,
        "start_timestamp": {"relative": start_s},
        "end_timestamp": {"relative": end_s},
    }


def _noise(seed: int) -> list[Entry]:
    """A door, a cough."""
    dice = random.Random(seed)
    starts = [dice.uniform(0, 1_800) for _ in range(dice.randrange(4))]
    return [_entry(at_s, at_s + dice.uniform(0.0, 0.9)) for at_s in starts]


@lru_cache
def _spoken(seed: int) -> list[Entry]:
    words = [turn["words"] for turn in make_meeting(seed).turns]
    return [_entry(w[0]["start_timestamp"]["relative"], w[-1]["end_timestamp"]["relative"]) for w in words]


@pytest.mark.slow
def test_no_silent_room_is_paid_for_twice_and_no_failure_is_missed(tmp_path: Path) -> None:
    paid: Counter[tuple[str, int]] = Counter()
    for seed in range(1_000):
        is_silent, is_failure = seed % 10 < 3, seed % 10 == 3
        d, beside = Dialogue(), Beside(is_silent, seed)
        d.told(ev.RecordingDone(0))
        d.attempt_runs(1, T1)
        d.told(ev.TranscriptDone(1, T1, 1))
        is_asked = AskRecording() in d.told(stored(2, T1, is_empty=is_silent or is_failure))
        if is_asked:
            context = context_of(
                AskRecording(),
                state=d.state,
                recall=beside,
                scratch=tmp_path,
                renewer=SimpleNamespace(raise_if_lost=lambda: None),
            )
            outcome = queries.ask_recording(context)
            assert isinstance(outcome, Happened)
            d.told(replace(outcome.event, at=3))
        assert len(beside.downloads) == is_asked
        if d.phase is Phase.CREATING:
            d.attempt_runs(2, T2)
            d.told(ev.TranscriptDone(4, T2, 2))
            d.told(stored(5, T2))
        elif d.state.publishing is not None:
            d.told(published(6, T1))
        kind = "silent" if is_silent else "failed" if is_failure else "happy"
        assert (d.phase, d.state.verdict) == (Phase.STORED, "silent" if is_silent else "spoken")
        paid[kind, len(d.state.attempts)] += 1
    assert paid == {("silent", 1): 300, ("failed", 2): 100, ("happy", 1): 600}
