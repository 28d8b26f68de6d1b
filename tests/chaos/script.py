"""
What is to happen to each recording, and how it must end. Pure: the same seed gives the same script.

A recording is plain, or one thing goes wrong with it at Recall (`FAULTS`), and independently of that its
webhooks come twice, late, in another order, forged or never, and captions may run beside it. Every plan
says what Recall may have on its bill at the end and how the transcription may end: the oracle reads
nothing else. What a fault means for the money stands in its line here and nowhere else.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from app.core import reasons

# Shares of all recordings.
FAULTY, REDELIVERED, FORGED, UNSENT, WITH_CAPTIONS, ODDLY_SHAPED = 0.20, 0.30, 0.02, 0.05, 0.10, 0.15
SHARING_A_BOT = 0.04
_RECORDINGS_OF_A_SHARED_BOT = 7  # more than the five creates a minute that Recall allows a bot

_IDS = uuid.UUID("3c7d5c4e-0f57-5b5e-8c43-7b6a3f1f3f62")  # shared bots; never change: seeds hang on it


@dataclass(frozen=True, slots=True, order=True)
class End:
    """A way to end: the goal's name and, where it failed, the named reason."""

    phase: str
    reason: str | None = None

    def __str__(self) -> str:
        return f"{self.phase}: {self.reason}" if self.reason else self.phase


STORED = End("stored")


@dataclass(frozen=True, slots=True)
class Fault:
    """
    One thing that goes wrong at Recall.

    Attributes:
        title: For people.
        script: For the simulator; see its README.
        paid: Fewest and most transcripts on Recall's bill.
        ends: How the transcription may end.
        kind: Of meeting; None leaves it to the simulator's seed.
        metadata: Of the recording.
        is_alone: Nothing else may be scripted for this recording.
        is_slow: It ends only after Recall's idempotency hour, or after the policy's `give_up_after_h`.
    """

    title: str
    script: Mapping[str, Any] = field(default_factory=dict)
    paid: tuple[int, int] = (1, 1)
    ends: tuple[End, ...] = (STORED,)
    kind: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    is_alone: bool = False
    is_slow: bool = False

    @property
    def has_failures(self) -> bool:
        return any(str(word).startswith("failed") for word in self.script.get("transcripts", ()))


@dataclass(frozen=True, slots=True)
class Plan:
    """One recording: when it ends, what Recall does to it, and what must come of it."""

    number: int
    at_s: float  # real seconds after the first
    title: str
    script: Mapping[str, Any]
    paid: tuple[int, int]
    ends: tuple[End, ...]
    kind: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    bot_id: str | None = None
    traits: frozenset[str] = frozenset()

    @property
    def is_silent(self) -> bool:
        """A transcript that never ends: what `on_silence = "next"` may pay a second time for."""
        return "never" in self.script.get("transcripts", ())

    def request(self) -> dict[str, Any]:
        """The body for the simulator's `POST /_sim/recordings`."""
        body: dict[str, Any] = {
            "script": dict(self.script),
            "kind": self.kind,
            "metadata": dict(self.metadata),
        }
        return body | ({"bot_id": self.bot_id} if self.bot_id else {})


def _failed(*names: str) -> tuple[End, ...]:
    return tuple(End("failed", name) for name in names)


def _creates(*words: str) -> Fault:
    # Recall repeats a stored 5xx for an hour: only after it may another key be used.
    is_slow = any(word.startswith("status_before:5") and word != "status_before:507" for word in words)
    return Fault(f"create {', then '.join(words)}", {"creates": list(words)}, is_slow=is_slow)


def _download(word: str) -> Fault:
    return Fault(f"download {word}", {"download": [word]})


def _recording(word: str, *names: str, is_slow: bool = False) -> Fault:
    script = {"recording_state": word}
    title = f"recording {word}"
    return Fault(title, script, paid=(0, 0), ends=_failed(*names), is_alone=True, is_slow=is_slow)


_CONNECTION = "failed:provider_connection_failed"
_ALL_FAILED = _failed(reasons.ALL_PROVIDERS_FAILED)

