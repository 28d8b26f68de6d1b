"""What is wrong with a configuration: every setting, each problem with its remedy, and no secret shown."""

from __future__ import annotations

import os
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.errors import ConfigError
from app.settings import environment as config
from app.settings.env_file import ENVIRONMENT_ONLY
from app.settings.environment import load_settings
from app.settings.host_environment import home_warnings
from app.settings.used_by_command import POLICY
from tests.settings.conftest import GOOD, WEBHOOK_SECRET, Load, Problems, environment

HEX = "0" * 64
# The setting; what it is set to; words of the problem; words of the remedy.
TABLE: list[tuple[dict[str, str | None], str, str]] = [
    ({"RECALL_API_KEY": None}, "RECALL_API_KEY is missing", "create one in the Recall dashboard"),
    ({"RECALL_API_KEY": "Token abc"}, "RECALL_API_KEY", "bare key"),
    ({"RECALL_API_KEY": "token"}, "RECALL_API_KEY", "bare key"),
    ({"RECALL_API_KEY": "schlüssel"}, "RECALL_API_KEY", "bare key"),
    ({"RECALL_REGION": None}, "RECALL_REGION is missing", "one of us-east-1"),
    ({"RECALL_REGION": "us-east-9"}, "RECALL_REGION: unknown", "us-east-1, us-west-2"),
    ({"RECALL_API_BASE_URL": "recall.ai"}, "RECALL_API_BASE_URL", "absolute http(s) address"),
    ({"RECALL_API_BASE_URL": "https://u:p@recall.example"}, "RECALL_API_BASE_URL", "user name"),
    ({"RECALL_API_BASE_URL": "https://recall.example/?a=1"}, "RECALL_API_BASE_URL", "only scheme, host"),
    ({"RECALL_API_BASE_URL": "https://us-west-2.recall.ai/api/v1"}, "has a path", "end it after the host"),
    ({"RECALL_API_BASE_URL": "https://us-west-2.recall.ai/api/v1/"}, "has a path", "end it after the host"),
    ({"RECALL_API_BASE_URL": "https://recall.example/gateway"}, "has a path", "end it after the host"),
    ({"RECALL_API_BASE_URL": "http://recall.example"}, "RECALL_API_BASE_URL", "use https"),
    ({"RECALL_API_BASE_URL": "https://recall.example?"}, "RECALL_API_BASE_URL", "only scheme, host"),
    ({"RECALL_API_BASE_URL": "https://recall.example#"}, "RECALL_API_BASE_URL", "only scheme, host"),
    ({"RECALL_API_BASE_URL": "https://recall.example:"}, "RECALL_API_BASE_URL", "its port is empty"),
    ({"RECALL_API_BASE_URL": "https://recall..example"}, "RECALL_API_BASE_URL", "no name or address"),
    ({"RECALL_API_BASE_URL": "https://recall%00.example"}, "RECALL_API_BASE_URL", "no name or address"),
    ({"RECALL_API_BASE_URL": "https://us-east-1.recall.ai."}, "different regions", "unset one of them"),
    ({"RECALL_API_BASE_URL": "https://us-east-1.recall.ai"}, "different regions", "unset one of them"),
    ({"RECALL_WEBHOOK_SECRETS": None}, "RECALL_WEBHOOK_SECRETS is missing", "create the workspace"),
    ({"RECALL_WEBHOOK_SECRETS": "whsec_MfKQ9r8G"}, "RECALL_WEBHOOK_SECRETS", "is it complete?"),
    ({"RECALL_WEBHOOK_SECRETS": "whsec_!"}, "RECALL_WEBHOOK_SECRETS", "expected whsec_"),
    ({"RECALL_WEBHOOK_SECRETS": "hunter2"}, "RECALL_WEBHOOK_SECRETS", "must begin with whsec_"),
    ({"RECALL_WEBHOOK_SECRETS": f"{WEBHOOK_SECRET} a=b"}, "RECALL_WEBHOOK_SECRETS (2 of 2)", "begin with"),
    (
        {"RECALL_WORKSPACE_VERIFICATION_SECRET": "!"},
        "RECALL_WORKSPACE_VERIFICATION_SECRET",
        "must begin with whsec_",
    ),
    ({"AFTERWORD_HOME": "~nobody-of-that-name/x"}, "AFTERWORD_HOME", "write it out"),
    ({"AFTERWORD_HOME": "/srv/\udcff"}, "AFTERWORD_HOME", "not UTF-8; write it anew"),
    ({"AFTERWORD_HOME": f"/srv/{'a' * 256}"}, "AFTERWORD_HOME", "is it too long?"),
    ({"AFTERWORD_HOME": f"/srv/{'a/' * 3000}"}, "AFTERWORD_HOME", "is it too long?"),
    ({"AFTERWORD_HOME": f"/srv/{'ä' * 200}"}, "AFTERWORD_HOME", "is it too long?"),
    ({"DATABASE_URL": f"sqlite:////srv/{'a' * 256}"}, "DATABASE_URL", "not a path that can be used"),
    ({"DATABASE_URL": "sqlite:////srv/%FF.db"}, "DATABASE_URL", "not a path that can be used"),
    ({"DATABASE_URL": "sqlite:////srv/%00.db"}, "DATABASE_URL", "not a path that can be used"),
    ({"DATABASE_URL": "postgresql://u@db..internal/d"}, "DATABASE_URL: a host", "empty or too long"),
    ({"DATABASE_URL": f"postgresql://a,{'b' * 64}/d"}, "DATABASE_URL: a host", "empty or too long"),
    ({"REDIS_URL": "redis://.cache:6379/0"}, "REDIS_URL: a host", "empty or too long"),
    ({"REDIS_URL": f"rediss://{'b' * 64}.example/0"}, "REDIS_URL: a host", "empty or too long"),
    ({"REDIS_URL": "redis://a%00b/0"}, "REDIS_URL: a host", "empty or too long"),
    ({"REDIS_URL": "redis://:p%FF@h/0"}, "REDIS_URL: holds %-encoded bytes", "write it anew"),
    ({"PUBLIC_URL": "notes.example"}, "PUBLIC_URL", "https://HOST"),
    ({"PUBLIC_URL": "https://notes.example/?a"}, "PUBLIC_URL", "https://HOST"),
    ({"STORAGE_URL": "file:///srv/%FF"}, "STORAGE_URL", "a path that can be used"),
    ({"STORAGE_URL": "file:///srv/a%00b"}, "STORAGE_URL", "a path that can be used"),
    ({"STORAGE_URL": "file:///srv/%2e%2e/x"}, "STORAGE_URL", "a path that can be used"),
    ({"STORAGE_URL": f"file:///srv/{'a' * 256}"}, "STORAGE_URL", "a path that can be used"),
    ({"STORAGE_URL": "file:///."}, "STORAGE_URL", "a path that can be used"),
    ({"HOST": "web..internal"}, "HOST", "host name alone"),
    ({"HOST": "w" * 64}, "HOST", "host name alone"),
    ({"NGROK_DOMAIN": "mine..ngrok.app"}, "NGROK_DOMAIN", "the domain alone"),
    ({"RECALL_API_BASE_URL": f"https://{'a' * 64}.example"}, "RECALL_API_BASE_URL", "no name or address"),
    ({"AFTERWORD_OPS_PASSWORD": "a\udcff"}, "AFTERWORD_OPS_PASSWORD", "not UTF-8; write it anew"),
    ({"REDIS_URL": "redis://h\udcff/0"}, "REDIS_URL", "not UTF-8; write it anew"),
    ({"STORAGE_URL": "file:///srv/\udcff"}, "STORAGE_URL", "not UTF-8; write it anew"),
    ({"DATABASE_URL": "sqlite:////srv/\udcff"}, "DATABASE_URL", "not UTF-8; write it anew"),
    ({"DATABASE_URL": "postgresql://h/d?replication=true"}, "parameter replication", "leave it out"),
    ({"DATABASE_URL": "postgresql://h/d?target_session_attrs=read-only"}, "target_session", "takes writes"),
    ({"DATABASE_URL": "postgresql://h/d?target_session_attrs=standby"}, "target_session", "takes writes"),
    ({"DATABASE_URL": "postgresql://h/d?target_session_attrs=prefer-standby"}, "target_s", "takes writes"),
    ({"DATABASE_URL": "postgresql://h:٣/d"}, "DATABASE_URL: a port", "from 1 to 65535"),
    ({"REDIS_URL": "redis://h/0?client_name=a b"}, "REDIS_URL: client_name", "without blanks"),
    ({"REDIS_URL": "redis://h/0?client_name=a%0Ab"}, "REDIS_URL: client_name", "without blanks"),
    ({"DATABASE_URL": "mysql://h/d"}, "DATABASE_URL", "must be sqlite:///PATH"),
    ({"DATABASE_URL": "sqlite://"}, "DATABASE_URL", "must be sqlite:///PATH"),
    ({"DATABASE_URL": "sqlite:///"}, "DATABASE_URL", "must be sqlite:///PATH"),
    ({"DATABASE_URL": "sqlite:///:memory:"}, "DATABASE_URL", "a file"),
    ({"DATABASE_URL": "postgres://"}, "DATABASE_URL", "postgresql://USER@HOST/DATABASE"),
    ({"DATABASE_URL": "postgresql://u:p@s@h/d"}, "DATABASE_URL", "must be written %40"),
    ({"DATABASE_URL": "sqlite:///."}, "is a folder, where the database", "move it away"),
    ({"DATABASE_URL": "/srv/a.db"}, "DATABASE_URL", "must be sqlite:///PATH"),
    ({"DATABASE_URL": "sqlite:////srv/a.db?mode=ro"}, "DATABASE_URL", "written %3F"),
    ({"DATABASE_URL": "postgresql+asyncpg://h/d"}, "DATABASE_URL", "or postgresql://"),
    ({"DATABASE_URL": "postgresql://h/d?pgbouncer=true"}, "no parameter pgbouncer", "leave it out"),
    ({"DATABASE_URL": "postgresql://h/d?schema=mine"}, "no parameter schema", "search_path"),
    ({"DATABASE_URL": "postgresql://h/d?sslmod=require"}, "no parameter sslmod", "did you mean sslmode?"),
    ({"DATABASE_URL": "postgresql://h/d?nonsense=1"}, "no parameter nonsense", "leave it out"),
    ({"DATABASE_URL": "postgresql://h/d?sslmode=on"}, "sslmode has a value", "libpq-connect.html"),
    ({"DATABASE_URL": "postgresql://h/d?target_session_attrs=rw"}, "target_session_attrs", "libpq-connect"),
    ({"DATABASE_URL": "postgresql://h/d?service=none-such"}, "service has a value", "libpq-connect"),
    ({"DATABASE_URL": "postgresql://h/d?sslrootcert=/no-pe/ca.pem"}, "sslrootcert", "file that is not there"),
    ({"DATABASE_URL": "postgresql://h/d?host=a&host=b"}, "parameter host", "stands there 2 times"),
    ({"DATABASE_URL": "postgresql://h:70000/d"}, "DATABASE_URL: a port", "from 1 to 65535"),
    ({"DATABASE_URL": "postgresql://h:0/d"}, "DATABASE_URL: a port", "from 1 to 65535"),
    ({"DATABASE_URL": "postgresql://a,b,c/d?port=1,2"}, "DATABASE_URL", "one for each host"),
    ({"DATABASE_URL": "postgresql://u:pa/ss@h/d"}, "DATABASE_URL", "%-encoded"),
    ({"DATABASE_URL": "postgresql://u:pa%ss@h/d"}, "DATABASE_URL", "%-encoded"),
    ({"DATABASE_URL": "postgresql://u:p@ss@h/d"}, "DATABASE_URL", "%40"),
    ({"DATABASE_URL": "postgresql://[::1/d"}, "DATABASE_URL", "libpq cannot read it"),
    ({"AFTERWORD_METRICS_TOKEN": "two words of it"}, "AFTERWORD_METRICS_TOKEN", "without blanks"),
    ({"AFTERWORD_METRICS_TOKEN": "short"}, "AFTERWORD_METRICS_TOKEN", "16 or more"),
    ({"REDIS_URL": "localhost:6379"}, "REDIS_URL", "must begin with redis://"),
    ({"REDIS_URL": "http://localhost"}, "REDIS_URL", "must begin with redis://"),
    ({"REDIS_URL": "redis://"}, "REDIS_URL", "must begin with redis://"),
    ({"REDIS_URL": "redis://:a#b@h:6379/0"}, "REDIS_URL", "%-encoded"),
    ({"REDIS_URL": "redis://h:6379/0?foo=bar"}, "REDIS_URL", "no parameter foo; leave it out"),
    ({"REDIS_URL": "redis://h/0?usernam=x"}, "REDIS_URL", "did you mean username?"),
    (
        {"REDIS_URL": "redis://h/0?socket_timeout=60"},
        "no parameter socket_timeout",
        "this program has its own",
    ),
    ({"REDIS_URL": "redis://h/0?decode_responses=true"}, "decode_responses", "this program has its own"),
    ({"REDIS_URL": "redis://h/first"}, "REDIS_URL: after the host", "number alone"),
    ({"REDIS_URL": "redis://h/0/1"}, "REDIS_URL: after the host", "number alone"),
    ({"REDIS_URL": "redis://h/-1"}, "REDIS_URL: after the host", "number alone"),
    ({"REDIS_URL": "redis://h/0?db=1"}, "different databases", "leave one of them out"),
    ({"REDIS_URL": "redis://h?db=x"}, "parameter db", "cannot be used"),
    ({"REDIS_URL": "redis://h?db="}, "parameter db", "has no value"),
    ({"REDIS_URL": "redis://h?db=1&db=2"}, "parameter db", "stands there 2 times"),
    ({"REDIS_URL": "redis://h:0/0"}, "REDIS_URL: its port", "from 1 to 65535"),
    ({"REDIS_URL": "redis://h:70000/0"}, "REDIS_URL: its port", "from 1 to 65535"),
    ({"REDIS_URL": "redis://h:/pa/ss@h/0"}, "REDIS_URL: after the host", "%-encoded"),
    ({"REDIS_URL": "redis://:pa?ss@h/0"}, "REDIS_URL: its port", "%-encoded"),
    ({"REDIS_URL": "redis://a,b:6379/0"}, "names several hosts", "name one"),
    ({"REDIS_URL": "redis://h/0?ssl_cert_reqs=none"}, "parameter ssl_cert_reqs", "rediss://"),
    ({"REDIS_URL": "rediss://h/0?ssl_cert_reqs=CERT_NONE"}, "parameter ssl_cert_reqs", "cannot be used"),
    ({"REDIS_URL": "rediss://h/0?ssl_ca_certs=/no-pe/ca.pem"}, "ssl_ca_certs", "file that is not there"),
    ({"REDIS_URL": "unix://run/redis.sock"}, "REDIS_URL", "three slashes"),
    ({"REDIS_URL": "REDIS://h/0"}, "REDIS_URL", "must begin with redis://"),
    ({"STORAGE_URL": "/srv/transcripts"}, "STORAGE_URL", "must be file:///absolute/path"),
    ({"STORAGE_URL": "file://relative"}, "STORAGE_URL", "must be file:///absolute/path"),
    ({"STORAGE_URL": "ftp://x"}, "STORAGE_URL", "s3://, gs:// or az://"),
    ({"STORAGE_URL": "file:///"}, "STORAGE_URL", "must be file:///absolute/path"),
    ({"STORAGE_URL": "s3://bucket/a b"}, "STORAGE_URL", "must be s3://bucket/prefix"),
    ({"STORAGE_URL": "S3://bucket"}, "STORAGE_URL", "must be s3://bucket/prefix"),
    ({"STORAGE_URL": "s3://key:secret@bucket"}, "STORAGE_URL", "must be s3://bucket/prefix"),
    ({"STORAGE_URL": "gs://bucket/../other"}, "STORAGE_URL", "must be s3://bucket/prefix"),
    ({"STORAGE_URL": "s3://bucket?region=x"}, "STORAGE_URL", "must be s3://bucket/prefix"),
    ({"STORAGE_URL": "az://container"}, "AZURE_STORAGE_ACCOUNT_NAME", "is missing"),
    ({"AFTERWORD_POLICY": "/no-pe/x.toml"}, "AFTERWORD_POLICY: there is no file /no-pe/x.toml", "write one"),
    ({"AFTERWORD_PROVIDERS": ","}, "AFTERWORD_PROVIDERS", "name at least one"),
    ({"AFTERWORD_PROVIDERS": "deepgram"}, "AFTERWORD_PROVIDERS: 'deepgram'", "end in _async"),
    ({"AFTERWORD_PROVIDERS": "assembly_ai"}, "'assembly_ai'", "did you mean assembly_ai_async?"),
    ({"AFTERWORD_PROVIDERS": "AssemblyAI"}, "'AssemblyAI'", "did you mean assembly_ai_async?"),
    ({"AFTERWORD_PROVIDERS": "google"}, "'google'", "did you mean google_speech_v2_async?"),
    ({"AFTERWORD_PROVIDERS": "gladia"}, "'gladia'", "did you mean gladia_v2_async?"),
    ({"AFTERWORD_PROVIDERS": "aws"}, "'aws'", "did you mean aws_transcribe_async?"),
    ({"AFTERWORD_PROVIDERS": "assemblyai_async"}, "none of Recall's", "did you mean assembly_ai_async?"),
    ({"AFTERWORD_PROVIDERS": "asembly_ai_async"}, "none of Recall's", "did you mean assembly_ai_async?"),
    ({"AFTERWORD_PROVIDERS": "recall_async"}, "none of Recall's", "did you mean recallai_async?"),
    ({"AFTERWORD_PROVIDERS": "gladia_async"}, "none of Recall's", "did you mean gladia_v2_async?"),
    ({"AFTERWORD_PROVIDERS": "aws_async"}, "none of Recall's", "did you mean aws_transcribe_async?"),
    ({"AFTERWORD_PROVIDERS": "deepgram_streaming"}, "AFTERWORD_PROVIDERS", "end in _async"),
    ({"AFTERWORD_PROVIDERS": "rev_async, rev_async"}, "AFTERWORD_PROVIDERS", "named twice"),
    ({"AFTERWORD_WORKERS": "0"}, "AFTERWORD_WORKERS", "from 1 to 64"),
    ({"AFTERWORD_WORKERS": "65"}, "AFTERWORD_WORKERS", "from 1 to 64"),
    ({"AFTERWORD_WORKERS": "four"}, "AFTERWORD_WORKERS", "whole number"),
    ({"AFTERWORD_WORKERS": "٣"}, "AFTERWORD_WORKERS", "whole number"),
    ({"AFTERWORD_WORKERS": "2.5"}, "AFTERWORD_WORKERS", "whole number"),
    ({"AFTERWORD_API_KEYS": "bi=config:read=abc"}, "AFTERWORD_API_KEYS", "name=scope+scope=sha256-hex"),
    ({"AFTERWORD_API_KEYS": f"bi={HEX}"}, "AFTERWORD_API_KEYS", "name=scope+scope=sha256-hex"),
    (
        {"AFTERWORD_API_KEYS": f"bi=config:read={'0' * 63}G"},
        "AFTERWORD_API_KEYS",
        "name=scope+scope=sha256-hex",
    ),
    (
        {"AFTERWORD_API_KEYS": f"bi=read={HEX}"},
        "AFTERWORD_API_KEYS",
        "read is no scope; there are config:read",
    ),
    ({"AFTERWORD_API_KEYS": f"a=config:read={HEX} a=config:read={HEX}"}, "AFTERWORD_API_KEYS", "one name"),
    ({"HOST": "http://0.0.0.0"}, "HOST", "the port is PORT"),
    ({"HOST": "0.0.0.0:8000"}, "HOST", "the port is PORT"),
    ({"HOST": "two words"}, "HOST", "host name alone"),
    ({"NGROK_DOMAIN": "https://mine.ngrok.app"}, "NGROK_DOMAIN", "the domain alone"),
    ({"NGROK_DOMAIN": "mine.ngrok.app/webhooks"}, "NGROK_DOMAIN", "the domain alone"),
    ({"NGROK_DOMAIN": "mine.ngrok.app:443"}, "NGROK_DOMAIN", "the domain alone"),
    ({"NGROK_DOMAIN": "mine"}, "NGROK_DOMAIN", "the domain alone"),
    ({"PORT": "0"}, "PORT", "from 1 to 65535"),
    ({"PORT": "65536"}, "PORT", "from 1 to 65535"),
    ({"PORT": "-1"}, "PORT", "whole number"),
    ({"PORT": "99999999999999999999"}, "PORT", "whole number"),
    ({"AFTERWORD_TIME_SCALE": "60"}, "AFTERWORD_TIME_SCALE", "unset it"),
    ({"AFTERWORD_TIME_SCALE": "0.5"}, "AFTERWORD_TIME_SCALE", "from 1 to 3600"),
    ({"AFTERWORD_TIME_SCALE": "nan"}, "AFTERWORD_TIME_SCALE", "from 1 to 3600"),
    ({"AFTERWORD_TIME_SCALE": "3601"}, "AFTERWORD_TIME_SCALE", "from 1 to 3600"),
    ({"AFTERWORD_OPS_PASSWORD_FILE": "missing"}, "AFTERWORD_OPS_PASSWORD_FILE", "No such file"),
    ({"AFTERWORD_OPS_PASSWORD_FILE": "."}, "AFTERWORD_OPS_PASSWORD_FILE", "Is a directory"),
    ({"REDIS_URL_FILE": "~nobody-of-that-name"}, "REDIS_URL_FILE", "not a path"),
]


