"""
Whose fault: when Recall refuses the whole account, nobody spends anything until a probe is accepted.

401 is probed with a harmless GET. 402 (the balance) and 403 for everybody's creates cannot be seen by a
GET: there one create of a waiting recording is the probe, and everything but creates goes on.
"""

from __future__ import annotations

from structlog.typing import FilteringBoundLogger

from app.core.commands import CreateTranscript
from app.errors import AccountRefused, RecallBusy
from app.ports import Leased, Store
from app.records import CREATES_ONLY
from app.task import Workspace

# By what Recall answers; a person reads them in the log and behind "To mend:".
REMEDIES = {
    401: "check RECALL_API_KEY and RECALL_REGION: the key is wrong, revoked or of another region",
    402: "top up the balance in Recall's dashboard",
    403: "look in Recall's dashboard why it refuses this account or address",
}


class Account:
    """The pause of a workspace; kept in the store, so that all workers of all machines share it."""

    def __init__(self, store: Store, log: FilteringBoundLogger) -> None:
        self._store, self._log = store, log

    def refused(self, workspace: Workspace, status: int, *, creates_only: bool = False) -> None:
        """Everybody waits from now on; or everybody with a create."""
        probe_s = workspace.policy.durations.account_probe_every_s
        cause = f"{CREATES_ONLY if creates_only else 'recall_answers_'}{status}"
        self._store.pause(workspace.name, cause, probe_after_s=probe_s)
        self._log.error(
            "account_refused", workspace=workspace.name, status=status, remedy=REMEDIES.get(status)
        )

    def accepted(self, workspace: Workspace) -> None:
        """A create went through, or a probe: whatever was wrong is mended."""
        if self._store.paused(workspace.name) is not None:
            self._store.unpause(workspace.name)
            self._log.info("account_accepted_again", workspace=workspace.name)

    def must_wait(self, leased: Leased, workspace: Workspace) -> bool:
        """True when the account is refused and not mended; the command is then put off to the next probe."""
        paused = self._store.paused(workspace.name)
        if paused is None:
            return False
        is_about_creates = paused.cause.startswith(CREATES_ONLY)
        if is_about_creates and not isinstance(leased.command, CreateTranscript):
            return False
        every_s = workspace.policy.durations.account_probe_every_s
        if self._store.take_probe(workspace.name, every_s=every_s):
            if is_about_creates:
                return False
            if self.is_accepted(workspace):
                self.accepted(workspace)
                return False
            self._log.error("account_still_refused", workspace=workspace.name, cause=paused.cause)
        self._store.defer(leased, after_s=every_s)
        return True

    def is_accepted(self, workspace: Workspace) -> bool:
        """One harmless GET."""
        try:
            workspace.recall.probe()
        except (AccountRefused, RecallBusy):
            return False
        return True
