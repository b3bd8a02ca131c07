"""`bench record` and `bench check`: baselines that guard a CI."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from sim.cli.console import Refused, put, put_json, put_styled, say
from sim.cli.experiments import watched
from sim.cli.options import Dask, Json, Metrics, Quiet, ReportFile, Seed, Set, Until, Workers, settings
from sim.cli.writing import check_page, write_report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.text import Text

    from sim.experiment import Check

HELP = "Keep what scenarios give as a baseline, and fail when it gets worse."
RECORD_HELP = """Run scenarios and write what they gave to a baseline, a JSON file to keep under version control.

The baseline holds the metrics with their values, a fingerprint of each trajectory, and how fast each scenario ran next
to bare SimPy. Replication k of a scenario takes its seed plus k. Recording again replaces the baseline.

\b
Examples:
  nixfleet-sim bench record baseline.json scenarios/*.yaml
  nixfleet-sim bench record baseline.json web.yaml -n 20 --metric rollouts.stable.time_to_converged_s.p99
"""
CHECK_HELP = """Run the scenarios of a baseline again, and exit with 1 if a metric moved the wrong way.

Moved is more than the tolerance and more than chance explains. What moved the right way is told and passes, and so is
a trajectory that differs with the same seeds, with the first transition that does. A scenario that has changed since,
or has another seed, is compared by statistics alone.

\b
Examples:
  nixfleet-sim bench check baseline.json
  nixfleet-sim bench check baseline.json --tolerance 1% --markdown comment.md --junit report.xml --report page.html
  nixfleet-sim bench check baseline.json --seed 7
  nixfleet-sim bench check baseline.json --json | jq '.moved[] | select(.worse)'
"""
STANDARD_OUTPUT = "-"

File = Annotated[Path, typer.Argument(metavar="BASELINE", help="The file of the baseline (JSON).")]
NoSpeed = Annotated[bool, typer.Option("--no-speed", help="Leave out how fast the scenarios run.")]


class CheckCommand(TyperCommand):
    """`--markdown` may stand alone: then it means standard output."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        given = list(args)
        for place in range(len(given) - 1, -1, -1):
            following = given[place + 1 : place + 2]
            if given[place] == "--markdown" and (not following or following[0].startswith("--")):
                given[place] = f"--markdown={STANDARD_OUTPUT}"
        return super().parse_args(ctx, given)


def record(
    baseline: File,
    scenarios: Annotated[list[Path], typer.Argument(metavar="SCENARIO...", help="Scenario files.")],
    n: Annotated[int, typer.Option("-n", metavar="N", min=2, help="Replications of each scenario.")] = 10,
    metric: Metrics = None,
    workers: Workers = None,
    dask: Dask = None,
    no_speed: NoSpeed = False,
    seed: Seed = None,
    change: Set = None,
    until: Until = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Record a baseline."""
    changes = settings(change, seed=seed, until=until)
    import sim.experiment
    from sim.result.words import counted

    found, interrupted = watched(
        baseline.name,
        partial(
            sim.experiment.record,
            baseline,
            scenarios,
            n,
            metrics=metric,
            settings=changes,
            with_speed=not no_speed,
            workers=workers,
            dask=dask,
        ),
        quiet=quiet,
    )
    metrics = sum(len(one.metrics) for one in found.scenarios.values())
    runs = sum(len(one.runs) for one in found.scenarios.values())
    if as_json:
        put_json({"file": str(baseline), "scenarios": list(found.scenarios), "runs": runs, "metrics": metrics})
    else:
        put(
            f"{baseline}: {counted(metrics, 'metric')} of {counted(len(found.scenarios), 'scenario')}, "
            f"{counted(runs, 'run')}"
        )
    if interrupted:
        raise typer.Exit(130)


def check(
    baseline: File,
    tolerance: Annotated[
        str, typer.Option("--tolerance", metavar="P", help="How far a metric may move, of what it was.")
    ] = "5%",
    speed_tolerance: Annotated[
        str, typer.Option("--speed-tolerance", metavar="P", help="The same for the speed, which is rough.")
    ] = "50%",
    no_speed: NoSpeed = False,
    markdown: Annotated[
        str | None,
        typer.Option(
            "--markdown",
            metavar="[FILE]",
            show_default=False,
            help="Write the answer as Markdown, too; without FILE print that instead.",
        ),
    ] = None,
    junit: Annotated[
        Path | None,
        typer.Option("--junit", metavar="FILE", show_default=False, help="Write it as JUnit XML, too."),
    ] = None,
    workers: Workers = None,
    dask: Dask = None,
    seed: Seed = None,
    change: Set = None,
    until: Until = None,
    report: ReportFile = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Check a baseline."""
    allowed = [
        _tolerance(given, option)
        for given, option in ((tolerance, "--tolerance"), (speed_tolerance, "--speed-tolerance"))
    ]
    changes = settings(change, seed=seed, until=until)
    printed = markdown == STANDARD_OUTPUT
    if printed and as_json:
        raise Refused("--json and --markdown without a file both print; give --markdown a file")
    files = {"--markdown": Path(markdown) if markdown and not printed else None, "--junit": junit}
    for option, file in files.items():
        if file is not None and (file.is_dir() or not file.absolute().parent.is_dir()):
            raise Refused(f"{option} {file}: expected a file in a directory that is there")
        if file is not None and file.resolve() == baseline.resolve():
            raise Refused(f"{option} {file}: is the baseline, and would be lost; give another name")
    check_page(report, "--report")
    import sim.experiment
    from sim.experiment.store import replace_file

    found, interrupted = watched(
        baseline.name,
        partial(
            sim.experiment.check,
            baseline,
            tolerance=allowed[0],
            speed_tolerance=allowed[1],
            settings=changes,
            with_speed=not no_speed,
            workers=workers,
            dask=dask,
        ),
        quiet=quiet,
    )
    for option, file in files.items():
        if file is not None:
            content = found.markdown() if option == "--markdown" else found.junit()
            replace_file(file, content.encode())
            if not quiet:
                say(f"wrote {file}")
    write_report(report, found, quiet=quiet)
    if as_json:
        put_json(found.summary)
    elif printed:
        put(found.markdown().rstrip())
    else:
        put_styled(_styled(found))
    raise typer.Exit(130 if interrupted else 0 if found.ok else 1)


def _tolerance(given: str, option: str) -> float:
    from sim.scenario.units import parse_percent

    try:
        return float(parse_percent(given) / 100)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=f"'{option}'") from None


def _styled(found: Check) -> Iterator[Text]:
    """What `describe` says, its answer and the ways of the metrics in colour."""
    from rich.text import Text

    from sim.cli.closing import BAD, FAINT, GOOD
    from sim.cli.console import printable

    lines = printable(found.describe()).split("\n")
    yield Text(lines[0], GOOD if found.ok else BAD)
    yield Text(lines[1], FAINT)
    for line in lines[2:]:
        text = Text(line)
        text.highlight_words(["  worse  "], BAD)
        text.highlight_words(["  better  "], GOOD)
        yield text
