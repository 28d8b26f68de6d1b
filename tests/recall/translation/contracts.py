"""
Every golden body against what its reader publishes: Recall's OpenAPI document (form "recall") and the
vendors' own typed packages (form "vendor"). `./afterword test --contracts` runs it; what is not here is left
out by name.

Where a package and the vendor's documents disagree, the complaint stands below with its reason. Both a new
complaint and one that has gone fail.
"""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from app.core.intent import Intent
from app.recall.translation import Translated, translated
from app.recall.translation.codes import Codes
from app.recall.translation.outcome import Generation
from app.recall.translation.table import TABLE
from tests.recall.translation.cases import CASES
from tests.recall.translation.golden import body
from tests.recall.translation.typed import Complaints, complaints

ROOT = Path(__file__).resolve().parents[3]
# https://docs.recall.ai/reference, "OpenAPI"; beside the clone, or put there by hand.
OPENAPI = [ROOT.parent / "shared" / "recall" / "openapi.json", ROOT / "var" / "openapi.json"]
_CREATE = "RecordingCreateTranscriptArtifact"

KNOWN: Mapping[str, Mapping[str, str]] = {
    "deepgram_async": {
        "redact: not str": "https://developers.deepgram.com/docs/redaction: may be repeated",
    },
    "gladia_v2_async": {
        "pii_redaction_config.entity_types: not one of its types": "Gladia's page of it has a list",
    },
    "speechmatics_async": {
        "language_identification_config.low_confidence_action: unknown": "its OpenAPI document has it",
    },
}
# Sent in Recall's older form, though its open object does not have it: harmless, and both pinned and redacted
# where the form is the vendor's after all.
KNOWN_OPEN = {"gladia_v2_async": {"model", "pii_redaction", "pii_redaction_config"}}


def _intents(provider: str, generation: Generation) -> Iterator[tuple[Intent, float | None, int]]:
    for case in CASES:
        yield case.intent, case.recording_s, case.model
    for tag in _tags(TABLE[provider].column(generation).one.codes):
        yield Intent(languages=(tag,)), 600.0, 0


def _tags(codes: Codes) -> list[str]:
    return sorted({*codes.listed, *codes.renamed, *codes.regions})


def bodies(provider: str, generation: Generation) -> list[Translated]:
    told = (
        translated(provider, intent, generation, recording_s=length, model=model)
        for intent, length, model in _intents(provider, generation)
    )
    made = [each for each in told if isinstance(each, Translated)]
    assert len(made) > 20
    return made


def _need(package: str) -> None:
    pytest.importorskip(
        package, reason=f"{package} is not installed: pip install -r requirements-contracts.lock into .venv"
    )


# --- Recall's document --------------------------------------------------------------------------------------


@cache
def _document() -> dict[str, Any]:
    found = next((path for path in OPENAPI if path.is_file()), None)
    if found is None:
        pytest.skip("Recall's OpenAPI document is not in var/openapi.json")
    document: dict[str, Any] = json.loads(found.read_text("utf-8"))
    return document


def _closed(schema: Any) -> Any:
    """
    The schema, with objects that take no other name. Recall's `oneOf` has branches that both match: `anyOf`.
    """
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {"anyOf" if name == "oneOf" else name: _closed(value) for name, value in schema.items()}
    if isinstance(schema.get("properties"), dict):
        closed.setdefault("additionalProperties", False)
    return closed


@pytest.mark.parametrize("provider", TABLE)
def test_the_form_recall_fits_its_openapi_document(provider: str) -> None:
    _need("jsonschema")
    jsonschema = importlib.import_module("jsonschema")
    components = _closed(_document()["components"])
    providers = components["schemas"][f"{_CREATE}Provider"]["properties"]
    if provider not in providers:
        pytest.skip(f"{provider} is younger than this OpenAPI document")
    schema = {"$ref": f"#/components/schemas/{_CREATE}", "components": components}
    validator = jsonschema.Draft4Validator(schema)
    unknown: set[str] = set()
    for told in bodies(provider, "recall"):
        for error in validator.iter_errors(body(provider, told)):
            assert error.validator == "additionalProperties", f"{list(error.absolute_path)}: {error.message}"
            unknown |= set(error.instance) - set(error.schema["properties"])
    assert unknown == KNOWN_OPEN.get(provider, set())


