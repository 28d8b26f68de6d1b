"""The index of what was said, on both databases: words, phrases, speakers, pages, and what leaves it."""

from __future__ import annotations

import random
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.adapters.sql.search_index import SqlSearchIndex
from app.adapters.sql.search_postgresql import PostgresqlSearchIndex
from app.adapters.sql.search_sqlite import SqliteSearchIndex, search_file
from app.adapters.sql.store import open_store
from app.errors import StoreUnavailable
from app.orchestrator.ports_search import Hit, IndexCounts, StoredResult
from app.transcripts.passages import Passage
from app.transcripts.search_words import parse_query

ONE = StoredResult("default", "rec-1", "tr-1", ("sentences.json", "transcript.txt"))
TWO = StoredResult("default", "rec-2", "tr-2")
ELSEWHERE = StoredResult("other", "rec-1", "tr-3")


@dataclass
class Place:
    """An index; `open` gives a further handle on the same one, as another process has."""

    url: str
    open: Callable[[], SqlSearchIndex]
    index: SqlSearchIndex

    def put(self, result: StoredResult, *said: str, speaker: str = "Ana Souza") -> None:
        passages = [Passage(speaker, float(n), n + 0.5, text) for n, text in enumerate(said)]
        self.index.put(result, passages)

    def found(self, text: str, speaker: str = "", **where: Any) -> list[str]:
        query = parse_query(text, speaker)
        return [] if query is None else [hit.text for hit in self.index.search(query, **where)]

    def file(self) -> bytes:
        """All that SQLite keeps of it."""
        path = search_file(self.url)
        return b"".join(each.read_bytes() for each in path.parent.glob(f"{path.name}*"))


@pytest.fixture
def place(sql_url: str) -> Iterator[Place]:
    store = open_store(sql_url)
    if store.is_sqlite:
        opened = [SqliteSearchIndex(sql_url), SqliteSearchIndex(sql_url)]
        yield Place(sql_url, lambda: opened[1], opened[0])
    else:
        PostgresqlSearchIndex(store).clear()
        yield Place(sql_url, lambda: PostgresqlSearchIndex(store), PostgresqlSearchIndex(store))
    store.close()


def test_a_sentence_is_found_by_its_words_in_any_order_with_what_it_is_about(place: Place) -> None:
    place.put(ONE, "Good morning.", "Let us talk about the budget of Zürich.")
    query = parse_query("ZURICH budget")
    assert query is not None
    (hit,) = place.open().search(query)
    text = "Let us talk about the budget of Zürich."
    about = ("default", "rec-1", "tr-1", "transcript.txt", "Ana Souza", 1.0, 1.5, text)
    assert hit == Hit(*about, cursor=hit.cursor)
    assert place.found("budget morning") == []  # of two sentences
    assert place.found("budgets") == place.found("bud") == []  # nothing is stemmed, and words are whole


def test_words_in_quotation_marks_stand_one_after_the_other(place: Place) -> None:
    place.put(ONE, "the budget review is on", "we review the budget", "e-mail the e mail")
    assert place.found('"budget review"') == place.found("“Budget review”") == ["the budget review is on"]
    assert place.found("review budget") == ["the budget review is on", "we review the budget"]
    assert place.found("e-mail") == ["e-mail the e mail"]
    assert place.found('"mail e"') == []


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("本日の会議室で話します", ["会議", "会議室", "議室", "室", "会", "本", "す", "本日の会議室で"]),
        ("AI会議を始める。", ["会議", "AI会議", "ai 会議", "議を"]),
        ("회의가 시작됩니다", ["회의", "시작"]),
        ("ยินดีต้อนรับครับ", ["ครับ", "ต้อนรับ"]),
        ("مُحَمَّد قال", ["محمد"]),
        ("ｶﾞﾗｽを割る", ["ガラス"]),
        ("Straße, naïve café", ["STRASSE", "naive", "café", "cafe"]),
    ],
)
def test_two_characters_find_where_words_have_no_blanks_and_spelling_makes_no_difference(
    place: Place, said: str, asked: list[str]
) -> None:
    place.put(ONE, said, "et cetera 其他")
    assert {text: place.found(text) for text in asked} == {text: [said] for text in asked}
    assert place.found("会室") == place.found("会本") == []


