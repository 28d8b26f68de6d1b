"""When a failed announcement is sent again."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from app.announce.schedule import Schedule, retry_after_s

NOW = datetime(2026, 11, 28, 12, 0, 0, tzinfo=UTC)


def waits(**more: object) -> list[float | None]:
    told = {"status": 500, "cause": "http_500", "retry_after_s": 0.0, "dice": 0.5, **more}
    return [Schedule().next_after_s(tries, **told) for tries in range(1, 9)]  # type: ignore[arg-type]


def test_it_is_svixs_eight_tries_in_27_hours_and_35_minutes() -> None:
    """https://docs.svix.com/retries"""
    assert waits() == [5, 300, 1800, 7200, 18_000, 36_000, 36_000, None]
    assert sum(filter(None, waits())) == 27 * 3600 + 35 * 60 + 5


def test_tries_that_failed_together_are_not_repeated_together() -> None:
    assert (waits(dice=0.0)[1], waits(dice=1.0)[1]) == (240, 360)


@pytest.mark.parametrize("told", [{"status": 429}, {"status": None, "cause": "timeout"}])
def test_a_busy_endpoint_is_left_alone_for_a_minute(told: dict[str, object]) -> None:
    assert waits(**told)[:2] == [60, 300]


def test_what_the_receiver_asks_for_is_waited_for_up_to_ten_hours() -> None:
    assert waits(retry_after_s=120.0)[:2] == [120, 300]
    assert waits(retry_after_s=1e9)[0] == 36_000


def test_every_wait_runs_with_the_scale_of_time() -> None:
    scaled = Schedule().scaled(60)
    last = scaled.next_after_s(7, status=500, cause="", retry_after_s=0, dice=0.5)
    assert (last, scaled.timeout_s) == (600, 2)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("120", 120.0),
        ("Sat, 28 Nov 2026 12:02:00 GMT", 120.0),
        ("Sat, 28 Nov 2026 11:00:00 GMT", 0.0),
        ("-5", 0.0),
        ("soon", 0.0),
        ("9" * 400, 0.0),
        ("", 0.0),
    ],
)
def test_retry_after_is_read_in_both_forms_and_nonsense_is_nothing(said: str, seconds: float) -> None:
    assert retry_after_s({"Retry-After": said}, now=NOW) == seconds
