"""What is read leniently, and what is refused: a misreading must never look like a silent meeting."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

import ijson
import pytest

from app.errors import TranscriptUnreadable
from app.transcripts import reader
from app.transcripts.model import Turn, Word
from app.transcripts.reader import read_turns
from tests.transcripts.recall_json import said, spoke, turn


@pytest.fixture(params=["yajl2_c", "python"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """ijson takes its fastest parser that can be loaded: ours must not depend on which."""
    try:
        backend = ijson.get_backend(request.param)
    except ImportError:
        pytest.skip(f"{request.param} is not available here")
    monkeypatch.setattr(ijson, "basic_parse", backend.basic_parse)


pytestmark = pytest.mark.usefixtures("parser")


def read(document: Any) -> list[Turn]:
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    return list(read_turns(io.BytesIO(content)))


def test_a_turn_as_recall_writes_it() -> None:
    document = [turn([said("Hi", 27.88, 28.01)], who="Ana", id=100, language="en")]
    assert read(document) == [Turn("100", "Ana", "en", (Word("Hi", 27.88, 28.01),))]


HI = Word("Hi", None, None)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ([], []),
        ([{"words": [{"text": "Hi"}]}], [Turn(None, None, None, (HI,))]),
        ([{"participant": None, "language_code": None, "words": [said("Hi")]}], [
            Turn(None, None, None, (HI,))
        ]),
        ([{"participant": "Ana", "words": [said("Hi")]}], [Turn(None, "Ana", None, (HI,))]),
        ([{"participant": 7, "words": [said("Hi")]}], [Turn("7", None, None, (HI,))]),
        ([{"speaker": "Ana", "words": [said("Hi")]}], [Turn(None, "Ana", None, (HI,))]),
        ([{"words": [said("Hi")], "speaker": 0, "language": "en"}], [Turn("0", None, "en", (HI,))]),
        ([{"speaker": {"id": 1.0, "name": "Ana"}, "words": [said("Hi")]}], [Turn("1", "Ana", None, (HI,))]),
        ([{"speaker": "Ana", "speaker_id": 100, "words": [said("Hi")]}], [Turn("100", "Ana", None, (HI,))]),
        ([{"speaker_name": "Ana", "speaker_id": "x", "words": [said("Hi")]}], [
            Turn("x", "Ana", None, (HI,))
        ]),
        ([turn([said("Hi")], who=None) | {"speaker": "Ana"}], [Turn("1", "Ana", "en", (HI,))]),
        ([{"speaker": "A"} | turn([said("Hi")], id=None)], [Turn(None, "Ana", "en", (HI,))]),
        ([{"participant": None, "speaker": [1], "words": [said("Hi")]}], [Turn(None, None, None, (HI,))]),
        ([{"speaker": "Ana", "text": "Hi all.", "start_timestamp": 1.5, "end_timestamp": {"relative": 2}}], [
            Turn(None, "Ana", None, (Word("Hi all.", 1.5, 2.0),))
        ]),
        ([{"speaker": "A", "text": "Hi", "words": []}, {"speaker": 0, "text": "?", "words": [said("Hi")]}], [
            Turn(None, "A", None, (HI,)), Turn("0", None, None, (HI,))
        ]),
        ([{"words": [{"text": "Hi", "speaker": n} for n in (0, 0, 1)] + [{"text": "Hi"}]}], [
            Turn("0", None, None, (HI, HI)), Turn("1", None, None, (HI, HI))
        ]),
        ([{"words": [{"text": "Hi", "speaker": "A"}, {"text": "Hi", "speaker": "B"}]}], [
            Turn(None, "A", None, (HI,)), Turn(None, "B", None, (HI,))
        ]),
        ([turn([said("Hi")], id="", who=5, language=7)], [Turn(None, None, None, (HI,))]),
        ([turn([said("Hi")], id=True, who={"a": [1]}, language="e n")], [Turn(None, None, None, (HI,))]),
        ([turn([said("Hi")], id=0, who="", language="yue")], [Turn("0", None, "yue", (HI,))]),
        ([turn([]), turn(None), turn([None])], [
            Turn("1", "Ana", "en", ()),
            Turn("1", "Ana", "en", ()),
            Turn("1", "Ana", "en", (Word("", None, None),)),
        ]),
        ([{"words": [said("Hi")], "new": {"deep": [[{"a": []}]]}, "participant": {"new": [{}], "id": 4}}], [
            Turn("4", None, None, (HI,))
        ]),
        ([turn([{"text": "Hi", "confidence": {"a": 1}, "speaker": 0}])], [Turn("1", "Ana", "en", (HI,))]),
        ([None, {"words": [said("Hi")]}, None], [Turn(None, None, None, (HI,))]),
        ([turn([{"text": None}, {}, {"text": "Hi"}])], [
            Turn("1", "Ana", "en", (Word("", None, None), Word("", None, None), HI))
        ]),
    ],
)  # fmt: skip
def test_reads_what_has_fields_missing_null_or_new(document: Any, expected: list[Turn]) -> None:
    assert read(document) == expected


@pytest.mark.parametrize(
    ("stamp", "expected_s"),
    [
        ({"relative": 3, "absolute": "2026-01-01T00:00:00Z"}, 3.0),
        ({"absolute": None, "relative": 1.5}, 1.5),
        ({"relative": -0.02}, 0.0),
        ({"relative": None}, None),
        ({"relative": "1.5"}, None),
        ({"relative": True}, None),
        ({"relative": {"seconds": 1}}, None),
        ({"relative": 1_767_225_600}, None),
        ({"relative": 10**25}, None),
        ({}, None),
        ([], None),
        (None, None),
        ("00:01", None),
        (2.5, 2.5),
    ],
)
def test_a_time_is_seconds_or_unknown(stamp: Any, expected_s: float | None) -> None:
    word = read([turn([{"text": "Hi", "start_timestamp": stamp, "end_timestamp": stamp}])])[0].words[0]
    assert word == Word("Hi", expected_s, expected_s)


UNREADABLE: dict[str, bytes] = {
    "nothing": b"",
    "an error page": b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
    "an object": b'{"words": []}',
    "a string": b'"secret"',
    "null": b"null",
    "a list in a list": b"[[]]",
    "nothing but null turns": b"[null, null]",
    "a string as turn": b'["secret"]',
    "words as an object": b'[{"words": {"secret": 1}}]',
    "words as a string": b'[{"words": "secret"}]',
    "a string as word": b'[{"words": ["secret"]}]',
    "a text that is a number": b'[{"words": [{"text": 5}]}]',
    "a text that is an object": b'[{"words": [{"text": {"secret": 1}}]}]',
    "no turn with words": b'[{"transcript": "secret"}, {"participant": null}]',
    "no word with a text": b'[{"words": [{"value": "secret"}, {"value": "secret"}]}]',
    "NaN for a transcript": b"NaN",
    "a word that is no number": b'[{"words": [], "x": NaNny}]',
    "all bytes": bytes(range(256)) * 8,
    "half of UTF-16": '[{"words": []}]'.encode("utf-16")[:-1],
    "no turn with words, nor with a text": b'[{"text": "", "x": "secret"}, {"text": 5}]',
    "a second document": b"[] []",
    "garbage behind": b"[] secret",
    "a trailing comma": b"[1,]",
    "deep nesting": b'[{"x": ' + b"[" * 100_000,
    "deep nesting that ends": b'[{"words": [], "x": ' + b"[" * 70 + b"]" * 70 + b"}]",
    "deep objects": b'[{"words": [{"text": "a", "x": ' + b'{"a":' * 5_000,
}


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_refuses_what_is_no_whole_transcript_without_quoting_it(content: bytes) -> None:
    with pytest.raises(TranscriptUnreadable) as caught:
        read(content)
    assert str(caught.value)
    assert "secret" not in str(caught.value)
    # A console that prints chained errors must find nothing either: the parser quotes what it stumbled on.
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


def test_numbers_no_machine_word_can_hold_do_not_cost_the_transcript() -> None:
    participant = b'{"id": 18446744073709551616, "extra_data": {"id": -9223372036854775808}}'
    words = b'[{"text": "Hi", "start_timestamp": {"relative": 1e999}}]'
    (only,) = read(b'[{"participant": %b, "x": 1e999, "words": %b}]' % (participant, words))
    assert only == Turn("18446744073709551616", None, None, (HI,))


@pytest.mark.parametrize(
    "number",
    [
        b"9" * 299,
        b"9" * 300,
        b"-" + b"9" * 5_000,
        b"7" * 100_000,
        b"0." + b"3" * 100_000,
        b"9" * 5_000 + b".5",
    ]
    + [b"1e9999", b"1e99999", b"-1E+999999999", b"1e" + b"9" * 20, b"1e" + b"9" * 5_000, b"1e-99999999999"],
    ids=lambda number: f"{number[:6].decode()} of {len(number)}",
)
def test_no_number_is_so_large_that_it_costs_the_transcript(number: bytes) -> None:
    word = b'{"text": "%b", "confidence": %b, "start_timestamp": {"relative": %b}}' % (number, number, number)
    document = b'[{"participant": {"id": %b, "x": [%b]}, "words": [%b]},{"speaker":1}]' % (
        number,
        number,
        word,
    )
    for _ in range(20):  # one that the parser kept hold of would end the process some time later
        turns = read(document)
    (first, second) = turns
    assert first.words[0].text == number.decode()
    assert first.words[0].start_s is None or abs(first.words[0].start_s) < 1
    assert first.participant_id
    assert (second.participant_id, len(first.participant_id) <= 64) == ("1", True)


def test_an_id_of_thousands_of_digits_is_nobody_elses() -> None:
    one, again, other = (
        read(b'[{"participant": {"id": %b}, "words": []}]' % (b"9" * n)) for n in (5_000,) * 2 + (5_001,)
    )
    assert one == again != other


@pytest.mark.parametrize("id", ["x" * 1_000_000, 10**4_000, "a\nb", "\u202e", "x" * 65])
def test_an_id_is_short_and_printable_and_stays_the_same_persons(id: Any) -> None:
    same, again, other = read([turn([], id=id), turn([], id=id), turn([], id=f"{id}1")])
    assert same == again
    assert same.participant_id != other.participant_id
    assert len(same.participant_id or "") <= 64
    assert (same.participant_id or "").isprintable()


def test_who_speaks_is_read_without_the_words_too() -> None:
    document = json.dumps(
        [spoke("Hi"), {"speaker": "Ben", "words": [{"no": "text"}]}, {"participant": {"id": 3}}]
    )
    turns = list(read_turns(io.BytesIO(document.encode()), with_words=False))
    assert [(t.participant_id, t.name, t.words) for t in turns] == [
        ("1", "Ana", ()),
        (None, "Ben", ()),
        ("3", None, ()),
    ]


def test_unknown_fields_may_nest_as_deeply_as_anybody_means_it() -> None:
    deep = json.loads("[" * 60 + "]" * 60)
    assert len(read([{"words": [], "new": deep}])) == 1


@pytest.mark.slow
def test_every_truncation_is_noticed() -> None:
    whole = json.dumps([spoke("Grüße an alle", who="Zoë"), turn([])], ensure_ascii=False).encode()
    for length in range(len(whole)):
        with pytest.raises(TranscriptUnreadable):
            read(whole[:length])
    assert len(read(whole + b" \n")) == 2


def test_a_monologue_comes_in_pieces_so_that_it_is_never_whole_in_memory() -> None:
    words = [said(str(n)) for n in range(2_500)]
    pieces = read([turn(words), spoke("Hi", who="Ben", id=2)])
    assert [len(piece.words) for piece in pieces] == [1_000, 1_000, 500, 1]
    assert [word.text for piece in pieces for word in piece.words] == [*map(str, range(2_500)), "Hi"]
    assert {(piece.participant_id, piece.name, piece.language) for piece in pieces[:3]} == {
        ("1", "Ana", "en")
    }


def test_words_that_precede_their_speaker_are_given_to_the_right_one() -> None:
    reordered = dict(reversed(turn([said("so")] * 2_500).items()))
    assert [(piece.name, len(piece.words)) for piece in read([reordered])] == [("Ana", 2_500)]


class _FailingDisk(io.RawIOBase):
    def readinto(self, buffer: Any) -> int:
        raise OSError(5, "Input/output error")

    def read(self, size: int = -1) -> bytes:
        raise OSError(5, "Input/output error")


# ijson's Python parser complains while it is cleared away; nothing is lost by it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_failing_disk_is_not_blamed_on_the_transcript() -> None:
    with pytest.raises(OSError, match="Input/output"):
        list(read_turns(cast("BinaryIO", _FailingDisk())))


def test_reading_is_lazy() -> None:
    def endless() -> Iterator[bytes]:
        yield b"["
        while True:
            yield json.dumps(spoke("Hi")).encode() + b","

    class Endless:
        chunks = endless()

        def read(self, size: int = -1) -> bytes:
            return next(self.chunks) if size else b""

    assert next(read_turns(cast("BinaryIO", Endless()))).name == "Ana"


def test_the_limits_are_what_the_documentation_says() -> None:
    assert (reader.PIECE_WORDS, reader.MAX_DEPTH, reader.MAX_TIME_S) == (1_000, 64, 1_000_000)
