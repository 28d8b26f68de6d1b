"""
A venv's `pip/__main__.py`: what the launcher asks of pip, without the time in which pip imports itself.

Knows the launcher's two calls: a lock whose packages a local folder offers, and the project, built in a
process of its own. Refuses to know hashes, and what pip says of a network: tests of these take pip itself.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path
from urllib.parse import unquote


def main(arguments: list[str]) -> None:
    if "-r" in arguments:
        lock = Path(arguments[arguments.index("-r") + 1]).read_text()
        for name, version in re.findall(r"^([\w-]+)==(\S+)", lock, re.MULTILINE):
            offered = Path(unquote(os.environ["PIP_FIND_LINKS"].removeprefix("file://")))
            wheel = offered / f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
            if not wheel.is_file():
                sys.exit(f"ERROR: No matching distribution found for {name}=={version}")
            _unpack(wheel)
    else:
        with tempfile.TemporaryDirectory() as folder:
            _build(folder)
            for wheel in Path(folder).iterdir():
                _unpack(wheel)


def _build(folder: str) -> None:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            sys.path.insert(0, "backend")
            import tiny_backend  # type: ignore[import-not-found]  # the miniature project's

            tiny_backend.build_editable(folder)
            code = 0
        finally:
            os._exit(code)
    if os.waitpid(pid, 0)[1] != 0:
        sys.exit("ERROR: the project cannot be built")


def _unpack(wheel: Path) -> None:
    """In the place of the version that is there."""
    packages = Path(sysconfig.get_path("purelib"))
    for before in packages.glob(f"{wheel.name.partition('-')[0]}-*.dist-info"):
        shutil.rmtree(before)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)


if __name__ == "__main__":
    main(sys.argv[1:])
