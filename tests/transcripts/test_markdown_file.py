"""`transcript.md` and `segments.json` by example."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from app.transcripts.render import render
from tests.transcripts.recall_json import rendered, said, spoke, turn


def markdown(*turns: object, started_at: datetime | None = None) -> str:
    out = io.StringIO()
    render(io.BytesIO(json.dumps(turns).encode()), {"transcript.md": out}, started_at=started_at)
    return out.getvalue()


def test_a_paragraph_per_turn_with_the_time_of_day_where_it_is_known() -> None:
    turns = (
        spoke("Good morning. Shall we?", who="Ana", id=1, at_s=83),
        turn([said("Yes.")], who="Ben", id=2),
    )
    assert markdown(*turns) == (
        "# Transcript\n\n**Ana** (00:01:23): Good morning. Shall we?\n\n**Ben** (--:--:--): Yes.\n"
    )
    began = datetime(2026, 11, 28, 15, 0, 3, tzinfo=timezone(timedelta(hours=1)))
    assert markdown(*turns, started_at=began) == (
        "# Transcript\n\nRecording started at 2026-11-28 14:00:03 UTC.\n\n"
        "**Ana** (00:01:23, 14:01:26): Good morning. Shall we?\n\n**Ben** (--:--:--): Yes.\n"
    )


def test_silence_is_said() -> None:
    assert markdown() == "# Transcript\n\nNothing was said.\n"


@pytest.mark.parametrize(
    "text",
    ["*bold*", "_it_", "`code`", "[a](http://b)", "<b>", "&lt;", "~~x~~", "$1 and $2", "\\*", "![x](y)"],
)
def test_no_word_and_no_name_is_markup(text: str) -> None:
    signs = sum(text.count(sign) for sign in "\\`*_[]<>&~$")
    content = markdown(spoke(text, who=text))
    assert content.replace("# Transcript\n\n**", "", 1).count("\\") == 2 * (signs + text.count("\\"))
    assert content.count("\n") == 3


def test_a_line_begins_with_a_name_and_never_with_a_word() -> None:
    content = markdown(spoke("# so\n- this\n1. that", who="Ana\n# Boss"), spoke("> me", id=2, who=None))
    assert content.splitlines()[2::2] == [
        "**Ana # Boss** (00:00:00): # so - this 1. that",
        "**Unknown speaker** (00:00:00): \\> me",
    ]


def test_segments_have_botas_fields() -> None:
    content = rendered(spoke("Yes. No.", who="Ana", at_s=1), turn([said("Hm")], id=2, who=None))[
        "segments.json"
    ]
    assert json.loads(content) == [
        {"text": "Yes.", "speaker": "Ana", "start": 1.0, "end": 1.8, "confidence": None},
        {"text": "No.", "speaker": "Ana", "start": 2.0, "end": 2.8, "confidence": None},
        {"text": "Hm", "speaker": "Unknown speaker", "start": None, "end": None, "confidence": None},
    ]
    assert len(content.splitlines()) == 5
    assert rendered()["segments.json"] == "[]\n"


def test_the_time_zone_of_the_machine_does_not_matter() -> None:
    assert "14:00:04" in markdown(
        spoke("Hm", at_s=1), started_at=datetime(2026, 11, 28, 14, 0, 3, tzinfo=UTC)
    )