@pytest.mark.parametrize(("changes", "problem", "remedy"), TABLE, ids=[str(row[0]) for row in TABLE])
def test_wrong_setting_is_one_problem_that_names_it_and_its_remedy(
    problems: Problems, changes: dict[str, str | None], problem: str, remedy: str
) -> None:
    (found,) = problems(**changes)
    assert problem in found
    assert remedy in found
    assert found.endswith((".", "?"))
    assert not found.endswith("?.")


@pytest.mark.parametrize("changes", [row[0] for row in TABLE], ids=str)
def test_a_wrong_setting_stops_those_that_use_it_and_no_others(
    root: Path, changes: dict[str, str | None]
) -> None:
    (name,) = (name.removesuffix("_FILE") for name in changes)
    same = POLICY if name in POLICY else {name}
    with pytest.raises(ConfigError):
        load_settings(environment(changes), root=root, used={name})
    assert name in load_settings(environment(changes), root=root, used=config.NAMES - same).wrong


def test_table_above_has_a_row_for_every_setting_that_can_be_wrong() -> None:
    rows = {name.removesuffix("_FILE") for changes, _, _ in TABLE for name in changes}
    cannot_be_wrong = {"AFTERWORD_PYTHON", "AFTERWORD_ISOLATED"}
    assert rows == config.NAMES - cannot_be_wrong


