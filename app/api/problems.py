"""What `/v1` answers instead of what was asked for: a status, a code that says what to do, and a sentence."""

from __future__ import annotations

import json
from collections.abc import Mapping

from flask import Response

# The sentence stands for one that is given with the problem.
CODES: Mapping[str, tuple[int, str]] = {
    "bad_framing": (400, "The body is not what its headers say; send it whole."),
    "unauthorized": (
        401,
        "Send an API key as `Authorization: Bearer KEY`; `./afterword keys create` makes one.",
    ),
    "forbidden": (403, "This key lacks the scope for this route."),
    "not_found": (404, "There is no such thing, or this key may not see it."),
    "no_route": (404, "There is nothing at this path; /v1/docs has the routes."),
    "method_not_allowed": (405, "This path takes other methods; see the header Allow."),
    "too_slow": (408, "The body did not come within ten seconds; send it again."),
    "budget_used": (409, "All attempts that the policy allows are used."),
    "still_running": (409, "The recording is being transcribed; order again once that has ended."),
    "request_under_way": (
        409,
        "A request with this Idempotency-Key is under way; send it again in a moment.",
    ),
    "changed_meanwhile": (409, "It was changed meanwhile; send the request again."),
    "erased": (410, "This recording was erased; nothing of it is taken up again."),
    "too_large": (413, "The body is too large."),
    "range_not_satisfiable": (416, "The file does not have these bytes; see the header Content-Range."),
    "invalid_request": (422, "A value cannot be used."),
    "unsupported_provider": (422, "This is none of the providers."),
    "unsupported_language": (422, "The provider does not have this language."),
    "idempotency_key_reused": (422, "This Idempotency-Key was used for another request; take a new one."),
    "unsupported_by_provider": (422, "No provider can do this with what the policy wants."),
    "rate_limited": (429, "This key asks too often; wait as Retry-After says."),
    "internal_error": (500, "This is our fault; the log has the cause."),
    "busy": (503, "As many answers as are allowed are under way; wait as Retry-After says."),
    "unavailable": (503, "The database or the store cannot be read now; wait as Retry-After says."),
}
RETRY_AFTER_S = 5


class Problem(Exception):
    """Ends a request. The message is for people, and repeats nothing secret."""

    def __init__(self, code: str, message: str = "", *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.status, general = CODES[code]
        self.message = message or general
        self.headers = dict(headers or {})

    def response(self) -> Response:
        body = json.dumps({"error": {"code": self.code, "message": self.message}}, ensure_ascii=False)
        response = Response(body, self.status, content_type="application/json")
        if self.status in (429, 503):
            response.headers["Retry-After"] = str(RETRY_AFTER_S)
        response.headers.update(self.headers)
        return response
