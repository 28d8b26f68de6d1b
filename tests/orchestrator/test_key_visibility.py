"""
A key of another workspace answers 404 and empty lists to everything: it is held against the newest recordings
known here before anything is asked, taken up or paid. Recall answers by what its key may see; time is moved.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app.cli.account_status import why_paused
from app.core.events import RecordingDeleted, RecordingDone
from app.errors import AccountRefused, RecallBusy
from app.orchestrator.key_visibility import HELD_AGAINST
from app.orchestrator.records import KEY_ACCEPTED, KEY_FOREIGN, PauseSubject, Source
from tests.orchestrator.list_stage import Stage

EVERY_S = 15.0


class Desk(Stage):
    """An installation that knows recordings, and a process started with a key."""

    def hears(self, *recordings: str) -> None:
        for recording in recordings:
            self.at += 1
            done = RecordingDone(self.at, "a bot", ())
            self.service.advance("default", recording, done, Source(by="webhook"))

    def starts_with(self, fingerprint: str, *, sees: set[str]) -> None:
        self.fingerprint, self.sees = fingerprint, sees
        self.service = self.open_service()
        self.retrieved.clear()

    def may_ask(self) -> bool:
        return self.service.account.may_ask(self.service.workspaces["default"])

    def status(self) -> str | None:
        return self.store.key_status("default", self.fingerprint)


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.hears("r1", "r2", "r3")
    return desk


def test_a_key_that_sees_the_newest_recording_is_accepted_by_one_question_for_ever(desk: Desk) -> None:
    desk.starts_with("rotated", sees={"r1", "r2", "r3"})
    assert desk.may_ask()
    assert (desk.retrieved, desk.status()) == (["r3"], KEY_ACCEPTED)
    desk.sees = set()  # all were deleted since
    desk.service = desk.open_service()
    assert desk.may_ask()
    assert desk.retrieved == ["r3"]


def test_a_key_that_sees_an_older_recording_only_is_accepted(desk: Desk) -> None:
    desk.starts_with("rotated", sees={"r1"})
    assert desk.may_ask()
    assert desk.retrieved == ["r3", "r2", "r1"]


def test_while_a_key_sees_nothing_known_here_everything_waits_and_says_why(desk: Desk) -> None:
    desk.starts_with("foreign", sees={"of another workspace"})
    for _ in range(40):
        assert not desk.may_ask()
        desk.at += EVERY_S / 4
    assert desk.status() == KEY_FOREIGN
    assert len(desk.retrieved) <= 3 * 11, "each quarter minute at most"
    pause = desk.store.paused("default")
    assert pause is not None
    assert pause.cause == PauseSubject.KEY
    assert "another workspace" in why_paused(pause)
    told = [line for line in desk.lines if line["event"] == "key_sees_nothing"]
    assert len(told) == 1
    assert "RECALL_API_KEY" in told[0]["remedy"]


def test_the_right_key_goes_on_and_the_time_between_does_not_count_as_patience(desk: Desk) -> None:
    began = desk.at
    desk.starts_with("foreign", sees=set())
    for _ in range(100):
        assert not desk.may_ask()
        desk.at += EVERY_S
    desk.starts_with("f1", sees={"r1", "r2", "r3"})
    desk.at += EVERY_S
    assert desk.may_ask()
    assert desk.retrieved == [], "it is known"
    assert desk.store.paused("default") is None
    waited_s = desk.at - began
    assert desk.store.paused_since("default", began) == pytest.approx(waited_s, abs=2 * EVERY_S)


def test_of_a_thousand_commands_and_many_workers_one_asks_per_quarter_minute(desk: Desk) -> None:
    desk.starts_with("foreign", sees=set())
    others = [desk.open_service() for _ in range(8)]
    for service in others * 20:
        assert not service.account.may_ask(service.workspaces["default"])
    assert len(desk.retrieved) == 3


@pytest.mark.parametrize("age", range(3))
def test_a_recording_that_appears_later_accepts_the_key(desk: Desk, age: int) -> None:
    desk.starts_with("new", sees={"r4"})
    for _ in range(age):
        assert not desk.may_ask()
        desk.at += EVERY_S
    desk.hears("r4")  # its webhook is applied, whatever the key sees
    desk.at += EVERY_S
    assert desk.may_ask()
    assert desk.status() == KEY_ACCEPTED


def test_it_is_held_against_the_newest_and_no_more_than_a_few() -> None:
    desk = Desk()
    desk.hears(*(f"r{number}" for number in range(50)))
    desk.starts_with("foreign", sees={"r0"})
    assert not desk.may_ask()
    assert desk.retrieved == [f"r{number}" for number in range(49, 49 - HELD_AGAINST, -1)]


def test_an_installation_that_knows_nothing_asks_nothing_and_looks_when_it_knows() -> None:
    desk = Desk()
    desk.starts_with("first", sees={"r1"})
    assert desk.may_ask()
    assert (desk.retrieved, desk.status()) == ([], None)
    desk.hears("r1")
    assert desk.may_ask()
    assert (desk.retrieved, desk.status()) == (["r1"], KEY_ACCEPTED)


def test_the_first_recording_heard_of_under_a_foreign_key_is_not_paid_for() -> None:
    desk = Desk()
    desk.starts_with("foreign", sees=set())
    assert desk.may_ask()
    desk.hears("r1")
    assert not desk.may_ask()
    assert desk.status() == KEY_FOREIGN


@pytest.mark.parametrize(
    "trouble",
    [lambda: RecallBusy("http_503", retry_after_s=1), lambda: RecallBusy("read_timeout", retry_after_s=1)],
)
def test_silence_and_a_busy_recall_decide_nothing(desk: Desk, trouble: Callable[[], Exception]) -> None:
    desk.starts_with("rotated", sees={"r3"})
    desk.raises = trouble
    for _ in range(10):
        assert not desk.may_ask()
        desk.at += EVERY_S
    assert (desk.status(), desk.store.paused("default")) == (None, None)
    desk.raises = None
    assert desk.may_ask()


def test_one_recording_without_an_answer_keeps_the_others_from_condemning_the_key(desk: Desk) -> None:
    desk.starts_with("rotated", sees=set())
    well, asked = desk.recording, []

    def garbled_once(recording_id: str) -> object:
        asked.append(recording_id)
        if len(asked) == 1:
            raise RecallBusy("unreadable: another recording", retry_after_s=1)
        return well(recording_id)

    desk.recording = garbled_once  # type: ignore[assignment,method-assign]
    assert not desk.may_ask()
    assert (len(asked), desk.status()) == (3, None)


@pytest.mark.parametrize("status", [401, 402])
def test_a_key_that_is_refused_is_a_refused_account_and_not_a_foreign_key(desk: Desk, status: int) -> None:
    desk.starts_with("revoked", sees=set())
    desk.raises = lambda: AccountRefused(status)
    assert not desk.may_ask()
    pause = desk.store.paused("default")
    assert pause is not None
    assert (pause.cause, desk.status()) == (f"recall_answers_{status}", None)


def test_a_person_accepts_a_key_whose_recordings_were_deleted(desk: Desk) -> None:
    desk.starts_with("new", sees=set())
    assert not desk.may_ask()
    desk.service.account.sight.accept(desk.service.workspaces["default"])
    assert desk.store.paused("default") is None
    assert desk.may_ask()


def test_where_all_that_is_known_was_deleted_at_recall_a_new_key_waits_for_a_person(desk: Desk) -> None:
    for recording in ("r1", "r2", "r3"):
        desk.service.advance("default", recording, RecordingDeleted(desk.at), Source(by="webhook"))
    assert desk.may_ask(), "the key in use has nothing to see"
    desk.starts_with("of another workspace", sees={"of another workspace"})
    assert not desk.may_ask(), "what it sees would be transcribed"
    assert desk.status() == KEY_FOREIGN
