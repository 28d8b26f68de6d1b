"""`GET /v1/search`: sentences of stored transcripts, of the key's workspace alone."""

from __future__ import annotations

import json
from dataclasses import dataclass

from flask import Response

from app.api.calls import Call
from app.api.problems import Problem
from app.api.types import SearchQuery
from app.orchestrator.ports_search import SearchIndex
from app.results.search import BadCursor, search, search_object


@dataclass(frozen=True, slots=True)
class Searching:
    """`index`: None where the policy keeps none."""

    index: SearchIndex | None
    public_url: str

    def search(self, call: Call) -> Response:
        if self.index is None:
            raise Problem("not_found", "Search is switched off by the policy (search = false).")
        asked: SearchQuery = call.query
        try:
            page = search(
                self.index,
                asked.q,
                speaker=asked.speaker or "",
                recording_id=asked.recording_id,
                workspace=call.key.workspace,
                limit=asked.limit,
                cursor=asked.cursor,
            )
        except BadCursor as bad:
            raise Problem("invalid_request", f"cursor: {bad}.") from None
        found = search_object(page, self.public_url)
        return Response(json.dumps(found), content_type="application/json")
