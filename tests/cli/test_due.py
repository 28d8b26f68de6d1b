"""`reconcile` also hands what is due to the workers, as the dispatcher does: once, and marked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from app.cli.backfill import _hand_over_what_is_due
from app.orchestrator.records import AnnouncementOffer, Offerable
from tests.cli.conftest import Home


class Taking:
    """A queue that keeps what it is offered."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    def room(self) -> int:
        return 8

    def offer_announcements(self, items: Sequence[AnnouncementOffer]) -> None:
        assert not items

    def offer(self, items: Sequence[Offerable]) -> None:
        self.taken += [item.description for item in items]


def test_an_alarm_that_is_due_is_handed_over_once(home: Home) -> None:
    recording = home.hears()
    service, queue = home.service, Taking()
    service.queue = cast(Any, queue)
    _hand_over_what_is_due(service)
    _hand_over_what_is_due(service)
    (taken,) = queue.taken
    assert recording in taken


def test_a_queue_that_is_away_is_said_and_is_no_failure(home: Home) -> None:
    home.hears()
    said = home.run("reconcile", "--yes")
    assert said.code == 0
    assert "queue is away" in said.err
    assert "queue" not in home.run("reconcile", "--dry-run").err


def test_help_says_that_what_is_due_is_handed_over(home: Home) -> None:
    assert "whatever else is due" in " ".join(home.run("reconcile", "--help").out.split())


def test_recordings_too_young_for_reconcile_are_told_of(home: Home) -> None:
    home.place.recall.record(recording_done="drop")
    said = home.run("backfill", "--since", "1d", "--dry-run")
    assert "0 finished recordings" in said.out
    assert "1 more, younger than 20 seconds: left to their webhooks." in said.out
