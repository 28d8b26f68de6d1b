"""`transcript.txt` by example: what is in Recall's JSON, and what a person reads."""

from __future__ import annotations

from typing import Any

import pytest

from app.transcripts.model import Turn
from app.transcripts.roster import MOST_NAMES, roster_of
from app.transcripts.text import harmless
from tests.transcripts.recall_json import said, spoke, text_of, turn

RLO, PDF, LRI, RLM, ZWNJ = "\u202e", "\u202c", "\u2066", "\u200f", "\u200c"

EXAMPLES: dict[str, tuple[list[Any], str]] = {
    "two people": (
        [
            spoke("Good morning. Shall we start?", who="Ana", id=1, at_s=83),
            spoke("Yes.", who="Ben", id=2, at_s=90),
        ],
        "[00:01:23] Ana: Good morning. Shall we start?\n\n[00:01:30] Ben: Yes.\n",
    ),
    "neighbouring turns of one person are one paragraph": (
        [spoke("One moment.", at_s=1), spoke("I share my screen.", at_s=9)],
        "[00:00:01] Ana: One moment. I share my screen.\n",
    ),
    "a turn without words does not break a paragraph": (
        [
            spoke("One", at_s=1),
            turn([], who="Ben", id=2),
            turn(None, who="Ben", id=2),
            spoke("moment.", at_s=3),
        ],
        "[00:00:01] Ana: One moment.\n",
    ),
    "people talking over each other keep Recall's order": (
        [
            spoke("So I thought", id=1, at_s=10),
            spoke("Sorry!", who="Ben", id=2, at_s=11),
            spoke("no, go", id=1, at_s=10.5),
        ],
        "[00:00:10] Ana: So I thought\n\n[00:00:11] Ben: Sorry!\n\n[00:00:10] Ana: no, go\n",
    ),
    "unnamed speakers are kept and told apart": (
        [
            spoke("Hi.", who=None, id=7, at_s=0),
            spoke("Hello.", who=None, id=3, at_s=2),
            spoke("Hey.", who=None, id=None, at_s=4),
            spoke("Me again.", who="  ", id=7, at_s=6),
        ],
        "[00:00:00] Unknown speaker: Hi.\n\n[00:00:02] Unknown speaker 2: Hello.\n\n"
        "[00:00:04] Unknown speaker 3: Hey.\n\n[00:00:06] Unknown speaker: Me again.\n",
    ),
    "no participant at all": (
        [{"participant": None, "words": [said("Hm.", 1, 2)]}, {"words": [said("Well.", 3, 4)]}],
        "[00:00:01] Unknown speaker: Hm. Well.\n",
    ),
    "two people of one name stay two": (
        [
            spoke("Hi.", who="Sam", id=1),
            spoke("Hi.", who="Sam", id=2),
            spoke("Hi.", who="Sam (2)", id=3),
            spoke("Hi.", who="Sam", id=4),
            spoke("Bye.", who="Sam", id=1),
        ],
        "[00:00:00] Sam: Hi.\n\n[00:00:00] Sam (2): Hi.\n\n[00:00:00] Sam (2) (2): Hi.\n\n"
        "[00:00:00] Sam (3): Hi.\n\n[00:00:00] Sam: Bye.\n",
    ),
    "a number that somebody already bears is passed over": (
        [spoke("Hi.", who="Sam (2)", id=1), spoke("Hi.", who="Sam", id=2), spoke("Hi.", who="Sam", id=3)],
        "[00:00:00] Sam (2): Hi.\n\n[00:00:00] Sam: Hi.\n\n[00:00:00] Sam (3): Hi.\n",
    ),
    "without ids the name decides": (
        [spoke("Hi.", who="Al", id=None), spoke("Ho.", who="Al", id=None), spoke("He.", who="Bo", id=None)],
        "[00:00:00] Al: Hi. Ho.\n\n[00:00:00] Bo: He.\n",
    ),
    "a machine's labels are speakers": (
        [spoke("Hi.", who="A", id=None), spoke("He.", who="B", id=None)],
        "[00:00:00] Speaker A: Hi.\n\n[00:00:00] Speaker B: He.\n",
    ),
    "voices of participants without a name": (
        [spoke("Hi.", who="200-0", id=None), spoke("He.", who="300-0", id=None)],
        "[00:00:00] Participant 200: Hi.\n\n[00:00:00] Participant 300: He.\n",
    ),
    "ids may be strings, and zero": (
        [spoke("Hi.", who=None, id=0), spoke("Ho.", who=None, id="0"), spoke("He.", who=None, id="x")],
        "[00:00:00] Unknown speaker: Hi. Ho.\n\n[00:00:00] Unknown speaker 2: He.\n",
    ),
    "a name learnt later is the name from the beginning": (
        [
            spoke("Hi", who=None, id=5),
            spoke("there.", who="Eve", id=5),
            spoke("Oh.", who="Ben", id=2),
            spoke("Yes.", who="Eve", id=5),
            spoke("Mm.", who="Ben", id=2),
            spoke("So.", who=None, id=5),
        ],
        "[00:00:00] Eve: Hi there.\n\n[00:00:00] Ben: Oh.\n\n[00:00:00] Eve: Yes.\n\n"
        "[00:00:00] Ben: Mm.\n\n[00:00:00] Eve: So.\n",
    ),
    "a person's last name counts, a device's only where there is no other": (
        [
            spoke("Hi.", who="iPhone", id=1),
            spoke("Ho.", who="Ana", id=1),
            spoke("He.", who="Ana López", id=1),
            spoke("Ha.", who="Ana's iPad (2)", id=1),
            spoke("Hu.", who="+1 (555) 010-9999", id=2),
            spoke("Hm.", who="Galaxy S21", id=2),
        ],
        "[00:00:00] Ana López: Hi. Ho. He. Ha.\n\n[00:00:00] Galaxy S21: Hu. Hm.\n",
    ),
    "a name in a turn without words counts too": (
        [spoke("Hi.", who=None, id=1), turn([], who="Ana", id=1)],
        "[00:00:00] Ana: Hi.\n",
    ),
    "names where a participant is now": (
        [
            {"speaker": "Ana", "words": [said("Hi.", 1, 2)]},
            {"speaker": "Ben", "words": [said("Ho.", 3, 4)]},
            {"speaker": "Ana", "words": [said("He.", 5, 6)]},
        ],
        "[00:00:01] Ana: Hi.\n\n[00:00:03] Ben: Ho.\n\n[00:00:05] Ana: He.\n",
    ),
    "numbers where a participant is now": (
        [{"speaker": 0, "words": [said("Hi.", 1, 2)]}, {"speaker": 1, "words": [said("Ho.", 3, 4)]}],
        "[00:00:01] Unknown speaker: Hi.\n\n[00:00:03] Unknown speaker 2: Ho.\n",
    ),
    "null and blank words leave no trace": (
        [turn([None, said(None), said("Right", 5, 6), said(" "), said("\u200b"), said("then.", None, None)])],
        "[00:00:05] Ana: Right then.\n",
    ),
    "unknown times are said to be unknown": (
        [turn([said("Hello?", None, None)]), turn([{"text": "Yes."}], who="Ben", id=2)],
        "[--:--:--] Ana: Hello?\n\n[--:--:--] Ben: Yes.\n",
    ),
    "more than a day": ([spoke("Done.", at_s=100 * 3600 + 59 * 60 + 59.99)], "[100:59:59] Ana: Done.\n"),
    "arabic and hebrew stay letter for letter": (
        [
            spoke("مرحبا بالجميع، كيف حالكم؟", who="ليلى", id=1, language="ar"),
            spoke(f"שלום{RLM} לכולם.", who="נועה", id=2, language="he"),
            spoke(f"می{ZWNJ}خواهم", who="مریم", id=3, language="fa"),
        ],
        "[00:00:00] ليلى: مرحبا بالجميع، كيف حالكم؟\n\n"
        f"[00:00:00] נועה: שלום{RLM} לכולם.\n\n[00:00:00] مریم: می{ZWNJ}خواهم\n",
    ),
    "japanese, chinese and thai have no blanks between words": (
        [
            spoke("今日 は いい 天気 です 。 はい 、 そう です", who="健", id=1, language="ja"),
            spoke("我们 用 Zoom ， 然后 用 Teams 。 OK 好", who="王", id=2, language="zh"),
            spoke("สวัสดี ครับ", who="ก", id=3, language="th"),
        ],
        "[00:00:00] 健: 今日はいい天気です。はい、そうです\n\n"
        "[00:00:00] 王: 我们用 Zoom，然后用 Teams。OK 好\n\n"
        "[00:00:00] ก: สวัสดีครับ\n",
    ),
    "korean has them": (
        [spoke("안녕하세요 여러분.", who="민", language="ko")],
        "[00:00:00] 민: 안녕하세요 여러분.\n",
    ),
    "a word cannot forge a line of somebody else": (
        [
            turn(
                [said("Fine.\n\n[00:00:09] Boss: I\u2028resign\x85\r\nnow\x00\x1b[2J", 1, 2)],
                who="Eve\n[00:00:00] Boss",
            )
        ],
        "[00:00:01] Eve [00:00:00] Boss: Fine. [00:00:09] Boss: I resign now [2J\n",
    ),
    "a word cannot turn the rest of the page around": (
        [spoke(f"abc{RLO}def{PDF} {LRI}ghi", who=f"Eve{RLO}")],
        "[00:00:00] Eve: abcdef ghi\n",
    ),
    "a name of nothing visible is no name": (
        [spoke("Hi.", who=f"{RLO}\u200b\n", id=1)],
        "[00:00:00] Unknown speaker: Hi.\n",
    ),
    "somebody may call himself Unknown speaker": (
        [
            spoke("Hi.", who=None, id=1),
            spoke("Ho.", who="Unknown speaker", id=2),
            spoke("He.", who=None, id=3),
        ],
        "[00:00:00] Unknown speaker: Hi.\n\n[00:00:00] Unknown speaker (2): Ho.\n\n"
        "[00:00:00] Unknown speaker 2: He.\n",
    ),
    "no-break and ideographic spaces inside a word are kept": (
        [turn([said("Vraiment\u00a0?", 0, 1), said("山田\u3000太郎", 1, 2)])],
        "[00:00:00] Ana: Vraiment\u00a0? 山田\u3000太郎\n",
    ),
    "a whole utterance as one word": (
        [turn([said(" Hello there.  How are you? ", 3, 6)])],
        "[00:00:03] Ana: Hello there. How are you?\n",
    ),
    "nobody spoke": ([], ""),
}


