"""What the documents say is held against the program: commands, settings, reasons, log lines, paths."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from app import wiring
from app.cli import cli
from app.cli.dev_tools import clean_environment
from app.orchestrator.next_steps import NEXT_STEPS
from app.recall.limits import EventName
from app.recall.signatures import RejectionKind
from app.settings import environment
from app.settings.policy_file import read_policy
from app.transcripts.formats import FORMATS
from app.transcripts.result_folder import PARTICIPANTS, PROVIDER_RAW, RAW
from app.web import near_misses
from app.web.application import create_app

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")
OPERATING = (ROOT / "docs/operating.md").read_text("utf-8")
# Read before `.env` is, or by other programs: a line in `.env` would do nothing or mislead.
NOT_FOR_ENV_FILE = {
    "AFTERWORD_PYTHON",  # the launcher's
    "AFTERWORD_ISOLATED",  # switches `.env` off
    "AFTERWORD_TIME_SCALE",  # refused with a real Recall
    "RECALL_WORKSPACE_VERIFICATION_SECRET",  # another name for one that is there
}


def _tracked() -> list[Path]:
    """The files of the repository; those of the folder where it is not a clone of git."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        hidden = {".venv", "var", ".git", "__pycache__"}
        return [p for p in ROOT.rglob("*") if p.is_file() and not hidden & set(p.relative_to(ROOT).parts)]
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


TRACKED = _tracked()
DOCUMENTS = [path for path in TRACKED if path.suffix == ".md"]


def _named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _section(text: str, heading: str) -> str:
    """What stands below a heading, up to the next one of its level."""
    level = heading.split(" ", maxsplit=1)[0]
    assert text.count(f"\n{heading}\n") == 1, f"one heading {heading!r} is expected"
    return re.split(rf"\n{level} ", text.split(f"\n{heading}\n")[1])[0]


def _first_column(table: str) -> list[str]:
    return re.findall(r"^\| `([^`]+)`", table, re.MULTILINE)


def _blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


# -- commands ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("document", DOCUMENTS, ids=_named)
def test_every_command_a_document_names_exists(document: Path) -> None:
    known = set(cli.list_commands(cli.make_context("afterword", ["test"])))
    named = set(re.findall(r"(?:\./|`)afterword ([a-z-]+)", document.read_text("utf-8")))
    assert named <= known


def test_readme_table_of_commands_is_complete() -> None:
    rows = _first_column(_section(README, "## Commands"))
    assert {row.split()[1] for row in rows} == set(cli.list_commands(cli.make_context("afterword", ["test"])))


def test_options_named_in_readme_table_exist() -> None:
    rows = [row for row in _section(README, "## Commands").splitlines() if row.startswith("| `")]
    assert rows
    for row in rows:
        command = re.match(r"\| `\./afterword ([a-z-]+)", row)
        for option in re.findall(r"`(--[a-z-]+)", row):
            assert command is not None
            found = cli.get_command(cli.make_context("afterword", ["test"]), command[1])
            assert found is not None
            assert option in {name for p in found.params for name in p.opts}, row


# -- settings ------------------------------------------------------------------------------------------
def test_settings_of_readme_are_those_of_the_program_with_meaning_and_default() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.+?) \| (.+) \|$", _section(README, "## Settings"), re.MULTILINE)
    assert {name for name, _, _ in rows} == set(environment.NAMES)
    assert len(rows) == len(environment.NAMES)
    for name, default, meaning in rows:
        field = environment.FIELDS[name]
        assert meaning.startswith(str(field.description)), name
        if field.default:
            assert f"`{field.default}`" in default, name


def test_settings_of_the_example_file_are_those_of_the_program() -> None:
    example = (ROOT / ".env.example").read_text("utf-8")
    names = set(re.findall(r"^#?([A-Z][A-Z_]+)=", example, re.MULTILINE))
    assert names == set(environment.NAMES) - NOT_FOR_ENV_FILE


def test_defaults_in_readme_are_the_defaults(tmp_path: Path) -> None:
    needed = {
        "AFTERWORD_ISOLATED": "1",
        "RECALL_API_KEY": "k",
        "RECALL_API_BASE_URL": "http://127.0.0.1:1",
        "RECALL_WEBHOOK_SECRETS": "whsec_" + "A" * 32,
    }
    s = environment.load_settings(needed, root=tmp_path)
    said = dict(re.findall(r"^\| `([A-Z_]+)` \| `([^`]+)` \|", _section(README, "## Settings"), re.MULTILINE))
    home = s.home.relative_to(tmp_path)
    assert said["AFTERWORD_HOME"] == f"./{home}"
    assert said["DATABASE_URL"].replace("$AFTERWORD_HOME", str(s.home)) == s.database_url
    assert said["STORAGE_URL"].replace("$AFTERWORD_HOME", str(s.home)) == s.storage_url
    assert (said["AFTERWORD_WORKERS"], said["HOST"], said["PORT"]) == (str(s.workers), s.host, str(s.port))


