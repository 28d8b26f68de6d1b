"""
What is paid, stored and announced when a transcript falls short: effects on real SQLite and a real folder,
with Recall's answers by hand.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import structlog

from app.announce.news import events_of
from app.core import events
from app.core.commands import AskRecording, CreateTranscript, FetchTranscript, PublishTranscript
from app.core.events import RecordingCondition
from app.core.policy import Order, Policy
from app.core.quality import Quality
from app.core.state import Phase, Transcription
from app.errors import DownloadBlocked
from app.orchestrator.command_context import Workspace
from app.orchestrator.effects import queries
from app.orchestrator.outcome import Happened
from app.orchestrator.records import KEY_ACCEPTED
from app.orchestrator.service import Service
from app.recall.types import CreateAnswer, CreateOrder, RecordingFacts
from tests import migrated
from tests.orchestrator.bare_context import context_of
from tests.orchestrator.test_publish_transcript import EMPTY, R1, T1, T2, Folder, Recall, World, die, done
from tests.policies import built_in
from tests.transcripts.recall_json import spoke

HOUR_S = 3600.0
TIMELINE, PEOPLE = "timeline", "people"
THIN = Quality(evidence="timeline", thin="fall-back")


def speech(*spans: tuple[float, float]) -> bytes:
    """A speaker timeline."""
    return json.dumps(
        [
            {
                "participant": {"id": 1},
                "start_timestamp": {"relative": start_s},
                "end_timestamp": {"relative": end_s},
            }
            for start_s, end_s in spans
        ]
    ).encode()


def words(number: int, *, language: str = "en") -> bytes:
    """As many words, one a second."""
    said = [
        {
            "text": f"word{n}",
            "start_timestamp": {"relative": float(n)},
            "end_timestamp": {"relative": n + 1.0},
        }
        for n in range(number)
    ]
    return json.dumps([{**spoke("x"), "language_code": language, "words": said}]).encode()


@dataclass
class WithEvidence(Recall):
    """What is kept beside the recording, and what creating costs."""

    facts: RecordingFacts = RecordingFacts(
        RecordingCondition.DONE, duration_s=HOUR_S, timeline_url=TIMELINE, participants_url=PEOPLE
    )
    asked: int = 0
    created: list[str] = field(default_factory=list)
    trouble: dict[str, str] = field(default_factory=dict)

    def recording(self, recording_id: str) -> RecordingFacts:
        self.asked += 1
        return self.facts

    def create_body(self, order: CreateOrder) -> bytes:
        return order.provider.encode()

    def create(self, order: CreateOrder, body: bytes | None = None, *, is_still_fresh: Any) -> CreateAnswer:
        self.created.append(order.provider)
        return CreateAnswer("created", (T1, T2)[len(self.created) - 1], order.provider, 200)

    def download(self, url: str, target: Path, *, keep_going: Any) -> None:
        if url in self.trouble:
            raise DownloadBlocked(self.trouble[url])
        super().download(url, target, keep_going=keep_going)

    @property
    def evidence(self) -> list[str]:
        """Downloads other than transcripts."""
        return [url for url in self.downloads if url in (TIMELINE, PEOPLE)]


@dataclass
class Judged(World):
    quality: Quality = Quality()
    told: list[str] = field(default_factory=list)
    logged: list[dict[str, Any]] = field(default_factory=list)

    @property
    def policy(self) -> Policy:
        return replace(built_in(), quality=self.quality)

    @property
    def at_recall(self) -> WithEvidence:
        return cast(WithEvidence, self.recall)

    def worker(self) -> tuple[Service, Folder]:
        service, blobs = super().worker()
        workspace = Workspace("default", cast(Any, self.recall), self.policy)
        service = Service(
            store=service.store,
            queue=service.queue,
            blobs=blobs,
            clock=service.clock,
            workspaces={"default": workspace},
            timing=service.timing,
            scratch=self.folder / "scratch",
            log=structlog.wrap_logger(None, processors=[self._log]),
            announce=self._announce,
        )
        return service, blobs

    def _announce(self, before: Transcription, after: Transcription) -> tuple[()]:
        self.told.extend(event.value for event in events_of(before, after))
        return ()

    def _log(self, _: Any, __: str, line: Any) -> str:
        self.logged.append(dict(line))
        raise structlog.DropEvent

    def begins(self, first: bytes, second: bytes = EMPTY) -> None:
        """The recording is done, and what each attempt will bring."""
        self.recall.contents |= {T1: first, T2: second}
        self.hears(events.RecordingDone(self.store().now(), "a bot"))
        self.does(CreateTranscript(1, "x"))
        self.hears(done(T1, 1))
        self.does(FetchTranscript(T1))

    def second(self) -> None:
        self.does(CreateTranscript(2, "x"))
        self.hears(done(T2, 2))
        self.does(FetchTranscript(T2))

    @property
    def pending(self) -> list[str]:
        return [command.key for command in self.store().load("default", R1).pending]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Judged]:
    world = Judged(tmp_path, WithEvidence({}))
    migrated.write(tmp_path / "afterword.db")
    world.store().first_start()
    world.store().set_key_status("default", world.recall.fingerprint, KEY_ACCEPTED)
    yield world
    for store in world.opened:
        store.close()


# -- the oracle --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_silent_room_is_paid_once_by_one_read_and_one_download(world: Judged) -> None:
    world.recall.contents[TIMELINE] = speech((3, 3.9))
    world.begins(EMPTY)
    world.does_all()
    assert (world.state.phase, world.state.verdict) == (Phase.STORED, "silent")
    assert world.says() == {T1: ("silent", None)}
    assert world.rows() == {T1: ("silent", True, False)}
    assert len(world.at_recall.created) == 1
    assert (world.at_recall.asked, world.at_recall.evidence) == (1, [TIMELINE])
    assert world.told == ["transcription.completed"]


def test_a_happy_recording_is_asked_nothing_more(world: Judged) -> None:
    world.begins(words(9))
    assert world.state.verdict == "spoken"
    assert (world.at_recall.asked, world.at_recall.evidence) == (0, [])


@pytest.mark.parametrize(
    ("timeline", "people", "is_silent", "downloads"),
    [
        (speech((3, 60)), b"[]", False, [TIMELINE]),  # it alone decides
        (speech(), b'[{"id": 1}, {"id": 2}]', True, [TIMELINE]),
        (None, b"[]", True, [PEOPLE]),
        (None, b'[{"id": 1, "is_host": false}]', True, [PEOPLE]),
        (None, b'[{"id": 1, "is_host": false}, {"id": 2}]', False, [PEOPLE]),
        (b"<html>", b"[]", True, [TIMELINE, PEOPLE]),
        (b"<html>", b"<html>", False, [TIMELINE, PEOPLE]),
        (None, None, False, []),  # the Desktop SDK
    ],
)
def test_what_says_that_a_room_was_silent(
    tmp_path: Path, timeline: bytes | None, people: bytes | None, is_silent: bool, downloads: list[str]
) -> None:
    recall = WithEvidence({TIMELINE: timeline or b"", PEOPLE: people or b""})
    recall.facts = replace(
        recall.facts,
        timeline_url=None if timeline is None else TIMELINE,
        participants_url=None if people is None else PEOPLE,
    )
    outcome = queries.ask_recording(
        context_of(
            AskRecording(),
            state=replace(Transcription("default", R1, is_recording_done=True), candidate=T1),
            recall=recall,
            scratch=tmp_path,
            renewer=SimpleNamespace(raise_if_lost=lambda: None),
        )
    )
    assert isinstance(outcome, Happened)
    assert isinstance(outcome.event, events.RecordingAsked)
    assert (outcome.event.is_silent, recall.evidence) == (is_silent, downloads)


@pytest.mark.slow
def test_an_empty_transcript_although_people_spoke_falls_back_and_is_never_announced(world: Judged) -> None:
    world.recall.contents[TIMELINE] = speech((0, 600))
    world.begins(EMPTY, words(700))
    world.does(AskRecording())
    assert (world.says(), world.told) == ({}, [])
    world.second()
    world.does_all()
    assert world.says() == {T1: ("empty", T2), T2: ("spoken", None)}
    assert world.told == ["transcription.completed"]
    assert len(world.at_recall.created) == 2


def test_a_file_that_is_not_there_is_no_evidence_and_trouble_is_waited_out(world: Judged) -> None:
    world.recall.contents[PEOPLE] = b"[]"
    world.at_recall.trouble[TIMELINE] = "http_404"
    world.at_recall.trouble[PEOPLE] = "http_503"
    world.begins(EMPTY, words(9))
    world.does(AskRecording())
    assert world.pending == ["ask_recording"], "put off: money hangs on it"
    world.at_recall.trouble.pop(PEOPLE)
    world.late_s = 60.0
    world.does(AskRecording())
    assert world.pending == [f"publish:{T1}"]


def test_trouble_that_does_not_end_leaves_todays_rule(world: Judged) -> None:
    world.at_recall.trouble |= {TIMELINE: "http_503", PEOPLE: "http_503"}
    world.begins(EMPTY, words(9))
    world.does(AskRecording())
    world.late_s = 700.0
    world.does(AskRecording())
    assert world.pending == ["create:2"]
    causes = [line["cause"] for line in world.logged if line["event"] == "evidence_left_out"]
    assert causes == ["http_503", "http_503"]


def test_an_expired_recording_has_no_evidence(world: Judged) -> None:
    world.at_recall.facts = RecordingFacts(RecordingCondition.GONE, duration_s=HOUR_S, timeline_url=TIMELINE)
    world.begins(EMPTY)
    world.does(AskRecording())
    assert (world.pending, world.at_recall.evidence) == (["create:2"], [])


# -- words that fall short -----------------------------------------------------------------------------


@pytest.mark.slow
def test_a_thin_transcript_is_held_and_the_better_one_announced(world: Judged) -> None:
    world.quality = THIN
    world.recall.contents[TIMELINE] = speech((0, 40))
    world.begins(words(10), words(38))
    assert (world.state.phase, world.state.candidate_verdict) == (Phase.CREATING, "thin")
    assert (world.says(), world.told, world.rows()) == ({}, [], {T1: ("thin", False, True)})
    world.second()
    world.does_all()
    assert world.says() == {T1: ("thin", T2), T2: ("spoken", None)}
    assert world.rows() == {T1: ("thin", False, False), T2: ("spoken", True, False)}
    assert world.told == ["transcription.completed"]


@pytest.mark.slow
def test_two_thin_ones_are_two_payments_and_the_one_with_more_words_is_flagged(world: Judged) -> None:
    world.quality = THIN
    world.recall.contents[TIMELINE] = speech((0, 100))
    world.begins(words(40), words(30))
    world.second()
    world.does_all()
    assert world.says() == {T1: ("thin", None), T2: ("thin", T1)}
    assert len(world.at_recall.created) == 2, "a third provider is not asked"
    assert world.told == ["transcription.completed", "transcription.flagged"]


@pytest.mark.parametrize("evidence", ["free", "timeline"])
def test_what_a_verdict_may_read_is_the_policys(world: Judged, evidence: Any) -> None:
    world.quality = Quality(evidence=evidence)
    world.recall.contents[TIMELINE] = speech((0, 100))
    world.begins(words(40))
    is_thin = evidence == "timeline"
    assert world.state.verdict == ("thin" if is_thin else "spoken")
    assert world.told == ["transcription.completed", *(["transcription.flagged"] if is_thin else [])]
    assert (world.at_recall.asked, world.at_recall.evidence) == ((1, [TIMELINE]) if is_thin else (0, []))
    assert "evidence.json" not in str(world.manifest(T1))
    assert "participants.json" not in str(world.manifest(T1))


@pytest.mark.slow
def test_a_timeline_that_cannot_be_had_costs_no_result(world: Judged) -> None:
    world.quality = Quality(evidence="timeline")
    world.at_recall.trouble[TIMELINE] = "http_503"
    world.at_recall.facts = replace(world.at_recall.facts, duration_s=60.0)
    world.begins(words(40))
    assert world.state.verdict == "spoken"
    assert [line["cause"] for line in world.logged if line["event"] == "evidence_left_out"] == ["http_503"]
    world.at_recall.facts = RecordingFacts(RecordingCondition.DONE)
    world.hears(done(T2))
    world.does(FetchTranscript(T2))
    assert world.at_recall.asked == 2


def test_silence_is_told_with_the_transcript_where_the_timeline_is_read_anyway(world: Judged) -> None:
    world.quality = Quality(evidence="timeline")
    world.recall.contents[TIMELINE] = speech()
    world.begins(EMPTY)
    world.does_all()
    assert (world.says(), world.at_recall.asked) == ({T1: ("silent", None)}, 1)


def test_a_wrong_language_is_held_against_what_was_ordered(world: Judged) -> None:
    world.hears(events.TranscriptionOrdered(world.store().now(), Order(language="de-CH")))
    world.recall.contents[T1] = words(40, language="cy")
    world.hears(done(T1, 1))
    world.does(FetchTranscript(T1))
    assert (world.state.verdict, world.state.is_flagged) == ("wrong_language", True)
    assert world.says() == {T1: ("wrong_language", None)}


def test_beside_a_result_nothing_is_held_and_a_worse_one_is_not_the_result(world: Judged) -> None:
    world.quality = THIN
    world.recall.contents[TIMELINE] = speech((0, 40))
    world.begins(words(38), words(10))
    world.hears(done(T2))  # another party's
    world.does_all()
    assert world.says() == {T1: ("spoken", None), T2: ("thin", None)}
    assert (world.state.current, world.told) == (T1, ["transcription.completed"])


# -- stops -------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_stop_between_the_candidate_and_the_next_attempt_pays_the_next_once(world: Judged) -> None:
    world.quality = THIN
    world.recall.contents[TIMELINE] = speech((0, 40))
    world.recall.contents |= {T1: words(10), T2: words(38)}
    world.hears(events.RecordingDone(world.store().now(), "a bot"))
    world.does(CreateTranscript(1, "x"))
    world.hears(done(T1, 1))
    world.does(FetchTranscript(T1))
    # Whatever arrives twice, and whoever performs what was performed.
    world.hears(done(T1, 1), events.RecordingDone(world.store().now(), "a bot"))
    assert world.pending == ["create:2"]
    world.second()
    world.hears(done(T1, 1), done(T2, 2))
    world.does_all()
    assert world.at_recall.created == [choice.key for choice in world.policy.providers[:2]]
    assert world.told == ["transcription.completed"]


@pytest.mark.slow
def test_a_worker_killed_around_the_manifest_of_a_thin_result_leaves_it_to_the_next(world: Judged) -> None:
    world.quality = THIN
    world.recall.contents[TIMELINE] = speech((0, 100))
    world.begins(words(40), EMPTY)
    world.second()
    assert world.pending == [f"publish:{T1}"]
    world.is_killed_doing(PublishTranscript(T1), before_T1=die)
    assert (world.says(), world.told) == ({}, [])
    world.is_killed_doing(PublishTranscript(T1), after_T1=die)
    assert world.says() == {T1: ("thin", None)}
    world.does_all()
    assert world.says() == {T1: ("thin", None), T2: ("empty", T1)}
    assert world.told == ["transcription.completed", "transcription.flagged"]


def test_an_attempt_that_a_thin_transcript_calls_for_is_not_paid_beyond_the_budget(world: Judged) -> None:
    world.quality = THIN
    world.recall.contents[TIMELINE] = speech((0, 100))
    world.begins(words(40))
    world.quality = Quality(evidence="timeline")  # right before the send, the policy has changed
    world.does_all()
    assert len(world.at_recall.created) == 1
    assert world.says() == {T1: ("thin", None)}