def test_a_speaker_is_found_by_words_of_the_name_and_is_no_word_of_the_sentence(place: Place) -> None:
    place.put(ONE, "Thank you, Max.", "The budget.")
    place.put(TWO, "Thank you, Ana.", speaker="Max Souza (2)")
    assert place.found("thank", "ana") == ["Thank you, Max."]
    assert place.found("thank", "SOUZA max") == ["Thank you, Ana."]
    assert place.found("souza") == []
    assert place.found("", "Ana") == ["Thank you, Max.", "The budget."]
    assert place.found("", "") == place.found("", "🎉") == place.found("🎉", "Ana") == []


def test_pages_go_on_where_the_last_one_ended_and_keep_to_what_is_asked(place: Place) -> None:
    place.put(ONE, *(f"one says number {n}" for n in range(7)))
    place.put(ELSEWHERE, *(f"elsewhere number {n}" for n in range(3)))
    place.put(TWO, *(f"two says number {n}" for n in range(3)))
    query = parse_query("number")
    assert query is not None
    seen: list[str] = []
    before = None
    while hits := place.index.search(query, limit=4, before=before, workspace="default"):
        seen += [hit.text for hit in hits]
        before = hits[-1].cursor
    assert seen == [f"two says number {n}" for n in range(3)] + [f"one says number {n}" for n in range(7)]
    assert place.found("number", recording_id="rec-2") == seen[:3]
    assert len(place.found("number", recording_id="rec-1")) == 10
    elsewhere = [f"elsewhere number {n}" for n in range(3)]
    assert place.found("number", recording_id="rec-1", workspace="other") == elsewhere
    for strange in ("rec-3", "rec", "%", "", "' OR 1=1 --"):
        assert place.found("number", recording_id=strange) == []


def test_a_further_transcript_takes_the_place_of_the_one_before(place: Place) -> None:
    place.put(ONE, "the first words")
    again = StoredResult("default", "rec-1", "tr-9")
    assert place.index.missing([ONE, again, TWO]) == [again, TWO]
    place.put(again, "the second words")
    assert place.found("first") == []
    assert place.found("words") == ["the second words"]
    assert place.index.missing([ONE, again, TWO]) == [ONE, TWO]
    assert place.index.counts() == IndexCounts(1, 0)
    place.index.put(TWO, (), is_unreadable=True)
    assert place.index.counts() == IndexCounts(2, 1)
    listed = place.index.transcripts(after=0, limit=9)
    assert listed == [again, TWO]
    assert place.index.transcripts(after=listed[0].id, limit=1) == [TWO]


def test_two_workers_that_put_the_same_at_once_leave_one(place: Place) -> None:
    gate = threading.Barrier(2)

    def work(index: SqlSearchIndex) -> None:
        gate.wait()
        for _ in range(5):
            index.put(ONE, [Passage("Ana", None, None, f"sentence number {n}") for n in range(50)])

    threads = [threading.Thread(target=work, args=(index,)) for index in (place.index, place.open())]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert place.index.counts() == IndexCounts(1, 0)
    assert place.found("number 7") == ["sentence number 7"]


def test_a_failing_source_leaves_what_was_there(place: Place) -> None:
    place.put(ONE, "the first words")

    def failing() -> Iterator[Passage]:
        yield from (Passage("Ana", None, None, f"new words {n}") for n in range(700))
        raise ValueError("not a line")

    with pytest.raises(ValueError, match="not a line"):
        place.index.put(ONE, failing())
    assert place.found("words") == ["the first words"]


@pytest.mark.slow
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(
    st.text(max_size=30)
    | st.text("\"*^:()+-{}&|!<>~\\'%_\0 aA会", max_size=30)
    | st.sampled_from(
        ["a" * 100_000, "会" * 5000, '"' * 3000, "a " * 5000, "\ud800", "NEAR(a b)", "terms:a"]
    ),
    st.text(max_size=10),
)
def test_every_text_is_a_question(place: Place, text: str, speaker: str) -> None:
    for query in (parse_query(text, speaker), parse_query(speaker, text)):
        if query is not None:
            place.index.search(query, limit=3, before=2**62)


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Cf"]), min_size=1, max_size=40))
def test_what_was_said_is_found_by_itself(place: Place, said: str) -> None:
    place.put(ONE, said)
    assert place.found(f'"{said}"') == ([said] if parse_query(said) else [])


