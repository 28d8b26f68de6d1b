"""
From an intent to a request's options, by the table. PURE.

Always excluded are a recording that is longer than every model takes, and a language that cannot be told.
Any other intent that cannot be told excludes under `unsupported = "strict"` and is left out otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from app.core.intent import Intent
from app.recall.languages import AUTO, standard_tag
from app.recall.translation.outcome import Generation, Ineligible, Translated
from app.recall.translation.shape import Column, Languages, Model, Options, Switch
from app.recall.translation.table import TABLE

# Of a recording whose length is not known; a model that takes this much is not asked about it.
ASSUMED_S = 8 * 3600.0


def translated(
    provider: str,
    intent: Intent,
    generation: Generation,
    *,
    recording_s: float | None = None,
    model: int = 0,
) -> Translated | Ineligible:
    """
    The options that tell this provider the intent, or why it cannot transcribe this recording.

    Args:
        provider: Recall's key for it, `deepgram_async`.
        generation: The form of its options. While it is not known of one whose older form is open, "recall":
            both forms read that.
        recording_s: The recording's length in seconds; None: not known.
        model: 0 for the first that can make this recording, 1 for the next one after its refusal, and so on.
    """
    entry = TABLE.get(provider)
    if entry is None:
        return Ineligible("provider", f"{provider} is not in the table of translations")
    column = entry.column(generation)
    told = provider if entry.schema == "one" else f'{provider}, in the form "{generation}",'
    length_s = recording_s or 0.0
    able = [each for each in column.ways() if length_s <= column.limit_s(each)]
    if not able:
        longest_s = max(map(column.limit_s, column.ways()))
        reason = (
            f"{provider} takes {longest_s / 60:.0f} minutes at most, the recording has {length_s / 60:.0f}"
        )
        return Ineligible("length", reason)
    results = [(each, _with_model(column, each, intent, told)) for each in able]
    possible = [(each, result) for each, result in results if isinstance(result, Translated)]
    if not possible:
        return results[0][1]

    def rank(pair: tuple[Model, Translated]) -> tuple[float, int]:
        """Of a length not known, first the one that takes more; then the one that leaves out less."""
        reach_s = min(column.limit_s(pair[0]), ASSUMED_S) if recording_s is None else 0.0
        return -reach_s, len(pair[1].left_out)

    return _chosen([result for _, result in sorted(possible, key=rank)], model, provider)


def length_matters(provider: str, intent: Intent, generation: Generation) -> bool:
    """Whether the recording's length can change what is sent. Limits of ten hours do not count."""
    entry = TABLE.get(provider)
    if entry is None:
        return False
    column = entry.column(generation)
    limits = {column.limit_s(each) for each in column.ways()}
    lengths = (0.0, *(limit + 1 for limit in limits if limit < ASSUMED_S))
    told = [translated(provider, intent, generation, recording_s=length) for length in lengths]
    sent = [(each.options, each.left_out) if isinstance(each, Translated) else None for each in told]
    return any(each != sent[0] for each in sent)


def _chosen(possible: list[Translated], model: int, provider: str) -> Translated | Ineligible:
    is_named = possible[0].model is not None
    if model >= (len(possible) if is_named else 1):
        reason = (
            f"{provider} refused every model of the table" if is_named else f"{provider} is told no model"
        )
        return Ineligible("model", reason)
    return replace(possible[model], models=len(possible) if is_named else 0)


@dataclass(slots=True)
class _Draft:
    """A request in the making."""

    column: Column
    told: str  # the provider, for sentences
    options: dict[str, Any] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    codes: tuple[str, ...] = ()  # of the languages; none where they are found out

    def put(self, options: Options) -> None:
        _merge(self.options, options)

    def leave_out(self, intent: str, parts: Iterable[str] = ()) -> None:
        listed = ", ".join(parts)
        self.left_out.append(f"{intent}: {listed}" if listed else intent)

    def is_spoken_only(self, only_in: frozenset[str] | None) -> bool:
        """Whether all that is spoken is certainly among these languages."""
        return only_in is None or (bool(self.codes) and only_in.issuperset(self.codes))


