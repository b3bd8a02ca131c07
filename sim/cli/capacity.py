"""`capacity`: the smallest or largest value of a setting with which service goals are met."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from sim.cli.experiments import conducted, kept_in
from sim.cli.options import (
    Dask,
    Json,
    Out,
    Quiet,
    ReportFile,
    ScenarioFile,
    Seed,
    Set,
    Until,
    Wait,
    Workers,
    settings,
    share,
)
from sim.cli.writing import check_page

HELP = """Find the smallest value of a setting with which service goals are met, or with --largest the largest.

A bisection over the range. Each value is run until a sequential test has decided whether enough of its runs are as the
goals ask, all values under the same luck. The chance that any of these verdicts is wrong is what --confidence leaves.
Says which goal binds, and what the runs at the answer wait for. Exit code 1 if no value is enough.

\b
Examples:
  nixfleet-sim capacity scenario.yaml --find fleet.generate.disruption_budgets.0.max_in_flight --between 50 200 \\
    --goal 'rollouts.stable.time_to_converged_s.p99 <= 4h in 95%'
  nixfleet-sim capacity scenario.yaml --find control_plane.plan_tick --between 5s 10m --largest \\
    --goal 'rollouts.stable.terminal_at_s <= 3h in 90%' --goal 'rollouts.stable.exposure.failed <= 2'
"""


def capacity(
    scenario: ScenarioFile,
    find: Annotated[
        str,
        typer.Option("--find", metavar="K", show_default=False, help="The setting to find a value of."),
    ],
    between: Annotated[
        tuple[str, str],
        typer.Option("--between", metavar="A B", show_default=False, help="The range, e.g. 50 200 or 5m 2h."),
    ],
    goal: Annotated[
        list[str],
        typer.Option(
            "--goal",
            metavar="GOAL",
            show_default=False,
            help="'PATH <= VALUE in SHARE' of the runs (95 %), with <=, <, >= or >. May be given many times: all are "
            "to be met.",
        ),
    ],
    largest: Annotated[bool, typer.Option("--largest", help="Find the largest value, not the smallest.")] = False,
    confidence: Annotated[
        str, typer.Option("--confidence", metavar="C", help="That no value is judged wrongly.")
    ] = "95%",
    margin: Annotated[
        str, typer.Option("--margin", metavar="M", help="So near to a goal's share a value may go either way.")
    ] = "2%",
    n: Annotated[
        int, typer.Option("-n", metavar="MOST", min=1, help="Runs of a value after which it is left undecided.")
    ] = 1000,
    step: Annotated[
        str | None,
        typer.Option("--step", metavar="S", show_default=False, help="Between two values; default: a round one."),
    ] = None,
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
    """Search, and print what was found."""
    sure, aside = share(confidence, "--confidence"), share(margin, "--margin")
    assert sure is not None
    assert aside is not None
    changes = settings(change, seed=seed, until=until)
    check_page(report, "--report", beside=out)
    from sim.scenario.loader import load

    loaded = load(scenario, changes)
    import sim.experiment

    found = conducted(
        loaded.name,
        partial(
            sim.experiment.capacity,
            loaded,
            find,
            between,
            goal,
            largest=largest,
            confidence=sure,
            margin=aside,
            n=n,
            step=step,
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
    if found.answer is None:
        raise typer.Exit(1)
