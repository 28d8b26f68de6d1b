"""A client written against the seed's documents works with another base URL and key: their own code runs."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from app.core import events
from app.core.events import RecordingCondition
from tests.api.stage import Stage
from tests.api.test_served import Served, served

SEED = Path(__file__).with_name("seed")
_ = served  # a fixture

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("served api")]
node = pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed: the seed's JavaScript")
curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed: the seed's first call")


def example(name: str, served: Served) -> str:
    text = (SEED / name).read_text("utf-8")
    assert "https://api.bota.dev" in text or name == "group.js"
    replaced = text.replace("https://api.bota.dev", f"http://127.0.0.1:{served.receiver.port}")
    return replaced.replace("sk_live_...", served.keys[0]).replace("rec_abc123", served.recording)


def run_node(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["node", "--input-type=module", "-", *arguments]
    return subprocess.run(command, input=script, capture_output=True, text=True, check=False, timeout=50)


@node
def test_polling_and_grouping_by_speaker_run_as_published(served: Served) -> None:
    id_ = served.stage.get(f"/transcriptions/{served.recording}", key=served.keys[0]).json["id"]
    script = (
        f"{example('poll.js', served)}\n"
        f"const transcription = await waitForTranscription({json.dumps(id_)});\n"
        f"{example('group.js', served)}\n"
        "console.error(JSON.stringify(byeSpeaker));\n"
    )
    ran = run_node(script)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == [
        "SPEAKER_0: Hello, thanks for joining us today.",
        "SPEAKER_1: Happy to be here.",
        "SPEAKER_1: Let's get started.",
        "SPEAKER_0: So, tell me about your background.",
    ]
    assert json.loads(ran.stderr)["SPEAKER_1"] == ["Happy to be here.", "Let's get started."]


@node
def test_polling_ends_with_the_message_of_a_failure(served: Served) -> None:
    failed = "0f5b1b1e-8b1f-4b52-8a6e-0d5b4c4f1f10"
    served.stage.happens(failed, events.RecordingFailed(served.stage.store.now()))
    ran = run_node(f"{example('poll.js', served)}\nawait waitForTranscription({json.dumps(failed)});")
    assert ran.returncode == 1
    assert "Error: Recall could not record this meeting" in ran.stderr


@curl
def test_the_first_call_of_the_documents_orders_a_transcription(served: Served) -> None:
    fresh = "1f5b1b1e-8b1f-4b52-8a6e-0d5b4c4f1f10"
    script = example("transcribe.sh", served).replace(served.recording, fresh)
    ran = subprocess.run(["sh", "-ec", script], capture_output=True, text=True, check=False, timeout=30)
    told = json.loads(ran.stdout)
    assert (told["recording_id"], told["status"], told["error"]) == (fresh, "pending", None)
    assert told["language"] == "en"
    assert _provider_planned(served.stage, fresh) == "recallai_async"  # what `whisper` means here


def _provider_planned(stage: Stage, recording: str) -> str:
    now = stage.store.now()
    done = events.RecordingAsked(now, RecordingCondition.DONE)
    stage.happens(recording, done, events.Listed(now, 0), done)
    (create,) = (c for c in stage.store.load("default", recording).pending if c.key == "create:1")
    return str(getattr(create, "provider", ""))
