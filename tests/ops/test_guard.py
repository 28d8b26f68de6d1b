"""Who may look: no request without the password; and every way to send a POST in a person's name."""

from __future__ import annotations

import base64
import http.client
import json
import sys
from pathlib import Path

import pytest

from app.adapters.redis.job_queue import RECALL
from tests.ops.conftest import NAMES, PASSWORD, Console, basic
from tests.web import receiver as receivers

PLACES = ("/ops", "/ops/", "/ops/rq", "/ops/rq/", "/ops/rq/0/view/jobs", "/ops/rq/job/x/requeue", "/metrics")
TOKEN = "a token=of its own"
# What a proxy on this machine, a person at it or a stranger may send; none of it is proof of anything.
ENVIRONS: list[dict[str, str]] = [
    {},
    {"HTTP_HOST": "127.0.0.1:8000", "REMOTE_ADDR": "127.0.0.1"},
    {"HTTP_HOST": "localhost"},
    {"HTTP_HOST": "[::1]:8000", "REMOTE_ADDR": "::1"},
    {"HTTP_HOST": "afterword.example.com"},
    {"HTTP_HOST": "["},
    {"HTTP_X_FORWARDED_FOR": "127.0.0.1"},
    {"HTTP_AUTHORIZATION": basic("ops", "")},
    {"HTTP_AUTHORIZATION": basic("ops", "None")},
    {"HTTP_AUTHORIZATION": "Bearer "},
    {"HTTP_SEC_FETCH_SITE": "same-origin", "HTTP_ORIGIN": "http://localhost:8000"},
]


@pytest.mark.parametrize("environ", ENVIRONS, ids=str)
@pytest.mark.parametrize("nothing", [None, ""])
def test_without_a_password_nothing_is_there_for_anyone(
    console: Console, environ: dict[str, str], nothing: str | None
) -> None:
    client = console(password=nothing, metrics_token=nothing)
    for path in PLACES:
        for ask in (client.get, client.post, client.put, client.head, client.options):
            answer = ask(path, environ_overrides=environ)
            assert answer.status_code == 404, path
            if ask is client.get:
                assert answer.get_json() == client.get("/nowhere").get_json()  # not even that it exists


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/v1/transcriptions", "/opsx", "/metricsx", "/"])
def test_everything_else_is_not_guarded(console: Console, path: str) -> None:
    answer = console(is_known=False).get(path)
    assert "Basic" not in answer.headers.get("WWW-Authenticate", "")
    assert "Content-Security-Policy" not in answer.headers


WRONG = [
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
    "Digest a*=utf-8''%ff",
    "Digest a*=x'y",
    "\xe4\xf6 \xff",
    "Bearer \xff\xfe",
    "Basic " + "A" * 100_000,
]


@pytest.mark.parametrize("authorization", WRONG)
@pytest.mark.parametrize("token", [None, TOKEN])
def test_with_a_password_a_request_that_does_not_know_it_gets_401(
    console: Console, authorization: str | None, token: str | None
) -> None:
    client = console(is_known=False, metrics_token=token)
    headers = {} if authorization is None else {"Authorization": authorization}
    for path in PLACES:
        answer = client.get(path, headers=headers)
        assert answer.status_code == 401, path
        assert answer.headers["WWW-Authenticate"] == 'Basic realm="Afterword", charset="UTF-8"'


@pytest.mark.parametrize("password", [PASSWORD, "päßwörd", "a:b:c"])
def test_with_the_password_one_may_look_from_anywhere(console: Console, password: str) -> None:
    client = console(password=password)
    far = {"HTTP_HOST": "afterword.example.com", "HTTP_X_FORWARDED_FOR": "192.0.2.9"}
    assert client.get("/metrics", environ_overrides=far).status_code == 200
    answer = client.get("/ops/", environ_overrides=far)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/ops/rq/")


