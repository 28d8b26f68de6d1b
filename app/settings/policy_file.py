"""
`policy.toml`, read strictly: what the operator wants, as `core.policy.Policy`. Unknown keys are
problems, because a misspelt one would silently cost money.

A new key is one field of a table below and its lines in `policy.example.toml`. Where a rule of core reads it,
a field of the same name in `Policy` receives it.
"""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, ValidationError

from app.core.cost import Prices, amount_of, micros_of
from app.core.durations import Durations
from app.core.policy import CEILING, FORMATS, Policy, ProviderChoice, Selection
from app.core.quality import Action, Quality
from app.recall.limits import TRANSCRIPTS_PER_RECORDING
from app.recall.prices import BUILT_IN_PRICES
from app.recall.providers import ASYNC_PROVIDERS, BUILT_IN_PROVIDERS, is_misspelt, may_be_async
from app.settings.faults import Say, Table, ended, key, line_of, must, sentences
from app.settings.intents import (
    Generation,
    IntentTable,
    RuleTable,
    agreed,
    did_you_mean,
    named_in,
    why_no_provider,
)
from app.settings.outgoing import WebhookTables

_NAME_ONE = "name at least one of Recall's asynchronous providers, e.g. recallai_async"
_BUILT_IN = [choice.key for choice in BUILT_IN_PROVIDERS]


def _provider(name: Any, info: Any) -> str:
    if not isinstance(name, str):
        raise ValueError(_NAME_ONE)
    if (why := why_no_provider(name)) is not None:
        raise ValueError(why)
    if info.context["providers"].count(name) > 1:
        raise ValueError("each provider is tried once; one is named twice")
    if name not in ASYNC_PROVIDERS:
        hint = did_you_mean(name)
        info.context["warn"](ended(f"providers: {name!r} is new to this version, Recall may refuse it{hint}"))
    return name


def _of_a_named_provider(name: str, info: Any) -> str:
    # The file's own list counts too: AFTERWORD_PROVIDERS may leave one out whose options are then not wrong.
    if name not in [*info.context["providers"], *info.context["in_file"], *_BUILT_IN]:
        raise ValueError(f"this provider is not in the list of providers{did_you_mean(name)}")
    return name


def _format(name: Any) -> str:
    if name not in FORMATS:
        raise ValueError(f"{name!r} is none of {', '.join(FORMATS)}")
    return str(name)


def _as_sent(options: Any) -> Any:
    if not isinstance(options, dict):
        raise ValueError("must be a table")
    try:
        json.dumps(options, allow_nan=False)
    except (TypeError, ValueError):
        raise ValueError("a date, nan or inf is not JSON; write what Recall's API takes") from None
    return options


