"""Who may: keys, scopes, workspaces, rates; all before route and body."""

from __future__ import annotations

import itertools
import time
import uuid
from pathlib import Path

import pytest

from app.adapters.sql.access import AccessKey
from app.api.keys import Keyring, Scope, digest_of, new_key
from app.api.limits import Slots
from app.core import events
from app.errors import StoreUnavailable
from app.settings.values import SCOPES
from tests.api.stage import Stage, open_stage

NOWHERE = str(uuid.uuid4())


PATHS = ("", "/", "/transcriptions", "/nothing/there", "/openapi.jsonx", "/search?q=x", "/docs/", "/%0a")
METHODS = ("GET", "POST", "DELETE", "OPTIONS", "PUT", "PATCH", "HEAD")
WRONG = (None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic YTpi", "Bearer \xff", "Bearer a=b")


@pytest.mark.slow
def test_without_a_right_key_every_path_answers_the_same(stage: Stage) -> None:
    for path, method, header in itertools.product(PATHS, METHODS, WRONG):
        headers = {} if header is None else {"Authorization": header}
        answer = stage.client.open(f"/v1{path}", method=method, headers=headers, data=b"{")
        assert answer.status_code == 401, (path, method, header)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        if method != "HEAD":
            assert b'"unauthorized"' in answer.data


def test_a_key_opens_what_its_scopes_say_and_no_more(stage: Stage) -> None:
    recording = stage.stored()
    reader = stage.new_key("reader", Scope.READ)
    assert stage.get(f"/transcriptions/{recording}", key=reader).status_code == 200
    for answer in (
        stage.order(recording, key=reader),
        stage.ask("DELETE", f"/transcriptions/{recording}", key=reader),
        stage.get("/projects/default/config/processing", key=reader),
        stage.ask("PUT", "/projects/default/config/processing", key=reader, data=b"not read"),
    ):
        assert answer.status_code == 403
        assert "scope" in answer.json["error"]["message"]


@pytest.mark.slow
def test_a_key_of_one_workspace_finds_nothing_of_another(stage: Stage) -> None:
    theirs = stage.stored(workspace="other")
    ours = stage.stored()
    key = stage.new_key("ours", *Scope, workspace="default")
    id_ = stage.get(f"/transcriptions/{theirs}").json["id"]
    for path in (theirs, id_, f"{theirs}/files/manifest.json"):
        assert stage.get(f"/transcriptions/{path}", key=key).status_code == 404
    assert stage.ask("DELETE", f"/transcriptions/{id_}", key=key).status_code in (404, 422)
    assert stage.get("/projects/other/config/processing", key=key).status_code == 404
    shown = stage.get("/transcriptions", key=key).json["data"]
    assert [row["recording_id"] for row in shown] == [ours]
    assert len(stage.get("/transcriptions").json["data"]) == 2


def test_a_revoked_key_opens_nothing(stage: Stage) -> None:
    key = stage.new_key("gone", Scope.READ)
    assert stage.get("/transcriptions", key=key).status_code == 200
    assert stage.store.revoke_access_key("gone")
    assert not stage.store.revoke_access_key("gone")
    ring = Keyring(stage.store.access_keys)
    assert ring.key_of(f"Bearer {key}") is None
    assert ring.key_of(f"Bearer {stage.key}") is not None


def test_a_key_of_the_settings_is_as_good(tmp_path: Path) -> None:
    key = new_key()
    named = f"bi=transcriptions:read+config:read={digest_of(key)}"
    stage = open_stage(tmp_path, AFTERWORD_API_KEYS=named)
    assert stage.get("/transcriptions", key=key).status_code == 200
    assert stage.order(NOWHERE, key=key).status_code == 403
    stage.store.close()


def test_the_scopes_of_the_settings_are_those_of_the_api() -> None:
    assert {str(scope) for scope in Scope} == SCOPES


def test_keys_are_read_once_a_second_and_a_database_away_takes_none_away() -> None:
    key, reads = new_key(), 0

    def kept() -> list[AccessKey]:
        nonlocal reads
        reads += 1
        if reads > 1:
            raise StoreUnavailable("away")
        return [AccessKey("a", digest_of(key), frozenset({Scope.READ}))]

    ring = Keyring(kept)
    for _ in range(50):
        assert ring.key_of("Bearer wrong") is None
    assert reads == 1
    ring._read_at -= 10
    assert ring.key_of(f"Bearer {key}") is not None
    assert reads == 2


def test_every_known_key_is_compared_whatever_is_given() -> None:
    """The time of a wrong key, of one that is nearly right and of a right one differ by noise alone."""
    keys = [new_key() for _ in range(50)]
    ring = Keyring(lambda: [AccessKey(k, digest_of(k), frozenset()) for k in keys])
    ring.key_of("Bearer warm")

    def median_s(header: str) -> float:
        times = []
        for _ in range(300):
            begin = time.perf_counter()
            ring.key_of(header)
            times.append(time.perf_counter() - begin)
        return sorted(times)[len(times) // 2]

    near = keys[0][:-1] + ("a" if keys[0][-1] != "a" else "b")
    taken = [median_s(f"Bearer {given}") for given in (keys[0], keys[-1], near, new_key())]
    assert max(taken) < 2 * min(taken)


@pytest.mark.slow
def test_a_key_that_asks_too_often_waits_and_another_does_not(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text("[api]\nrequests_per_minute = 5\n")
    stage = open_stage(tmp_path, AFTERWORD_POLICY="policy.toml")
    other = stage.new_key("other", Scope.READ)
    time.sleep(1.1)  # the ring has been read
    codes = [stage.get("/transcriptions").status_code for _ in range(7)]
    assert codes == [200] * 5 + [429] * 2
    refused = stage.get("/nothing")
    assert refused.json["error"]["code"] == "rate_limited"
    assert 1 <= int(refused.headers["Retry-After"]) <= 13
    assert stage.get("/transcriptions", key=other).status_code == 200
    stage.store.close()


def test_one_key_takes_half_of_the_slots_and_gives_them_back() -> None:
    slots = Slots(4)
    first, second = slots.take("a"), slots.take("a")
    assert first is not None
    assert second is not None
    assert slots.take("a") is None
    other = slots.take("b")
    assert other is not None
    first()
    first()  # twice is once
    assert slots.take("a") is not None
    assert slots.take("a") is None
    other()


@pytest.mark.slow
def test_slots_are_given_back_whatever_the_answer(stage: Stage) -> None:
    recording = stage.stored()
    for _ in range(20):
        stage.get("/nothing")
        stage.get(f"/transcriptions/{recording}")
        stage.ask("HEAD", f"/transcriptions/{recording}/files/transcript.txt")
        stage.order(recording, {"language": 3})
    assert stage.get("/transcriptions").status_code == 200


def test_cors_is_off_unless_an_origin_is_named(stage: Stage) -> None:
    closed = stage.get("/transcriptions", headers={"Origin": "https://a.example"})
    assert not [name for name, _ in closed.headers if "Access-Control" in name]
    home = stage.settings.home / "named"
    home.mkdir()
    (home / "policy.toml").write_text('[api]\ncors_origins = ["https://a.example"]\n')
    named = open_stage(home, AFTERWORD_POLICY="policy.toml")
    asked = {"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}
    preflight = named.client.options("/v1/transcriptions", headers=asked)
    assert preflight.status_code == 204
    assert preflight.headers["Access-Control-Allow-Origin"] == "https://a.example"
    other = named.client.options("/v1/transcriptions", headers={**asked, "Origin": "https://b.example"})
    assert other.status_code == 401
    assert "Access-Control-Allow-Origin" not in other.headers
    named.store.close()


def test_wrong_methods_and_paths_say_what_there_is(stage: Stage) -> None:
    answer = stage.ask("PATCH", "/transcriptions")
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD"}
    assert stage.get("/webhooks").json["error"]["code"] == "no_route"
    stage.happens(NOWHERE, events.RecordingDone(stage.store.now()))
    assert stage.get(f"/transcriptions/{NOWHERE}/").status_code == 200
