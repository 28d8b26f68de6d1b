"""
How long this installation waits for itself: leases, jobs, what is a fault. Nothing here belongs to a
workspace. The floors: processes keep real time, however time is scaled.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.core.durations import Scaled, seconds


@dataclass(frozen=True, slots=True)
class Timing(Scaled):
    """Seconds."""

    lease_s: float = seconds(15, floor=4)
    lease_renew_s: float = seconds(5, floor=1)
    # Of a pass over Recall's list: longer than one question may take, with all its tries.
    pass_lease_s: float = seconds(45, floor=12)
    offer_again_s: float = seconds(15, floor=4)
    job_timeout_s: float = seconds(360, floor=60)

    # No heartbeat for this long: a stop, or a backup put back. What was known before is looked up first.
    silence_s: float = seconds(600, floor=10)
    # Neither at an end nor with a command for this long is a fault.
    stuck_after_s: float = seconds(60, floor=5)
    # A stored transcript that could not be indexed is indexed by then.
    index_every_s: float = seconds(300, floor=5)
    # What is of a workspace that the settings no longer name is looked at again.
    workspace_unknown_every_s: float = seconds(3600)
    # How long the body of an applied delivery is kept, for `replay`; its id is kept for ever.
    bodies_kept_s: float = seconds(14 * 86_400)
