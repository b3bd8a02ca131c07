"""What the page of replications tells."""

from __future__ import annotations

import numpy as np

from sim import plot
from sim.experiment import Replications
from sim.experiment.metrics import Metric
from sim.report.figures import Shown
from sim.report.told import Told, about, drawn, estimated, metric_options, parts, said, settled, source, text_table
from sim.result.words import counted, some


def of_replications(found: Replications) -> Told:
    """The answer, how the main metrics are distributed, and how what is known of them settled."""
    scenario, runs = found.scenario, len(found.table)
    vary = [metric.path for metric in found.asked if found.table[metric.path].nunique() > 1]
    chosen = drawn(found.asked, found.first, vary)
    alike = [metric.path for metric in found.asked if metric.path not in vary]
    others = [path for path in vary if path not in [metric.path for metric in chosen]]
    return Told(
        kind="Replications",
        title=scenario.name,
        description=scenario.description,
        run=f"{counted(runs, 'run')} · seed {scenario.seed} · fidelity {scenario.fidelity}",
        question=f"What is to be expected of {found.first.path}?",
        sentences=said(found.sentences),
        enough=said(parts(found.enough)),
        figures=[shown for metric in chosen for shown in (_distribution(found, metric), _settling(found, metric))],
        not_drawn=" ".join(
            [
                *([f"In the table alone: {some(others, len(others))}."] if others else []),
                *([f"The same in all runs that reached it: {some(alike, len(alike))}."] if alike else []),
            ]
        ),
        tables=[text_table("All metrics, one row each.", found.rows, words=2)],
        notes=found.footnotes,
        scenarios=[source(scenario)],
        again=f"nixfleet-sim replicate scenario.yaml -n {runs}{metric_options(scenario, found.asked)}",
        about=about(
            scenario,
            ("Replications", f"0 to {runs - 1:,}" if runs > 1 else "0"),
            ("Fidelity", scenario.fidelity),
            precision=found.precision,
        ),
    )


def _distribution(found: Replications, metric: Metric) -> Shown:
    one, unit = found.metrics[metric.path], metric.kind.unit
    name, centre, around = ("mean", one.mean, one.mean_ci95)
    if centre is None:
        name, centre, around = "median", one.median, one.median_ci95
    around = around or (None, None)
    axes = plot.distribution(
        found.table[metric.path],
        title=metric.path,
        unit=unit,
        centre=centre,
        interval=around,
        name=name,
    )
    reached = f"the {counted(one.n, 'run')}" if one.reached == one.n else f"the {one.reached:,} runs that reached it"
    caption = f"How {metric.path} is spread over {reached}, and its {name} of all runs with the 95 % interval."
    values = np.nanquantile(found.table[metric.path], [0.0, 1.0])
    least, most = (estimated(unit, float(value), (None, None)) for value in values)
    text = (
        f"{caption} The {name} is {estimated(unit, centre, around)}. The least is {least}, the most {most}; the 90 % "
        f"quantile is {estimated(unit, one.p90, one.p90_ci95)}, the 99 % quantile "
        f"{estimated(unit, one.p99, one.p99_ci95)}."
    )
    return Shown(plot.svg(axes), caption, text)


def _settling(found: Replications, metric: Metric) -> Shown:
    running = found.running(metric.path)
    name = str(running.columns[1])
    last = float(running[name].iloc[-1])
    within = None
    if found.precision is not None and np.isfinite(last):
        within = (last * (1 - found.precision), last * (1 + found.precision))
    axes = plot.settling(
        running["runs"],
        running[name],
        running["low"],
        running["high"],
        title=metric.path,
        label=name,
        unit=metric.kind.unit,
        within=within,
    )
    caption = f"How the {name} of {metric.path} settled as runs came in, with its 95 % interval."
    return Shown(plot.svg(axes), caption, settled(caption, running, metric.kind.unit))
