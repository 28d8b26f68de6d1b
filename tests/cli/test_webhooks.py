"""`webhooks`: what a person sees of endpoints and announcements, and does by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from app.adapters.sql.announcements import Try
from app.adapters.sql.outgoing_tables import outgoing
from app.announce.news import News
from app.core import events
from app.core.machine import Decision
from app.core.state import Phase
from app.settings.environment import load_settings
from tests.announce.receiver import SECRET, Receiver, policy_of, receiving
from tests.cli.conftest import Home
from tests.contract.store_builders import HAND, RECORDING, WORKSPACE, begin
from tests.ports import free_port

GONE = Try("410", 0.01, is_gone=True, body="{}")


@pytest.fixture
def receiver(home: Home, tmp_path: Path) -> Iterator[Receiver]:
    """The endpoint `crm`; `dead` is another, where nothing listens."""
    with receiving() as running:
        urls = {"crm": f"{running.url}?key=Zq9", "dead": f"http://127.0.0.1:{free_port()}/"}
        (tmp_path / "policy.toml").write_text(policy_of(urls), "utf-8")
        home.monkeypatch.setenv("AFTERWORD_POLICY", str(tmp_path / "policy.toml"))
        home.monkeypatch.setenv("HOOK_SECRET", SECRET)
        yield running


def ended(home: Home) -> dict[str, int]:
    """A recording ends; the numbers of what is announced, by endpoint."""
    begin(home.store)
    before = home.store.load(WORKSPACE, RECORDING)
    after = replace(before.transcription, phase=Phase.STORED, current="t1", verdict="spoken")
    event = events.Published(1.0, "t1", "deepgram_async", None)
    news = News(load_settings().endpoints)(before.transcription, after)
    done = home.store.commit(before, Decision(after), event=event, source=HAND, news=news)
    return {one.endpoint: one.id for one in done.announcements}


def settle(home: Home, number: int, tried: Try, endpoint: str = "crm") -> None:
    (digest,) = (one.digest for one in load_settings().endpoints if one.name == endpoint)
    taken = home.store.take_announcement(number, endpoint, digest, lease_s=30, probe_s=9)
    assert taken is not None
    home.store.settle_announcement(taken, tried, digest=digest, next_after_s=5, open_s=60)


def listed(home: Home) -> dict[str, Any]:
    said = home.run("webhooks", "list", "--json")
    return {one["endpoint"]: one for one in map(json.loads, said.out.splitlines())}


def test_the_list_says_how_each_is_and_no_more_of_its_address_than_may_be_seen(
    home: Home, receiver: Receiver
) -> None:
    number = ended(home)["crm"]
    settle(home, number, GONE)
    crm, dead = listed(home)["crm"], listed(home)["dead"]
    assert (crm["state"], crm["waiting"], crm["url"]) == ("disabled", 1, receiver.url)
    assert (dead["state"], dead["waiting"], dead["last_delivered_at"]) == ("ok", 1, None)
    shown = home.run("webhooks", "list").out
    assert "disabled" in shown
    assert "Zq9" not in shown


def test_enabling_lets_what_waits_be_sent(home: Home, receiver: Receiver) -> None:
    settle(home, ended(home)["crm"], GONE)
    said = home.run("webhooks", "enable", "crm")
    assert (said.code, "1 waiting" in said.out) == (0, True)
    assert listed(home)["crm"]["state"] == "ok"


def test_an_endpoint_that_is_no_more_is_told_with_what_waits_for_it(home: Home, receiver: Receiver) -> None:
    ended(home)
    home.monkeypatch.setenv("AFTERWORD_POLICY", "")
    said = home.run("webhooks", "list")
    assert "[webhooks.NAME]" in said.out
    assert "1 waiting for crm, which is not in the policy" in said.err
    refused = home.run("webhooks", "enable", "crm")
    assert (refused.code, "there is none" in refused.err) == (1, True)


@pytest.mark.slow
def test_deliveries_show_each_try_and_one_is_sent_again_by_its_number(home: Home, receiver: Receiver) -> None:
    assert "Nothing was announced" in home.run("webhooks", "deliveries").out
    number = ended(home)["crm"]
    settle(home, number, Try("503", 0.02, body="{}"))
    (one,) = map(
        json.loads, home.run("webhooks", "deliveries", "--endpoint", "crm", "--json").out.splitlines()
    )
    assert (one["number"], one["recording_id"], one["status"]) == (number, RECORDING, "waiting")
    assert [(tried["answer"], tried["took_ms"]) for tried in one["tries"]] == [("503", 20)]
    assert "503" in home.run("webhooks", "deliveries", "--recording", RECORDING[:8]).out
    assert home.run("webhooks", "resend", str(number)).code == 0
    assert home.store.read_value(sa.select(outgoing.c.tries).where(outgoing.c.id == number)) == 0
    assert home.run("webhooks", "resend", one["webhook_id"]).code == 0
    for unknown in ("99", "9" * 30, "no-such-id"):
        missing = home.run("webhooks", "resend", unknown)
        assert (missing.code, f"no announcement {unknown}" in missing.err) == (1, True)


def test_resending_to_a_disabled_endpoint_says_that_it_waits(home: Home, receiver: Receiver) -> None:
    number = ended(home)["crm"]
    settle(home, number, GONE)
    said = home.run("webhooks", "resend", str(number))
    assert said.code == 1
    assert "webhooks enable crm" in said.out


def test_a_test_says_what_came_back(home: Home, receiver: Receiver) -> None:
    assert home.run("webhooks", "test", "crm").code == 0
    (came,) = receiver.received
    assert json.loads(came.body)["type"] == "webhook.test"
    receiver.answer = lambda _: (401, {})
    refused = home.run("webhooks", "test", "crm")
    assert (refused.code, "crm answered 401" in refused.out, "secret" in refused.out) == (1, True, True)
    dead = home.run("webhooks", "test", "dead")
    assert (dead.code, "Nothing listens there" in dead.out) == (1, True)
    nobody = home.run("webhooks", "test", "nobody")
    assert (nobody.code, "there are crm, dead" in nobody.err) == (1, True)


def test_check_names_a_workspace_that_is_not_there(home: Home, receiver: Receiver, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(policy.read_text("utf-8") + 'workspaces = ["eu"]\n', "utf-8")
    said = home.run("check")
    assert "[webhooks.dead] is for the workspace eu, which is not there" in said.out
