"""
Which API keys were seen to see this workspace's recordings, and the recordings to hold a new key against.

Fingerprints alone, never a key. What follows from the answer is in `app.orchestrator.key_visibility`.
"""

from __future__ import annotations

import sqlalchemy as sa

from app.adapters.sql import tables as t
from app.adapters.sql.engine import Database
from app.core import reasons
from app.core.state import Phase
from app.orchestrator.records import KEY_BY_HAND

# As `sql.transitions` writes the state: deleted at Recall. No text in it holds these bytes unescaped.
_IS_GONE = '"is_recording_gone":true'


class ApiKeys(Database):
    """`app.orchestrator.ports_recall.ApiKeys`."""

    def key_status(self, workspace: str, fingerprint: str) -> str | None:
        """See `app.orchestrator.ports_recall.ApiKeys.key_status`."""
        return self.read_value(status_of(workspace, fingerprint))

    def set_key_status(self, workspace: str, fingerprint: str, status: str) -> None:
        """See `app.orchestrator.ports_recall.ApiKeys.set_key_status`."""
        key = {"workspace": workspace, "fingerprint": fingerprint}
        is_ours = t.recall_keys.c.status != KEY_BY_HAND  # given while a worker was asking Recall
        values = {"status": status, "at": self.db_now}
        self.write(self.upsert(t.recall_keys, key, values, where=is_ours))

    def newest_recordings(self, workspace: str, limit: int, *, gone_too: bool = False) -> list[str]:
        """See `app.orchestrator.ports_recall.ApiKeys.newest_recordings`."""
        row = t.transcriptions
        newest = sa.select(row.c.recording_id).where(row.c.workspace == workspace)
        newest = newest.order_by(row.c.first_heard_at.desc(), row.c.id.desc()).limit(limit)
        if not gone_too:
            newest = newest.where(
                row.c.phase != Phase.ERASED.value,
                row.c.reason.is_distinct_from(reasons.RECORDING_GONE),
                ~row.c.state.contains(_IS_GONE, autoescape=True),
            )
        should_be_there = newest.where(row.c.reason.is_distinct_from(reasons.RECORDING_UNKNOWN))
        with self.reading() as connection:
            found = connection.execute(should_be_there).scalars().all()
            return list(found or connection.execute(newest).scalars().all())


def status_of(workspace: str, fingerprint: str) -> sa.Select[str]:
    """What is known of a key."""
    row = t.recall_keys
    return sa.select(row.c.status).where(row.c.workspace == workspace, row.c.fingerprint == fingerprint)
