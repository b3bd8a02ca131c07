"""Carrying out a search for the value of a setting that meets service goals."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Executor
from functools import cache
from pathlib import Path
from typing import Any

from sim.experiment import intervals
from sim.experiment.answer import Candidate, Capacity
from sim.experiment.bisection import Search, Tried, least_runs_of
from sim.experiment.bottleneck import COLUMNS, Bottleneck, bottleneck, measure_for
from sim.experiment.errors import ExperimentError
from sim.experiment.execute import Look, Workers, carry_out, gather, workers_of
from sim.experiment.goals import Goal, goals
from sim.experiment.metrics import Metric
from sim.experiment.points import Point, Run, Values, columns_of, identity
from sim.experiment.progress import Progress
from sim.experiment.ranges import Span, settled, span
from sim.experiment.store import open_store
from sim.experiment.wording import percent
from sim.result.words import counted
from sim.scenario.schema import Scenario
from sim.scenario.write import bundle

CONFIDENCE = 0.95
MARGIN = 0.02
MOST = 1_000
"""Runs of a value after which it is left undecided, unless told otherwise."""
LOOKED_INTO = 10
"""Runs at the answer of which the critical path is followed."""


def capacity(
    scenario: Scenario,
    find: str,
    between: tuple[Any, Any],
    goal: str | Sequence[str],
    *,
    largest: bool = False,
    confidence: float = CONFIDENCE,
    margin: float = MARGIN,
    n: int = MOST,
    step: Any = None,
    out: str | Path | None = None,
    wait: bool = False,
    workers: int | None = None,
    dask: str | None = None,
    executor: Executor | None = None,
    look: Look | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Capacity:
    """Look for the smallest value of a setting with which service goals are met: a bisection over noisy runs, all
    values under the same luck. See `sim.experiment.bisection` and `sim.experiment.sequential`.

    Args:
        find: the path of a setting that holds a whole number, a duration, a percentage or a number (spec page 10).
        between: the ends of the range, both included.
        goal: `PATH <= VALUE in SHARE`, or many of them, all to be met; see `sim.experiment.goals`.
        largest: look for the largest value instead.
        confidence: that no value whose share of runs is further from a goal's than the margin is judged wrongly.
        margin: a value whose share is nearer to a goal's than this may be judged either way.
        n: the most runs of one value; one that is not decided by then counts as not meeting the goals.
        step: between two values of the range; see `sim.experiment.ranges.span`.
        out: a directory to keep the runs in, from which the same call goes on, and one with another range, value or
            share, too.
        wait, workers, dask, executor, look, progress: as `sim.experiment.replicate` has them.

    Ctrl-C (`KeyboardInterrupt`) ends it with what is known so far; before the first run has finished it is raised.

    Raises:
        ExperimentError: a goal or a range that makes no sense, an unknown setting or metric, too few runs to decide
            anything, a directory that holds something else, a worker that dies again and again.
    """
    wanted = goals(scenario, [goal] if isinstance(goal, str) else goal)
    values = span(scenario, find.strip(), between, step)
    _sensible(values, wanted, confidence, margin, n)
    asked = list(dict.fromkeys(one.metric for one in wanted))
    rows: dict[int, list[tuple[Run, Values]]] = {}

    @cache
    def point(place: int) -> Point:
        return Point(settled(scenario, values, place), {values.path: values.at(place)})

    def index(place: int) -> int:
        return values.size - 1 - place if largest else place

    def said(place: int) -> str:
        return values.said(values.at(index(place)))

    def outcomes(place: int, first: int) -> Generator[tuple[bool, ...], None, None]:
        mine = rows.setdefault(place, [])
        for row in carry_out(point(index(place)).replications(n - first, first), asked, crew, store, look):
            mine.append(row)
            yield tuple(one.holds(row[1][asked.index(one.metric)]) for one in wanted)
            if progress is not None:
                done = sum(map(len, rows.values()))
                progress(_progress(search, said, index, place, done, known))

    search = Search(values.size, [one.share for one in wanted], outcomes, confidence=confidence, margin=margin)
    narrow: Bottleneck | None = None
    interrupted = False
    about = identity("capacity", scenario, asked, find=values.path)
    with (
        open_store(out, about, bundle(scenario), wait=wait) as store,
        workers_of(workers, dask=dask, executor=executor) as crew,
    ):
        known = len(store)
        try:
            search.find()
            binding = next((one for one, binds in zip(wanted, search.binding, strict=True) if binds), wanted[0])
            place = search.judged.place
            narrow = _bottleneck(scenario, point(index(place)), binding.metric, crew, store.directory, look)
        except KeyboardInterrupt:
            if not any(rows.values()):
                raise
            interrupted = True
        found = columns_of([row for mine in rows.values() for row in mine], asked)
        store.write_table(found)

    def value(place: int) -> float:
        return values.at(index(place))

    def candidate(one: Tried) -> Candidate:
        return Candidate(
            value=value(one.place),
            runs=one.runs,
            verdict=one.verdict() or ("undecided" if one.exhausted else one.verdict(search.wanted) or "undecided"),
            hits=tuple(test.hits for test in one.tests),
        )

    return Capacity(
        scenario=scenario,
        values=values,
        largest=largest,
        goals=wanted,
        confidence=confidence,
        margin=margin,
        most=n,
        answer=None if search.answer is None else value(search.answer),
        ending=search.ending,
        tried=sorted((candidate(one) for one in search.tried.values() if one.runs), key=lambda one: one.value),
        at_most=search.at_most,
        judged=candidate(search.judged),
        neighbour=None if search.neighbour is None else candidate(search.neighbour),
        binding=search.binding,
        surprises=[(value(meets), value(fails)) for meets, fails in search.surprises],
        bottleneck=narrow,
        columns=found,
        interrupted=interrupted,
    )


def _sensible(values: Span, wanted: Sequence[Goal], confidence: float, margin: float, n: int) -> None:
    """Refuse what could not be answered."""
    for name, share in (("confidence", confidence), ("margin", margin)):
        if not 0 < share < 1:
            raise ExperimentError(f"expected a {name} between 0 and 100 %, got {100 * share:g} %")
    least = max(least_runs_of(values.size, one.share, confidence=confidence, margin=margin) for one in wanted)
    if n < least:
        raise ExperimentError(
            f"{counted(n, 'run')} of a value can never show that it meets the goals: with these it takes at least "
            f"{least:,}; allow more, or a smaller confidence or a larger margin"
        )


def _bottleneck(
    scenario: Scenario, point: Point, metric: Metric, crew: Workers, directory: Path | None, look: Look | None
) -> Bottleneck | None:
    """Where the time goes in the first runs of a point, once more; kept below the experiment's directory."""
    which = str(metric.steps[1]) if metric.steps[0] == "rollouts" else ""
    place = None if directory is None else directory / "bottleneck"
    about = {**identity("bottleneck", scenario, []), "metrics": COLUMNS}
    again = Point(point.scenario, {**point.settings, "rollout": which})
    with open_store(place, about) as store:
        runs = again.replications(LOOKED_INTO)
        return bottleneck([values for _, values in gather(runs, measure_for(metric), crew, store, look)])


