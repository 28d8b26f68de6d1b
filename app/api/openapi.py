"""
The OpenAPI 3.1 document of `/v1` and a page to read, both made of the table of routes and its types.

https://spec.openapis.org/oas/v3.1.1 - its schemas are JSON Schema 2020-12, which is what pydantic writes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from app.api.calls import METADATA, Route
from app.api.problems import CODES
from app.api.types import UUID_PATTERN, ErrorAnswer

_REF = "#/components/schemas/{model}"
# Of every route with a key.
_COMMON = (
    *("bad_framing", "unauthorized", "forbidden", "not_found", "invalid_request", "rate_limited"),
    *("too_slow", "too_large", "busy", "unavailable", "internal_error"),
)
_PATH_SCHEMAS: Mapping[str, dict[str, Any]] = {
    "recording_id": {
        "type": "string",
        "pattern": UUID_PATTERN,
        "examples": ["0f5b1b1e-8b1f-4b52-8a6e-0d5b4c4f1f10"],
    },
    "id": {"type": "string", "description": "of the transcription, or of its recording"},
    "name": {"type": "string", "description": "one of its `files`"},
    "workspace": {"type": "string", "examples": ["default"]},
}


def document_of(routes: Sequence[Route]) -> str:
    """The document, as JSON."""
    schemas = _schemas(routes)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path = "/v1" + re.sub(r"<(\w+)>", r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route)
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "Afterword",
            "version": "1",
            "description": "Transcriptions of Recall.ai recordings.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"key": []}],
    }
    return json.dumps(document)


def _models(routes: Iterable[Route]) -> list[type[BaseModel]]:
    found: dict[type[BaseModel], None] = {ErrorAnswer: None}
    for route in routes:
        for kind in (*route.answers.values(), route.body):
            if kind is not None:
                found[kind] = None
    return list(found)


def _schemas(routes: Sequence[Route]) -> dict[str, Any]:
    _, document = models_json_schema([(model, "validation") for model in _models(routes)], ref_template=_REF)
    return dict(document["$defs"])


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": route.about,
        "operationId": f"{route.run.__name__}_{route.method.lower()}_{_words(route.path)}",
        "description": f"Scope: `{route.scope}`.",
        "parameters": [*_path_parameters(route), *_query_parameters(route), *_header_parameters(route)],
        "responses": {**_good(route), **_problems(route)},
    }
    if route.body is not None:
        schema = {"$ref": _REF.format(model=route.body.__name__)}
        required = any(field.is_required() for field in route.body.model_fields.values())
        operation["requestBody"] = {"required": required, "content": {"application/json": {"schema": schema}}}
    return operation


def _words(path: str) -> str:
    return "_".join(re.findall(r"\w+", path))


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": _PATH_SCHEMAS[name]}
        for name in re.findall(r"<(\w+)>", route.path)
    ]


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    schema = route.query.model_json_schema()
    found = [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "description": kind.get("description", ""),
            "schema": _not_null(kind),
        }
        for name, kind in schema.get("properties", {}).items()
    ]
    if route.has_metadata:
        values = {"type": "string", "pattern": r"^[^\x00-\x1f\x7f]*$", "maxLength": 500}
        pattern = rf"^{re.escape(METADATA)}[^\x00-\x1f\x7f]+$"
        found.append(
            {
                "name": "metadata_filters",
                "in": "query",
                "style": "form",
                "explode": True,
                "description": f"`{METADATA}KEY=VALUE`: recordings or bots with this metadata",
                "schema": {
                    "type": "object",
                    "patternProperties": {pattern: values},
                    "additionalProperties": False,
                },
            }
        )
    return found


def _not_null(kind: Mapping[str, Any]) -> dict[str, Any]:
    """A parameter is left out, and never null."""
    given = {k: v for k, v in kind.items() if k not in ("default", "title", "description")}
    some = [one for one in given.get("anyOf", ()) if one.get("type") != "null"]
    return {**{k: v for k, v in given.items() if k != "anyOf"}, **some[0]} if some else given


def _header_parameters(route: Route) -> list[dict[str, Any]]:
    if route.method != "POST":
        return []
    about = "the same request sent again within a day is done once"
    schema = {"type": "string", "pattern": r"^[\x21-\x7e]{1,255}$"}
    return [{"name": "Idempotency-Key", "in": "header", "description": about, "schema": schema}]


def _good(route: Route) -> dict[str, Any]:
    answers = {}
    for status, kind in route.answers.items():
        answer: dict[str, Any] = {"description": {200: "Done", 201: "Begun", 202: "Accepted"}.get(status, "")}
        if kind is not None:
            answer["content"] = {"application/json": {"schema": {"$ref": _REF.format(model=kind.__name__)}}}
        elif route.path.endswith("<name>") and status in (200, 206):
            answer["content"] = {"*/*": {"schema": {}}}
        answers[str(status)] = answer
    return answers


def _problems(route: Route) -> dict[str, Any]:
    by_status: dict[int, list[str]] = {}
    for code in (*_COMMON, *route.codes):
        by_status.setdefault(CODES[code][0], []).append(code)
    schema = {"application/json": {"schema": {"$ref": _REF.format(model="ErrorAnswer")}}}
    return {
        str(status): {"description": ", ".join(f"`{code}`" for code in codes), "content": schema}
        for status, codes in sorted(by_status.items())
    }


def page_of(document: str) -> str:
    """The same to read: one page, nothing loaded from anywhere."""
    read = json.loads(document)
    pages = Environment(loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True)
    return pages.get_template("docs.html").render(
        paths=read["paths"], schemas=read["components"]["schemas"], codes=CODES
    )
