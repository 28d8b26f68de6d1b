"""What a line of the log looks like, and what never stands in one."""

from __future__ import annotations

import io
import json
import logging
import os
import string
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from app import log

ROOT = Path(__file__).resolve().parents[2]
SECRET = "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)
    logging.captureWarnings(False)
    log.name_child(None)
    log.hide([])
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def lines() -> Callable[[], list[dict[str, Any]]]:
    """Configures logging as in a child named worker-1; returns what was written since, parsed."""
    out = io.StringIO()
    log.configure("worker-1", stream=out)
    return lambda: [json.loads(line) for line in out.getvalue().splitlines()]


Lines = Callable[[], list[dict[str, Any]]]


def test_line_is_json_with_time_in_utc_level_child_event_and_ids(lines: Lines) -> None:
    log.get_logger().info("command_done", recording="0f5b", attempt=2)
    (line,) = lines()
    assert list(line) == ["timestamp", "level", "child", "event", "recording", "attempt"]
    at = datetime.fromisoformat(line.pop("timestamp"))
    assert at.tzinfo is not None
    assert abs((datetime.now(UTC) - at).total_seconds()) < 60
    assert line == {
        "level": "info",
        "child": "worker-1",
        "event": "command_done",
        "recording": "0f5b",
        "attempt": 2,
    }


def test_debug_is_not_shown(lines: Lines) -> None:
    log.get_logger().debug("chatter")
    assert lines() == []


def test_terminal_gets_readable_lines() -> None:
    out = Terminal()
    log.configure("web", stream=out)
    log.get_logger().warning("part_away", part="queue")
    text = out.getvalue()
    assert "part_away" in text
    assert "queue" in text
    assert not text.startswith("{")


def test_lines_of_other_threads_bear_the_childs_name_too(lines: Lines) -> None:
    thread = threading.Thread(target=lambda: log.get_logger().info("from_a_thread"))
    thread.start()
    thread.join()
    assert lines()[0]["child"] == "worker-1"


def test_childs_name_of_the_event_wins_when_the_supervisor_tells_of_a_child(lines: Lines) -> None:
    log.name_child("up")
    log.get_logger().info("child_started", child="worker-2")
    log.get_logger().info("stopping")
    assert [line["child"] for line in lines()] == ["worker-2", "up"]


def test_without_a_name_there_is_no_child() -> None:
    out = io.StringIO()
    log.configure(stream=out)
    log.get_logger().info("x")
    assert "child" not in json.loads(out.getvalue())


@pytest.mark.parametrize("name", ["gunicorn.error", "rq.worker", "alembic.runtime.migration", "werkzeug"])
def test_libraries_speak_through_the_same_pipeline_from_warning_up(lines: Lines, name: str) -> None:
    logging.getLogger(name).info("a chatty line with arguments")
    logging.getLogger(name).warning("went wrong: %s", "password=hunter22")
    (line,) = lines()
    assert line["event"] == "went wrong: password=[hidden]"
    assert (line["level"], line["logger"], line["child"]) == ("warning", name, "worker-1")
    assert not [key for key in line if key.startswith("_")]


def test_rq_stays_quiet_although_it_sets_its_own_level(lines: Lines) -> None:
    from rq.logutils import setup_loghandlers

    setup_loghandlers("INFO")
    try:
        logging.getLogger("rq.worker").info("recall: workers.jobs.perform(7) (job-id)")
    finally:
        logging.getLogger("rq.worker").setLevel(logging.NOTSET)
    assert lines() == []


def test_handlers_that_a_library_brought_are_taken_away(capsys: pytest.CaptureFixture[str]) -> None:
    theirs = logging.getLogger("gunicorn.error")
    theirs.addHandler(logging.StreamHandler(sys.stderr))
    theirs.propagate = False
    out = io.StringIO()
    log.configure("web", stream=out)
    theirs.error("worker timeout")
    assert json.loads(out.getvalue())["event"] == "worker timeout"
    assert capsys.readouterr().err == ""


def test_configuring_twice_says_everything_once() -> None:
    out = io.StringIO()
    log.configure("a", stream=io.StringIO())
    log.configure("b", stream=out)
    logging.getLogger("x").warning("once")
    log.get_logger().info("once")
    assert out.getvalue().count("once") == 2
    assert '"a"' not in out.getvalue()


