"""
Recall's transcript JSON -> the files people read. Pure: reads and writes file objects it is handed.

    summary = render(downloaded, {"sentences.json": s, "transcript.txt": t})

Reading order: model (the records), reader (JSON to turns), lenient (what is not quite JSON), speakers and
text (who, and how words join), sentences (turns to sentences), formats/ (one module per format), render (all
of it together), manifest (the file that says a result is whole). Without attempts, webhooks or
storage.
"""

from app.errors import TranscriptUnreadable
from app.transcripts.formats import FORMATS, MEDIA_TYPES, Renderer
from app.transcripts.manifest import Manifest, ManifestUnreadable, build_manifest, parse_manifest
from app.transcripts.model import UNREAD, Sentence, Speaker, Summary, Turn, Verdict, Word
from app.transcripts.reader import read_turns
from app.transcripts.render import render

__all__ = [
    "FORMATS",
    "MEDIA_TYPES",
    "UNREAD",
    "Manifest",
    "ManifestUnreadable",
    "Renderer",
    "Sentence",
    "Speaker",
    "Summary",
    "TranscriptUnreadable",
    "Turn",
    "Verdict",
    "Word",
    "build_manifest",
    "parse_manifest",
    "read_turns",
    "render",
]
