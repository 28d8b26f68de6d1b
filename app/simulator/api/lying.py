"""
What a lie makes of an answer: before the view is asked, or of what the view said.

A forgotten thing answers 404 and is in no list, and is untouched behind that; another thing's answer is a
true answer to another question. Told after the key, the rate and the Idempotency-Key were judged; a
repetition under one Idempotency-Key gets the true first answer, or a lie of its own.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from app.simulator.api import answers
from app.simulator.api.answers import Answer
from app.simulator.model.bill import MARKER
from app.simulator.model.lies import Lie, Question
from app.simulator.model.state import Recording, Transcript, World

Json = dict[str, Any]
_LISTS = ("list", "recording_list")
_INSTEAD = ("status", "html", "blank", "cut", "forget")
_TRANSCRIPT_ROUTES = frozenset({"retrieve", "update", "delete", "download"})
# Never asked for: what an answer about nothing known says of itself.
_MADE_UP = uuid.UUID("7e57ab1e-0000-4000-8000-000000000000")


class Lying:
    """
    The lies of one world.

    Args:
        show_transcript, show_recording: The true JSON of an object; called with the lock held.
    """

    def __init__(
        self,
        world: World,
        *,
        show_transcript: Callable[[Transcript], Json],
        show_recording: Callable[[Recording], Json],
    ) -> None:
        self._world = world
        self._show_transcript = show_transcript
        self._show_recording = show_recording

    def question(
        self, route: str, *, path: Mapping[str, str], query: Mapping[str, str], workspace: str
    ) -> Question:
        """What this request is about."""
        asked = path.get("id")
        recording_id, transcript_id = asked, None
        if route in _TRANSCRIPT_ROUTES:
            transcript = self._world.transcripts.get(asked or "")
            recording_id, transcript_id = (transcript.recording.id if transcript else None), asked
        elif route == "list":
            recording_id = query.get("recording_id")
        elif route not in ("create", "recording", "recording_update", "recording_delete"):
            recording_id = None
        return Question(route, recording_id, transcript_id, workspace, bool(query.get("cursor")))

    def instead(self, question: Question) -> Answer | None:
        """The answer that is given without asking the view; None leaves it to the view."""
        with self._world.lock:
            ways = _INSTEAD if question.route not in _LISTS else _INSTEAD[:-1]
            lie = self._world.lies.due(question, now=self._world.clock.now(), ways=ways)
        return None if lie is None else instead_of(lie)

    def page_size(self, question: Question, usual: int) -> int:
        """The size of a page; call with the lock held."""
        lie = self._world.lies.due(question, now=self._world.clock.now(), ways=("pages",))
        return usual if lie is None else lie.number

    def after(self, question: Question, answer: Answer) -> Answer:
        """What the sender gets of a true answer."""
        with self._world.lock:
            now = self._world.clock.now()
            if _is_told_whole(question, answer):
                answer = self._twisted(question, answer, now)
            slow = self._world.lies.due(question, now=now, ways=("slow",))
        if slow is not None:
            self._world.clock.sleep(slow.seconds)
        return answer

    def _twisted(self, question: Question, answer: Answer, now: float) -> Answer:
        if question.route in _LISTS:
            answer = self._without_hidden(question, answer, now)
        lie = self._world.lies.due(question, now=now, ways=("another",))
        return answer if lie is None else self._another(lie, question, answer)

    # -- lists -----------------------------------------------------------------------------------------------

    def _without_hidden(self, question: Question, answer: Answer, now: float) -> Answer:
        """Rows that are forgotten, or not listed yet, taken out of their page; the pages stay as they are."""
        hiding = [
            lie
            for way in ("forget", "late")
            for lie in self._world.lies.standing(
                way, now=now, route=question.route, workspace=question.workspace
            )
        ]
        if not hiding:
            return answer
        said = json.loads(answer.body)
        said["results"] = [row for row in said["results"] if not self._hides(hiding, question, row, now)]
        return replace(answer, body=json.dumps(said).encode())

    def _hides(self, hiding: list[Lie], question: Question, row: Json, now: float) -> bool:
        lists_transcripts = question.route == "list"
        transcript_id = row["id"] if lists_transcripts else None
        recording_id = row["recording"]["id"] if lists_transcripts else row["id"]
        for lie in hiding:
            is_about = lie.recording_id in (None, recording_id) and lie.transcript_id in (None, transcript_id)
            if is_about and (lie.way == "forget" or self._made_at(row["id"]) + lie.seconds > now):
                if lie.after > 0:
                    lie.after -= 1
                    continue
                self._world.lies.tell(lie, now=now)
                return True
        return False

    def _made_at(self, id: str) -> float:
        made = self._world.transcripts.get(id) or self._world.recordings.get(id)
        return made.made_at if made else 0.0

    # -- another thing ---------------------------------------------------------------------------------------

    def _another(self, lie: Lie, question: Question, answer: Answer) -> Answer:
        true = json.loads(answer.body)
        if question.route == "list":
            told: Json = {"next": None, "previous": None, "results": self._other_rows(lie, question)}
        elif question.route == "recording":
            told = self._other_recording(question) if not lie.argument else {**true, "id": _made_up(question)}
        else:
            told = self._other_transcript(lie, question, true)
        return replace(answer, body=json.dumps(told).encode())

    def _other_rows(self, lie: Lie, question: Question) -> list[Json]:
        others = [t for t in self._others(question) if lie.argument != "marked" or t.marker]
        return [self._show_transcript(t) for t in others[:1] for t in t.recording.transcripts]

    def _other_recording(self, question: Question) -> Json:
        others = [
            r
            for r in self._world.recordings.values()
            if r.id != question.recording_id and r.workspace == question.workspace
        ]
        return self._show_recording(others[0]) if others else {"id": _made_up(question)}

    def _other_transcript(self, lie: Lie, question: Question, true: Json) -> Json:
        """
        `sibling`: another of the same recording. `marked`: another recording's, under the marker asked for.
        `recording`, `id`: the true one with only that exchanged. `made_up`: both exchanged, nothing known.
        """
        if lie.argument in ("recording", "id", "made_up"):
            told = dict(true)
            if lie.argument != "id":
                told["recording"] = {**true["recording"], "id": _made_up(question)}
            return told if lie.argument == "recording" else {**told, "id": _made_up(question, "transcript")}
        others = self._siblings(question, true) if lie.argument == "sibling" else self._others(question)
        if not others:
            return {**true, "id": _made_up(question, "transcript")}
        told = self._show_transcript(others[0])
        if lie.argument == "marked":
            told["metadata"] = {**told["metadata"], **_marker_of(true)}
        return told

    def _siblings(self, question: Question, true: Json) -> list[Transcript]:
        recording = self._world.recordings.get(question.recording_id or "")
        return [t for t in (recording.transcripts if recording else []) if t.id != true["id"]]

    def _others(self, question: Question) -> list[Transcript]:
        """Of other recordings, finished ones first, the oldest first."""
        found = [
            t
            for t in self._world.transcripts.values()
            if t.recording.id != question.recording_id and t.recording.workspace == question.workspace
        ]
        return sorted(found, key=lambda t: (t.status.code != "done", t.seq))


def _is_told_whole(question: Question, answer: Answer) -> bool:
    """Whether it is Recall's own answer about the thing asked for, and not an odd one of a script."""
    if answer.status != 200 or answer.content_type != "application/json" or not answer.body:
        return False
    said = json.loads(answer.body)
    return "results" in said if question.route in _LISTS else "id" in said


def instead_of(lie: Lie) -> Answer:
    """The answer of a lie that asks no view."""
    match lie.way:
        case "cut":
            return answers.cut()
        case "forget":
            return replace(answers.not_found(), remember=False)
        case "html":
            body, kind = b"<html><body><h1>Some gateway</h1></body></html>\n", "text/html"
        case "blank":
            body, kind = b"", "application/json"
        case _:
            body, kind = b'{"code": "scripted", "detail": "Answered by script."}', "application/json"
    redirect = (("Location", "/api/v1/elsewhere/"),) if 300 <= lie.number <= 399 else ()
    named = {name.lower() for name, _ in lie.headers}
    headers = (*lie.headers, *(pair for pair in redirect if pair[0].lower() not in named))
    return Answer(lie.number, body, kind, headers=headers, remember=False)


def _marker_of(true: Json) -> Json:
    marker = (true.get("metadata") or {}).get(MARKER)
    return {MARKER: marker} if marker else {}


def _made_up(question: Question, what: str = "recording") -> str:
    return str(uuid.uuid5(_MADE_UP, f"{what}/{question.recording_id}/{question.transcript_id}"))
