"""
The command: the proof. Exit 0 when nothing is lost, paid twice, half-written or pending; 1 when
something is, with its story; 69 when something needed is not there.
"""

from __future__ import annotations

import shlex
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.live import Live

from app.errors import Away
from tests.chaos import lies, show
from tests.chaos.oracle import Verdict, judge
from tests.chaos.play import Played, Progress, Run, play
from tests.chaos.script import plans
from tests.chaos.stage import GIVE_UP_AFTER_H, TIME_SCALE, Stage, open_stage
from tests.chaos.storm import kills, outages

# What two cores do with room to spare, four workers and everything else on the same machine.
PER_SECOND = 3.0
DATABASE_AWAY_S = 20.0
RECALL_AWAY_S = 4.0
# Fourteen minutes of Recall's time: longer than an absence has to last before it is believed.
_FOREIGN_S = 14.0
# What nobody told us of is found when its webhook is overdue, by the next pass over Recall's list that is not
# put off or killed; and what nobody knows the fate of is settled two hours of Recall's time later.
_FOUND_WITHIN_S = 50.0
PATIENCE_S = 170.0 + _FOUND_WITHIN_S
# And a webhook whose tries all met an outage waits up to twelve hours (ten, and a jitter) for its next one.
LONG_PATIENCE_S = PATIENCE_S + max(GIVE_UP_AFTER_H, 12) * 3600 / TIME_SCALE
_SAY_EVERY_S = 30.0
# Below this many recordings nobody wants to wait for what is only given up on.
_SHORT = 150


@dataclass(frozen=True, slots=True)
class Options:
    """As given on the command line."""

    recordings: int
    seed: int
    database: str
    per_second: float
    database_away_s: float
    workers: int
    on_silence: str
    told: tuple[str, ...]
    lie_share: float
    store: str

    def run(self) -> Run:
        """The whole script."""
        is_long = self.recordings > _SHORT
        script = plans(
            self.seed,
            self.recordings,
            per_second=self.per_second,
            with_slow=is_long,
            on_silence=self.on_silence,
            lies=lies.faults(self.told),
            lie_share=self.lie_share,
        )
        over_s = script[-1].at_s
        broken = outages(
            self.seed,
            over_s,
            database_away_s=self.database_away_s,
            recall_away_s=RECALL_AWAY_S if is_long else 1.5,
            with_slow=is_long,
            told=self.told,
            foreign_s=_FOREIGN_S if is_long else 4.0,
        )
        return Run(
            seed=self.seed,
            plans=script,
            schedules=(kills(self.seed, over_s), broken),
            on_silence=self.on_silence,
            patience_s=LONG_PATIENCE_S if is_long else PATIENCE_S,
            watches_manifests="provisional" in self.told,
        )

    def again(self) -> str:
        """The command that plays the same script."""
        said = (
            f"./afterword chaos --recordings {self.recordings} --seed {self.seed} --database {self.database}"
        )
        said += f" --per-second {self.per_second:g} --database-away {self.database_away_s:g}"
        told = "all" if self.told == lies.KINDS else ",".join(self.told) or "none"
        said += f" --lies {shlex.quote(told)} --lie-share {self.lie_share:g}"
        said += f" --store {self.store}" if self.store != "files" else ""
        return said + (f" --on-silence {self.on_silence}" if self.on_silence != "fail" else "")


