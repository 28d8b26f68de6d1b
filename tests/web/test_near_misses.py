"""Signed deliveries that miss the webhook: counted, told with the remedy, and cheap whoever sends them."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from app.web import near_misses
from app.web.bounded_worker import REFUSED
from tests.web.receiver import Receiver, delivery, event_body, head, signature_headers
from tests.web.receiver_app import SECRETS
from tests.web.test_application import ListInbox, app_of

BODY = event_body()
CLOSE = {"Connection": "close", "Content-Length": str(len(BODY))}


def signed(*, path: str = "/webhooks/recall", method: str = "POST", **more: str) -> bytes:
    return head(signature_headers(BODY) | CLOSE | more, path=path, method=method) + BODY


LONG = {"X-Forwarded-Claims": "a" * 9000}
# Made when they are sent: at the end of a long run what was signed at its beginning is stale.
NEAR_MISSES: dict[str, tuple[Callable[[], bytes], int, str]] = {
    "of another path": (lambda: signed(path="/"), 404, "wrong_path"),
    "of no workspace": (lambda: signed(path="/webhooks/recall/nobody"), 404, "wrong_path"),
    "in capitals": (lambda: signed(path="/Webhooks/Recall"), 404, "wrong_path"),
    "with a prefix": (lambda: signed(path="/api/webhooks/recall"), 404, "wrong_path"),
    "with two slashes": (lambda: signed(path="/webhooks//recall"), 404, "wrong_path"),
    "to the API": (lambda: signed(path="/v1/webhooks"), 401, "wrong_path"),
    "to health": (lambda: signed(path="/healthz"), 405, "wrong_method"),
    "with GET": (lambda: signed(method="GET"), 405, "wrong_method"),
    "with PUT": (lambda: signed(method="PUT"), 405, "wrong_method"),
    "with a long header": (lambda: signed(**LONG), 431, "headers_too_large"),
    "with headers without an end": (
        lambda: head(signature_headers(BODY) | {f"X-{n}": "a" * 4000 for n in range(10)})[:-2],
        431,
        "headers_too_large",
    ),
    "with too many headers": (lambda: signed(**{f"X-{n}": "a" for n in range(70)}), 431, "headers_too_large"),
    "with a long query": (
        lambda: signed(path="/webhooks/recall?token=" + "a" * 9000), 414, "request_line_too_long",
    ),
    "with a broken header": (lambda: signed(**{"X-Trace": "\x01"}), 400, "malformed_http"),
    "of a body that is too large": (lambda: delivery(b"x" * 1_048_577), 413, "too_large"),
    "without the end of its body": (
        lambda: head(signature_headers(BODY) | {"Content-Length": "9999"}) + BODY, 400, "bad_framing",
    ),
    "by nobody we know": (lambda: delivery(BODY, secret="whsec_" + "A" * 32), 401, "bad_signature"),
}  # fmt: skip


def grown(
    receiver: Receiver, before: dict[str, int], is_enough: Callable[[dict[str, int]], bool]
) -> dict[str, int]:
    deadline = time.monotonic() + 5
    while True:
        now = receiver.inbox.rejected()
        found = {kind: n - before.get(kind, 0) for kind, n in now.items() if n != before.get(kind, 0)}
        if is_enough(found) or time.monotonic() > deadline:
            return found
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize(("request_", "status", "kind"), NEAR_MISSES.values(), ids=NEAR_MISSES)
def test_signed_near_miss_is_refused_counted_and_told(
    receiver: Receiver, request_: Callable[[], bytes], status: int, kind: str
) -> None:
    before, ids = receiver.inbox.rejected(), receiver.inbox.ids()

    assert receiver.send(request_(), half_close=True, timeout_s=5).status == status

    found = grown(receiver, before, lambda found: kind in found)
    assert found.pop(kind) == 1
    assert found == {"refused": 1}, "it bore complete, fresh headers"
    assert receiver.inbox.ids() == ids
    # Of one kind at most a line a minute and process: that there is one is enough.
    assert f'"kind": "{kind}"' in receiver.log
    if kind in near_misses.REMEDIES:
        assert near_misses.REMEDIES[kind] in receiver.log.replace('\\"', '"')


@pytest.mark.parametrize("path", ["/", "/wp-login.php", "/webhooks/recall/nobody", "/healthz"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        signature_headers(BODY) | {"webhook-id": ""},
        signature_headers(BODY, at=str(int(time.time()) - 3600)),
        signature_headers(BODY, signature="v1,short"),
    ],
    ids=["unsigned", "incomplete", "old", "malformed"],
)
def test_what_strangers_send_to_wrong_paths_is_not_taken_for_a_near_miss(
    headers: dict[str, str], path: str
) -> None:
    inbox = ListInbox()

    assert app_of(inbox).test_client().post(path, headers=headers, data=BODY).status_code in (404, 405)

    assert inbox.rejected == []


@pytest.mark.slow
def test_stranger_who_is_refused_before_the_application_is_counted_and_not_taken_for_a_sender(
    receiver: Receiver,
) -> None:
    before = receiver.inbox.rejected()
    assert receiver.send(head(CLOSE | LONG)).status == 431
    assert receiver.send(b"\x16\x03\x01\x02\x00\x01\x00" + b"\n" * 40).status == 400

    found = grown(receiver, before, lambda found: len(found) > 2)
    assert {kind: n for kind, n in found.items() if n} == {"headers_too_large": 1, "malformed_http": 1}


@pytest.mark.slow
def test_thousand_near_misses_write_a_line_a_minute_and_no_row_each(receiver: Receiver) -> None:
    """Two processes serve: two lines at most, and a write a second and process."""
    before, told = receiver.inbox.rejected(), receiver.log.count('"kind": "wrong_path"')
    request = signed(path="/elsewhere").replace(b"Connection: close\r\n", b"").replace(BODY, b"")
    request = request.replace(f"Content-Length: {len(BODY)}".encode(), b"Content-Length: 0")
    with receiver.connect() as sock:
        for _ in range(20):
            sock.sendall(request * 50)
            missing = 50
            while missing:
                missing -= sock.recv(1 << 20).count(b"HTTP/1.1 404")

    assert grown(receiver, before, lambda found: found.get("wrong_path", 0) >= 1000)["wrong_path"] == 1000
    assert receiver.log.count('"kind": "wrong_path"') - told <= 2


def test_bad_signature_names_the_secrets_that_were_tried_and_both_kinds_to_put_in() -> None:
    inbox = ListInbox()
    headers = signature_headers(BODY, secret=SECRETS[1])

    assert app_of(inbox).test_client().post("/webhooks/recall", data=BODY, headers=headers).status_code == 401

    ((kind, remedy),) = inbox.rejected
    assert kind == "bad_signature"
    for word in ("blue", "RECALL_WEBHOOK_SECRETS", "workspace verification secret", "endpoint's own"):
        assert word in remedy
    assert "2025" not in remedy


@pytest.mark.slow
def test_without_any_secret_no_webhook_is_expected_and_none_refused_in_vain() -> None:
    inbox = ListInbox()
    app = app_of(inbox, secrets={"default": ()})

    app.test_client().post("/webhooks/recall", data=BODY, headers=signature_headers(BODY))
    app.extensions[REFUSED](431, signed())

    assert inbox.plausible == [False, False]


@pytest.mark.slow
def test_every_refusal_has_a_remedy() -> None:
    for status in range(400, 500):
        assert len(near_misses.REMEDIES[near_misses.kind_of(status)]) > 60
