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
from tests.mutate.results import Mutant, changes, equivalents, mutants


@click.command()
@click.option("--paths", default="core", show_default=True, help="the package below app/ that is mutated")
@click.option("--only", multiple=True, metavar="PATTERN", help="these mutants alone, e.g. 'app.core.step.*'")
@click.option("--survivors", is_flag=True, help="those alone that the last run left, and what is new")
@click.option("--at-least", default=90.0, show_default=True, help="the score below which this fails, percent")
@click.option("--jobs", default=os.cpu_count() or 2, show_default=True, help="mutants tried at once")
def main(paths: str, only: tuple[str, ...], survivors: bool, at_least: float, jobs: int) -> None:
    """Mutation testing of app/PATHS by tests/PATHS. Listed equivalents are not counted."""
    scratch = ROOT / "var" / "mutate" / paths
    if survivors:
        only = tuple(mutant.name for mutant in mutants(scratch) if not mutant.is_found_out)
    prepare(ROOT, scratch, paths)
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
    run = [mutant for mutant in mutants(scratch) if mutant.is_run]
    same, left = equivalents(listed), []
    known = 0
    for mutant, change in changes(scratch, [mutant for mutant in run if not mutant.is_found_out]):
        if change in same:
            known += 1
        else:
            left.append(mutant)
            click.echo(f"{mutant.status}: {change}  ({mutant.name})")
    score = _score(run, known, len(left))
    click.echo(
        f"{score:.1f} % of {len(run) - known} mutants found out, {len(left)} survived; "
        f"{known} more are the same program ({listed.name})"
    )
    return 0 if score >= at_least else 1


def _score(run: list[Mutant], known: int, left: int) -> float:
    counted = len(run) - known
    return 100.0 * (counted - left) / counted if counted else 0.0


if __name__ == "__main__":
    main()
