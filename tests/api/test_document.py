"""The OpenAPI document says what the routes do; the page loads nothing from anywhere."""

from __future__ import annotations

import json
import re
from typing import Any

from app.api.problems import CODES
from tests.api.stage import Stage


def document(stage: Stage) -> Any:
    return json.loads(stage.client.get("/v1/openapi.json").data)


def test_every_route_is_in_it_and_every_reference_leads_somewhere(stage: Stage) -> None:
    told = document(stage)
    assert told["openapi"].startswith("3.1")
    assert {(method, path) for path, methods in told["paths"].items() for method in methods} == {
        ("post", "/v1/recordings/{recording_id}/transcribe"),
        ("get", "/v1/transcriptions"),
        ("get", "/v1/transcriptions/{id}"),
        ("delete", "/v1/transcriptions/{id}"),
        ("get", "/v1/transcriptions/{id}/files/{name}"),
        ("get", "/v1/search"),
        ("get", "/v1/projects/{workspace}/config/processing"),
        ("put", "/v1/projects/{workspace}/config/processing"),
    }
    text = json.dumps(told)
    for name in re.findall(r'"#/components/schemas/(\w+)"', text):
        assert name in told["components"]["schemas"]
    operations = [o for methods in told["paths"].values() for o in methods.values()]
    assert len({o["operationId"] for o in operations}) == len(operations)


def test_every_code_stands_at_a_route_and_on_the_page(stage: Stage) -> None:
    routes, page = json.dumps(document(stage)["paths"]), stage.client.get("/v1/docs").text
    for code in CODES:
        assert f"<code>{code}</code>" in page
        if code not in ("no_route", "method_not_allowed"):  # of paths and methods that are none
            assert f"`{code}`" in routes, code


def test_the_page_is_readable_and_loads_nothing(stage: Stage) -> None:
    answer = stage.client.get("/v1/docs")
    assert answer.content_type == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert not re.search(r"(src|href)=\"(?!/v1/)", answer.text)
    assert "<script" not in answer.text
    assert "POST /v1/recordings/{recording_id}/transcribe" in answer.text
    assert "language" in answer.text


def test_both_need_no_key_and_take_no_other_method(stage: Stage) -> None:
    for path in ("/v1/docs", "/v1/openapi.json"):
        assert stage.client.get(path).status_code == 200
        assert stage.client.head(path).status_code == 200
        assert stage.client.post(path).status_code == 401
