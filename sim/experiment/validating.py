"""A real rollout against many simulations of it: is the model right about this fleet, and how far is it off?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sim.experiment import metrics as named
from sim.experiment import sizing
from sim.experiment.bands import check, least
from sim.experiment.deviation import judge
from sim.experiment.errors import ExperimentError
from sim.experiment.execute import Look, gather, workers_of
from sim.experiment.matching import Pair, match, unlike
from sim.experiment.measured import Measured, measure
from sim.experiment.metrics import Metric
from sim.experiment.outline import Outline, Which, outline, unpacked, width
from sim.experiment.points import Point, Run, Values, columns_of, frame, identity
from sim.experiment.progress import Progress
from sim.experiment.store import open_store
from sim.experiment.validation import Validation
from sim.result import Result
from sim.scenario.schema import Scenario
from sim.scenario.write import bundle

RUNS = 199
"""Simulations where no number is given: the band is then exactly 95 %, and p is known to half a per cent."""
FIRST = 1_000_000
"""The first replication. A real rollout that was simulated in its turn is hardly one of these, and so is compared with
other luck than its own."""


def validate(
    real: Result,
    scenario: Scenario,
    n: int = RUNS,
    *,
    metrics: Sequence[str] | None = None,
    rollouts: Sequence[str] | None = None,
    out: str | Path | None = None,
    wait: bool = False,
    workers: int | None = None,
    dask: str | None = None,
    executor: Executor | None = None,
    look: Look | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Validation:
    """Simulate a scenario many times and hold a real rollout against what comes of it.

    The rollouts are matched by id, otherwise by channel and order (`sim.experiment.matching.match`). Both sides go by
    the control plane's clock, times count from the opening of the rollout, and what the real log or a run does not show
    to its end is compared as far as all show it.

    Args:
        real: the real rollouts, as a replayed event log gives them; or a simulated result in their place.
        n: how many simulations, 39 at least.
        metrics: paths into the summary (spec page 10), of rollouts; see `sim.experiment.metrics.defaults`.
        rollouts: ids of the real rollouts to compare; all if None.
        out, wait, workers, dask, executor, look, progress: as `sim.experiment.replicate` has them.

    Ctrl-C (`KeyboardInterrupt`) ends it with what is known so far; before there are 39 runs it is raised.

    Raises:
        ExperimentError: too few runs, no rollout in common, an unknown metric or one that is of no rollout, a directory
            that holds something else, a worker that dies again and again.
    """
    check(n)
    pairs = match(real, scenario, rollouts)
    asked = _asked(scenario, pairs, metrics)
    strict = scenario.rules.deferred == "strict"
    ours = [Which(one.simulated, one.channel, one.waves) for one in pairs]
    theirs = [Which(one.real, one.channel, one.waves) for one in pairs]
    truth = outline(real, theirs, asked, strict)
    about = identity("validate", scenario, asked, rollouts=[one.simulated for one in pairs])
    about["width"] = len(asked) + width(ours)
    rows: list[tuple[Run, Values]] = []
    interrupted = False
    with (
        open_store(out, about, bundle(scenario), wait=wait) as store,
        workers_of(workers, dask=dask, executor=executor) as crew,
    ):
        known = len(store)
        see = partial(outline, which=tuple(ours), asked=tuple(asked), strict=strict)
        try:
            for row in gather(Point(scenario).replications(n, FIRST), see, crew, store, look):
                rows.append(row)
                if progress is not None:
                    progress(Progress(len(rows), min(known, len(rows)), n, True, lambda: _so_far(pairs)))
        except KeyboardInterrupt:
            if len(rows) < least():
                raise
            interrupted = True
        found = columns_of([(run, values[: len(asked)]) for run, values in rows], asked)
        store.write_table(found)
    simulated = unpacked(_array([values[len(asked) :] for _, values in rows]), ours)
    seen = unpacked(_array([truth[len(asked) :]]), theirs)
    return Validation(
        scenario=scenario,
        real=real.summary["scenario"],
        asked=asked,
        measures=_measures(pairs, asked, truth, rows, seen, simulated),
        rollouts=[
            judge(pair, mine, others, _wave_hosts(real, pair), _finished(real, pair))
            for pair, mine, others in zip(pairs, seen, simulated, strict=True)
        ],
        table=frame(found),
        first=sizing.headline(asked, metrics),
        notes=unlike(real, scenario, pairs, rollouts),
        interrupted=interrupted,
    )


def _asked(scenario: Scenario, pairs: Sequence[Pair], paths: Sequence[str] | None) -> list[Metric]:
    """The metrics to compare, of rollouts that are compared."""
    channels = {one.channel for one in pairs}
    asked = named.find(scenario, paths) if paths else named.defaults(scenario)
    for metric in asked if paths else []:
        of, what = metric.steps[0], metric.steps[2:]
        if of != "rollouts":
            raise ExperimentError(
                f"{metric.path}: it is of a run, not of a rollout, and a real run has no end or start"
            )
        if what == ("opened_at_s",):
            raise ExperimentError(f"{metric.path}: times count from it, so it is 0 on both sides")
        step = metric.steps[1]
        if step not in channels and not (isinstance(step, int) and step < len(pairs)):
            raise ExperimentError(
                f"{metric.path}: no rollout of that is compared; by place they are "
                + ", ".join(f"{place} {one.simulated}" for place, one in enumerate(pairs))
            )
    return [one for one in asked if paths or one.steps[1] in channels]


def _measures(
    pairs: Sequence[Pair],
    asked: Sequence[Metric],
    truth: Values,
    rows: Sequence[tuple[Run, Values]],
    seen: Sequence[Outline],
    simulated: Sequence[Outline],
) -> dict[str, Measured]:
    found = {}
    for place, metric in enumerate(asked):
        of = _place(metric, pairs)
        found[metric.path] = measure(
            metric,
            truth[place],
            [values[place] for _, values in rows],
            float(seen[of].seen_s[0]),
            float(simulated[of].seen_s.min()),
        )
    return found


def _place(metric: Metric, pairs: Sequence[Pair]) -> int:
    """Of which pair a metric is: by place, or the last of a channel."""
    step = metric.steps[1]
    if isinstance(step, int):
        return step
    return max(place for place, one in enumerate(pairs) if one.channel == step)


def _rollout(real: Result, pair: Pair) -> dict[str, Any]:
    return next(one for one in real.summary["rollouts"] if one["rollout_id"] == pair.real)


def _wave_hosts(real: Result, pair: Pair) -> list[int]:
    return [wave["hosts"] for wave in _rollout(real, pair)["waves"]]


def _finished(real: Result, pair: Pair) -> bool:
    return _rollout(real, pair)["terminal_at_s"] is not None


def _array(rows: Sequence[Values]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array(rows, dtype=np.float64)


def _so_far(pairs: Sequence[Pair]) -> str:
    return ", ".join(one.simulated for one in pairs[-3:])
