"""Object stores: which of the vendors' names count, who may not use them, and what is loaded for them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from app.adapters.object_store_url import _NAMES, from_url
from app.cli.dev_tools import clean_environment
from app.errors import BlobError, ConfigError
from app.settings.changes import names_by_field
from app.settings.environment import load_settings
from app.settings.object_stores import PREFIXES
from app.settings.program_name import ROOT
from tests.settings.conftest import GOOD, Load, Problems

LOOPBACK = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9000"}


def test_the_vendors_own_names_count_from_the_environment_and_from_the_file(root: Path) -> None:
    (root / ".env").write_text(
        "AWS_ACCESS_KEY_ID=k\nAWS_SECRET_ACCESS_KEY=in-the-file\nAWS_REGION=eu-west-1\n"
    )
    given = {**GOOD, "STORAGE_URL": "s3://bucket/a/b/", "AWS_REGION": "us-east-2", "AWS_PROFILE": "other"}
    settings = load_settings(given, root=root)
    assert settings.storage_url == "s3://bucket/a/b"
    assert settings.storage_environment["AWS_SECRET_ACCESS_KEY"] == "in-the-file"
    assert settings.storage_environment["AWS_REGION"] == "us-east-2"
    assert "in-the-file" not in repr(settings)
    assert from_url(settings.storage_url, settings.storage_environment).name == "s3://bucket/a/b"
    assert "storage_environment" in names_by_field(reload=True)


def why_not(scheme: str, name: str) -> str:
    try:
        from_url(f"{scheme}://bucket", {"AZURE_STORAGE_ACCOUNT_NAME": "x", name: "nonsense"})
    except BlobError as error:
        return str(error)
    return ""


@pytest.mark.slow
@pytest.mark.parametrize("scheme", _NAMES)
def test_every_name_that_counts_is_one_that_the_store_knows(scheme: str) -> None:
    """And is in the document. With nonsense for a value it may only be called wrong, not unknown."""
    said = (ROOT / "docs/storage.md").read_text("utf-8")
    for name in _NAMES[scheme]:
        assert name.startswith(PREFIXES)
        assert f"`{name}`" in said, name
        assert "Configuration key" not in why_not(scheme, name), name


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"AWS_ENDPOINT_URL": "http://minio:9000"}, "AWS_ENDPOINT_URL is http://.*AWS_ALLOW_HTTP=true"),
        ({"AWS_ENDPOINT_URL_S3": "user:secret@host"}, "AWS_ENDPOINT_URL_S3 must be an address"),
        ({"AWS_ENDPOINT_URL": "https://user:secret@host"}, "AWS_ENDPOINT_URL must be an address"),
        ({"AWS_ENDPOINT_URL": "http://minio:9000", "AWS_ALLOW_HTTP": "true"}, None),
        ({"AWS_ENDPOINT_URL": "http://[::1]:9000"}, None),
    ],
)
def test_a_wrong_endpoint_is_a_problem_and_one_in_the_clear_is_a_decision(
    problems: Problems, changes: dict[str, str], fault: str | None
) -> None:
    found = problems(STORAGE_URL="s3://bucket", **changes)
    assert len(found) == (fault is not None)
    if fault is not None:
        assert re.search(fault, found[0])
        assert "secret" not in found[0]


@pytest.mark.parametrize(
    ("changes", "is_fine"),
    [
        ({"STORAGE_URL": "s3://bucket"}, False),
        ({"STORAGE_URL": "s3://bucket", "AWS_ENDPOINT_URL": "https://minio.example"}, False),
        ({"STORAGE_URL": "gs://bucket", **LOOPBACK}, False),
        ({"STORAGE_URL": "s3://bucket", **LOOPBACK}, True),
        ({"STORAGE_URL": "az://bucket", "AZURE_STORAGE_USE_EMULATOR": "true"}, True),
    ],
)
def test_an_isolated_command_uses_a_store_on_this_machine_or_none(
    root: Path, changes: dict[str, str], is_fine: bool
) -> None:
    isolated = {"AFTERWORD_ISOLATED": "1", "RECALL_API_BASE_URL": "http://127.0.0.1:1"}
    given = {**GOOD, **isolated, **changes}
    given.pop("RECALL_REGION", None)
    if is_fine:
        assert load_settings(given, root=root).storage_url == changes["STORAGE_URL"]
    else:
        with pytest.raises(ConfigError, match="on this machine"):
            load_settings(given, root=root)


def test_tests_chaos_and_bench_see_no_key_of_a_store(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [*_NAMES["s3"], *_NAMES["gs"], *_NAMES["az"], "AWS_PROFILE", "SERVICE_ACCOUNT", "MSI_ENDPOINT"]
    for name in names:
        monkeypatch.setenv(name, "x")
    assert not set(names) & clean_environment().keys()


_LOADED = """
import sys
from app import wiring
from app.settings.environment import load_settings
from workers.up import preload
settings = load_settings()
preload(settings)
wiring.open_blobs(settings).check()
print("obstore" in sys.modules)
"""


@pytest.mark.slow
def test_the_stores_library_is_not_loaded_for_files(tmp_path: Path) -> None:
    given = {
        **clean_environment(),
        **{"AFTERWORD_ISOLATED": "1", "AFTERWORD_HOME": str(tmp_path), "RECALL_API_KEY": "k"},
        **{"RECALL_API_BASE_URL": "http://127.0.0.1:1", "RECALL_WEBHOOK_SECRETS": "whsec_" + "A" * 32},
    }
    said = subprocess.run(
        [sys.executable, "-c", _LOADED], cwd=ROOT, env=given, capture_output=True, text=True, check=False
    )
    assert said.stdout.split()[-1] == "False", said.stdout + said.stderr


def test_a_reload_takes_new_keys_of_a_store(load: Load) -> None:
    from workers.up import changed_names, with_changes

    before = load(STORAGE_URL="s3://bucket", AWS_SECRET_ACCESS_KEY="old")
    after, waits = with_changes(before, load(STORAGE_URL="s3://bucket", AWS_SECRET_ACCESS_KEY="new"))
    assert after.storage_environment["AWS_SECRET_ACCESS_KEY"] == "new"
    assert waits == []
    assert changed_names(before, after) == ["the object store's own settings"]
