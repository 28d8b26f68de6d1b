"""What the settings come out as, and where they come from."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from app.errors import ConfigError
from app.processes.home_lock import make_home
from app.recall import limits
from app.recall.signatures import parse_secret
from app.settings import environment
from app.settings.environment import load_settings
from app.settings.program_name import ROOT
from tests.policies import built_in
from tests.settings.conftest import GOOD, OTHER_WEBHOOK_SECRET, WEBHOOK_SECRET, Load, Problems


def test_three_settings_are_enough_and_the_rest_is_as_documented(load: Load, root: Path) -> None:
    settings = load()
    assert settings.api_key == GOOD["RECALL_API_KEY"]
    assert settings.api_base_url == "https://us-west-2.recall.ai"
    assert settings.home == root / "var"
    assert settings.database_url == f"sqlite:///{root}/var/afterword.db"
    assert settings.redis_url is None
    assert settings.storage_url == (root / "var" / "transcripts").as_uri()
    assert settings.policy == built_in()
    assert (settings.workers, settings.host, settings.port) == (4, "127.0.0.1", 8000)
    assert (settings.api_keys, settings.ops_password) == ((), None)
    assert (settings.time_scale, settings.warnings) == (1.0, ())
    assert settings.durations == settings.policy.durations


@pytest.mark.parametrize("region", limits.REGIONS)
def test_region_makes_the_address(load: Load, region: str) -> None:
    assert load(RECALL_REGION=region).api_base_url == f"https://{region}.recall.ai"


def test_base_url_makes_the_region_unnecessary(load: Load) -> None:
    settings = load(RECALL_REGION=None, RECALL_API_BASE_URL="http://127.0.0.1:8099/")
    assert settings.api_base_url == "http://127.0.0.1:8099"


def test_base_url_may_stand_beside_its_own_region(load: Load) -> None:
    url = "https://us-west-2.recall.ai"
    assert load(RECALL_API_BASE_URL=url).api_base_url == url


def test_relative_paths_belong_to_the_root_not_to_the_working_directory(
    load: Load, root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (root / "mine.toml").write_text("attempts = 2")
    (root / "key").write_text("from-a-file\n")
    settings = load(
        AFTERWORD_HOME="./data",
        DATABASE_URL="sqlite:///db/a.db",
        AFTERWORD_POLICY="mine.toml",
        RECALL_API_KEY=None,
        RECALL_API_KEY_FILE="key",
    )
    assert settings.home == root / "data"
    assert settings.database_url == f"sqlite:///{root}/db/a.db"
    assert settings.policy.attempts == 2
    assert settings.api_key == "from-a-file"


def test_embedded_data_follows_the_home(load: Load, tmp_path: Path) -> None:
    settings = load(AFTERWORD_HOME=str(tmp_path / "h"))
    assert settings.database_url == f"sqlite:///{tmp_path}/h/afterword.db"
    assert settings.storage_url == f"file://{tmp_path}/h/transcripts"


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("postgresql://ops:pw@db/afterword", "postgresql://ops:pw@db/afterword"),
        (
            "postgres://ops:pw@db:5432/afterword?sslmode=require",
            "postgresql://ops:pw@db:5432/afterword?sslmode=require",
        ),
        ("sqlite:////srv/a b.db", "sqlite:////srv/a b.db"),
    ],
)
def test_database_addresses_come_out_as_sqlalchemy_takes_them(load: Load, given: str, used: str) -> None:
    assert load(DATABASE_URL=given).database_url == used


@pytest.mark.parametrize("url", ["redis://h:6379/0", "rediss://:p@h/0", "unix:///run/redis.sock?db=1"])
def test_redis_addresses_are_taken_as_they_are(load: Load, url: str) -> None:
    assert load(REDIS_URL=url).redis_url == url


def test_secrets_may_be_several_and_of_both_names_and_one_of_them_twice(load: Load) -> None:
    settings = load(
        RECALL_WEBHOOK_SECRETS=f" {WEBHOOK_SECRET},\n blue={OTHER_WEBHOOK_SECRET} ",
        RECALL_WORKSPACE_VERIFICATION_SECRET=WEBHOOK_SECRET,
    )
    assert settings.webhook_secrets == (
        parse_secret(WEBHOOK_SECRET),
        parse_secret(f"blue={OTHER_WEBHOOK_SECRET}"),
    )
    assert settings.webhook_secrets[1].label == "blue"


def test_recalls_own_name_for_the_secret_is_enough(load: Load) -> None:
    settings = load(RECALL_WEBHOOK_SECRETS=None, RECALL_WORKSPACE_VERIFICATION_SECRET=WEBHOOK_SECRET)
    assert settings.webhook_secrets == (parse_secret(WEBHOOK_SECRET),)


def test_without_webhooks_no_secret_is_needed(load: Load, root: Path) -> None:
    (root / "policy.toml").write_text("poll_only = true")
    assert load(RECALL_WEBHOOK_SECRETS=None).webhook_secrets == ()


def test_api_keys_have_names_and_scopes(load: Load) -> None:
    digests = "0" * 64, "f" * 64
    scopes = ("transcriptions:read", "transcriptions:write")
    given = f"bi=config:read={digests[0]}  my-app={'+'.join(scopes)}={digests[1]}"
    reader, writer = load(AFTERWORD_API_KEYS=given).api_keys
    assert (reader.name, reader.scopes, reader.digest) == ("bi", frozenset({"config:read"}), digests[0])
    assert (writer.name, writer.scopes, writer.digest) == ("my-app", frozenset(scopes), digests[1])


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "::1", "localhost", "web-1.internal"])
def test_hosts_are_addresses_or_names(load: Load, host: str) -> None:
    assert load(HOST=host, PORT="65535").host == host


def test_blanks_around_a_value_are_dropped_and_an_empty_one_is_none(load: Load) -> None:
    settings = load(RECALL_API_KEY="  abc \n", DATABASE_URL="  ", AFTERWORD_OPS_PASSWORD="")
    assert (settings.api_key, settings.ops_password) == ("abc", None)
    assert settings.database_url.startswith("sqlite:///")


@pytest.mark.parametrize("name", environment.SECRET_NAMES)
def test_every_secret_can_come_from_a_file(load: Load, root: Path, name: str) -> None:
    values = {
        "RECALL_API_KEY": "key-of-a-file",
        "RECALL_WEBHOOK_SECRETS": OTHER_WEBHOOK_SECRET,
        "RECALL_WORKSPACE_VERIFICATION_SECRET": OTHER_WEBHOOK_SECRET,
        "DATABASE_URL": "postgres://u:p@h/d",
        "REDIS_URL": "redis://:p@h/0",
        "AFTERWORD_API_KEYS": f"bi=config:read={'0' * 64}",
        "AFTERWORD_OPS_PASSWORD": "open sesame",
        "AFTERWORD_METRICS_TOKEN": "scraper-0123456789",
    }
    (root / "secret").write_text(f"\ufeff{values[name]}\n", "utf-8")
    by_file = load(**{name: None, f"{name}_FILE": "secret"})
    by_value = load(**{name: values[name]})
    assert by_file == by_value
    assert by_value != load()


def test_env_file_is_read_and_the_environment_wins_over_it(root: Path) -> None:
    lines = [
        "# a comment",
        f"RECALL_API_KEY='{GOOD['RECALL_API_KEY']}'",
        "export RECALL_REGION=eu-central-1",
        f'RECALL_WEBHOOK_SECRETS="{WEBHOOK_SECRET}"',
        "AFTERWORD_OPS_PASSWORD=pa$$word${HOME}#x",
        "AFTERWORD_WORKERS=2",
        "PORT=",
    ]
    (root / ".env").write_text("\n".join(lines))
    settings = load_settings({"AFTERWORD_WORKERS": "7"}, root=root)
    assert (settings.region, settings.workers, settings.port) == ("eu-central-1", 7, 8000)
    assert settings.ops_password == "pa$$word${HOME}#x"  # nothing is expanded in a password
    assert settings.webhook_secrets == (parse_secret(WEBHOOK_SECRET),)


def test_ngrok_domain_is_read_from_the_env_file_too(load: Load, root: Path) -> None:
    assert load().ngrok_domain is None
    (root / ".env").write_text("NGROK_DOMAIN=mine.ngrok.app\n")
    assert load().ngrok_domain == "mine.ngrok.app"


def test_empty_variable_of_the_environment_unsets_what_the_env_file_says(root: Path) -> None:
    (root / ".env").write_text("AFTERWORD_OPS_PASSWORD=x\n")
    assert load_settings({**GOOD, "AFTERWORD_OPS_PASSWORD": ""}, root=root).ops_password is None


def test_env_file_that_begins_with_a_byte_order_mark_is_read(root: Path) -> None:
    (root / ".env").write_text("\ufeffAFTERWORD_WORKERS=3\n", "utf-8")
    assert load_settings(GOOD, root=root).workers == 3


def test_own_environment_is_read_when_none_is_given(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("AFTERWORD_", "RECALL_")) or name in (
            "HOST",
            "PORT",
            "DATABASE_URL",
            "REDIS_URL",
        ):
            monkeypatch.delenv(name)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    assert load_settings(root=root).api_key == GOOD["RECALL_API_KEY"]


ISOLATED = {"AFTERWORD_ISOLATED": "1", "RECALL_REGION": None, "RECALL_API_BASE_URL": "http://127.0.0.1:1"}


def test_isolated_commands_read_neither_env_file_nor_policy_lying_about(load: Load, root: Path) -> None:
    (root / ".env").write_text("AFTERWORD_WORKERS=9\nthis is not a line")
    (root / "policy.toml").write_text("attempts = 1")
    settings = load(**ISOLATED)
    assert (settings.workers, settings.policy) == (4, built_in())


@pytest.mark.parametrize("value", ["1", "true", "yes"])
@pytest.mark.parametrize("url", [None, "https://us-west-2.recall.ai", "https://recall.example.com"])
def test_isolated_commands_refuse_a_recall_that_is_elsewhere(
    problems: Problems, url: str | None, value: str
) -> None:
    (found,) = problems(AFTERWORD_ISOLATED=value, RECALL_API_BASE_URL=url)
    assert "only ever talks to a Recall on this machine" in found


def test_time_scale_divides_every_duration(load: Load) -> None:
    settings = load(RECALL_REGION=None, RECALL_API_BASE_URL="http://localhost:1", AFTERWORD_TIME_SCALE="60")
    assert settings.time_scale == 60
    assert settings.durations == built_in().durations.scaled(60)


def test_home_is_made_for_its_owner_alone(load: Load, root: Path) -> None:
    settings = load(AFTERWORD_HOME="deep/er")
    make_home(settings.home)
    make_home(settings.home)
    assert stat.S_IMODE((root / "deep" / "er").stat().st_mode) == 0o700


def test_home_that_cannot_be_made_is_a_problem_with_a_remedy(load: Load, root: Path) -> None:
    (root / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be made .*choose another"):
        make_home(load(AFTERWORD_HOME="file/below").home)


def test_env_example_names_only_settings_that_exist_and_all_a_person_needs() -> None:
    text = (ROOT / ".env.example").read_text("utf-8")
    lines = [line.removeprefix("#") for line in text.splitlines()]
    named = {name for name, sign, _ in (line.partition("=") for line in lines) if sign and name.isupper()}
    assert named <= environment.NAMES
    internal = {
        "AFTERWORD_ISOLATED",
        "AFTERWORD_PYTHON",
        "AFTERWORD_TIME_SCALE",
        "RECALL_WORKSPACE_VERIFICATION_SECRET",
    }
    assert environment.NAMES - internal <= named


def test_env_example_copied_as_it_is_asks_for_exactly_the_three_first(root: Path) -> None:
    (root / ".env").write_text((ROOT / ".env.example").read_text("utf-8"))
    with pytest.raises(ConfigError) as error:
        load_settings({}, root=root)
    assert [problem.split()[0] for problem in error.value.problems] == [
        "RECALL_REGION",
        "RECALL_API_KEY",
        "RECALL_WEBHOOK_SECRETS",
    ]