# -- what leaves it --------------------------------------------------------------------------------------
def test_forgotten_text_is_not_found_and_the_rest_is(place: Place) -> None:
    for n in range(3):
        place.put(StoredResult("default", f"rec-{n}", f"tr-{n}"), f"secret number {n}")
    place.put(ELSEWHERE, "secret elsewhere")
    place.index.forget("default", "rec-0", "rec-1", "rec-unknown")
    assert place.found("secret") == ["secret elsewhere", "secret number 2"]
    assert place.index.counts() == IndexCounts(2, 0)
    place.index.clear()
    assert place.found("secret") == []
    assert place.index.counts() == IndexCounts()
    place.put(ONE, "secret again")
    assert place.found("secret") == ["secret again"]


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Place:
    url = f"sqlite:///{tmp_path / 'afterword.db'}"
    index, other = SqliteSearchIndex(url), SqliteSearchIndex(url)
    return Place(url, lambda: other, index)


def _talk(about: str) -> list[str]:
    return [f"sentence {n} about {about} and word{n * 7919 % 1000}" for n in range(400)]


def test_no_byte_of_what_is_forgotten_is_left_in_the_file(on_sqlite: Place) -> None:
    place = on_sqlite
    for n in range(6):
        place.put(StoredResult("default", f"rec-{n}", f"tr-{n}"), *_talk("trees"))
    place.put(ONE, *_talk("Geheimnisverrat"), speaker="Xaver Quitzow")
    place.put(StoredResult("default", "rec-1", "tr-9"), *_talk("Zugabteil"), speaker="Yolanda Quitzow")
    written = place.file().lower()
    assert b"geheimnisverrat" in written  # replaced, and still there
    place.index.forget("default", "rec-1")
    left = place.file().lower()
    for word in (b"geheimnis", b"zugabteil", b"quitzow", b"xaver", b"tr-9"):
        assert word not in left
    assert len(place.found("trees")) == 20


@pytest.mark.slow
def test_pages_that_were_divided_keep_no_copy_of_what_is_forgotten(on_sqlite: Place) -> None:
    """SQLite leaves old copies in the unused part of a page that it divides, `secure_delete` or not."""
    place, dice = on_sqlite, random.Random(1)
    ids = [f"{dice.randrange(10**12):012}" for _ in range(300)]
    for recording in ids:
        place.put(StoredResult("default", recording, f"transcript-of-{recording}"), f"said in {recording}")
    gone = dice.sample(ids, 40)
    place.index.forget("default", *gone)
    left = place.file()
    assert [recording for recording in gone if recording.encode() in left] == []
    assert len(place.found("said", limit=1000)) == 260


@pytest.mark.slow
def test_what_was_interrupted_before_the_file_was_written_anew_is_completed(on_sqlite: Place) -> None:
    place = on_sqlite
    place.put(ONE, *_talk("Geheimnisverrat"))
    reader = sqlite3.connect(search_file(place.url), timeout=0)
    with closing(reader):
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM search_sentences").fetchall()
        with pytest.raises(StoreUnavailable, match="next try"):
            place.index.forget("default", "rec-1")
    assert place.found("Geheimnisverrat") == []
    place.index.forget("default", "rec-1")
    assert b"geheimnis" not in place.file().lower()


@pytest.mark.parametrize("change", ["away", "damaged", "earlier"])
def test_a_file_that_is_away_damaged_or_of_an_earlier_version_is_made_again(
    on_sqlite: Place, change: str
) -> None:
    place, path = on_sqlite, search_file(on_sqlite.url)
    assert place.found("words") == []
    place.index.forget("default", "rec-1")  # makes nothing
    place.index.clear()
    assert not path.exists()
    place.put(ONE, "the first words")
    assert path.stat().st_mode & 0o777 == 0o600
    match change:
        case "away":
            path.unlink()
        case "damaged":
            path.write_bytes(b"no database" * 1000)
            with pytest.raises(StoreUnavailable):
                place.put(TWO, "further words")
            place.index.clear()
        case _:
            with closing(sqlite3.connect(path)) as connection:
                connection.execute("PRAGMA user_version = 7")
    assert place.found("words") == []
    assert place.index.missing([ONE]) == [ONE]
    assert place.index.transcripts(after=0, limit=9) == []
    assert place.index.counts() == IndexCounts()
    place.put(TWO, "further words")
    assert place.found("words") == ["further words"]


def test_a_sqlite_without_full_text_says_so(on_sqlite: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.adapters.sql.search_sqlite._MADE", ["CREATE VIRTUAL TABLE w USING fts99(a)"])
    with pytest.raises(StoreUnavailable, match="FTS5"):
        on_sqlite.put(ONE, "words")