FAULTS: tuple[Fault, ...] = (
    # The answer to the create is lost, late, odd or not one: whatever happened, one is paid.
    *(
        _creates(word)
        for word in ("cut_before", "cut_after", "timeout_after:480", "slow:120", "no_id", "html")
    ),
    *(
        _creates(f"status_before:{status}")
        for status in (400, 402, 403, 404, 409, 429, 500, 502, 503, 504, 507)
    ),
    *(_creates(f"status_after:{status}") for status in (409, 500, 502, 503, 504)),
    _creates("cut_before", "cut_after"),
    _creates("status_before:503", "timeout_after:480"),
    _creates("done_before_answer"),
    _creates("refuse"),
    # More often than there are attempts: a refusal of a request whose first answer was lost ends none.
    Fault("every create refused", {"creates": ["refuse"] * 9}, paid=(0, 0), ends=_ALL_FAILED),
    Fault("payload refused", {"payload_403": True}, paid=(0, 0), ends=_failed(reasons.PAYLOAD_REFUSED)),
    # The transcript fails, is empty, never comes: how many are paid follows from the policy.
    Fault("transcript fails once", {"transcripts": [_CONNECTION]}, paid=(2, 2)),
    Fault("transcript fails, no sub code", {"transcripts": ["failed:null"]}, paid=(2, 2)),
    Fault("transcript fails twice", {"transcripts": [_CONNECTION, "failed:null"]}, paid=(3, 3)),
    Fault("every transcript fails", {"transcripts": [_CONNECTION] * 3}, paid=(3, 3), ends=_ALL_FAILED),
    # A recording under a minute is silent and that is that: no second provider.
    Fault("empty, then spoken", {"transcripts": ["empty"]}, paid=(1, 2)),
    Fault("empty twice", {"transcripts": ["empty", "empty"]}, paid=(1, 2)),
    Fault("nobody speaks", {}, paid=(1, 2), kind="silent"),
    Fault("refused, then fails", {"creates": ["refuse"], "transcripts": [_CONNECTION]}, paid=(2, 2)),
    Fault("lost answer, then fails", {"creates": ["cut_after"], "transcripts": [_CONNECTION]}, paid=(2, 2)),
    Fault("transcript never ends", {"transcripts": ["never"]}, ends=_failed(reasons.NO_ANSWER), is_slow=True),
    Fault("huge transcript", {"transcripts": ["huge:4"]}),
    Fault("slow transcript", {"transcribe_s": 300.0}),
    # The way to the file is bad: downloaded again, never paid again.
    *(_download(word) for word in ("expired", "truncated", "404", "gzip", "slow:60", "blocked:60")),
    # The recording itself.
    Fault("recording processing, then done", {"recording_state": "processing:120"}, is_alone=True),
    _recording("failed", reasons.RECORDING_FAILED),
    _recording("deleted", reasons.RECORDING_UNKNOWN, is_slow=True),
    _recording("unknown", reasons.RECORDING_UNKNOWN, is_slow=True),
    _recording("expired", reasons.RECORDING_GONE, reasons.NO_AUDIO),
    _recording("no_audio", reasons.NO_AUDIO),
    _recording("zdr", reasons.NO_AUDIO, reasons.RECORDING_GONE),
    Fault(
        "not selected",
        paid=(0, 0),
        ends=(End("skipped", reasons.NOT_SELECTED),),
        metadata={"afterword": "skip"},
        is_alone=True,
    ),
)

PLAIN = Fault("plain")
_DELIVERIES: tuple[Mapping[str, Any], ...] = (
    {"recording_done": "duplicate:3"},
    {"recording_done": "storm:10"},
    {"recording_done": "delay:90"},
    {"done_webhook": ["duplicate:4"] * 3},
    {"done_webhook": ["delay:90"] * 3},
    {"done_webhook": ["before_processing_ends"]},
    {"captions": "done_before_recording_done"},
    {"captions": "done", "recording_done": "after_transcript_done"},
)
_UNSENT: tuple[Mapping[str, Any], ...] = ({"recording_done": "drop"}, {"done_webhook": ["drop"] * 3})
_FORGED: tuple[Mapping[str, Any], ...] = ({"done_webhook": ["forged_too"] * 3},)
_CAPTIONS: tuple[Mapping[str, Any], ...] = ({"captions": "done"}, {"captions": "failed"})
_SHAPES: tuple[Mapping[str, Any], ...] = (
    {"shape": {"bot": "null"}},
    {"shape": {"bot": "missing"}},
    {"shape": {"extra_fields": True, "timestamp_style": "offset"}},
)
_TRAITS: tuple[tuple[str, float, tuple[Mapping[str, Any], ...]], ...] = (
    ("unsent", UNSENT, _UNSENT),
    ("forged", FORGED, _FORGED),
    ("redelivered", REDELIVERED, _DELIVERIES),
    ("captions", WITH_CAPTIONS, _CAPTIONS),
    ("shape", ODDLY_SHAPED, _SHAPES),
)


