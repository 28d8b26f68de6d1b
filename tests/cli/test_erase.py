"""`erase`: which recordings are meant, what is left of them, and how it goes on after a stop."""

from __future__ import annotations

import json
import shutil
import sqlite3
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.adapters.local_files import LocalBlobs
from app.adapters.sql.erasure import Erasure
from app.core.state import AtRecall, Phase
from app.orchestrator.service import Service
from tests.api.stage import Stage
from tests.cli.conftest import WORKSPACE, Home, delivery
from tests.cli.results import stored
from tests.transcripts.recall_json import spoke

NAME = "Żofia Quetzalcoatl"
SECRET = "Zxqvj-Enterprises"  # in metadata
BOT = "b0b0b0b0-1111-4000-8000-000000000007"


def with_person(home: Home, name: str = NAME, said: str = "Good morning.") -> tuple[str, Path]:
    """A stored recording in which this person speaks, with a bot and metadata, told by a webhook."""
    recording = str(uuid.uuid4())
    data = {"code": "done", "sub_code": None, "updated_at": "2026-11-20T00:00:00Z"}
    about = {"id": recording, "metadata": {"customer": SECRET}}
    bot = {"id": BOT, "metadata": {"title": f"With {name}"}}
    told = {"event": "recording.done", "data": {"data": data, "recording": about, "bot": bot}}
    only_bot = {"event": "bot.status_change", "data": {"data": data, "bot": bot}}
    for body in (told, only_bot):
        arrives(home, body)
    return stored(home, turns=[spoke(said, who=name)], recording=recording)


def arrives(home: Home, body: object) -> None:
    row = delivery("recording.done", "r")
    home.store.add_deliveries([replace(row, body=json.dumps(body, ensure_ascii=False).encode())])
    home.service.receive()


def phase_of(home: Home, recording: str) -> Phase:
    return home.store.load(WORKSPACE, recording).transcription.phase


def holding(home: Home, *words: str) -> list[str]:
    """Files of the whole home with one of these in their bytes."""
    root = home.settings.home
    needles = [word.encode() for word in words] + [json.dumps(word)[1:-1].encode() for word in words]
    return [
        str(path.relative_to(root))
        for path in root.rglob("*")
        if path.is_file() and any(needle in path.read_bytes() for needle in needles)
    ]


@pytest.mark.slow
def test_one_recording_leaves_its_tombstone_and_its_bill(home: Home) -> None:
    recording, folder = with_person(home)
    kept, kept_folder = with_person(home, "Ben")
    before = home.store.load(WORKSPACE, recording).transcription
    said = home.run("erase", recording[:18], "--yes")
    assert said.code == 0, said
    assert "1 erased here: 4 files, " in said.out
    assert "At Recall the transcripts made by Afterword are deleted" in said.out
    state = home.store.load(WORKSPACE, recording).transcription
    assert state.phase is Phase.ERASED
    assert [a.ordinal for a in state.attempts] == [a.ordinal for a in before.attempts]
    assert state.processed_transcripts == before.processed_transcripts
    assert (state.bot_id, state.metadata, state.current) == (None, (), None)
    assert not folder.parent.exists()
    assert kept_folder.exists()
    assert phase_of(home, kept) is Phase.STORED
    shown = home.run("show", recording, "--json").json
    assert [line["event"] for line in shown["history"]] == ["erase_asked", "results_erased"]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["participant", "participant otherwise written", "bot", "metadata"])
def test_nothing_is_left_in_any_file_of_the_home(home: Home, how: str) -> None:
    recordings = [with_person(home)[0] for _ in range(3)]
    asked = {
        "participant": ("--participant", NAME),
        "participant otherwise written": ("--participant", f"  {NAME.upper()}".replace(" ", "  ")),
        "bot": ("--bot", BOT),
        "metadata": ("--metadata", f"customer={SECRET}"),
    }
    home.service.index(0)
    assert {"afterword.db", "afterword.search.db"} <= {path.partition("-")[0] for path in holding(home, NAME)}
    said = home.run("erase", *asked[how], "--yes")
    assert said.code == 0, said
    assert "3 erased here" in said.out
    if how.startswith("participant"):
        assert NAME.casefold() not in (said.out + said.err).casefold()
    assert {phase_of(home, recording) for recording in recordings} == {Phase.ERASED}
    assert holding(home, NAME, SECRET, BOT) == []


def test_a_mention_by_others_is_no_participation(home: Home) -> None:
    recording, folder = with_person(home, "Ben", said=f"I have spoken with {NAME}.")
    said = home.run("erase", "--participant", NAME, "--yes")
    assert (said.code, said.out) == (0, "No recording is meant.\n")
    assert phase_of(home, recording) is Phase.STORED
    assert folder.exists()


def test_one_who_was_there_without_a_word_takes_part(home: Home) -> None:
    recording, folder = with_person(home, "Ben")
    people = [{"id": 1, "name": "Ben"}, {"id": 2, "name": "Iva", "email": "Iva@example.com"}]
    (folder / "participants.json").write_text(json.dumps(people), "utf-8")
    assert home.run("erase", "--participant", "iva@example.com", "--yes").code == 0
    assert phase_of(home, recording) is Phase.ERASED


@pytest.mark.slow
def test_dry_run_and_no_answer_do_nothing(home: Home) -> None:
    recording, folder = with_person(home)
    said = home.run("erase", recording, "--dry-run", "--media")
    assert (said.code, said.out.splitlines()[-1]) == (0, "Nothing was done.")
    said = home.run("erase", recording)
    assert said.code == 2
    assert "cannot be undone: say --yes" in said.err
    assert home.run("erase", recording, typed="n\n").code == 1
    assert home.run("erase").code == 2
    assert home.run("erase", recording, "--bot", BOT).code == 2
    assert home.run("erase", "--metadata", "customer").code == 2
    assert phase_of(home, recording) is Phase.STORED
    assert folder.exists()
    assert home.run("erase", recording, typed="y\n").code == 0


