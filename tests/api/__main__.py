"""
Serves `/v1` with a stored result, runs a command against it, and ends with that one's exit code; `{url}` and
`{key}` in its words are replaced:

    python -m tests.api /PATH/schemathesis run {url}/v1/openapi.json --header "Authorization: Bearer {key}"
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.api.stage import environment, open_stage
from tests.web.receiver import start, stop

_GUNICORN = [sys.executable, "-m", "gunicorn", "app.web:create_app()"]


def main(words: list[str]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "policy.toml").write_text("[api]\nrequests_per_minute = 60000\n")
        given: dict[str, Any] = environment(home, AFTERWORD_POLICY=str(home / "policy.toml"))
        stage = open_stage(home, **given)
        stage.stored()
        receiver = start(home, command=_GUNICORN, **given)
        url = f"http://127.0.0.1:{receiver.port}"
        command = [word.replace("{url}", url).replace("{key}", stage.key) for word in words]
        try:
            return subprocess.run(command, cwd=folder, check=False).returncode  # it may leave files
        finally:
            stop(receiver)
            stage.store.close()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
