"""
Settings: read once at the start, from the environment and `.env`, and complete or not at all. Every
problem is listed at once, each with its remedy, none with a secret's value. Relative paths, `.env` and
`policy.toml` belong to the project's root, never to the working directory.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from app.core.durations import Durations
from app.core.policy import Policy
from app.errors import ConfigError
from app.recall.limits import REGIONS, base_url_of, region_of
from app.recall.signatures import Secret, parse_secret
from app.recall.url_checks import check_base_url, host_is_loopback
from app.settings import env_file
from app.settings.host_environment import NAMES as SURROUNDINGS
from app.settings.host_environment import home_warnings, is_host, surroundings_problems
from app.settings.policy_file import read_policy
from app.settings.problems import Say
from app.settings.server_urls import (
    fits,
    postgresql_problems,
    redis_problems,
    sqlite_file,
    sqlite_url,
    storage_folder,
)
from app.settings.used_by_command import POLICY, is_about

ROOT = Path(__file__).resolve().parents[2]
SECRET_NAMES = (
    "RECALL_API_KEY",
    "RECALL_WEBHOOK_SECRETS",
    "RECALL_WORKSPACE_VERIFICATION_SECRET",
    "DATABASE_URL",
    "REDIS_URL",
    "AFTERWORD_API_KEYS",
    "AFTERWORD_OPS_PASSWORD",
    "AFTERWORD_METRICS_TOKEN",
)
_API_KEY = re.compile(r"(?P<name>[A-Za-z0-9_.-]+)=(?P<scopes>[a-z:+_-]+)=(?P<digest>[0-9a-f]{64})")


NAMES = frozenset(SECRET_NAMES) | {
    "RECALL_REGION",
    "RECALL_API_BASE_URL",
    "AFTERWORD_HOME",
    "STORAGE_URL",
    "AFTERWORD_POLICY",
    "AFTERWORD_PROVIDERS",
    "AFTERWORD_WORKERS",
    "AFTERWORD_TIME_SCALE",
    "HOST",
    "PORT",
    "NGROK_DOMAIN",
    # Read by the launcher and by the isolated commands; named so that they are not called unknown.
    "AFTERWORD_PYTHON",
    "AFTERWORD_ISOLATED",
}
_QUOTABLE = NAMES | {f"{name}_FILE" for name in SECRET_NAMES} | frozenset(SURROUNDINGS)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key of our own `/v1`: only its SHA-256 is known."""

    name: str
    scopes: frozenset[str]
    digest: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the program was told. Secrets are kept out of `repr`."""

    root: Path
    home: Path
    api_key: str = field(repr=False)
    api_base_url: str
    region: str | None
    webhook_secrets: tuple[Secret, ...] = field(repr=False)
    database_url: str = field(repr=False)
    redis_url: str | None = field(repr=False)
    storage_url: str
    policy: Policy
    workers: int
    api_keys: tuple[ApiKey, ...]
    ops_password: str | None = field(repr=False)
    host: str
    port: int
    metrics_token: str | None = field(default=None, repr=False)
    ngrok_domain: str | None = None
    time_scale: float = 1.0
    warnings: tuple[str, ...] = ()
    wrong: frozenset[str] = frozenset()  # names of settings whose values are not those that were given

    @property
    def database_file(self) -> Path | None:
        """The SQLite file; None on PostgreSQL."""
        return sqlite_file(self.database_url)

    @property
    def durations(self) -> Durations:
        return self.policy.durations


def load_settings(
    environ: Mapping[str, str] | None = None, *, root: Path = ROOT, used: Collection[str] | None = None
) -> Settings:
    """
    The settings of the environment, over those of `.env` at the root.

    Args:
        environ: Instead of the process's own environment. With `AFTERWORD_ISOLATED=1` in it neither
            `.env` nor a `policy.toml` lying about is read, and only a loopback Recall is accepted.
        used: Names of the settings that count (`used_by_command`); another that is wrong is named in
            `Settings.wrong` and has a harmless value. Without it all count.

    Raises:
        ConfigError: Every problem, each a sentence with its remedy.
    """
    problems: list[str] = []
    misnamed: list[str] = []
    warnings: list[str] = []
    place, problem, warn = root / ".env", problems.append, warnings.append
    given = env_file.without_quotes(os.environ if environ is None else environ, _QUOTABLE, problem=problem)
    in_file = {} if is_isolated(given) else env_file.read_env_file(place, problem=problem, warn=warn)
    in_file = env_file.without_quotes(in_file, _QUOTABLE, problem=problem, pairs=env_file.SMART)
    raw = env_file.variables(given, in_file)
    env_file.warn_of_unknown(raw, NAMES | {f"{name}_FILE" for name in SECRET_NAMES}, warn=misnamed.append)
    warnings += misnamed
    env_file.read_secret_files(raw, SECRET_NAMES, root, problem=problem)
    raw = env_file.without_quotes(raw, NAMES - in_file.keys(), problem=problem)
    reader = _Reader(raw, root, given, problem, warn)
    settings = reader.settings(warnings)
    wrong = [one for one in problems if used is None or reader.is_about(one, used)]
    if wrong:
        # What is missing may only be misspelt.
        raise ConfigError([*wrong, *misnamed])
    every = NAMES | frozenset(SURROUNDINGS)
    unfit = {name for name in every if problems and any(reader.is_about(one, {name}) for one in problems)}
    return dataclasses.replace(settings, wrong=frozenset(unfit))


def is_isolated(environ: Mapping[str, str]) -> bool:
    """Whether nothing of this machine's own settings may be read: `demo`, `test`, `chaos`, `bench`."""
    return environ.get("AFTERWORD_ISOLATED", "").strip() not in ("", "0")