def test_media_are_asked_for(home: Home) -> None:
    recording, _ = with_person(home)
    assert home.run("erase", recording, "--media", "--yes").code == 0
    assert home.store.load(WORKSPACE, recording).transcription.to_delete is AtRecall.RECORDING


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.slow
@pytest.mark.parametrize(
    "where",
    [
        (Erasure, "forget_bodies_naming", "after"),
        (Erasure, "erase_rows_in", "after"),
        (Service, "__init__", "after"),
        (LocalBlobs, "delete_folder", "before"),
        (LocalBlobs, "delete", "after"),
        (LocalBlobs, "delete_folder", "after"),
        (Erasure, "forget_news", "after"),
        (Erasure, "truncate_log", "before"),
    ],
    ids=lambda where: f"{where[2]}-{where[1]}",
)
def test_what_was_killed_is_finished_by_the_next(
    home: Home, monkeypatch: pytest.MonkeyPatch, where: tuple[type, str, str]
) -> None:
    kind, name, when = where
    recording, folder = with_person(home)
    true = getattr(kind, name)

    def dies(*args: Any, **named: Any) -> Any:
        if when == "after":
            true(*args, **named)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(kind, name, dies)
        with pytest.raises(Killed):
            home.run("erase", recording, "--yes")
    with sqlite3.connect(home.settings.database_file or "") as database:  # the lease ran out meanwhile
        database.execute("UPDATE commands SET leased_until = 1")
    said = home.run("erase", recording, "--yes")
    assert said.code == 0, said
    assert phase_of(home, recording) is Phase.ERASED
    assert not folder.parent.exists()
    assert holding(home, NAME, SECRET) == []


@pytest.mark.slow
def test_what_comes_afterwards_brings_nothing_back(home: Home) -> None:
    recording, folder = with_person(home)
    assert home.run("erase", recording, "--yes").code == 0
    before = home.store.load(WORKSPACE, recording).transcription
    data = {"code": "done", "sub_code": None, "updated_at": "2026-11-20T00:00:00Z"}
    for kind in ("recording.done", "transcript.done", "recording.unheard_of"):
        about = {"data": data, "recording": {"id": recording, "metadata": {"who": NAME}}}
        arrives(home, {"event": kind, "data": about | {"transcript": {"id": folder.name, "metadata": {}}}})
    assert home.run("retry", recording, "--yes").code == 1
    home.run("render", recording)
    home.run("render", "--all")
    folder.mkdir(parents=True)  # a store that was put back
    (folder / "transcript.txt").write_text("Good morning.", "utf-8")
    assert home.run("show", recording, "--json").json["segments"] is None
    after = home.store.load(WORKSPACE, recording).transcription
    assert after == before
    home.store.truncate_log()
    assert holding(home, NAME) == []


@pytest.mark.slow
def test_a_store_put_back_from_a_copy_brings_nothing_back(home: Home, tmp_path: Path) -> None:
    """The whole folder of results, as a backup has it. Erased once more, its files go, too."""
    recording, folder = with_person(home)
    other, _ = with_person(home, "Max")
    id_ = next(row.id for row in home.store.list_transcriptions() if row.state.recording_id == recording)
    root = Path(home.settings.storage_url.removeprefix("file://"))
    shutil.copytree(root, tmp_path / "copy")
    assert home.run("erase", recording, "--yes").code == 0
    shutil.copytree(tmp_path / "copy", root, dirs_exist_ok=True)
    assert (folder / "manifest.json").exists()
    for command in (("render", "--all", "--index"), ("render", recording, "--index"), ("reconcile",)):
        home.run(*command)
    home.service.index(0)
    api = Stage(home.settings, home.store)
    exported = home.run("export", "--files", str(tmp_path / "exported")).out
    found = api.get("/search", query_string={"q": "morning"}).json["data"]
    assert [hit["recording_id"] for hit in found] == [other]
    assert home.run("search", "--speaker", NAME).code == 1
    assert api.get(f"/transcriptions/{id_}/files/transcript.txt").status_code == 404
    for told in (
        exported,
        home.run("export", "--format", "csv").out,
        home.run("show", recording, "--json").out,
        home.run("show", recording).out,
        home.run("list", "--json").out,
        json.dumps([api.get(path).json for path in ("/transcriptions", f"/transcriptions/{id_}")]),
    ):
        assert not any(word in told for word in (NAME, json.dumps(NAME)[1:-1]))
    assert other in exported
    assert home.run("move-store", "--to", f"file://{tmp_path / 'moved'}").code == 0
    for kept in ("exported", "moved"):
        assert list((tmp_path / kept).rglob(other)) != []
        assert list((tmp_path / kept).rglob(recording)) == []
    assert phase_of(home, recording) is Phase.ERASED
    assert home.run("erase", recording, "--yes").code == 0
    assert not folder.exists()
    assert holding(home, NAME) == []


@pytest.mark.slow
def test_pages_that_were_divided_keep_no_copy(home: Home) -> None:
    for n in range(36):
        with_person(home, NAME if n % 3 == 0 else f"Person {n}")
    home.service.index(0)
    said = home.run("erase", "--participant", NAME, "--yes")
    assert "12 erased here" in said.out
    assert holding(home, NAME) == []
