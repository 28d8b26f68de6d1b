"""
What the text of a setting means, and what is wrong with it: one function for each that pydantic does not
know by itself. A `ValueError` is the one fault of a value; several, or one of another setting, are added to
the faults. No sentence repeats a value: it may be a password, also where none belongs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import PlainValidator

from app.core.policy import Policy
from app.recall.limits import REGIONS, base_url_of, region_of
from app.recall.signatures import Secret, parse_secret
from app.recall.url_checks import check_base_url, host_is_loopback, parts_of
from app.settings import object_stores
from app.settings.faults import Faults
from app.settings.outgoing import Endpoint, endpoints_of
from app.settings.policy_file import PolicyTables, read_policy
from app.settings.server_urls import (
    fits,
    postgresql_problems,
    redis_problems,
    sqlite_file,
    sqlite_url,
    storage_folder,
)
from app.settings.used_by_command import POLICY

ReadBy = PlainValidator  # in a field's type: the value is what this function makes of the text
_OF_SECRETS = ("RECALL_WEBHOOK_SECRETS", "RECALL_WORKSPACE_VERIFICATION_SECRET")
_API_KEY = re.compile(r"(?P<name>[A-Za-z0-9_.-]+)=(?P<scopes>[a-z:+_-]+)=(?P<digest>[0-9a-f]{64})")


SCOPES = frozenset(
    {"transcriptions:read", "transcriptions:write", "transcriptions:delete", "config:read", "config:write"}
)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key of our own `/v1`: only its SHA-256 is known."""

    name: str
    scopes: frozenset[str]
    digest: str = field(repr=False)


def whole(least: int, most: int) -> Callable[[str, Any], int]:
    def read(text: str, _info: Any) -> int:
        if not re.fullmatch(r"[0-9]{1,6}", text) or not least <= int(text) <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return int(text)

    return read


def path(text: str, info: Any) -> Path:
    """Below the root, unless it is absolute."""
    # An unknown ~user, a null byte, no UTF-8, a loop of links.
    with suppress(RuntimeError, ValueError, OSError):
        found: Path = (info.context.root / Path(text).expanduser()).resolve()
        if fits(found):
            return found
    raise ValueError("is not a path that can be used (is it too long?); write it out")


def base_url(text: str | None, info: Any) -> str:
    """Recall's address, of the region unless it is given."""
    faults, its_region = info.context, info.data["region"]
    if text is None and "RECALL_REGION" not in faults.given:
        regions = ", ".join(REGIONS)
        faults.add("RECALL_REGION", f" is missing: one of {regions} (it is in the dashboard's address)")
    url = base_url_of(its_region or REGIONS[0]) if text is None else check_base_url(text)
    if urlsplit(url).path:
        faults.add("RECALL_API_BASE_URL", "has a path (/api/v1 is added here); end it after the host")
    if None not in (text, its_region) and region_of(urlsplit(url).hostname or "") not in (None, its_region):
        faults.add("RECALL_API_BASE_URL", " and RECALL_REGION name different regions; unset one of them")
    if faults.is_isolated and not (text and host_is_loopback(url)):
        faults.add("RECALL_API_BASE_URL", "this command only ever talks to a Recall on this machine")
    return url


def time_scale(text: str, info: Any) -> float:
    if not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,3})?", text) or not 1 <= float(text) <= 3600:
        raise ValueError("must be a number from 1 to 3600")
    if float(text) != 1 and not host_is_loopback(info.data["api_base_url"]):
        info.context.add("AFTERWORD_TIME_SCALE", "only with a Recall on this machine; unset it")
    return float(text)


def policy_tables(_: object, info: Any) -> PolicyTables:
    """Of the file that is named, else of `policy.toml` where it lies, else what is built in."""
    faults, file = info.context, info.data["policy_file"]
    is_there = os.path.exists(file)  # not Path's, which raises where a folder may not be entered
    is_named = "AFTERWORD_POLICY" in faults.given
    problem = partial(faults.say, names=POLICY)
    if is_named and not is_there:
        problem(f"AFTERWORD_POLICY: there is no file {file}; write one or unset the variable.")
    path = file if is_there and (is_named or not faults.is_isolated) else None
    order, warn = info.data["provider_order"], faults.warnings.append
    return read_policy(path, order=order, problem=problem, warn=warn)


def policy(_: object, info: Any) -> Policy:
    """What the rules decide by."""
    tables: PolicyTables = info.data["policy_tables"]
    return tables.policy(time_scale=info.data["time_scale"])


def endpoints(_: object, info: Any) -> tuple[Endpoint, ...]:
    """Of the tables `[webhooks.NAME]`."""
    tables: PolicyTables = info.data["policy_tables"]
    return tuple(endpoints_of(tables.webhooks, faults=info.context, about=POLICY))


