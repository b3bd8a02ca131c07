"""What the page of a validation tells."""

from __future__ import annotations

import math

import numpy as np

from sim import plot
from sim.experiment import Validation
from sim.experiment.deviation import Validated
from sim.experiment.outline import CURVES, STEPS
from sim.experiment.wording import percent
from sim.report.figures import Shown
from sim.report.told import Told, about, metric_options, parts, said, source, text_table
from sim.result.words import counted, duration, some

MOST_DRAWN = 6
"""Curves of which there are figures."""
SHARES_SAID = (0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0)
"""Shares of the hosts of which the text of a figure says when they were there."""


def of_validation(found: Validation) -> Told:
    """How accurate the model is, the real curves against their bands, all measures, and where each wave's time went."""
    scenario, runs = found.scenario, len(found.table)
    curves = [(one, name) for one in found.rollouts for name in CURVES if name == CURVES[0] or _differs(one)]
    others = [one.pair.real for one, name in curves[MOST_DRAWN:] if name == CURVES[0]]
    return Told(
        kind="Validation",
        title=scenario.name,
        description=scenario.description,
        run=f"a real rollout, {found.real} · {counted(runs, 'run')} · seed {scenario.seed}",
        question="How far is the model off?",
        sentences=said(found.sentences),
        enough=said([*parts(found.enough), *found.notes]),
        figures=[_figure(one, name) for one, name in curves[:MOST_DRAWN]],
        not_drawn=f"Not drawn: {some(others, len(others))}." if others else "",
        tables=[
            text_table("All metrics, one row each.", found.rows, words=2),
            text_table("Where the time of each wave went, on average per host.", found.part_rows, words=3),
        ],
        notes=found.footnotes,
        scenarios=[source(scenario)],
        again=f"nixfleet-sim validate REAL scenario.yaml -n {runs}{metric_options(scenario, found.asked)}",
        about=about(scenario, ("Real", found.real), ("Fidelity", scenario.fidelity)),
    )


def _differs(one: Validated) -> bool:
    """Whether the curve of eligible hosts tells more than that of converged ones."""
    first, second = (one.curves[name] for name in CURVES)
    return not np.array_equal(first.real, second.real) or not np.array_equal(first.band.low, second.band.low)


def _figure(one: Validated, name: str) -> Shown:
    curve, left = one.curves[name], one.deviation
    axes = plot.band(
        curve.real,
        *curve.band,
        title=f"Hosts {name}, {one.pair.real}",
        envelope=(curve.low, curve.high),
        leaves_at=left.at_s if left is not None and left.curve == name else None,
    )
    caption = f"Share of the hosts of {one.pair.name} that had been {name}, over the time since it opened."
    told = [] if curve.coverage is None else [f"Inside the band for {percent(curve.coverage)} of the hosts."]
    for share in SHARES_SAID:
        place = round(share * STEPS) - 1
        real, low, high = (float(times[place]) for times in (curve.real, curve.band.low, curve.band.high))
        told.append(f"{percent(share)}: {_after(real)}, expected {_after(low)} to {_after(high)}.")
    return Shown(plot.svg(axes), caption, " ".join([caption, *told]))


def _after(seconds: float) -> str:
    return duration(seconds) if math.isfinite(seconds) else "never"
