"""What a reader saw of every manifest, and whether it was final."""

from __future__ import annotations

import json
import os
from pathlib import Path

from tests.chaos.manifests import Manifests, wrongs


def _put(base: Path, recording: str, transcript: str, verdict: str, *, at_s: int, **more: str) -> None:
    folder = base / recording / transcript
    folder.mkdir(parents=True, exist_ok=True)
    whole = folder / "manifest.new"
    whole.write_text(json.dumps({"verdict": verdict, **more}), "utf-8")
    os.utime(whole, (at_s, at_s))
    whole.replace(folder / "manifest.json")


def test_one_result_is_final_and_so_is_an_empty_one(tmp_path: Path) -> None:
    watch = Manifests(tmp_path / "files")
    watch.look()
    _put(watch.base, "r1", "t1", "good", at_s=1)
    _put(watch.base, "r2", "t1", "empty", at_s=1)
    assert list(wrongs(watch.end())) == []


def test_an_empty_result_that_another_followed_looked_final(tmp_path: Path) -> None:
    watch = Manifests(tmp_path)
    _put(tmp_path, "r1", "t1", "empty", at_s=1)
    watch.look()
    _put(tmp_path, "r1", "t2", "good", at_s=2)
    ((recording, what),) = wrongs(watch.end())
    assert recording == "r1"
    assert "t1" in what
    assert "empty" in what


def test_the_empty_one_may_follow_and_say_what_superseded_it(tmp_path: Path) -> None:
    watch = Manifests(tmp_path)
    _put(tmp_path, "r1", "t2", "good", at_s=2)
    _put(tmp_path, "r1", "t1", "empty", at_s=3, superseded_by="t2")
    assert list(wrongs(watch.end())) == []


def test_two_empty_ones_are_a_result_and_what_it_superseded(tmp_path: Path) -> None:
    watch = Manifests(tmp_path)
    _put(tmp_path, "r1", "t2", "empty", at_s=2)
    _put(tmp_path, "r1", "t1", "empty", at_s=3, superseded_by="t2")
    assert list(wrongs(watch.end())) == []


def test_what_was_superseded_does_not_come_before_the_result(tmp_path: Path) -> None:
    watch = Manifests(tmp_path)
    _put(tmp_path, "r1", "t1", "empty", at_s=1, superseded_by="t2")
    _put(tmp_path, "r1", "t2", "good", at_s=2)
    ((_, what),) = wrongs(watch.end())
    assert what == "the manifest of t1 came before that of t2"


def test_a_manifest_that_is_written_over_is_noticed_while_it_happens(tmp_path: Path) -> None:
    watch = Manifests(tmp_path)
    _put(tmp_path, "r1", "t1", "good", at_s=1)
    watch.look()
    _put(tmp_path, "r1", "t1", "good", at_s=2)
    watch.look()
    _put(tmp_path, "r1", "t1", "flagged", at_s=3)
    assert list(wrongs(watch.end())) == [("r1", "the manifest of t1 changed")]


def test_an_empty_one_that_words_overtook_before_its_commit_may_say_so(tmp_path: Path) -> None:
    watch = Manifests(tmp_path)
    _put(tmp_path, "r1", "t2", "good", at_s=1)
    _put(tmp_path, "r1", "t1", "empty", at_s=2)
    watch.look()
    _put(tmp_path, "r1", "t1", "empty", at_s=3, superseded_by="t2")
    assert list(wrongs(watch.end())) == []
