"""How far two transcripts agree, and how much each covers."""

from __future__ import annotations

import io
import json
import time
from typing import Any

import pytest

from app.transcripts.agreement import Heard, agreement, coverage, heard_in


def heard(*sentences: tuple[str, float | None, float | None]) -> Heard:
    rows: list[dict[str, Any]] = [{"text": t, "start_s": a, "end_s": b} for t, a, b in sentences]
    lines = "[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]\n"
    return heard_in(io.BytesIO(lines.encode()))


def of(text: str) -> Heard:
    return heard((text, 0, 1))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("We met at noon.", "we met, at NOON", 1.0),
        ("Café", "cafe", 1.0),
        ("会議室です", "会 議室です", 2 * 4 / (5 + 5)),  # 会議 議室 室で です す
        ("one two three four", "one two four", 2 * 3 / 7),
        ("one two", "two one", 0.5),
        ("yes", "no", 0.0),
        ("", "", 1.0),
        ("", "word", 0.0),
    ],
)
def test_agreement_is_the_share_of_words_in_the_same_order(one: str, other: str, expected: float) -> None:
    assert agreement(of(one), of(other)) == pytest.approx(expected)
    assert agreement(of(other), of(one)) == pytest.approx(expected)


def test_a_part_that_is_missing_or_repeated_lowers_it_by_its_share() -> None:
    words = [f"w{n}" for n in range(1_000)]
    whole = of(" ".join(words))
    assert agreement(whole, of(" ".join(words[:500]))) == pytest.approx(2 * 500 / 1_500)
    assert agreement(whole, of(" ".join(words + words[:500]))) == pytest.approx(2 * 1_000 / 2_500)


def test_an_hour_is_compared_in_well_under_a_second() -> None:
    words = [f"w{n * n % 997}" for n in range(9_000)]
    began = time.process_time()
    agreement(of(" ".join(words)), of(" ".join(reversed(words))))
    assert time.process_time() - began < 2


def test_coverage_is_of_the_seconds_in_which_any_has_a_sentence() -> None:
    whole = heard(("a", 0.2, 4.0), ("b", 8.0, 10.0), ("c", None, 3.0), ("d", 3.0, None))
    half = heard(("a", 0.0, 2.5))
    assert coverage(whole, [whole, half]) == 1.0
    assert coverage(half, [whole, half]) == pytest.approx(3 / 6)
    assert coverage(of(""), [heard(("a", None, None))]) is None