def _merge(into: dict[str, Any], more: Options) -> None:
    for name, value in more.items():
        if isinstance(value, Mapping):
            _merge(into.setdefault(name, {}), value)
        else:
            into[name] = list(value) if isinstance(value, list) else value


def _with_model(column: Column, model: Model, intent: Intent, told: str) -> Translated | Ineligible:
    draft = _Draft(_lacking(column, model), told)
    draft.put(model.options)
    draft.put(column.always)
    refused = _language(draft, intent)
    if refused is not None:
        return refused
    _diarization(draft, intent)
    _key_terms(draft, intent)
    _spelling(draft, intent)
    _profanity_filter(draft, intent)
    _redact(draft, intent)
    _switch(draft, "punctuation", draft.column.punctuation, intent.punctuation)
    _fillers(draft, intent)
    if draft.left_out and intent.unsupported == "strict":
        name, _, parts = draft.left_out[0].partition(": ")
        what = f"{name} ({parts})" if parts else name
        return Ineligible(name, f"{told} cannot be told {what}, and unsupported is strict")
    is_separate = intent.diarization in ("separate-streams", "hybrid")
    left_out, changed = tuple(draft.left_out), tuple(dict.fromkeys(draft.changed))
    return Translated(draft.options, is_separate, left_out, changed, model.name or None)


def _lacking(column: Column, model: Model) -> Column:
    """The column without the cells that this model lacks."""
    cells: dict[str, Any] = dict.fromkeys(model.lacks)
    if "diarization" in cells:
        cells["diarization"] = Switch(None, {})
    return replace(column, **cells)


# --- Languages --------------------------------------------------------------------------------------------


def _language(draft: _Draft, intent: Intent) -> Ineligible | None:
    # Before any is read as a tag: `auto` is a well-formed one.
    if not intent.languages or any(text.lower() == AUTO for text in intent.languages):
        return _detected(draft, intent.code_switching)
    tags = []
    for text in intent.languages:
        tag = standard_tag(text)
        if tag is None:
            return Ineligible("language", f"{text!r} is no language tag")
        tags.append(tag)
    told = _told(draft, draft.column.one, tags)
    if isinstance(told, Ineligible):
        return told
    if len(told) > 1:
        return _several(draft, tags, intent.code_switching)
    if intent.code_switching:  # a single language leaves none to switch to
        draft.leave_out("code_switching")
    return _say(draft, draft.column.one, tags)


def _detected(draft: _Draft, is_switching: bool) -> Ineligible | None:
    column = draft.column
    options = column.auto_switching if is_switching and column.auto_switching is not None else column.auto
    if options is None:
        return Ineligible("language", f"{draft.told} cannot find out the language of this recording")
    if is_switching and (column.auto_switching is None or "code_switching" in column.doubtful):
        draft.leave_out("code_switching")
    draft.put(options)
    return None


def _several(draft: _Draft, tags: list[str], is_switching: bool) -> Ineligible | None:
    """One of these; with code switching, several of them. Where that cannot be said, all are looked for."""
    column = draft.column
    if is_switching and column.among_switching is not None:
        told = _told(draft, column.among_switching, tags)
        if not isinstance(told, Ineligible) and column.among_switching.say(told) is not None:
            return _say(draft, column.among_switching, tags)
    if is_switching and column.auto_switching is None:
        draft.leave_out("code_switching")
        is_switching = False
    if column.among is not None and not is_switching:
        told = _told(draft, column.among, tags)
        if not isinstance(told, Ineligible) and len(told) == 1:  # regions of one language
            return _say(draft, column.one, tags, as_one=tags[0].split("-", 1)[0])
        return _say(draft, column.among, tags)
    draft.leave_out("language")
    return _detected(draft, is_switching)


def _told(draft: _Draft, languages: Languages, tags: list[str]) -> tuple[str, ...] | Ineligible:
    """Each language's code once."""
    found: dict[str, None] = {}
    for tag in tags:
        code = languages.codes.code_of(tag)
        if code is None:
            return Ineligible("language", f"{draft.told} has no name for the language {tag}")
        found[code.text] = None
    return tuple(found)


