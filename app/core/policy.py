"""
What the operator wants, as data: which recordings, which providers in which order, how patient,
how much may be spent. No code, no secrets; built from `policy.toml` by `app.settings.policy_file`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from app.core.cost import Prices
from app.core.durations import Durations
from app.core.intent import Diarization, Intent
from app.core.quality import Quality

# Paid attempts that a recording may have at most, whatever the policy: one below the platform's own number of
# transcripts per recording, which is left for a person's own use.
CEILING = 9

# Files that can be made of a transcript; `app.transcripts.formats` has how.
FORMATS = (
    *("sentences.json", "transcript.txt", "transcript.md", "transcript.srt", "transcript.vtt"),
    "segments.json",
)


@dataclass(frozen=True, slots=True)
class ProviderChoice:
    """
    A provider by the platform's key for it. In a policy as written: the options that an operator gave it. In
    one planned for a recording: the options exactly as sent, and what became of the intent.
    """

    key: str
    options: Mapping[str, Any] = field(default_factory=dict)
    separate_streams: bool = True
    left_out: tuple[str, ...] = ()  # parts of the intent that it cannot be told
    changed: tuple[str, ...] = ()  # sentences: what it is told otherwise than it was wanted
    model: str | None = None  # that is pinned for it
    form: str = ""  # in which form the options are, where there are several


@dataclass(frozen=True, slots=True)
class Selection:
    """Which recordings are transcribed. `exclude` wins over `include`, both over `default`."""

    default: Literal["all", "none"] = "all"
    include: tuple[tuple[str, str], ...] = ()
    exclude: tuple[tuple[str, str], ...] = (("afterword", "skip"),)
    minimum_duration_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Processing:
    """What was said of a workspace while the service runs, above its policy."""

    is_enabled: bool  # whether what the selection does not name is transcribed
    provider: str | None = None  # the first one; None: the policy's
    by: str = ""  # the name of the key that said so
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Order:
    """What one recording's transcription was ordered with; it holds for its fallbacks, too."""

    language: str | None = None  # a BCP 47 tag, or "auto"; None: as the policy's options say
    separate_streams: bool | None = None  # None: as the policy says
    provider: str | None = None  # the first one, which the policy need not name
    diarization: Diarization | None = None  # None: as `separate_streams` says

    def told(self, intent: Intent) -> Intent:
        """The intent of the policy with what was ordered above it."""
        if self.language is not None:
            intent = replace(intent, languages=(self.language,))
        mode = self.diarization
        if mode is None and self.separate_streams is not None:
            mode = "separate-streams" if self.separate_streams else "speaker-timeline"
        return intent if mode is None else replace(intent, diarization=mode)


@dataclass(frozen=True, slots=True)
class Rule:
    """For which recordings something else is wanted, and what. Everything it names must hold."""

    metadata: tuple[tuple[str, str], ...] = ()
    workspace: str | None = None
    min_duration_s: float = 0.0
    max_duration_s: float | None = None
    intent: Mapping[str, Any] = field(default_factory=dict)  # fields of `Intent` that it sets
    providers: tuple[ProviderChoice, ...] = ()  # none: the policy's
    attempts: int = 0  # 0: the policy's

    @property
    def is_about_length(self) -> bool:
        return self.min_duration_s > 0 or self.max_duration_s is not None

    def matches(
        self, workspace: str, metadata: Mapping[str, str | None], duration_s: float | None
    ) -> bool | None:
        """None: only the recording's length can say, and it is not known."""
        if self.workspace not in (None, workspace) or any(metadata.get(k) != v for k, v in self.metadata):
            return False
        if not self.is_about_length:
            return True
        if duration_s is None:
            return None
        return self.min_duration_s <= duration_s and duration_s <= (self.max_duration_s or duration_s)


