"""How many runs there are to be, as many as asked for or as many as it takes, and what a watcher is told on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from sim.experiment import intervals
from sim.experiment.errors import ExperimentError
from sim.experiment.estimates import Enough, Narrowing
from sim.experiment.metrics import Metric
from sim.experiment.progress import Progress
from sim.experiment.wording import Scale, percent

PRECISION = 0.05
"""Relative half-width asked for where neither it nor a number of runs is."""
MOST = 1_000
"""Runs after which a precision that has not been reached is given up, unless told otherwise."""
JUDGED = ("s", "hosts/h")
"""Units of the default metrics that have to be narrow: how many hosts fail may be rare, and then would take forever."""
HEADLINE = "time_to_converged_s.p99"
"""Of the default metrics the one to begin with, of the last channel."""

Stopped = Literal["precise", "asked", "most", "interrupted"]


class Size(NamedTuple):
    """How many runs there may be, and how well they have to know each metric to be enough; None: all are made."""

    most: int
    precision: float | None


def size(n: int | None, precision: float | None, what: str) -> Size:
    """So many runs, or as many as the precision takes, `PRECISION` where neither is given.

    Args:
        n: how many; with a precision, how many at most (`MOST` if None).
        precision: relative half-width of the intervals.
        what: what there are to be so many of.

    Raises:
        ExperimentError: numbers that make no sense.
    """
    if n is None and precision is None:
        precision = PRECISION
    if n is not None and n < 1:
        raise ExperimentError(f"expected at least one {what}, got {n}")
    if precision is not None and not 0 < precision < 1:
        raise ExperimentError(f"expected a precision between 0 and 100 %, got {precision:.0%}")
    return Size(MOST if n is None else n, precision)


def headline(asked: Sequence[Metric], named: Sequence[str] | None) -> Metric:
    """The metric that an answer begins with: the first, where they were named; else a time of the last channel."""
    return asked[0] if named else next((one for one in reversed(asked) if one.path.endswith(HEADLINE)), asked[0])


def judged(asked: Sequence[Metric], named: Sequence[str] | None) -> list[int]:
    """The places of the metrics that have to be known well enough: all, where they were named."""
    return [place for place, metric in enumerate(asked) if named or metric.kind.unit in JUDGED]


def progress(enough: Enough, size: Size, known: int, says: Callable[[], str], counts: str = "run") -> Progress:
    """What to tell after a run (or what else `counts`), `known` of which were there before."""
    expected = size.most if size.precision is None else enough.expected()
    return Progress(
        done=enough.runs,
        known=min(known, enough.runs),
        of=None if expected is None else min(expected, size.most),
        fixed=size.precision is None,
        says=says,
        counts=counts,
    )


def so_far(one: Narrowing, name: str | None = None) -> str:
    """A metric's mean with half its interval, as far as it is known; the share that reached it where not all runs did.

    Args:
        name: what to call it; its path if None.
    """
    said = one.metric.path if name is None else name
    reached, runs = sum(value is not None for value in one.values), len(one.values)
    if reached < runs:
        share, (low, high) = intervals.share(reached, runs)
        return f"{said}: reached by {percent(share)} ({percent(low)} to {percent(high)})"
    half = one.half_width
    if half is None:
        return said
    scale = Scale.of(one.metric.kind.unit, (one.mean, half))
    return f"{said}: {scale.shown(one.mean, half)} ± {scale.shown(half, half)} {scale.unit}".rstrip()
