"""`validate`: a real rollout against many simulations of it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli.experiments import conducted, kept_in
from sim.cli.options import (
    Dask,
    Json,
    Metrics,
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
)
from sim.cli.writing import check_page

if TYPE_CHECKING:
    from sim.result import Result
    from sim.scenario.schema import Scenario

HELP = """Hold a real rollout against many simulations of it: how accurate is the model?

REAL is the event log of a control plane (SQLite), or a saved result. Says how far each measure is from the median of
the simulated ones and whether it is inside the band that holds 95 % of them; for which share of the hosts the curve of
converged hosts is inside its band; whether the whole curve is one that the model gives; and if not, where it leaves
that first, and what of which wave came about otherwise. Rollouts are matched by id, otherwise by channel and order;
times count from their opening. The exit code is 0 whatever comes out.

\b
Examples:
  nixfleet-sim validate events.db scenario.yaml
  nixfleet-sim validate events.db scenario.yaml -n 999 --rollout stable@r7 --report validation.html
  nixfleet-sim validate events.db scenario.yaml --json | jq '.measures | map_values(.error)'
"""


def validate(
    real: Annotated[Path, typer.Argument(metavar="REAL", help="The real rollout: an event log, or a saved result.")],
    scenario: ScenarioFile,
    n: Annotated[
        int, typer.Option("-n", metavar="N", min=1, help="So many simulations; 39 at least, for a band of 95 %.")
    ] = 199,
    metric: Metrics = None,
    rollout: Annotated[
        list[str] | None,
        typer.Option(
            "--rollout",
            metavar="ID",
            show_default=False,
            help="A real rollout to compare; default: all that the scenario has, too. May be given many times.",
        ),
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
    """Simulate, and print how the real rollout compares."""
    changes = settings(change, seed=seed, until=until)
    check_page(report, "--report", beside=out)
    from sim.scenario.loader import load

    loaded = load(scenario, changes)
    truth = _real(real, loaded)
    import sim.experiment

    conducted(
        loaded.name,
        partial(
            sim.experiment.validate,
            truth,
            loaded,
            n,
            metrics=metric,
            rollouts=rollout,
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


def _real(place: Path, scenario: Scenario) -> Result:
    """The real rollout: a saved result, or what an event log says.

    Raises:
        ResultError: there is no result in that directory.
        LogError: there is no log of that name, or none of its rows can be used.
    """
    if place.is_dir():
        from sim.result import read

        return read(place)
    from sim.data import result_of

    found = result_of(place, scenario)
    if set(found.hosts["host"]) <= scenario.artifact().hosts.keys():
        return found
    # of hosts that it does not know the scenario cannot say in which wave they are
    return result_of(place)
