"""Nothing that may be charged for is done unasked: a person says yes, a script has said `--yes`."""

from __future__ import annotations

import uuid

import pytest

from app.core import events
from app.core.state import Phase
from app.orchestrator.records import Closing
from tests.cli.conftest import FIRST, WORKSPACE, Home, delivery
from tests.taking import take_deliveries


def failed(home: Home) -> str:
    """A recording whose every attempt failed."""
    recording = home.hears()
    for ordinal, choice in enumerate(home.settings.policy.providers, 1):
        at, transcript = home.store.now(), str(uuid.uuid4())
        home.happens(
            recording,
            events.Sending(at, ordinal, choice.key, 0),
            events.Created(at, ordinal, transcript, choice.key),
            events.TranscriptFailed(at, transcript, ordinal, "provider_connection_failed"),
        )
    assert phase_of(home, recording) is Phase.FAILED
    return recording


def silent(home: Home) -> str:
    """A recording whose first transcript neither finished nor failed for a day."""
    recording = home.hears()
    at, transcript = home.store.now(), str(uuid.uuid4())
    home.happens(recording, events.Sending(at, 1, FIRST, 0), events.Created(at, 1, transcript, FIRST))
    for number in range(40):
        home.happens(recording, events.StillProcessing(at + 90_000 + number, transcript))
    assert phase_of(home, recording) is Phase.FAILED
    return recording


def phase_of(home: Home, recording: str) -> Phase:
    return home.store.load(WORKSPACE, recording).transcription.phase


@pytest.mark.slow
def test_a_script_that_names_its_recording_is_told_the_cost_and_not_asked(home: Home) -> None:
    recording = failed(home)
    said = home.run("retry", recording, "--budget", "4")
    assert said.code == 0
    assert "attempt 4" in said.out
    assert phase_of(home, recording) is Phase.CREATING


@pytest.mark.slow
def test_a_paid_retry_at_a_terminal_waits_for_a_yes(home: Home) -> None:
    recording = failed(home)
    before = home.version(recording)
    assert home.run("retry", recording, "--budget", "4", typed="n\n").code == 1
    assert home.version(recording) == before
    assert home.run("retry", recording, "--budget", "4", typed="y\n").code == 0
    assert phase_of(home, recording) is Phase.CREATING


@pytest.mark.slow
def test_a_free_retry_asks_nobody_and_says_what_would_be_paid_for(home: Home) -> None:
    recording = silent(home)
    said = home.run("retry", recording)
    assert said.code == 0, said
    assert "It costs nothing" in said.out
    assert "Only if Recall says that the transcript failed or is gone" in said.out
    assert "`--budget 2` pays for another" in said.out


@pytest.mark.slow
def test_a_retry_with_a_budget_that_asks_first_may_pay_and_is_asked_about(home: Home) -> None:
    recording = silent(home)
    before = home.version(recording)
    said = home.run("retry", recording, "--budget", "4", typed="n\n")
    assert (said.code, home.version(recording)) == (1, before), said
    assert "costs nothing" not in said.out
    assert "charged for" in said.out


def test_a_retry_of_a_lost_create_may_send_it_again_and_is_asked_about(home: Home) -> None:
    recording = home.hears()
    at = home.store.now()
    home.happens(
        recording,
        events.Sending(at, 1, FIRST, 0),
        events.CreateUnknown(at, 1, "read_timeout"),
        events.LookUpImpossible(at, 1),
    )
    said = home.run("retry", recording, typed="n\n")
    assert said.code == 1, said
    assert "charged for" in said.out


@pytest.mark.slow
def test_a_retry_whose_open_attempt_follows_a_free_look_is_asked_about(home: Home) -> None:
    recording = home.hears()
    at, foreign = home.store.now(), str(uuid.uuid4())
    for key_serial in range(3):
        home.happens(
            recording,
            events.Sending(at, 1, FIRST, key_serial),
            events.CreateRefused(at, 1, events.Refusal.UNEXPLAINED, "http_400", 60.0),
        )
    home.happens(recording, events.TranscriptDone(at, foreign))
    for number in range(4):
        home.happens(recording, events.FetchBlocked(at + 90_000 + number, foreign, "http_403"))
    assert phase_of(home, recording) is Phase.FAILED
    said = home.run("retry", recording, typed="n\n")
    assert said.code == 1, said
    assert "charged for" in said.out


