"""A language as a caller names it, as a tag. PURE."""

from __future__ import annotations

AUTO = "auto"


def standard_tag(text: str) -> str | None:
    """
    A BCP 47 tag of what stands for a language: `en_us` is en-US, `jpn` ja; `auto` stays. None: it is none.
    """
    if text.lower() == AUTO:
        return AUTO
    import langcodes  # here: only who reads a caller's language needs its tables

    try:
        tag = langcodes.standardize_tag(text)
    except ValueError:
        return None
    return tag if langcodes.tag_is_valid(tag) else None
