"""
What happens to each recording of the shared programme. Data, and a few plays that need a hand.

A play gets the installation, does what no script can say, and returns the recording's id. Plays run side
by side; each waits for nothing but Recall's own bill.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from tests.flow.stage import Installation, wait_until

Play = Callable[[Installation], str]

# The answer to the create is lost or makes no sense: whatever happened, one create is paid.
ODD_ANSWERS: Mapping[str, list[str]] = {
    "cut before Recall accepted": ["cut_before"],
    "cut after Recall accepted": ["cut_after"],
    "cut before, then cut after": ["cut_before", "cut_after"],
    "500 after accepting": ["status_after:500"],
    "502 after accepting": ["status_after:502"],
    "409 before accepting": ["status_before:409"],
    "accepted without an id": ["no_id"],
    "accepted, answered in HTML": ["html"],
    "accepted, answered after our patience": ["timeout_after:480"],
    "429, then accepted": ["status_before:429"],
    "507, then accepted": ["status_before:507"],
}
# Recall's word that nothing was made.
DEFINITE = frozenset({"status_before:429", "status_before:507"})
# The way to the finished file is bad: it is downloaded again, never paid again.
ODD_DOWNLOADS: Mapping[str, list[str]] = {
    "the address has expired": ["expired"],
    "half of the file": ["truncated"],
    "404 at the store": ["404"],
    "compressed": ["gzip"],
    "slow": ["slow:60"],
    "host cuts for a minute": ["blocked:60"],
}
_FAILED = "failed:provider_connection_failed"

SCRIPTS: Mapping[str, Mapping[str, Any]] = {
    "happy 1": {},
    "happy 2": {},
    "happy 3": {"shape": {"extra_fields": True, "timestamp_style": "offset"}},
    "50 times recording.done": {"recording_done": "storm:50"},
    "done before its create is answered": {"creates": ["done_before_answer"]},
    "done comes five times": {"done_webhook": ["duplicate:5"]},
    "done comes before the API agrees": {"done_webhook": ["before_processing_ends"]},
    "done never comes": {"done_webhook": ["drop"]},
    "a forged done beside it": {"done_webhook": ["forged_too"]},
    "captions before recording.done": {"captions": "done_before_recording_done"},
    "captions after recording.done": {"captions": "done"},
    "recording.done never comes, captions do": {"captions": "done", "recording_done": "drop"},
    "first provider fails": {"transcripts": [_FAILED]},
    "first provider fails without a reason": {"transcripts": ["failed:null"]},
    "every provider fails": {"transcripts": [_FAILED, "failed:null", _FAILED]},
    "every provider fails, retried by hand": {"transcripts": [_FAILED] * 3},
    "first provider is refused": {"creates": ["refuse"]},
    "every provider is refused": {"creates": ["refuse"] * 3},
    "empty twice": {"transcripts": ["empty", "empty"], "kind": "standup"},
    "empty, then spoken": {"transcripts": ["empty"], "kind": "standup"},
    "a silent room": {"transcripts": ["empty"], "kind": "silent"},
    **{f"download: {name}": {"download": download} for name, download in ODD_DOWNLOADS.items()},
}


def heard_fifty_times_more(place: Installation) -> str:
    """`recording.done` again while the transcript runs: 50 with one id, 50 with ids of their own."""
    recording = place.recall.record(transcribe_s=180)
    _wait_for_paid(place, recording, 1)
    place.recall.emit("recording.done", recording, times=50, same_id=True)
    place.recall.emit("recording.done", recording, times=50)
    return recording


def failed_fifty_times(place: Installation) -> str:
    """One failure, told 50 times with 50 webhook ids, at once and again during the next attempt."""
    recording = place.recall.record(transcripts=["never"], transcribe_s=180)
    first = _wait_for_paid(place, recording, 1)
    place.recall.tell(f"transcripts/{first}/fail")
    place.recall.emit("transcript.failed", recording, transcript_id=first, times=49)
    _wait_for_paid(place, recording, 2)
    place.recall.emit("transcript.failed", recording, transcript_id=first, times=10)
    return recording


def captions_fail_during_our_attempt(place: Installation) -> str:
    """A real-time transcript's failure, several times, while ours runs."""
    recording = place.recall.record(captions="failed", transcribe_s=180)
    _wait_for_paid(place, recording, 1)
    captions = place.recall.captions(recording)["id"]
    place.recall.emit("transcript.failed", recording, transcript_id=captions, times=5)
    return recording


def anothers_done_before_recording_done(place: Installation) -> str:
    """Somebody else's transcript is finished before we hear that the recording is."""
    recording = place.recall.record(recording_done="after_transcript_done")
    place.recall.create(recording)
    return recording


def ours_done_before_recording_done(place: Installation) -> str:
    """The same with our marker: another installation on the workspace was faster."""
    recording = place.recall.record(recording_done="after_transcript_done")
    place.recall.create(recording, marker=f"{recording}/1")
    return recording


def done_again_under_new_ids(place: Installation) -> str:
    """`transcript.done` ten times more, each under a webhook id of its own, some after it is stored."""
    recording = place.recall.record()
    ours = _wait_for_paid(place, recording, 1)
    wait_until(
        lambda: place.recall.bill(recording)["transcripts"][0]["status"] == "done", within_s=60, what="done"
    )
    place.recall.emit("transcript.done", recording, transcript_id=ours, times=5)
    wait_until(lambda: ours in place.stored(recording), within_s=60, what="stored")
    place.recall.emit("transcript.done", recording, transcript_id=ours, times=5)
    return recording


def done_after_every_attempt_failed(place: Installation) -> str:
    """Three failures were told; then the second transcript is finished all the same."""
    recording = place.recall.record(transcripts=["never"] * 3)
    names = []
    for number in (1, 2, 3):
        names.append(_wait_for_paid(place, recording, number))
        place.recall.emit("transcript.failed", recording, transcript_id=names[-1])
    place.wait_for_ends(recording, within_s=60)
    place.recall.tell(f"transcripts/{names[1]}/finish")
    wait_until(lambda: place.stored(recording) != {}, within_s=60, what="the late transcript is stored")
    return recording


def odd_answers(creates: list[str]) -> Play:
    """Nothing but looking can tell what became of the request: the transcript ends only after that."""
    lost = [answer for answer in creates if answer not in DEFINITE]

    def play(place: Installation) -> str:
        recording = place.recall.record(creates=creates, transcripts=["never"])
        ours = _wait_for_paid(place, recording, 1)
        wait_until(
            lambda: place.recall.bill(recording)["lists"] >= len(lost),
            within_s=60,
            what=f"a look-up for each of {lost}",
        )
        time.sleep(1.0)  # whoever sends again without looking has done so by now
        place.recall.tell(f"transcripts/{ours}/finish")
        return recording

    return play


PLAYS: Mapping[str, Play] = {
    **{f"create: {name}": odd_answers(creates) for name, creates in ODD_ANSWERS.items()},
    **{
        play.__name__: play
        for play in (
            heard_fifty_times_more,
            failed_fifty_times,
            captions_fail_during_our_attempt,
            anothers_done_before_recording_done,
            ours_done_before_recording_done,
            done_again_under_new_ids,
            done_after_every_attempt_failed,
        )
    },
}


def _wait_for_paid(place: Installation, recording_id: str, number: int) -> str:
    """The id of the latest, once so many were paid for."""
    wait_until(
        lambda: len(place.recall.paid(recording_id)) >= number,
        within_s=60,
        what=f"{number} creates of {recording_id}",
    )
    return str(place.recall.paid(recording_id)[-1]["id"])