class _Reader:
    """Turns raw texts into values, saying every problem on the way."""

    def __init__(
        self, values: Mapping[str, str], root: Path, environ: Mapping[str, str], problem: Say, warn: Say
    ) -> None:
        self.values, self.root, self.environ = values, root, environ
        self.is_isolated = is_isolated(environ)
        self.problem, self.warn = problem, warn
        self.of_policy: set[str] = set()  # problems, which do not begin with a setting's name

    def is_about(self, problem: str, names: Collection[str]) -> bool:
        """Whether a problem is with one of these settings."""
        return not POLICY.isdisjoint(names) if problem in self.of_policy else is_about(problem, names)

    def settings(self, warnings: list[str]) -> Settings:
        home = self.path("AFTERWORD_HOME", "var")
        warnings += home_warnings(home, user=os.geteuid())
        base_url = self.base_url()
        if not host_is_loopback(base_url):
            for problem in surroundings_problems(self.environ, host=urlsplit(base_url).hostname or ""):
                self.problem(problem)
        time_scale = self.time_scale(base_url)
        policy = self.policy(time_scale)
        return Settings(
            root=self.root,
            home=home,
            api_key=self.api_key(),
            api_base_url=base_url,
            region=self.values.get("RECALL_REGION"),
            webhook_secrets=self.webhook_secrets(is_required=not policy.poll_only),
            database_url=self.database_url(home),
            redis_url=self.redis_url(),
            storage_url=self.storage_url(home),
            policy=policy,
            workers=self.number("AFTERWORD_WORKERS", 4, 1, 64),
            api_keys=self.api_keys(),
            ops_password=self.values.get("AFTERWORD_OPS_PASSWORD"),
            metrics_token=self.metrics_token(),
            host=self.host(),
            port=self.number("PORT", 8000, 1, 65535),
            ngrok_domain=self.ngrok_domain(),
            time_scale=time_scale,
            warnings=tuple(warnings),
        )

    def path(self, name: str, default: str) -> Path:
        # An unknown ~user, a null byte, no UTF-8, a loop of links.
        with suppress(RuntimeError, ValueError, OSError):
            path = (self.root / Path(self.values.get(name, default)).expanduser()).resolve()
            if fits(path):
                return path
        self.problem(f"{name}: is not a path that can be used (is it too long?); write it out.")
        return self.root / default

    def number(self, name: str, default: int, least: int, most: int) -> int:
        text = self.values.get(name, str(default))
        if not re.fullmatch(r"[0-9]{1,6}", text) or not least <= int(text) <= most:
            self.problem(f"{name}: must be a whole number from {least} to {most}.")
            return default
        return int(text)

    def host(self) -> str:
        host = self.values.get("HOST", "127.0.0.1")
        if not is_host(host):
            self.problem("HOST: must be an address or a host name alone, e.g. 127.0.0.1; the port is PORT.")
        return host

    def ngrok_domain(self) -> str | None:
        domain = self.values.get("NGROK_DOMAIN")
        if domain is not None and (not is_host(domain) or "." not in domain.strip(".")):
            self.problem(
                "NGROK_DOMAIN: must be the domain alone, as in your-name.ngrok.app: without https:// or path."
            )
        return domain

    def api_key(self) -> str:
        key = self.values.get("RECALL_API_KEY", "")
        if not key:
            self.problem(
                "RECALL_API_KEY is missing: create one in the Recall dashboard "
                "(Developers > API keys & secrets)."
            )
        elif not re.fullmatch(r"[\x21-\x7e]+", key) or key.lower() in ("token", "bearer"):
            self.problem("RECALL_API_KEY: must be the bare key, without blanks and without a word before it.")
        else:
            return key
        return "no-key-that-can-be-sent"

    def base_url(self) -> str:
        region, url = self.values.get("RECALL_REGION"), self.values.get("RECALL_API_BASE_URL")
        if region is not None and region not in REGIONS:
            self.problem(f"RECALL_REGION: unknown; Recall's regions are {', '.join(REGIONS)}.")
        if url is None and region is None:
            self.problem(
                f"RECALL_REGION is missing: one of {', '.join(REGIONS)} (it is in the dashboard's address)."
            )
        if url is None:
            self._check_isolation("")
            return base_url_of(region or REGIONS[0])
        try:
            url = check_base_url(url)
        except ValueError as error:
            self.problem(f"RECALL_API_BASE_URL: {error}.")
            return "https://invalid.invalid"
        if urlsplit(url).path:
            self.problem("RECALL_API_BASE_URL: has a path (/api/v1 is added here); end it after the host.")
        return self._not_contradicting(url, region)

    def _not_contradicting(self, url: str, region: str | None) -> str:
        named = region_of(urlsplit(url).hostname or "")
        if region is not None and named is not None and named != region:
            self.problem("RECALL_API_BASE_URL and RECALL_REGION name different regions; unset one of them.")
        self._check_isolation(url)
        return url

    def _check_isolation(self, url: str) -> None:
        if self.is_isolated and not host_is_loopback(url):
            self.problem("RECALL_API_BASE_URL: this command only ever talks to a Recall on this machine.")

    def time_scale(self, base_url: str) -> float:
        text = self.values.get("AFTERWORD_TIME_SCALE", "1")
        if not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,3})?", text) or not 1 <= float(text) <= 3600:
            self.problem("AFTERWORD_TIME_SCALE: must be a number from 1 to 3600.")
            return 1.0
        if float(text) != 1 and not host_is_loopback(base_url):
            self.problem("AFTERWORD_TIME_SCALE: only with a Recall on this machine; unset it.")
        return float(text)

    def webhook_secrets(self, *, is_required: bool) -> tuple[Secret, ...]:
        texts = []
        for name in ("RECALL_WEBHOOK_SECRETS", "RECALL_WORKSPACE_VERIFICATION_SECRET"):
            given = [text for text in re.split(r"[\s,]+", self.values.get(name, "")) if text]
            count = len(given)
            texts += [(f"{name} ({n} of {count})" if count > 1 else name, t) for n, t in enumerate(given, 1)]
        secrets: dict[bytes, Secret] = {}
        for name, text in texts:
            try:
                secret = parse_secret(text)
            except ValueError as error:
                # Without its first letters it may be anything, a password of something else above all.
                why = str(error) if "whsec_" in text else "not a webhook secret: it must begin with whsec_"
                self.problem(f"{name}: {why}" + ("" if why.endswith("?") else "."))
            else:
                secrets.setdefault(secret.key, secret)
        if not texts and is_required:
            self.problem(
                "RECALL_WEBHOOK_SECRETS is missing: create the workspace verification secret in the Recall "
                "dashboard (Developers > API keys & secrets); without it Recall signs nothing."
            )
        return tuple(secrets.values())

    def database_url(self, home: Path) -> str:
        url = self.values.get("DATABASE_URL")
        if url is None:
            return self._database_file("AFTERWORD_HOME", home / "afterword.db")
        scheme, _, rest = url.partition("://")
        file = sqlite_file(url)
        if file is not None and file != Path("/") and "?" not in url:
            return self._database_file("DATABASE_URL", self.root / file)
        if file is not None and "?" in url:
            self.problem("DATABASE_URL: a file's address has no parameters; a ? in its name is written %3F.")
        elif scheme in ("postgresql", "postgres") and rest:
            for problem in postgresql_problems(url):
                self.problem(problem)
            return f"postgresql://{rest}"
        else:
            self.problem("DATABASE_URL: must be sqlite:///PATH (a file) or postgresql://USER@HOST/DATABASE.")
        return "sqlite://"

    def _database_file(self, name: str, path: Path) -> str:
        try:
            path = path.resolve()
        except (ValueError, OSError, RuntimeError):  # a null byte, a loop of links
            path = Path("\0")
        if not fits(path):
            self.problem(f"{name}: is not a path that can be used.")
            return "sqlite://"
        # Only its kind is looked at: opening it could drop the locks of a database open in this process.
        if os.path.isdir(path):
            self.problem(f"{name}: {path} is a folder, where the database file belongs; move it away.")
        return sqlite_url(path)

    def redis_url(self) -> str | None:
        url = self.values.get("REDIS_URL")
        found = list(redis_problems(url)) if url is not None else []
        for problem in found:
            self.problem(problem)
        return None if found else url

    def metrics_token(self) -> str | None:
        token = self.values.get("AFTERWORD_METRICS_TOKEN")
        # https://www.rfc-editor.org/rfc/rfc6750#section-2.1
        if token is not None and not re.fullmatch(r"[A-Za-z0-9._~+/-]{16,}=*", token):
            self.problem(
                "AFTERWORD_METRICS_TOKEN: must be 16 or more letters, digits and -._~+/ without blanks; "
                "`openssl rand -hex 24` makes one."
            )
        return token

    def storage_url(self, home: Path) -> str:
        url = self.values.get("STORAGE_URL")
        if url is None:
            return (home / "transcripts").as_uri()
        if url.startswith("file:///") and storage_folder(url) is not None:
            return url
        if re.match(r"(s3|gs|az)://", url):
            self.problem("STORAGE_URL: object stores are not supported yet; use file:///absolute/path.")
        else:
            self.problem("STORAGE_URL: must be file:///absolute/path, a path that can be used.")
        return (home / "transcripts").as_uri()

    def policy(self, time_scale: float) -> Policy:
        path = self.path("AFTERWORD_POLICY", "policy.toml")
        is_there = os.path.exists(path)  # not Path's, which raises where a folder may not be entered
        if "AFTERWORD_POLICY" in self.values:
            reads_file = is_there
            if not is_there:
                self.problem(f"AFTERWORD_POLICY: there is no file {path}; write one or unset the variable.")
        else:
            reads_file = is_there and not self.is_isolated

        def say(sentence: str) -> None:
            self.of_policy.add(sentence)
            self.problem(sentence)

        order = self.values.get("AFTERWORD_PROVIDERS")
        file = path if reads_file else None
        return read_policy(file, order=order, time_scale=time_scale, problem=say, warn=self.warn)

    def api_keys(self) -> tuple[ApiKey, ...]:
        keys = []
        for text in self.values.get("AFTERWORD_API_KEYS", "").split():
            match = _API_KEY.fullmatch(text)
            if match is None:
                self.problem("AFTERWORD_API_KEYS: each is name=scope+scope=sha256-hex, separated by blanks.")
            else:
                keys.append(ApiKey(match["name"], frozenset(match["scopes"].split("+")), match["digest"]))
        return tuple(keys)
