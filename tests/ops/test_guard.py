"""Who may look: every way to come from elsewhere, and every way to send a POST in somebody's name."""

from __future__ import annotations

import base64
import http.client
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from app.ops import guard
from tests.ops.conftest import LOCAL_ENVIRON, Console, SocketBetween
from tests.web import receiver as receivers

PASSWORD = "correct horse: battery"
PLACES = ("/ops", "/ops/", "/ops/rq", "/ops/rq/", "/ops/rq/0/view/jobs", "/ops/rq/job/x/requeue", "/metrics")
ELSEWHERE: list[dict[str, Any]] = [
    {"gunicorn.socket": SocketBetween(local=("192.0.2.7", 8000))},
    {"gunicorn.socket": SocketBetween(peer=("192.0.2.8", 50000))},
    {"gunicorn.socket": SocketBetween(peer=("::ffff:192.0.2.8", 50000, 0, 0))},
    {"gunicorn.socket": SocketBetween(local=("fe80::1%eth0", 8000, 0, 2))},
    {"gunicorn.socket": SocketBetween(local=("0.0.0.0", 8000))},
    {"gunicorn.socket": SocketBetween(local="/run/afterword.sock", peer="")},
    {"gunicorn.socket": SocketBetween(local=())},
    {"gunicorn.socket": SocketBetween(peer=None)},
    {"gunicorn.socket": None},
    {"HTTP_HOST": "afterword.example.com"},
    {"HTTP_HOST": "localhost.example.com"},
    {"HTTP_HOST": "localhost:8000,example.com"},
    {"HTTP_HOST": "localhost:8000\n"},
    {"HTTP_HOST": "localhost:٣"},
    {"HTTP_HOST": "127.0.0.1.nip.io"},
    {"HTTP_HOST": "127.0.0.2"},
    {"HTTP_HOST": "[::1"},
    {"HTTP_HOST": ""},
    {"HTTP_FORWARDED": "for=192.0.2.8"},
    {"HTTP_FORWARDED": ""},
    {"HTTP_X_FORWARDED_FOR": "127.0.0.1"},
    {"HTTP_X_FORWARDED_PROTO": "https"},
    {"HTTP_X_FORWARDED_HOST": "localhost"},
    {"HTTP_X_REAL_IP": "127.0.0.1"},
    {"HTTP_VIA": "1.1 proxy"},
]
LOCAL: list[dict[str, Any]] = [
    {},
    {"HTTP_HOST": "127.0.0.1:8000"},
    {"HTTP_HOST": "LocalHost"},
    {"HTTP_HOST": "[::1]:65000"},
    {"gunicorn.socket": SocketBetween(("::1", 8000, 0, 0), ("::1", 50000, 0, 0))},
    {"gunicorn.socket": SocketBetween(("::ffff:127.0.0.1", 8000, 0, 0), ("::ffff:127.0.0.1", 50000, 0, 0))},
    {"gunicorn.socket": SocketBetween(("127.0.0.9", 8000), ("127.0.0.1", 50000))},
]


@pytest.mark.parametrize("change", ELSEWHERE, ids=str)
def test_without_a_password_whoever_may_be_elsewhere_gets_404(
    console: Console, change: dict[str, Any]
) -> None:
    client = console()
    for path in PLACES:
        answer = client.get(path, environ_overrides=change)
        assert answer.status_code == 404, path
        assert answer.get_json() == client.get("/nowhere").get_json()  # not even that it exists
        assert client.post(path, environ_overrides=change).status_code == 404


def test_under_an_unknown_server_nobody_is_local(console: Console) -> None:
    client = console()
    del client.environ_base["gunicorn.socket"]
    assert client.get("/metrics").status_code == 404


@pytest.mark.parametrize("change", LOCAL, ids=str)
def test_without_a_password_a_person_at_this_machine_may_look(
    console: Console, change: dict[str, Any]
) -> None:
    client = console()
    assert client.get("/metrics", environ_overrides=change).status_code == 200
    answer = client.get("/ops/", environ_overrides=change)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/ops/rq/")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/v1/transcriptions", "/opsx", "/metricsx", "/"])