def test_all_problems_are_listed_at_once(problems: Problems, root: Path) -> None:
    (root / "policy.toml").write_text("attempts = 99\nfoo = 1\n[select]\ndefault = 'some'")
    found = problems(
        RECALL_API_KEY=None,
        RECALL_REGION="moon",
        RECALL_WEBHOOK_SECRETS="x",
        DATABASE_URL="x",
        REDIS_URL="x",
        STORAGE_URL="x",
        AFTERWORD_PROVIDERS="x",
        AFTERWORD_WORKERS="x",
        AFTERWORD_API_KEYS="x",
        HOST="x:y:z",
        PORT="x",
        AFTERWORD_TIME_SCALE="x",
        AFTERWORD_OPS_PASSWORD_FILE="x",
    )
    for word in (
        "RECALL_API_KEY",
        "RECALL_REGION",
        "RECALL_WEBHOOK_SECRETS",
        "DATABASE_URL",
        "REDIS_URL",
        "STORAGE_URL",
        "providers",
        "AFTERWORD_WORKERS",
        "AFTERWORD_API_KEYS",
        "HOST",
        "PORT",
        "AFTERWORD_TIME_SCALE",
        "AFTERWORD_OPS_PASSWORD_FILE",
        "attempts",
        "'foo'",
        "select.default",
    ):
        assert [problem for problem in found if word in problem], word
    assert len(found) == 16