def test_token_opens_metrics_and_nothing_else(console: Console) -> None:
    client = console(is_known=False, metrics_token=TOKEN)
    bearing = {"Authorization": f"bearer  {TOKEN}"}
    assert client.get("/metrics", headers=bearing).status_code == 200
    for path in (*PLACES[:-1], "/metrics/", "/metrics/x"):
        assert client.get(path, headers=bearing).status_code == 401, path
    for wrong in (
        f"Bearer {TOKEN}x",
        "Bearer",
        f"Basic {TOKEN}",
        f"Token {TOKEN}",
        f"Bearer {TOKEN.upper()}",
    ):
        assert client.get("/metrics", headers={"Authorization": wrong}).status_code == 401


def test_token_alone_leaves_the_console_shut(console: Console) -> None:
    client = console(password=None, metrics_token="tökén")
    bearing = {"Authorization": b"Bearer t\xc3\xb6k\xc3\xa9n".decode("latin-1")}
    assert client.get("/metrics", headers=bearing).status_code == 200
    assert client.get("/metrics").status_code == 401
    for path in PLACES[:-1]:
        assert client.get(path, headers=bearing).status_code == 404


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
def test_post_that_another_site_may_have_sent_is_refused(console: Console, headers: dict[str, str]) -> None:
    client = console()
    for path in ("/ops/rq/job/x/requeue", "/ops/rq/requeue/recall", "/ops/rq/queue/recall/compact"):
        assert client.post(path, headers=headers).status_code == 403


@pytest.mark.parametrize("headers", OWN_POSTS, ids=str)
def test_post_of_our_own_page_goes_on_to_the_board(console: Console, headers: dict[str, str]) -> None:
    # No Redis is there: that it is missed shows that the guard let the request pass.
    path = f"/ops/rq/queue/{NAMES[RECALL]}/compact"
    assert console().post(path, headers=headers).status_code == 503


DIRECTIVES = ("default-src", "connect-src", "form-action", "frame-ancestors", "base-uri", "object-src")


@pytest.mark.parametrize(
    "path", ["/ops", "/ops/rq/", "/ops/rq/nowhere", "/ops/rq/0/data/queues.json", "/metrics"]
)
@pytest.mark.parametrize("is_known", [True, False])
def test_every_answer_is_confined_and_cannot_be_framed(console: Console, path: str, is_known: bool) -> None:
    answer = console(is_known=is_known).get(path)
    assert answer.headers["X-Frame-Options"] == "DENY"
    policy = answer.headers["Content-Security-Policy"]
    found = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert found.keys() >= set(DIRECTIVES)
    assert (
        found["default-src"]
        == found["frame-ancestors"]
        == found["base-uri"]
        == found["form-action"]
        == "'none'"
    )
    assert "unsafe" not in policy


@pytest.mark.slow
@pytest.mark.parametrize(("password", "expected"), [(None, 404), (PASSWORD, 401)])
def test_real_server_on_loopback_opens_nothing_to_a_proxy_that_says_nothing_of_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, password: str | None, expected: int
) -> None:
    monkeypatch.delenv("PASSWORD", raising=False)
    if password is not None:
        monkeypatch.setenv("PASSWORD", password)
    command = [sys.executable, "-m", "gunicorn", "tests.ops.guarded_app:create()"]
    running = receivers.start(tmp_path, command=command)
    try:
        for path in PLACES:
            assert _get(running.port, path) == expected
            assert _get(running.port, path, method="POST") == expected
        if password is not None:
            known = {"Authorization": basic("ops", password)}
            assert _get(running.port, "/metrics", headers=known) == 200
            assert _get(running.port, "/ops/rq/", headers=known) == 503  # there is no Redis
    finally:
        receivers.stop(running)


def _get(port: int, path: str, *, method: str = "GET", headers: dict[str, str] | None = None) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, headers={"Host": "localhost", **(headers or {})})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    if answer.status == 404:
        assert json.loads(body) == {"error": {"code": "not_found"}}
    return answer.status
