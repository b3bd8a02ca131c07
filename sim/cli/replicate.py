"""`replicate`: many runs of a scenario, and how sure its numbers are."""

from __future__ import annotations

from functools import partial

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

HELP = """Run independent replications of a scenario: the mean, the median and quantiles of its metrics, with intervals.

Without -n it stops by itself once every interval is narrow enough. A metric is a path into the summary that run --json
prints; a rollout is named by its channel or by its place. A run that ends before a time is reached counts as later
than all that reached it.

With --out every finished run is kept in DIR, and the same command goes on where it was.

\b
Examples:
  nixfleet-sim replicate scenario.yaml
  nixfleet-sim replicate scenario.yaml --precision 1% --metric rollouts.stable.time_to_converged_s.p99
  nixfleet-sim replicate scenario.yaml -n 1000 --out results/thousand --workers 8 --report thousand.html
  nixfleet-sim replicate scenario.yaml -n 100 --json | jq '.metrics | map_values(.mean_ci95)'
"""


def replicate(
    scenario: ScenarioFile,
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
    """Run replications and print what they say."""
    within = share(precision, "--precision")
    changes = settings(change, seed=seed, until=until)
    check_page(report, "--report", beside=out)
    from sim.scenario.loader import load

    loaded = load(scenario, changes)
    import sim.experiment

    conducted(
        loaded.name,
        partial(
            sim.experiment.replicate,
            loaded,
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
