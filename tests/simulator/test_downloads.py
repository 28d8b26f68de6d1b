"""Pre-signed addresses on their own port."""

from __future__ import annotations

import time
from typing import Any

import pytest
import requests

from tests.simulator.conftest import Recall, make_tiny


def url_of(recall: Recall, **script: Any) -> str:
    """The address of a finished transcript."""
    return str(recall.done(recall.recording(**script))["data"]["download_url"])


def get(url: str, **more: Any) -> requests.Response:
    return requests.get(url, timeout=10, **more)


def test_the_file_is_the_meeting_and_needs_no_key(recall: Recall) -> None:
    url = url_of(recall)
    assert url.startswith(recall.simulator.download_url)
    assert recall.simulator.download_url != recall.url
    assert get(url).json() == make_tiny(1).turns


def test_each_retrieve_signs_a_fresh_address_and_only_when_done(recall: Recall) -> None:
    rid = recall.recording(transcripts=["done", "never"])
    tid = recall.done(rid)["id"]
    assert recall.transcript(tid)["data"]["download_url"] != recall.transcript(tid)["data"]["download_url"]
    assert recall.transcript(recall.created(rid))["data"]["download_url"] is None


def test_a_key_sent_to_the_download_host_is_refused_and_billed(recall: Recall) -> None:
    url = url_of(recall)
    assert get(url, headers={"Authorization": recall.simulator.api_key}).status_code == 400
    bill = recall.sim("bill")
    assert (bill["downloads_with_authorization"], bill["downloads"]) == (1, 0)


def test_an_address_expires_after_six_hours(recall: Recall) -> None:
    url = url_of(recall)
    recall.sim("advance", {"seconds": 6 * 3600 - 60})
    assert get(url).status_code == 200
    recall.sim("advance", {"seconds": 61})
    expired = get(url)
    assert (expired.status_code, expired.headers["Content-Type"].split(";")[0]) == (403, "application/xml")
    assert "Request has expired" in expired.text


def test_an_address_nobody_signed_is_refused(recall: Recall) -> None:
    url = url_of(recall)
    assert get(url[:-1] + ("0" if url[-1] != "0" else "1")).status_code == 403
    assert get(url.partition("?")[0]).status_code == 403


def test_the_bytes_are_the_same_whichever_provider_made_them(recall: Recall) -> None:
    rid = recall.recording()
    bodies = {
        get(recall.done(rid, json={"provider": {name: {}}})["data"]["download_url"]).content
        for name in ("recallai_async", "rev_async", "deepgram_async")
    }
    assert len(bodies) == 1


@pytest.mark.parametrize(
    ("provider", "options", "labels"),
    [
        ("assembly_ai_async", {"speaker_labels": True}, ["A", "B"]),
        ("deepgram_async", {"diarize": True}, ["0", "1"]),
    ],
)
def test_machine_labels_replace_names_and_follow_ids_where_streams_are_separate(
    recall: Recall, provider: str, options: dict[str, Any], labels: list[str]
) -> None:
    rid = recall.recording()
    body: dict[str, Any] = {"provider": {provider: options}}
    mixed = get(recall.done(rid, json=body)["data"]["download_url"]).json()
    assert [(turn["participant"]["id"], turn["participant"]["name"]) for turn in mixed] == [
        (None, label) for label in labels
    ]
    body["diarization"] = {"use_separate_streams_when_available": True}
    hybrid = get(recall.done(rid, json=body)["data"]["download_url"]).json()
    assert [(turn["participant"]["id"], turn["participant"]["name"]) for turn in hybrid] == [
        (None, f"{number}-{labels[0]}") for number in (1, 2)
    ]


def test_raw_provider_data_is_there_for_other_providers_on_mixed_audio_only(recall: Recall) -> None:
    rid = recall.recording()
    foreign = recall.done(rid, json={"provider": {"rev_async": {}}})["data"]["provider_data_download_url"]
    assert get(foreign).json()["parts"][0]["source_audio"]["type"] == "mixed"
    assert recall.done(rid)["data"]["provider_data_download_url"] is None
    separate = {"use_separate_streams_when_available": True}
    body = {"provider": {"rev_async": {}}, "diarization": separate}
    assert recall.done(rid, json=body)["data"]["provider_data_download_url"] is None


def test_an_empty_transcript_is_an_empty_list(recall: Recall) -> None:
    assert get(url_of(recall, transcripts=["empty"])).content == b"[]"


def test_a_truncated_download_breaks_off_and_the_next_is_whole(recall: Recall) -> None:
    url = url_of(recall, download=["truncated"])
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        get(url)
    assert get(url).json() == make_tiny(1).turns


@pytest.mark.parametrize(("fault", "status"), [("expired", 403), ("404", 404)])
def test_a_scripted_refusal_holds_for_one_download(recall: Recall, fault: str, status: int) -> None:
    url = url_of(recall, download=[fault])
    assert [get(url).status_code, get(url).status_code] == [status, 200]


def test_a_gzip_download_says_so(recall: Recall) -> None:
    answer = get(url_of(recall, download=["gzip"]))
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.json() == make_tiny(1).turns


@pytest.mark.slow
def test_a_slow_download_drips(recall: Recall) -> None:
    url = url_of(recall, download=["slow:30"])
    begun = time.monotonic()
    assert get(url).json() == make_tiny(1).turns
    assert time.monotonic() - begun >= 0.3


def test_a_blocked_host_refuses_until_its_time_is_over(recall: Recall) -> None:
    url = url_of(recall, download=["blocked:600"])
    for _ in range(2):
        with pytest.raises(requests.ConnectionError):
            get(url)
    recall.sim("advance", {"seconds": 600})
    assert get(url).status_code == 200


@pytest.mark.parametrize(("mode", "status"), [("503", 503), ("403", 403)])
def test_all_downloads_can_be_blocked(recall: Recall, mode: str, status: int) -> None:
    url = url_of(recall)
    recall.sim("settings", {"downloads_blocked": True, "downloads_blocked_mode": mode})
    assert get(url).status_code == status
    assert "expired" not in get(url).text
    recall.sim("settings", {"downloads_blocked": False})
    assert get(url).status_code == 200


@pytest.mark.slow
def test_a_huge_transcript_is_valid_and_goes_forward_in_time(recall: Recall) -> None:
    answer = get(url_of(recall, transcripts=["huge:2"]))
    assert 2_000_000 <= int(answer.headers["Content-Length"]) == len(answer.content) < 2_100_000
    turns = answer.json()
    first, last = (turn["words"][0]["start_timestamp"]["relative"] for turn in (turns[0], turns[-1]))
    assert last > first


def test_a_deleted_transcript_is_gone_here_too(recall: Recall) -> None:
    made = recall.done(recall.recording())
    recall.call("DELETE", f"transcript/{made['id']}/")
    assert get(made["data"]["download_url"]).status_code == 404
