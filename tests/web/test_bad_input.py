"""
Whatever is sent: the status of the published table, nothing lost, nothing stored that should not be, no 5xx.
"""

from __future__ import annotations

import time

import pytest

from tests.web.receiver import (
    EVENT,
    Receiver,
    chunked,
    delivery,
    event_body,
    head,
    new_id,
    read_answer,
    signature_headers,
)
from tests.web.receiver_app import SECRETS

MEGABYTE = 1024 * 1024
BODY = event_body()
CLOSE = {"Connection": "close"}


def without_length(**more: str) -> bytes:
    return head(signature_headers(BODY) | more)


def doubled(name: str, value: str) -> bytes:
    return delivery(BODY).replace(
        b"Host: localhost\r\n", f"Host: localhost\r\n{name}: {value}\r\n".encode(), 1
    )


NOT_VERIFIED = {
    "unsigned": head(CLOSE | {"Content-Length": str(len(BODY))}) + BODY,
    "unsigned and without a body": head(CLOSE),
    "unsigned with a body that never comes": head({"Content-Length": "1000"}),
    "unsigned and chunked without an end": head({"Transfer-Encoding": "chunked"}) + b"ffff\r\n",
    "signed by nobody we know": delivery(BODY, secret="whsec_" + "A" * 32),
    "wrong signature": delivery(BODY, signature="v1," + "A" * 43 + "="),
    "signature of another body": delivery(BODY)[:-1] + b" ",
    "secret of another workspace": delivery(BODY, path="/webhooks/recall/other"),
    "nonsense in the signature list": delivery(BODY, signature="v1, ,v1,,v9 \t%%%"),
    "stale": delivery(BODY, at=str(int(time.time()) - 3600)),
    "from the future": delivery(BODY, at=str(int(time.time()) + 3600)),
    "an id with ../": delivery(BODY, webhook_id="../../etc/passwd"),
    "an id with a quote": delivery(BODY, webhook_id="msg_'; DROP TABLE deliveries"),
    "an id in latin-1": delivery(BODY, webhook_id="msg_1").replace(b": msg_1", b": msg_\xff"),
    "a second id": doubled("webhook-id", "msg_second"),
    "a second timestamp": doubled("webhook-timestamp", "1"),
    "a second signature": doubled("webhook-signature", "v1,AAAA"),
    "an id with an underscore in the name of the header": delivery(BODY).replace(
        b"webhook-id", b"webhook_id"
    ),
    "headers of both families, neither complete": delivery(BODY).replace(b"webhook-id", b"svix-id"),
}

BROKEN_HTTP = {
    "not HTTP": (b"hello\r\n\r\n", 400),
    "HTTP/0.9": (b"GET /healthz\r\n", 400),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\n" * 40, 400),
    "bare line feeds": (b"POST /webhooks/recall HTTP/1.1\nHost: x\n\n", 400),
    "control characters": (b"POST /webhooks/recall HTTP/1.1\r\nHost: \x00\x01\r\n\r\n", 400),
    "a folded header": (b"POST /webhooks/recall HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", 400),
    "a header without a name": (b"POST /webhooks/recall HTTP/1.1\r\n: x\r\n\r\n", 400),
    "lower-case method": (delivery(BODY).replace(b"POST", b"post", 1), 400),
    "two hosts": (doubled("Host", "other"), 400),
    "10 kB header": (head({"X-Long": "a" * 10_000}), 431),
    "10 kB signature": (delivery(BODY, signature="v1," + "A" * 10_000), 431),
    "40 kB of headers without an end": (head({f"X-{n}": "a" * 4000 for n in range(10)})[:-2], 431),
    "a thousand headers": (head({f"X-{n}": "a" for n in range(1000)}), 431),
    "10 kB path": (b"POST /" + b"a" * 10_000 + b" HTTP/1.1\r\n\r\n", 414),
    "negative length": (without_length(**{"Content-Length": "-5"}), 400),
    "length in letters": (without_length(**{"Content-Length": "abc"}), 400),
    "length in superscript": (without_length(**{"Content-Length": "\u00b2"}), 400),
    "length with a plus": (without_length(**{"Content-Length": "+5"}), 400),
    "length of 5000 digits": (without_length(**{"Content-Length": "9" * 5000}), 400),
    "two lengths": (doubled("Content-Length", "1"), 400),
    "length and chunked": (doubled("Transfer-Encoding", "chunked"), 400),
    "unknown transfer encoding": (without_length(**{"Transfer-Encoding": "snappy"}), 400),
    "gzip transfer encoding": (without_length(**{"Transfer-Encoding": "gzip"}), 400),
    "chunked twice": (without_length(**{"Transfer-Encoding": "chunked, chunked"}), 400),
    "unknown expectation": (without_length(Expect="cookies", **{"Content-Length": "2"}), 417),
    "bad chunk size": (without_length(**{"Transfer-Encoding": "chunked"}) + b"zz\r\nabc\r\n", 400),
    "negative chunk size": (without_length(**{"Transfer-Encoding": "chunked"}) + b"-1\r\nabc\r\n", 400),
    "chunk without its end": (without_length(**{"Transfer-Encoding": "chunked"}) + b"3\r\nabcdef\r\n", 400),
    "bad trailer": (without_length(**{"Transfer-Encoding": "chunked"}) + b"0\r\nno colon\r\n\r\n", 400),
}

