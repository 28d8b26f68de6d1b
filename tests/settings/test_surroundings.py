"""Quotes that belong to a value, and what the environment says to the libraries under the program."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import certifi
import pytest

from app.errors import ConfigError
from app.settings import environment as config
from app.settings.environment import load_settings
from app.settings.used_by_command import RECALL, STORED
from tests.settings.conftest import GOOD, Load, Problems, environment

RIGHT = {
    "RECALL_API_BASE_URL": "https://us-west-2.recall.ai",
    "RECALL_WORKSPACE_VERIFICATION_SECRET": GOOD["RECALL_WEBHOOK_SECRETS"],
    "DATABASE_URL": "postgresql://u:Zq9@h/d",
    "REDIS_URL": "redis://:Zq9@h/0",
    "AFTERWORD_API_KEYS": f"bi=config:read={'0' * 64}",
    "AFTERWORD_OPS_PASSWORD": "Zq9-open-sesame",
    "AFTERWORD_METRICS_TOKEN": "Zq9-0123456789abcdef",
    "AFTERWORD_HOME": "/data",
    "STORAGE_URL": "file:///data/transcripts",
    "PUBLIC_URL": "https://notes.example",
    "AFTERWORD_PROVIDERS": "recallai_async",
    "AFTERWORD_WORKERS": "4",
    "AFTERWORD_TIME_SCALE": "1",
    "HOST": "127.0.0.1",
    "PORT": "8000",
    "NGROK_DOMAIN": "mine.ngrok.app",
    "AFTERWORD_PYTHON": "python3",
    "AFTERWORD_ISOLATED": "0",
    **GOOD,
}


@pytest.mark.parametrize("pair", ["“”", "‘’", "„“", "«»", "``"])
@pytest.mark.parametrize("place", ["environment", ".env"])
def test_quotes_of_a_text_program_are_quotes_too_wherever_the_setting_stands(
    problems: Problems, root: Path, place: str, pair: str
) -> None:
    value = f"{pair[0]}/data{pair[1]}"
    if place == ".env":
        (root / ".env").write_text(f"AFTERWORD_HOME={value}\n", "utf-8")
    (found,) = problems(**({"AFTERWORD_HOME": value} if place == "environment" else {}))
    assert found.startswith(f"AFTERWORD_HOME: its value stands in quotes ({pair[0]})")


@pytest.mark.parametrize("quote", ['"', "'"])
@pytest.mark.parametrize("name", sorted(config.NAMES - {"AFTERWORD_POLICY"}))
def test_quotes_around_any_setting_of_the_environment_are_the_one_problem(
    problems: Problems, name: str, quote: str
) -> None:
    assert problems(**{name: RIGHT[name]}) == ()
    (found,) = problems(**{name: f" {quote}{RIGHT[name]}{quote} "})
    assert found == f"{name}: its value stands in quotes ({quote}), which are part of it; take them away."


@pytest.mark.parametrize("name", config.SECRET_NAMES)
def test_quotes_around_the_name_of_a_file_and_in_the_file_are_named_too(
    problems: Problems, root: Path, name: str
) -> None:
    (root / "bare").write_text(RIGHT[name])
    (root / "quoted").write_text(f'"{RIGHT[name]}"\n')
    (found,) = problems(**{name: None, f"{name}_FILE": "'bare'"})
    assert found.startswith(f"{name}_FILE: its value stands in quotes (')")
    (found,) = problems(**{name: None, f"{name}_FILE": "quoted"})
    assert found.startswith(f'{name}: its value stands in quotes (")')


def test_quotes_around_a_policys_path_are_named(problems: Problems, root: Path) -> None:
    (root / "mine.toml").write_text("attempts = 2")
    (found,) = problems(AFTERWORD_POLICY='"mine.toml"')
    assert found.startswith("AFTERWORD_POLICY: its value stands in quotes")


def test_all_quoted_settings_are_named_at_once(root: Path) -> None:
    quoted = {name: f'"{value}"' for name, value in RIGHT.items()}
    with pytest.raises(ConfigError) as error:
        load_settings(quoted, root=root)
    named = {problem.partition(":")[0] for problem in error.value.problems if "quotes" in problem}
    assert named == set(RIGHT)
    assert "Zq9" not in str(error.value)


def test_quotes_of_the_env_file_are_taken_away_by_its_reader(load: Load, root: Path) -> None:
    (root / ".env").write_text("AFTERWORD_HOME='/data'\nPORT=\"8001\"\nAFTERWORD_OPS_PASSWORD=\"'so'\"\n")
    settings = load()
    assert (str(settings.home), settings.port, settings.ops_password) == ("/data", 8001, "'so'")


@pytest.mark.parametrize("value", ["it's", '"', "'open", 'say "yes"', "\"mixed'"])
def test_a_quote_in_a_password_is_part_of_it(load: Load, value: str) -> None:
    assert load(AFTERWORD_OPS_PASSWORD=value).ops_password == value


# --- certificates
@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_a_file_of_certificates_that_is_not_there_is_a_problem(
    problems: Problems, root: Path, name: str
) -> None:
    assert problems(**{name: "/no-pe/ca.pem"}) == (
        f"{name}: there is no such file or folder; correct it or unset it.",
    )
    assert problems(**{name: ""}) == ()
    with pytest.raises(ConfigError):
        load_settings(environment({name: "/no-pe/ca.pem"}), root=root, used=RECALL)
    assert load_settings(environment({name: "/no-pe/ca.pem"}), root=root, used=STORED).wrong == {name}


def test_what_is_no_certificate_is_a_problem_and_what_is_one_is_not(
    problems: Problems, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        (found,) = problems(**{name: str(tmp_path / "ca.pem")})
        assert found.startswith(f"{name}: the file holds no certificates")
        assert problems(**{name: certifi.where()}) == ()
    assert problems(SSL_CERT_DIR=str(tmp_path)) == ()
    assert problems(REQUESTS_CA_BUNDLE=str(tmp_path)) == ()
    (found,) = problems(SSL_CERT_FILE=str(tmp_path))
    assert "a file is needed" in found
    (found,) = problems(SSL_CERT_DIR=certifi.where())
    assert "a folder is needed" in found


# --- proxies
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "socks4", "socks"])
def test_a_socks_proxy_without_what_it_needs_is_a_problem(problems: Problems, name: str, scheme: str) -> None:
    assert importlib.util.find_spec("socks") is None, "no lock of ours has PySocks"
    (found,) = problems(**{name: f"{scheme}://u:Zq9@proxy:1080"})
    assert found.startswith(f"{name}: names a SOCKS proxy")
    assert "pysocks" in found
    assert "Zq9" not in found


@pytest.mark.parametrize("value", ["http://", "http://proxy:port", "http://proxy:0", "http://:3128"])
def test_a_proxy_that_is_no_address_is_a_problem(problems: Problems, value: str) -> None:
    (found,) = problems(HTTPS_PROXY=value)
    assert "must be an address as in http://proxy.example:3128" in found


def test_a_proxy_whose_name_no_resolver_takes_is_a_problem(problems: Problems) -> None:
    (found,) = problems(HTTPS_PROXY="http://proxy..example:3128")
    assert "must be an address" in found


def test_a_proxy_of_another_kind_is_a_problem(problems: Problems) -> None:
    (found,) = problems(HTTPS_PROXY="ftp://proxy:21")
    assert "begins with http://" in found


@pytest.mark.parametrize(
    "changes",
    [
        {"HTTPS_PROXY": "http://u:p@proxy:3128"},
        {"HTTPS_PROXY": "proxy:3128"},
        {"HTTPS_PROXY": "socks5://proxy", "NO_PROXY": "us-west-2.recall.ai"},
        {"HTTPS_PROXY": "socks5://proxy", "no_proxy": ".recall.ai"},
        {"HTTPS_PROXY": "socks5://proxy", "NO_PROXY": "*"},
        {"HTTPS_PROXY": "socks5://proxy", "https_proxy": "http://proxy:3128"},
        {"ALL_PROXY": "socks5://proxy", "HTTPS_PROXY": "http://proxy:3128"},
        {"HTTP_PROXY": "socks5://proxy"},  # for plain http, which is loopback's alone
    ],
)
def test_a_proxy_that_works_or_is_not_used_is_fine(problems: Problems, changes: dict[str, str]) -> None:
    assert problems(**changes) == ()


def test_a_recall_on_this_machine_needs_neither(root: Path) -> None:
    changes: dict[str, str | None] = {
        "RECALL_REGION": None,
        "RECALL_API_BASE_URL": "http://127.0.0.1:8099",
        "ALL_PROXY": "socks5://proxy",
        "REQUESTS_CA_BUNDLE": "/no-pe",
    }
    assert load_settings(environment(changes), root=root).wrong == frozenset()
