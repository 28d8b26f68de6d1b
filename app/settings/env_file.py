"""
`.env` and `NAME_FILE`: where settings stand that are not in the environment. Knows files and how a trouble
with one is said; refuses to know what a setting means. No sentence repeats what was read.
"""

from __future__ import annotations

import difflib
import io
import re
import stat
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from dotenv.parser import parse_stream

from app.errors import ConfigError
from app.settings.problems import Say

QUOTES = ('""', "''")
# What a text program makes of them: neither a shell nor `.env` takes these away.
SMART = ("“”", "‘’", "„“", "„”", "‚‘", "‚’", "””", "’’", "«»", "»«", "``")  # noqa: RUF001
# Read before `.env` is, by the launcher or by whoever decides whether to read it.
ENVIRONMENT_ONLY = ("AFTERWORD_ISOLATED", "AFTERWORD_PYTHON")


def read_env_file(path: Path, *, problem: Say, warn: Say) -> dict[str, str]:
    """
    The variables of `.env`; {} when there is none.

    Raises:
        ConfigError: It is there and cannot be read: whatever else seems missing may stand in it.
    """
    try:
        text = path.read_text("utf-8-sig")  # some editors begin with a mark, which would be part of a name
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f".env: the file cannot be read ({_cause(error)})."]) from None
    if mode & 0o077:
        warn(f".env may be read by others (mode {mode:04o}) and holds secrets: chmod 600 .env")
    values = _parsed(text, problem, warn)
    for name in ENVIRONMENT_ONLY:
        if values.pop(name, "").strip():
            warn(f"{name} in .env does nothing: set it in the environment.")
    return values


def _parsed(text: str, problem: Say, warn: Say) -> dict[str, str]:
    values: dict[str, str] = {}
    for line in parse_stream(io.StringIO(text)):
        if line.error:
            problem(f".env, line {line.original.line}: must be NAME=value.")
        elif line.key is not None and line.value is not None:
            # Only what looks like a setting is named: a key may be half of a secret.
            if line.key.isupper() and values.get(line.key, line.value) != line.value:
                last = f"the last one (line {line.original.line}) counts"
                warn(f".env: {line.key} stands there more than once; {last}.")
            values[line.key] = line.value
    return values


def variables(environ: Mapping[str, str], in_file: Mapping[str, str]) -> dict[str, str]:
    """All variables, stripped, without empty ones; the environment wins over the file."""
    both = {**in_file, **environ}
    return {name: value.strip() for name, value in both.items() if value.strip()}


def without_quotes(
    raw: Mapping[str, str],
    names: Collection[str],
    *,
    problem: Say,
    pairs: Collection[str] = (*QUOTES, *SMART),
) -> dict[str, str]:
    """
    The variables, those of `names` without the quotes around their values; each such one is a problem, as
    is one that is no text.

    Args:
        pairs: Which signs before and behind a value are quotes.

    A shell and `.env` take quotes away; `docker --env-file` and systemd's drop-ins made by hand keep them:
    https://docs.docker.com/reference/cli/docker/container/run/#env
    """
    bare = dict(raw)
    for name in sorted(names & raw.keys()):
        value = raw[name].strip()
        if len(value) > 1 and value[0] + value[-1] in pairs:
            problem(f"{name}: its value stands in quotes ({value[0]}), which are part of it; take them away.")
            bare[name] = value[1:-1]
        if not name.endswith("_FILE") and not _is_utf8(value):  # a file's name may be any bytes
            problem(f"{name}: holds bytes that are not UTF-8; write it anew.")
            bare[name] = re.sub("[\ud800-\udfff]", "_", value)
    return bare


def _is_utf8(text: str) -> bool:
    """Not so where the system kept foreign bytes as lone surrogates: https://peps.python.org/pep-0383/"""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def read_secret_files(raw: dict[str, str], names: Iterable[str], root: Path, *, problem: Say) -> None:
    """Puts the content of each `NAME_FILE` into `raw` as NAME."""
    for name in names:
        path = raw.get(f"{name}_FILE")
        if path is None:
            continue
        if raw.get(name):
            problem(f"{name} and {name}_FILE are both set; unset one of them.")
        try:
            raw[name] = (root / Path(path).expanduser()).read_text("utf-8-sig").strip()
        except (OSError, ValueError, RuntimeError) as error:
            problem(f"{name}_FILE: the file cannot be read ({_cause(error)}).")
            continue
        if not raw[name]:
            # Silently unset would mean: no password, an embedded database.
            del raw[name]
            problem(f"{name}_FILE: the file is empty.")


def warn_of_unknown(raw: Mapping[str, str], known: Collection[str], *, warn: Say) -> None:
    """Variables that look like settings and are none."""
    for name in sorted(raw):
        if not name.startswith(("AFTERWORD_", "RECALL_")) or name in known:
            continue
        near = difflib.get_close_matches(name, sorted(known), 1, cutoff=0.8)
        # Other programs of the same people may well have RECALL_ settings of their own.
        if near or name.startswith("AFTERWORD_"):
            warn(f"{name} is not a setting" + (f"; did you mean {near[0]}?" if near else "."))


def _cause(error: Exception) -> str:
    """Never the exception's own sentence: it may quote what was read."""
    if isinstance(error, OSError):
        return error.strerror or "unknown"
    return "not text" if isinstance(error, UnicodeDecodeError) else "not a path"
