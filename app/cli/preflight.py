"""
Where the service would live on this machine: its home folder, its database file. What `up` would
refuse is said here in the words of `check`; nothing is left behind by asking.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from app.processes.home_lock import FILES
from app.settings.environment import Settings

_LITTLE_BYTES = 256 * 2**20
_REMEDY = "give it to the user that runs the service, or choose another folder"


def private_folder(folder: Path) -> Path:
    """The folder; what was missing of the way to it is made, for its owner alone."""
    for missing in [place for place in (*reversed(folder.parents), folder) if not place.exists()]:
        missing.mkdir(mode=0o700, exist_ok=True)
    return folder


def why_no_home(home: Path) -> str | None:
    """Why `up` could not hold this home, whatever is on the disk; None when it could."""
    place = _nearest(home)
    if not place.is_dir():
        return f"AFTERWORD_HOME: {place} is not a folder; move it away, or choose another place."
    if not os.access(place, os.W_OK | os.X_OK):
        return f"AFTERWORD_HOME: {place} may not be written by this user; {_REMEDY}."
    for path in (home / name for name in FILES):
        if os.path.lexists(path) and not (path.is_file() and os.access(path, os.R_OK | os.W_OK)):
            return f"AFTERWORD_HOME: {path} is no file of this user's; remove it, or choose another folder."
    return None


def why_unwritable(folder: Path, name: str) -> str | None:
    """Why nothing can be written to the folder of the setting `name` (4 kB are tried); None when it can."""
    place = _nearest(folder)
    try:
        with tempfile.TemporaryFile(dir=place) as tried:
            tried.write(b"x" * 4096)
            tried.flush()
            os.fsync(tried.fileno())
    except OSError as error:
        why = error.strerror or "unknown"
        return f"{name}: {place} cannot be written ({why}): free some space, {_REMEDY}."
    return None


def why_little_space(folder: Path) -> str | None:
    """A note when the disk of a folder is nearly full; None when it is not, or that cannot be asked."""
    try:
        free = shutil.disk_usage(_nearest(folder)).free
    except OSError:
        return None
    if free >= _LITTLE_BYTES:
        return None
    left = f"Only {free // 2**20} MB are free at {folder}"
    return f"{left}: without any, webhooks get 503 and transcripts wait. Free some space."


def with_database_file(sentence: str, settings: Settings) -> str:
    """The sentence with the path of the embedded database, where it does not say it."""
    path = settings.database_file
    return sentence if path is None or str(path) in sentence else f"{sentence} ({path})"


def _nearest(folder: Path) -> Path:
    """The folder, or what is there of the way to it."""
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    return folder