def plans(
    seed: int,
    number: int,
    *,
    per_second: float,
    with_slow: bool = True,
    on_silence: str = "fail",
    lies: Sequence[tuple[Fault, ...]] = (),
    lie_share: float = 0.02,
) -> list[Plan]:
    """
    The script of a whole run.

    Args:
        seed: The same seed, number and rate give the same plans.
        number: How many recordings.
        per_second: Arrivals per real second, on average; in bursts and gaps, as meetings end.
        with_slow: Also those faults that take an hour and more of Recall's time.
        on_silence: The policy's word; with "next" a silent transcript is followed by a second paid one.
        lies: Kinds of lies; see `tests.chaos.lies`.
        lie_share: Of all recordings, for each kind.
    """
    dice = random.Random(f"chaos {seed}")
    faults = _spread(dice, number, seed=seed, with_slow=with_slow, lies=lies, lie_share=lie_share)
    at_s, made = 0.0, list[Plan]()
    for index, fault in enumerate(faults):
        if on_silence == "next" and "never" in fault.script.get("transcripts", ()):
            fault = replace(fault, paid=(2, 2), ends=(STORED,))
        made.append(_plan(dice, index, fault, at_s=round(at_s, 3), seed=seed))
        at_s += dice.expovariate(per_second)
    return made


def _spread(
    dice: random.Random,
    number: int,
    *,
    seed: int,
    with_slow: bool,
    lies: Sequence[tuple[Fault, ...]] = (),
    lie_share: float = 0.0,
) -> list[Fault]:
    """Every fault and every lie in turn, as often as its share allows, among plain recordings."""
    kinds = [fault for fault in FAULTS if with_slow or not fault.is_slow]
    dice.shuffle(kinds)
    chosen = [kinds[i % len(kinds)] for i in range(round(number * FAULTY))]
    # At least one, so that a short run tells every kind; the next seed goes on where this one stops.
    of_each = max(1, round(number * lie_share))
    for kind in lies:
        told = [fault for fault in kind if with_slow or not fault.is_slow]
        chosen += [told[(seed * of_each + i) % len(told)] for i in range(of_each)]
    chosen = chosen[:number]
    chosen += [PLAIN] * (number - len(chosen))
    dice.shuffle(chosen)
    _hurry_the_slow(dice, chosen)
    return chosen


def _hurry_the_slow(dice: random.Random, chosen: list[Fault]) -> None:
    """What takes hours begins in the first half, so that nobody has to wait for it at the end."""
    half = len(chosen) // 2
    for late in (i for i in range(half, len(chosen)) if chosen[i].is_slow):
        early = dice.choice([i for i in range(half) if not chosen[i].is_slow])
        chosen[early], chosen[late] = chosen[late], chosen[early]


def _plan(dice: random.Random, index: int, fault: Fault, *, at_s: float, seed: int) -> Plan:
    script = dict(fault.script)
    traits = {"fault"} if fault is not PLAIN else set()
    if not fault.is_alone:
        for trait, share, variants in _TRAITS:
            fitting = [v for v in variants if _fits(v, script, fault)]
            if dice.random() < share and fitting:
                script |= dice.choice(fitting)
                traits.add(trait)
    bot_id = None
    if dice.random() < SHARING_A_BOT and "shape" not in script:
        group = index // round(_RECORDINGS_OF_A_SHARED_BOT / SHARING_A_BOT)
        bot_id = str(uuid.uuid5(_IDS, f"{seed}/{group}"))
        traits.add("shared bot")
    return Plan(
        number=index,
        at_s=at_s,
        title=_title(fault, script),
        script=script,
        paid=fault.paid,
        ends=fault.ends,
        kind=fault.kind,
        metadata=fault.metadata,
        bot_id=bot_id,
        traits=frozenset(traits),
    )


def _fits(variant: Mapping[str, Any], script: Mapping[str, Any], fault: Fault) -> bool:
    if set(variant) & set(script):
        return False
    # The webhook would say "failed" while the API still says "processing": two of ours would run at a time,
    # and it would be Recall's doing.
    return not (fault.has_failures and variant.get("done_webhook") == ["before_processing_ends"])


def _title(fault: Fault, script: Mapping[str, Any]) -> str:
    added = [f"{key} {_word(script[key])}" for key in sorted(set(script) - set(fault.script) - {"shape"})]
    return " + ".join([fault.title, *added])


def _word(value: object) -> str:
    return str(value[0]) if isinstance(value, Sequence) and not isinstance(value, str) else str(value)