def test_warnings_of_python_are_lines_as_well(lines: Lines) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("something is odd", UserWarning, stacklevel=1)
    assert "something is odd" in lines()[0]["event"]


def test_call_with_wrong_arguments_is_reported_without_them(capsys: pytest.CaptureFixture[str]) -> None:
    out = io.StringIO()
    log.configure(stream=out)  # here: pytest's own handler, there since the fixtures, would raise
    logging.getLogger("rq.worker").error("%d jobs", SECRET)
    (line,) = [json.loads(text) for text in out.getvalue().splitlines()]
    assert (line["event"], line["logger"]) == ("log_call_broken", "rq.worker")
    assert SECRET not in capsys.readouterr().err


SHAPES = [
    f"signed by whsec_{SECRET}+/==",
    f"Authorization: Bearer {SECRET}",
    f"Authorization: {SECRET}",
    f"{{'Authorization': '{SECRET}'}}",
    f"sent authorization={SECRET}, refused",
    f"token {SECRET}",
    f"basic {SECRET}=",
    f"postgresql://afterword:{SECRET}@db/afterword",
    f"redis://:{SECRET}@cache:6379/0",
    f"redis://{SECRET}@cache:6379/0",
    f"postgresql://afterword:p@{SECRET}@db/afterword",
    f"postgresql://afterword:p/{SECRET}@db/afterword",
    f"https://bucket.s3.amazonaws.com/k?X-Amz-Credential=AKIA%2F20260101&X-Amz-Signature={SECRET}",
    f"https://bucket.s3.amazonaws.com/k?versionId=3&{SECRET}",
    f"https://storage.googleapis.com/k?GoogleAccessId=x&Signature={SECRET}",
    f"https://account.blob.core.windows.net/k?sv=2026&sig={SECRET}",
    f"https://example.com/?{SECRET}",
    f"retrying after broken connection: /bucket/key?a=1&b={SECRET} (2 left)",
    f"X-Amz-Security-Token: {SECRET}",
    f"'x-amz-signature': '{SECRET}'",
    f"signature={SECRET};",
    f'{{"api_key": "{SECRET}"}}',
    f"{{'recall_api_key': '{SECRET}'}}",
    f"RECALL_API_KEY={SECRET}",
    f"password={SECRET}",
]


@pytest.mark.parametrize("text", SHAPES)
def test_what_looks_like_a_secret_is_masked_wherever_it_stands(lines: Lines, text: str) -> None:
    logger = log.get_logger()
    logger.info(text)
    logger.info("x", cause=text)
    logger.info("x", causes=[text, {"deep": (text,)}])
    logger.info("x", error=ValueError(text))
    logger.info("x", path=text.encode())
    logger.info("x", by={text: 1})
    logging.getLogger("urllib3").warning("%s", text)
    try:
        raise ValueError(text) from KeyError(text)
    except ValueError:
        logger.exception("x")
        logging.getLogger("gunicorn.error").exception("x")
    assert len(lines()) == 9
    assert SECRET not in json.dumps(lines())
    assert "[hidden]" in lines()[0]["event"]


KEYS = [
    "api_key",
    "apikey",
    "authorization",
    "Authorization",
    "RECALL_API_KEY",
    "secret",
    "webhook_secret",
    "password",
    "passwd",
    "token",
    "access_token",
    "set-cookie",
    "signature",
    "credentials",
]


@pytest.mark.parametrize("key", KEYS)
def test_what_stands_under_a_secrets_name_is_masked_however_deep(lines: Lines, key: str) -> None:
    log.get_logger().info("x", **{key: SECRET}, headers={key: SECRET}, nested=[{"h": {key: [SECRET]}}])
    (line,) = lines()
    assert line[key] == line["headers"][key] == line["nested"][0]["h"][key] == "[hidden]"


PROSE = [
    "the token expired",
    "use basic authentication",
    "no signature headers: create the workspace verification secret in the Recall dashboard",
    "compare RECALL_WEBHOOK_SECRETS with the workspace verification secret",
    "not a webhook secret: expected whsec_ followed by base64",
    "https://us-east-1.recall.ai/api/v1/recording/0f5b/create_transcript/",
    "did it happen? nobody knows",
    "mail ops@example.com about https://example.com/a",
    "fetch the transcript of recording 0f5b1b1e-8b1f-4b52-8a6e-0d5b4c4f1f10",
    "txn_0f5b1b1e8b1f4b528a6e0d5b4c4f1f10",
]


