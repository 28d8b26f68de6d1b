"""What needs no socket: the places kept for later, and our own faults."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future

import pytest
from flask import Flask
from flask.testing import FlaskClient
from structlog.testing import capture_logs

from app.errors import StoreUnavailable
from app.orchestrator.records import NewDelivery
from app.recall.signatures import Secret, parse_secret
from app.web.application import WebParts, create_app
from tests.web.receiver import event_body, signature_headers
from tests.web.receiver_app import SECRETS


class ListInbox:
    """Keeps what it is given, or refuses all of it."""

    def __init__(self) -> None:
        self.rows: list[NewDelivery] = []
        self.rejected: list[tuple[str, str]] = []
        self.plausible: list[bool] = []
        self.error: Exception | None = None

    def submit(self, row: NewDelivery) -> None:
        if self.error:
            raise self.error
        self.rows.append(row)

    def submit_deferred(self, row: NewDelivery, answer: Future[bool]) -> None:
        raise AssertionError("Flask's test client cannot answer late")

    def note_rejected(self, kind: str, *, remedy: str = "", is_plausible: bool = False) -> None:
        self.rejected.append((kind, remedy))
        self.plausible.append(is_plausible)


@pytest.fixture
def inbox() -> ListInbox:
    return ListInbox()


@pytest.fixture
def client(inbox: ListInbox) -> FlaskClient:
    return app_of(inbox).test_client()


def app_of(
    inbox: ListInbox, *, is_ready: bool = True, secrets: Mapping[str, tuple[Secret, ...]] | None = None
) -> Flask:
    usual = {"default": (parse_secret(f"blue={SECRETS[0]}"),), "poll_only": ()}
    return create_app(
        WebParts(
            secrets_by_workspace=usual if secrets is None else secrets,
            committer=inbox,
            readiness=lambda: ({"status": "ok" if is_ready else "unavailable"}, is_ready),
            metrics=lambda: b"up 1\n",
        )
    )


def test_delivery_reaches_the_inbox_with_its_times_and_the_name_of_its_secret(
    client: FlaskClient, inbox: ListInbox
) -> None:
    body = event_body()
    headers = signature_headers(body, webhook_id="msg_1")

    answer = client.post("/webhooks/recall", data=body, headers=headers)

    assert answer.status_code == 202
    (row,) = inbox.rows
    assert (row.workspace, row.webhook_id, row.secret_label, row.body) == ("default", "msg_1", "blue", body)
    assert row.sent_at_s == int(headers["webhook-timestamp"])
    assert 0 <= row.received_at_s - row.sent_at_s < 60


def test_workspace_without_secrets_accepts_nothing(client: FlaskClient, inbox: ListInbox) -> None:
    body = event_body()

    assert (
        client.post("/webhooks/recall/poll_only", data=body, headers=signature_headers(body)).status_code
        == 401
    )
    assert inbox.rows == []


def test_rejection_is_noted_with_its_remedy(client: FlaskClient, inbox: ListInbox) -> None:
    client.post("/webhooks/recall", data=b"{}")

    ((kind, remedy),) = inbox.rejected
    assert kind == "missing_headers"
    assert "verification secret" in remedy


def test_store_that_is_away_is_503_and_our_own_fault_500_and_logged_without_its_message(
    client: FlaskClient, inbox: ListInbox
) -> None:
    body = event_body()
    inbox.error = StoreUnavailable("locked")
    assert client.post("/webhooks/recall", data=body, headers=signature_headers(body)).status_code == 503

    inbox.error = RuntimeError("quotes the body")
    with capture_logs() as logs:
        answer = client.post("/webhooks/recall", data=body, headers=signature_headers(body))
    assert answer.status_code == 500
    assert b'"internal_error"' in answer.data
    assert logs[0]["error"] == "RuntimeError"
    assert "in submit" in logs[0]["stack"]
    assert "quotes the body" not in str({**logs[0], "stack": ""})


def test_health_readiness_and_metrics_answer(client: FlaskClient, inbox: ListInbox) -> None:
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").json == {"status": "ok"}
    assert client.get("/metrics").data == b"up 1\n"
    assert app_of(inbox, is_ready=False).test_client().get("/readyz").status_code == 503