def test_policy_in_readme_is_accepted_without_a_word(tmp_path: Path) -> None:
    words: list[str] = []
    (example,) = _blocks(_section(README, "## The policy file"), "toml")
    (tmp_path / "policy.toml").write_text(example, "utf-8")
    read_policy(tmp_path / "policy.toml", order=None, problem=words.append, warn=words.append)
    assert words == []


# -- Recall's dashboard, routes, files -------------------------------------------------------------------
def test_readme_lists_exactly_the_events_to_tick() -> None:
    listed = re.findall(r"^ +- `([a-z_.]+)`$", _section(README, "## Connecting your Recall workspace"), re.M)
    assert listed == list(EventName)


def test_ngrok_file_has_what_dev_replaces_once_outside_comments() -> None:
    lines = [line for line in (ROOT / "ngrok.yml").read_text("utf-8").splitlines() if line[:1] != "#"]
    assert sum("your-name.ngrok.app" in line for line in lines) == 1
    assert sum("url: 8000" in line for line in lines) == 1


def test_routes_in_readme_exist(tmp_path: Path) -> None:
    environ = {
        "AFTERWORD_ISOLATED": "1",
        "AFTERWORD_HOME": str(tmp_path),
        "RECALL_API_KEY": "k",
        "RECALL_API_BASE_URL": "http://127.0.0.1:1",
        "RECALL_WEBHOOK_SECRETS": "whsec_" + "A" * 32,
    }
    app = create_app(wiring.web_parts(environment.load_settings(environ)))
    rules = {rule.rule for rule in app.url_map.iter_rules()}
    named = set(re.findall(r"`(/[a-z]+(?:/[a-z]*)*)`", _section(README, "## Operating")))
    assert {"/healthz", "/readyz", "/metrics", "/ops/", "/ops/rq/"} <= named
    assert named <= rules


def test_stored_files_in_readme_are_those_that_are_written() -> None:
    rows = _first_column(_section(README, "## Results"))
    assert set(rows) == {RAW, PROVIDER_RAW, PARTICIPANTS, "manifest.json", *FORMATS}


# -- what the person on call reads -----------------------------------------------------------------------
def test_every_reason_has_a_section_and_no_section_outlives_its_reason() -> None:
    section = _section(OPERATING, "## Why a recording failed")
    assert set(re.findall(r"^### `(\w+)`$", section, re.MULTILINE)) == set(NEXT_STEPS)


def test_every_alarm_has_a_section() -> None:
    alarms = set()
    for path in sorted((ROOT / "app/core").glob("*.py")):
        alarms |= set(re.findall(r'\balarm\b[^=\n]*= *(?:None, )?"(\w+)"', path.read_text("utf-8")))
    assert "two_transcripts_with_one_marker" in alarms
    section = _section(OPERATING, "## Alarms")
    assert set(re.findall(r"^### `(\w+)`$", section, re.MULTILINE)) == alarms


@pytest.mark.slow
def test_every_log_line_above_info_is_explained_and_none_that_is_no_more() -> None:
    section = _section(OPERATING, "## Log lines")
    loud = set(_loud_lines())
    assert loud <= set(re.findall(r"`(\w+)`", section))
    table = section.split("\n### ")[0]
    named = {
        name for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in row.split("`")[1::2]
    }
    assert named - loud <= {"log_lines_dropped"}  # which `app.log` writes itself


def _loud_lines() -> Iterator[str]:
    """Names of events logged at warning or above; sentences of other libraries' loggers are not names."""
    files = [path for place in ("app", "workers") for path in (ROOT / place).rglob("*.py")]
    for path in files:
        text = path.read_text("utf-8")
        # Most files log nothing loud: without this the trees of all of them are made and walked.
        if "simulator" in path.parts or not re.search(r"\.(?:warning|error|exception)\(", text):
            continue
        for node in ast.walk(ast.parse(text)):
            match node:
                case ast.Call(
                    func=ast.Attribute(attr="warning" | "error" | "exception"),
                    args=[ast.Constant(value=str(name)), *_],
                ) if re.fullmatch(r"[a-z_]+", name):
                    yield name


def test_every_kind_of_refused_webhook_is_explained() -> None:
    rows = " ".join(re.findall(r"^\| (`.*?) \|", _section(OPERATING, "### Refused webhooks"), re.MULTILINE))
    limits = (ROOT / "app/web/bounded_worker.py").read_text("utf-8")
    refused = set(re.findall(r'BodyRefused\(\d+, "(\w+)"\)', limits))
    assert refused
    near = set(near_misses.REMEDIES)
    assert set(re.findall(r"`(\w+)`", rows)) == refused | near | {kind.value for kind in RejectionKind}


def test_metrics_to_watch_exist() -> None:
    source = (ROOT / "app/ops/metrics.py").read_text("utf-8")
    named = re.findall(r"\b(afterword_[a-z_]+)", OPERATING)
    assert named
    for name in named:
        assert f'"{name.removesuffix("_total")}"' in source, name


