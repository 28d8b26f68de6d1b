"""A headless Chromium that is asked over a pipe: https://chromedevtools.github.io/devtools-protocol/"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def found() -> str | None:
    """Its program; None where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


# The browser reads from descriptor 3 and writes to 4.
_AS_3_AND_4 = """import fcntl, os, sys
kept = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3]]
for number, wanted in zip(kept, (3, 4)):
    os.dup2(number, wanted)
os.execv(sys.argv[3], sys.argv[3:])"""


class Page:
    """One page. Every method raises `AssertionError` with what the browser complains of."""

    def __init__(self, ask: BinaryIO, answers: BinaryIO) -> None:
        self._ask, self._answers, self._number = ask, answers, 0
        self._session: str | None = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]

    def call(self, method: str, **parameters: Any) -> Any:
        self._number += 1
        asked = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            asked["sessionId"] = self._session
        self._ask.write(json.dumps(asked).encode() + b"\0")
        self._ask.flush()
        while True:
            answer = json.loads(self._message())
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def _message(self) -> bytes:
        message = bytearray()
        while (byte := self._answers.read(1)) != b"\0":
            assert byte, "Chromium has ended"
            message += byte
        return bytes(message)

    def evaluate(self, script: str) -> Any:
        """The value of an expression, awaited where it is a promise."""
        told = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))


@contextmanager
def page(program: str, profile: Path) -> Iterator[Page]:
    """A page of a browser of its own, which ends with it."""
    asked, ask = os.pipe()
    answers, answered = os.pipe()
    command = [sys.executable, "-c", _AS_3_AND_4, str(asked), str(answered), program]
    command += ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"]
    command += ["--autoplay-policy=no-user-gesture-required", "--mute-audio", f"--user-data-dir={profile}"]
    browser = subprocess.Popen(
        command, pass_fds=(asked, answered), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.close(asked)
    os.close(answered)
    try:
        with open(ask, "wb") as to, open(answers, "rb") as back:
            yield Page(to, back)
    finally:
        browser.terminate()
        browser.wait(10)
