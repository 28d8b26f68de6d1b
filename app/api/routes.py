"""The routes of `/v1`, in one table: what runs them, and what the document at /v1/openapi.json is made of."""

from __future__ import annotations

from app.api.calls import Route
from app.api.erasing import Erasing
from app.api.keys import Scope
from app.api.processing import ProcessingConfigs
from app.api.reading import Reading
from app.api.searching import Searching
from app.api.transcribing import Transcribing
from app.api.types import (
    ListQuery,
    ProcessingConfig,
    SearchPage,
    SearchQuery,
    TranscribeOrder,
    TranscriptionObject,
    TranscriptionPage,
)


def routes_of(
    reading: Reading,
    transcribing: Transcribing,
    configs: ProcessingConfigs,
    searching: Searching,
    erasing: Erasing,
) -> tuple[Route, ...]:
    transcription, processing = "/transcriptions/<id>", "/projects/<workspace>/config/processing"
    return (
        Route(
            *("POST", "/recordings/<recording_id>/transcribe", Scope.WRITE, transcribing.transcribe),
            about="Start a transcription, or find the one that is there. May be paid for.",
            answers={201: TranscriptionObject, 200: TranscriptionObject},
            body=TranscribeOrder,
            codes=(
                *("budget_used", "still_running", "request_under_way", "changed_meanwhile", "erased"),
                *(
                    "unsupported_provider",
                    "unsupported_language",
                    "idempotency_key_reused",
                    "unsupported_by_provider",
                ),
            ),
        ),
        Route(
            *("GET", "/transcriptions", Scope.READ, reading.page),
            about="Transcriptions, the latest heard of first, without their words.",
            answers={200: TranscriptionPage},
            query=ListQuery,
            has_metadata=True,
        ),
        Route(
            *("GET", transcription, Scope.READ, reading.transcription),
            about="A transcription, by its id or its recording's.",
            answers={200: TranscriptionObject, 304: None},
        ),
        Route(
            *("DELETE", transcription, Scope.DELETE, erasing.erase),
            about="Erase a transcription: results, index, personal data, and our transcripts at Recall.",
            answers={202: None},
            codes=("changed_meanwhile",),
        ),
        Route(
            *("GET", f"{transcription}/files/<name>", Scope.READ, reading.file),
            about="A file of a result, as stored.",
            answers={200: None, 206: None, 302: None, 304: None},
            codes=("range_not_satisfiable", "changed_meanwhile"),
        ),
        Route(
            *("GET", "/search", Scope.READ, searching.search),
            about="Sentences in stored transcripts.",
            answers={200: SearchPage},
            query=SearchQuery,
        ),
        Route(
            *("GET", processing, Scope.CONFIG_READ, configs.show),
            about="Whether recordings are transcribed by themselves.",
            answers={200: ProcessingConfig},
        ),
        Route(
            *("PUT", processing, Scope.CONFIG_WRITE, configs.change),
            about="Change that. Enabling it starts paying for every new recording.",
            answers={200: ProcessingConfig},
            body=ProcessingConfig,
            codes=("unsupported_provider",),
        ),
    )
