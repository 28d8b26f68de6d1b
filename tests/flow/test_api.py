"""A product's day by `/v1`: order, poll, read; once more by force. What it cost is Recall's bill to say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from app.adapters.sql.access import AccessKey
from app.api.keys import Scope, digest_of, new_key
from tests.flow.stage import Installation, running, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@dataclass(frozen=True)
class Product:
    place: Installation
    key: str

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.key}", **more.pop("headers", {})}
        return requests.request(method, f"{self.place.url}/v1{path}", headers=headers, timeout=10, **more)

    def status(self, recording: str) -> Any:
        return self.ask("GET", f"/transcriptions/{recording}").json()["status"]

    def completed(self, recording: str) -> Any:
        wait_until(lambda: self.status(recording) == "completed", within_s=60, what="it is completed")
        return self.ask("GET", f"/transcriptions/{recording}").json()


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    tmp = tmp_path_factory.mktemp("product")
    (tmp / "policy.toml").write_text('[select]\ndefault = "none"\n')
    with running(tmp, seed=91, workers=2, AFTERWORD_POLICY=str(tmp / "policy.toml")) as place:
        key = new_key()
        place.store.add_access_key(AccessKey("product", digest_of(key), frozenset(Scope)))
        yield Product(place, key)


def test_an_order_is_paid_once_and_a_forced_one_once_more_whatever_is_sent_again(product: Product) -> None:
    recall = product.place.recall
    recording = recall.record()
    path = f"/recordings/{recording}/transcribe"
    wait_until(
        lambda: product.ask("GET", f"/transcriptions/{recording}").status_code == 200,
        within_s=20,
        what="the webhook is applied",
    )
    assert product.status(recording) == "failed"  # the policy passes it by
    order = {"language": "de-CH", "provider": "deepgram", "diarization": False}
    codes = [product.ask("POST", path, json=order).status_code for _ in range(3)]
    assert codes == [201, 200, 200]
    first = product.completed(recording)
    assert first["provider"] == "deepgram_async"
    assert first["segments"]
    assert [t["provider"] for t in recall.paid(recording)] == ["deepgram_async"]

    again = {"force": True, "provider": "assemblyai", "language": "de"}
    headers = {"Idempotency-Key": "once-more"}
    codes = [product.ask("POST", path, json=again, headers=headers).status_code for _ in range(3)]
    assert codes == [201, 201, 201]
    files = product.ask("GET", f"/transcriptions/{recording}/files/transcript.txt")
    assert files.status_code == 200  # the result before stays readable
    second = product.completed(recording)
    assert second["provider"] == "assembly_ai_async"
    assert product.ask("POST", path, json=again, headers=headers).status_code == 201
    assert product.status(recording) == "completed"
    assert [t["provider"] for t in recall.paid(recording)] == ["deepgram_async", "assembly_ai_async"]


def test_a_forced_one_that_fails_leaves_the_result_and_pays_for_no_other(product: Product) -> None:
    recall = product.place.recall
    recording = recall.record(transcripts=["done", "failed:provider_connection_failed"])
    path = f"/recordings/{recording}/transcribe"
    assert product.ask("POST", path).status_code == 201
    first = product.completed(recording)
    assert product.ask("POST", path, json={"force": True}).json()["status"] == "processing"
    wait_until(lambda: len(recall.paid(recording)) == 2, within_s=60, what="the extra is made")
    last = product.completed(recording)
    assert (last["text"], last["files"]) == (first["text"], first["files"])
    assert len(recall.paid(recording)) == 2
    assert [a["state"] for a in last["attempts"]] == ["done", "failed"]
