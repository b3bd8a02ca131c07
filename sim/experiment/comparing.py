"""Carrying out a comparison: pairs of runs under the same luck."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from sim.experiment import metrics as named
from sim.experiment.comparison import Comparison
from sim.experiment.differences import differences
from sim.experiment.errors import ExperimentError
from sim.experiment.estimates import Enough
from sim.experiment.execute import Look, carry_out, workers_of
from sim.experiment.metrics import Metric
from sim.experiment.pairs import Difference, paired
from sim.experiment.points import Point, Run, Values, columns_of, identity
from sim.experiment.progress import Progress
from sim.experiment.replicated import Stopped
from sim.experiment.replications import HEADLINE, JUDGED, MOST, PRECISION
from sim.experiment.store import open_store
from sim.experiment.wording import Scale
from sim.result.words import some
from sim.scenario.loader import with_settings
from sim.scenario.schema import Scenario
from sim.scenario.write import bundle


def compare(
    scenario: Scenario,
    other: Scenario | None = None,
    n: int | None = None,
    *,
    a: Mapping[str, Any] | None = None,
    b: Mapping[str, Any] | None = None,
    precision: float | None = None,
    metrics: Sequence[str] | None = None,
    out: str | Path | None = None,
    wait: bool = False,
    workers: int | None = None,
    dask: str | None = None,
    executor: Executor | None = None,
    look: Look | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Comparison:
    """Run two scenarios in pairs, both of a pair with the same seed and the same replication, from replication 0 on.

    Args:
        scenario: the first side, whose seed is that of both.
        other: the second; the same scenario if None.
        n: pairs; with a precision, how many at most (1,000 if None).
        a, b: settings of each side, by path (spec page 10).
        precision: stop when half the 95 % interval of each difference is within this share of the larger of the two
            means, and was for some pairs; 0.05 if neither is given. Without `metrics` it is about the times and
            throughputs.
        metrics: paths into the summary, there on both sides; see `sim.experiment.metrics.defaults`.
        out: a directory to keep the runs in, from which the same call goes on.
        wait: wait while another process works in that directory.
        workers, dask, executor: where to run, see `sim.experiment.execute.workers_of`.
        look: called several times a second.
        progress: called after each pair.

    Ctrl-C (`KeyboardInterrupt`) ends it with what is known so far; before the first pair has finished it is raised.

    Raises:
        ExperimentError: an unknown metric, a seed for one side, a directory that holds something else, a worker that
            dies again and again.
        ScenarioError: a setting that does not exist, or a value that does not fit there.
    """
    if n is None and precision is None:
        precision = PRECISION
    if n is not None and n < 1:
        raise ExperimentError(f"expected at least one pair, got {n}")
    if precision is not None and not 0 < precision < 1:
        raise ExperimentError(f"expected a precision between 0 and 100 %, got {precision:.0%}")
    first_side, second_side, notes = _sides(scenario, other, a or {}, b or {})
    asked, left_out = _metrics(first_side, second_side, metrics)
    notes += left_out
    first = asked[0] if metrics else next(one for one in reversed(asked) if one.path.endswith(HEADLINE))
    places = [place for place, metric in enumerate(asked) if metrics or metric.kind.unit in JUDGED]
    pairing = [Difference(metric) for metric in asked]
    enough = Enough(asked, places, precision, pairing)
    most = MOST if n is None else n
    points = Point(first_side, {"side": "a"}), Point(second_side, {"side": "b"})
    rows: list[tuple[Run, Values]] = []
    stopped: Stopped = "most" if precision is not None else "asked"
    with (
        open_store(out, _identity(first_side, second_side, asked), bundle(first_side), wait=wait) as store,
        workers_of(workers, dask=dask, executor=executor) as crew,
    ):
        known = len(store) // 2
        runs = (Run(point, replication) for replication in range(most) for point in points)
        try:
            for row in carry_out(runs, asked, crew, store, look):
                rows.append(row)
                if row[0].point is points[0]:
                    continue
                values = [one.add_sides(*pair) for one, *pair in zip(pairing, rows[-2][1], row[1], strict=True)]
                precise = enough.add(tuple(values))
                if progress is not None:
                    progress(_progress(enough, pairing[asked.index(first)], most, known))
                if precise:
                    stopped = "precise"
                    break
        except KeyboardInterrupt:
            if not enough.runs:
                raise
            stopped = "interrupted"
        del rows[2 * enough.runs :]
        found = columns_of(rows, asked)
        store.write_table(found)
    widest = enough.widest()
    return Comparison(
        a=first_side,
        b=second_side,
        settings=differences(first_side, second_side),
        asked=asked,
        metrics={
            metric.path: paired(
                [values[place] for _, values in rows[::2]], [values[place] for _, values in rows[1::2]], metric
            )
            for place, metric in enumerate(asked)
        },
        columns=found,
        pairs=enough.runs,
        stopped=stopped,
        precision=precision,
        widest=(widest.metric.path, *widest.uncertainty),
        first=first,
        notes=notes,
    )


def _sides(
    scenario: Scenario, other: Scenario | None, a: Mapping[str, Any], b: Mapping[str, Any]
) -> tuple[Scenario, Scenario, list[str]]:
    """Both sides under one seed, and what to say of that."""
    for side, settings in (("a", a), ("b", b)):
        if "seed" in settings:
            raise ExperimentError(
                f"{side}: seed={settings['seed']}: both sides share their luck and so their seed; change it for both "
                "(--seed), or use replicate for each"
            )
    first = with_settings(scenario, a) if a else scenario
    second = scenario if other is None else other
    second = with_settings(second, b) if b else second
    if second.seed == first.seed:
        return first, second, []
    note = f"{second.name} has seed {second.seed}; run with seed {first.seed}, so that both sides share their luck."
    return first, with_settings(second, {"seed": first.seed}), [note]


def _metrics(a: Scenario, b: Scenario, paths: Sequence[str] | None) -> tuple[list[Metric], list[str]]:
    """The metrics that both sides have, and what to say of others."""
    if paths:
        asked = named.find(a, paths)
        try:
            named.find(b, paths)
        except ExperimentError as error:
            raise ExperimentError(f"in the second scenario, {error}") from None
        return asked, []
    mine, theirs = named.defaults(a), named.defaults(b)
    asked = [metric for metric in mine if metric in theirs]
    if not asked:
        raise ExperimentError("the two have no channel with hosts and a release in common; name the metrics to measure")
    alone = [metric.path for metric in [*mine, *theirs] if (metric in mine) != (metric in theirs)]
    return asked, [f"Not on both sides, and left out: {some(alone)}."] if alone else []


def _identity(a: Scenario, b: Scenario, asked: Sequence[Metric]) -> dict[str, Any]:
    return identity("compare", a, asked, other=identity("compare", b, asked)["scenario"])


def _progress(enough: Enough, first: Difference, most: int, known: int) -> Progress:
    expected = most if enough.precision is None else enough.expected()
    return Progress(
        done=enough.runs,
        known=min(known, enough.runs),
        of=None if expected is None else min(expected, most),
        fixed=enough.precision is None,
        says=lambda: _so_far(first),
    )


def _so_far(first: Difference) -> str:
    half = first.half_width
    if half is None:
        return first.metric.path
    scale = Scale.of(first.metric.kind.unit, (first.mean, half))
    shown = f"{scale.shown(first.mean, half)} ± {scale.shown(half, half)} {scale.unit}".rstrip()
    return f"b - a of {first.metric.path}: {shown}"
