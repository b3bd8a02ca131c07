"""What the page of a sweep tells."""

from __future__ import annotations

from typing import Any

import pandas as pd

from sim import plot
from sim.experiment import Sweep
from sim.experiment.metrics import Metric
from sim.experiment.swept import CALLED
from sim.report.figures import Shown
from sim.report.tables import Table, table
from sim.report.told import Told, about, drawn, estimated, parts, said, source, text_table
from sim.result.words import counted, some

MOST_SAID = 12
"""Points whose values a text says."""
DESIGNS = {"grid": "every combination of the values", "lhs": "a Latin hypercube", "sobol": "a scrambled Sobol sequence"}


def of_sweep(found: Sweep) -> Told:
    """The answer, each main metric over the settings, and what the settings do to all metrics."""
    scenario = found.scenario
    vary = [metric.path for metric in found.asked if found.response(metric.path)["value"].nunique() > 1]
    chosen = drawn(found.asked, found.first, vary)
    others = [path for path in vary if path not in [metric.path for metric in chosen]]
    runs = f"{counted(len(found.points), 'point')} · {counted(len(found.table), 'run')}"
    effects = found.rows
    return Told(
        kind="Sweep",
        title=scenario.name,
        description=scenario.description,
        run=f"{runs} · seed {scenario.seed} · fidelity {scenario.fidelity}",
        question=f"What do the settings do to {found.first.path}?",
        sentences=said(found.sentences),
        enough=said([*parts(found.enough), *_luck(found), *found.notes]),
        figures=[_response(found, metric) for metric in chosen],
        not_drawn=f"In the tables alone: {some(others, len(others))}." if others else "",
        tables=[
            _settings(found),
            *([text_table("What each setting does to each metric.", effects, words=5)] if effects else []),
            _points(found),
        ],
        notes=found.footnotes,
        scenarios=[source(scenario)],
        again=None,
        about=about(
            scenario,
            ("Design", DESIGNS[found.design]),
            ("Replications", f"{found.replications:,} at each point"),
            ("Fidelity", scenario.fidelity),
        ),
    )


def _luck(found: Sweep) -> list[str]:
    """How much of what differs may be luck."""
    effects = found.effects.get(found.first.path)
    if effects is None or effects.chance is None:
        return []
    share = 100 * effects.chance
    small = "under 0.1" if share < 0.1 else f"{share:.2g}"
    return [f"about {small} % of the variance of {found.first.path} over the points is luck that more runs take away"]


def _settings(found: Sweep) -> Table:
    rows = []
    for one in found.settings:
        low_high = None if one.ends is None else " to ".join(one.said(end) for end in one.ends)
        rows.append([one.path, low_high or ", ".join(one.said(value) for value in one.values)])
    return table("Settings that are varied.", ["Setting", "Values"], rows, words=2)


def _points(found: Sweep) -> Table:
    """Every point with its metrics."""
    columns = {metric.path: found.response(metric.path) for metric in found.asked}
    keys = [one.path for one in found.settings]
    first = columns[found.first.path]
    rows = [
        [
            *(one.said(first[one.path].iloc[place]) for one in found.settings),
            *(_value(found, metric, columns[metric.path].iloc[place]) for metric in found.asked),
        ]
        for place in range(len(first))
    ]
    heads = [f"{metric.path}, {CALLED[found.statistics[metric.path]]}" for metric in found.asked]
    return table("Every point, with what its runs say of each metric.", [*keys, *heads], rows, words=len(keys))


def _value(found: Sweep, metric: Metric, row: pd.Series[Any]) -> str:
    value, low, high = (None if pd.isna(row[name]) else float(row[name]) for name in ("value", "low", "high"))
    unit = "share" if found.statistics[metric.path] == "reached" else metric.kind.unit
    return estimated(unit, value, (low, high))


def _response(found: Sweep, metric: Metric) -> Shown:
    settings = some([one.path for one in found.settings], len(found.settings))
    what = f"{CALLED[found.statistics[metric.path]]} {'' if found.statistics[metric.path] == 'reached' else 'of '}"
    caption = f"The {what}{metric.path} over {settings}."
    points = found.response(metric.path)
    told = [
        f"{', '.join(f'{one.path}={one.said(points[one.path].iloc[place])}' for one in found.settings)}: "
        f"{_value(found, metric, points.iloc[place])}."
        for place in range(min(len(points), MOST_SAID))
    ]
    if len(points) > MOST_SAID:
        told.append(f"The other {len(points) - MOST_SAID:,} points are in the table.")
    return Shown(plot.svg(found.figure(metric.path)), caption, " ".join([caption, *told]))
