"""
What to do, in the imperative. A command is a row in the outbox: at most one per transcription and
`key`; asking for the same key again moves its due time. `after_s` counts from the commit.

Which command is still wanted is a question about the state: see `machine.is_wanted`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class CreateTranscript:
    """The only command that costs money."""

    ordinal: int
    provider: str
    key_serial: int = 0  # a new Idempotency-Key after a definite answer
    after_s: float = 0.0

    @property
    def key(self) -> str:
        return f"create:{self.ordinal}"


@dataclass(frozen=True, slots=True)
class LookUpTranscript:
    """
    List the recording's transcripts at Recall: for an attempt, before the first create (ordinal 0), or for
    one transcript that a retrieve did not find.
    """

    ordinal: int
    transcript_id: str | None = None
    after_s: float = 0.0

    @property
    def key(self) -> str:
        return f"look_up:{self.transcript_id or self.ordinal}"


@dataclass(frozen=True, slots=True)
class AskTranscript:
    """Ask for the status of a transcript whose webhook is late."""

    transcript_id: str
    after_s: float = 0.0

    @property
    def key(self) -> str:
        return f"ask:{self.transcript_id}"


@dataclass(frozen=True, slots=True)
class FetchTranscript:
    """Retrieve, download, render, store."""

    transcript_id: str
    after_s: float = 0.0

    @property
    def key(self) -> str:
        return f"fetch:{self.transcript_id}"


@dataclass(frozen=True, slots=True)
class PublishTranscript:
    """Write the manifest of a stored candidate: it is the result, or is superseded by it."""

    transcript_id: str
    after_s: float = 0.0

    @property
    def key(self) -> str:
        return f"publish:{self.transcript_id}"


@dataclass(frozen=True, slots=True)
class RenderTranscript:
    """Write the formats that a stored transcript lacks. The key is the fetch's: never both at once."""

    transcript_id: str
    after_s: float = 0.0

    @property
    def key(self) -> str:
        return f"fetch:{self.transcript_id}"


@dataclass(frozen=True, slots=True)
class AskRecording:
    """Ask for the recording itself."""

    after_s: float = 0.0

    @property
    def key(self) -> str:
        return "ask_recording"


@dataclass(frozen=True, slots=True)
class PruneTranscript:
    """Make room at Recall's limit: delete one transcript that the policy gives up."""

    ordinal: int
    after_s: float = 0.0

    @property
    def key(self) -> str:
        return f"prune:{self.ordinal}"


@dataclass(frozen=True, slots=True)
class AwaitProvider:
    """Every provider that is left is down: look again when one may be tried."""

    after_s: float = 0.0

    @property
    def key(self) -> str:
        return "await_provider"


@dataclass(frozen=True, slots=True)
class BeginExtra:
    """Begin the extra that waits longest."""

    after_s: float = 0.0

    @property
    def key(self) -> str:
        return "begin_extra"


@dataclass(frozen=True, slots=True)
class EraseResults:
    """Delete what is kept here of an erased recording: its files, its text in the index."""

    after_s: float = 0.0

    @property
    def key(self) -> str:
        return "erase_results"


@dataclass(frozen=True, slots=True)
class DeleteAtRecall:
    """Delete at Recall what the state says: our transcripts, or the recording itself."""

    after_s: float = 0.0

    @property
    def key(self) -> str:
        return "delete_at_recall"


Command = (
    CreateTranscript
    | LookUpTranscript
    | AskTranscript
    | FetchTranscript
    | PublishTranscript
    | RenderTranscript
    | AskRecording
    | PruneTranscript
    | AwaitProvider
    | BeginExtra
    | EraseResults
    | DeleteAtRecall
)


def is_same_wish(old: Command, new: Command) -> bool:
    """
    Whether the new command goes on with what the old one was wanted for: ages count from the first. A
    question that was answered ("still processing") and is asked again later is a new one; so is a
    deletion.
    """
    money = (CreateTranscript, LookUpTranscript)
    if isinstance(old, money) and isinstance(new, money):
        return old.ordinal == new.ordinal or 0 in (old.ordinal, new.ordinal)
    again = AskTranscript | AskRecording | EraseResults | DeleteAtRecall
    return old.key == new.key and not isinstance(new, again)


_KINDS: dict[str, type[Command]] = {
    "create_transcript": CreateTranscript,
    "look_up_transcript": LookUpTranscript,
    "ask_transcript": AskTranscript,
    "fetch_transcript": FetchTranscript,
    "publish_transcript": PublishTranscript,
    "render_transcript": RenderTranscript,
    "ask_recording": AskRecording,
    "prune_transcript": PruneTranscript,
    "await_provider": AwaitProvider,
    "begin_extra": BeginExtra,
    "erase_results": EraseResults,
    "delete_at_recall": DeleteAtRecall,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}
_RENAMED = {"generation": "key_serial"}  # arguments by their names in rows of earlier versions


def name_of(kind: type[Command]) -> str:
    """The name under which commands of this class are stored and logged."""
    return _NAMES[kind]


def kind_of(command: Command) -> str:
    """The name under which the command is stored and logged."""
    return name_of(type(command))


def about(command: Command) -> dict[str, Any]:
    """What an event that ends the command names it by: `command`, `ordinal`, `transcript_id`."""
    ids = {name: getattr(command, name, None) for name in ("ordinal", "transcript_id")}
    return {"command": kind_of(command), **ids}


def to_record(command: Command) -> dict[str, Any]:
    """A JSON-ready record; `after_s` is left out, since the row has a due time instead."""
    record = asdict(command)
    del record["after_s"]
    return {"kind": kind_of(command), **record}


def from_record(record: dict[str, Any]) -> Command:
    """The reverse of `to_record`; leaves out arguments of another version."""
    kind = _KINDS[record["kind"]]
    names = {field.name for field in fields(kind)}
    renamed = ((_RENAMED.get(name, name), value) for name, value in record.items())
    return kind(**{name: value for name, value in renamed if name in names})


_SENTENCES: dict[type[Command], str] = {
    LookUpTranscript: "look up whether the transcript exists",
    AskTranscript: "ask whether the transcript is finished",
    FetchTranscript: "fetch and store the transcript",
    PublishTranscript: "write the manifest of the stored transcript",
    RenderTranscript: "write the formats that the stored transcript lacks",
    AskRecording: "ask about the recording",
    PruneTranscript: "make room at Recall's limit of transcripts",
    AwaitProvider: "wait for a provider to come back",
    BeginExtra: "begin a further transcript beside the result",
    EraseResults: "delete what is kept here",
    DeleteAtRecall: "delete at Recall what is ours there",
}


def sentence(command: Command, recording_id: str) -> str:
    """What a person reads in the dashboard: 'create transcript, attempt 2 with …'."""
    if isinstance(command, CreateTranscript):
        what = f"create transcript, attempt {command.ordinal} with {command.provider}"
    else:
        what = _SENTENCES[type(command)]
    return f"{what}, for recording {recording_id}"
