"""
What the model Recall says that is not so, and what changes behind the service's back: kinds that can be
told one by one, so that a guard that is taken out is met by the lie it stands against.

`PROPERTY_LIES=all`, `none` or some of KINDS, comma-separated, instead of TOLD.
"""

from __future__ import annotations

import os

KINDS = (
    "forgets",  # a transcript for nine minutes, or a recording with its transcripts for longer
    "another",  # answers about another thing than was asked
    "statuses",  # any status, to a read and to a create
    "foreign key",  # the service runs with the key of another workspace for a while
    "late",  # lists are up to an hour late
    "several",  # of the providers in an answer several are filled, and the one ordered is not the first
    "clock",  # the database's clock steps forward and back
    "policy",  # providers and selection change between plan and send
    "provisional",  # not a lie: a manifest, once visible, is followed by no other attempt and never changes
)
# The product copes with each of these.
TOLD: tuple[str, ...] = KINDS


def told() -> frozenset[str]:
    """The kinds of this run."""
    said = os.environ.get("PROPERTY_LIES")
    if said is None:
        return frozenset(TOLD)
    named = {"all": KINDS, "none": ()}.get(said, tuple(said.split(",")))
    if unknown := sorted(set(named) - set(KINDS)):
        raise ValueError(f"PROPERTY_LIES: {', '.join(unknown)} not among {', '.join(KINDS)}")
    return frozenset(named)
