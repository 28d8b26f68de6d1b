"""A root of our own, with a `.env` and a `policy.toml` only where a test writes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from app.errors import ConfigError
from app.settings.environment import Settings, load_settings

WEBHOOK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER_WEBHOOK_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
GOOD = {
    "RECALL_API_KEY": "0123456789abcdef0123456789abcdef01234567",
    "RECALL_REGION": "us-west-2",
    "RECALL_WEBHOOK_SECRETS": WEBHOOK_SECRET,
}

Load = Callable[..., Settings]
Problems = Callable[..., tuple[str, ...]]


def environment(changes: dict[str, str | None]) -> dict[str, str]:
    """The good one, changed; None takes a variable away."""
    return {name: value for name, value in {**GOOD, **changes}.items() if value is not None}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "a root with blanks"
    folder.mkdir()
    return folder


@pytest.fixture
def load(root: Path) -> Load:
    """The settings of the good environment with these changes."""

    def loaded(**changes: str | None) -> Settings:
        return load_settings(environment(changes), root=root)

    return loaded


@pytest.fixture
def problems(load: Load) -> Problems:
    """The problems of the good environment with these changes; () when it loads."""

    def found(**changes: str | None) -> tuple[str, ...]:
        try:
            load(**changes)
        except ConfigError as error:
            return error.problems
        return ()

    return found
