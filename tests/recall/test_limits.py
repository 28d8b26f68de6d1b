"""Recall's figures and words, and their translation into the closed sets of the core."""

from __future__ import annotations

import pytest

from app.core.seen import FailureCause
from app.recall import limits, providers

P = FailureCause.PROVIDER


@pytest.mark.parametrize(
    ("sub_code", "cause"),
    [
        ("provider_connection_failed", P),
        ("provider_something_new", P),
        ("zoom_global_captions_disabled", FailureCause.PLATFORM),
        ("zoom_host_disabled_meeting_captions", FailureCause.PLATFORM),
        ("zoom_captions_failure", FailureCause.PLATFORM),
        ("internal_error", FailureCause.OTHER),
        ("a_provider_", FailureCause.OTHER),
        ("", FailureCause.OTHER),
        (None, FailureCause.OTHER),
    ],
)
def test_a_sub_code_is_translated_by_how_it_begins(sub_code: str | None, cause: FailureCause) -> None:
    assert limits.failure_cause(sub_code) is cause


def test_what_is_reserved_of_a_rate_leaves_some_of_it_to_people() -> None:
    shares = limits.READS_PER_WINDOW
    assert 0 < shares["list"] + shares["list_page"] < limits.LISTS_PER_MINUTE
    assert 0 < shares["retrieve"] < limits.READS_PER_MINUTE


@pytest.mark.parametrize("region", limits.REGIONS)
def test_a_region_is_known_again_by_its_host(region: str) -> None:
    host = limits.base_url_of(region).removeprefix("https://")
    assert limits.region_of(host) == limits.region_of(f"{host}.") == region
    assert limits.region_of(f"{host}.example.org") is None


@pytest.mark.parametrize(
    ("cause", "is_unexpected"),
    [
        *((f"http_{status}", True) for status in (202, 302, 400, 404, 418)),
        *((f"http_{status}", False) for status in (408, 409, 425, 429, 500, 503)),
        *((word, False) for word in ("read_timeout", "rate", "unreadable: not JSON", "ignored_outcome")),
    ],
)
def test_a_status_without_a_meaning_is_told_from_one_that_means_later(
    cause: str, is_unexpected: bool
) -> None:
    assert limits.is_unexpected(cause) is is_unexpected


def test_a_refusal_of_the_account_has_a_remedy_and_nothing_else_has() -> None:
    assert all(limits.remedy_of(status) for status in limits.ACCOUNT_STATUSES)
    assert limits.remedy_of(404) is None


def test_every_known_provider_is_asynchronous_by_its_name() -> None:
    assert all(map(providers.may_be_async, providers.ASYNC_PROVIDERS))
    assert not any(map(providers.is_realtime_provider, providers.ASYNC_PROVIDERS))
    assert {choice.key for choice in providers.BUILT_IN_PROVIDERS} <= providers.ASYNC_PROVIDERS
