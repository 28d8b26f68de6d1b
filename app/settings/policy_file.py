"""
`policy.toml`, read strictly: what the operator wants, as `core.policy.Policy`. Unknown keys are
problems, because a misspelt one would silently cost money.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from app.core.durations import Durations
from app.core.policy import CEILING, Policy, ProviderChoice, Selection
from app.recall.limits import TRANSCRIPTS_PER_RECORDING
from app.recall.providers import ASYNC_PROVIDERS, BUILT_IN_PROVIDERS, may_be_async

_KEYS = {
    "providers": list,
    "options": dict,
    "attempts": int,
    "patience_s": (int, float),
    "give_up_after_h": (int, float),
    "on_silence": str,
    "fallback_on_empty": bool,
    "separate_streams": bool,
    "poll_only": bool,
    "reconcile": bool,
    "want_realtime": bool,
    "at_limit": str,
    "prune_stored": bool,
    "select": dict,
}
_SELECT_KEYS = {"default": str, "include": dict, "exclude": dict, "minimum_duration_s": (int, float)}
_BUILT_IN_OPTIONS = {choice.key: choice.options for choice in BUILT_IN_PROVIDERS}
Say = Callable[[str], None]


def read_policy_file(path: Path, problem: Say) -> dict[str, Any]:
    """The file's tables; {} and a problem when it cannot be read."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        problem(f"AFTERWORD_POLICY: there is no file {path.name}; write one or unset the variable.")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        problem(f"The policy file {path.name} cannot be read: {error}.")
    return {}


def build_policy(
    tables: Mapping[str, Any], *, order: str | None, time_scale: float, problem: Say, warn: Say
) -> Policy:
    """
    The policy of the file's tables, with `AFTERWORD_PROVIDERS` as `order` taking precedence.

    Args:
        problem, warn: Called with one sentence each, for every fault found.
    """
    tables = _checked(tables, _KEYS, "policy", problem)
    keys = [k.strip() for k in order.split(",") if k.strip()] if order else tables.get("providers")
    if keys is None:
        keys = [choice.key for choice in BUILT_IN_PROVIDERS]
    options = tables.get("options", {})
    # The file's own list counts too: AFTERWORD_PROVIDERS may leave one out whose options are then not wrong.
    _check_options([*keys, *tables.get("providers", [])], options, problem)
    providers = _providers(keys, options, problem, warn)
    return Policy(
        providers=providers,
        attempts=_attempts(tables.get("attempts", min(len(providers), CEILING)), problem),
        on_silence=_one_of(tables, "on_silence", ("fail", "next"), problem),
        fallback_on_empty=tables.get("fallback_on_empty", True),
        separate_streams=tables.get("separate_streams", True),
        poll_only=tables.get("poll_only", False),
        reconcile=_reconcile(tables, problem),
        want_realtime=tables.get("want_realtime", False),
        at_limit=_one_of(tables, "at_limit", ("stop", "prune"), problem),
        prune_stored=tables.get("prune_stored", False),
        select=_selection(tables.get("select", {}), problem),
        durations=_durations(tables, problem).scaled(time_scale),
    )


def _checked(tables: Mapping[str, Any], known: Mapping[str, Any], where: str, problem: Say) -> dict[str, Any]:
    """Only the entries that are known and of the right type."""
    good = {}
    for key, value in tables.items():
        expected = known.get(key)
        if expected is None:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(known)}."
            problem(f"Unknown key {key!r} in {where}{hint}")
        elif not isinstance(value, expected) or (isinstance(value, bool) and expected is not bool):
            problem(f"{where}: {key} has the wrong type; see policy.example.toml.")
        else:
            good[key] = value
    return good


def _providers(
    keys: list[Any], options: Mapping[str, Any], problem: Say, warn: Say
) -> tuple[ProviderChoice, ...]:
    names = [key for key in keys if isinstance(key, str)]
    if not names or len(names) != len(keys):
        problem("providers: name at least one of Recall's asynchronous providers, e.g. recallai_async.")
        return BUILT_IN_PROVIDERS
    for key in names:
        if not may_be_async(key):
            problem(
                f"providers: {key!r} is not an asynchronous provider of Recall's; those end in _async, "
                f"real-time ones cannot transcribe a finished recording{_did_you_mean(key)}"
            )
        elif key not in ASYNC_PROVIDERS and _is_misspelt(key):
            problem(f"providers: {key!r} is none of Recall's{_did_you_mean(key)}")
        elif key not in ASYNC_PROVIDERS:
            warn(f"providers: {key!r} is new to this version, Recall may refuse it{_did_you_mean(key)}")
    if len(set(names)) != len(names):
        problem("providers: each provider is tried once; one is named twice.")
    return tuple(ProviderChoice(k, options.get(k, _BUILT_IN_OPTIONS.get(k, {}))) for k in names)


