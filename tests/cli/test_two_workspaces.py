"""
Two Recall workspaces in one installation: what is done by hand is done under the recording's own key and by
its own policy. Settings name one workspace so far, so the second is given to `wiring.open_service`.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from app import wiring
from app.adapters.sql import tables as t
from app.cli.account_status import standings_of
from app.cli.backfill import take_up
from app.cli.check_recall import Accounts
from app.cli.retry import replay, retry
from app.cli.show import find
from app.core import events
from app.core.policy import ProviderChoice
from app.core.state import Phase, Transcription
from app.errors import AfterwordError, QueueUnavailable, WorkspaceUnknown
from app.orchestrator.records import PauseSubject, Source
from app.orchestrator.service import Service
from app.settings.workspaces import WorkspaceSettings, workspaces_of
from tests.cli.conftest import FIRST, Home, delivery
from tests.flow.stage import wait_until

THEIRS, THEIR_KEY = "theirs", "their-key"
THEIR_PROVIDER = "gladia_v2_async"  # in no other policy
DAY_S = 86_400.0


@dataclass
class Pair:
    """A home with the workspaces `default` and `theirs`, each with a key that sees nothing of the other."""

    home: Home
    workspaces: Mapping[str, WorkspaceSettings]

    @property
    def service(self) -> Service:
        return wiring.open_service(self.home.settings, workspaces=self.workspaces)

    @property
    def service_without(self) -> Service:
        """After `theirs` was taken out of the settings."""
        return self.home.service

    def hears(self, workspace: str, *, kind: str = "recording.done", recording: str | None = None) -> str:
        """A webhook in the inbox, not applied yet."""
        recording = recording or self.recorded(workspace)
        self.home.store.add_deliveries([replace(delivery(kind, recording), workspace=workspace)])
        return recording

    def recorded(self, workspace: str) -> str:
        """A finished recording at Recall that no webhook has told of."""
        told = self.home.place.recall.tell(
            "recordings", workspace=workspace, script={"recording_done": "drop"}
        )
        recording = str(told["recording_id"])
        self.home.place.recall.simulator.world.recordings[recording].created_at -= timedelta(hours=1)
        return recording

    def failed(self, workspace: str) -> str:
        """A recording with the workspace's policy used up."""
        recording, service = self.hears(workspace), self.service
        service.receive()
        for ordinal, choice in enumerate(service.policy_of(workspace).providers, 1):
            at, transcript = service.store.now(), str(uuid.uuid4())
            for event in (
                events.Sending(at, ordinal, choice.key, 0),
                events.Created(at, ordinal, transcript, choice.key),
                events.TranscriptFailed(at, transcript, ordinal, "provider_connection_failed"),
            ):
                service.advance(workspace, recording, event, Source(by="worker"))
        assert self.state(workspace, recording).phase is Phase.FAILED
        return recording

    def state(self, workspace: str, recording: str) -> Transcription:
        return self.home.store.load(workspace, recording).transcription

    def works(self, service: Service) -> None:
        """Performs what is due, as workers would."""
        service.receive()
        for _ in range(20):
            due = self.home.store.due(50, offer_again_s=0.0)
            if not due:
                return
            for item in due:
                service.perform(item.id)

    def bill(self, recording: str) -> list[str]:
        """Providers that were paid for it."""
        per_recording = self.home.place.recall.whole_bill()["per_recording"]
        return [t["provider"] for t in per_recording.get(recording, {}).get("transcripts", [])]


@pytest.fixture
def pair(home: Home) -> Pair:
    home.place.recall.settings(workspaces={THEIR_KEY: THEIRS})
    ours = workspaces_of(home.settings)["default"]
    policy = replace(ours.policy, providers=(ProviderChoice(THEIR_PROVIDER),), attempts=1)
    theirs = replace(ours, name=THEIRS, api_key=THEIR_KEY, policy=policy)
    return Pair(home, {"default": ours, THEIRS: theirs})


@pytest.mark.slow
def test_each_recording_is_paid_by_its_own_workspaces_key_and_policy(pair: Pair) -> None:
    recordings = {name: pair.hears(name) for name in pair.workspaces}
    pair.works(pair.service)
    assert pair.bill(recordings["default"]) == [FIRST]
    assert pair.bill(recordings[THEIRS]) == [THEIR_PROVIDER]


