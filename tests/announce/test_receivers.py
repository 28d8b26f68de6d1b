"""
What others make of our webhooks: the official packages in JavaScript, and the receivers of docs/webhooks.md.

Where Node is absent, or its packages cannot be had, these tests are left out by name.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.announce.exchange import post
from app.announce.payload import enveloped
from app.announce.signing import signed_headers
from app.recall.signatures import parse_secret
from app.settings.program_name import ROOT
from tests.announce.receiver import OLD_SECRET, SECRET, endpoint

pytestmark = pytest.mark.slow
GUIDE = (ROOT / "docs/webhooks.md").read_text("utf-8")
PACKAGES = ROOT / "tests/javascript"
BODY = enveloped("transcription.completed", 1.5, {"recording_id": "r1", "text": "Grüße 🎉"})
NODE = shutil.which("node")
_VERIFY = """
import { Webhook as Svix } from "svix";
import { Webhook as Standard } from "standardwebhooks";
import { readFileSync } from "node:fs";
const { secrets, headers, body } = JSON.parse(readFileSync(0, "utf8"));
for (const secret of secrets)
  for (const Webhook of [Svix, Standard]) {
    new Webhook(secret).verify(body, headers);
    let refused = 0;
    try { new Webhook(secret).verify(body + " ", headers); } catch { refused = 1; }
    console.log(refused);
  }
"""


@pytest.fixture(scope="module")
def javascript(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages of `tests/javascript`."""
    npm = shutil.which("npm")
    if NODE is None or npm is None:
        pytest.skip("Node: not installed, our signatures are not held against the packages in JavaScript")
    folder = tmp_path_factory.mktemp("javascript")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(PACKAGES / name, folder)
    install = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    done = subprocess.run(install, cwd=folder, capture_output=True, timeout=120, check=False)
    if done.returncode:
        pytest.skip("Node: the packages of tests/javascript cannot be had here")
    return folder


def signed(*secrets: str) -> dict[str, str]:
    return signed_headers("an-id", BODY, map(parse_secret, secrets), at=datetime.now(UTC))


def test_the_official_packages_in_javascript_verify_what_we_sign(javascript: Path) -> None:
    (javascript / "verify.mjs").write_text(_VERIFY)
    told = {"secrets": [OLD_SECRET, SECRET], "headers": signed(OLD_SECRET, SECRET), "body": BODY}
    command, said = [str(NODE), "verify.mjs"], json.dumps(told)
    options: Any = {"capture_output": True, "text": True, "timeout": 30}
    done = subprocess.run(command, cwd=javascript, input=said, check=True, **options)
    assert (done.stdout.split(), done.stderr) == (["1"] * 4, "")


def _example(language: str) -> str:
    found = re.findall(rf"^```{language}\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
    assert len(found) == 1
    return str(found[0])


@contextmanager
def _running(command: list[str], folder: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The address of a receiver, and its process."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
    environment = {**os.environ, "WEBHOOK_SECRET": SECRET, "PORT": str(port)}
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        ends_at = time.monotonic() + 20
        while time.monotonic() < ends_at:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.02)
        yield f"http://127.0.0.1:{port}/", process
    finally:
        process.kill()
        process.wait()


def _is_example_right(command: list[str], folder: Path) -> None:
    with _running(command, folder) as (url, process):
        to = endpoint(url)
        right, wrong = signed(SECRET), signed(OLD_SECRET)
        answers = [post(to, headers, BODY.encode(), timeout_s=10).status for headers in (wrong, right, right)]
        assert answers == [401, 204, 204]
        process.terminate()
        output, _ = process.communicate(timeout=10)
    assert output.splitlines() == ["transcription.completed r1"]  # once: its id is known the second time


def test_the_receiver_in_python_of_the_guide_runs(tmp_path: Path) -> None:
    (tmp_path / "receiver.py").write_text(_example("python"), "utf-8")
    _is_example_right([sys.executable, "receiver.py"], tmp_path)


def test_the_receiver_in_javascript_of_the_guide_runs(javascript: Path) -> None:
    (javascript / "receiver.mjs").write_text(_example("javascript"), "utf-8")
    _is_example_right([str(NODE), "receiver.mjs"], javascript)
