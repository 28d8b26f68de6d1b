"""
Why a transcription ended without a transcript, and what a person can do about it. The keys are
stored, logged and counted; the sentences are for reading and may change.
"""

from __future__ import annotations

ALL_PROVIDERS_FAILED = "all_providers_failed"
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

# Statuses that mean "later", whatever they are an answer to: waiting for these is no surprise.
_LATER = frozenset({"http_408", "http_409", "http_425", "http_429"})


def of_wait(cause: str) -> str | None:
    """The reason of a wait that ended without an answer, where its cause has one: an unexpected status."""
    is_unexpected = cause.startswith(("http_2", "http_3", "http_4")) and cause not in _LATER
    return UNEXPECTED_ANSWER if is_unexpected else None


NEXT_STEPS: dict[str, str] = {
    ALL_PROVIDERS_FAILED: "Look at each attempt's error, mend the provider's account in Recall's dashboard, "
    "then `afterword retry RECORDING --budget N` (each further attempt is paid).",
    NO_ANSWER: "Look at the transcript in Recall's dashboard; "
    "`afterword retry RECORDING --budget N` pays for another.",
    CREATE_UNSETTLED: "For a day Recall neither accepted nor refused the create; see each attempt's error. "
    "`afterword retry RECORDING` looks at Recall first and goes on where it stopped.",
    NEVER_READABLE: "Recall said done but never offered the file: ask Recall's support, "
    "then `afterword retry RECORDING`.",
    RECORDING_FAILED: "Recall could not record this meeting; there is nothing to transcribe.",
    RECORDING_GONE: "The media no longer exists at Recall; check the retention set for your recordings.",
    RECORDING_UNKNOWN: "Recall does not know this recording under this key: another workspace or region? "
    "Check RECALL_REGION and RECALL_API_KEY, then `afterword retry RECORDING`.",
    RECORDING_NEVER_DONE: "Recall never finished this recording; look at the bot in Recall's dashboard.",
    NO_AUDIO: "The recording has no audio or video to transcribe; check the bot's recording configuration.",
    PAYLOAD_REFUSED: "Recall's firewall blocks this request alone: look for an address or `localhost` in the "
    "provider's options, then `afterword retry RECORDING`.",
    RECALL_LIMIT: "Recall allows ten transcripts per recording: delete some at Recall, "
    "then `afterword retry RECORDING`.",
    REQUEST_REFUSED: "Recall refuses this request and names no provider: see the attempt's error and the "
    "provider's options, then `afterword retry RECORDING`.",
    PROVIDERS_DOWN: "For a day every provider that is left failed for all recordings; nothing was paid for "
    "meanwhile. Look at their accounts in Recall's dashboard, then `afterword retry RECORDING`.",
    PROVIDERS_CANNOT_CURE: "The meeting's platform caused this; no other provider would do better.",
    OUR_FAULT: "Eight tries ended without a word. The log names the error; "
    "`afterword retry RECORDING` goes on where it stopped.",
    NOT_SELECTED: "The policy passes this recording by; "
    "`afterword retry RECORDING` transcribes it all the same (paid).",
    DOWNLOAD_BLOCKED: "The finished transcript could not be downloaded for a day; "
    "`afterword retry RECORDING` tries again and costs nothing, as long as Recall has the transcript.",
    RESULT_UNREADABLE: "What Recall serves is no transcript that this version can read; it is stored as it "
    "is. After an update `afterword retry RECORDING` reads it again and costs nothing.",
    NOT_SETTLED: "For a day one step was put off again and again: the detail names it and the cause. "
    "`afterword retry RECORDING` goes on where it stopped.",
    UNEXPECTED_ANSWER: "For a day Recall, or something on the way to it, answered with a status that means "
    "nothing here: see the detail. `afterword retry RECORDING` asks again and costs nothing.",
    STORAGE: "The place for results could not be written; mend it, "
    "then `afterword retry RECORDING`, which costs nothing as long as Recall has the transcript.",
}


def next_step(reason: str | None) -> str | None:
    """The sentence for a stored reason; a general one for reasons of another version."""
    if reason is None:
        return None
    return NEXT_STEPS.get(reason, "See the history: `afterword show RECORDING`.")
