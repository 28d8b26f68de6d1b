"""Verdicts with real processes: what is paid, what is told, and what Recall is asked for them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.flow.stage import Installation, running

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("quality"), pytest.mark.timeout(300)]

_POLICY = """
[quality]
evidence = "timeline"
thin = "fall-back"
"""


@dataclass(frozen=True)
class Played:
    """A script, and what it comes to: payments, verdict, manifests."""

    script: Mapping[str, Any]
    paid: int
    verdict: str
    manifests: tuple[str, ...] = ()


_STANDUP = {"kind": "standup"}
PLAYED = {
    "whole": Played(_STANDUP, 1, "spoken"),
    "whole, and the platform tells of changes": Played({**_STANDUP, "timeline": "changes"}, 1, "spoken"),
    "whole, and nothing is kept beside it": Played({**_STANDUP, "timeline": "garbage"}, 1, "spoken"),
    "thin": Played({**_STANDUP, "bodies": ["thin:20"]}, 2, "spoken", ("spoken", "thin")),
    "thin twice": Played({**_STANDUP, "bodies": ["thin:30", "thin:20"]}, 2, "thin", ("thin", "thin")),
    "cut off": Played({**_STANDUP, "bodies": ["cut_off:70"]}, 1, "cut_off"),
    "disordered": Played({**_STANDUP, "bodies": ["disordered"]}, 1, "disordered"),
    "one speaker": Played({**_STANDUP, "bodies": ["one_speaker"]}, 1, "one_speaker_of_many"),
    "silent": Played({"kind": "silent", "transcripts": ["empty"]}, 1, "silent"),
    "silent, by the list alone": Played(
        {"kind": "silent", "transcripts": ["empty"], "timeline": "missing", "participants": "bot"},
        1,
        "silent",
    ),
    "empty, and people spoke": Played(
        {**_STANDUP, "transcripts": ["empty"]}, 2, "spoken", ("empty", "spoken")
    ),
    "empty, and nothing is kept beside it": Played(
        {**_STANDUP, "transcripts": ["empty"], "timeline": "none", "participants": "none"},
        2,
        "spoken",
        ("empty", "spoken"),
    ),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    tmp = tmp_path_factory.mktemp("quality")
    policy = tmp / "policy.toml"
    policy.write_text(_POLICY)
    with running(tmp, seed=11, AFTERWORD_POLICY=str(policy)) as place:
        yield place


def test_each_is_paid_for_and_judged_as_it_should_be(place: Installation) -> None:
    ids = {name: place.recall.record(**played.script) for name, played in PLAYED.items()}
    place.wait_for_ends(*ids.values(), within_s=60)
    for name, played in PLAYED.items():
        shown, bill = place.show(ids[name]), place.recall.bill(ids[name])
        said = (bill["billed"], bill["create_posts"], shown["status"], shown["verdict"])
        assert said == (played.paid, played.paid, "completed", played.verdict), name
        manifests = [
            json.loads((at / "manifest.json").read_text()) for at in place.stored(ids[name]).values()
        ]
        told = tuple(sorted(manifest["verdict"] for manifest in manifests))
        assert told == (played.manifests or (played.verdict,)), name
        assert sum("superseded_by" in manifest for manifest in manifests) == played.paid - 1, name
    downloads = place.recall.whole_bill()["media_downloads"]
    # One for each transcript; for an empty one another, before the next is paid.
    assert downloads["speaker_timeline"] <= sum(played.paid for played in PLAYED.values()) + 4
    assert downloads["participants"] == 1