def public_url(text: str | None, _info: Any) -> str | None:
    """Without its trailing slash."""
    if text is None:
        return None
    if parts_of(text) is None or "?" in text or "#" in text:
        raise ValueError("must be this installation's address as others see it: https://HOST")
    return text.rstrip("/")


def api_key(text: str, _info: Any) -> str:
    if not text:
        raise ValueError(" is missing: create one in the Recall dashboard (Developers > API keys & secrets)")
    if not re.fullmatch(r"[\x21-\x7e]+", text) or text.lower() in ("token", "bearer"):
        raise ValueError("must be the bare key, without blanks and without a word before it")
    return text


def secrets(_: object, info: Any) -> tuple[Secret, ...]:
    """Of both settings, each once."""
    faults = info.context
    found: dict[bytes, Secret] = {}
    for name in _OF_SECRETS:
        texts = [text for text in re.split(r"[\s,]+", faults.given.get(name, "")) if text]
        for number, text in enumerate(texts, 1):
            try:
                secret = parse_secret(text)
            except ValueError as error:
                # Without its first letters it may be anything, a password of something else above all.
                why = str(error) if "whsec_" in text else "not a webhook secret: it must begin with whsec_"
                faults.add(name, f" ({number} of {len(texts)}): {why}" if len(texts) > 1 else why)
            else:
                found.setdefault(secret.key, secret)
    if not (found or info.data["policy"].poll_only or faults.names & {*_OF_SECRETS}):
        raise ValueError(
            " is missing: create the workspace verification secret in the Recall dashboard "
            "(Developers > API keys & secrets); without it Recall signs nothing"
        )
    return tuple(found.values())


def database_url(url: str | None, info: Any) -> str:
    """As SQLAlchemy takes it."""
    faults, home = info.context, info.data["home"]
    if url is None:
        return _database_file(home / "afterword.db", faults, "AFTERWORD_HOME")
    scheme, _, rest = url.partition("://")
    file = sqlite_file(url)
    if file is not None and file != Path("/") and "?" not in url:
        return _database_file(faults.root / file, faults, "DATABASE_URL")
    if file is not None and "?" in url:
        raise ValueError("a file's address has no parameters; a ? in its name is written %3F")
    if scheme not in ("postgresql", "postgres") or not rest:
        raise ValueError("must be sqlite:///PATH (a file) or postgresql://USER@HOST/DATABASE")
    for fault in postgresql_problems(url):
        faults.add("DATABASE_URL", fault)
    return f"postgresql://{rest}"


def _database_file(file: Path, faults: Faults, name: str) -> str:
    try:
        file = file.resolve()
    except (ValueError, OSError, RuntimeError):  # a null byte, a loop of links
        file = Path("\0")
    if not fits(file):
        faults.add(name, "is not a path that can be used")
        return "sqlite://"
    # Only its kind is looked at: opening it could drop the locks of a database open in this process.
    if os.path.isdir(file):
        faults.add(name, f"{file} is a folder, where the database file belongs; move it away")
    return sqlite_url(file)


def redis_url(url: str | None, info: Any) -> str | None:
    found = list(redis_problems(url)) if url is not None else []
    for fault in found:
        info.context.add("REDIS_URL", fault)
    return None if found else url


def storage_url(url: str | None, info: Any) -> str:
    if url is None:
        home: Path = info.data["home"]
        return (home / "transcripts").as_uri()
    if object_stores.is_object_store(url):
        given = object_stores.own_names(info.context.given)
        return object_stores.checked(url, given, is_isolated=info.context.is_isolated)
    if not url.startswith("file:///") or storage_folder(url) is None:
        raise ValueError(
            "must be file:///absolute/path, a path that can be used, or s3://, gs:// or az://BUCKET/PREFIX"
        )
    return url


def storage_environment(_: object, info: Any) -> dict[str, str]:
    """What object stores are told by their vendors' own names."""
    return object_stores.own_names(info.context.given)


def api_keys(text: str, _info: Any) -> tuple[ApiKey, ...]:
    matches = [_API_KEY.fullmatch(one) for one in text.split()]
    if None in matches:
        raise ValueError("each is name=scope+scope=sha256-hex, separated by blanks")
    keys = tuple(ApiKey(m["name"], frozenset(m["scopes"].split("+")), m["digest"]) for m in matches if m)
    if unknown := frozenset().union(*(key.scopes for key in keys)) - SCOPES:
        raise ValueError(f"{sorted(unknown)[0]} is no scope; there are {', '.join(sorted(SCOPES))}")
    if len({key.name for key in keys}) != len(keys):
        raise ValueError("two keys have one name, by which the log tells them apart")
    return keys
