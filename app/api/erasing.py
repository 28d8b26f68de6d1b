"""`DELETE /v1/transcriptions/{id}`: answered once nothing of it is shown; workers delete the rest."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Response

from app.adapters.sql.store import SqlStore
from app.api.calls import Call
from app.api.problems import Problem
from app.api.reading import Reading
from app.errors import Stale, WorkspaceUnknown
from app.orchestrator.transitions import Advancer
from app.results.erasure import erase


@dataclass(frozen=True, slots=True)
class Erasing:
    store: SqlStore
    reading: Reading
    transitions: Advancer

    def erase(self, call: Call) -> Response:
        """202, also of one that is erased already."""
        state = self.reading.found(call.key, call.path["id"]).state
        of = (state.workspace, state.recording_id)
        try:
            erase(self.transitions, self.store, *of, by=f"key {call.key.name}")
        except (KeyError, WorkspaceUnknown):
            raise Problem("not_found", "The settings do not have this recording's workspace.") from None
        except Stale:
            raise Problem("changed_meanwhile") from None
        return Response(status=202)
