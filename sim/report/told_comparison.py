"""What the page of a comparison tells."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sim import plot
from sim.experiment import Comparison
from sim.experiment.differences import written
from sim.experiment.metrics import Unit
from sim.report.figures import Shown
from sim.report.tables import Table, table
from sim.report.told import Told, about, estimated, metric_options, parts, said, settled, source, text_table
from sim.result.words import counted, some

SIDES = ("a.yaml", "b.yaml")
_IN: Mapping[Unit, str] = {
    "s": "times",
    "host-s": "hosts' times",
    "hosts/h": "throughputs (hosts/h)",
    "hosts": "numbers of hosts",
    "share": "shares",
    "count": "counts",
}
"""What metrics of a unit are, for those of one figure."""


def of_comparison(found: Comparison) -> Told:
    """The answer, the differences of all metrics with their intervals, and how the first of them settled."""
    scenario = found.a
    alike = [metric.path for metric in found.asked if found.metrics[metric.path].same]
    units = dict.fromkeys(metric.kind.unit for metric in [found.first, *found.asked] if metric.path not in alike)
    figures = [_differences(found, unit) for unit in units]
    if not found.metrics[found.first.path].same:
        figures += [*_distribution(found), _settling(found)]
    return Told(
        kind="Comparison",
        title=found.name,
        description=scenario.description,
        run=f"{counted(found.pairs, 'pair')} of runs · seed {scenario.seed} · fidelity {scenario.fidelity}",
        question="What does the second side do otherwise than the first?",
        sentences=said(found.sentences),
        enough=said([*parts(found.enough), found.saved, *found.notes]),
        figures=figures,
        not_drawn=f"The same in every pair: {some(alike, len(alike))}." if alike and figures else "",
        tables=[_settings(found), text_table("All metrics of both sides, one row each.", found.rows, words=2)],
        notes=found.footnotes,
        scenarios=[source(found.a, "side a", SIDES[0]), source(found.b, "side b", SIDES[1])],
        again=f"nixfleet-sim compare {' '.join(SIDES)} -n {found.pairs}{metric_options(scenario, found.asked)}",
        about=about(
            scenario,
            ("Pairs", f"replications 0 to {found.pairs - 1:,}" if found.pairs > 1 else "replication 0"),
            ("Fidelity", scenario.fidelity if scenario.fidelity == found.b.fidelity else "that of each side"),
            precision=found.precision,
        ),
    )


def _settings(found: Comparison) -> Table:
    rows = [[path, written(a), written(b)] for path, (a, b) in found.settings.items()]
    return table("Settings in which the sides differ.", ["Setting", "Side a", "Side b"], rows, words=3)


def _differences(found: Comparison, unit: Unit) -> Shown:
    """A forest plot of the metrics of one unit."""
    rows = []
    for metric in found.asked:
        one = found.metrics[metric.path]
        if metric.kind.unit == unit and not one.same:
            of_means = one.difference is not None
            value = one.difference if of_means else one.median_difference
            around = one.difference_ci95 if of_means else one.median_difference_ci95
            rows.append((metric, of_means, value, around))
    caption = f"Differences b − a of {_IN[unit]} with their 95 % intervals, of means"
    medians = [metric.path for metric, of_means, *_ in rows if not of_means]
    caption += f"; of medians where some run did not reach it: {some(medians, len(medians))}." if medians else "."
    axes = plot.differences(
        [metric.path for metric, *_ in rows],
        [np.nan if value is None else value for *_, value, _ in rows],
        [np.nan if low is None else low for *_, (low, _) in rows],
        [np.nan if high is None else high for *_, (_, high) in rows],
        title=f"Side b against side a: {_IN[unit]}",
        label="b − a",
        unit=unit,
    )
    told = [f"{metric.path}: {estimated(metric.kind.unit, value, around)}." for metric, _, value, around in rows]
    return Shown(plot.svg(axes), caption, " ".join([caption, *told]))


def _distribution(found: Comparison) -> list[Shown]:
    """The differences of the pairs; none where fewer than two pairs have one."""
    metric = found.first
    values = [value for value in found.differences(metric.path) if value is not None]
    if len(values) < 2:
        return []
    one = found.metrics[metric.path]
    name, centre, around = ("mean", one.difference, one.difference_ci95)
    if centre is None:
        name, centre, around = "median", one.median_difference, one.median_difference_ci95
    axes = plot.distribution(
        values,
        title=metric.path,
        label="b − a",
        unit=metric.kind.unit,
        centre=centre,
        interval=around,
        name=name,
        counted="pairs",
    )
    pairs = f"the {counted(found.pairs, 'pair')}"
    if len(values) < found.pairs:
        pairs = f"the {len(values):,} pairs in which both runs reached it"
    caption = (
        f"How the difference b − a of {metric.path} is spread over {pairs}, and its {name} with the 95 % interval."
    )
    least, most = (estimated(metric.kind.unit, value, (None, None)) for value in (min(values), max(values)))
    text = (
        f"{caption} The {name} is {estimated(metric.kind.unit, centre, around)}. The least is {least}, the most {most}."
    )
    return [Shown(plot.svg(axes), caption, text)]


def _settling(found: Comparison) -> Shown:
    metric = found.first
    running = found.running(metric.path)
    name = str(running.columns[1])
    within = None
    last, one = float(running[name].iloc[-1]), found.metrics[metric.path]
    if found.precision is not None and one.a.mean is not None and one.b.mean is not None:
        half = found.precision * max(abs(one.a.mean), abs(one.b.mean))
        within = (last - half, last + half)
    axes = plot.settling(
        running["pairs"],
        running[name],
        running["low"],
        running["high"],
        title=metric.path,
        label=f"{name} of b − a",
        unit=metric.kind.unit,
        within=within,
        counted="pairs",
    )
    caption = f"How the {name} difference of {metric.path} settled as pairs came in, with its 95 % interval."
    return Shown(plot.svg(axes), caption, settled(caption, running, metric.kind.unit))