@pytest.mark.slow
def test_a_retry_says_and_does_what_the_recordings_own_policy_wants(
    pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = pair.failed(THEIRS)
    assert retry(pair.service, pair.state(THEIRS, recording), budget=2, yes=True)
    assert f"creates a transcript with {THEIR_PROVIDER}: attempt 2" in capsys.readouterr().out
    pair.works(pair.service)
    assert pair.bill(recording) == [THEIR_PROVIDER]


@pytest.mark.slow
def test_a_replay_is_applied_by_the_policy_of_the_workspace_that_it_came_to(pair: Pair) -> None:
    recording = pair.hears(THEIRS)
    pair.service.receive()
    (row,) = pair.home.store.deliveries_of(THEIRS, recording)
    with pair.home.store.writing() as connection:  # as if nothing were known of it
        for table in (t.history, t.commands, t.transcriptions):
            connection.execute(table.delete())
    service = pair.service
    assert replay(service, pair.home.store, row["id"], yes=True)

    def is_paid() -> bool:
        pair.works(service)
        return bool(pair.bill(recording))

    wait_until(is_paid, within_s=20, what="it is looked up and paid")
    assert pair.bill(recording) == [THEIR_PROVIDER]


@pytest.mark.slow
@pytest.mark.parametrize("by", ["reconcile", "backfill"])
def test_taking_up_asks_each_workspace_with_its_key_and_names_its_numbers(
    pair: Pair, capsys: pytest.CaptureFixture[str], by: str
) -> None:
    recordings = {
        "default": [pair.recorded("default")],
        THEIRS: [pair.recorded(THEIRS), pair.recorded(THEIRS)],
    }
    service = pair.service
    chosen = list(service.workspaces.values())
    assert take_up(service, chosen, by=by, reach_s=DAY_S, is_dry=False, yes=True)
    said = capsys.readouterr().out
    assert "Workspace default: 1 finished" in said
    assert "Workspace theirs: 2 finished" in said
    for name, ids in recordings.items():
        other = THEIRS if name == "default" else "default"
        for recording in ids:
            assert pair.home.store.load(name, recording).version
            assert not pair.home.store.load(other, recording).version


def test_taking_up_one_workspace_leaves_the_other_alone(pair: Pair) -> None:
    ours, theirs = pair.recorded("default"), pair.recorded(THEIRS)
    service = pair.service
    assert take_up(
        service, [service.workspaces[THEIRS]], by="backfill", reach_s=DAY_S, is_dry=False, yes=True
    )
    assert pair.home.store.load(THEIRS, theirs).version
    assert not pair.home.store.load("default", ours).version


def test_one_id_in_two_workspaces_is_shown_by_naming_the_workspace(pair: Pair) -> None:
    recording = pair.hears(THEIRS)
    pair.hears("default", recording=recording)
    pair.service.receive()
    with pytest.raises(AfterwordError, match=f"--workspace {THEIRS}"):
        find(pair.home.store, recording)
    for name in pair.workspaces:
        assert find(pair.home.store, recording, workspace=name).transcription.state.workspace == name
    said = pair.home.run("show", recording, "--workspace", THEIRS, "--json")
    assert (said.code, said.json["workspace"]) == (0, THEIRS)


def test_check_asks_with_each_key_and_names_the_workspace_whose_key_is_refused(pair: Pair) -> None:
    pair.home.place.recall.settings(workspaces={})  # their key is nobody's now
    accounts = Accounts(pair.home.settings, lambda note: None, workspaces=pair.workspaces)
    (problem,) = accounts.problems()
    assert problem.startswith("Workspace theirs: Recall refuses the API key")


# -- a workspace that was taken out of the settings ---------------------------------------------------


@pytest.mark.slow
def test_a_removed_workspaces_news_is_neither_lost_nor_paid_under_another_key(pair: Pair) -> None:
    recording, service = pair.hears(THEIRS), pair.service_without
    ours = pair.hears("default")
    pair.works(service)
    assert pair.bill(ours) == [FIRST], "the other one goes on"
    assert (pair.bill(recording), pair.home.store.load(THEIRS, recording).version) == ([], 0)
    assert not pair.home.store.has_unapplied(), "nothing to wake a worker for"
    (kept,) = pair.home.store.undone_elsewhere({"default"}).items()
    assert kept == (THEIRS, 1)
    back = pair.service
    with suppress(QueueUnavailable):  # no Redis here, which the end of a sweep needs
        back.sweep()
    pair.works(back)
    assert pair.bill(recording) == [THEIR_PROVIDER]


@pytest.mark.slow
def test_a_removed_workspaces_steps_wait_uncounted_and_go_on_when_it_is_back(pair: Pair) -> None:
    recording = pair.hears(THEIRS)
    pair.service.receive()
    (item,) = pair.home.store.due(9, offer_again_s=0.0)
    without = pair.service_without
    for _ in range(12):  # more than the tries after which a command is given up
        without.perform(item.id)
        with pair.home.store.writing() as connection:
            connection.exec_driver_sql("UPDATE commands SET due_at = 0")
    assert pair.home.store.due(9, offer_again_s=0.0) == []
    pause = pair.home.store.paused(THEIRS)
    assert pause is not None
    assert pause.subject is PauseSubject.WORKSPACE_UNKNOWN
    back = pair.service
    with suppress(QueueUnavailable):  # no Redis here, which the end of a sweep needs
        back.sweep()
    pair.works(back)
    assert pair.bill(recording) == [THEIR_PROVIDER]


@pytest.mark.slow
def test_a_removed_workspaces_recordings_are_told_by_check_and_status_and_not_retried(pair: Pair) -> None:
    recording = pair.failed(THEIRS)
    waiting = pair.hears(THEIRS)
    for command in ("check", "status"):
        said = pair.home.run(command, "--json")
        told = " ".join(said.json["problems"])
        assert said.code == 1
        assert "The workspace 'theirs' is not in these settings" in told, command
    assert "'theirs' is not in these settings" in pair.home.run("show", recording).out
    version = pair.home.store.load(THEIRS, recording).version
    said = pair.home.run("retry", recording, "--budget", "4", "--yes")
    assert said.code == 1
    assert "'theirs' is not in these settings" in said.err
    assert pair.home.store.load(THEIRS, recording).version == version
    with pytest.raises(WorkspaceUnknown):
        pair.service_without.advance(
            THEIRS, waiting, events.RetryAsked(pair.home.store.now(), 3), Source(by="person")
        )
    assert list(standings_of(pair.home.store, pair.workspaces).problems()) == []
