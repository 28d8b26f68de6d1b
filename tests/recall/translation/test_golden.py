"""The golden bodies and the tables of docs/providers.md are what the translation gives today."""

from __future__ import annotations

import pytest

from app.recall.providers import ASYNC_PROVIDERS
from app.recall.translation.table import TABLE
from tests.recall.translation import golden, page


def test_the_table_has_each_provider() -> None:
    assert set(TABLE) == ASYNC_PROVIDERS
    assert {path.stem for path in golden.FOLDER.glob("*.txt")} == set(TABLE)


@pytest.mark.parametrize("provider", TABLE)
def test_bodies_are_the_golden_ones(provider: str) -> None:
    written = (golden.FOLDER / f"{provider}.txt").read_text("utf-8")
    assert golden.rendered(provider) == written, "write them anew: python -m tests.recall.translation"


def test_the_page_of_providers_has_what_is_translated() -> None:
    written = page.PAGE.read_text("utf-8")
    assert page.rendered(written) == written, "write it anew: python -m tests.recall.translation"