TOO_LARGE = {
    "2 MB": delivery(b"x" * 2 * MEGABYTE),
    "one byte too many": delivery(b"x" * (MEGABYTE + 1)),
    "2 MB, unsigned": head({"Content-Length": str(2 * MEGABYTE)}) + b"x" * 2 * MEGABYTE,
    "declared and never sent": without_length(**{"Content-Length": str(MEGABYTE + 1)}),
    "declared absurdly": without_length(**{"Content-Length": "9" * 4000}),
    "25 MB chunked": without_length(**{"Transfer-Encoding": "chunked"}) + chunked(*[b"x" * 65536] * 400),
    "one chunk of 16 EB": without_length(**{"Transfer-Encoding": "chunked"})
    + b"f" * 16
    + b"\r\n"
    + b"x" * 2 * MEGABYTE,
    "a megabyte in chunks of a byte": without_length(**{"Transfer-Encoding": "chunked"})
    + b"1\r\nx\r\n" * MEGABYTE,
}

ELSEWHERE = {
    "/webhooks/recall/nobody": 404,
    "/webhooks/recall//": 404,
    "/webhooks/recall/nobody/": 404,
    "/webhooks/recall/default/more": 404,
    "/webhooks//recall": 404,
    "/webhooks/recall/../recall": 404,
    "/webhooks/recall/..": 404,
    "/webhooks/recall/%2e%2e": 404,
    "/webhooks/recall/..%2f..%2fetc": 404,
    "/webhooks/recall/%00": 404,
    "/webhooks/recall/%ff%fe": 404,
    "/webhooks/Recall": 404,
    "/webhooks/recall;a=b": 404,
    "/": 404,
    "/.env": 404,
    "/healthz": 405,
    "/v1/transcriptions": 401,
    "http://[": 400,
}


def assert_refused(receiver: Receiver, request: bytes, status: int, *, half_close: bool = False) -> None:
    before = receiver.inbox.ids()
    answer = receiver.send(request, half_close=half_close, timeout_s=5)
    assert answer.status == status
    assert len(answer.body) < 60
    assert receiver.inbox.ids() == before


@pytest.mark.parametrize("request_", NOT_VERIFIED.values(), ids=NOT_VERIFIED)
def test_what_is_not_verified_is_401_and_not_stored(receiver: Receiver, request_: bytes) -> None:
    assert_refused(receiver, request_, 401)


@pytest.mark.parametrize(("request_", "status"), BROKEN_HTTP.values(), ids=BROKEN_HTTP)
def test_malformed_http_is_refused_at_once_and_not_stored(
    receiver: Receiver, request_: bytes, status: int
) -> None:
    assert_refused(receiver, request_, status)


