"""What a person can do about a transcription that ended: sentences with the real id and number in them."""

from __future__ import annotations

import pytest

from app.core import reasons
from app.core.policy import CEILING
from app.orchestrator import next_steps


def test_the_next_step_names_the_recording_and_the_attempt() -> None:
    assert next_steps.next_step(None) is None
    asks = next_steps.next_step(reasons.ALL_PROVIDERS_FAILED, recording="03d0", next_ordinal=4)
    assert asks is not None
    assert "`./afterword retry 03d0 --budget 4`" in asks
    assert "--budget N" in (next_steps.next_step(reasons.ALL_PROVIDERS_FAILED) or "")
    assert next_steps.next_step("of_another_version", recording="03d0") == (
        "See the history: `./afterword show 03d0`."
    )
    assert " RECORDING" in (next_steps.next_step(reasons.NO_ANSWER) or "")


@pytest.mark.parametrize("reason", [reasons.ALL_PROVIDERS_FAILED, reasons.NO_ANSWER])
def test_where_nine_attempts_are_used_no_further_one_is_offered(reason: str) -> None:
    last = next_steps.next_step(reason, next_ordinal=CEILING)
    assert last is not None
    assert "--budget 9" in last
    over = next_steps.next_step(reason, next_ordinal=CEILING + 1)
    assert over == (
        "See each attempt's error. All nine attempts that a recording may have are used up: "
        "no further one can be ordered."
    )
    free = next_steps.next_step(reasons.STORAGE, recording="03d0", next_ordinal=CEILING + 1)
    assert free is not None
    assert "`./afterword retry 03d0`" in free