def test_value_and_file_of_one_setting_contradict_each_other(problems: Problems, root: Path) -> None:
    (root / "key").write_text("another")
    (found,) = problems(RECALL_API_KEY_FILE="key")
    assert found == "RECALL_API_KEY and RECALL_API_KEY_FILE are both set; unset one of them."


@pytest.mark.parametrize("text", ["", "\n", "\ufeff \n"])
def test_empty_secret_file_is_a_problem_not_the_absence_of_a_password(
    problems: Problems, root: Path, text: str
) -> None:
    (root / "password").write_text(text, "utf-8")
    assert problems(AFTERWORD_OPS_PASSWORD_FILE="password") == (
        "AFTERWORD_OPS_PASSWORD_FILE: the file is empty.",
    )


def test_secret_file_that_is_not_text_is_not_quoted(problems: Problems, root: Path) -> None:
    (root / "password").write_bytes(b"\xff\xfesecret")
    (found,) = problems(AFTERWORD_OPS_PASSWORD_FILE="password")
    assert found == "AFTERWORD_OPS_PASSWORD_FILE: the file cannot be read (not text)."


def test_env_file_with_a_broken_line_names_the_line_and_not_what_stands_there(
    problems: Problems, root: Path
) -> None:
    (root / ".env").write_text("AFTERWORD_WORKERS=2\nmy secret words\nPORT=1")
    assert problems() == (".env, line 2: must be NAME=value.",)