def _read_lies(context: click.Context, parameter: click.Parameter, said: str) -> tuple[str, ...]:
    if said in ("all", "none"):
        return lies.KINDS if said == "all" else ()
    told = tuple(said.split(","))
    if unknown := sorted(set(told) - set(lies.KINDS)):
        raise click.BadParameter(f"{', '.join(unknown)}: not among {', '.join(lies.KINDS)}")
    return told


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--recordings", type=click.IntRange(10, 20_000), default=2000, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="the same seed, the same script")
@click.option("--database", type=click.Choice(["sqlite", "postgresql"]), default="sqlite", show_default=True)
@click.option(
    "--per-second",
    type=click.FloatRange(0.1, 50.0),
    default=PER_SECOND,
    show_default=True,
    help="meetings that end a second",
)
@click.option(
    "--database-away",
    "database_away_s",
    type=click.FloatRange(1.0, 120.0),
    default=DATABASE_AWAY_S,
    show_default=True,
    help="seconds, once",
)
@click.option("--workers", type=click.IntRange(1, 32), default=4, show_default=True, help="of the service")
@click.option(
    "--on-silence",
    type=click.Choice(["fail", "next"]),
    default="fail",
    show_default=True,
    help="of the policy: next pays another provider after a day of silence",
)
@click.option(
    "--lies",
    "told",
    default="all",
    show_default=True,
    callback=_read_lies,
    help=f"all, none, or some of {', '.join(lies.KINDS)}",
)
@click.option(
    "--lie-share",
    type=click.FloatRange(0.0, 1.0),
    default=lies.SHARE,
    show_default=True,
    help="of all recordings, for each kind of lie",
)
@click.option(
    "--store",
    type=click.Choice(["files", "s3-faulty"]),
    default="files",
    show_default=True,
    help="s3-faulty: a bucket on the way to which one request in ten fails, by the seed",
)
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="numbers and offences, as a file")
@click.option("--keep", is_flag=True, help="keep the home with its files and log")
def main(json_path: Path | None, keep: bool, **given: Any) -> None:
    """Faults of every kind, and what became of every recording."""
    # Like Ctrl-C: what was started is stopped first.
    signal.signal(signal.SIGTERM, lambda signum, frame: sys.exit(128 + signum))
    options, console = Options(**given), Console()
    if not console.is_terminal:
        console.width = 120
    tmp = Path(tempfile.mkdtemp(prefix="afterword-chaos-"))
    code = 1
    try:
        code = 0 if _run(options, console, tmp, json_path) else 1
    except Away as error:
        console.print(f"afterword: {error}", markup=False, soft_wrap=True)
        code = 69
    except KeyboardInterrupt:
        code = 130
    finally:
        if code in (0, 130) and not keep:
            shutil.rmtree(tmp, ignore_errors=True)
        else:
            console.print(f"Everything is kept in {tmp}", markup=False, soft_wrap=True)
    sys.exit(code)


def _run(options: Options, console: Console, tmp: Path, json_path: Path | None) -> bool:
    run = options.run()
    console.print(
        f"{options.recordings} recordings on {options.database}, seed {options.seed}: meetings end for "
        f"{run.plans[-1].at_s:.0f} s, time runs {TIME_SCALE:g} times faster …"
    )
    with open_stage(
        tmp,
        seed=options.seed,
        database=options.database,
        workers=options.workers,
        on_silence=options.on_silence,
        told=options.told,
        store=options.store,
    ) as stage:
        played = _watched(stage, run, console)
        verdict = judge(played.evidence)
        console.print(show.table(played, verdict))
        _conclude(console, stage, played, verdict, options)
    if json_path is not None:
        given = {name: getattr(options, name) for name in options.__slots__}
        json_path.write_text(show.as_json(played, verdict, given), "utf-8")
    return not verdict.offences and not played.storm_troubles


def _watched(stage: Stage, run: Run, console: Console) -> Played:
    number = len(run.plans)
    if not console.is_terminal:
        return play(stage, run, tell=_NowAndThen(console, number))
    with Live(console=console, refresh_per_second=2, transient=True) as live:
        return play(stage, run, tell=lambda progress: live.update(show.progress_line(progress, number)))


@dataclass(slots=True)
class _NowAndThen:
    """A plain line every half a minute, for logs."""

    console: Console
    number: int
    _said_at: float = 0.0

    def __call__(self, progress: Progress) -> None:
        if time.monotonic() > self._said_at + _SAY_EVERY_S:
            self._said_at = time.monotonic()
            self.console.print(show.progress_words(progress, self.number))


def _conclude(console: Console, stage: Stage, played: Played, verdict: Verdict, options: Options) -> None:
    if stage.bucket is not None:
        console.print(stage.bucket.said(), markup=False, soft_wrap=True)
    for trouble in played.storm_troubles:
        console.print(f"a fault could not be made: {trouble}", markup=False, soft_wrap=True)
    if verdict.offences:
        show.tell_offences(console, stage, verdict, again=options.again())
    else:
        console.print(
            f"[green]Nothing lost, nothing paid twice, nothing pending[/], in {played.took_s:.0f} s."
        )