# --- The vendors' packages ----------------------------------------------------------------------------------


def _assembly() -> Callable[[Mapping[str, Any]], Complaints]:
    types = importlib.import_module("assemblyai.types")
    return lambda options: complaints(options, types.RawTranscriptionConfig)


def _deepgram() -> Callable[[Mapping[str, Any]], Complaints]:
    client = importlib.import_module("deepgram.listen.v1.media.client")
    return lambda options: complaints(options, client.MediaClient.transcribe_url)


def _gladia() -> Callable[[Mapping[str, Any]], Complaints]:
    types = importlib.import_module("gladiaio_sdk.v2.prerecorded.generated_types")
    return lambda options: complaints(options, types.PreRecordedV2InitTranscriptionRequest)


def _rev() -> Callable[[Mapping[str, Any]], Complaints]:
    """Its package types nothing: names alone."""
    client = importlib.import_module("rev_ai.apiclient").RevAiAPIClient
    names = inspect.signature(client.submit_job_url).parameters
    return lambda options: {f"{name}: unknown" for name in options if name not in names}


def _speechmatics() -> Callable[[Mapping[str, Any]], Complaints]:
    models = importlib.import_module("speechmatics.batch._models")
    return lambda options: complaints(options, models.JobConfig)


def _elevenlabs() -> Callable[[Mapping[str, Any]], Complaints]:
    client = importlib.import_module("elevenlabs.speech_to_text.client")
    return lambda options: complaints(options, client.SpeechToTextClient.convert)


def _aws() -> Callable[[Mapping[str, Any]], Complaints]:
    session = importlib.import_module("botocore.session").get_session()
    shape = session.get_service_model("transcribe").operation_model("StartTranscriptionJob").input_shape
    validator = importlib.import_module("botocore.validate").ParamValidator()
    needed = {"TranscriptionJobName": "a", "Media": {"MediaFileUri": "s3://a/b"}}

    def held(options: Mapping[str, Any]) -> Complaints:
        report = validator.validate({**needed, **options}, shape).generate_report()
        return {*report.splitlines(), *_not_in_enum(options, shape, "")}

    return held


def _not_in_enum(value: Any, shape: Any, path: str) -> Iterator[str]:
    """botocore does not look at the values of its enumerations."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _not_in_enum(inner, shape.members[name], f"{path}.{name}")
    elif isinstance(value, list):
        for inner in value:
            yield from _not_in_enum(inner, shape.member, path)
    elif getattr(shape, "enum", None) and value not in shape.enum:
        yield f"{path}: {value}"


def _google() -> Callable[[Mapping[str, Any]], Complaints]:
    types = importlib.import_module("google.cloud.speech_v2.types.cloud_speech")
    json_format = importlib.import_module("google.protobuf.json_format")

    def held(options: Mapping[str, Any]) -> Complaints:
        message = types.BatchRecognizeRequest.pb(types.BatchRecognizeRequest())
        try:
            json_format.ParseDict(dict(options), message)
        except json_format.ParseError as error:
            return {str(error)}
        return set()

    return held


VENDORS: Mapping[str, tuple[str, Callable[[], Callable[[Mapping[str, Any]], Complaints]]]] = {
    "assembly_ai_async": ("assemblyai", _assembly),
    "deepgram_async": ("deepgram", _deepgram),
    "gladia_v2_async": ("gladiaio_sdk", _gladia),
    "rev_async": ("rev_ai", _rev),
    "speechmatics_async": ("speechmatics", _speechmatics),
    "elevenlabs_async": ("elevenlabs", _elevenlabs),
    "aws_transcribe_async": ("botocore", _aws),
    "google_speech_v2_async": ("google.cloud.speech_v2", _google),
}


@pytest.mark.parametrize("provider", VENDORS)
def test_the_form_vendor_fits_the_vendors_package(provider: str) -> None:
    package, reader = VENDORS[provider]
    _need(package)
    held = reader()
    found = {complaint for told in bodies(provider, "vendor") for complaint in held(told.options)}
    assert found == set(KNOWN.get(provider, {}))


def test_all_but_recalls_own_have_a_vendor() -> None:
    assert set(VENDORS) == set(TABLE) - {"recallai_async"}
