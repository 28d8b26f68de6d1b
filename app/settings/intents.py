"""
`[intent]`, `[[rules]]` and `[generation]` of the policy file: what is wanted of a transcript, whichever
provider makes it; for which recordings something else; and in which form providers read their options.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator

from app.core.intent import Intent
from app.core.policy import CEILING, ProviderChoice, Rule
from app.recall.languages import AUTO, standard_tag
from app.recall.providers import is_misspelt, may_be_async, meant_by
from app.settings.faults import Table, key, must

Generation = Literal["auto", "recall", "vendor"]
# Whose audio is transcribed, by what `[intent] diarization` says.
_WITH_STREAMS = ("separate-streams", "hybrid")


def _language(value: Any) -> Any:
    texts = value if isinstance(value, list) else [value]
    for text in texts:
        if not isinstance(text, str) or standard_tag(text) is None:
            raise ValueError(f'{text!r} is no BCP 47 tag such as "en" or "de-CH", nor "{AUTO}"')
    if not texts or (len(texts) > 1 and AUTO in texts):
        raise ValueError(f'name one tag, a list of tags of which one is spoken, or "{AUTO}" alone')
    return value


def did_you_mean(name: str) -> str:
    return f"; did you mean {meant}?" if (meant := meant_by(name)) else ""


def why_no_provider(name: str) -> str | None:
    """Why a text is no key of an asynchronous provider's."""
    hint = did_you_mean(name)
    if not may_be_async(name):
        return (
            f"{name!r} is not an asynchronous provider of Recall's; those end in _async, "
            f"real-time ones cannot transcribe a finished recording{hint}"
        )
    return f"{name!r} is none of Recall's{hint}" if is_misspelt(name) else None


def known_provider(name: Any) -> Any:
    """For the place of a provider's key that the list of providers need not have."""
    if (why := why_no_provider(str(name))) is not None:
        raise ValueError(why)
    return name


def _each_once(names: list[str]) -> list[str]:
    if len(set(names)) != len(names):
        raise ValueError("each provider is tried once; one is named twice")
    return names


_Seconds = Annotated[float, must(lambda n: 0 <= n <= 604_800, "must be between 0 seconds and a week")]
_Texts = list[Annotated[str, must(str.strip, "a blank text says nothing")]]


class IntentTable(Table):
    """What is wanted of a transcript, in the field's terms. What a provider cannot be told: `unsupported`."""

    language: Annotated[str | list[str], BeforeValidator(_language)] = key(
        AUTO, "BCP 47 tag; a list of tags, of which one is spoken; or auto"
    )
    code_switching: bool = key(False, "several languages within one recording")
    diarization: Literal["separate-streams", "speaker-timeline", "machine", "hybrid"] = key(
        "separate-streams", "how speakers are told apart"
    )
    speakers: Annotated[int, must(lambda n: 0 <= n <= 100, "must be between 0 and 100")] = key(
        0, "expected number; 0: not known"
    )
    key_terms: _Texts = key([], "names and words that are likely to be said")
    spelling: dict[str, str] = key({}, "as heard, and as to be written")
    profanity_filter: bool = key(False, "mask swear words")
    redact: list[Literal["pii", "pci", "phi", "numbers"]] = key([], "what is masked")
    punctuation: bool = key(True, "with full stops and commas")
    fillers: bool = key(False, "keep uh and um")
    unsupported: Literal["strict", "best-effort"] = key(
        "best-effort", "strict: a provider that cannot be told all of it is passed over"
    )

    def fields(self, names: frozenset[str]) -> dict[str, Any]:
        """These of its keys, as fields of `Intent`."""
        found = {
            "languages": tuple(self.language) if isinstance(self.language, list) else (self.language,),
            "key_terms": tuple(self.key_terms),
            "spelling": tuple(self.spelling.items()),
            "redact": tuple(dict.fromkeys(self.redact)),
        }
        named = {"languages" if name == "language" else name for name in names}
        return {name: found[name] if name in found else getattr(self, name) for name in named}

    def intent(self, separate_streams: bool | None) -> Intent:
        """`separate_streams`: the short form of `diarization`, where it is given."""
        told = self.fields(frozenset(type(self).model_fields))
        if "diarization" not in self.model_fields_set and separate_streams is False:
            told["diarization"] = "speaker-timeline"
        return Intent(**told)


def agreed(table: IntentTable, info: Any) -> IntentTable:
    """Two keys for one thing, both given and different, are a problem."""
    short = info.data.get("separate_streams")
    is_given = short is not None and "diarization" in table.model_fields_set
    if is_given and short is not (table.diarization in _WITH_STREAMS):
        said = f'diarization = "{table.diarization}" contradicts separate_streams = {str(short).lower()}'
        raise ValueError(f"{said}; leave one of the two out")
    return table


class WhenTable(Table):
    """Which recordings; everything that is named must hold."""

    metadata: dict[str, str] = key({}, "of the recording or its bot")
    workspace: str | None = key(None, "the name of the workspace")
    min_duration_s: _Seconds = key(0.0, "recordings of this length and longer")
    max_duration_s: _Seconds | None = key(None, "recordings of this length and shorter")


def _not_empty(when: WhenTable) -> WhenTable:
    if not when.model_fields_set:
        raise ValueError("name what it is for: metadata, workspace, min_duration_s, max_duration_s")
    if when.max_duration_s is not None and when.max_duration_s < when.min_duration_s:
        raise ValueError("max_duration_s is below min_duration_s: no recording is meant")
    return when


class RuleTable(Table):
    """What is wanted otherwise for some recordings; the first rule that matches counts."""

    when: Annotated[WhenTable, AfterValidator(_not_empty)] = key(..., "for which recordings")
    intent: IntentTable = key(IntentTable(), "the keys of [intent] that are otherwise")
    providers: Annotated[
        list[Annotated[str, BeforeValidator(known_provider)]], AfterValidator(_each_once)
    ] = key([], "their order; without it the policy's")

    def rule(self, options: Mapping[str, Any], attempts: int | None) -> Rule:
        """`attempts`: the policy's, where it names a number."""
        return Rule(
            metadata=tuple(self.when.metadata.items()),
            workspace=self.when.workspace,
            min_duration_s=self.when.min_duration_s,
            max_duration_s=self.when.max_duration_s,
            intent=self.intent.fields(frozenset(self.intent.model_fields_set)),
            providers=tuple(ProviderChoice(name, options.get(name, {})) for name in self.providers),
            attempts=0 if attempts else min(len(self.providers), CEILING),
        )


def named_in(rules: Any) -> list[Any]:
    """Providers that rules name, of a file that need not be right."""
    lists = (
        [rule.get("providers") for rule in rules if isinstance(rule, dict)] if isinstance(rules, list) else []
    )
    return [name for each in lists if isinstance(each, list) for name in each]
