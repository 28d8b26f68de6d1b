"""
`check --policy FILE [--explain RECORDING.json]`: what is wrong with a policy file; and what is sent by it for
a recording, to each provider in order of fallback, or why one is passed over. Nothing is asked or sent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from app.cli.words import open_console, say
from app.core.policy import Policy, ProviderChoice, why_not_selected
from app.core.state import Transcription
from app.errors import ConfigError
from app.orchestrator.planning import generation_of, is_form_open, planned
from app.recall.endpoints import create_body
from app.recall.json_fields import Unreadable
from app.recall.raw_options import names_of
from app.recall.resources import read_recording
from app.recall.translation.models import STALE_AFTER_DAYS, model_ages
from app.recall.types import CreateOrder
from app.settings.policy_file import read_policy
from app.settings.workspaces import DEFAULT_WORKSPACE


@dataclass
class Explained:
    """For one recording. `bodies`: by provider, in order; of one that is passed over, why."""

    rule: int | None
    not_selected: str | None
    bodies: list[dict[str, Any]] = field(default_factory=list)


def check_policy(path: Path, recording: Path | None, *, as_json: bool) -> int:
    """78 with problems in the file, 1 where no provider is left for the recording, else 0."""
    problems: list[str] = []
    warnings: list[str] = []
    tables = read_policy(path, order=None, problem=problems.append, warn=warnings.append)
    policy = tables.policy(time_scale=1.0)
    warnings += why_models_old(policy, datetime.now(UTC))
    explained = None if problems else explain(policy, _recording(recording))
    if as_json:
        told = {"ok": not problems, "problems": problems, "warnings": warnings}
        if explained is not None:
            told |= {
                "rule": explained.rule,
                "not_selected": explained.not_selected,
                "providers": explained.bodies,
            }
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        _print(problems, warnings, explained)
    if problems:
        return 78
    return 0 if explained is not None and any("body" in one for one in explained.bodies) else 1


def _recording(path: Path | None) -> Transcription:
    """
    Of Recall's answer to a GET of the recording. Without one: a recording without metadata, whose length is
    not known. Raises `ConfigError`.
    """
    nothing = Transcription(DEFAULT_WORKSPACE, "RECORDING")
    if path is None:
        return nothing
    try:
        content = path.read_bytes()
        own_id = json.loads(content)["id"]
        facts = read_recording(200, content, recording_id=own_id, now=datetime.now(UTC).timestamp())
    except (OSError, ValueError, KeyError, TypeError, Unreadable):
        raise ConfigError(
            [f"{path.name} is no recording as Recall answers GET /api/v1/recording/ID/ with"]
        ) from None
    return Transcription(
        DEFAULT_WORKSPACE, own_id, metadata=facts.metadata, duration_s=facts.duration_s, bot_id=facts.bot_id
    )


def explain(policy: Policy, t: Transcription) -> Explained:
    """What is sent for this recording, as long as nothing is known of how its providers take it."""
    rule = policy.rule_for(t.workspace, dict(t.metadata), t.duration_s)
    plan = planned(policy, t)
    written = {choice.key: choice for choice in policy.ruled(rule).providers}
    able = {choice.key: choice for choice in plan.providers}
    passed_over = dict(plan.passed_over)
    number = None if rule is None else policy.rules.index(rule) + 1
    found = Explained(number, why_not_selected(policy.select, dict(t.metadata)))
    for key, one in written.items():
        if key in able:
            ordinal = 1 + sum("body" in each for each in found.bodies)
            found.bodies.append(_sent(policy, one, able[key], t, ordinal))
        else:
            found.bodies.append({"provider": key, "passed_over": passed_over[key]})
    return found


def _sent(
    policy: Policy, written: ProviderChoice, choice: ProviderChoice, t: Transcription, ordinal: int
) -> dict[str, Any]:
    marker = f"{t.recording_id}/{ordinal}"
    order = CreateOrder(t.recording_id, choice.key, choice.options, choice.separate_streams, marker, "")
    return {
        "provider": choice.key,
        "body": json.loads(create_body(order)),
        "left_out": list(choice.left_out),
        "changed": list(choice.changed),
        "written": sorted(set(names_of(written.options))),
        "form": generation_of(choice.key, policy, {}),
        "is_form_learned": is_form_open(choice.key, policy),
    }


def why_models_old(policy: Policy, now: datetime) -> list[str]:
    """A sentence where models that the table names were checked long ago, of providers of the policy."""
    ages = model_ages(now.date())
    old = sorted(key for key in policy.every_provider if ages.get(key, 0) > STALE_AFTER_DAYS)
    if not old:
        return []
    days = max(ages[key] for key in old)
    return [
        f"The models of {', '.join(old)} were checked {days} days ago, and vendors retire models: update the "
        "program, or name a model under [options]."
    ]


def _print(problems: list[str], warnings: list[str], explained: Explained | None) -> None:
    console = open_console()
    for warning in warnings:
        say(console, f"  note: {warning}", indent="  ")
    for problem in problems:
        say(console, f"  - {problem}", indent="  ")
    if explained is None:
        console.print(f"{len(problems)} problem{'' if len(problems) == 1 else 's'} found.")
        return
    say(console, "No rule matches." if explained.rule is None else f"Rule {explained.rule} matches.")
    if explained.not_selected is not None:
        say(console, f"It is passed by: {explained.not_selected}. Ordered all the same, this is sent:")
    for number, one in enumerate(explained.bodies, 1):
        for line in _lines(number, one):
            say(console, line, indent="   ")


def _lines(number: int, one: Mapping[str, Any]) -> list[str]:
    if "passed_over" in one:
        return [f"{number}. {one['provider']} is passed over: {one['passed_over']}."]
    lines = [
        f"{number}. {one['provider']}",
        *json.dumps(one["body"], indent=2, ensure_ascii=False).split("\n"),
    ]
    if one["is_form_learned"]:
        lines.append(
            "in the vendor's own form; where the workspace refuses that, in Recall's, as the same attempt"
        )
    if one["written"]:
        lines.append(
            f"written under [options.{one['provider']}] and above the intent: {', '.join(one['written'])}"
        )
    lines += [f"left out: {part}" for part in one["left_out"]]
    lines += [f"changed: {sentence}" for sentence in one["changed"]]
    return [lines[0], *(f"   {line}" for line in lines[1:])]
