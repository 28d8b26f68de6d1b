"""
`.env` and `NAME_FILE`: where settings stand that are not in the environment. Files, and the
sentences about trouble with one; no setting's meaning. No sentence repeats what was read.
"""

from __future__ import annotations

import io
import re
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from dotenv.parser import parse_stream

from app.errors import ConfigError
from app.settings.faults import Faults, nearest

QUOTES = ('""', "''")
# What a text program makes of them: neither a shell nor `.env` takes these away.
SMART = ("“”", "‘’", "„“", "„”", "‚‘", "‚’", "””", "’’", "«»", "»«", "``")
# Read before `.env` is, by the launcher or where it is decided whether to read it.
ENVIRONMENT_ONLY = ("AFTERWORD_ISOLATED", "AFTERWORD_PYTHON")
_FOREIGN_BYTE = re.compile("[\ud800-\udfff]")  # as the system keeps it: https://peps.python.org/pep-0383/


def is_isolated(environ: Mapping[str, str]) -> bool:
    """Whether nothing of this machine's own settings may be read: `demo`, `test`, `chaos`, `bench`."""
    return environ.get("AFTERWORD_ISOLATED", "").strip() not in ("", "0")


def read_all(
    environ: Mapping[str, str], names: Collection[str], secrets: Iterable[str], faults: Faults
) -> dict[str, str]:
    """
    All variables, stripped, without empty ones: those of the environment over those of `.env` (unless the
    command is isolated), and the content of each `NAME_FILE` as NAME, for the NAMEs of `secrets`. Around the
    values of `names` no quotes may stand.

    Raises:
        ConfigError: `.env` is there and cannot be read: whatever else seems missing may stand in it.
    """
    faults.is_isolated = is_isolated(environ)
    in_file = {} if faults.is_isolated else without_quotes(_read_env_file(faults), names, faults, SMART)
    faults.lines = {name: line for name, line in faults.lines.items() if name not in environ}
    both = {name: value.strip() for name, value in {**in_file, **environ}.items() if value.strip()}
    _read_secret_files(both, secrets, faults)
    return without_quotes(both, set(names) - faults.lines.keys(), faults)


def _read_env_file(faults: Faults) -> dict[str, str]:
    path = faults.root / ".env"
    try:
        text = path.read_text("utf-8-sig")  # some editors begin with a mark, which would be part of a name
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f".env: the file cannot be read ({_cause(error)})."]) from None
    if mode & 0o077:
        faults.warnings.append(
            f".env may be read by others (mode {mode:04o}) and holds secrets: chmod 600 .env"
        )
    values = _parsed(text, faults)
    for name in ENVIRONMENT_ONLY:
        if values.pop(name, "").strip():
            faults.warnings.append(f"{name} in .env does nothing: set it in the environment.")
    return values


def _parsed(text: str, faults: Faults) -> dict[str, str]:
    values: dict[str, str] = {}
    for line in parse_stream(io.StringIO(text)):
        number = line.original.line
        if line.error:
            faults.say(f".env, line {number}: must be NAME=value.")
        elif line.key is not None and line.value is not None:
            # Only what looks like a setting is named: a key may be half of a secret.
            if line.key.isupper() and values.get(line.key, line.value) != line.value:
                faults.warnings.append(
                    f".env: {line.key} stands there more than once; the last one (line {number}) counts."
                )
            values[line.key], faults.lines[line.key] = line.value, number
    return values


def without_quotes(
    raw: Mapping[str, str], names: Collection[str], faults: Faults, pairs: Collection[str] = (*QUOTES, *SMART)
) -> dict[str, str]:
    """
    The variables, those of `names` without the quotes (`pairs` of signs) around their values; each such one
    is a problem, as is one that is no text. A shell and `.env` take quotes away; `docker --env-file` and
    systemd's drop-ins made by hand keep them: https://docs.docker.com/reference/cli/docker/container/run/#env
    """
    bare = dict(raw)
    for name in sorted(set(names) & raw.keys()):
        value = raw[name].strip()
        if len(value) > 1 and value[0] + value[-1] in pairs:
            faults.add(name, f"its value stands in quotes ({value[0]}), which are part of it; take them away")
            bare[name] = value[1:-1]
        if not name.endswith("_FILE") and _FOREIGN_BYTE.search(value):  # a file's name may be any bytes
            faults.add(name, "holds bytes that are not UTF-8; write it anew")
            bare[name] = _FOREIGN_BYTE.sub("_", value)
    return bare


def _read_secret_files(values: dict[str, str], names: Iterable[str], faults: Faults) -> None:
    for name in names:
        path = values.get(f"{name}_FILE")
        if path is None:
            continue
        if values.get(name):
            faults.add(name, f" and {name}_FILE are both set; unset one of them")
        try:
            values[name] = (faults.root / Path(path).expanduser()).read_text("utf-8-sig").strip()
        except (OSError, ValueError, RuntimeError) as error:
            faults.add(f"{name}_FILE", f"the file cannot be read ({_cause(error)})")
            continue
        if not values[name]:
            # Silently unset would mean: no password, an embedded database.
            del values[name]
            faults.add(f"{name}_FILE", "the file is empty")


def unknown(given: Iterable[str], known: Collection[str]) -> Iterator[str]:
    """Of variables that look like settings and are none, each a sentence."""
    for name in sorted(given):
        if not name.startswith(("AFTERWORD_", "RECALL_")) or name in known:
            continue
        near = nearest(name, sorted(known), cutoff=0.8)
        # Other programs of the same people may well have RECALL_ settings of their own.
        if near or name.startswith("AFTERWORD_"):
            yield f"{name} is not a setting" + (f"; did you mean {near}?" if near else ".")


def _cause(error: Exception) -> str:
    """Never the exception's own sentence: it may quote what was read."""
    if isinstance(error, OSError):
        return error.strerror or "unknown"
    return "not text" if isinstance(error, UnicodeDecodeError) else "not a path"