def test_a_replay_that_may_pay_is_asked_about_at_a_terminal(home: Home) -> None:
    recording = str(uuid.uuid4())
    home.store.add_deliveries([delivery("recording.done", recording)])
    said = home.run("replay", "1", typed="n\n")
    assert (said.code, home.version(recording)) == (1, 0), said
    assert said.out.endswith("Nothing was done.\n")
    assert "charged for" in said.out
    assert home.run("replay", "1", "--yes").code == 0
    assert home.version(recording) > 0


@pytest.mark.parametrize("kind", ["recording.done", "calendar.waved"])
def test_a_replay_after_an_update_ends_what_is_said_of_an_unreadable_delivery(home: Home, kind: str) -> None:
    home.store.add_deliveries([delivery(kind, str(uuid.uuid4()))])
    (one,) = take_deliveries(home.store, 1)
    home.store.close_deliveries([Closing(one.id, "unreadable: by the version before")])
    assert home.store.health(WORKSPACE, fingerprint="").has_unreadable
    home.run("replay", str(one.id), typed="n\n")
    assert home.store.health(WORKSPACE, fingerprint="").has_unreadable is (kind == "recording.done")
    home.run("replay", str(one.id), "--yes")
    assert not home.store.health(WORKSPACE, fingerprint="").has_unreadable


@pytest.mark.slow
@pytest.mark.parametrize(("command", "days_ago"), [(("backfill", "--since", "7d"), 3), (("reconcile",), 0.5)])
def test_taking_up_what_was_never_heard_of_counts_first_and_asks(
    home: Home, command: tuple[str, ...], days_ago: float
) -> None:
    recording = home.recorded(days_ago=days_ago)
    moment = home.store.now() - 5 * 86_400
    with home.store.writing() as connection:
        connection.exec_driver_sql(f"UPDATE installation SET at = {moment} WHERE key = 'first_start'")
    for arguments, typed, code in ((command, "n\n", 1), ((*command, "--dry-run"), None, 0)):
        said = home.run(*arguments, typed=typed)
        assert (said.code, home.version(recording)) == (code, 0), said
        assert "1 to transcribe: up to 1 paid transcripts" in said.out
    if command[0] == "backfill":
        said = home.run(*command)
        assert said.code == 2, "nobody is there to answer"
        assert "--yes" in said.err
        assert "Nothing was done" in said.err
    assert home.version(recording) == 0
    agreed = home.run(*command, "--yes")
    assert agreed.code == 0, agreed
    assert not agreed.err.startswith("\n"), "a spinner where there is no terminal"
    assert "1 taken up" in agreed.out
    assert home.version(recording) > 0
    nothing = home.run(*command)
    assert nothing.code == 0, "nothing is left that could cost"
    assert nothing.out.splitlines()[-1 if command[0] == "backfill" else 1] == "Nothing to transcribe."
    assert "paid" not in nothing.out


@pytest.mark.parametrize("number", ["99999999999999999999999", "0", "9223372036854775807", "7"])
def test_replay_of_a_number_no_delivery_has_says_so(home: Home, number: str) -> None:
    said = home.run("replay", number)
    assert (said.code, said.err) == (
        1,
        f"afterword: there is no delivery {number}, or its body is no longer kept\n",
    )


@pytest.mark.slow
def test_what_has_no_effect_is_said_once(home: Home) -> None:
    recording = failed(home)
    ended = home.run("retry", home.hears()), home.run("replay", "1")
    for said in ended:
        assert said.code == 1
        assert said.out.lower().count("nothing to") + said.out.count("Nothing done") == 1, said
        assert len(said.out.splitlines()) == 1
    assert recording


@pytest.mark.slow
def test_a_retry_without_an_attempt_left_names_the_command_that_pays_for_one(home: Home) -> None:
    recording = failed(home)
    said = home.run("retry", recording[:8], "--yes")
    assert said.code == 1
    assert f"retry {recording} --budget 4` pays for another" in said.out
