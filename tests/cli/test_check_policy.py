"""`check --policy`: every fault at once, and exactly what is sent, to whom, for which recording."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from app.cli.check import check_command
from app.cli.check_policy import why_models_old
from app.errors import ConfigError
from app.recall.translation.table import MODELS_CHECKED
from tests.policies import built_in

POLICY = """
providers = ["recallai_async", "gladia_v2_async", "assembly_ai_async", "deepgram_async"]
[intent]
language = "de-CH"
redact = ["phi"]
[[rules]]
when = { workspace = "other" }
[[rules]]
when = { metadata = { lang = "gl" } }
intent = { language = "gl" }
[options.deepgram_async]
model = "nova-2"
"""
RECORDING = {
    "id": "03d06804-0cb2-42f8-a255-5b950dde7c57",
    "metadata": {"lang": "gl"},
    "started_at": "2026-01-01T10:00:00Z",
    "completed_at": "2026-01-01T13:00:00Z",
    "status": {"code": "done"},
    "bot": None,
}


def checked(folder: Path, policy: str, recording: Any = None, *options: str) -> Result:
    (folder / "p.toml").write_text(policy)
    arguments = ["--policy", str(folder / "p.toml"), *options]
    if recording is not None:
        (folder / "r.json").write_text(json.dumps(recording))
        arguments += ["--explain", str(folder / "r.json")]
    return CliRunner().invoke(check_command, arguments, standalone_mode=False)


def test_the_rule_the_bodies_and_the_reasons_are_told(tmp_path: Path) -> None:
    result = checked(tmp_path, POLICY, RECORDING, "--json")
    told = json.loads(result.output)
    assert (result.return_value, told["ok"], told["rule"], told["problems"]) == (0, True, 2, [])
    recallai, gladia, assembly, deepgram = told["providers"]
    assert recallai["passed_over"].startswith("language: ")
    assert gladia["passed_over"].startswith("length: ")
    assert assembly["body"]["provider"]["assembly_ai_async"]["language_code"] == "gl"
    assert assembly["body"]["metadata"] == {"afterword": f"{RECORDING['id']}/1"}
    assert assembly["is_form_learned"]
    assert deepgram["passed_over"].startswith("language: ")


def test_for_people_it_says_what_is_left_out_changed_and_written_over(tmp_path: Path) -> None:
    result = checked(tmp_path, POLICY)
    assert result.return_value == 0
    for said in (
        "No rule matches.",
        "1. recallai_async",
        "left out: redact",
        "changed: language de-CH is told as de",
        "written under [options.deepgram_async] and above the intent: model",
        "in the vendor's own form; where the workspace refuses that",
    ):
        assert said in result.output


def test_what_is_not_selected_is_said_and_where_no_provider_is_left_the_answer_is_no(tmp_path: Path) -> None:
    passed_by = RECORDING | {"metadata": {"afterword": "skip", "lang": "gl"}}
    result = checked(
        tmp_path, 'providers = ["recallai_async"]\n' + POLICY.partition("\n[intent]")[2], passed_by
    )
    assert result.return_value != 0
    only = 'providers = ["recallai_async"]\n[intent]\nlanguage = "gl"'
    result = checked(tmp_path, only, passed_by)
    assert result.return_value == 1
    assert "It is passed by: excluded by metadata afterword" in result.output
    assert "1. recallai_async is passed over: language: " in result.output


def test_every_fault_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    result = checked(tmp_path, 'attemps = 1\nproviders = ["deepgram"]\n[intent]\nlanguage = "x y"\n')
    assert result.return_value == 78
    assert "3 problems found." in result.output
    for said in ("line 1: Unknown key 'attemps'", "line 2: providers: ", "line 4: intent.language: "):
        assert said in result.output


def test_a_file_that_is_no_recording_is_refused_and_a_recording_needs_a_policy(tmp_path: Path) -> None:
    others: tuple[Any, ...] = ([], {}, {"id": "x"}, "text")
    for content in others:
        assert isinstance(checked(tmp_path, POLICY, content).exception, ConfigError)
    (tmp_path / "r.json").write_text("{}")
    refused = CliRunner().invoke(check_command, ["--explain", str(tmp_path / "r.json")])
    assert refused.exit_code == 2


@pytest.mark.parametrize(("days", "is_told"), [(90, False), (91, True)])
def test_models_that_were_checked_long_ago_are_told(days: int, is_told: bool) -> None:
    now = datetime.combine(MODELS_CHECKED, datetime.min.time(), UTC) + timedelta(days=days)
    told = why_models_old(built_in(), now)
    assert bool(told) is is_told
    if told:
        assert f"assembly_ai_async, deepgram_async were checked {days} days ago" in told[0]
