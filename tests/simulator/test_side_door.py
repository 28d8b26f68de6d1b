"""The side door, determinism, load, the command line, and what the package may import."""

from __future__ import annotations

import ast
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.simulator.__main__ import _config, _parser, _welcome
from app.simulator.server import PortTaken, Simulator, SimulatorConfig, default_key, default_secret
from tests.simulator.conftest import Recall, make_tiny, until

PACKAGE = Path(__file__).parents[2] / "app" / "simulator"
ALLOWED = {"flask", "werkzeug", "requests", "svix", "app.simulator"} | set(sys.stdlib_module_names)


@pytest.mark.slow
def test_the_simulator_shares_no_code_with_the_product() -> None:
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                known = name.split(".")[0] in ALLOWED or name.startswith("app.simulator")
                assert known, f"{file.name}: {name}"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "named"),
    [
        ({"creats": []}, "creats"),
        ({"creates": ["explode"]}, "explode"),
        ({"creates": ["slow"]}, "slow"),
        ({"creates": ["ok:1"]}, "ok"),
        ({"creates": ["status_before:299"]}, "status_before"),
        ({"creates": "ok"}, "creates"),
        ({"recording_done": "storm:0"}, "storm"),
        ({"transcribe_s": -1}, "transcribe_s"),
        ({"payload_403": 1}, "payload_403"),
        ({"shape": {"bot": "round"}}, "bot"),
        ({"shape": {"boat": "null"}}, "boat"),
    ],
)
def test_a_script_that_says_nothing_known_is_refused_by_name(recall: Recall, script: Any, named: str) -> None:
    assert named in recall.sim("recordings", {"script": script}, expect=400)["error"]
    assert recall.call("GET", "recording/").json()["results"] == []


@pytest.mark.parametrize("change", [{"limit": "on"}, {"limits": "much"}, {"page_size": 0}, {"down": 1}])
def test_an_impossible_setting_changes_nothing(recall: Recall, change: dict[str, Any]) -> None:
    before = recall.sim("settings")
    assert next(iter(change)) in recall.sim("settings", {"balance": False, **change}, expect=400)["error"]
    assert recall.sim("settings") == before


def test_the_bill_counts_what_the_product_asked_for(recall: Recall) -> None:
    rid = recall.recording(transcripts=["failed"])
    marked = {"provider": {"recallai_async": {}}, "metadata": {"afterword": f"{rid}/1"}}
    recall.done(rid, json=marked)
    recall.call("GET", "transcript/", params={"recording_id": rid})
    bill = recall.sim("bill")
    mine = bill["per_recording"][rid]
    assert (mine["create_posts"], mine["billed"], mine["lists"], mine["max_open"]) == (1, 1, 1, 1)
    assert mine["retrieves"] == bill["calls"]["retrieve"] >= 1
    (transcript,) = mine["transcripts"]
    assert (transcript["marker"], transcript["provider"]) == (f"{rid}/1", "recallai_async")
    assert [state["code"] for state in transcript["state_history"]] == ["processing", "failed"]
    assert bill["seconds_billed"] == 120
    assert bill["responses"]["200"] >= 3


def test_max_open_counts_marked_transcripts_that_run_at_one_time(recall: Recall) -> None:
    rid = recall.recording(transcripts=["never"] * 3, captions="done")
    for ordinal in (1, 2):
        marker = {"afterword": f"{rid}/{ordinal}"}
        recall.created(rid, json={"provider": {"rev_async": {}}, "metadata": marker})
    recall.created(rid)
    assert recall.sim("bill")["per_recording"][rid]["max_open"] == 2


def test_the_same_seed_gives_the_same_ids_and_another_seed_others(start: Callable[..., Recall]) -> None:
    def play(seed: int) -> tuple[str, str, str]:
        recall = start(seed=seed)
        made = recall.sim("recordings", {})
        return made["recording_id"], made["title"], recall.created(made["recording_id"])

    assert play(7) == play(7)
    assert not set(play(7)) & set(play(8))


def test_a_reset_forgets_all_but_never_repeats_an_id(recall: Recall) -> None:
    rid = recall.recording()
    recall.created(rid)
    recall.sim("settings", {"balance": False})
    recall.sim("reset", {})
    assert recall.call("GET", f"recording/{rid}/").status_code == 404
    assert recall.sim("settings")["balance"] is True
    assert recall.sim("bill")["creates_accepted"] == 0
    assert recall.recording() != rid