def test_env_file_that_is_not_text_or_a_folder_is_a_problem(problems: Problems, root: Path) -> None:
    (root / ".env").write_bytes(b"A=\xff")
    assert problems() == (".env: the file cannot be read (not text).",)
    (root / ".env").unlink()
    (root / ".env").mkdir()
    assert problems() == (".env: the file cannot be read (Is a directory).",)


@pytest.mark.parametrize("content", [b"RECALL_API_KEY=\xff", None], ids=["not text", "a folder"])
def test_env_file_that_cannot_be_read_is_the_only_problem_and_nothing_is_called_missing(
    root: Path, content: bytes | None
) -> None:
    path = root / ".env"
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(ConfigError) as error:
        load_settings({}, root=root)
    (found,) = error.value.problems
    assert found.startswith(".env: the file cannot be read")


def test_a_setting_that_stands_twice_in_the_env_file_is_noted(load: Load, root: Path) -> None:
    (root / ".env").write_bytes(b"export PORT=8001\r\nHOST=::1\r\nHOST=::1\r\nPORT=8002 # Zq9\r\n")
    (root / ".env").chmod(0o600)
    settings = load()
    assert (settings.port, settings.host) == (8002, "::1")
    assert settings.warnings == (".env: PORT stands there more than once; the last one (line 4) counts.",)


