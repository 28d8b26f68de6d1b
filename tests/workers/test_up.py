"""What of the settings a reload takes, and that nothing is imported after the forks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.settings.changes import names_by_field
from app.settings.environment import Settings, load_settings
from app.settings.program_name import ROOT
from workers.up import changed_names, with_changes

BASE = {
    "AFTERWORD_ISOLATED": "1",
    "RECALL_API_BASE_URL": "http://127.0.0.1:9",
    "RECALL_API_KEY": "first-key",
    "RECALL_WEBHOOK_SECRETS": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
}


def settings(root: Path, **changed: str) -> Settings:
    return load_settings({**BASE, **changed}, root=root)


@pytest.mark.parametrize(
    ("changed", "waits"),
    [
        ({"PORT": "8001"}, ["PORT"]),
        ({"HOST": "::1"}, ["HOST"]),
        ({"AFTERWORD_HOME": "elsewhere"}, ["AFTERWORD_HOME"]),
        ({"DATABASE_URL": "postgresql://u@h/d"}, ["DATABASE_URL"]),
        (
            {"AFTERWORD_HOME": "elsewhere", "DATABASE_URL": "postgresql://u@h/d"},
            ["AFTERWORD_HOME", "DATABASE_URL"],
        ),
        ({"REDIS_URL": "redis://h/0"}, ["REDIS_URL"]),
        ({"STORAGE_URL": "file:///srv/t"}, ["STORAGE_URL"]),
        ({"AFTERWORD_WORKERS": "9"}, ["AFTERWORD_WORKERS"]),
        ({"RECALL_API_BASE_URL": "http://127.0.0.1:10"}, ["RECALL_API_BASE_URL"]),
        (
            {"RECALL_API_BASE_URL": "http://127.0.0.1:10", "RECALL_API_KEY": "of-there"},
            ["RECALL_API_BASE_URL", "RECALL_API_KEY"],
        ),
    ],
)  # fmt: skip
def test_what_may_not_change_while_running_is_named_and_stays(
    tmp_path: Path, changed: dict[str, str], waits: list[str]
) -> None:
    before = settings(tmp_path)
    after, names = with_changes(before, settings(tmp_path, **changed, AFTERWORD_OPS_PASSWORD="another one"))
    assert names == waits
    assert after.ops_password == "another one"
    assert changed_names(before, after) == ["AFTERWORD_OPS_PASSWORD"]
    assert after.model_copy(update={"ops_password": None}) == before


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"RECALL_API_KEY": "second-key"}, "RECALL_API_KEY"),
        ({"RECALL_WEBHOOK_SECRETS": "whsec_" + "A" * 32}, "RECALL_WEBHOOK_SECRETS"),
        ({"AFTERWORD_API_KEYS": f"a=transcriptions:read={'0' * 64}"}, "AFTERWORD_API_KEYS"),
        ({"AFTERWORD_PROVIDERS": "deepgram_async"}, "the policy"),
    ],
)
def test_what_may_change_is_taken_and_named_without_its_value(
    tmp_path: Path, changed: dict[str, str], name: str
) -> None:
    before, read = settings(tmp_path), settings(tmp_path, **changed)
    assert with_changes(before, read) == (read, [])
    assert changed_names(before, read) == [name]


def test_every_setting_either_may_change_or_waits_and_so_does_what_is_made_of_them() -> None:
    named = {*names_by_field(reload=True), *names_by_field(reload=False)}
    not_the_services = {"ngrok_domain", "python", "isolated"}
    assert Settings.model_fields.keys() - named == {"root", "warnings", "wrong"} | not_the_services


@pytest.mark.slow
@pytest.mark.parametrize("source", ["children", "web"])
def test_nothing_of_ours_is_imported_after_the_forks(tmp_path: Path, source: str) -> None:
    """It could be of a version that was checked out meanwhile."""
    wanted: dict[str, Any] = {
        "children": "service = wiring.open_service(settings); wiring.open_queue(settings); "
        "jobs.use_settings(settings); service.receive(); service.sweep(); jobs.reconcile()",
        "web": "app = create_app(wiring.web_parts(settings)); client = app.test_client(); "
        "[client.get(path) for path in ('/readyz', '/metrics', '/ops/', '/ops/rq/')]",
    }
    program = (
        "import sys\nfrom contextlib import suppress\n"
        "from app import wiring\nfrom app.settings.environment import load_settings\n"
        "from workers.up import preload\n"
        "settings = load_settings(); wiring.migrate(settings); preload(settings)\n"
        "before = set(sys.modules)\n"
        "from workers import jobs\nfrom app.web import create_app\n"
        "import app.web.gunicorn_app, app.web.application\n"
        f"with suppress(Exception):\n    {wanted[source]}\n"
        "late = sorted(n for n in set(sys.modules) - before if n.split('.')[0] in ('app', 'workers'))\n"
        "assert not late, late"
    )
    environment = {**BASE, "AFTERWORD_HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
