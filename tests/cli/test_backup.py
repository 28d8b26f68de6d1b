"""The documented backup command: the copy is as private as the database, and is one."""

from __future__ import annotations

import re
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

from app.settings.program_name import ROOT


def test_copy_is_for_its_owner_alone_and_has_what_the_database_has(tmp_path: Path) -> None:
    section = (ROOT / "docs/operating.md").read_text("utf-8").split("\n## Backup and restore\n")[1]
    found = re.search(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert found is not None
    (tmp_path / "var").mkdir()
    with sqlite3.connect(tmp_path / "var" / "afterword.db") as connection:
        connection.execute("CREATE TABLE t AS SELECT 7 AS seven")
    # The permissive mask that most machines have, whatever this one has.
    script = "umask 022\n" + found[1].replace(".venv/bin/python", f"'{sys.executable}'") + "umask"
    ran = subprocess.run(["sh", "-euc", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    copy = tmp_path / "var" / "afterword.db.copy"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert ran.stdout.strip() == "0022", "the shell it is typed into keeps its own mask"
    with sqlite3.connect(copy) as connection:
        assert connection.execute("SELECT seven FROM t").fetchone() == (7,)