def _did_you_mean(key: str) -> str:
    """`; did you mean …?` after a vendor's name or a misspelt key of Recall's, else the sentence's end."""
    known, letters = {_letters(name): name for name in sorted(ASYNC_PROVIDERS)}, _letters(key)
    near = difflib.get_close_matches(letters, known, 1, cutoff=0.75)
    near += [name for name in known if letters and name.startswith(letters)]
    return f"; did you mean {known[near[0]]}?" if near and key not in ASYNC_PROVIDERS else "."


def _is_misspelt(key: str) -> bool:
    """
    Whether a key that Recall may have added is so near to a known one that it was meant. A known provider of
    another version (`gladia_v3_async`) is not misspelt.
    """
    if any(re.sub(r"_v[0-9]+", "", key) == re.sub(r"_v[0-9]+", "", name) for name in ASYNC_PROVIDERS):
        return re.search(r"_v[0-9]+_async$", key) is None
    letters, known = _letters(key), [_letters(name) for name in ASYNC_PROVIDERS]
    is_beginning = len(letters) > 2 and any(name.startswith(letters) for name in known)
    return is_beginning or bool(difflib.get_close_matches(letters, known, 1, cutoff=0.85))


def _letters(name: str) -> str:
    """What the spellings of a name share: `assemblyai` of assembly_ai_async and AssemblyAI."""
    return re.sub(r"(_v[0-9]+)?(_async|_streaming)?$|[_\- ]", "", name.lower())


def _check_options(names: list[Any], options: Mapping[str, Any], problem: Say) -> None:
    for key in options:
        if key not in names and key not in _BUILT_IN_OPTIONS:
            problem(f"options.{key}: this provider is not in the list of providers{_did_you_mean(key)}")
        elif not isinstance(options[key], dict):
            problem(f"options.{key}: must be a table.")
        elif not _is_json(options[key]):
            problem(f"options.{key}: a date, nan or inf is not JSON; write what Recall's API takes.")


def _is_json(options: Mapping[str, Any]) -> bool:
    try:
        json.dumps(options, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True


def _attempts(value: int, problem: Say) -> int:
    if not 1 <= value <= CEILING:
        problem(
            f"attempts: {value} is outside 1 to {CEILING} (Recall stops at "
            f"{TRANSCRIPTS_PER_RECORDING} transcripts per recording)."
        )
        return 1
    return value


def _one_of(tables: Mapping[str, Any], key: str, allowed: tuple[str, ...], problem: Say) -> Any:
    value = tables.get(key, allowed[0])
    if value not in allowed:
        problem(f"{key}: {value!r} is not one of {', '.join(allowed)}.")
        return allowed[0]
    return value


def _reconcile(tables: Mapping[str, Any], problem: Say) -> bool:
    is_on: bool = tables.get("reconcile", True)
    if not is_on and tables.get("poll_only", False):
        problem(
            "reconcile = false contradicts poll_only = true: without webhooks that list is the only news; "
            "leave one of the two out."
        )
    return is_on


def _durations(tables: Mapping[str, Any], problem: Say) -> Durations:
    patience_s, give_up_h = tables.get("patience_s", 600), tables.get("give_up_after_h", 24)
    if not 30 <= patience_s <= 86_400:
        problem("patience_s: must be between 30 seconds and a day.")
    if not 2 <= give_up_h <= 720:
        problem(
            "give_up_after_h: must be between 2 and 720 hours; settling one lost answer may take over one."
        )
    if patience_s > give_up_h * 3600:
        problem("patience_s is longer than give_up_after_h: Recall would never be asked.")
    is_polling = tables.get("poll_only", False) and "patience_s" not in tables
    first_ask_s = Durations().poll_every_s if is_polling else float(patience_s)
    return Durations(first_ask_s=first_ask_s, give_up_s=give_up_h * 3600.0)


def _selection(table: Mapping[str, Any], problem: Say) -> Selection:
    table = _checked(table, _SELECT_KEYS, "policy [select]", problem)
    for name in ("include", "exclude"):
        for key, value in table.get(name, {}).items():
            if not isinstance(value, str):
                problem(f"select.{name}.{key}: metadata values are strings at Recall.")
    minimum_s = table.get("minimum_duration_s", 0)
    if not 0 <= minimum_s <= 86_400:
        problem("select.minimum_duration_s: must be between 0 seconds and a day.")
    exclude = {**dict(Selection().exclude), **table.get("exclude", {})}
    return Selection(
        default=_one_of(
            {"select.default": table.get("default", "all")}, "select.default", ("all", "none"), problem
        ),
        include=tuple(table.get("include", {}).items()),
        exclude=tuple(exclude.items()),
        minimum_duration_s=float(minimum_s),
    )