@pytest.mark.parametrize(("mode", "is_noted"), [(0o600, False), (0o640, True), (0o604, True)])
def test_env_file_that_others_may_read_is_noted_with_the_remedy(
    load: Load, root: Path, mode: int, is_noted: bool
) -> None:
    (root / ".env").write_text("PORT=8001\n")
    (root / ".env").chmod(mode)
    assert ["chmod 600 .env" in note for note in load().warnings] == [True] * is_noted


@pytest.mark.parametrize(
    ("mode", "is_noted"), [(0o700, False), (0o775, False), (0o777, True), (0o1777, True)]
)
def test_home_that_everyone_may_write_to_is_noted_with_the_remedy(
    load: Load, tmp_path: Path, mode: int, is_noted: bool
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home").chmod(mode)
    (tmp_path / "link").symlink_to(tmp_path / "home")
    for home in ("home", "link"):
        notes = load(AFTERWORD_HOME=str(tmp_path / home)).warnings
        assert ["chmod 700" in note for note in notes] == [True] * is_noted


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_home_of_another_user_is_noted_and_none_that_a_container_is_given(tmp_path: Path) -> None:
    noted = {}
    for owner in (0, 12345, 54321):
        os.chown(tmp_path, owner, owner)
        noted[owner] = {user: list(home_warnings(tmp_path, user=user)) for user in (0, 12345)}
    assert noted[0] == {0: [], 12345: []}
    assert noted[12345] == {0: [], 12345: []}
    assert noted[54321][0] == []
    (note,) = noted[54321][12345]
    assert "uid 54321" in note


@pytest.mark.parametrize("name", ENVIRONMENT_ONLY)
def test_settings_that_only_the_environment_can_make_are_noted_in_the_env_file(
    load: Load, root: Path, name: str
) -> None:
    (root / ".env").write_text(f"{name}=1\n")
    (root / ".env").chmod(0o600)
    (note,) = load().warnings
    assert note.startswith(f"{name} in .env does nothing")
    (root / ".env").write_text(f"{name}=\n")
    assert load().warnings == ()


def test_folder_in_the_place_of_the_database_is_named(problems: Problems, root: Path) -> None:
    (root / "var" / "afterword.db").mkdir(parents=True)
    (found,) = problems()
    assert str(root / "var" / "afterword.db") in found
    assert "DATABASE_URL" not in found


def test_misspelt_settings_are_warned_of_with_the_nearest_name(load: Load) -> None:
    found = load(
        AFTERWORD_WORKER="3",
        AFTERWORD_NONSENSE="1",
        RECALL_API_URL="x",
        RECALL_WEBHOOK_SECRET="x",
        OTHER_X="1",
    ).warnings
    assert found == (
        "AFTERWORD_NONSENSE is not a setting.",
        "AFTERWORD_WORKER is not a setting; did you mean AFTERWORD_WORKERS?",
        "RECALL_API_URL is not a setting; did you mean RECALL_API_BASE_URL?",
        "RECALL_WEBHOOK_SECRET is not a setting; did you mean RECALL_WEBHOOK_SECRETS?",
    )


def test_settings_of_other_programs_for_recall_are_none_of_our_business(load: Load) -> None:
    assert load(RECALL_CALENDAR_OAUTH_CLIENT="x", RECALL_BOT_NAME="x").warnings == ()


def test_missing_setting_that_is_only_misspelt_says_so(problems: Problems) -> None:
    found = problems(RECALL_WEBHOOK_SECRETS=None, RECALL_WEBHOOK_SECRET=WEBHOOK_SECRET)
    assert "did you mean RECALL_WEBHOOK_SECRETS?" in found[-1]
    assert len(found) == 2


def test_time_scale_is_refused_unless_recall_is_on_this_machine(problems: Problems) -> None:
    for url in ("https://us-west-2.recall.ai", "https://127.0.0.1.example.com", "https://10.0.0.1"):
        (found,) = problems(AFTERWORD_TIME_SCALE="2", RECALL_API_BASE_URL=url)
        assert found == "AFTERWORD_TIME_SCALE: only with a Recall on this machine; unset it."
    for url in ("http://127.0.0.1:8099", "http://localhost:8099", "http://[::1]:8099"):
        assert problems(AFTERWORD_TIME_SCALE="2", RECALL_API_BASE_URL=url) == ()


def test_error_is_one_text_with_every_problem() -> None:
    assert str(ConfigError(["a.", "b."])) == "a.; b."


# --- no secret is ever shown
MARK = "Zq9"  # stands in every random secret, and in none of our sentences
SECRETS = st.text(string.ascii_letters + string.digits + "+/=_-:@#?%., $'\"\\", max_size=40).map(
    lambda text: f"{MARK}{text}{MARK}"
)
FORMS = st.sampled_from(
    [
        "{}",
        "whsec_{}",
        "blue=whsec_{}",
        "postgresql://u:{}@h/d",
        "redis://:{}@h:6379/0",
        "redis://h/0?{}=1",
        "rediss://h/0?ssl_password={}&x",
        "postgresql://h/d?{}",
        "postgresql://h/d?sslmode={}",
        "postgresql://{}",
        "sqlite:///a?{}",
        "bi=config:read={}",
        " {} ",
        "x\n{}",
    ]
)
NAMES = st.sampled_from(config.SECRET_NAMES)


# Each wrong, so that every sentence about another setting is said while the secrets are there.
WRONG = {
    "RECALL_REGION": "moon",
    "RECALL_API_BASE_URL": "x",
    "STORAGE_URL": "x",
    "PUBLIC_URL": "x",
    "AFTERWORD_HOME": "~nobody-of-that-name",
    "AFTERWORD_POLICY": "x",
    "AFTERWORD_PROVIDERS": "x",
    "AFTERWORD_WORKERS": "x",
    "AFTERWORD_WORKER": "x",
    "AFTERWORD_TIME_SCALE": "x",
    "HOST": "a b",
    "PORT": "x",
}


@pytest.mark.slow
@given(values=st.dictionaries(NAMES, st.builds(str.format, FORMS, SECRETS)), is_broken=st.booleans())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_secret_appears_in_problems_or_in_the_settings_shown(
    tmp_path: Path, values: dict[str, str], is_broken: bool
) -> None:
    environ = {**GOOD, **(WRONG if is_broken else {}), **values}
    found: tuple[str, ...] = ()
    try:
        shown = repr(load_settings(environ, root=tmp_path))
    except ConfigError as error:
        shown, found = f"{error} {error!r}", error.problems
    assert len(found) >= (len(WRONG) if is_broken else 0)
    assert MARK not in shown


@pytest.mark.slow
@given(name=NAMES, content=st.one_of(SECRETS.map(str.encode), SECRETS.map(lambda s: s.encode() + b"\xff")))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_secret_of_a_file_appears_either(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    environ: dict[str, Any] = environment({name: None, f"{name}_FILE": "file"})
    try:
        shown = repr(load_settings(environ, root=tmp_path))
    except ConfigError as error:
        shown = f"{error} {error!r}"
    assert MARK not in shown


@pytest.mark.slow
@given(line=SECRETS, end=st.sampled_from(["", "'", '"', "\\", "\n=x"]))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_secret_of_a_broken_env_file_appears_in_problems(
    tmp_path: Path, line: str, end: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / ".env").write_text(f"RECALL_API_KEY='{line}{end}\n{line}\n")
    try:
        shown = repr(load_settings({}, root=tmp_path))
    except ConfigError as error:
        shown = f"{error} {error!r}"
    assert MARK not in shown + caplog.text


def test_secrets_that_are_right_are_not_shown_either(load: Load) -> None:
    shown = repr(
        load(
            AFTERWORD_OPS_PASSWORD="open sesame",
            AFTERWORD_METRICS_TOKEN="scraper-0123456789",
            DATABASE_URL="postgres://u:hunter2@h/d",
            REDIS_URL="redis://:hunter2@h/0",
            AFTERWORD_API_KEYS=f"bi=config:read={HEX}",
        )
    )
    for secret in (GOOD["RECALL_API_KEY"], WEBHOOK_SECRET[6:], "open sesame", "hunter2", HEX, "scraper"):
        assert secret not in shown