def _metadata(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("metadata values are strings at Recall")
    return value


def _after_patience(give_up_after_h: float, info: Any) -> float:
    if (info.data.get("patience_s") or 0) > give_up_after_h * 3600:
        raise ValueError("patience_s is longer than give_up_after_h: Recall would never be asked")
    return give_up_after_h


def _with_webhooks(is_on: bool, info: Any) -> bool:
    if not is_on and info.data.get("poll_only", False):
        raise ValueError(
            "reconcile = false contradicts poll_only = true: without webhooks that list is the only news; "
            "leave one of the two out"
        )
    return is_on


_Metadata = dict[str, Annotated[str, BeforeValidator(_metadata)]]
_ATTEMPTS = (
    f"{{}} is outside 1 to {CEILING} (Recall stops at {TRANSCRIPTS_PER_RECORDING} transcripts per recording)"
)
_HOURS = "must be between 2 and 720 hours; settling one lost answer may take over one"


class SelectTable(Table):
    """Which recordings, by the metadata of the recording or its bot."""

    default: Literal["all", "none"] = key("all", "what neither names")
    include: _Metadata = key({}, "those with one of these")
    exclude: _Metadata = key({}, "none of those with one of these")
    minimum_duration_s: Annotated[
        float, must(lambda n: 0 <= n <= 86_400, "must be between 0 seconds and a day")
    ] = key(0.0, "shorter ones are skipped")


class QualityTable(Table):
    """What follows from each verdict."""

    evidence: Literal["free", "timeline"] = key(
        "free",
        "what is read for it: the transcript alone; or its recording's timeline, two requests more",
    )
    empty: Action = key("fall-back", "not one word, and nothing says that the room was silent")
    silent: Action = key("accept", "not one word, and by the recording's own timeline no speech")
    thin: Action = key("flag", "words cover less of the speech than `min_coverage`")
    cut_off: Action = key("flag", "words end long before the speech does")
    wrong_language: Action = key("flag", "most words are in another language than was wanted")
    disordered: Action = key("flag", "times are not in order")
    one_speaker_of_many: Action = key("flag", "a speaker's words are missing, or all are under one name")
    min_coverage: Annotated[float, must(lambda n: 0 <= n <= 1, "must be between 0 and 1")] = key(
        0.5, "share of the speech that words cover in a transcript which is not thin"
    )


def _as_short_form(quality: QualityTable, info: Any) -> QualityTable:
    short, is_given = info.data.get("fallback_on_empty"), "empty" in quality.model_fields_set
    if is_given and short is not None and short is not (quality.empty == "fall-back"):
        word = "true" if short else "false"
        raise ValueError(
            f"empty = {quality.empty!r} contradicts fallback_on_empty = {word}; leave one of the two out"
        )
    return quality


_DAYS = "must be between 0 (for ever) and 36,500 days"
_Days = Annotated[float, must(lambda n: 0 <= n <= 36_500, _DAYS)]


class RetentionTable(Table):
    """How long what is stored is kept, and what of it at Recall."""

    results_days: _Days = key(0.0, "results, after the end; then the recording is erased. 0: for ever")
    rows_days: _Days = key(0.0, "history, bodies of deliveries, bot and metadata. 0: for ever")
    delete_at_recall: Literal["never", "transcript", "recording"] = key(
        "never", "of what is stored here, whole: our transcripts, or the recording with its media"
    )


def _origin(text: str) -> str:
    parts = urlsplit(text)
    if (
        parts.scheme not in ("http", "https")
        or not parts.netloc
        or text != f"{parts.scheme}://{parts.netloc}"
    ):
        raise ValueError("each is a scheme and a host, as in https://app.example.com, without a path")
    return text


class ApiTable(Table):
    """What `/v1` allows."""

    cors_origins: list[Annotated[str, AfterValidator(_origin)]] = key([], "whose pages may call it")
    requests_per_minute: Annotated[int, must(lambda n: 1 <= n <= 60_000, "must be between 1 and 60000")] = (
        key(600, "of one key")
    )
    presigned_downloads: bool = key(False, "files of an object store come from its own addresses")


def _priced_provider(name: str) -> str:
    if not may_be_async(name) or is_misspelt(name):
        raise ValueError(f"{name!r} is no asynchronous provider of Recall's{did_you_mean(name)}")
    return name


_Amount = Annotated[float, must(lambda n: 0 <= n <= 1_000_000, "must be between 0 and 1,000,000")]


class CostTable(Table):
    """Prices, by which costs are estimated, and what a day may cost."""

    currency: Annotated[
        str, must(lambda s: re.fullmatch("[A-Z]{3}", s), "{!r} is no code of a currency, such as USD")
    ] = key(BUILT_IN_PRICES.currency, "of all amounts; prices that are built in are in USD")
    daily_budget: _Amount = key(0.0, "of a UTC day, all workspaces together. 0: none")
    separate_streams_factor: Annotated[float, must(lambda n: 1 <= n <= 10, "must be between 1 and 10")] = key(
        BUILT_IN_PRICES.separate_streams_factor, "what separate streams multiply a price by"
    )
    per_hour: dict[Annotated[str, AfterValidator(_priced_provider)], _Amount] = key(
        {name: amount_of(micros) for name, micros in BUILT_IN_PRICES.per_hour.items()},
        "by provider, for an hour of recording",
    )

    def prices(self) -> Prices:
        """What is given over what is built in, which is in its own currency."""
        is_same = self.currency == BUILT_IN_PRICES.currency
        built_in = BUILT_IN_PRICES.per_hour if is_same else {}
        given = self.per_hour if is_same or "per_hour" in self.model_fields_set else {}
        per_hour = {**built_in, **{name: micros_of(amount) for name, amount in given.items()}}
        return Prices(self.currency, per_hour, self.separate_streams_factor, micros_of(self.daily_budget))


def _of_priced_providers(cost: CostTable, info: Any) -> CostTable:
    of_rules = (name for rule in info.data.get("rules", ()) for name in rule.providers)
    shadow = info.data.get("shadow", ShadowTable())
    named = dict.fromkeys((*info.data.get("providers", ()), *of_rules, *shadow.providers))
    unpriced = [name for name in named if cost.prices().lacks(name)]
    if unpriced:
        raise ValueError(
            f"cost.daily_budget: {', '.join(unpriced)} has no price to hold against it; name one under "
            "[cost.per_hour], or leave the provider out"
        )
    return cost


class ShadowTable(Table):
    """Further transcripts beside the result, to compare with: each is paid for, none is ever the result."""

    percent: Annotated[float, must(lambda n: 0 <= n <= 100, "must be between 0 and 100")] = key(
        0.0, "of the recordings that are transcribed here; always the same ones"
    )
    providers: list[Annotated[str, AfterValidator(_priced_provider)]] = key(
        [], "Recall's keys, one after the other"
    )


def _with_providers(shadow: ShadowTable) -> ShadowTable:
    if shadow.percent > 0 and not shadow.providers:
        raise ValueError("percent without providers compares with nothing; name one, or leave percent out")
    return shadow


class PolicyTables(Table):
    """The whole file. What the check of one key needs of another one stands below that."""

    providers: Annotated[list[Annotated[str, BeforeValidator(_provider)]], must(bool, _NAME_ONE)] = key(
        _BUILT_IN,
        "Recall's keys, in the order in which they are tried",
    )
    options: dict[
        Annotated[str, AfterValidator(_of_a_named_provider)], Annotated[Any, BeforeValidator(_as_sent)]
    ] = key({}, "sent to the provider as they are, above what the intent is translated into")
    attempts: Annotated[int | None, must(lambda n: 1 <= n <= CEILING, _ATTEMPTS)] = key(
        None, "the budget: paid attempts per recording"
    )
    patience_s: Annotated[
        float | None, must(lambda n: 30 <= n <= 86_400, "must be between 30 seconds and a day")
    ] = key(None, "without news of a running attempt before Recall is asked about it")
    give_up_after_h: Annotated[
        float, must(lambda n: 2 <= n <= 720, _HOURS), AfterValidator(_after_patience)
    ] = key(24.0, "after which a recording without an answer fails visibly")
    on_silence: Literal["fail", "next"] = key("fail", "of an attempt of which nothing was heard")
    fallback_on_empty: bool | None = key(None, "the short form of `empty` in [quality]")
    separate_streams: bool | None = key(
        None, "use each participant's own audio stream: the short form of diarization"
    )
    poll_only: bool = key(False, "receive no webhooks and ask Recall instead")
    reconcile: Annotated[bool, AfterValidator(_with_webhooks)] = key(
        True, "take up what Recall lists as done and no webhook told of"
    )
    want_realtime: bool = key(False, "fetch transcripts that were made during the call, too")
    at_limit: Literal["stop", "prune"] = key("stop", "at Recall's limit of ten transcripts per recording")
    formats: list[Annotated[str, BeforeValidator(_format)]] = key(
        list(FORMATS), "files made of a transcript; transcript.json and manifest.json are always there"
    )
    participants: bool = key(
        False, "participants.json beside each transcript: one read and one download more"
    )
    prune_stored: bool = key(False, "finished transcripts that are stored here may be deleted at Recall")
    search: bool = key(True, "keep an index of what was said, beside or in the database")
    shadow: Annotated[ShadowTable, AfterValidator(_with_providers)] = key(
        ShadowTable(), "a share of the recordings by further providers, to compare with"
    )
    quality: Annotated[QualityTable, AfterValidator(_as_short_form)] = key(
        QualityTable(), "what follows from each verdict on a transcript"
    )
    intent: Annotated[IntentTable, AfterValidator(agreed)] = key(
        IntentTable(), "what is wanted of a transcript"
    )
    rules: list[RuleTable] = key([], "what is wanted otherwise, for which recordings; the first that matches")
    generation: dict[Annotated[str, AfterValidator(_of_a_named_provider)], Generation] = key(
        {}, "in which form a provider reads its options: auto, recall (Recall's own, older), vendor"
    )
    select: SelectTable = key(SelectTable(), "which recordings")
    api: ApiTable = key(ApiTable(), "what /v1 allows")
    webhooks: WebhookTables = key({}, "who is told what became of a recording")
    retention: RetentionTable = key(RetentionTable(), "how long what is stored is kept")
    cost: Annotated[CostTable, AfterValidator(_of_priced_providers)] = key(
        CostTable(), "what attempts cost, and how much of it a day may have"
    )

    def policy(self, *, time_scale: float) -> Policy:
        """What core decides by; keys that it knows by the same name are passed on as they are."""
        names = {field.name for field in fields(Policy)} & type(self).model_fields.keys()
        options = self.options
        by_itself_s = Durations().poll_every_s if self.poll_only else Durations().first_ask_s
        durations = Durations(
            first_ask_s=self.patience_s or by_itself_s, give_up_s=self.give_up_after_h * 3600
        )
        made = {
            "providers": tuple(ProviderChoice(name, options.get(name, {})) for name in self.providers),
            "intent": self.intent.intent(self.separate_streams),
            "rules": tuple(rule.rule(options, self.attempts) for rule in self.rules),
            "generations": {name: form for name, form in self.generation.items() if form != "auto"},
            "formats": tuple(dict.fromkeys(self.formats)),
            "attempts": self.attempts or min(len(self.providers), CEILING),
            "select": Selection(
                default=self.select.default,
                include=tuple(self.select.include.items()),
                exclude=tuple({**dict(Selection().exclude), **self.select.exclude}.items()),
                minimum_duration_s=self.select.minimum_duration_s,
            ),
            "durations": durations.scaled(time_scale),
            "quality": self._quality(),
            "results_kept_s": self.retention.results_days * 86_400 / time_scale,
            "rows_kept_s": self.retention.rows_days * 86_400 / time_scale,
            "delete_at_recall": self.retention.delete_at_recall,
            "shadow_percent": self.shadow.percent,
            "shadow_providers": tuple(dict.fromkeys(self.shadow.providers)),
            "prices": self.cost.prices(),
        }
        return Policy(**{name: getattr(self, name) for name in names} | made)

    def _quality(self) -> Quality:
        said = self.quality.model_dump()
        if self.fallback_on_empty is False and "empty" not in self.quality.model_fields_set:
            said["empty"] = "accept"
        return Quality(**said)


def read_policy(path: Path | None, *, order: str | None, problem: Say, warn: Say) -> PolicyTables:
    """
    The tables of a file, without one what is built in. `order` is AFTERWORD_PROVIDERS, which takes precedence
    over the file's `providers`. Every fault is one sentence to `problem` or `warn`, and counts as not given.
    """
    text, tables = "", {}
    name = "" if path is None else path.name
    try:
        if path is not None:
            text = path.read_text("utf-8")
            tables = tomllib.loads(text)
    except FileNotFoundError:
        problem(f"AFTERWORD_POLICY: there is no file {name}; write one or unset the variable.")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        problem(f"The policy file {name} cannot be read: {error}.")
    in_file = [*_list(tables.get("providers")), *named_in(tables.get("rules"))]
    context = {"warn": warn, "in_file": in_file}
    if order is not None:
        tables["providers"] = [part.strip() for part in order.split(",") if part.strip()]
    context["providers"] = _list(tables.get("providers"))
    try:
        return PolicyTables.model_validate(tables, context=context)
    except ValidationError as error:
        for place, sentence in sentences(PolicyTables, error, where="policy"):
            if order is not None and place[0] == "providers":
                problem(f"AFTERWORD_PROVIDERS: {sentence.removeprefix('providers: ')}")
            else:
                line = line_of(text, place)
                problem(sentence if line is None else f"{name}, line {line}: {sentence}")
        wrong = {one["loc"][0] for one in error.errors()}
    good = {key_: value for key_, value in tables.items() if key_ not in wrong}
    return PolicyTables.model_validate(good, context={**context, "warn": lambda _: None})


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
