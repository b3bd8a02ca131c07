"""`sweep`: a scenario under many settings, and what each of them does."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from sim.cli.console import Refused
from sim.cli.experiments import conducted
from sim.cli.options import (
    Dask,
    Json,
    Metrics,
    Quiet,
    ReportFile,
    ScenarioFile,
    Seed,
    Set,
    Until,
    Wait,
    Workers,
    settings,
)
from sim.cli.writing import check_page

HELP = """Run a scenario under many settings, and say what each of them does to its metrics.

Every point sees the same luck. DIR gets table.parquet, a row per point and replication, and a figure of each metric.
Every finished run is kept there, and the same command goes on where it was.

\b
Examples:
  nixfleet-sim sweep scenario.yaml --vary rules.deferred=converged,strict -n 20 --out results/rule --report rule.html
  nixfleet-sim sweep scenario.yaml --vary control_plane.plan_tick=15s,30s,60s --vary rules.deferred=converged,strict \\
    -n 20 --out results/both
  nixfleet-sim sweep scenario.yaml --vary fleet.generate.disruption_budgets.0.max_in_flight=50..400 \\
    --vary hosts.default.defer.probability=0.0..0.5 --design sobol --points 64 -n 5 --out results/space
"""


class Design(StrEnum):
    """How values are combined."""

    grid = "grid"
    lhs = "lhs"
    sobol = "sobol"


def sweep(
    scenario: ScenarioFile,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", show_default=False, help="Where the runs, table and figures go.")
    ],
    vary: Annotated[
        list[str] | None,
        typer.Option(
            "--vary",
            metavar="K=V1,V2,...",
            show_default=False,
            help="A setting and its values, or, for lhs and sobol, its range LOW..HIGH. May be given many times.",
        ),
    ] = None,
    n: Annotated[int, typer.Option("-n", metavar="N", min=1, help="Replications of each point.")] = 10,
    design: Annotated[
        Design, typer.Option("--design", help="Every combination, a Latin hypercube, or a Sobol sequence.")
    ] = Design.grid,
    points: Annotated[
        int | None,
        typer.Option("--points", metavar="N", min=1, show_default=False, help="How many, for lhs and sobol."),
    ] = None,
    metric: Metrics = None,
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
    """Run all points and print what the settings do."""
    changes = settings(change, seed=seed, until=until)
    varied = settings(vary, option="--vary")
    if len(varied) < len(vary or []):
        raise Refused("--vary: a setting is there twice; give all its values at once, such as K=V1,V2,V3")
    check_page(report, "--report", beside=out)
    from sim.scenario.loader import load

    loaded = load(scenario, changes)
    import sim.experiment

    conducted(
        loaded.name,
        partial(
            sim.experiment.sweep,
            loaded,
            {path: str(values) for path, values in varied.items()},
            n,
            design=design.value,
            points=points,
            metrics=metric,
            out=out,
            wait=wait,
            workers=workers,
            dask=dask,
            folder=scenario.parent,
        ),
        kept=f"table and figures in {out}",
        report=report,
        as_json=as_json,
        quiet=quiet,
    )
