"""
Errors by whose fault they are and whether waiting helps. Expected outcomes are values (events);
an exception means "cannot go on here". Foreign exceptions are translated at the edge, once.
"""

from __future__ import annotations

from collections.abc import Sequence


class AfterwordError(Exception):
    """The base of all of ours."""


class ConfigError(AfterwordError):
    """Ours, at start: every problem at once, each with its remedy. Exit 78."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class HeldByAnother(AfterwordError):
    """A home, port or socket another process holds. Exit 75."""


class Away(AfterwordError):
    """Something needed cannot be reached. Exit 69."""


class RecallBusy(AfterwordError):
    """Recall, or the way to it, asks for patience: come back in `retry_after_s` seconds."""

    def __init__(self, cause: str, *, retry_after_s: float) -> None:
        super().__init__(cause)
        self.cause = cause
        self.retry_after_s = retry_after_s


class CursorRefused(RecallBusy):
    """Recall does not take this cursor (any more): read the list from its beginning."""


class AccountRefused(AfterwordError):
    """401, 402 or 403 for every request: nothing about this recording. `status` is Recall's."""

    def __init__(self, status: int) -> None:
        super().__init__(f"Recall answers {status}")
        self.status = status


class WorkspaceUnknown(AfterwordError):
    """A recording's workspace is not in the settings: nothing of it is decided by another one's policy."""

    def __init__(self, workspace: str) -> None:
        super().__init__(
            f"the workspace {workspace!r} is not in these settings: its recordings stand still, nothing "
            "of them is asked, paid or lost; put its settings back and they go on"
        )
        self.workspace = workspace


class Stale(AfterwordError):
    """Another commit came first: load again and decide again. Nothing was written."""


class AlreadyApplied(Stale):
    """The delivery has been applied, by another worker or in another life. Nothing was written."""


class LeaseLost(AfterwordError):
    """This worker was thought dead and another has its command. Nothing may be written any more."""


class BudgetExceeded(AfterwordError):
    """A claim above the budget of paid attempts, refused by the database. Nothing was written."""


class StoreUnavailable(AfterwordError):
    """The database cannot be used now. 503 in web, later in workers."""


class QueueUnavailable(AfterwordError):
    """Redis cannot be used now. Nothing is lost: the dispatcher offers again."""


class BlobsUnavailable(AfterwordError):
    """The store of results cannot be written or read now; the message names the remedy."""


class BlobError(AfterwordError):
    """Waiting does not help: a key that is none, or an address that cannot be used."""


class BlobMissing(BlobError):
    """There is nothing under this key."""


class BlobChanged(BlobError):
    """Under this key is another version by now than the one that was asked for."""


class TranscriptUnreadable(AfterwordError):
    """The downloaded bytes are not a transcript. The reason never quotes them."""


class DownloadBlocked(AfterwordError):
    """The pre-signed download cannot be read now: another host's trouble, never a reason to pay again."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause
