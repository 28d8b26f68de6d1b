"""
The long meeting: an hour made of written segments, put together so that it reads as one day of planning.

A topic brings its facts, its owner and a story that is told once. Around it stand the phases of any
discussion, each written several times; no wording comes back before all others of its phase were used.
Sections of `content/long_workshop.txt` are named by phase (`worry 2`) or by topic (`topic evenings`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from app.simulator.meetings.dice import Dice
from app.simulator.meetings.script import Line, Script, Section, choose

_PHASES_BEFORE_THE_STORY, _PHASES_AFTER = ("intro",), ("question", "money", "worry", "aside", "decide")
_BREAK_AFTER_ITEM = 7


def lines_of(script: Script, dice: Dice, *, facts: dict[str, str]) -> list[Line]:
    """
    Compose the workshop.

    Args:
        script: `content/long_workshop.txt`.
        dice: Decides topics, their order, and which wording stands where.
        facts: What the script's own choices came to; names of the cast among them.

    Returns:
        Lines that are filled already, about 9,000 words. Every topic comes up once.
    """
    decks = {phase: Deck(sections, dice) for phase, sections in _by_phase(script).items()}
    topics = [section for section in script.sections if section.name.startswith("topic ")]
    said = list(_filled(decks["opening"].draw(), dice, facts=facts))
    for number, topic in enumerate(dice.shuffled(topics), start=1):
        about = _casting(choose(topic.choices, dice, facts=facts), script, number=number)
        phases = [decks[name].draw() for name in _PHASES_BEFORE_THE_STORY]
        phases += [topic, *(decks[name].draw() for name in _PHASES_AFTER)]
        for section in phases:
            said += _filled(section, dice, facts=about)
        if number == _BREAK_AFTER_ITEM:
            said += _filled(decks["break"].draw(), dice, facts=facts)
    said += _filled(decks["closing"].draw(), dice, facts=facts)
    return said


class Deck:
    """Sections drawn one after the other in a chance order; shuffled again only when all were drawn."""

    __slots__ = ("_dice", "_last", "_left", "_sections")

    def __init__(self, sections: Sequence[Section], dice: Dice) -> None:
        """At least one section."""
        self._sections, self._dice = sections, dice
        self._left: list[Section] = []
        self._last: Section | None = None

    def draw(self) -> Section:
        """The next one; never the same twice in a row, unless it is the only one."""
        if not self._left:
            self._left = self._dice.shuffled(self._sections)
            if self._left[-1] is self._last:
                self._left.reverse()
        self._last = self._left.pop()
        return self._last


def _by_phase(script: Script) -> dict[str, list[Section]]:
    phases: dict[str, list[Section]] = {}
    for section in script.sections:
        phases.setdefault(section.name.partition(" ")[0], []).append(section)
    return phases


def _casting(facts: dict[str, str], script: Script, *, number: int) -> dict[str, str]:
    """Who plays owner, doubter and witness in this item; chair and treasurer always play themselves."""
    others = [r.key for r in script.roles if r.key not in {facts["owner"], "chair", "money"}]
    players = {"owner": facts["owner"], "doubter": others[number % len(others)]}
    players["witness"] = others[(number + 1) % len(others)]
    names = {part: facts[key] for part, key in players.items()}
    return {**facts, **names, **{f"as {part}": key for part, key in players.items()}}


def _filled(section: Section, dice: Dice, *, facts: dict[str, str]) -> Iterator[Line]:
    if section.name.startswith("topic "):
        told = facts  # its choices are made: the whole item speaks of the same figures
    else:
        told = choose(section.choices, dice, facts=facts)
    return (line.filled(told) for line in section.lines)
