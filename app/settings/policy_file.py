"""
`policy.toml`, read strictly: what the operator wants, as `core.policy.Policy`. Unknown keys are
problems, because a misspelt one would silently cost money.

A new key is one field of a table below and its lines in `policy.example.toml`. Where a rule of core reads it,
a field of the same name in `Policy` receives it.
"""

from __future__ import annotations

import functools
import json
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ValidationError, ValidationInfo

from app.core.durations import Durations
from app.core.policy import CEILING, Policy, ProviderChoice, Selection
from app.recall.limits import TRANSCRIPTS_PER_RECORDING
from app.recall.providers import ASYNC_PROVIDERS, BUILT_IN_PROVIDERS, may_be_async
from app.settings.problems import KeyPath, Lines, Say, Table, ended, key, nearest, sentences

_BUILT_IN_OPTIONS = {choice.key: choice.options for choice in BUILT_IN_PROVIDERS}


@dataclass(frozen=True, slots=True)
class _Reading:
    """What the checks of a value need besides it."""

    warn: Say
    providers: Sequence[Any]  # as they are to be tried
    also_named: Sequence[Any]  # by the file, where AFTERWORD_PROVIDERS names others


def _reading(info: ValidationInfo) -> _Reading:
    assert isinstance(info.context, _Reading)
    return info.context


def _provider(name: str, info: ValidationInfo) -> str:
    if not may_be_async(name):
        raise ValueError(
            f"{name!r} is not an asynchronous provider of Recall's; those end in _async, "
            f"real-time ones cannot transcribe a finished recording{_did_you_mean(name)}"
        )
    if name not in ASYNC_PROVIDERS and _is_misspelt(name):
        raise ValueError(f"{name!r} is none of Recall's{_did_you_mean(name)}")
    if _reading(info).providers.count(name) > 1:
        raise ValueError("each provider is tried once; one is named twice")
    if name not in ASYNC_PROVIDERS:
        hint = _did_you_mean(name)
        _reading(info).warn(ended(f"providers: {name!r} is new to this version, Recall may refuse it{hint}"))
    return name


def _of_a_named_provider(name: str, info: ValidationInfo) -> str:
    reading = _reading(info)
    named = (*reading.providers, *reading.also_named, *_BUILT_IN_OPTIONS)
    if name not in named:
        raise ValueError(f"this provider is not in the list of providers{_did_you_mean(name)}")
    return name


def _as_sent(options: Any) -> Any:
    if not isinstance(options, dict):
        raise ValueError("must be a table")
    try:
        json.dumps(options, allow_nan=False)
    except (TypeError, ValueError):
        raise ValueError("a date, nan or inf is not JSON; write what Recall's API takes") from None
    return options


def _after_patience(give_up_after_h: float, info: ValidationInfo) -> float:
    if info.data.get("patience_s", 0) > give_up_after_h * 3600:
        raise ValueError("patience_s is longer than give_up_after_h: Recall would never be asked")
    return give_up_after_h


def _with_webhooks(is_on: bool, info: ValidationInfo) -> bool:
    if not is_on and info.data.get("poll_only", False):
        raise ValueError(
            "reconcile = false contradicts poll_only = true: without webhooks that list is the only news; "
            "leave one of the two out"
        )
    return is_on


_METADATA = "metadata values are strings at Recall"
_DAY = "must be between {} and a day"


class SelectTable(Table):
    """Which recordings, by the metadata of the recording or its bot."""

    default: Literal["all", "none"] = key("all", "what neither names")
    include: dict[str, str] = key({}, "those with one of these", fault=_METADATA)
    exclude: dict[str, str] = key({}, "none of those with one of these", fault=_METADATA)
    minimum_duration_s: float = key(
        0.0, "shorter ones are skipped", ge=0, le=86_400, fault=_DAY.format("0 seconds")
    )


