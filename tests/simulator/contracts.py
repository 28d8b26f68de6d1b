"""
The simulator against Recall's own documents: its OpenAPI document and its catalogue of webhooks (Svix). What
the simulator answers fits them, and it takes the provider options that Recall's older schemas take.
`./afterword test --contracts` runs it; without the documents in var/ it is left out by name.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from app.simulator.api.options import why_refused
from tests.simulator.conftest import Recall, Receiver, until

ROOT = Path(__file__).resolve().parents[2]
# https://docs.recall.ai/reference, "OpenAPI"; the catalogue of the webhooks' portal.
PLACES = [ROOT / "var", ROOT.parent / "shared" / "recall"]
CREATE = "RecordingCreateTranscriptArtifactProvider"
VALUES: list[Any] = [True, 3, 0.5, "x", "de", "high", [], ["x"], ["pii"], {}, {"language": "de"}]
# What the document looks at more closely: ranges, an audio format, inside of objects seldom used.
LOOSE = {
    "assembly_ai_async": {
        "content_safety_confidence", "language_confidence_threshold", "speech_threshold",
    },
    "deepgram_async": {"encoding", "redact"},
    "gladia_v2_async": {
        "audio_to_llm_config", "callback_config", "structured_data_extraction_config", "translation_config",
    },
    "rev_async": {
        "captions_config", "segments_to_transcribe", "speaker_names", "summarization_config",
        "translation_config",
    },
    "speechmatics_async": {"alignment_config", "translation_config"},
}  # fmt: skip


@cache
def document(name: str) -> Any:
    found = next((place / name for place in PLACES if (place / name).is_file()), None)
    if found is None:
        pytest.skip(f"Recall's document is not in var/{name}")
    return json.loads(found.read_text("utf-8"))


def any_of(schema: Any) -> Any:
    """Recall's `oneOf` has branches that both match; and `nullable` is a word of OpenAPI alone."""
    if isinstance(schema, list):
        return [any_of(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {"anyOf" if name == "oneOf" else name: any_of(value) for name, value in schema.items()}
    if isinstance(schema.get("properties"), dict):
        plain.setdefault("type", "object")
    return {"anyOf": [{"type": "null"}, plain]} if schema.get("nullable") is True else plain


def faults(schema: Any, value: Any, **around: Any) -> Iterator[str]:
    pytest.importorskip("jsonschema")
    validator = importlib.import_module("jsonschema").Draft4Validator({**any_of(schema), **around})
    return (
        f"{'.'.join(map(str, error.absolute_path))}: {error.message}"
        for error in validator.iter_errors(value)
    )


def wrong(name: str, value: Any) -> list[str]:
    """Why this is none of the document's objects of that name."""
    return list(faults({"$ref": f"#/components/schemas/{name}"}, value, components=components()))


# --- Answers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["single", "all_keys"])
def test_transcripts_and_recordings_fit(recall: Recall, form: str) -> None:
    recall.sim("settings", {"provider_form": form})
    rid = recall.recording()
    body = {"provider": {"deepgram_async": {"model": "nova-3"}}, "diarization": {}, "metadata": {"a": None}}
    # The document has every older provider as required; answers of one key alone are met as well.
    is_met = form == "single"
    made = recall.create(rid, json=body).json()
    done = recall.done(rid, json=body)
    for name, value in (
        ("TranscriptArtifact", made),
        ("TranscriptArtifact", done),
        ("PaginatedTranscriptArtifactList", recall.call("GET", "transcript/").json()),
        ("Recording", recall.call("GET", f"recording/{rid}/").json()),
        ("PaginatedRecordingList", recall.call("GET", "recording/").json()),
    ):
        found = [fault for fault in wrong(name, value) if "expires_at" not in fault]
        keyed = ("is a required property", "media_shortcuts.transcript: ")
        assert not [fault for fault in found if not (is_met and any(each in fault for each in keyed))], name


@pytest.mark.parametrize("state", ["done", "expired", "no_audio", "failed"])
def test_recordings_in_every_state_fit(recall: Recall, state: str) -> None:
    shown = recall.call("GET", f"recording/{recall.recording(recording_state=state)}/").json()
    assert not [fault for fault in wrong("Recording", shown) if "expires_at" not in fault]


def test_bots_fit(recall: Recall) -> None:
    recall.sim("recordings", {})
    for url in ("https://zoom.us/j/123", "https://meet.google.com/abc"):
        assert recall.call("POST", "bot/", json={"meeting_url": url}).status_code == 201
    listed = recall.call("GET", "bot/").json()
    # Recall itself has null in a change's message and sub code.
    odd = ("message", "sub_code")
    found = [
        fault for fault in wrong("PaginatedBotList", listed) if not fault.partition(":")[0].endswith(odd)
    ]
    assert not found


# --- Webhooks -----------------------------------------------------------------------------------------------


def test_every_event_of_the_catalogue_can_be_sent_by_hand_and_fits(
    hooked: Recall, receiver: Receiver
) -> None:
    catalogue = {event["name"]: event["schemas"]["1"] for event in document("webhooks.json")["data"]}
    rid = hooked.recording()
    for event in catalogue:
        hooked.sim("emit", {"event": event})
        hooked.sim("emit", {"event": event, "recording_id": rid})
    until(lambda: len(receiver.got) >= 2 * len(catalogue))
    for one in receiver.got:
        body = json.loads(one.body)
        # The catalogue asks an upload for an `object` that its own examples lack, and forbids it.
        found = [
            fault for fault in faults(catalogue[body["event"]], body) if "'object' is a req" not in fault
        ]
        assert not found, body["event"]


# --- Options ------------------------------------------------------------------------------------------------


@cache
def components() -> Any:
    return any_of(document("openapi.json")["components"])


@cache
def schema_of(provider: str) -> Any:
    """Of Recall's older option object."""
    schema = components()["schemas"][CREATE]["properties"][provider]
    ref = schema.get("$ref") or schema.get("allOf", [{}])[0].get("$ref", "")
    return components()["schemas"][ref.rpartition("/")[2]] if ref else schema


def takes(provider: str, options: dict[str, Any]) -> bool:
    """Whether Recall's older schema does."""
    return not list(faults(schema_of(provider), options, components=components()))


def is_taken(provider: str, options: dict[str, Any]) -> bool:
    """Whether the simulator does."""
    return not why_refused(provider, options, generation="recall", stale=())


PROVIDERS = [
    "recallai_async", "assembly_ai_async", "deepgram_async", "gladia_v2_async", "rev_async",
    "speechmatics_async",
]  # fmt: skip


@pytest.mark.parametrize("provider", PROVIDERS)
def test_options_are_as_closed_as_the_document_has_them(provider: str) -> None:
    unknown = {"no_such_option": 1}
    assert is_taken(provider, unknown) == takes(provider, unknown)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_each_option_takes_the_values_of_the_document(provider: str) -> None:
    pairs = [{name: value} for name in schema_of(provider)["properties"] for value in VALUES]
    assert not [pair for pair in pairs if takes(provider, pair) and not is_taken(provider, pair)]
    loose = {
        name for pair in pairs if is_taken(provider, pair) and not takes(provider, pair) for name in pair
    }
    assert loose == LOOSE.get(provider, set())
