"""How this program is called on this machine, for remedies that can be pasted into a terminal."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_CALL = re.compile(r"\./afterword(?= )|(?<=`)afterword(?= )")


def program() -> str:
    """`./afterword` in a clone, its whole path from another folder; else what is installed."""
    launcher = ROOT / "afterword"
    if launcher.is_file():
        is_here = Path.cwd() == ROOT if _has_folder() else False
        return "./afterword" if is_here else shlex.quote(str(launcher))
    return "afterword" if shutil.which("afterword") else "python -m app"


def command(arguments: str) -> str:
    """A call of this program, in backticks."""
    return f"`{program()} {arguments}`"


def pasteable(sentence: str) -> str:
    """The sentence, the program in it called as it can be called here."""
    return _CALL.sub(lambda _: program(), sentence)


def _has_folder() -> bool:
    try:
        Path.cwd()
    except OSError:  # it was removed
        return False
    return True
