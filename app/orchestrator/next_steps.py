"""
What a person can do about a transcription that ended without a transcript. The sentences are for reading and
may change. In them RECORDING stands for an id and N for a number of attempts: `next_step` puts in the real
ones.
"""

from __future__ import annotations

from app.core import reasons
from app.core.policy import CEILING
from app.recall.limits import TRANSCRIPTS_PER_RECORDING

_RETRY = "`./afterword retry RECORDING`"
_PAY = "`./afterword retry RECORDING --budget N`"
_OVER = "`./afterword retry RECORDING --over-budget`"

NEXT_STEPS: dict[str, str] = {
    reasons.ALL_PROVIDERS_FAILED: (
        f"Look at each attempt's error, mend the provider's account in Recall's dashboard, then {_PAY} "
        "(each further attempt is paid)."
    ),
    reasons.NO_PROVIDER_ABLE: (
        "The detail says which part of the intent excludes which provider: change it, or add a provider that "
        f"can do it (`./afterword check --policy FILE` shows which can), then {_RETRY}. Nothing was paid."
    ),
    reasons.NO_ANSWER: (
        f"Look at the transcript in Recall's dashboard; {_RETRY} asks once more and is free, {_PAY} pays "
        "for another."
    ),
    reasons.CREATE_UNSETTLED: (
        f"For a day Recall neither accepted nor refused the create; see each attempt's error. {_RETRY} "
        "looks at Recall first and goes on where it stopped."
    ),
    reasons.NEVER_READABLE: (
        f"Recall said done but never offered the file: ask Recall's support, then {_RETRY}."
    ),
    reasons.RECORDING_FAILED: "Recall could not record this meeting; there is nothing to transcribe.",
    reasons.RECORDING_GONE: (
        "The media no longer exists at Recall; check the retention set for your recordings."
    ),
    reasons.RECORDING_UNKNOWN: (
        "Recall does not know this recording under this key. After an example event of the webhook "
        "portal nothing is to be done. Else it is of another workspace or region: check RECALL_REGION "
        f"and RECALL_API_KEY, then {_RETRY}."
    ),
    reasons.RECORDING_NEVER_DONE: (
        "Recall never finished this recording; look at the bot in Recall's dashboard."
    ),
    reasons.NO_AUDIO: (
        "The recording has no audio or video to transcribe; check the bot's recording configuration."
    ),
    reasons.PAYLOAD_REFUSED: (
        "Recall's firewall blocks this request alone: look for an address or `localhost` in the "
        f"provider's options, then {_RETRY}."
    ),
    reasons.RECALL_LIMIT: (
        f"Recall allows {TRANSCRIPTS_PER_RECORDING} transcripts per recording: delete some at Recall, "
        f"then {_RETRY}."
    ),
    reasons.REQUEST_REFUSED: (
        "Recall refuses this request and names no provider: see the attempt's error and the provider's "
        f"options, then {_RETRY}."
    ),
    reasons.PROVIDERS_DOWN: (
        "For a day every provider that is left failed for all recordings; nothing was paid for "
        f"meanwhile. Look at their accounts in Recall's dashboard, then {_RETRY}."
    ),
    reasons.PROVIDERS_CANNOT_CURE: "The meeting's platform caused this; no other provider would do better.",
    reasons.OUR_FAULT: (
        f"Gave up after 8 crashed attempts. The log names the error; {_RETRY} goes on where it stopped."
    ),
    reasons.NOT_SELECTED: (
        f"The policy passes this recording by; {_RETRY} transcribes it all the same (paid)."
    ),
    reasons.DOWNLOAD_BLOCKED: (
        f"The finished transcript could not be downloaded for a day; {_RETRY} tries again and costs "
        "nothing, as long as Recall has the transcript."
    ),
    reasons.RESULT_UNREADABLE: (
        "The downloaded file is not a transcript this version can read. Its bytes are stored; after an "
        f"update {_RETRY} reads them again, free."
    ),
    reasons.STORAGE: (
        f"The place for results could not be written; mend it, then {_RETRY}, which costs nothing as long "
        "as Recall has the transcript."
    ),
    reasons.NOT_SETTLED: (
        f"For a day one step was put off again and again: the detail names it and the cause. {_RETRY} "
        "goes on where it stopped."
    ),
    reasons.DAILY_BUDGET_REACHED: (
        "It waited for a day's budget for as long as the policy has patience; nothing was paid for. "
        f"{_OVER} pays beyond it, {_RETRY} waits again; or raise `daily_budget` under [cost] first."
    ),
    reasons.UNEXPECTED_ANSWER: (
        "For a day Recall, or something on the way to it, answered with a status that means nothing "
        f"here: see the detail. {_RETRY} asks again and costs nothing."
    ),
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
