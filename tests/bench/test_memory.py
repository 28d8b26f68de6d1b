"""The memory benchmark measures the processes it names, and stores what it says."""

from __future__ import annotations

import subprocess
import sys

import pytest

from app.transcripts.formats import FORMATS
from tests.bench import memory
from tests.bench.report import Options

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
_MB = 1_000_000


_HOLDS_30_MB = (
    "import mmap, sys\n"
    "print('before', flush=True); sys.stdin.readline()\n"
    "block = mmap.mmap(-1, 30_000_000, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)\n"
    "block.write(b'x' * 30_000_000)\n"
    "print('after', flush=True); sys.stdin.readline()\n"
)


def test_memory_written_by_a_process_is_its_own() -> None:
    command, pipe = [sys.executable, "-c", _HOLDS_30_MB], subprocess.PIPE
    with subprocess.Popen(command, text=True, stdin=pipe, stdout=pipe) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "before\n"
        before = memory.memory_of(process.pid)
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "after\n"
        after = memory.memory_of(process.pid)
        process.stdin.close()
    assert 29 * _MB < after.own - before.own < 40 * _MB
    assert 29 * _MB < after.pss - before.pss < 40 * _MB


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_service_is_measured_idle_at_work_and_with_a_huge_transcript() -> None:
    result = memory.run(Options(quick=True, only=("idle", "transcript", "work")))
    told = {row.what: row.value for row in result.rows}
    assert told["  processes"] >= 12, "up, valkey twice, web three times, six workers, dispatcher"
    names = " ".join(result.raw["idle_by_process"])
    assert all(
        name in names for name in ("valkey-server", "web", "worker-1", "inbox", "outgoing", "dispatcher")
    )
    assert 50 < told["whole service idle, PSS"] < 1000
    sizes = result.raw["huge"]["sizes"]
    assert sizes["transcript.json"] >= 3 * _MB
    assert {"sentences.json", "transcript.txt"} <= set(sizes)
    assert len(result.raw["huge"]["added_bytes"]) > 3
    assert max(result.raw["huge"]["added_bytes"]) > 0
    assert len(result.raw["at_work_pss_bytes"]) > 2


@pytest.mark.slow
def test_a_transcript_is_rendered_and_its_subtitles_are_read_by_all() -> None:
    result = memory.run(Options(quick=True, only=("ten-hours",)))
    assert result.is_met
    assert set(result.raw["ten_hours"]["sizes"]) == {*FORMATS, "transcript.json"}