def test_a_recording_can_bring_its_own_id_once(recall: Recall) -> None:
    wanted = {"recording_id": "11111111-1111-4111-8111-111111111111"}
    assert recall.sim("recordings", wanted)["recording_id"] == wanted["recording_id"]
    recall.sim("recordings", wanted, expect=409)


def test_a_recording_can_be_finished_later(recall: Recall) -> None:
    rid = recall.recording(finish=False)
    assert recall.create(rid).status_code == 400
    recall.sim(f"recordings/{rid}/finish", {})
    assert recall.create(rid).status_code == 200


@pytest.mark.slow
def test_a_hundred_calls_at_once_are_all_answered(recall: Recall) -> None:
    rids = [recall.recording() for _ in range(10)]
    recall.sim("settings", {"call_delay_ms": 200})
    codes: list[int] = []
    threads = [
        threading.Thread(target=lambda rid=rid: codes.append(recall.create(rid).status_code))
        for rid in rids * 10
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert codes == [200] * 100


def test_the_library_of_meetings_is_the_default() -> None:
    with Simulator(SimulatorConfig(time_scale=1000)) as simulator:
        recall = Recall(simulator)
        made = recall.sim("recordings", {})
        url = recall.done(made["recording_id"])["data"]["download_url"]
        assert recall.http.get(url).json()
        recall.sim("recordings", {"kind": "no such meeting"}, expect=400)


# -- the command line ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_taken_port_is_one_sentence_and_exit_75() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "app.simulator", "--port", port, "--download-port", "0"]
        ended = subprocess.run(
            command, cwd=PACKAGE.parents[1], capture_output=True, text=True, timeout=20, check=False
        )
    assert ended.returncode == 75
    assert ended.stdout == ""
    assert len(ended.stderr.splitlines()) == 1
    assert port in ended.stderr


def test_nothing_listens_after_a_second_port_was_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        simulator = Simulator(SimulatorConfig(download_port=taken.getsockname()[1], make_meeting=make_tiny))
        with pytest.raises(PortTaken):
            simulator.start()
    simulator.stop()


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_it_introduces_itself_and_ends_on_a_signal(sent: signal.Signals, code: int) -> None:
    command = [sys.executable, "-m", "app.simulator", "--port", "0", "--download-port", "0"]
    with subprocess.Popen(command, cwd=PACKAGE.parents[1], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout
        text = running.stdout.readline()
        while "Ctrl-C" not in text:
            text += running.stdout.readline()
        os.kill(running.pid, sent)
        assert running.wait(10) == code
    for named in ("RECALL_API_BASE_URL=http://127.0.0.1:", "RECALL_API_KEY=", "whsec_", "curl"):
        assert named in text


def test_a_restart_keeps_the_settings_that_were_copied_and_makes_other_meetings() -> None:
    """A product that remembers the ids of the last run would do nothing about them."""
    first, second, chosen = (_config(_parser().parse_args(given)) for given in ([], [], ["--seed", "1"]))
    assert first.seed != second.seed
    assert (first.api_keys, first.webhook_secrets) == (second.api_keys, second.webhook_secrets)
    assert (chosen.seed, chosen.api_keys) == (1, first.api_keys)
    assert (chosen.api_keys, chosen.webhook_secrets) == ((default_key(1),), (default_secret(1),))


def test_a_scaled_simulator_names_the_setting_that_the_product_needs_too() -> None:
    with Simulator(SimulatorConfig(port=0, download_port=0, webhook_url=None, time_scale=60)) as simulator:
        assert "AFTERWORD_TIME_SCALE=60" in _welcome(simulator)
    with Simulator(SimulatorConfig(port=0, download_port=0, webhook_url=None)) as simulator:
        assert "AFTERWORD_TIME_SCALE" not in _welcome(simulator)


def test_a_wrong_option_is_usage() -> None:
    from app.simulator.__main__ import main

    with pytest.raises(SystemExit) as ended:
        main(["--limits", "perhaps"])
    assert ended.value.code == 2


def test_time_moves_forward_only(recall: Recall) -> None:
    recall.sim("advance", {"seconds": -1}, expect=400)
    tid = recall.created(recall.recording(transcribe_s=100_000))
    assert recall.status(tid) == "processing"
    recall.sim("advance", {"seconds": 100_000})
    until(lambda: recall.status(tid) == "done")
