"""
What to do, in the imperative. A command is a row in the outbox: at most one per transcription and
`key`; asking for the same key again moves its due time. `after_s` counts from the commit.

Which command is still wanted is a question about the state: see `wanted.is_wanted`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar, get_args


@dataclass(frozen=True, slots=True)
class _Command:
    """
    Attributes:
        after_s: Seconds from the commit until it is due.
        NAME: Under which commands of this class are stored and logged.
        KEY: Of the row in the outbox, as a format of the command.
        SENTENCE: What a person reads in the dashboard.
    """

    after_s: float = field(default=0.0, kw_only=True)
    NAME: ClassVar[str]
    KEY: ClassVar[str]
    SENTENCE: ClassVar[str]

    @property
    def key(self) -> str:
        return self.KEY.format(self)


@dataclass(frozen=True, slots=True)
class CreateTranscript(_Command):
    """The only command that costs money."""

    NAME = "create_transcript"
    KEY = "create:{0.ordinal}"
    SENTENCE = "create transcript, attempt {0.ordinal} with {0.provider}"
    ordinal: int
    provider: str
    key_serial: int = 0  # a new Idempotency-Key after a definite answer


@dataclass(frozen=True, slots=True)
class LookUpTranscript(_Command):
    """
    List the recording's transcripts at Recall: for an attempt, before the first create (ordinal 0), or for
    one transcript that a retrieve did not find.
    """

    NAME = "look_up_transcript"
    KEY = "look_up:{0.what}"
    SENTENCE = "look up whether the transcript exists"
    ordinal: int
    transcript_id: str | None = None

    @property
    def what(self) -> str | int:
        return self.transcript_id or self.ordinal


@dataclass(frozen=True, slots=True)
class AskTranscript(_Command):
    """Ask for the status of a transcript whose webhook is late."""

    NAME = "ask_transcript"
    KEY = "ask:{0.transcript_id}"
    SENTENCE = "ask whether the transcript is finished"
    transcript_id: str


@dataclass(frozen=True, slots=True)
class FetchTranscript(_Command):
    """Retrieve, download, render, store."""

    NAME = "fetch_transcript"
    KEY = "fetch:{0.transcript_id}"
    SENTENCE = "fetch and store the transcript"
    transcript_id: str


@dataclass(frozen=True, slots=True)
class PublishTranscript(_Command):
    """Write the manifest of a stored candidate: it is the result, or is superseded by it."""

    NAME = "publish_transcript"
    KEY = "publish:{0.transcript_id}"
    SENTENCE = "write the manifest of the stored transcript"
    transcript_id: str


@dataclass(frozen=True, slots=True)
class RenderTranscript(_Command):
    """Write the formats that a stored transcript lacks. The key is the fetch's: never both at once."""

    NAME = "render_transcript"
    KEY = "fetch:{0.transcript_id}"
    SENTENCE = "write the formats that the stored transcript lacks"
    transcript_id: str


@dataclass(frozen=True, slots=True)
class AskRecording(_Command):
    """Ask for the recording itself."""

    NAME = "ask_recording"
    KEY = "ask_recording"
    SENTENCE = "ask about the recording"


@dataclass(frozen=True, slots=True)
class PruneTranscript(_Command):
    """Make room at Recall's limit: delete one transcript that the policy gives up."""

    NAME = "prune_transcript"
    KEY = "prune:{0.ordinal}"
    SENTENCE = "make room at Recall's limit of transcripts"
    ordinal: int


@dataclass(frozen=True, slots=True)
class AwaitProvider(_Command):
    """Every provider that is left is down: look again when one may be tried."""

    NAME = "await_provider"
    KEY = "await_provider"
    SENTENCE = "wait for a provider to come back"


@dataclass(frozen=True, slots=True)
class BeginExtra(_Command):
    """Begin the extra that waits longest."""

    NAME = "begin_extra"
    KEY = "begin_extra"
    SENTENCE = "begin a further transcript beside the result"


@dataclass(frozen=True, slots=True)
class EraseResults(_Command):
    """Delete what is kept here of an erased recording: its files, its text in the index."""

    NAME = "erase_results"
    KEY = "erase_results"
    SENTENCE = "delete what is kept here"


@dataclass(frozen=True, slots=True)
class DeleteAtRecall(_Command):
    """Delete at Recall what the state says: our transcripts, or the recording itself."""

    NAME = "delete_at_recall"
    KEY = "delete_at_recall"
    SENTENCE = "delete at Recall what is ours there"


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


_KINDS: dict[str, type[Command]] = {kind.NAME: kind for kind in get_args(Command)}
_RENAMED = {"generation": "key_serial"}  # arguments by their names in rows of earlier versions


def about(command: Command) -> dict[str, Any]:
    """What an event that ends the command names it by: `command`, `ordinal`, `transcript_id`."""
    ids = {name: getattr(command, name, None) for name in ("ordinal", "transcript_id")}
    return {"command": command.NAME, **ids}


def to_record(command: Command) -> dict[str, Any]:
    """A JSON-ready record; `after_s` is left out, since the row has a due time instead."""
    record = asdict(command)
    del record["after_s"]
    return {"kind": command.NAME, **record}


def from_record(record: dict[str, Any]) -> Command:
    """The reverse of `to_record`; leaves out arguments of another version."""
    kind = _KINDS[record["kind"]]
    names = {field.name for field in fields(kind)}
    renamed = ((_RENAMED.get(name, name), value) for name, value in record.items())
    return kind(**{name: value for name, value in renamed if name in names})


def sentence(command: Command, recording_id: str) -> str:
    """What a person reads in the dashboard: 'create transcript, attempt 2 with …'."""
    return f"{command.SENTENCE.format(command)}, for recording {recording_id}"
