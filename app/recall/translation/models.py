"""How old the table's models are, and whether a refusal names one of them. PURE."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date

from app.recall.translation.outcome import Generation
from app.recall.translation.table import MODELS_CHECKED, TABLE

STALE_AFTER_DAYS = 90


def models_of(provider: str, generation: Generation) -> tuple[str, ...]:
    """The models that the table names for a provider, in the order in which they are tried."""
    entry = TABLE.get(provider)
    if entry is None:
        return ()
    return tuple(model.name for model in entry.column(generation).models)


def model_ages(today: date) -> Mapping[str, int]:
    """Days since the models of each provider that is told one were checked."""
    days = (today - MODELS_CHECKED).days
    return {key: days for key, entry in TABLE.items() if entry.vendor.models or entry.recall.models}


def refuses_model(body: str, provider: str, generation: Generation, model: str | None) -> bool:
    """
    Whether the body of a 400 names the model that was sent, so that the table's next one may be tried.

    A model's name is no part of a longer one: `nova-3` is not named by `nova-3-medical`. Of several that were
    sent by priority, each counts. Wrongly true costs a refusal more, never money.
    """
    return any(_is_named(name, body) for name in _sent(provider, generation, model))


def _sent(provider: str, generation: Generation, model: str | None) -> list[str]:
    entry = TABLE.get(provider)
    if entry is None or model is None:
        return []
    options = [each.options for each in entry.column(generation).models if each.name == model]
    return [text for each in options for text in _texts(each)]


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return [text for part in parts for text in _texts(part)]


def _is_named(name: str, body: str) -> bool:
    """A name that is a word of the language as well (`best`) must stand in quotation marks."""
    before, after = (r"[\"']", r"\\?[\"']") if name.isalpha() else (r"(?<![\w-])", r"(?![\w-])")
    return re.search(before + re.escape(name) + after, body, re.IGNORECASE) is not None
