"""The lists of languages: codes that are languages, and as many as the documents have."""

from __future__ import annotations

import langcodes
import pytest

from app.recall.translation import codes
from app.recall.translation.codes import Codes

LISTS = {name: each for name, each in vars(codes).items() if isinstance(each, Codes)}
AWS_ALONE = {"en-AB", "en-WL", "cy-WL"}  # Scotland and Wales are no regions elsewhere


def _sent(languages: Codes) -> set[str]:
    return {*languages.listed, *languages.renamed.values(), *languages.regions.values()}


@pytest.mark.parametrize("name", LISTS)
def test_each_code_is_a_language(name: str) -> None:
    wrong = {code for code in _sent(LISTS[name]) if not langcodes.tag_is_valid(code.replace("_", "-"))}
    assert wrong <= AWS_ALONE
    assert all(code[0].islower() and code[-1].isalnum() for code in _sent(LISTS[name]))


@pytest.mark.parametrize(
    ("languages", "number"),
    [
        (codes.RECALL, 37),  # and `auto`
        (codes.ASSEMBLY, 102),
        (codes.GLADIA, 99),
        (codes.AWS, 117),
        (codes.DEEPGRAM_HINTS, 63),  # 55 languages, and regions of some
    ],
)
def test_a_list_has_all_of_its_document(languages: Codes, number: int) -> None:
    assert len(_sent(languages)) == number
