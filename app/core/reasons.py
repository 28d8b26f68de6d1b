"""
Why a transcription ended without a transcript: stored, logged and counted under these names. What a person
can do about each is said in `orchestrator.next_steps`.
"""

from __future__ import annotations

ALL_PROVIDERS_FAILED = "all_providers_failed"
NO_PROVIDER_ABLE = "no_provider_can_do_this"
NO_ANSWER = "no_answer_from_recall"
CREATE_UNSETTLED = "recall_never_settled_the_create"
NEVER_READABLE = "transcript_never_readable"
RECORDING_FAILED = "recording_failed"
RECORDING_GONE = "recording_deleted_or_expired"
RECORDING_UNKNOWN = "recording_not_known_to_this_key"
RECORDING_NEVER_DONE = "recording_never_done"
NO_AUDIO = "recording_has_no_audio"
PAYLOAD_REFUSED = "request_blocked_by_recall"
RECALL_LIMIT = "recall_limit_of_transcripts_reached"
REQUEST_REFUSED = "request_refused_by_recall"
PROVIDERS_DOWN = "providers_down"
PROVIDERS_CANNOT_CURE = "no_provider_can_cure"
OUR_FAULT = "our_fault"
NOT_SELECTED = "not_selected"
DOWNLOAD_BLOCKED = "download_blocked"
RESULT_UNREADABLE = "transcript_unreadable"
STORAGE = "storage_unavailable"
NOT_SETTLED = "left_without_an_event"
UNEXPECTED_ANSWER = "recall_answers_unexpectedly"