@pytest.mark.parametrize(("turns", "expected"), EXAMPLES.values(), ids=EXAMPLES.keys())
def test_reads(turns: list[Any], expected: str) -> None:
    assert text_of(*turns) == expected


def test_a_very_long_name_is_cut_because_it_is_repeated_with_every_sentence() -> None:
    assert len(text_of(spoke("Hi.", who="x" * 5_000))) < 250


@pytest.mark.parametrize(
    ("name", "is_device"),
    [
        ("iPhone", True),
        ("IPHONE 15 Pro", True),
        ("Anas iPad", True),
        ("健のiPhone", True),
        ("galaxy tab", True),
    ]
    + [("Pixel 7", True), ("15551234567", True), ("+49 (0)30 / 123-456", True), ("1555****567", True)]
    + [
        ("Call-in user 3", True),
        ("iPhone von Ana", True),
        ("Galaxy S21", True),
        ("+49 170 1234567", True),
        ("+49 170 …", True),
        ("+49\u2011170\u20131234567", True),
        ("Ana", False),
        ("Ipadé Lehmann", False),
        ("Galaxya", False),
        ("Pixel", False),
        ("0", False),
        ("A", False),
    ]
    + [("200-0", False), ("Agent 007", False), ("2026 Review", False), ("王", False), ("0" * 200, True)],
)
def test_a_devices_name_is_told_from_a_persons(name: str, is_device: bool) -> None:
    other = roster_of([Turn("1", "Ana Real", None, ()), Turn("1", name, None, ())]).names
    assert other == {"1": "Ana Real" if is_device else name}


def test_names_are_looked_ahead_for_in_bounded_memory() -> None:
    turns = (Turn(str(n), f"N{n}", None, ()) for n in range(MOST_NAMES + 50))
    assert len(roster_of(turns).names) == MOST_NAMES


def test_half_a_surrogate_pair_does_not_stop_the_writing() -> None:
    assert harmless("a\ud800b") == "a\ufffdb"
    assert text_of(turn([said("a\ud800b", 0, 1)])) == "[00:00:00] Ana: a\ufffdb\n"
