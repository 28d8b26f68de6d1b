"""
Recall as the tests see it: the simulator's side door, its bill, and the API as somebody else uses it.
"""

from __future__ import annotations

from typing import Any

import requests

from app.simulator.api.shapes import ASYNC_PROVIDERS
from app.simulator.server import Simulator


class Recall:
    """The simulator of one installation."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.key = simulator.api_key

    # -- the side door -------------------------------------------------------------------------------
    def tell(self, path: str, **body: Any) -> Any:
        answer = _http("POST", f"{self.simulator.api_url}/_sim/{path}", json=body)
        answer.raise_for_status()
        return answer.json()

    def record(self, *, kind: str | None = None, finish: bool = True, **script: Any) -> str:
        """A meeting; unless told otherwise it is over, and `recording.done` is on its way."""
        told = self.tell("recordings", script=script, kind=kind, finish=finish)
        return str(told["recording_id"])

    def settings(self, **changed: Any) -> None:
        self.tell("settings", **changed)

    def emit(self, event: str, recording_id: str, *, transcript_id: str | None = None, **more: Any) -> None:
        self.tell("emit", event=event, recording_id=recording_id, transcript_id=transcript_id, **more)

    def deliveries(self, recording_id: str | None = None) -> list[dict[str, Any]]:
        asked = {"recording_id": recording_id} if recording_id else {}
        answer = _http("GET", f"{self.simulator.api_url}/_sim/deliveries", params=asked)
        found: list[dict[str, Any]] = answer.json()["deliveries"]
        return found

    # -- the bill ------------------------------------------------------------------------------------
    def whole_bill(self) -> Any:
        return _http("GET", f"{self.simulator.api_url}/_sim/bill").json()

    def bill(self, recording_id: str) -> Any:
        return self.whole_bill()["per_recording"][recording_id]

    def paid(self, recording_id: str) -> list[Any]:
        """The recording's transcripts that cost money, ours and others', in the order they were made."""
        made: list[Any] = self.bill(recording_id)["transcripts"]
        return [t for t in made if t["provider"] in ASYNC_PROVIDERS]

    def captions(self, recording_id: str) -> Any:
        """The recording's real-time transcript."""
        made = self.bill(recording_id)["transcripts"]
        return next(t for t in made if t["provider"] not in ASYNC_PROVIDERS)

    # -- the API, as another program of the same workspace would use it ------------------------------
    def create(self, recording_id: str, *, marker: str | None = None) -> str:
        """Somebody's create; with a marker, another installation of ours."""
        body: dict[str, Any] = {"provider": {"deepgram_async": {"language": "en"}}}
        if marker is not None:
            body["metadata"] = {"afterword": marker}
        made = self._api("POST", f"recording/{recording_id}/create_transcript/", json=body)
        return str(made["id"])

    def served(self, transcript_id: str) -> bytes:
        """The transcript's bytes as anybody downloads them. Goes on the bill: look at that first."""
        url = self._api("GET", f"transcript/{transcript_id}/")["data"]["download_url"]
        answer = _http("GET", url)
        answer.raise_for_status()
        return answer.content

    def _api(self, method: str, path: str, **more: Any) -> Any:
        url = f"{self.simulator.api_url}/api/v1/{path}"
        answer = _http(method, url, headers={"Authorization": self.key}, **more)
        answer.raise_for_status()
        return answer.json()


def _http(method: str, url: str, **more: Any) -> requests.Response:
    # A session each: scenes run side by side in threads. No proxy of the environment for loopback.
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, url, timeout=20, **more)
