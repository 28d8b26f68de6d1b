"""What happens in the demonstration, and how each meeting must end. Data, apart from the comparison."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Any

from app.core.state import Phase, Transcription

# For meetings with this metadata: every provider is told the same, each in its own words.
POLICY = """
[[rules]]
when = { metadata = { team = "zurich" } }
intent = { language = "de-CH", key_terms = ["Afterword"], redact = ["numbers"] }
providers = ["recallai_async", "deepgram_async"]
"""


@dataclass(frozen=True, slots=True)
class Scene:
    """
    One meeting: the simulator's script for it, and the end it must come to.

    Attributes:
        told: By paid transcript, what its provider's options must hold.
        paid: Transcripts on Recall's bill.
        is_happy: Exactly one create, one retrieve, one download.
    """

    title: str
    script: Mapping[str, Any] = field(default_factory=dict)
    kind: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    told: tuple[Mapping[str, Any], ...] = ()
    phase: Phase = Phase.STORED
    verdict: str | None = "spoken"
    paid: int = 1
    is_happy: bool = False

    def to_play(self) -> dict[str, Any]:
        """For the simulator."""
        return {"script": self.script, "kind": self.kind, "metadata": self.metadata}

    def differences(self, state: Transcription | None, bill: Mapping[str, Any]) -> Iterator[str]:
        """What came out otherwise than scripted; the bill is the simulator's, not ours."""
        if state is None:
            yield "never heard of"
            return
        if state.phase is not self.phase:
            yield f"ended {state.phase.value} ({state.reason or 'no reason'}), not {self.phase.value}"
        elif state.phase is Phase.STORED and state.verdict != self.verdict:
            yield f"verdict {state.verdict}, not {self.verdict}"
        if bill["billed"] != self.paid:
            yield f"{bill['billed']} transcripts on Recall's bill, not {self.paid}"
        yield from self._told_otherwise(bill)
        if self.is_happy:
            calls = {name: bill[name] for name in ("create_posts", "retrieves", "lists", "downloads")}
            if calls != {"create_posts": 1, "retrieves": 1, "lists": 0, "downloads": 1}:
                yield f"calls {calls}, not one create, one retrieve and one download"

    def _told_otherwise(self, bill: Mapping[str, Any]) -> Iterator[str]:
        for told, made in zip(self.told, bill["transcripts"], strict=False):
            if any(made["options"].get(name) != value for name, value in told.items()):
                yield f"{made['provider']} was told {made['options']}, not {dict(told)}"


# By recording id: what is played, and what the simulator said of it.
Cast = dict[str, tuple[Scene, Mapping[str, Any]]]

_FAILS = "failed:provider_connection_failed"
PLAIN = Scene("plain", is_happy=True)
_SPECIAL = (
    Scene(
        "first provider fails, in de-CH",
        {"transcripts": [_FAILS]},
        "german_handover",
        {"team": "zurich"},
        (
            {
                "language_code": "de",
                "key_terms": ["Afterword"],
            },  # it has no Swiss German, and redacts nothing
            {"language": "de-CH", "keyterm": ["Afterword"], "redact": ["numbers"]},
        ),
        paid=2,
    ),
    Scene("first provider refuses", {"creates": ["refuse"]}, paid=1),
    Scene("first provider fails, no reason", {"transcripts": ["failed:null"]}, paid=2),
    Scene("two providers fail", {"transcripts": [_FAILS, _FAILS]}, paid=3),
    Scene("every provider fails", {"transcripts": [_FAILS] * 3}, phase=Phase.FAILED, verdict=None, paid=3),
    Scene("not a word is said", {"transcripts": ["empty"]}, kind="silent", verdict="silent", paid=1),
    Scene("a storm of 50 deliveries", {"recording_done": "storm:50"}, is_happy=True),
    Scene("done before its create is answered", {"creates": ["done_before_answer"]}),
    Scene("its webhook never comes", {"done_webhook": ["drop"]}),
)


def scenes(number: int) -> list[Scene]:
    """
    The first `number` of an endless programme whose every 25 are: 16 plain, 3 that fail over once, 1 that
    does twice, 1 that fails with every provider, 1 silent, 1 storm, 1 done early, 1 without its webhook.
    """
    programme = [PLAIN] * 16
    for position, scene in enumerate(_SPECIAL):
        programme.insert(1 + position * 2, scene)
    return list(islice(cycle(programme), number))
