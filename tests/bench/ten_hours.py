"""
`bench memory --only ten-hours`: all formats of a transcript of ten hours, by one process as a worker's horse
does it, and its subtitles read back by three independent readers.

`python -m tests.bench.ten_hours FOLDER HOURS` writes the transcript, and renders it; prints what that took.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from app.orchestrator.effects.fetch_transcript import render_files
from app.settings.program_name import ROOT
from app.transcripts.formats import FORMATS
from tests.bench.report import Options, Row, at_most, exactly
from tests.transcripts.subtitle_readers import SRT_READERS, VTT_READERS, words_read
from tests.transcripts.test_properties import visible

MOST_S, MOST_MB = 10.0, 100.0
_RAW = "transcript.json"
_WORDS = (
    *("so", "I", "think", "we", "should", "talk", "about", "the", "budget", "again", "next", "week"),
    *("今日は", "はい。", "مرحبا", "<b>", "&", "-->", "2024", "okay"),
)


def rows(options: Options, raw: dict[str, object]) -> list[Row]:
    """Renders in a process of its own, then reads."""
    hours = 0.1 if options.quick else 10.0
    with TemporaryDirectory() as path:
        command = [sys.executable, "-m", "tests.bench.ten_hours", path, str(hours)]
        took = json.loads(subprocess.run(command, check=True, capture_output=True, cwd=ROOT).stdout)
        folder = Path(path)
        sizes = {name: (folder / name).stat().st_size for name in (*FORMATS, _RAW)}
        agree = list(_agreeing(folder))
    raw["ten_hours"] = {**took, "sizes": sizes, "agree": agree}
    return [
        at_most(f"all formats of {hours:g} hours, {took['words']:,} words", took["s"], "s", limit=MOST_S),
        Row("  of it processor", took["cpu_s"], "s"),
        at_most("  memory over idle", took["added_bytes"] / 1e6, "MB", limit=MOST_MB),
        exactly("  readers of SRT and VTT that find the same words", len(agree), "", wanted=6),
    ]


def _agreeing(folder: Path) -> Iterator[str]:
    turns = json.loads((folder / _RAW).read_bytes())
    said = visible("".join(word["text"] for turn in turns for word in turn["words"]))
    for kind, readers in (("srt", SRT_READERS), ("vtt", VTT_READERS)):
        content = (folder / f"transcript.{kind}").read_text("utf-8")
        yield from (f"{name} {kind}" for name, read in readers.items() if words_read(read(content)) == said)


def _write(path: Path, hours: float) -> int:
    """People who talk over each other a little; returns the words."""
    chance, at, words, separator = random.Random(1), 0.0, 0, "["
    with path.open("w", encoding="utf-8") as out:
        while at < hours * 3600:
            said = []
            for _ in range(chance.randrange(3, 200)):
                end = at + chance.uniform(0.15, 0.45)
                text = chance.choice(_WORDS) + chance.choice(("", "", "", "", "", ",", "."))
                said.append({"text": text, "start_timestamp": _at(at), "end_timestamp": _at(end)})
                at = end + chance.choice((0.0, 0.05, 0.1))
            who = chance.randrange(6)
            turn = {"participant": {"id": who, "name": f"Person {who}"}, "language_code": "en", "words": said}
            out.write(separator + json.dumps(turn))
            at, words, separator = max(0.0, at + chance.uniform(-0.5, 2.0)), words + len(said), ","
        out.write("]")
    return words


def _at(time_s: float) -> dict[str, Any]:
    return {"relative": round(time_s, 3), "absolute": None}


def _peak_bytes() -> int:
    """Not `ru_maxrss`, which a process has from the one that started it."""
    status = Path("/proc/self/status").read_text("ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def main(folder: Path, hours: float) -> None:
    words = _write(folder / _RAW, hours)
    idle_bytes, began, cpu_began = _peak_bytes(), time.monotonic(), time.process_time()
    render_files(folder / _RAW, folder, FORMATS)
    took = {"s": time.monotonic() - began, "cpu_s": time.process_time() - cpu_began}
    print(json.dumps({**took, "added_bytes": _peak_bytes() - idle_bytes, "words": words}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
