"""
Settings: read once at the start, from the environment and `.env`, and complete or not at all. Every
problem is listed at once, each with its remedy, none with a secret's value. Relative paths, `.env` and
`policy.toml` belong to the project's root, never to the working directory.

A new setting is one field of `Settings`, a row in the README and a line in `.env.example`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, cast
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic.fields import FieldInfo

from app.core.durations import Durations
from app.core.policy import Policy
from app.errors import ConfigError
from app.recall.limits import REGIONS
from app.recall.signatures import Secret
from app.recall.url_checks import host_is_loopback
from app.settings import env_file, values
from app.settings.faults import Faults, must
from app.settings.host_environment import NAMES as SURROUNDINGS
from app.settings.host_environment import home_warnings, is_host, surroundings_problems
from app.settings.outgoing import Endpoint
from app.settings.policy_file import PolicyTables
from app.settings.program_name import ROOT
from app.settings.server_urls import sqlite_file
from app.settings.values import ApiKey, ReadBy

# https://www.rfc-editor.org/rfc/rfc6750#section-2.1
_BEARER = re.compile(r"[A-Za-z0-9._~+/-]{16,}=*")
_BARE = "must be 16 or more letters, digits and -._~+/ without blanks; `openssl rand -hex 24` makes one"


def setting(
    name: str,
    default: object,  # a text as it would be given, or None
    about: str,  # its meaning, as its row in the README begins it
    *,
    is_secret: bool = False,  # kept out of `repr`; may come from the file that `NAME_FILE` names
    reload: bool | None = False,  # whether a running service takes up a change; None: it does not use it
    instead: object = None,  # a harmless value for a wrong one, where that cannot be the default
) -> Any:
    """A setting, all of it in one place; its unit is the end of the field's name."""
    extra: Any = {"reload": reload, "instead": instead}
    shown = not is_secret
    return Field(default, validation_alias=name, description=about, repr=shown, json_schema_extra=extra)


_MADE: Any = Field(None)  # of other settings
_MADE_UNSHOWN: Any = Field(None, repr=False)  # and with addresses in it that may hold a secret


def extra_of(field: FieldInfo) -> dict[str, Any]:
    """What `setting` says of it beside what pydantic knows; {} for what is made of settings."""
    return dict(cast(Any, field.json_schema_extra) or {})