def _progress(
    search: Search, said: Callable[[int], str], index: Callable[[int], int], place: int, done: int, known: int
) -> Progress:
    return Progress(
        done=done,
        known=min(known, done),
        of=_expected(search, place, done),
        fixed=False,
        says=lambda: _so_far(search, said, index, place),
    )


def _expected(search: Search, place: int, done: int) -> int | None:
    """About how many runs it will be, if each value that may still be tried takes as many as those before it did; None
    before the answer lies between two values, as those far away from it take few."""
    before = [one.runs for one in search.tried.values() if one.place != place]
    if search.bracket is None:
        return None
    each = math.ceil(sum(before) / len(before))
    return done + max(each - search.tried[place].runs, 0) + each * (search.at_most - len(search.tried))


def _so_far(search: Search, said: Callable[[int], str], index: Callable[[int], int], place: int) -> str:
    one = search.tried[place]
    share, (low, high) = intervals.share(min(test.hits for test in one.tests), one.runs)
    text = f"{said(place)}: {percent(share)} as asked ({percent(low)} to {percent(high)})"
    if search.bracket is None:
        return text
    low_end, high_end = map(said, sorted(search.bracket, key=index))
    more = search.at_most - len(search.tried)
    return f"{text}, the answer between {low_end} and {high_end}" + (
        f", at most {counted(more, 'more value')}" if more else ""
    )
