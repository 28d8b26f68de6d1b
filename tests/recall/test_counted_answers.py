"""How an answer is counted: of Recall's own, or of something on the way to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.errors import AccountRefused, DownloadBlocked, RecallBusy
from tests.recall.raw_server import answer, raw_server
from tests.recall.stage import CREATED, ORDER, client
from tests.recall.test_client import ASKS, every_ask

STRANGE = dict.fromkeys((400, 405, 407, 418, 451), "unexpected")
OTHERS = {302: "3xx", 403: "http_403", 429: "http_429", 500: "5xx"}


@every_ask
@pytest.mark.parametrize(("status", "outcome"), [*STRANGE.items(), *OTHERS.items()])
def test_status_that_recall_has_for_no_such_question_is_none_of_its_answers(
    name: str, status: int, outcome: str
) -> None:
    with raw_server(answer(status, b"<html>no</html>")) as server:
        recall = client(server.url)
        with pytest.raises((RecallBusy, AccountRefused)):
            ASKS[name](recall)
    assert recall.answers()[-1].outcome == outcome


@pytest.mark.parametrize("name", ["retrieve", "recording", "delete"])
def test_what_recall_does_not_have_is_a_good_answer(name: str) -> None:
    with raw_server(answer(404, b"{}")) as server:
        recall = client(server.url)
        ASKS[name](recall)
    assert recall.answers()[-1].outcome == "4xx"


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (201, CREATED, "2xx"),
        (200, b"<html>log in to the hotel's network</html>", "unreadable"),
        (400, b'{"provider": ["unknown"]}', "4xx"),
        (409, b"{}", "4xx"),
        (405, b"", "unexpected"),
        (407, b"", "unexpected"),
    ],
)
def test_answer_to_a_create_that_is_not_recalls_counts_as_none(
    status: int, body: bytes, outcome: str
) -> None:
    with raw_server(answer(status, body)) as server:
        recall = client(server.url)
        recall.create(ORDER, is_still_fresh=lambda: True)
    assert [told.outcome for told in recall.answers()] == [outcome]


def test_download_that_our_own_disk_refuses_says_nothing_of_recall(tmp_path: Path) -> None:
    recall = client("http://127.0.0.1:1")
    with pytest.raises(DownloadBlocked, match="disk"):
        recall.download("http://127.0.0.1:1/t", tmp_path / "none" / "part", keep_going=lambda: None)
    assert recall.answers() == []
    with pytest.raises(DownloadBlocked, match="refused"):
        recall.download("http://127.0.0.1:1/t", tmp_path / "part", keep_going=lambda: None)
    assert [told.outcome for told in recall.answers()] == ["silence"]
