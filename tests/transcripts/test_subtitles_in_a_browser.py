"""A browser shows `transcript.vtt` as subtitles while a clip plays."""

from __future__ import annotations

import functools
import os
import threading
import wave
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.transcripts import chromium
from tests.transcripts.recall_json import rendered, said, turn

_PROGRAM = chromium.found()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(_PROGRAM is None, reason="no Chromium here: `apt-get install chromium` for subtitles"),
]

_PAGE = """<!doctype html><meta charset="utf-8"><body style="margin:0;background:#245">
<video width="640" height="360" muted style="background:#357">
<track kind="subtitles" srclang="en" src="transcript.vtt" default></video>"""

_PLAYED = """new Promise(async (resolve, reject) => {
  const video = document.querySelector("video"), track = video.textTracks[0], seen = [];
  track.mode = "showing";
  track.addEventListener("cuechange", () => seen.push(
    [...track.activeCues].map(cue => [cue.text.match(/^<v ([^>]*)>/)[1], cue.getCueAsHTML().textContent])));
  video.addEventListener("ended", () => resolve(seen));
  video.addEventListener("error", () => reject(video.error));
  // As a whole, so that it can be gone back in: the server here knows no ranges.
  video.src = URL.createObjectURL(await (await fetch("clip.wav")).blob());
  video.playbackRate = 4;
  video.play().catch(reject);
})"""

_SHOWN = """new Promise(resolve => {
  const video = document.querySelector("video");
  const active = () => [...video.textTracks[0].activeCues].map(cue => cue.getCueAsHTML().textContent);
  video.addEventListener("seeked", () => setTimeout(() => resolve(active()), 300), {once: true});
  video.currentTime = 2.5;
})"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    words = [said(word, at, at + 1) for at, word in enumerate(["Is", "1", "<", "2", "&", "3", "-->", "4?"])]
    files = rendered(
        turn(words[:4], who="Ana & <Co>", language="en"),
        turn([said("مرحبا", 2, 3), said("👍", 3, 4)], who="ليلى", id=2, language="ar"),
        turn(words[4:], who="Ana & <Co>", language="en"),
    )
    (tmp_path / "transcript.vtt").write_text(files["transcript.vtt"], "utf-8")
    (tmp_path / "index.html").write_text(_PAGE, "utf-8")
    with wave.open(str(tmp_path / "clip.wav"), "wb") as clip:
        clip.setparams((1, 2, 8000, 0, "NONE", ""))
        clip.writeframes(b"\0\0" * 8000 * 9)
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/index.html"
    server.shutdown()
    server.server_close()


def test_every_cue_is_shown_while_a_clip_plays(address: str, tmp_path: Path) -> None:
    assert _PROGRAM is not None
    with chromium.page(_PROGRAM, tmp_path / "profile") as page:
        page.call("Page.navigate", url=address)
        page.evaluate("new Promise(done => document.readyState == 'complete' ? done() : onload = done)")
        shown = page.evaluate(_PLAYED)
        both = page.evaluate(_SHOWN)
        picture = Path(os.environ.get("AFTERWORD_SCREENSHOTS") or tmp_path) / "subtitles.png"
        page.screenshot(picture)
    assert shown == [
        [["Ana &amp; &lt;Co&gt;", "Is 1 < 2"]],
        [["Ana &amp; &lt;Co&gt;", "Is 1 < 2"], ["ليلى", "مرحبا 👍"]],
        [["Ana &amp; &lt;Co&gt;", "& 3 --> 4?"]],
        [],
    ]
    assert both == ["Is 1 < 2", "مرحبا 👍"]
    assert picture.stat().st_size > 1000
