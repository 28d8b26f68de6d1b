"""Docstrings, comments and messages: their subject is a thing of the code, never *who*."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parent.parent
_WHO = re.compile(
    r"\b(?:nobody|somebody|anybody|everybody|no one|someone|anyone|everyone|whoever|refuses to know)\b", re.I
)


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["app", "workers"])
def test_no_sentence_is_about_who(folder: str) -> None:
    paths = [path for path in (_ROOT / folder).rglob("*") if path.suffix in (".py", ".md")]
    assert paths
    found = [
        f"{path.relative_to(_ROOT)}:{number}: {line.strip()}"
        for path in sorted(paths)
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        if _WHO.search(line)
    ]
    assert not found, "\n".join(found)
