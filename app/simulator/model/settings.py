"""
What may be changed while the simulator runs (`POST /_sim/settings`), with its checks. No effects here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

GENERATIONS = ("vendor", "recall")  # of option objects
LIMIT_MODES = ("any10", "successful10", "successful10_attempts100")

# https://docs.recall.ai/docs/recording-webhooks; the rest of the catalogue is sent by `POST /_sim/emit` only.
DEFAULT_EVENTS = [
    "recording.done", "recording.failed", "recording.deleted",
    "transcript.done", "transcript.failed", "transcript.deleted",
]  # fmt: skip


class BadSetting(ValueError):
    """A name or value that does not exist; the message names it and says what does."""


@dataclass(frozen=True, slots=True)
class Settings:
    """One immutable set; `change` makes the next. Durations elsewhere are scaled, `call_delay_ms` is real."""

    api_keys: list[str] = field(default_factory=list)
    # Key to the name of its workspace; a key of `api_keys` that is not named here is of "default".
    workspaces: dict[str, str] = field(default_factory=dict)
    limits: float | str = "on"  # "on", "off", or the factor the published rates are multiplied by
    limit_mode: str = "any10"
    limit_body: Any = None  # the body of the 400 at the limit per recording; the real one is not published
    retry_after: str = "seconds"  # of a 429: "seconds", "missing" or "date"
    throttle_first: bool = False  # judge the rate before the Idempotency-Key (the order is not published)
    errors_replayed: bool = True
    call_delay_ms: int = 0
    page_size: int = 5
    list_order: str = "newest"  # or "oldest", or "mixed": Recall promises none
    list_shows_deleted: bool = True
    deleted_retrieve: str = "artifact"  # or "404"
    provider_form: str = "alternate"  # or "single", "all_keys", or "several": others filled, and before it
    next_address: str = "own"  # of a list's next page; or "https", "recall", "path"
    clock_off_s: float = 0.0  # Recall's own clock against the real one; real seconds, negative too
    closed_schemas: bool = True  # provider options are validated
    # Of the option objects: "vendor", as new workspaces have them, or "recall"; and workspaces by name.
    generation: str = "vendor"
    generations: dict[str, str] = field(default_factory=dict)
    stale_models: list[str] = field(default_factory=lambda: ["universal-3-pro", "nano", "scribe_v1"])
    balance: bool = True
    down: bool = False
    down_mode: str = "503"
    waf_style: str = "json"  # {"code": "request_blocked", …}; or "html", or "text"
    downloads_blocked: bool = False
    downloads_blocked_mode: str = "cut"  # or "503", or "403" (not for age)
    webhooks_paused: bool = False
    webhook_url: str | None = None
    webhook_secrets: list[str] = field(default_factory=list)  # none: Recall sends without signature headers
    header_family: str = "webhook"
    events: list[str] = field(default_factory=lambda: list(DEFAULT_EVENTS))
    endpoint_disabled: bool = False  # set by the simulator after five days of failures

    def change(self, wanted: Mapping[str, object]) -> Settings:
        """
        The settings with `wanted` applied; `api_key` is short for a list of one.

        Raises:
            BadSetting: an unknown name, or a value of the wrong kind. Nothing is changed then.
        """
        given: dict[str, Any] = dict(wanted)
        if "api_key" in given:
            given["api_keys"] = [given.pop("api_key")]
        known = {f.name for f in fields(self)}
        if unknown := sorted(set(given) - known):
            raise BadSetting(f"unknown settings: {', '.join(unknown)} (known: {', '.join(sorted(known))})")
        for name, value in given.items():
            if not _CHECKS.get(name, _is_flag)(value):
                raise BadSetting(f"{name}: {value!r} is not possible")
        return replace(self, **given)

    def to_json(self) -> dict[str, Any]:
        """All of them, as `GET /_sim/settings` shows them."""
        return asdict(self)

    @property
    def known_keys(self) -> set[str]:
        """Every key that is accepted, whichever workspace it belongs to."""
        return {*self.api_keys, *self.workspaces}

    def generation_of(self, workspace: str) -> str:
        """Which of the two option objects this workspace takes."""
        return self.generations.get(workspace, self.generation)

    @property
    def rate_factor(self) -> float | None:
        """What the published rates are multiplied by; None when there are none."""
        return None if self.limits == "off" else 1.0 if self.limits == "on" else float(self.limits)


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_map_of_texts(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for pair in value.items() for text in pair)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _one_of(*choices: str) -> Callable[[object], bool]:
    return lambda value: value in choices


def _is_generation(value: object) -> bool:
    return value in GENERATIONS


def _is_limits(value: object) -> bool:
    if isinstance(value, bool):
        return False
    return value in ("on", "off") or (isinstance(value, int | float) and value > 0)


_CHECKS: Mapping[str, Callable[[object], bool]] = {
    "api_keys": _is_texts,
    "limits": _is_limits,
    "limit_mode": _one_of(*LIMIT_MODES),
    "limit_body": lambda value: True,
    "retry_after": _one_of("seconds", "missing", "date"),
    "call_delay_ms": _is_count,
    "page_size": lambda value: _is_count(value) and value != 0,
    "list_order": _one_of("newest", "oldest", "mixed"),
    "deleted_retrieve": _one_of("artifact", "404"),
    "provider_form": _one_of("alternate", "single", "all_keys", "several"),
    "next_address": _one_of("own", "https", "recall", "path"),
    "clock_off_s": _is_number,
    "workspaces": _is_map_of_texts,
    "generation": _is_generation,
    "generations": lambda value: isinstance(value, dict) and all(map(_is_generation, value.values())),
    "stale_models": _is_texts,
    "down_mode": _one_of("503", "cut"),
    "waf_style": _one_of("json", "html", "text"),
    "downloads_blocked_mode": _one_of("cut", "503", "403"),
    "webhook_url": lambda value: value is None or isinstance(value, str),
    "webhook_secrets": _is_texts,
    "header_family": _one_of("webhook", "svix"),
    "events": _is_texts,
}