def test_everything_else_is_not_guarded(console: Console, path: str) -> None:
    client = console(password=PASSWORD)
    answer = client.get(path, environ_overrides={"HTTP_HOST": "afterword.example.com"})
    assert "Basic" not in answer.headers.get("WWW-Authenticate", "")
    assert "Content-Security-Policy" not in answer.headers


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Basic",
        "Basic !!!",
        "Basic " + base64.b64encode(b"ops").decode(),
        "Basic " + base64.b64encode(b"ops:\xff\xfe").decode(),
        basic("ops", ""),
        basic("ops", PASSWORD[:-1]),
        basic("ops", PASSWORD + " "),
        basic("ops", PASSWORD.upper()),
        basic("Ops", PASSWORD),
        basic("", PASSWORD),
        basic(PASSWORD, "ops"),
        f"Bearer {PASSWORD}",
        f"Digest username=ops, response={PASSWORD}",
    ],
)
def test_with_a_password_whoever_does_not_know_it_gets_401_even_here(
    console: Console, authorization: str | None
) -> None:
    client = console(password=PASSWORD)
    headers = {} if authorization is None else {"Authorization": authorization}
    for path in PLACES:
        answer = client.get(path, headers=headers)
        assert answer.status_code == 401, path
        assert answer.headers["WWW-Authenticate"] == 'Basic realm="Afterword", charset="UTF-8"'


@pytest.mark.parametrize("password", [PASSWORD, "päßwörd", "a:b:c"])
def test_with_the_password_one_may_look_from_anywhere(console: Console, password: str) -> None:
    client = console(password=password)
    far = {
        "gunicorn.socket": SocketBetween(("192.0.2.7", 8000), ("192.0.2.8", 50000)),
        "HTTP_HOST": "afterword.example.com",
        "HTTP_X_FORWARDED_FOR": "192.0.2.9",
    }
    headers = {"Authorization": basic("ops", password)}
    assert client.get("/metrics", headers=headers, environ_overrides=far).status_code == 200


def test_empty_password_is_none_rather_than_one_everybody_knows(console: Console) -> None:
    client = console(password="")
    answer = client.get(
        "/metrics", headers={"Authorization": basic("ops", "")}, environ_overrides=ELSEWHERE[0]
    )
    assert answer.status_code == 404


FOREIGN_POSTS: list[dict[str, str]] = [
    {},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
    {"Origin": "null"},
    {"Origin": "http://localhost:8001"},
    {"Origin": "http://evil.example"},
    {"Origin": "http://evil.example", "Referer": "http://localhost/ops/rq/"},
    {"Origin": "ftp://localhost:8000"},
    {"Origin": "http://["},
    {"Origin": "localhost"},
    {"Referer": "http://evil.example/localhost/"},
    {"Referer": "http://localhost@evil.example/"},
]
OWN_POSTS: list[dict[str, str]] = [
    {"Sec-Fetch-Site": "same-origin"},
    {"Origin": "http://localhost"},
    {"Origin": "HTTPS://LOCALHOST"},
    {"Referer": "http://localhost/ops/rq/0/view/jobs"},
]


@pytest.mark.parametrize("headers", FOREIGN_POSTS, ids=str)
@pytest.mark.parametrize("password", [None, PASSWORD])
def test_post_that_another_site_may_have_sent_is_refused(
    console: Console, headers: dict[str, str], password: str | None
) -> None:
    client = console(password=password)
    allowed = headers | {"Authorization": basic("ops", PASSWORD)}
    for path in ("/ops/rq/job/x/requeue", "/ops/rq/requeue/recall", "/ops/rq/queue/recall/compact"):
        assert client.post(path, headers=allowed).status_code == 403


@pytest.mark.parametrize("headers", OWN_POSTS, ids=str)
def test_post_of_our_own_page_goes_on_to_the_board(console: Console, headers: dict[str, str]) -> None:
    # No Redis is there: that it is missed shows that the guard let the request pass.
    assert console().post("/ops/rq/queue/recall/compact", headers=headers).status_code == 503


def test_pages_cannot_be_framed(console: Console) -> None:
    answer = console().get("/ops/rq/")
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


def test_local_environment_of_these_tests_is_local() -> None:
    assert guard.is_local(LOCAL_ENVIRON)


@pytest.mark.slow
def test_real_server_tells_the_guard_both_ends_of_the_connection(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gunicorn", "tests.ops.guarded_app:create()"]
    running = receivers.start(tmp_path, command=command)
    try:
        assert _get(running.port, "/metrics") == 200
        assert _get(running.port, "/metrics", host="evil.example") == 404
        assert _get(running.port, "/metrics", headers={"X-Forwarded-For": "127.0.0.1"}) == 404
        assert _get(running.port, "/ops/rq/") == 503  # there is no Redis
    finally:
        receivers.stop(running)


def _get(port: int, path: str, *, host: str = "localhost", headers: dict[str, str] | None = None) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers={"Host": host, **(headers or {})})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    if answer.status == 404:
        assert json.loads(body) == {"error": {"code": "not_found"}}
    return answer.status
