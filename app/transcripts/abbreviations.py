"""
Whether a full stop belongs to the word before it, by the lists of `sentencex` and the few rules around them.

The library is asked only where it is right and safe: about one plain word and the beginning of the next,
since other characters make it panic (1.0.32, U+3000 for one), which ends a process and prints the text; and
by the lists that hold few common words. Its Italian one, say, has "so", with which many sentences end.
"""

from __future__ import annotations

import re

import sentencex

_LISTS = frozenset({"en", "fr", "pt"})
"""Languages whose list is taken; every other has the English one, which names the common titles."""

_ORDINAL_LISTS = frozenset({"de"})
"""Languages whose list is taken for a number alone: "am 3. Mai"."""

# In those lists, and more often words with which a sentence ends.
_WORDS = frozenset({"no", "may", "id", "me", "ok", "miss", "art", "con", "ref", "pa", "ma", "arc", "ore"})
# Titles that no list in use knows.
_TITLES = frozenset({"mx", "sra", "srta", "hr"})
_DOTTED = re.compile(r"(?:\w\.)+\w")
_PLAIN = re.compile(r"\w[\w.]{0,15}")
_BEGINNING = re.compile(r"\w{1,15}")


def is_abbreviation(stem: str, following: str, language: str | None) -> bool:
    """
    Whether the word is one that a full stop belongs to.

    Args:
        stem: The word without that full stop and without what opens a quotation.
        following: The next word of the same speaker, not beginning with a lower-case letter.
        language: BCP 47, where known.
    """
    if (len(stem) == 1 and stem.isupper() and stem != "I") or stem.lower() in _TITLES:
        return True
    if _DOTTED.fullmatch(stem):
        return True
    head = _BEGINNING.search(following)
    if head is None or not _PLAIN.fullmatch(stem) or stem == "I" or head[0] == "I":
        return False  # the pronoun, which the library takes for a Roman number
    if stem.lower() in _WORDS and not head[0][0].isdigit():
        return False  # "No. Five did", but "No. 5"
    base = (language or "").partition("-")[0].lower()
    use = base if base in _LISTS or (base in _ORDINAL_LISTS and stem.isdigit()) else "en"
    return len(sentencex.segment(use, f"{stem}. {head[0]}")) == 1
