"""
Every rule as a dialogue: what happened, what changed by it, what is to be done. `scenes/` has what happens,
`dialogues.txt` the answers of the machine, word by word; `test_dialogues.py` compares. After a meant change
`python -m tests.core.dialogues` writes the answers anew: the difference is what the rule changed, to be read
before it is committed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from app.core import events as ev
from app.core.commands import Command
from app.core.policy import Policy, ProviderChoice
from app.core.state import Attempt, PendingTranscript, Transcription
from tests.core.playbook import Dialogue

ANSWERS = Path(__file__).with_name("dialogues.txt")
BOTH = (ProviderChoice("a_async"), ProviderChoice("b_async"))
ONE = Policy(BOTH[:1], 1)
TWO = Policy(BOTH, 2)


@dataclass(frozen=True)
class Scene:
    """
    Attributes:
        title: Unique; what is shown.
        told: What is answered, each with all that changes.
        given: Happens before and is not written down, under `policy_before` where the policy changed.
    """

    title: str
    told: tuple[ev.Event, ...]
    given: tuple[ev.Event, ...] = ()
    policy: Policy = TWO
    policy_before: Policy | None = None


def written(scenes: tuple[Scene, ...]) -> str:
    return "\n".join("\n".join(lines_of(scene)) + "\n" for scene in scenes)


def lines_of(scene: Scene) -> Iterator[str]:
    """The scene as it stands in the file."""
    yield f"# {scene.title}"
    dialogue = Dialogue(scene.policy_before or scene.policy)
    for event in scene.given:
        dialogue.told(event)
    dialogue.policy = scene.policy
    for event in scene.told:
        before, outbox = dialogue.state, set(dialogue.outbox)
        commands = dialogue.told(event)
        assert dialogue.last is not None
        yield _worded(event)
        if dialogue.last.ignored is not None:
            yield f"    ignored: {dialogue.last.ignored}"
        if dialogue.last.alarm is not None:
            yield f"    alarm: {dialogue.last.alarm}"
        yield from (f"    {line}" for line in _changes(before, dialogue.state))
        yield from (f"    > {_command(command)}" for command in commands)
        yield from (f"    x {key}" for key in sorted(outbox - set(dialogue.outbox)))


def _command(command: Command) -> str:
    """Its key, and in brackets what the key does not say."""
    own_first = sorted(fields(command), key=lambda f: f.name == "after_s")
    rest = {f.name: getattr(command, f.name) for f in own_first}
    in_key = {"transcript_id"} if rest.get("transcript_id") is not None else {"ordinal"}
    told = ", ".join(
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in rest.items()
        if value and name not in in_key
    )
    return f"{command.key} ({told})" if told else command.key


def _changes(before: Transcription, after: Transcription) -> Iterator[str]:
    for field in fields(after):
        old, new = getattr(before, field.name), getattr(after, field.name)
        if old == new:
            continue
        if field.name == "attempts":
            yield from _lines("attempt", {a.ordinal: a for a in old}, {a.ordinal: a for a in new})
        elif field.name == "pending_transcripts":
            yield from _lines(
                "finished", {u.transcript_id: u for u in old}, {u.transcript_id: u for u in new}
            )
        else:
            yield f"{field.name}: {_value(old)} -> {_value(new)}"


def _lines(word: str, before: dict[Any, Any], after: dict[Any, Any]) -> Iterator[str]:
    for key in sorted({*before, *after}):
        old: Attempt | PendingTranscript | None = before.get(key)
        new: Attempt | PendingTranscript | None = after.get(key)
        if new is None:
            yield f"{word} {key}: gone"
        elif old is None:
            yield f"{word} {key}: {_worded(new)}"
        elif old != new:
            pairs = ((f.name, getattr(old, f.name), getattr(new, f.name)) for f in fields(new))
            told = ", ".join(f"{name} {_value(a)} -> {_value(b)}" for name, a, b in pairs if a != b)
            yield f"{word} {key}: {told}"


def _worded(thing: Any) -> str:
    """A record with what is not its default."""
    told = ", ".join(
        f"{f.name}={_value(getattr(thing, f.name))}"
        for f in fields(thing)
        if getattr(thing, f.name) != f.default
    )
    return f"{type(thing).__name__}({told})"


def _value(value: Any) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    if is_dataclass(value):
        return _worded(value)
    if isinstance(value, tuple):
        return f"({', '.join(map(_value, value))})"
    return f"{value:.10g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    from tests.core.scenes import SCENES

    ANSWERS.write_text(written(SCENES), "utf-8")
