"""Participant events, media and poor results: what a recording has besides a good transcript."""

from __future__ import annotations

from typing import Any

import pytest

from app.simulator.meetings import poor_results
from app.simulator.meetings.transcript_json import make_meeting
from tests.simulator.conftest import Recall
from tests.simulator.test_downloads import get

SEPARATE = {"use_separate_streams_when_available": True}
HYBRID = {"provider": {"deepgram_async": {"diarize_model": "latest"}}, "diarization": SEPARATE}


def shortcuts(recall: Recall, recording_id: str) -> Any:
    """`media_shortcuts` of a recording."""
    return recall.call("GET", f"recording/{recording_id}/").json()["media_shortcuts"]


def attended(recall: Recall, field: str, **script: Any) -> Any:
    """What the address of this name leads to, read."""
    media = shortcuts(recall, recall.recording(**script))
    return get(media["participant_events"]["data"][f"{field}_download_url"]).json()


def test_every_address_is_filled_when_the_recording_is_done_and_null_before(recall: Recall) -> None:
    running = shortcuts(recall, recall.recording(finish=False))
    assert set(running["participant_events"]["data"].values()) == {None}
    done = shortcuts(recall, recall.recording())
    for kind in ("video_mixed", "audio_mixed"):
        assert running[kind]["data"]["download_url"] is None
        answer = get(done[kind]["data"]["download_url"])
        assert (answer.status_code, bool(answer.content)) == (200, True)
    assert len(done["participant_events"]["data"]) == 3
    assert all(get(url).status_code == 200 for url in done["participant_events"]["data"].values())


def test_the_meetings_metadata_names_zoom_even_where_it_was_not_there(recall: Recall) -> None:
    told = [shortcuts(recall, recall.recording())["meeting_metadata"]["data"]["zoom"] for _ in range(12)]
    assert {one is None for one in told} == {True, False}


def test_the_timeline_has_an_entry_per_speakers_turn(recall: Recall) -> None:
    entries = attended(recall, "speaker_timeline")
    assert [(e["participant"]["id"], e["participant"]["name"]) for e in entries] == [(1, "Ana"), (2, None)]
    assert all(e["end_timestamp"]["relative"] > e["start_timestamp"]["relative"] for e in entries)
    assert all(e["start_timestamp"]["absolute"] for e in entries)


def test_a_timeline_is_scripted(recall: Recall) -> None:
    assert attended(recall, "speaker_timeline", timeline="empty") == []
    for entry in attended(recall, "speaker_timeline", timeline="short"):
        assert entry["end_timestamp"]["relative"] - entry["start_timestamp"]["relative"] < 1
    first, second = attended(recall, "speaker_timeline", timeline="changes")
    assert first["end_timestamp"] == second["start_timestamp"]
    assert second["end_timestamp"]["relative"] == 120
    first, _ = attended(recall, "speaker_timeline", timeline="null_first")
    assert set(first["participant"].values()) == {None}
    media = shortcuts(recall, recall.recording(timeline="none", participants="none"))
    data = media["participant_events"]["data"]
    assert [name for name, url in data.items() if url] == ["participant_events_download_url"]
    media = shortcuts(recall, recall.recording(timeline="missing", participants="garbage"))
    data = media["participant_events"]["data"]
    assert get(data["speaker_timeline_download_url"]).status_code == 404
    assert not get(data["participants_download_url"]).content.startswith(b"[")


def test_participants_are_scripted(recall: Recall) -> None:
    names = [
        [person["name"] for person in attended(recall, "participants", participants=kind)]
        for kind in ("ok", "empty", "bot", "people:2")
    ]
    assert names == [["Ana", None], [], ["Notetaker"], ["Guest 1", "Guest 2"]]


def test_events_tell_of_joins_and_of_speech(recall: Recall) -> None:
    actions = [event["action"] for event in attended(recall, "participant_events")]
    assert actions == ["join", "join", "speech_on", "speech_off", "speech_on", "speech_off"]
    assert recall.sim("bill")["media_downloads"] == {"participant_events": 1}


@pytest.mark.parametrize(
    ("provider", "options"),
    [
        ("assembly_ai_async", {"speaker_labels": True}),
        ("gladia_v2_async", {"diarization": True}),
        ("speechmatics_async", {"transcription_config": {"language": "en", "diarization": "speaker"}}),
        ("elevenlabs_async", {"model_id": "scribe_v2", "diarize": True}),
        (
            "aws_transcribe_async",
            {"LanguageCode": "en-US", "Settings": {"ShowSpeakerLabels": True, "MaxSpeakerLabels": 3}},
        ),
        ("google_speech_v2_async", {"config": {"features": {"diarization_config": {}}}}),
    ],
)
def test_separate_streams_and_labels_together_are_hybrid(recall: Recall, provider: str, options: Any) -> None:
    made = recall.done(recall.recording(), json={**HYBRID, "provider": {provider: options}})
    people = [turn["participant"] for turn in get(made["data"]["download_url"]).json()]
    letter = "A" if provider.startswith("assembly") else "0"
    assert [(person["id"], person["name"]) for person in people] == [
        (None, f"1-{letter}"),
        (None, f"2-{letter}"),
    ]


TURNS = make_meeting(4, kind="invoice_call").turns
WORDS = [word for turn in TURNS for word in turn["words"]]


def words_of(kind: str, argument: str = "") -> list[Any]:
    """All words of a poor result, in order."""
    return [word for turn in poor_results.changed(TURNS, kind, argument) for word in turn["words"]]


def test_thin_and_cut_off_keep_so_many_of_a_hundred_words() -> None:
    assert len(words_of("thin", "10")) == len(WORDS) * 10 // 100
    assert words_of("cut_off", "40") == WORDS[: len(WORDS) * 40 // 100]
    assert words_of("thin", "100") == words_of("cut_off", "100") == WORDS


def test_poor_results_keep_the_words_and_change_what_they_say_they_change() -> None:
    assert {t["language_code"] for t in poor_results.changed(TURNS, "wrong_language", "fi")} == {"fi"}
    assert len({str(t["participant"]) for t in poor_results.changed(TURNS, "one_speaker")}) == 1
    begins = [word["start_timestamp"]["relative"] for word in words_of("disordered")]
    assert begins != sorted(begins)
    assert sorted(begins) == sorted(word["start_timestamp"]["relative"] for word in WORDS)
    first, *rest = poor_results.changed(TURNS, "null_first")
    assert set(first["participant"].values()) == {None}
    assert rest[-1] == TURNS[-1]


def test_a_recordings_first_result_may_be_poor_and_its_second_good(recall: Recall) -> None:
    rid = recall.recording(bodies=["one_speaker", "ok"])
    first, second = (get(recall.done(rid)["data"]["download_url"]).json() for _ in range(2))
    assert [turn["participant"]["name"] for turn in first] == ["Ana", "Ana"]
    assert [turn["participant"]["name"] for turn in second] == ["Ana", None]