@pytest.mark.slow
@pytest.mark.parametrize("request_", TOO_LARGE.values(), ids=TOO_LARGE)
def test_more_than_a_megabyte_is_413_however_it_is_sent(receiver: Receiver, request_: bytes) -> None:
    assert_refused(receiver, request_, 413)


@pytest.mark.parametrize(("path", "status"), ELSEWHERE.items())
def test_signed_delivery_to_another_path_is_not_stored(receiver: Receiver, path: str, status: int) -> None:
    assert_refused(receiver, delivery(BODY, path=path), status)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "BREW"])
@pytest.mark.parametrize("body", [b"", BODY], ids=["empty", "with a body"])
def test_webhook_route_answers_405_to_anything_but_post(receiver: Receiver, method: str, body: bytes) -> None:
    request = delivery(body).replace(b"POST", method.encode(), 1)

    answer = receiver.send(request)

    assert answer.status == 405
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize(
    "request_",
    [
        delivery(BODY)[:-5],
        without_length(**{"Transfer-Encoding": "chunked"}) + b"20\r\nabc",
        without_length(**{"Transfer-Encoding": "chunked"}) + b"3\r\nabc\r\n0\r\n",
        delivery(BODY)[:60],
    ],
    ids=["body", "chunk", "last chunk", "head"],
)
def test_truncated_request_is_400_as_soon_as_the_sender_closes(receiver: Receiver, request_: bytes) -> None:
    assert_refused(receiver, request_, 400, half_close=True)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"not json",
        b'{"event": 5}',
        b"[" * 100_000,
        b'{"event": "calendar.made_up_tomorrow"}',
        ('{"event": "' + "é" * 1000 + '"}').encode(),
        b"x" * MEGABYTE,
    ],
    ids=["empty", "object", "list", "null", "text", "shape", "deep", "unknown", "unicode", "exactly 1 MiB"],
)
def test_signed_but_unreadable_is_202_and_kept_byte_for_byte(receiver: Receiver, body: bytes) -> None:
    webhook_id = new_id()

    answer = receiver.deliver(body, webhook_id=webhook_id)

    assert answer.status == 202
    assert receiver.inbox.bodies()[webhook_id] == body


def test_replayed_delivery_is_202_again_and_stored_once(receiver: Receiver) -> None:
    webhook_id = new_id()

    answers = [receiver.deliver(BODY, webhook_id=webhook_id).status for _ in range(3)]

    assert answers == [202, 202, 202]
    assert receiver.inbox.ids().count(webhook_id) == 1


@pytest.mark.parametrize("family", ["webhook", "svix"])
def test_both_header_families_and_all_framings_are_stored(receiver: Receiver, family: str) -> None:
    ids = [new_id() for _ in range(3)]
    plain = delivery(BODY, webhook_id=ids[0], family=family)
    in_chunks = head(
        signature_headers(BODY, webhook_id=ids[1], family=family) | {"Transfer-Encoding": "chunked"}
    )
    expecting = delivery(BODY, webhook_id=ids[2], family=family).replace(
        b"Host", b"Expect: 100-continue\r\nHost", 1
    )

    answers = [
        receiver.send(request).status
        for request in (plain, in_chunks + chunked(BODY[:1], BODY[1:20], BODY[20:]), expecting)
    ]

    assert answers == [202, 202, 202]
    assert all(receiver.inbox.bodies()[webhook_id] == BODY for webhook_id in ids)


def test_workspace_has_its_own_secret_and_its_own_ids(receiver: Receiver) -> None:
    webhook_id = new_id()

    for path in (
        "/webhooks/recall", "/webhooks/recall/", "/webhooks/recall/default", "/webhooks/recall/default/",
        "/webhooks/recall?any=query", "/webhooks/recall/?any=query&more", "/webhooks/recall/other",
        "/webhooks/recall/other/", "/webhooks/recall/other/?x",
    ):  # fmt: skip
        assert receiver.deliver(BODY, webhook_id=webhook_id, secret=SECRETS[1], path=path).status == 202

    assert receiver.inbox.ids().count(webhook_id) == 2


