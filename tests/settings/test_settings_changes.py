"""What stands otherwise on disk than when a process read it; names and digests, never a value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.settings import environment as config
from app.settings.changes import changed_since, is_reloadable, settings_fingerprint
from tests.settings.conftest import GOOD, OTHER_WEBHOOK_SECRET

ENV_FILE = "RECALL_API_KEY=Zq9-first\nPORT=8001\nOTHER_PROGRAMS=x\n"


@pytest.fixture
def known(root: Path) -> dict[str, Any]:
    """Of a process whose environment has two settings, one of them by file."""
    (root / ".env").write_text(ENV_FILE)
    (root / "secret").write_text(GOOD["RECALL_WEBHOOK_SECRETS"])
    (root / "policy.toml").write_text("attempts = 2")
    environ = {"RECALL_WEBHOOK_SECRETS_FILE": "secret", "RECALL_REGION": "us-west-2", "PATH": "/Zq9"}
    # As from the database.
    return dict(json.loads(json.dumps(settings_fingerprint(environ, root=root))))


def test_nothing_has_changed_at_first_and_no_value_is_in_it(known: dict[str, Any]) -> None:
    assert changed_since(known) == []
    text = json.dumps(known)
    assert len(text) < 3000
    for value in ("Zq9", GOOD["RECALL_WEBHOOK_SECRETS"][6:], "8001", "us-west-2", "attempts"):
        assert value not in text.replace(known["salt"], "")
    assert set(known["digests"]) == {"RECALL_API_KEY", "PORT", "RECALL_WEBHOOK_SECRETS", "policy.toml"}
    assert {len(digest) for digest in known["digests"].values()} == {4}, "too few to find a password by"


def test_each_place_that_changes_is_named(known: dict[str, Any], root: Path) -> None:
    (root / ".env").write_text(ENV_FILE.replace("Zq9-first", "Zq9-second"))
    assert changed_since(known) == ["RECALL_API_KEY"]
    (root / "secret").write_text(OTHER_WEBHOOK_SECRET)
    assert changed_since(known) == ["RECALL_API_KEY", "RECALL_WEBHOOK_SECRETS"]
    (root / "policy.toml").write_text("attempts = 3")
    assert changed_since(known) == ["RECALL_API_KEY", "RECALL_WEBHOOK_SECRETS", "policy.toml"]
    (root / ".env").write_text(ENV_FILE)
    (root / "secret").write_text(GOOD["RECALL_WEBHOOK_SECRETS"] + "\n")
    (root / "policy.toml").write_text("attempts = 2")
    assert changed_since(known) == [], "put back as it was"


def test_what_comes_and_what_goes_is_named(known: dict[str, Any], root: Path) -> None:
    (root / ".env").write_text("RECALL_API_KEY=Zq9-first\nAFTERWORD_WORKERS=9\n")
    (root / "policy.toml").unlink()
    assert changed_since(known) == ["AFTERWORD_WORKERS", "PORT", "policy.toml"]
    (root / "secret").unlink()
    assert "RECALL_WEBHOOK_SECRETS" in changed_since(known)


def test_what_the_environment_sets_is_no_matter_of_the_disk(known: dict[str, Any], root: Path) -> None:
    (root / ".env").write_text(f"{ENV_FILE}RECALL_REGION=eu-central-1\nOTHER_PROGRAMS=y\n")
    assert changed_since(known) == []


def test_an_env_file_that_cannot_be_read_any_more_is_named(known: dict[str, Any], root: Path) -> None:
    (root / ".env").unlink()
    (root / ".env").mkdir()
    assert changed_since(known) == [".env"]


@pytest.mark.parametrize("path", ["~nobody-of-that-name/policy.toml", "a\0b", ".", "a" * 5000])
def test_a_policy_where_none_can_be_is_no_trouble(root: Path, path: str) -> None:
    found = settings_fingerprint({"AFTERWORD_POLICY": path}, root=root)
    assert found["digests"] == {}
    assert changed_since(found) == []


def test_an_isolated_process_reads_neither_env_file_nor_policy(root: Path) -> None:
    (root / ".env").write_text(ENV_FILE)
    known = settings_fingerprint({"AFTERWORD_ISOLATED": "1"}, root=root)
    (root / "policy.toml").write_text("attempts = 2")
    (root / ".env").write_text("PORT=1")
    assert (known["digests"], changed_since(known)) == ({}, [])


def test_two_processes_with_the_same_settings_have_digests_of_their_own(root: Path) -> None:
    (root / ".env").write_text("".join(f"{name}=x\n" for name in sorted(config.NAMES)))
    first, second = (settings_fingerprint({}, root=root)["digests"] for _ in range(2))
    assert first.keys() == second.keys()
    assert first != second


@pytest.mark.parametrize(
    "found", [{}, {"digests": 3}, {"digests": {}, "salt": "x"}, {"digests": {"PORT": "1"}}]
)
def test_what_is_no_fingerprint_has_no_changes(found: dict[str, Any]) -> None:
    assert changed_since(found) == []


def test_what_a_running_service_takes_up_is_told_from_what_waits_for_a_restart() -> None:
    assert config.RELOADABLE <= config.NAMES
    assert is_reloadable("RECALL_API_KEY")
    assert is_reloadable("policy.toml")
    for name in ("AFTERWORD_HOME", "HOST", "PORT", "DATABASE_URL", "REDIS_URL", "STORAGE_URL", ".env"):
        assert not is_reloadable(name)


HOOKS = """
[webhooks.crm]
url = "https://a.example/"
secret_file = "crm.secret"
[webhooks.chat]
url = "https://b.example/"
secret_env = "CHAT_SECRET"
[webhooks.set]
url = "https://c.example/"
secret_env = "SET_SECRET"
"""


def test_a_webhooks_secret_that_changes_is_named_wherever_it_stands(root: Path) -> None:
    (root / "policy.toml").write_text(HOOKS)
    (root / "crm.secret").write_text(GOOD["RECALL_WEBHOOK_SECRETS"])
    (root / ".env").write_text("CHAT_SECRET=Zq9-first\nSET_SECRET=x\n")
    known = json.loads(json.dumps(settings_fingerprint({"SET_SECRET": "Zq9-set"}, root=root)))
    assert changed_since(known) == []
    assert "Zq9" not in json.dumps(known).replace(known["salt"], "")
    (root / ".env").write_text("CHAT_SECRET=Zq9-second\nSET_SECRET=y\n")
    assert changed_since(known) == ["CHAT_SECRET"]
    (root / "crm.secret").write_text(OTHER_WEBHOOK_SECRET)
    assert changed_since(known) == ["CHAT_SECRET", "webhooks.crm.secret_file"]
    assert all(map(is_reloadable, changed_since(known)))
    (root / "crm.secret").unlink()
    assert "webhooks.crm.secret_file" in changed_since(known)


@pytest.mark.parametrize(
    "policy", ["webhooks = 3", "[webhooks]\ncrm = 1", "[webhooks.crm]\nsecret_file = 7", "["]
)
def test_a_policy_that_is_wrong_is_no_trouble_here(root: Path, policy: str) -> None:
    (root / "policy.toml").write_text(policy)
    known = settings_fingerprint({}, root=root)
    assert (set(known["digests"]), changed_since(known)) == ({"policy.toml"}, [])
