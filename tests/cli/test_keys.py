"""`keys`: shown once, kept as a digest; who may start paying is said."""

from __future__ import annotations

import json
import sqlite3

import pytest

from app.api.keys import Keyring, digest_of
from tests.cli.conftest import Home


def test_a_key_is_shown_once_and_opens_and_only_its_digest_is_kept(home: Home) -> None:
    assert home.run("keys", "list").out == "None.\n"
    made = home.run("keys", "create", "crm", "--scope", "transcriptions:read", "--scope", "config:read")
    assert made.code == 0
    key = made.out.strip()
    assert len(key) > 40
    assert "once" in made.err
    found = Keyring(home.store.access_keys).key_of(f"Bearer {key}")
    assert found is not None
    assert (found.name, found.workspace) == ("crm", None)
    assert found.scopes == {"transcriptions:read", "config:read"}

    listed = home.run("keys", "list", "--json").json
    assert listed["name"] == "crm"
    assert listed["scopes"] == ["config:read", "transcriptions:read"]
    told = home.run("keys", "list")
    file = home.settings.database_file
    assert file is not None
    with sqlite3.connect(file) as connection:
        dumped = "\n".join(connection.iterdump())
    for text in (told.out, told.err, json.dumps(listed), dumped):
        assert key not in text
    assert digest_of(key) in dumped
    assert digest_of(key) not in told.out


def test_a_revoked_key_opens_nothing_and_keeps_its_name(home: Home) -> None:
    key = home.run("keys", "create", "crm", "--scope", "transcriptions:read").out.strip()
    assert home.run("keys", "revoke", "crm").code == 0
    assert Keyring(home.store.access_keys).key_of(f"Bearer {key}") is None
    assert "revoked" in home.run("keys", "list").out
    assert home.run("keys", "revoke", "crm").code == 1
    again = home.run("keys", "create", "crm", "--scope", "transcriptions:read")
    assert again.code == 1
    assert "another name" in again.err


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ("create", "crm"),
        ("create", "crm", "--scope", "everything"),
        ("create", "no name", "--scope", "config:read"),
        ("create", "crm", "--scope", "config:read", "--workspace", "nowhere"),
        ("revoke",),
    ],
)
def test_a_key_that_cannot_be_made_is_a_question_of_usage(home: Home, arguments: tuple[str, ...]) -> None:
    assert home.run("keys", *arguments).code == 2
    assert home.store.access_keys() == []


def test_who_can_start_paying_is_said_by_create_check_and_status(home: Home) -> None:
    made = home.run("keys", "create", "billing", "--scope", "config:write")
    assert "every workspace" in made.err
    home.store.set_processing("default", is_enabled=True, provider="deepgram_async", by="billing")
    for command in ("check", "status"):
        said = home.run(command)
        told = " ".join((said.out + said.err).split())
        assert "config:write can start paying for every new recording: billing" in told, command
        assert "The API key billing said so" in told
        assert "deepgram_async first" in told