def test_honest_sender_keeps_its_connection_and_a_refused_one_with_an_unread_body_loses_it(
    receiver: Receiver,
) -> None:
    request = delivery(BODY).replace(b"Connection: close\r\n", b"")
    with receiver.connect() as sock:
        for _ in range(3):
            sock.sendall(request)
            assert read_answer(sock).status == 202
        sock.sendall(request + request)  # pipelined
        first = sock.recv(65536)
        assert first.startswith(b"HTTP/1.1 202")
        sock.sendall(head({"Content-Length": "5"}) + b"hello")
        rest = b""
        while piece := sock.recv(65536):
            rest += piece

    answers = first + rest
    assert answers.count(b"HTTP/1.1 202") == 2
    assert answers.count(b"HTTP/1.1 401") == 1
    assert answers.endswith(b'{"error": {"code": "unsigned"}}')
    assert answers.count(b"Connection: close") == 1


@pytest.mark.slow
def test_refused_sender_may_finish_its_body_and_read_the_answer_instead_of_being_reset(
    receiver: Receiver,
) -> None:
    with receiver.connect() as sock:
        sock.sendall(head({"Content-Length": "100000"}))
        time.sleep(0.2)  # long refused by now
        for _ in range(5):
            sock.sendall(b"x" * 20_000)
            time.sleep(0.02)
        assert read_answer(sock).status == 401


def test_request_that_arrives_byte_by_byte_is_stored(receiver: Receiver) -> None:
    webhook_id = new_id()
    with receiver.connect() as sock:
        for byte in delivery(BODY, webhook_id=webhook_id):
            sock.sendall(bytes([byte]))
        assert read_answer(sock).status == 202

    assert receiver.inbox.bodies()[webhook_id] == BODY


@pytest.mark.slow
def test_answers_carry_nothing_of_what_was_sent_and_nothing_a_browser_would_guess_about(
    receiver: Receiver,
) -> None:
    answer = receiver.send(head(CLOSE | {"Content-Length": "0"}, path="/<script>alert(1)</script>"))

    assert answer.status == 404
    assert answer.body == b'{"error": {"code": "not_found"}}'
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.slow
def test_rejections_are_counted_by_kind_and_stale_apart_from_forged(receiver: Receiver) -> None:
    time.sleep(1.1)  # counts are written once a second
    before = receiver.inbox.rejected()
    for _ in range(3):
        receiver.deliver(BODY, at=str(int(time.time()) - 3600))
    receiver.deliver(BODY, signature="v1," + "A" * 43 + "=")
    receiver.deliver(b"x" * (MEGABYTE + 1))

    def grown() -> dict[str, int]:
        return {
            kind: n - before.get(kind, 0)
            for kind, n in receiver.inbox.rejected().items()
            if n != before.get(kind)
        }

    deadline = time.monotonic() + 5
    while sum(n for kind, n in grown().items() if kind != "refused") < 5 and time.monotonic() < deadline:
        time.sleep(0.1)
    found = grown()
    assert found.pop("refused") > 0  # once for each write
    assert found == {"stale": 3, "bad_signature": 1, "too_large": 1}


@pytest.mark.slow
def test_log_names_remedies_and_nothing_that_was_sent(receiver: Receiver) -> None:
    secret_word = "5b1b1e8b1f4b52"
    receiver.send(head(CLOSE | {"Content-Length": "14", "X-Word": secret_word}) + secret_word.encode())
    receiver.send(f"{secret_word}\r\n\r\n".encode())
    receiver.send(f"GET /ops/broken?{secret_word} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())

    assert "create the workspace verification secret in the Recall dashboard" in receiver.log
    assert "RuntimeError" in receiver.log  # our own faults are told, with their place
    # A traceback quotes our own source line; the message that line made must not be there as well.
    told = receiver.log.replace("\\", "").replace(
        'raise RuntimeError("a message that quotes the-callers-secret")', ""
    )
    assert "the-callers-secret" not in told
    assert secret_word not in receiver.log
    assert str(EVENT["data"]) not in receiver.log
