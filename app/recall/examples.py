"""
Example events: what the webhook portal sends when "Send example" is pressed. Signed like any other, about a
recording that exists nowhere. PURE.

The ids are those of Recall's catalogue of event types, and those that documents and generators of examples
like to use: https://docs.recall.ai/docs/recording-webhooks, https://docs.svix.com/event-types
"""

from __future__ import annotations

NOTE = "an example event of the webhook portal: there is no such recording"

_EXAMPLES = frozenset(
    {
        "4cff97e4-f0c7-4915-b5a0-983238758f28",  # the catalogue's recording
        "123e4567-e89b-12d3-a456-426614174000",  # of Wikipedia's article on UUIDs
        "3fa85f64-5717-4562-b3fc-2c963f66afa6",  # Swagger's
        "550e8400-e29b-41d4-a716-446655440000",  # RFC 4122's registration of the namespace
        "497f6eca-6276-4993-bfeb-53cbbbba6f08",  # ReDoc's
        "095be615-a8ad-4c33-8e9c-c7612fbf6c9f",  # ReDoc's
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
    }
)


def is_example(recording_id: str | None) -> bool:
    """Whether a delivery about this recording (a UUID in lower case) is an example: nothing is to be done."""
    return recording_id in _EXAMPLES
