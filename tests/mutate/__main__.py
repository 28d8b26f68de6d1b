"""
`./afterword mutate`: each mutant of the code goes through the tests beside it. One that no test notices is
a line that could be wrong unseen.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click

from app.settings.program_name import ROOT
from tests.mutate.prepare import prepare
from tests.mutate.results import changes, equivalents, mutants


@click.command()
@click.option("--paths", default="core", show_default=True, help="the package below app/ that is mutated")
@click.option("--only", multiple=True, metavar="PATTERN", help="these mutants alone, e.g. 'app.core.step.*'")
@click.option("--survivors", is_flag=True, help="those alone that the last run left or did not reach")
@click.option("--at-least", default=90.0, show_default=True, help="the score below which this fails, percent")
@click.option("--jobs", default=os.cpu_count() or 2, show_default=True, help="mutants tried at once")
def main(paths: str, only: tuple[str, ...], survivors: bool, at_least: float, jobs: int) -> None:
    """Mutation testing of app/PATHS by tests/PATHS. Listed equivalents are not counted."""
    scratch = ROOT / "var" / "mutate" / paths
    if survivors:
        only = tuple(mutant.name for mutant in mutants(scratch) if not mutant.is_found_out)
    prepare(ROOT, scratch, paths, keep=survivors)
    code = _run_mutmut(scratch, only, jobs)
    if code != 0:
        raise SystemExit(f"mutmut ended with code {code}; its words are in {scratch / 'mutmut.log'}")
    sys.exit(_told(scratch, ROOT / "tests" / paths / "equivalent_mutants.toml", at_least))


def _run_mutmut(scratch: Path, only: tuple[str, ...], jobs: int) -> int:
    # Without the plugins of the suite a mutant costs half: none of them is needed here.
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environment.pop("PYTHONPATH", None)  # the mutants' own folder comes first
    command = [str(Path(sys.executable).parent / "mutmut"), "run", "--max-children", str(jobs), *only]
    with (scratch / "mutmut.log").open("wb") as log:
        click.echo(f"mutating in {scratch}; tail -f {log.name}", err=True)
        return subprocess.run(
            command, cwd=scratch, env=environment, stdout=log, stderr=subprocess.STDOUT, check=False
        ).returncode


def _told(scratch: Path, listed: Path, at_least: float) -> int:
    tried = [mutant for mutant in mutants(scratch) if mutant.is_run]
    left = dict(changes(scratch, [mutant for mutant in tried if not mutant.is_found_out]))
    same = equivalents(listed)
    known = sum(change in same for change in left.values())
    for mutant, change in left.items():
        if change not in same:
            click.echo(f"{mutant.status}: {change}  ({mutant.name})")
    stale = same - set(left.values()) if len(tried) == len(mutants(scratch)) else set()
    for change in stale:
        click.echo(f"listed, but no survivor: {change}")
    score = _score(len(tried) - known, len(left) - known)
    click.echo(
        f"{score:.1f} % of {len(tried) - known} mutants found out, {len(left) - known} survived; "
        f"{known} more are the same program ({listed.name})"
    )
    return 0 if score >= at_least and not stale else 1


def _score(counted: int, left: int) -> float:
    return 100.0 * (counted - left) / counted if counted else 0.0


if __name__ == "__main__":
    main()
