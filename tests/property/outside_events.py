"""
What happens around the service: at Recall, to the account, to the disk, by people. Each by its name,
so that a failing run can be read. `draw` chooses details.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from hypothesis import strategies as st

from app.core.policy import ProviderChoice, Selection
from app.core.state import Phase
from app.recall.providers import BUILT_IN_PROVIDERS
from tests.property import lies
from tests.property.bill import ENDINGS, FOREIGN_KEY, FORGOTTEN_S
from tests.property.world import World

OTHERS = ("gladia_v2_async", "deepgram_streaming", "meeting_captions")
ACCOUNTS = {"the key is refused": 401, "the balance is low": 402, "the address is blocked": 403}
READS = {"reads are busy": "busy", "reads are limited": "limited"}
ANYTHING = {"reads answer anything": "anything"}
DOWNLOADS = {"downloads are blocked": "blocked", "downloads are garbled": "garbled"}
# Of each kind in `lies.KINDS` that happens at a moment: what it is called.
LYING: Mapping[str, tuple[str, ...]] = {
    "forgets": ("a transcript is forgotten", "a recording is forgotten"),
    "another": ("answers go astray",),
    "statuses": ("reads answer anything",),
    "foreign key": ("the key of another workspace", "the right key again"),
    "clock": ("the database's clock steps forward", "the database's clock steps back"),
    "policy": ("other providers", "nothing is selected any more", "everything is selected again"),
}
STEP_S = 4_500.0  # longer than Recall remembers a key
OUTSIDE_EVENTS = (
    "all is well",
    "somebody else orders",
    "an operator retries",
    "a recording changes",
    "a transcript is deleted",
    "the API key is changed",
    "Redis forgets everything",
    "Redis is away",
    "a worker is killed",
    "the disk is full",
    "a backup is made",
    "the backup is put back",
    *ACCOUNTS,
    *READS,
    *DOWNLOADS,
    *(whim for kind, outside_events in LYING.items() if kind in lies.told() for whim in outside_events),
)
T = TypeVar("T")
Draw = Callable[..., Any]


def happen(world: World, what: str, draw: Draw) -> None:
    """One whim; some find nothing to do."""
    world.say(what)
    recall = world.recall
    recall.account = ACCOUNTS.get(what, recall.account)
    recall.reads = {**READS, **ANYTHING}.get(what, recall.reads)
    recall.downloads = DOWNLOADS.get(what, recall.downloads)
    world.blobs.is_away |= what == "the disk is full"
    world.queue.is_away |= what == "Redis is away"
    act = _ACTS.get(what)
    if act is not None:
        act(world, draw)


def _well(world: World, draw: Draw) -> None:
    world.mend()


def _order(world: World, draw: Draw) -> None:
    others = [t for t in world.recall.transcripts.values() if t.marker is None]
    if len(others) < 3:
        recording_id = _one(draw, "recording", list(world.recall.recordings))
        provider, ending = draw(st.sampled_from(OTHERS)), draw(st.sampled_from(ENDINGS))
        world.recall.order_elsewhere(recording_id, provider, ending)
        world.recall.tick()


def _retry(world: World, draw: Draw) -> None:
    ended = [
        known.transcription.recording_id
        for known in world.store.recordings.values()
        if known.transcription.phase in (Phase.FAILED, Phase.SKIPPED)
    ]
    if ended:
        world.retry(_one(draw, "recording", ended), budget=draw(st.integers(0, 4), label="budget"))


def _recording(world: World, draw: Draw) -> None:
    """One that is not ready becomes so; one that is done may only be deleted."""
    recording = _one(draw, "recording", list(world.recall.recordings.values()))
    is_open = recording.status in ("processing", "unknown")
    to = draw(st.sampled_from(["done", "failed", "deleted"] if is_open else ["deleted"]), label="it is")
    if recording.status in ("deleted", "failed"):
        return
    world.say(f"{recording.id} was {recording.status} and is {to}")
    if to == "deleted":
        world.recall.delete_recording(recording.id)
    else:
        recording.status = to
        world.recall.announce(f"recording.{to}", recording.id)


def _delete(world: World, draw: Draw) -> None:
    alive = [t for t in world.recall.transcripts.values() if not t.is_deleted]
    if alive:
        made = _one(draw, "transcript", alive)
        world.say(f"{made.id} is deleted at Recall")
        world.recall.delete_transcript(made)


def _change_key(world: World, draw: Draw) -> None:
    world.api_key = "key-2" if world.api_key == "key-1" else "key-1"
    world.service = world.open_service()


def _forget(world: World, draw: Draw) -> None:
    world.queue.ids.clear()
    world.queue.has_wakeup = False


def _kill(world: World, draw: Draw) -> None:
    if world.workers:
        world.kill(_one(draw, "worker", world.workers))


def _one(draw: Draw, what: str, options: Sequence[T]) -> T:
    return options[draw(st.integers(0, len(options) - 1), label=f"number of the {what}")]


def _back_up(world: World, draw: Draw) -> None:
    world.back_up()


def _put_back(world: World, draw: Draw) -> None:
    world.put_back()


def _forget_transcript(world: World, draw: Draw) -> None:
    alive = [t for t in world.recall.transcripts.values() if not t.is_deleted]
    if alive:
        made = _one(draw, "transcript", alive)
        world.say(f"{made.id} is forgotten for {FORGOTTEN_S:g} s")
        world.recall.forgotten[made.id] = world.clock.at + FORGOTTEN_S


def _forget_recording(world: World, draw: Draw) -> None:
    """With its transcripts, and so for as long as it likes."""
    recording_id = _one(draw, "recording", list(world.recall.recordings))
    for_s = draw(st.sampled_from([FORGOTTEN_S, 2_000.0, 8_000.0]), label="for")
    world.say(f"{recording_id} is forgotten for {for_s:g} s")
    world.recall.forgotten[recording_id] = world.clock.at + for_s


def _go_astray(world: World, draw: Draw) -> None:
    world.recall.strays = draw(st.integers(1, 3), label="answers")


def _foreign_key(world: World, draw: Draw) -> None:
    """Sees nothing of ours; or one recording, which is taken for a sign that it sees all."""
    if draw(st.booleans(), label="it sees one of ours"):
        world.recall.shown.add(_one(draw, "recording", list(world.recall.recordings)))
    world.restart_with_key(FOREIGN_KEY)


def _right_key(world: World, draw: Draw) -> None:
    if world.api_key == FOREIGN_KEY:
        world.restart_with_key("key-1")


def _step(by_s: float) -> Callable[[World, Draw], None]:
    return lambda world, draw: world.step_clock(by_s)


def _other_providers(world: World, draw: Draw) -> None:
    known = (*BUILT_IN_PROVIDERS, ProviderChoice("speechmatics_async", {"language": "en"}))
    named = [choice.key for choice in known]
    keys = draw(st.lists(st.sampled_from(named), min_size=1, max_size=3, unique=True), label="providers")
    chosen = tuple(choice for key in keys for choice in known if choice.key == key)
    world.restart_with_policy(replace(world.policy, providers=chosen))


def _select(default: Any) -> Callable[[World, Draw], None]:
    def act(world: World, draw: Draw) -> None:
        world.restart_with_policy(replace(world.policy, select=Selection(default=default)))

    return act


_ACTS: dict[str, Callable[[World, Draw], None]] = {
    "all is well": _well,
    "somebody else orders": _order,
    "an operator retries": _retry,
    "a recording changes": _recording,
    "a transcript is deleted": _delete,
    "the API key is changed": _change_key,
    "Redis forgets everything": _forget,
    "a worker is killed": _kill,
    "a backup is made": _back_up,
    "the backup is put back": _put_back,
    "a transcript is forgotten": _forget_transcript,
    "a recording is forgotten": _forget_recording,
    "answers go astray": _go_astray,
    "the key of another workspace": _foreign_key,
    "the right key again": _right_key,
    "the database's clock steps forward": _step(STEP_S),
    "the database's clock steps back": _step(-STEP_S),
    "other providers": _other_providers,
    "nothing is selected any more": _select("none"),
    "everything is selected again": _select("all"),
}
