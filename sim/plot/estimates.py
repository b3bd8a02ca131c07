"""What many runs say: how a number is distributed over them, how its estimate settles, and how sure differences are.

Values are in the units of the summary (seconds, hosts); `unit` names theirs: `s`, or any other that is written as it
is. NaN stands for what is not known: a run that did not get there, an end of an interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from sim.plot.canvas import count_axis, legend, prepare, row_axis, say, value_axis
from sim.plot.style import BAND, BARS, EDGE, ONE

MOST_BARS = 30
FEW = 5
"""From fewer runs an interval is so wide that to show all of it would hide what comes after."""
ABOVE = 1.1
"""How high above the highest bar the interval is, in heights of it."""


def distribution(
    values: ArrayLike,
    axes: Axes | None = None,
    *,
    title: str = "",
    label: str = "value",
    unit: str = "",
    centre: float | None = None,
    interval: tuple[float | None, float | None] = (None, None),
    name: str = "mean",
    counted: str = "runs",
) -> Axes:
    """How often a number was what, over many runs: bars, and above them the estimate with its interval.

    Args:
        values: one per run; those that are NaN are left out.
        axes: where to draw; a new figure if None.
        title, label, unit: what it is of, and what the values are.
        centre, interval: the estimate and the ends of its interval, None where unknown.
        name: what the estimate is.
        counted: what there is a value of each.
    """
    axes = prepare(axes, title)
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    if not len(known):
        return say(axes, "No run reached it.")
    bars = min(max(math.ceil(math.sqrt(len(known))), FEW), MOST_BARS)
    heights, edges = np.histogram(known, bins=bars if np.ptp(known) > 0 else 1)
    axes.bar(edges[:-1], heights, np.diff(edges), align="edge", color=BARS, edgecolor=EDGE, linewidth=0.6)
    count_axis(axes, ABOVE**2 * heights.max() / 1.02, counted)
    low, high = (math.nan if end is None else end for end in interval)
    value_axis(axes.xaxis, [known.min(), known.max()], label, unit)
    if centre is not None:
        place = ABOVE * float(heights.max())
        drawn = axes.plot([centre], [place], color=ONE, marker="o", linestyle="none")
        if math.isfinite(low) or math.isfinite(high):
            drawn.append(_interval(axes, low, high, place))
        legend(axes, drawn, [name, "95 % interval"][: len(drawn)])
    return axes


def settling(
    at: ArrayLike,
    centre: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    axes: Axes | None = None,
    *,
    title: str = "",
    label: str = "mean",
    unit: str = "",
    within: tuple[float, float] | None = None,
    counted: str = "runs",
) -> Axes:
    """How an estimate and its interval settle as runs come in. Intervals of the first few runs may leave the frame.

    Args:
        at: numbers of runs, ascending.
        centre, low, high: the estimate from so many runs, and the ends of its interval.
        axes: where to draw; a new figure if None.
        title, label, unit: what it is of, and what the estimate is.
        within: between what the interval is to be in the end, drawn as two lines.
        counted: what comes in.
    """
    axes = prepare(axes, title)
    x, middle, below, above = (np.asarray(given, dtype=np.float64) for given in (at, centre, low, high))
    if not np.isfinite(middle).any():
        return say(axes, "Too few runs reached it.")
    later = x >= min(FEW, x[-1])
    shown = np.concatenate([middle[later], below[later], above[later], within or ()])
    shown = shown[np.isfinite(shown)]
    if not len(shown):
        shown = middle[np.isfinite(middle)]
    room = 0.08 * float(np.ptp(shown)) or 0.1 * abs(float(shown[0])) or 1.0
    bottom, top = float(shown.min()) - room, float(shown.max()) + room
    # an end that is not known, while the other is, lies beyond the frame
    below, above = (
        np.where(np.isnan(below) & np.isfinite(above), bottom, below),
        np.where(np.isnan(above) & np.isfinite(below), top, above),
    )
    band = axes.fill_between(x, below, above, color=ONE, alpha=BAND, linewidth=0)
    [line] = axes.plot(x, middle, color=ONE, marker="o" if len(x) == 1 else None)
    handles, labels = [line, band], [label, "95 % interval"]
    if within is not None:
        handles.append(axes.hlines(within, 0, x[-1], color=EDGE, linestyle="dashed", linewidth=1.0))
        labels.append("precision asked for")
    legend(axes, handles, labels)
    axes.set_ylim(bottom, top)
    axes.set_xlim(0, max(float(x[-1]) * 1.02, 2.0))
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.set_xlabel(counted)
    value_axis(axes.yaxis, shown, label, unit)
    return axes


def differences(
    names: Sequence[str],
    centre: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    axes: Axes | None = None,
    *,
    title: str = "",
    label: str = "difference",
    unit: str = "",
) -> Axes:
    """Differences with their intervals, a row each, beside the line of no difference (a forest plot). A point is filled
    where the interval is all on one side of that line. An interval with an end that is not known ends in an arrow.

    Args:
        names: what differs, from top to bottom.
        centre, low, high: the differences and the ends of their intervals.
        axes: where to draw; a new figure if None.
        title, label, unit: what it is of, and what the differences are.
    """
    axes = prepare(axes, title, min(max(1.3 + 0.34 * len(names), 2.2), 14.0))
    middle, below, above = (np.asarray(given, dtype=np.float64) for given in (centre, low, high))
    known = np.concatenate([middle, below, above, [0.0]])
    known = known[np.isfinite(known)]
    if not len(names):
        return say(axes, "Nothing differs.")
    room = 0.08 * float(np.ptp(known)) or 1.0
    left, right = float(known.min()) - room, float(known.max()) + room
    axes.set_xlim(left, right)
    axes.axvline(0.0, color=EDGE, linewidth=1.0)
    for row, (value, start, end) in enumerate(zip(middle, below, above, strict=True)):
        if not np.isfinite([value, start, end]).any():
            axes.annotate(
                "not known", (0.0, row), xytext=(4, 0), textcoords="offset points", va="center", fontsize="small"
            )
            continue
        # of a single pair no end is known, and there is no interval to draw
        if math.isfinite(start) or math.isfinite(end):
            _interval(axes, start, end, row)
        if math.isfinite(value):
            sure = start > 0.0 or end < 0.0
            axes.plot(
                [value], [row], marker="o", linestyle="none", color=ONE, markerfacecolor=ONE if sure else "#FFFFFF"
            )
    row_axis(axes, names)
    value_axis(axes.xaxis, known, label, unit)
    return axes


def _interval(axes: Axes, low: float, high: float, place: float) -> Line2D:
    """A line from one end to the other at a height; towards an end that is not known it leaves the frame by an arrow,
    and stops where the frame is now."""
    left, right = axes.get_xlim()
    ends = [left if math.isnan(low) else low, right if math.isnan(high) else high]
    for end, at, marker in ((low, left, "<"), (high, right, ">")):
        if math.isnan(end):
            axes.plot([at], [place], color=ONE, marker=marker, clip_on=False)
    [line] = axes.plot(ends, [place, place], color=ONE, linewidth=1.8)
    axes.set_xlim(min(left, *ends), max(right, *ends))
    return line
