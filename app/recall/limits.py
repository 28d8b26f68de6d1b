"""
What Recall allows and how it answers, as its documentation says: regions, rates, the events of its webhooks,
sub codes, statuses and what a person can do about them. PURE: figures and words, each in this one place.

The providers are in `providers`. Whether a create was refused at all is decided in `create_response`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

from app.core.seen import FailureCause

# -- where -------------------------------------------------------------------------------------
# Each region is a deployment of its own: https://docs.recall.ai/docs/regions
REGIONS = ("us-east-1", "us-west-2", "eu-central-1", "ap-northeast-1")
_DOMAIN = ".recall.ai"
STATUS_PAGE = "status.recall.ai"


def base_url_of(region: str) -> str:
    return f"https://{region}{_DOMAIN}"


def region_of(host: str) -> str | None:
    """The region whose host this is; None for any other host."""
    named = host.removesuffix(".").removesuffix(_DOMAIN)
    return named if named in REGIONS else None


# -- how often and how many ---------------------------------------------------------------------
# Per minute and workspace. https://docs.recall.ai/reference/transcript_list,
# https://docs.recall.ai/reference/transcript_retrieve
LISTS_PER_MINUTE, READS_PER_MINUTE = 60, 300
# Per minute and bot. https://docs.recall.ai/reference/recording_create_transcript_create
CREATES_PER_BOT = 5
# https://docs.recall.ai/docs/bot-async-transcription
TRANSCRIPTS_PER_RECORDING = 10

Rate = Literal["list", "list_page", "retrieve"]
# What is used of those: two lists and seven reads are left for people. Further pages of a list have a share
# of their own: behind all the first pages that are reserved, a list of several would never end.
READS_PER_WINDOW: Mapping[Rate, int] = {
    "list": LISTS_PER_MINUTE - 2 - 12,
    "list_page": 12,
    "retrieve": READS_PER_MINUTE - 7,
}
# What counts against one limit: a 429 for one of them is for all of them.
_LISTS: tuple[Rate, ...] = ("list", "list_page")
SHARED_LIMIT: Mapping[Rate, tuple[Rate, ...]] = {**dict.fromkeys(_LISTS, _LISTS), "retrieve": ("retrieve",)}


# -- what its webhooks say ------------------------------------------------------------------------
class EventName(StrEnum):
    """
    The events that matter here: the names to tick in Recall's dashboard. Recall has others and adds to them
    without notice; a name that is none of these is no error.

    Source: https://docs.recall.ai/docs/recording-webhooks
    """

    RECORDING_DONE = "recording.done"
    RECORDING_FAILED = "recording.failed"
    RECORDING_DELETED = "recording.deleted"
    TRANSCRIPT_DONE = "transcript.done"
    TRANSCRIPT_FAILED = "transcript.failed"
    TRANSCRIPT_DELETED = "transcript.deleted"


# How the sub codes of a failed transcript begin: an open set. https://docs.recall.ai/docs/recording-webhooks
_CAUSES = (("provider_", FailureCause.PROVIDER), ("zoom_", FailureCause.PLATFORM))


def failure_cause(sub_code: str | None) -> FailureCause:
    """Of a failed transcript; `OTHER` without a sub code and for one that is not known."""
    return next((cause for start, cause in _CAUSES if (sub_code or "").startswith(start)), FailureCause.OTHER)


# -- how it answers -------------------------------------------------------------------------------
# https://docs.recall.ai/docs/errors
UNAUTHORIZED = 401  # the key
FORBIDDEN = 403  # the account, or this one question: its firewall judges payloads
ACCOUNT_STATUSES = (UNAUTHORIZED, 402, FORBIDDEN)


class CreateFault(StrEnum):
    """What a refused create is about, as far as its answer tells."""

    KEY = "key"
    BALANCE = "balance"
    FORBIDDEN = "forbidden"
    BUSY = "busy"
    REQUEST = "request"  # the recording, the provider, its options, or Recall's limit
    PROVIDER = "provider"  # a request's, where it names the provider or its options
    ON_THE_WAY = "on_the_way"  # a status that Recall has not for a create: a proxy's or a firewall's


CREATE_FAULTS: Mapping[int | None, CreateFault] = {
    UNAUTHORIZED: CreateFault.KEY,
    402: CreateFault.BALANCE,
    FORBIDDEN: CreateFault.FORBIDDEN,
    429: CreateFault.BUSY,
    507: CreateFault.BUSY,
    **dict.fromkeys((400, 404, 422), CreateFault.REQUEST),
}
RATE_LIMITED = "http_429"  # as the cause of `RecallBusy`
_REMEDIES: Mapping[int, str] = {
    UNAUTHORIZED: "check RECALL_API_KEY and RECALL_REGION: the key is wrong, revoked or of another region",
    402: "top up the balance in Recall's dashboard",
    FORBIDDEN: "look in Recall's dashboard why it refuses this account or address",
}
# Statuses that mean "later", whatever they are an answer to: waiting for these is no surprise.
_LATER = frozenset({"http_408", "http_409", "http_425", RATE_LIMITED})


def remedy_of(status: int) -> str | None:
    """What a person can do about a refusal of the account; None for a status that is none of those."""
    return _REMEDIES.get(status)


def is_unexpected(cause: str) -> bool:
    """Whether an answer that put a command off (`http_404`) has a status that Recall has no use for there."""
    return cause.startswith(("http_2", "http_3", "http_4")) and cause not in _LATER