def _say(
    draft: _Draft, languages: Languages, tags: list[str], *, as_one: str | None = None
) -> Ineligible | None:
    """Puts the languages into the request; `as_one`: the language that all the tags are regions of."""
    told = _told(draft, languages, tags if as_one is None else [as_one])
    if isinstance(told, Ineligible):
        return told
    draft.codes = told
    draft.put(languages.say(told) or {})
    if as_one is None:
        changed = (languages.codes.code_of(tag) for tag in tags)
        draft.changed += [code.changed for code in changed if code is not None and code.changed]
    else:
        draft.changed += [f"language {tag} is told as {told[0]}" for tag in tags]
    return None


# --- All else ---------------------------------------------------------------------------------------------


def _switch(draft: _Draft, intent: str, switch: Switch, is_on: bool) -> None:
    options = switch.on if is_on else switch.off
    if options is None:
        draft.leave_out(intent)
    else:
        draft.put(options)


def _diarization(draft: _Draft, intent: Intent) -> None:
    by_provider = intent.diarization in ("machine", "hybrid")
    _switch(draft, "diarization", draft.column.diarization, by_provider)
    # With the meeting's own speakers their number is not asked; a stream of the hybrid has its own voices.
    if not intent.speakers or not by_provider:
        return
    speakers = draft.column.speakers
    is_whole = intent.diarization == "machine" and draft.column.diarization.on is not None
    if speakers is not None and is_whole and speakers.takes(intent.speakers):
        draft.put(speakers.say(intent.speakers))
    else:
        draft.leave_out("speakers")


def _key_terms(draft: _Draft, intent: Intent) -> None:
    if not intent.key_terms:
        return
    terms = draft.column.key_terms
    if terms is None:
        draft.leave_out("key_terms")
        return
    is_english = bool(draft.codes) and all(code.startswith("en") for code in draft.codes)
    at_most = terms.at_most_in_english if is_english and terms.at_most_in_english else terms.at_most
    wanted = tuple(dict.fromkeys(intent.key_terms))
    kept = tuple(term for term in wanted if terms.fits(term))[:at_most]
    if kept:
        draft.put(terms.say(kept))
    lost = set(wanted) - set(kept)
    if lost:
        draft.leave_out("key_terms", (term for term in wanted if term in lost))


def _spelling(draft: _Draft, intent: Intent) -> None:
    if not intent.spelling:
        return
    spelling = draft.column.spelling
    if spelling is None:
        draft.leave_out("spelling")
        return
    wanted = tuple(dict.fromkeys(intent.spelling))
    kept = tuple(pair for pair in wanted if spelling.fits(*pair))[: spelling.at_most]
    if kept:
        draft.put(spelling.say(kept))
    lost = set(wanted) - set(kept)
    if lost:
        draft.leave_out("spelling", (heard for heard, written in wanted if (heard, written) in lost))


def _profanity_filter(draft: _Draft, intent: Intent) -> None:
    if not intent.profanity_filter:
        return
    words = draft.column.profanity_filter
    if words is None or not draft.is_spoken_only(words.only_in):
        draft.leave_out("profanity_filter")
    else:
        draft.put(words.on)


def _redact(draft: _Draft, intent: Intent) -> None:
    kinds = tuple(dict.fromkeys(intent.redact))
    redact = draft.column.redact
    if redact is None or not kinds:
        if kinds:
            draft.leave_out("redact")
        return
    only_in = redact.only_in
    kept = [k for k in kinds if k in redact.kinds and draft.is_spoken_only(only_in.get(k))]
    lost = [k for k in kinds if k not in kept]
    weaker = dict.fromkeys(redact.weaker[k] for k in lost if k in redact.weaker)
    draft.changed += [f"redact {k} is told as {redact.weaker[k]}" for k in lost if k in redact.weaker]
    if kept or weaker:
        draft.put(redact.say(tuple(dict.fromkeys((*kept, *weaker)))))
    if "redact" in draft.column.doubtful:
        lost = list(kinds)
    if lost:
        draft.leave_out("redact", lost if kept and lost != list(kinds) else ())


def _fillers(draft: _Draft, intent: Intent) -> None:
    """Kept only where asked for; removed where that can be said, which excludes no provider."""
    fillers = draft.column.fillers
    if intent.fillers:
        _switch(draft, "fillers", fillers, True)
    elif fillers.off is not None and draft.is_spoken_only(fillers.off_only_in):
        draft.put(fillers.off)
