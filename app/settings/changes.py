"""
Which settings stand otherwise on disk than when a process read them: in `.env`, in the files of `NAME_FILE`,
in the policy file, in what holds the secrets of its webhooks. Digests only: 16 bits of a salted hash show a
change, and are too few to find a password.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import socket
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.errors import ConfigError
from app.settings.env_file import ENVIRONMENT_ONLY, is_isolated, read_all
from app.settings.environment import NAMES as SETTINGS
from app.settings.environment import RELOADABLE, SECRET_NAMES, Settings, extra_of
from app.settings.faults import Faults
from app.settings.program_name import ROOT

_POLICY = "AFTERWORD_POLICY"
# What it is made of, and it.
_OF_STORES = {"storage_environment": "the object store's own settings"}
_OF_POLICY = ("policy_file", "provider_order", "policy_tables", "policy", "endpoints")
_DIGITS = 4  # hexadecimal


def names_by_field(*, reload: bool) -> dict[str, str]:
    """Of the settings that a running service takes up at a reload, or only at a restart; by their field."""
    names = {
        field: str(its.validation_alias)
        for field, its in Settings.model_fields.items()
        if extra_of(its).get("reload") is reload
    }
    return {**names, **dict.fromkeys(_OF_POLICY, "the policy"), **_OF_STORES} if reload else names


def is_reloadable(name: str) -> bool:
    """Whether a change that `changed_since` names is taken up without a restart."""
    return name in RELOADABLE or name not in (*SETTINGS, ".env")  # else of the policy


def settings_fingerprint(environ: Mapping[str, str] | None = None, *, root: Path = ROOT) -> dict[str, Any]:
    """
    What stands on disk now, for `changed_since`: made of JSON's types, with no value in it. `host`, `root`,
    `salt`; `environment`, the names that it sets (whatever it sets is no matter of the disk), with the paths
    among their values; `digests`, by the name of the setting, of the policy file, or of a webhook's secret.
    """
    given = os.environ if environ is None else environ
    values = read_all(given, (), SECRET_NAMES, Faults(root))
    hooks = {str(table.get("secret_env")) for table in _webhooks(_policy(given, values, root)).values()}
    known = {name for name in given if _base(name) in SETTINGS or name in hooks}
    kept = {name: _path_of(name, given[name]) for name in known}
    salt = secrets.token_hex(8)
    found: dict[str, Any] = {"host": socket.gethostname(), "root": str(root), "salt": salt}
    return {**found, "environment": kept, "digests": _digests(kept, root, salt)}


def changed_since(known: Mapping[str, Any]) -> list[str]:
    """
    Names of settings that stand otherwise on this host's disk than in the fingerprint, sorted; a policy file
    by its own name, the file of a webhook's secret as `webhooks.NAME.secret_file`, an `.env` that cannot be
    read any more as `.env`. [] for what is no fingerprint.
    """
    try:
        before, salt = dict(known["digests"]), str(known["salt"])
        now = _digests(dict(known["environment"]), Path(known["root"]), salt)
    except ConfigError:
        return [".env"]
    except (KeyError, TypeError, ValueError, RuntimeError):  # the last: a home folder that is not known
        return []
    return sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))


def _base(name: str) -> str:
    return name.removesuffix("_FILE") if name.removesuffix("_FILE") in SECRET_NAMES else name


def _path_of(name: str, value: str) -> str:
    """What is read again needs its path; of the rest only whether it is set at all counts."""
    is_kept = name.endswith("_FILE") or name in (_POLICY, *ENVIRONMENT_ONLY)
    return value if is_kept or not value.strip() else "set"


def _digests(environ: Mapping[str, str], root: Path, salt: str) -> dict[str, str]:
    faults = Faults(root)  # which are for `check` to say
    values = read_all(environ, (), SECRET_NAMES, faults)
    on_disk = {*faults.lines, *(name for name in SECRET_NAMES if f"{name}_FILE" in values)}
    policy = _policy(environ, values, root)
    texts = dict(policy)
    wanted = {*SETTINGS}
    for name, table in _webhooks(policy).items():
        wanted.add(str(table.get("secret_env")))
        found = _content(root, table["secret_file"]) if isinstance(table.get("secret_file"), str) else {}
        texts |= {f"webhooks.{name}.secret_file": content for content in found.values()}
    texts |= {name: values[name].encode() for name in on_disk & wanted if name in values}
    return {name: hashlib.sha256(salt.encode() + text).hexdigest()[:_DIGITS] for name, text in texts.items()}


def _policy(environ: Mapping[str, str], values: Mapping[str, str], root: Path) -> dict[str, bytes]:
    """What the policy file holds, by its name."""
    is_wanted = _POLICY in values or not is_isolated(environ)
    return _content(root, values.get(_POLICY, "policy.toml")) if is_wanted else {}


def _webhooks(policy: Mapping[str, bytes]) -> dict[str, dict[str, Any]]:
    """Its tables `[webhooks.NAME]`, right or wrong."""
    found: dict[str, dict[str, Any]] = {}
    for content in policy.values():
        with contextlib.suppress(ValueError, AttributeError):  # no UTF-8, no TOML, no tables
            tables = tomllib.loads(content.decode("utf-8-sig")).get("webhooks", {})
            found |= {name: table for name, table in tables.items() if isinstance(table, dict)}
    return found


def _content(root: Path, name: str) -> dict[str, bytes]:
    try:
        path = root / Path(name).expanduser()
        return {path.name: path.read_bytes()}
    except (OSError, ValueError, RuntimeError):  # a null byte, a home folder that is not known
        return {}
