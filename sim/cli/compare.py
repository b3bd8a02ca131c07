"""`compare`: two scenarios, or one under two settings, by pairs of runs under the same luck."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from sim.cli.console import Refused
from sim.cli.experiments import conducted, kept_in
from sim.cli.options import (
    Dask,
    Json,
    Metrics,
    Most,
    Out,
    Precision,
    Quiet,
    ReportFile,
    Seed,
    Set,
    Until,
    Wait,
    Workers,
    settings,
    share,
    under,
)
from sim.cli.writing import check_page

HELP = """Compare two scenarios, or one under two settings: what changes, by how much, and how sure that is.

Both are run in pairs with the same seed and replication, so that luck that does the same to both cancels. Differences
are b - a. Without -n it stops by itself once every difference is known well enough.

\b
Examples:
  nixfleet-sim compare scenario.yaml --b rules.deferred=strict -n 50 --report ordering.html
  nixfleet-sim compare scenario.yaml --a hosts.default.reboot.max=4h --b hosts.default.reboot.max=24h
  nixfleet-sim compare before.yaml after.yaml --precision 2% --metric rollouts.stable.time_to_converged_s.p99
  nixfleet-sim compare scenario.yaml --b rules.deferred=strict -n 50 --json | jq '.metrics[].difference'
"""
OPTIONS = ("--a", "--b")
ONE_SEED = "both sides share their luck, and so their seed; --seed changes it for both"


def compare(
    scenario: Annotated[Path, typer.Argument(metavar="SCENARIO", help="A scenario file (YAML or JSON): side a.")],
    other: Annotated[
        Path | None, typer.Argument(metavar="SCENARIO", help="Side b; the same file if there is none.")
    ] = None,
    a: Annotated[
        list[str] | None,
        typer.Option("--a", metavar="K=V", show_default=False, help="Change a setting of side a. May be repeated."),
    ] = None,
    b: Annotated[
        list[str] | None,
        typer.Option("--b", metavar="K=V", show_default=False, help="Change a setting of side b. May be repeated."),
    ] = None,
    n: Most = None,
    precision: Precision = None,
    metric: Metrics = None,
    out: Out = None,
    wait: Wait = False,
    workers: Workers = None,
    dask: Dask = None,
    seed: Seed = None,
    change: Set = None,
    until: Until = None,
    report: ReportFile = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run pairs and print what differs."""
    within = share(precision, "--precision")
    common = settings(change, seed=seed, until=until)
    sides = [settings(given, option=option) for given, option in zip((a, b), OPTIONS, strict=True)]
    for option, changes in zip(OPTIONS, sides, strict=True):
        if "seed" in changes:
            raise Refused(f"{option} seed={changes['seed']}: {ONE_SEED}")
    check_page(report, "--report", beside=out)
    from sim.scenario.loader import load

    files = scenario, scenario if other is None else other
    loaded = [load(file, common) for file in files]
    first, second = (
        under(one, changes, file.parent, option)
        for one, changes, file, option in zip(loaded, sides, files, OPTIONS, strict=True)
    )
    import sim.experiment

    conducted(
        first.name,
        partial(
            sim.experiment.compare,
            first,
            second,
            n,
            precision=within,
            metrics=metric,
            out=out,
            wait=wait,
            workers=workers,
            dask=dask,
        ),
        kept=kept_in(out),
        report=report,
        as_json=as_json,
        quiet=quiet,
    )