@dataclass(frozen=True, slots=True)
class Policy:
    providers: tuple[ProviderChoice, ...]
    attempts: int  # the budget per recording, 1..CEILING
    on_silence: Literal["fail", "next"] = "fail"
    quality: Quality = Quality()
    want_realtime: bool = False
    poll_only: bool = False
    reconcile: bool = True  # now and then take up what Recall lists as done and nothing told us of
    at_limit: Literal["stop", "prune"] = "stop"
    formats: tuple[str, ...] = FORMATS
    participants: bool = False  # their list beside the transcript: one read and one download more
    prune_stored: bool = False  # pruning may also delete finished transcripts that are stored here
    search: bool = True  # keep an index of what was said
    shadow_percent: float = 0.0  # of the recordings: further transcripts beside the result, to compare with
    shadow_providers: tuple[str, ...] = ()
    results_kept_s: float = 0.0  # after the end; then it is erased. 0: for ever
    rows_kept_s: float = 0.0  # history, bodies, metadata; of what has no result: then it is erased
    delete_at_recall: Literal["never", "transcript", "recording"] = "never"  # once it is stored, whole
    tripped_providers: frozenset[str] = frozenset()  # providers that are down just now; put in by the service
    select: Selection = Selection()
    prices: Prices = Prices()
    intent: Intent = Intent()
    rules: tuple[Rule, ...] = ()  # the first that matches
    generations: Mapping[str, str] = field(default_factory=dict)  # of option objects, by provider, where set
    passed_over: tuple[tuple[str, str], ...] = ()  # planned: providers that cannot do this recording, and why
    durations: Durations = Durations()

    @property
    def every_provider(self) -> tuple[str, ...]:
        """In order, each once; those of its rules, too."""
        lists = (self.providers, *(rule.providers for rule in self.rules))
        return tuple(dict.fromkeys(choice.key for each in lists for choice in each))

    def separate_streams_of(self, provider: str) -> bool:
        """Of one planned for a recording: whether this provider gets each participant's stream."""
        return next((choice.separate_streams for choice in self.providers if choice.key == provider), True)

    def processed(self, said: Processing | None) -> Policy:
        """With what was said of the workspace while the service runs."""
        if said is None:
            return self
        select = replace(self.select, default="all" if said.is_enabled else "none")
        return replace(self, select=select, providers=self._led_by(said.provider))

    def intended(self, order: Order) -> Policy:
        """For a recording that was ordered so."""
        return self if order.provider is None else replace(self, providers=self._led_by(order.provider))

    def rule_for(
        self, workspace: str, metadata: Mapping[str, str | None], duration_s: float | None
    ) -> Rule | None:
        """The first that matches; one about a length that is not known does not."""
        return next((r for r in self.rules if r.matches(workspace, metadata, duration_s)), None)

    def ruled(self, rule: Rule | None) -> Policy:
        """With what the rule says otherwise."""
        if rule is None:
            return self
        return replace(
            self,
            intent=replace(self.intent, **rule.intent),
            providers=rule.providers or self.providers,
            attempts=rule.attempts or self.attempts,
        )

    def is_length_wanted(self, workspace: str, metadata: Mapping[str, str | None]) -> bool:
        """Whether only the recording's length can say which rule is the first that matches."""
        answers = (rule.matches(workspace, metadata, None) for rule in self.rules)
        return next((answer is None for answer in answers if answer is not False), False)

    def _led_by(self, provider: str | None) -> tuple[ProviderChoice, ...]:
        is_passed_over = any(provider == key for key, _ in self.passed_over)
        if provider is None or is_passed_over or self.prices.lacks(provider):
            return self.providers
        first = next((c for c in self.providers if c.key == provider), ProviderChoice(provider))
        return (first, *(c for c in self.providers if c.key != provider))


def why_not_selected(selection: Selection, metadata: Mapping[str, str | None]) -> str | None:
    """The reason a recording with this metadata is passed by, or None when it is selected."""
    for key, value in selection.exclude:
        if metadata.get(key) == value:
            return f"excluded by metadata {key}"
    if selection.default == "all" or any(metadata.get(k) == v for k, v in selection.include):
        return None
    return "not selected by the policy"