class PolicyTables(Table):
    """The whole file. What one check needs of another key stands below that key."""

    providers: list[Annotated[str, AfterValidator(_provider)]] = key(
        [choice.key for choice in BUILT_IN_PROVIDERS],
        "Recall's keys, in the order in which they are tried",
        min_length=1,
        fault="name at least one of Recall's asynchronous providers, e.g. recallai_async",
    )
    options: dict[
        Annotated[str, AfterValidator(_of_a_named_provider)], Annotated[Any, BeforeValidator(_as_sent)]
    ] = key({}, "sent to the provider as they are")
    attempts: int | None = key(
        None,
        "the budget: paid attempts per recording",
        ge=1,
        le=CEILING,
        fault=f"{{value}} is outside 1 to {CEILING} (Recall stops at {TRANSCRIPTS_PER_RECORDING} transcripts per recording)",
    )
    patience_s: float | None = key(
        None,
        "without news of a running attempt before Recall is asked about it",
        ge=30,
        le=86_400,
        fault=_DAY.format("30 seconds"),
    )
    give_up_after_h: Annotated[float, AfterValidator(_after_patience)] = key(
        24.0,
        "after which a recording without an answer fails visibly",
        ge=2,
        le=720,
        fault="must be between 2 and 720 hours; settling one lost answer may take over one",
    )
    on_silence: Literal["fail", "next"] = key("fail", "of an attempt of which nothing was heard")
    fallback_on_empty: bool = key(True, "a transcript without a word: try one further provider")
    separate_streams: bool = key(True, "use each participant's own audio stream")
    poll_only: bool = key(False, "receive no webhooks and ask Recall instead")
    reconcile: Annotated[bool, AfterValidator(_with_webhooks)] = key(
        True, "take up what Recall lists as done and no webhook told of"
    )
    want_realtime: bool = key(False, "fetch transcripts that were made during the call, too")
    at_limit: Literal["stop", "prune"] = key("stop", "at Recall's limit of ten transcripts per recording")
    prune_stored: bool = key(False, "finished transcripts that are stored here may be deleted at Recall")
    select: SelectTable = key(SelectTable(), "which recordings")

    def policy(self, *, time_scale: float) -> Policy:
        """What core decides by; keys that it knows by the same name are passed on as they are."""
        names = {field.name for field in fields(Policy)} & type(self).model_fields.keys()
        options = {**_BUILT_IN_OPTIONS, **self.options}
        by_itself_s = Durations().poll_every_s if self.poll_only else Durations().first_ask_s
        durations = Durations(
            first_ask_s=self.patience_s or by_itself_s, give_up_s=self.give_up_after_h * 3600
        )
        made = {
            "providers": tuple(ProviderChoice(name, options.get(name, {})) for name in self.providers),
            "attempts": self.attempts or min(len(self.providers), CEILING),
            "select": Selection(
                default=self.select.default,
                include=tuple(self.select.include.items()),
                exclude=tuple({**dict(Selection().exclude), **self.select.exclude}.items()),
                minimum_duration_s=self.select.minimum_duration_s,
            ),
            "durations": durations.scaled(time_scale),
        }
        return Policy(**{name: getattr(self, name) for name in names} | made)


def read_policy(
    path: Path | None, *, order: str | None, time_scale: float, problem: Say, warn: Say
) -> Policy:
    """
    The policy of a file, without one the built-in.

    Args:
        order: AFTERWORD_PROVIDERS, which takes precedence over the file's `providers`.
        problem, warn: Called with one sentence each, for every fault; what is wrong counts as not given.
    """
    text, tables = "", {}
    try:
        if path is not None:
            text = path.read_text("utf-8")
            tables = tomllib.loads(text)
    except FileNotFoundError:
        problem(f"AFTERWORD_POLICY: there is no file {path and path.name}; write one or unset the variable.")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        problem(f"The policy file {path and path.name} cannot be read: {error}.")

    lines = functools.cache(lambda: Lines(text))

    def say(place: KeyPath, sentence: str) -> None:
        line = lines().of(place) if order is None or place[0] != "providers" else None
        problem(sentence if line is None or path is None else f"{path.name}, line {line}: {sentence}")

    return build_policy(tables, order=order, say=say, warn=warn).policy(time_scale=time_scale)


def build_policy(
    tables: Mapping[str, Any], *, order: str | None, say: Callable[[KeyPath, str], None], warn: Say
) -> PolicyTables:
    """
    The tables of a file, checked.

    Args:
        say: Called with the place of each fault and a sentence; what is wrong counts as not given.
    """
    in_file = tables.get("providers", [])
    if order is not None:
        tables = {**tables, "providers": [name for part in order.split(",") if (name := part.strip())]}
    given = tables.get("providers", [])
    lists = [names if isinstance(names, list) else [] for names in (given, in_file)]
    reading = _Reading(warn, *lists)
    try:
        return PolicyTables.model_validate(tables, context=reading)
    except ValidationError as error:
        for place, sentence in sentences(PolicyTables, error, where="policy"):
            say(place, sentence)
        wrong = {one["loc"][0] for one in error.errors()}
        good = {name: value for name, value in tables.items() if name not in wrong}
        return PolicyTables.model_validate(good, context=_Reading(lambda _: None, *lists))


def _did_you_mean(name: str) -> str:
    """`; did you mean …?` after a vendor's name or a misspelt key of Recall's, else nothing."""
    known, letters = {_letters(each): each for each in sorted(ASYNC_PROVIDERS)}, _letters(name)
    near = nearest(letters, known, cutoff=0.75)
    meant = [near] if near else [each for each in known if letters and each.startswith(letters)]
    return f"; did you mean {known[meant[0]]}?" if meant and name not in ASYNC_PROVIDERS else ""


def _is_misspelt(name: str) -> bool:
    """
    Whether a key that Recall may have added is so near to a known one that it was meant. A known provider of
    another version (`gladia_v3_async`) is not misspelt.
    """
    if any(re.sub(r"_v[0-9]+", "", name) == re.sub(r"_v[0-9]+", "", each) for each in ASYNC_PROVIDERS):
        return re.search(r"_v[0-9]+_async$", name) is None
    letters, known = _letters(name), [_letters(each) for each in ASYNC_PROVIDERS]
    is_beginning = len(letters) > 2 and any(each.startswith(letters) for each in known)
    return is_beginning or nearest(letters, known, cutoff=0.85) is not None


def _letters(name: str) -> str:
    """What the spellings of a name share: `assemblyai` of assembly_ai_async and AssemblyAI."""
    return re.sub(r"(_v[0-9]+)?(_async|_streaming)?$|[_\- ]", "", name.lower())
