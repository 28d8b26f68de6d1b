"""What was asked for and is not there: since when, and how often that was said. See `rules_absence`."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Absence:
    """
    An unbroken row of answers in which Recall did not have something: any other answer ends it.

    It is proven after `Durations.gone_after_s` and two full lists a minute apart, and then only by a list
    between two answers that show the recording itself: a key of another workspace sees nothing of anything,
    and a Recall that had lost sight of the workspace may have found it since the last list. All of these
    answers are to one key.
    """

    since: float
    lists: int = 0  # full lists without it, a minute apart; ten for a create whose answer was lost
    listed_at: float = 0.0
    key: str = ""  # fingerprint of the API key that was answered so
    is_recording_seen: bool = False  # after two lists; `lists` counts from one again

    def listed(self, at: float, *, apart_s: float) -> Absence:
        """After one more full list without it."""
        if self.lists and at - self.listed_at < apart_s:
            return self
        return replace(self, lists=self.lists + 1, listed_at=at)

    def with_recording_seen(self) -> Absence:
        """After an answer that shows the recording: one more list is to be read, at once."""
        return replace(self, lists=1, listed_at=0.0, is_recording_seen=True)

    @property
    def is_for_the_recording(self) -> bool:
        """Whether all that is left to ask is the recording itself."""
        return self.lists >= 2


def lasting(absence: Absence | None, *, at: float, key: str) -> Absence:
    """The absence that goes on; one that begins now where there is none, or none under this key."""
    return absence if absence is not None and absence.key == key else Absence(at, key=key)
