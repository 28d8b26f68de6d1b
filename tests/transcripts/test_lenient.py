"""What JSON does not allow and its writers write costs one character, never the transcript."""

from __future__ import annotations

import io
import json
import math
from typing import Any, BinaryIO, cast

import ijson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.transcripts.lenient import LenientJson
from app.transcripts.model import Turn
from app.transcripts.reader import read_turns
from tests.transcripts.recall_json import rendered_bytes, said, spoke, text_of, turn

unhurried = settings(deadline=None)
# All that Python's own writer makes: NaN and the infinities, halves of pairs, quotes and backslashes.
TEXT = st.text(alphabet=st.characters() | st.characters(categories=["Cs"]), max_size=6) | st.sampled_from(
    ["NaN", ", NaN,", '"NaN"', "\\", '\\"', "-Infinity", "\\ud800", "a,b c", "\U0001f600", "\ud83d", "\ude00"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


def drained(content: bytes, size: int) -> bytes:
    source = LenientJson(io.BytesIO(content))
    return b"".join(iter(lambda: source.read(size), b""))


def wanted(value: Any) -> Any:
    """What a reader should see of it."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, str):
        # JSON has no other way to write a whole pair than its two halves.
        whole = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return whole if any("\ud800" <= char <= "\udfff" for char in value) else value
    if isinstance(value, list):
        return [wanted(item) for item in value]
    return {wanted(k): wanted(v) for k, v in value.items()} if isinstance(value, dict) else value


@pytest.mark.slow
@unhurried
@given(VALUES, st.sampled_from([1, 2, 3, 7, 64, 65536]), st.booleans(), st.sampled_from([None, 1]))
@example(["\\\ud800", "\\\\ud83d\udc00", "\ud83d\ude00"], 1, True, None)
@example([math.nan, -math.inf, "NaN, -Infinity"], 3, True, None)
def test_whatever_pythons_writer_writes_is_json_for_every_reader(
    value: Any, size: int, is_ascii: bool, indent: int | None
) -> None:
    written = json.dumps(value, ensure_ascii=is_ascii, indent=indent).encode("utf-8", "surrogatepass")
    read = json.loads(drained(written, size), parse_constant=pytest.fail)
    expected = wanted(value)
    assert read == expected or not is_ascii  # raw halves are each replaced
    assert list(ijson.basic_parse(cast("BinaryIO", LenientJson(io.BytesIO(written)))))


@pytest.mark.slow
@unhurried
@given(
    VALUES, st.sampled_from([1, 3, 65536]), st.sampled_from(["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
)
def test_the_wider_encodings_read_the_same(value: Any, size: int, encoding: str) -> None:
    text = json.dumps([value])
    assert drained(text.encode(encoding), size) == drained(text.encode(), size)


@unhurried
@given(st.binary(max_size=60), st.sampled_from([1, 2, 65536]))
def test_any_bytes_come_out_as_utf8_without_control_characters(content: bytes, size: int) -> None:
    text = drained(content, size).decode()
    assert all(char >= " " for char in text)
    assert drained(content, 65536).decode().replace("\ufffd", "") == text.replace("\ufffd", "")


def test_what_is_json_comes_out_as_it_is() -> None:
    written = json.dumps([spoke('Grüße 😀 \\ "so" NaNny', who="Zoë\\ud800")]).encode()
    assert drained(written, 5) == written


ANA = json.dumps([turn([said("Hi", 1, 2), said("NaN, Infinity", 3, 4)])])


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + ANA.encode(),
        b"\xef\xbb\xbf \r\n" + ANA.encode() + b" \r\n\x00\x00",
        ANA.encode("utf-16"),
        ANA.encode("utf-16-be"),
        ANA.encode("utf-32"),
        ANA.replace('"absolute": null', '"absolute": NaN').encode(),
        ANA.replace('"absolute": null', '"absolute":-Infinity').encode(),
        ANA.replace('"email": null', '"email":Infinity').encode(),
        ANA.replace('{"text"', '{"confidence":NaN,"text"').encode(),
        ANA.replace('"is_host": null', '"is_host": "\\ud83d \\udc00 \\\\"').encode(),
        ANA.replace('"is_host": null', '"is_host": "\0\t\n\x1f"').encode(),
        ANA.encode().replace(b"unknown", b"\xff\xc3 \xed\xa0\x80\xe2\x82"),
        ANA.replace('"participant"', '"language_code": "en", "participant"').encode(),
        ANA.replace('"text": "Hi"', '"text": "Ho", "text": "Hi"').encode(),
    ],
)
@pytest.mark.parametrize("size", [1, 65536])
def test_odd_bytes_beside_the_words_change_nothing(content: bytes, size: int) -> None:
    class Slow(io.BytesIO):
        def read(self, wanted_bytes: int | None = -1) -> bytes:
            return super().read(min(wanted_bytes or 0, size))

    assert list(read_turns(Slow(content))) == list(read_turns(io.BytesIO(ANA.encode())))
    assert rendered_bytes(content) == rendered_bytes(ANA.encode())


@pytest.mark.parametrize("codes", [[0xD800], [0xDBFF], [0xDC00], [0xDFFF], [0xDC00, 0xD800]])
def test_half_a_surrogate_pair_is_one_replacement_in_names_and_words(codes: list[int]) -> None:
    half = "".join(map(chr, codes))
    turns = [spoke(f"so{half} it", who=f"Ana{half}"), spoke("Yes.", who=f"Ana{half}")]
    for is_ascii in (True, False):
        written = json.dumps(turns, ensure_ascii=is_ascii).encode("utf-8", "surrogatepass")
        files, summary = rendered_bytes(written)
        mark = "\ufffd" * len(half)
        assert files["transcript.txt"] == f"[00:00:00] Ana{mark}: so{mark} it Yes.\n"
        assert summary.speakers == 1


def test_a_number_that_is_none_is_an_unknown_time_and_no_id() -> None:
    word = {"text": "Hi", "start_timestamp": {"relative": math.nan}, "end_timestamp": math.inf}
    (only,) = read_turns(io.BytesIO(json.dumps([turn([word], id=math.nan)]).encode()))
    assert (only.participant_id, only.words[0].start_s, only.words[0].end_s) == (None, None, None)
    assert text_of(turn([word])) == "[--:--:--] Ana: Hi\n"


def test_a_word_of_megabytes_is_read() -> None:
    long = "x" * 3_000_000
    assert (
        next(iter(read_turns(io.BytesIO(json.dumps([{"words": [{"text": long}]}]).encode())))).words[0].text
        == long
    )


def test_a_field_twice_is_no_reason_to_refuse() -> None:
    twice = b'[{"words": [{"text": "a"}], "words": [{"text": "b"}], "participant": {"id": 1, "id": 2}}]'
    (only,) = read_turns(io.BytesIO(twice))
    assert isinstance(only, Turn)
    assert [word.text for word in only.words] == ["a", "b"]


@pytest.mark.parametrize("size", [1, 3, 65536])
def test_a_character_written_as_two_halves_is_that_character(size: int) -> None:
    written = json.dumps([spoke("so\ud83d\ude00\ud83d it")], ensure_ascii=False).encode(
        "utf-8", "surrogatepass"
    )
    assert "so\U0001f600\ufffd".encode() in drained(written, size)


@pytest.mark.parametrize("size", [1, 7, 65536])
def test_a_number_too_large_becomes_the_text_of_it_and_a_text_stays(size: int) -> None:
    long = "1" * 400
    written = f'{{"a": -{long}, "b": ["1e99999", "{long}", 2e99999 ,"\\\\" ], "{long}":1e9999,"c": -NaN}}'
    read = json.loads(drained(written.encode(), size))
    assert read == {"a": f"-{long}", "b": ["1e99999", long, "2e99999", "\\"], long: float("inf"), "c": None}
