"""
The tables `[webhooks.NAME]` of the policy file: who is told of what became of a recording, and with which
secret. Addresses are judged by their spelling here; each connection is judged again when it is made.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from app.recall.signatures import Secret, parse_secret
from app.recall.url_checks import parts_of, why_refused
from app.settings.faults import Faults, Table, must

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_REFUSED = {
    "bad_address": "is no absolute http(s) address, or has a user name in it",
    "not_https": "must begin with https://; plain http needs allow_private = true",
    "address_refused": "leads into a private network; allow_private = true lets it",
}


class OutgoingEvent(StrEnum):
    """What is announced of a recording."""

    COMPLETED = "transcription.completed"
    FAILED = "transcription.failed"
    FLAGGED = "transcription.flagged"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One receiver. Its secrets and its address, which may hold one, are kept out of `repr`."""

    name: str
    url: str = field(repr=False)
    secrets: tuple[Secret, ...] = field(repr=False)  # all of them sign
    events: frozenset[str] = frozenset(OutgoingEvent)
    workspaces: frozenset[str] = frozenset()  # empty: all
    metadata: tuple[tuple[str, str], ...] = ()  # a recording has all of these
    include_text: bool = False
    allow_private: bool = False

    @property
    def digest(self) -> str:
        """Of its address: what was learnt of one address says nothing about the next."""
        return hashlib.sha256(self.url.encode()).hexdigest()[:16]

    def wants(self, event: str, workspace: str, metadata: Mapping[str, str | None]) -> bool:
        """Whether it is told of this event of a recording with this metadata."""
        is_of = not self.workspaces or workspace in self.workspaces
        return event in self.events and is_of and all(metadata.get(k) == v for k, v in self.metadata)


def _named(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("a webhook's name is up to 40 letters, digits, - and _")
    return name


def _secret_once(secret_file: str | None, info: object) -> str | None:
    data: Mapping[str, object] = getattr(info, "data", {})
    if (secret_file is None) == (data.get("secret_env") is None):
        raise ValueError("name the secret by secret_env or by secret_file, one of the two")
    return secret_file


def _fit(allow_private: bool, info: object) -> bool:
    data: Mapping[str, object] = getattr(info, "data", {})
    refused = why_refused(
        str(data.get("url", "https://a.example")), is_private_fine=allow_private, is_plain_fine=allow_private
    )
    if refused is not None:
        raise ValueError(f"the url of this webhook {_REFUSED[refused]}")
    return allow_private


_Event = Literal["transcription.completed", "transcription.failed", "transcription.flagged"]


def _key(default: Any, about: str, **more: Any) -> Any:
    return Field(default, description=about, **more)


class WebhookTable(Table):
    """One endpoint; what the check of one key needs of another one stands below that."""

    url: Annotated[str, must(parts_of, "is no absolute http(s) address, or has a user name in it")] = Field(
        description="where it is sent to"
    )
    secret_env: str | None = _key(None, "the variable that holds its secret")
    secret_file: Annotated[str | None, AfterValidator(_secret_once)] = _key(
        None, "or the file that does", validate_default=True
    )
    events: Annotated[list[_Event], must(bool, "name at least one, or leave the key out for all")] = _key(
        [*OutgoingEvent], "which events"
    )
    metadata: dict[str, str] = _key({}, "only recordings with all of these")
    workspaces: list[str] = _key([], "only these workspaces")
    include_text: bool = _key(False, "send the words, too")
    allow_private: Annotated[bool, AfterValidator(_fit)] = _key(
        False, "let it lead into a private network", validate_default=True
    )


WebhookTables = dict[Annotated[str, AfterValidator(_named)], WebhookTable]


def endpoints_of(
    tables: Mapping[str, WebhookTable], *, faults: Faults, about: Collection[str]
) -> Iterator[Endpoint]:
    """
    The endpoints with their secrets read; one with a fault is left out.

    Args:
        about: Names of the settings that a fault is about.
    """
    for name, table in tables.items():
        where = f"[webhooks.{name}]"
        try:
            secrets = tuple(parse_secret(text) for text in _secret_texts(table, faults))
        except ValueError as error:
            faults.say(f"{where} {error}.", about)
            continue
        yield Endpoint(
            name=name,
            url=table.url,
            secrets=secrets,
            events=frozenset(table.events),
            workspaces=frozenset(table.workspaces),
            metadata=tuple(table.metadata.items()),
            include_text=table.include_text,
            allow_private=table.allow_private,
        )


def _secret_texts(table: WebhookTable, faults: Faults) -> list[str]:
    """Those of the variable or the file. Raises `ValueError`, without what was read."""
    if table.secret_env is not None:
        text, source = faults.given.get(table.secret_env, ""), f"secret_env: {table.secret_env}"
    else:
        source = f"secret_file: {table.secret_file}"
        try:
            text = (faults.root / Path(str(table.secret_file)).expanduser()).read_text("utf-8-sig")
        except (OSError, ValueError, RuntimeError):
            raise ValueError(f"{source} cannot be read") from None
    texts = [one for one in re.split(r"[\s,]+", text) if one]
    if not texts:
        raise ValueError(
            f"{source} is not set or empty; `openssl rand -base64 32` after whsec_ makes a secret"
        )
    return texts
