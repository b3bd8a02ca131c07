"""Whether all points of a sweep are right, before any of them is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sim.experiment import metrics as named
from sim.experiment.designs import Setting
from sim.experiment.errors import ExperimentError
from sim.experiment.metrics import Metric
from sim.experiment.points import Point
from sim.result.words import counted, some
from sim.scenario.loader import ScenarioError, with_settings
from sim.scenario.schema import Scenario

PROBLEMS_SHOWN = 10


def points_of(
    scenario: Scenario,
    settings: Sequence[Setting],
    combined: Sequence[tuple[dict[str, Any], dict[str, Any]]],
    folder: Path | None,
) -> list[Point]:
    """The points of a design, or all that is wrong with them.

    Args:
        combined: of each its settings as the table has them, and as a scenario takes them.
        folder: what files in the values are relative to; the working directory if None.

    Raises:
        ExperimentError: some cannot be run; what is wrong is told once, with the first point of which it is.
    """
    points = []
    problems: dict[str, list[str]] = {}
    for number, (shown, taken) in enumerate(combined, start=1):
        try:
            points.append(Point(with_settings(scenario, taken, folder), shown))
        except ScenarioError as error:
            for one in error.problems:
                message = f"{one.path}: {one.message}" if one.path else one.message
                problems.setdefault(message, []).append(f"point {number} of {len(combined)} ({said(settings, shown)})")
    if not problems:
        return points
    lines = []
    for message, where in problems.items():
        others = f" and {counted(len(where) - 1, 'other')}" if len(where) > 1 else ""
        lines.append(f"{where[0]}{others}: {message}")
    more = [f"... and {len(lines) - PROBLEMS_SHOWN:,} more"] if len(lines) > PROBLEMS_SHOWN else []
    if len(lines) > 1:
        lines.insert(0, f"{len(combined) - len(points):,} of {len(combined):,} points cannot be run; none has been")
    raise ExperimentError("\n".join([*lines[: PROBLEMS_SHOWN + 1], *more]))


def metrics_of(
    points: Sequence[Point], settings: Sequence[Setting], paths: Sequence[str] | None
) -> tuple[list[Metric], list[str]]:
    """The metrics of these paths, or those by default that all points have, and what to say of others.

    Raises:
        ExperimentError: some point does not have a metric, or they have none in common.
    """
    if paths:
        for number, point in enumerate(points, start=1):
            try:
                asked = named.find(point.scenario, paths)
            except ExperimentError as error:
                if number == 1:
                    raise
                where = f"point {number} of {len(points)} ({said(settings, point.settings)})"
                raise ExperimentError(f"{where}: {error}") from None
        return asked, []
    each = [named.defaults(point.scenario) for point in points]
    every = list(dict.fromkeys(metric for metrics in each for metric in metrics))
    asked = [metric for metric in every if all(metric in metrics for metrics in each)]
    if not asked:
        raise ExperimentError("the points have no channel with hosts and a release in common; name metrics to measure")
    alone = [metric.path for metric in every if metric not in asked]
    return asked, [f"Not at all points, and left out: {some(alone)}."] if alone else []


def said(settings: Sequence[Setting], values: Mapping[str, Any]) -> str:
    """A point in words, by the values of its settings."""
    return ", ".join(f"{one.path}={one.said(values[one.path])}" for one in settings)
