"""How this program is called on this machine, for remedies that can be pasted into a terminal."""

from __future__ import annotations

import re
import shlex
import shutil
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_CALL = re.compile(r"\./afterword(?= )|(?<=`)afterword(?= )")


def program() -> str:
    """`./afterword` in a clone, its whole path from another folder; else what is installed."""
    launcher = ROOT / "afterword"
    if launcher.is_file():
        with suppress(OSError):  # the folder was removed
            if Path.cwd() == ROOT:
                return "./afterword"
        return shlex.quote(str(launcher))
    return "afterword" if shutil.which("afterword") else "python -m app"


def command(arguments: str) -> str:
    """A call of this program, in backticks."""
    return f"`{program()} {arguments}`"


def pasteable(sentence: str) -> str:
    """The sentence, the program in it called as it can be called here."""
    return _CALL.sub(lambda _: program(), sentence)