@pytest.mark.parametrize("text", PROSE)
def test_remedies_ids_and_plain_addresses_are_left_alone(lines: Lines, text: str) -> None:
    log.get_logger().info(text, cause=text, secret_label="blue", has_password=True, token=None)
    (line,) = lines()
    assert (line["event"], line["cause"]) == (text, text)
    assert (line["secret_label"], line["has_password"], line["token"]) == ("blue", True, None)


@given(key=st.text(string.ascii_letters + string.digits + "+/=_-.", min_size=16, max_size=64))
def test_any_value_it_was_told_to_hide_is_masked_without_any_shape(key: str) -> None:
    out = io.StringIO()
    log.configure(stream=out)
    log.hide([key, None, ""])
    log.get_logger().info("x", cause=f"InvalidHeader: {key}!", error=ValueError(key))
    assert key not in out.getvalue()
    log.hide([])


def test_short_values_are_not_hidden_since_they_would_mask_words(lines: Lines) -> None:
    log.hide(["ops"])
    log.get_logger().info("the ops page")
    assert lines()[0]["event"] == "the ops page"


def fail_with_a_local() -> None:
    local_value = "a-word-" + "of-a-participant"
    raise RuntimeError(f"it failed with {len(local_value)} letters")


@pytest.mark.parametrize("out", [io.StringIO(), Terminal()], ids=["pipe", "terminal"])
def test_traceback_names_lines_but_no_local_variables(out: io.StringIO) -> None:
    log.configure(stream=out)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            fail_with_a_local()
        except RuntimeError:
            log.get_logger().exception("job_failed")
            logging.getLogger("rq.worker").exception("job failed")
    text = out.getvalue()
    assert text.count("fail_with_a_local") >= 2
    assert "RuntimeError" in text
    assert "a-word-of-a-participant" not in text


class Full(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


def test_full_disk_and_closed_terminal_do_not_fail_the_work(capsys: pytest.CaptureFixture[str]) -> None:
    full, closed = Full(), io.StringIO()
    for out in (full, closed):
        log.configure(stream=out)
        if out is closed:
            out.close()
        log.get_logger().info("x")
        logging.getLogger("rq").error("y")
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_reader_that_leaves_does_not_end_the_process() -> None:
    source = (
        "import time; from app import log; log.configure('w');"
        "[(log.get_logger().info('line', n=n), time.sleep(0.001)) for n in range(200)];"
        "import os; os._exit(7)"
    )
    process = subprocess.Popen([sys.executable, "-c", source], cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(20) == 7


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize("is_terminal", [True, False])
def test_letters_that_cannot_be_encoded_are_written_somehow(encoding: str, is_terminal: bool) -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding=encoding)
    if is_terminal:
        out.isatty = lambda: True  # type: ignore[method-assign]
    log.configure(stream=out)
    log.get_logger().info("x", path=os.fsdecode(b"caf\xe9"), text="\U0001f600 …\n")
    out.flush()
    assert raw.getvalue().count(b"\n") == 1


def test_line_is_one_write_so_that_lines_of_several_processes_do_not_mix() -> None:
    writes: list[str] = []

    class Counting(io.StringIO):
        def write(self, text: str) -> int:
            writes.append(text)
            return len(text)

    log.configure("web", stream=Counting())
    log.get_logger().info("one\ntwo")
    logging.getLogger("x").warning("three")
    assert [json.loads(text)["event"] for text in writes] == ["one\ntwo", "three"]


@pytest.mark.parametrize(
    "text", ["?" * 20_000, "://" * 7_000, "a=" * 10_000, "https://" * 2_500, "?a" * 10_000]
)
def test_masking_a_long_hostile_text_takes_no_time(text: str) -> None:
    began = datetime.now(UTC)
    log.redact_text(text)
    assert (datetime.now(UTC) - began).total_seconds() < 1


@pytest.mark.slow
def test_import_brings_nothing_but_structlog() -> None:
    source = (
        "import sys; import structlog; before = set(sys.modules); import app.log;"
        "new = {n.split('.')[0] for n in set(sys.modules) - before} - sys.stdlib_module_names;"
        "assert new <= {'app'}, new"
    )
    subprocess.run([sys.executable, "-c", source], cwd=ROOT, check=True, timeout=30)
