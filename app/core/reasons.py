"""
Why a transcription ended without a transcript, and what a person can do about it. The keys are
stored, logged and counted; the sentences are for reading and may change. In them RECORDING stands for
an id and N for a number of attempts: `next_step` puts in the real ones.
"""

from __future__ import annotations

from app.core.policy import CEILING

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


_RETRY = "`./afterword retry RECORDING`"
_PAY = "`./afterword retry RECORDING --budget N`"

NEXT_STEPS: dict[str, str] = {
    ALL_PROVIDERS_FAILED: "Look at each attempt's error, mend the provider's account in Recall's dashboard, "
    f"then {_PAY} (each further attempt is paid).",
    NO_ANSWER: f"Look at the transcript in Recall's dashboard; {_RETRY} asks once more and is free, "
    f"{_PAY} pays for another.",
    CREATE_UNSETTLED: "For a day Recall neither accepted nor refused the create; see each attempt's error. "
    f"{_RETRY} looks at Recall first and goes on where it stopped.",
    NEVER_READABLE: f"Recall said done but never offered the file: ask Recall's support, then {_RETRY}.",
    RECORDING_FAILED: "Recall could not record this meeting; there is nothing to transcribe.",
    RECORDING_GONE: "The media no longer exists at Recall; check the retention set for your recordings.",
    RECORDING_UNKNOWN: "Recall does not know this recording under this key. After an example event of the "
    "webhook portal nothing is to be done. Else it is of another workspace or region: check RECALL_REGION "
    f"and RECALL_API_KEY, then {_RETRY}.",
    RECORDING_NEVER_DONE: "Recall never finished this recording; look at the bot in Recall's dashboard.",
    NO_AUDIO: "The recording has no audio or video to transcribe; check the bot's recording configuration.",
    PAYLOAD_REFUSED: "Recall's firewall blocks this request alone: look for an address or `localhost` in the "
    f"provider's options, then {_RETRY}.",
    RECALL_LIMIT: f"Recall allows ten transcripts per recording: delete some at Recall, then {_RETRY}.",
    REQUEST_REFUSED: "Recall refuses this request and names no provider: see the attempt's error and the "
    f"provider's options, then {_RETRY}.",
    PROVIDERS_DOWN: "For a day every provider that is left failed for all recordings; nothing was paid for "
    f"meanwhile. Look at their accounts in Recall's dashboard, then {_RETRY}.",
    PROVIDERS_CANNOT_CURE: "The meeting's platform caused this; no other provider would do better.",
    OUR_FAULT: "Eight tries ended without a word. The log names the error; "
    f"{_RETRY} goes on where it stopped.",
    NOT_SELECTED: f"The policy passes this recording by; {_RETRY} transcribes it all the same (paid).",
    DOWNLOAD_BLOCKED: "The finished transcript could not be downloaded for a day; "
    f"{_RETRY} tries again and costs nothing, as long as Recall has the transcript.",
    RESULT_UNREADABLE: "The downloaded file is not a transcript this version can read. Its bytes are stored; "
    f"after an update {_RETRY} reads them again, free.",
    STORAGE: "The place for results could not be written; mend it, "
    f"then {_RETRY}, which costs nothing as long as Recall has the transcript.",
    NOT_SETTLED: "For a day one step was put off again and again: the detail names it and the cause. "
    f"{_RETRY} goes on where it stopped.",
    UNEXPECTED_ANSWER: "For a day Recall, or something on the way to it, answered with a status that means "
    f"nothing here: see the detail. {_RETRY} asks again and costs nothing.",
}
_CEILING_REACHED = "All nine attempts that a recording may have are used up: no further one can be ordered."


def next_step(reason: str | None, *, recording: str = "RECORDING", next_ordinal: int = 0) -> str | None:
    """
    The sentence for a stored reason; a general one for reasons of another version.

    Args:
        recording: What a person would type for it: an id or the beginning of one.
        next_ordinal: Of the attempt that would be paid for next; 0 when not known.
    """
    if reason is None:
        return None
    text = NEXT_STEPS.get(reason, "See the history: `./afterword show RECORDING`.")
    if next_ordinal > CEILING and _PAY in text:
        text = f"See each attempt's error. {_CEILING_REACHED}"
    text = text.replace("--budget N", f"--budget {next_ordinal or 'N'}")
    return text.replace(" RECORDING", f" {recording}")
