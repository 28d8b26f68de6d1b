"""
Counts about Recall's answers and about ends, written in the transaction of the outcome that they belong to.

`tallies` rows: `recall:ENDPOINT:OUTCOME`, `failed:REASON`, `stored_seconds:le:N` and `stored_seconds:sum_ms`.
`installation` rows `recall_trouble:WORKSPACE` and `download_trouble:WORKSPACE`: since when Recall, or the
host of its downloads, refuses or is silent; none while it answers.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.adapters.sql import tables as t
from app.adapters.sql.installation import Installation
from app.core.state import Phase, Transcription
from app.recall.types import GOOD_OUTCOMES, Answer

TROUBLE, DOWNLOAD_TROUBLE = "recall_trouble:", "download_trouble:"
_DOWNLOAD = "download"
# Upper bounds, seconds, from hearing of a recording to its stored transcript.
_BUCKETS = (1, 5, 15, 60, 300, 900, 3600, 86_400)
_SHARDS = 64  # on PostgreSQL, so that two commits seldom want the same row; as in the migration 0002


class RecallAnswers(Installation):
    """Mixed into what commits outcomes."""

    def note_answers(self, workspace: str, answers: Sequence[Answer]) -> None:
        """See `app.orchestrator.ports_recall.RecallAnswers.note_answers`."""
        with self.writing() as connection:
            self.count_answers(connection, workspace, answers)

    def recall_trouble_since(self, workspace: str) -> float | None:
        """See `app.orchestrator.ports_recall.RecallAnswers.recall_trouble_since`."""
        return self.moment(TROUBLE + workspace)

    def count_answers(self, connection: Connection, workspace: str, answers: Iterable[Answer]) -> None:
        """Adds them up, and notes whether Recall answers."""
        answers = list(answers)
        if not answers:
            return
        self.add_tallies(connection, Counter(f"recall:{a.endpoint}:{a.outcome}" for a in answers))
        row, over = t.installation, []
        for key, is_over in _last_words(answers):
            if is_over:
                over.append(f"{key}{workspace}")
                continue
            begun = self.insert(row).values(key=f"{key}{workspace}", at=self.db_now)
            connection.execute(begun.on_conflict_do_nothing())
        if over:
            connection.execute(row.delete().where(row.c.key.in_(over)))

    def count_end(self, connection: Connection, before: Transcription, after: Transcription) -> None:
        """A transcription that has come to an end, or has left one."""
        changes: Counter[str] = Counter()
        was, now = _failure(before), _failure(after)
        if was != now:
            changes.update({f"failed:{was}": -1} if was else {})
            changes.update({f"failed:{now}": 1} if now else {})
        is_stored = after.phase is Phase.STORED and before.phase is not Phase.STORED and before.extra is None
        if is_stored and after.first_heard_at and after.completed_at is not None:
            seconds = max(0.0, after.completed_at - after.first_heard_at)
            bound = next((str(b) for b in _BUCKETS if seconds <= b), "inf")
            changes.update({f"stored_seconds:le:{bound}": 1, "stored_seconds:sum_ms": int(seconds * 1000)})
        self.add_tallies(connection, changes)

    def add_tallies(self, connection: Connection, changes: Mapping[str, int]) -> None:
        """In the order of their names, so that two transactions never want each other's."""
        shard = 0 if self.is_sqlite else os.getpid() % _SHARDS
        row = t.tallies
        for name in sorted(name for name, by in changes.items() if by):
            value, added = {"value": changes[name]}, {"value": row.c.value + changes[name]}
            connection.execute(self.upsert(row, {"name": name, "shard": shard}, value, changed=added))


def measures(connection: Connection) -> tuple[dict[str, int], dict[str, int]]:
    """What is counted as it happens, by name: `tallies` (summed over their shards), and `counters`."""
    tally, counter = t.tallies.c, t.counters.c
    tallies = connection.execute(sa.select(tally.name, sa.func.sum(tally.value)).group_by(tally.name))
    counters = connection.execute(sa.select(counter.name, counter.value))
    return {name: int(by) for name, by in tallies}, {name: int(number) for name, number in counters}


def telling_outcomes(answers: Iterable[Answer]) -> list[str]:
    """Those that say whether Recall answers: no download, which is another host's."""
    return [a.outcome for a in answers if a.endpoint != _DOWNLOAD]


def _last_words(answers: Sequence[Answer]) -> Iterator[tuple[str, bool]]:
    """Of Recall and of its downloads, where they were asked: whose, and whether it was a good one."""
    if told := telling_outcomes(answers):
        yield TROUBLE, told[-1] in GOOD_OUTCOMES
    if downloads := [a.outcome for a in answers if a.endpoint == _DOWNLOAD]:
        yield DOWNLOAD_TROUBLE, downloads[-1] == "2xx"


def _failure(transcription: Transcription) -> str | None:
    return transcription.reason if transcription.phase is Phase.FAILED else None