class Settings(BaseModel):
    """Everything the program was told, in the order in which it is checked."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, validate_default=True)

    root: Path
    home: Annotated[Path, ReadBy(values.path)] = setting(
        "AFTERWORD_HOME", "./var", "where embedded data lives"
    )
    region: Annotated[
        str | None, must(REGIONS.__contains__, f"unknown; Recall's regions are {', '.join(REGIONS)}")
    ] = setting("RECALL_REGION", None, "Recall's region")
    api_base_url: Annotated[str, ReadBy(values.base_url)] = setting(
        "RECALL_API_BASE_URL", None, "another address, e.g. the simulator", instead="https://invalid.invalid"
    )
    time_scale: Annotated[float, ReadBy(values.time_scale)] = setting(
        "AFTERWORD_TIME_SCALE", "1", "divides every wait"
    )
    policy_file: Annotated[Path, ReadBy(values.path)] = setting(
        "AFTERWORD_POLICY", "./policy.toml", "see below", reload=True
    )
    provider_order: str | None = setting(
        "AFTERWORD_PROVIDERS", None, "Recall's provider keys in order", reload=True
    )
    policy_tables: Annotated[PolicyTables, ReadBy(values.policy_tables)] = _MADE_UNSHOWN
    policy: Annotated[Policy, ReadBy(values.policy)] = _MADE
    endpoints: Annotated[tuple[Endpoint, ...], ReadBy(values.endpoints)] = _MADE
    api_key: Annotated[str, ReadBy(values.api_key)] = setting(
        "RECALL_API_KEY",
        "",
        "sent as `Authorization: Token KEY`",
        is_secret=True,
        reload=True,
        instead="no-key-that-can-be-sent",
    )
    verification_secret: str | None = setting(
        "RECALL_WORKSPACE_VERIFICATION_SECRET",
        None,
        "the same under Recall's own name",
        is_secret=True,
        reload=True,
    )
    webhook_secrets: Annotated[tuple[Secret, ...], ReadBy(values.secrets)] = setting(
        "RECALL_WEBHOOK_SECRETS", "", "one or more `whsec_…`", is_secret=True, reload=True, instead=()
    )
    database_url: Annotated[str, ReadBy(values.database_url)] = setting(
        "DATABASE_URL", None, "or `postgresql://USER@HOST/DATABASE`", is_secret=True, instead="sqlite://"
    )
    redis_url: Annotated[str | None, ReadBy(values.redis_url)] = setting(
        "REDIS_URL", None, "`redis://`, `rediss://` or `unix://`", is_secret=True
    )
    storage_url: Annotated[str, ReadBy(values.storage_url)] = setting(
        "STORAGE_URL", None, "`file:///absolute/path`, `s3://bucket/prefix`, `gs://…` or `az://…`"
    )
    storage_environment: Annotated[dict[str, str], ReadBy(values.storage_environment)] = Field(
        None, repr=False, validate_default=True
    )
    public_url: Annotated[str | None, ReadBy(values.public_url)] = setting(
        "PUBLIC_URL", None, "this installation's address as others see it", reload=True
    )
    workers: Annotated[int, ReadBy(values.whole(1, 64))] = setting(
        "AFTERWORD_WORKERS", "4", "worker processes, 1 to 64"
    )
    api_keys: Annotated[tuple[ApiKey, ...], ReadBy(values.api_keys)] = setting(
        "AFTERWORD_API_KEYS", "", "keys of `/v1`, beside those of `keys create`", is_secret=True, reload=True
    )
    ops_password: str | None = setting(
        "AFTERWORD_OPS_PASSWORD", None, "for `/ops/` and `/metrics`", is_secret=True, reload=True
    )
    metrics_token: Annotated[str | None, must(_BEARER.fullmatch, _BARE)] = setting(
        "AFTERWORD_METRICS_TOKEN", None, "a bearer token for `/metrics` alone", is_secret=True, reload=True
    )
    host: Annotated[
        str, must(is_host, "must be an address or a host name alone, e.g. 127.0.0.1; the port is PORT")
    ] = setting("HOST", "127.0.0.1", "where web listens")
    port: Annotated[int, ReadBy(values.whole(1, 65535))] = setting("PORT", "8000", "where web listens")
    ngrok_domain: Annotated[
        str | None,
        must(
            lambda name: is_host(name) and "." in name.strip("."),
            "must be the domain alone, as in your-name.ngrok.app: without https:// or path",
        ),
    ] = setting("NGROK_DOMAIN", None, "your static ngrok domain alone", reload=None)
    # Read by the launcher and by the isolated commands; here so that they are not called unknown.
    python: str | None = setting(
        "AFTERWORD_PYTHON", None, "environment only: the Python that makes `.venv`", reload=None
    )
    isolated: str | None = setting("AFTERWORD_ISOLATED", None, "environment only: `1` ignores", reload=None)
    warnings: tuple[str, ...] = ()
    wrong: frozenset[str] = frozenset()  # names of settings whose values are not those that were given

    @field_validator("*", mode="wrap")
    @classmethod
    def _or_harmless(cls, value: Any, handler: Callable[[Any], Any], info: Any) -> Any:
        """Adds the fault and goes on, so that what depends on this setting is looked at, too."""
        try:
            return handler(value)
        except ValidationError as error:
            field = cls.model_fields[info.field_name]
            info.context.add(str(field.validation_alias), str(error.errors()[0]["ctx"]["error"]))
            instead = extra_of(field)["instead"]
            return handler(field.default) if instead is None else instead

    @property
    def database_file(self) -> Path | None:
        """The SQLite file; None on PostgreSQL."""
        return sqlite_file(self.database_url)

    @property
    def durations(self) -> Durations:
        return self.policy.durations


FIELDS = {str(f.validation_alias): f for f in Settings.model_fields.values() if f.validation_alias}
NAMES = frozenset(FIELDS)
SECRET_NAMES = tuple(name for name, field in FIELDS.items() if not field.repr)
RELOADABLE = frozenset(name for name, field in FIELDS.items() if extra_of(field)["reload"])
_QUOTABLE = NAMES | {f"{name}_FILE" for name in SECRET_NAMES} | frozenset(SURROUNDINGS)


def load_settings(
    environ: Mapping[str, str] | None = None, *, root: Path = ROOT, used: Collection[str] | None = None
) -> Settings:
    """
    The settings of the environment, over those of `.env` at the root.

    `environ` is instead of the process's own environment. With `AFTERWORD_ISOLATED=1` in it neither `.env`
    nor a `policy.toml` lying about is read, and only a loopback Recall is accepted. `used` names the settings
    that count (`used_by_command`; None: all): another that is wrong is named in `Settings.wrong` and has a
    harmless value. Raises `ConfigError`: every problem, each a sentence with its remedy.
    """
    faults = Faults(root)
    environ = env_file.without_quotes(os.environ if environ is None else environ, _QUOTABLE, faults)
    faults.given = given = env_file.read_all(environ, _QUOTABLE, SECRET_NAMES, faults)
    misnamed = list(env_file.unknown(given, NAMES | {f"{name}_FILE" for name in SECRET_NAMES}))
    known = {name: given[name] for name in NAMES & given.keys()}
    settings = Settings.model_validate({**known, "root": root}, context=faults)
    if not host_is_loopback(settings.api_base_url):
        host = urlsplit(settings.api_base_url).hostname or ""
        for name, fault in surroundings_problems(environ, host=host):
            faults.add(name, fault)
    wrong = [fault.sentence for fault in faults.found if used is None or fault.is_about(used)]
    if wrong:
        # What is missing may only be misspelt.
        raise ConfigError([*wrong, *misnamed])
    notes = (*misnamed, *home_warnings(settings.home, user=os.geteuid()), *faults.warnings)
    every = NAMES | frozenset(SURROUNDINGS)
    unfit = every & faults.names if all(fault.names for fault in faults.found) else every
    return settings.model_copy(update={"warnings": notes, "wrong": unfit})