# -- places ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("document", DOCUMENTS, ids=_named)
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", _without_code(document.read_text("utf-8"))):
        parts = urlsplit(target)
        if parts.scheme:
            continue
        place = document.parent / parts.path if parts.path else document
        assert place.exists(), target
        if parts.fragment:
            assert parts.fragment in _anchors(place.read_text("utf-8")), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=_named)
def test_paths_that_are_mentioned_exist(document: Path) -> None:
    for name in re.findall(r"`([\w./-]+)`", document.read_text("utf-8")):
        if re.match(r"(app|workers|tests|docs|\.github|\.ci)/", name):
            assert "NNN" in name or (ROOT / name).exists(), name


def _without_code(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def _anchors(text: str) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", _without_code(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_decision_says_context_choice_price_and_how_it_would_be_wrong() -> None:
    decisions = sorted((ROOT / ".github/decisions").glob("*.md"))
    assert [path.name[:3] for path in decisions] == [f"{n + 1:03}" for n in range(len(decisions))]
    for path in decisions:
        text = path.read_text("utf-8")
        parts = re.findall(r"^\*\*(.+?)\.\*\*", text, re.MULTILINE)
        assert parts == ["Context", "Choice", "Price", "How we would know it was wrong"], path.name
        assert text.startswith(f"# {path.name[:3]}: ")
        assert len(text.splitlines()) < 30, path.name


# -- what runs, and what must not be there -----------------------------------------------------------------
RUNNABLE = [
    pytest.param(block, id=f"{_named(path)}-{number}")
    for path in DOCUMENTS
    for number, block in enumerate(
        re.findall(r"^<!-- runs -->\n```sh\n(.*?)^```$", path.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    )
]


@pytest.mark.slow
@pytest.mark.parametrize("block", RUNNABLE)
def test_blocks_marked_as_runnable_run(block: str, tmp_path: Path) -> None:
    environ = {
        **clean_environment(),
        "PYTHONPATH": str(ROOT),
        "PYTHON": sys.executable,
        "AFTERWORD_ISOLATED": "1",
        "AFTERWORD_HOME": str(tmp_path / "var"),
        "RECALL_API_KEY": "k",
        "RECALL_API_BASE_URL": "http://127.0.0.1:1",
        "RECALL_WEBHOOK_SECRETS": "whsec_" + "A" * 32,
    }
    program = '"$PYTHON" -P -m app'
    script = block.replace("./afterword", program).replace(".venv/bin/python", '"$PYTHON"')
    ran = subprocess.run(
        ["sh", "-euc", f"{program} migrate\n{script}"],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_something_is_marked_as_runnable() -> None:
    assert RUNNABLE


def test_the_fifteen_minutes_of_the_readme_are_at_most_1200_lines() -> None:
    text = (ROOT / "README.md").read_text()
    (way,) = re.findall(
        r"^## Reading the code in fifteen minutes\n(.*?)\bThen, as far as you like", text, re.M | re.S
    )
    files = [ROOT / name for name in re.findall(r"`((?:app|workers)/[\w/]+\.py)`", way)]
    assert len(files) >= 5
    assert sum(len(file.read_text().splitlines()) for file in files) <= 1_200


def test_no_tracked_file_holds_the_marks_of_a_merge_that_was_not_finished() -> None:
    marks = re.compile(rb"^(<{7}|={7}|>{7})( .*)?$", re.MULTILINE)
    assert [_named(path) for path in TRACKED if marks.search(path.read_bytes())] == []


@pytest.mark.slow
def test_no_tracked_file_names_a_private_path_or_package_index() -> None:
    folders = "|".join(("work", "opt", "root", "home", "Users"))
    private = rf"(?<![\w.$}})~-])/(?:{folders})/[\w.-]+"
    # In brackets, so that this file does not find itself.
    indexes = [r"[p]ypi\.org", r"[p]ythonhosted", r"https?://\S+/[s]imple\b", *_hosts()]
    forbidden = re.compile("|".join([private, *indexes]))
    found = {
        _named(path): match[0]
        for path in TRACKED
        if (match := forbidden.search(path.read_text("utf-8", errors="replace"))) is not None
    }
    assert found == {}


def test_no_tracked_file_holds_what_a_merge_left_open() -> None:
    open_ends = re.compile(r"^(?:<{7}|>{7}) ", re.MULTILINE)
    found = [p for p in TRACKED if open_ends.search(p.read_text("utf-8", errors="replace"))]
    assert [_named(path) for path in found] == []


def _hosts() -> list[str]:
    """The hosts pip is configured with on this machine: the likeliest ones to slip into a file."""
    shown = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    said = shown + " ".join(v for k, v in os.environ.items() if k.upper().startswith(("PIP_", "UV_")))
    hosts = {urlsplit(url).hostname for url in re.findall(r"https?://[^\s'\"]+", said)}
    return [re.escape(host) for host in hosts if host and host != "localhost"]
