"""The machine answers every scene word by word as `dialogues.txt` has it."""

from __future__ import annotations

import pytest

from app.core.machine import RULES
from tests.core.dialogues import ANSWERS, Scene, lines_of
from tests.core.scenes import SCENES

RENEW = "read the difference; if the rule was meant to change: python -m tests.core.dialogues"


@pytest.fixture(scope="module")
def answers() -> dict[str, list[str]]:
    """By title."""
    parts = ANSWERS.read_text("utf-8").split("\n\n")
    return {part.strip().splitlines()[0].removeprefix("# "): part.strip().splitlines() for part in parts}


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.title)
def test_the_machine_answers_as_it_is_written(scene: Scene, answers: dict[str, list[str]]) -> None:
    assert list(lines_of(scene)) == answers[scene.title], RENEW


def test_no_answer_is_left_without_its_scene(answers: dict[str, list[str]]) -> None:
    assert sorted(answers) == sorted(scene.title for scene in SCENES)


def test_every_event_is_told_in_a_scene() -> None:
    assert {type(event) for scene in SCENES for event in scene.told} == set(RULES)
