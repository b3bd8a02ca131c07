"""Thinning a step curve to what can be seen of it.

After U. Jugel, Z. Jerzak, G. Hackenbroich, V. Markl, "M4: a visualization-oriented time series data aggregation",
PVLDB 7(10), 2014: of all the points that fall into one column of pixels only the first, the least, the largest and the
last can change what is drawn there. Of a step curve the first matters only where it is the least or the largest: until
then the curve holds the value with which it came in, and that is the last of an earlier column.
"""

from __future__ import annotations

from math import ceil

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

Ints = NDArray[np.int64]

PER_INCH = 200
"""Columns per inch of an Axes: more than the pixels of a screen, or of a PNG that `save` writes."""


def thin(at: ArrayLike, values: ArrayLike, columns: int, span: tuple[float, float] | None = None) -> Ints:
    """Which points of a step curve to keep so that it looks the same in `columns` columns of equal width.

    In every column the curve through the kept points has the same minimum, the same maximum and the same last value
    as the whole one. The first point and the last are always kept. At most three points a column are, if the first of
    all is not counted; points that repeat the value before them are left out.

    Args:
        at: positions, ascending, in any unit; the curve has `values[i]` from `at[i]` on.
        values: finite numbers, as many.
        columns: into how many columns of equal width to divide the span.
        span: from where to where the columns go, in the unit of `at`; from the first to the last point if None. What
            lies outside counts to the column at that end.

    Returns:
        Indices of the points to keep, ascending.
    """
    x, y = np.asarray(at, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if len(x) < 3:
        return np.arange(len(x), dtype=np.int64)
    start, end = span if span is not None else (float(x[0]), float(x[-1]))
    width = (end - start) / max(columns, 1)
    if width > 0:
        column = np.clip((x - start) / width, 0, max(columns, 1) - 1).astype(np.int64)
    else:
        column = np.zeros(len(x), dtype=np.int64)
    starts = np.flatnonzero(np.diff(column, prepend=column[0] - 1))
    lengths = np.diff(starts, append=len(x))
    kept = np.zeros(len(x), dtype=bool)
    kept[starts + lengths - 1] = True
    for extreme in (np.minimum, np.maximum):
        reached = np.flatnonzero(y == np.repeat(extreme.reduceat(y, starts), lengths))
        _, first = np.unique(column[reached], return_index=True)
        kept[reached[first]] = True
    chosen = np.flatnonzero(kept)
    # what repeats the kept point before it draws nothing, as a step curve holds its value anyway
    chosen = chosen[np.diff(y[chosen], prepend=np.nan) != 0]
    return np.unique(np.concatenate([[0], chosen, [len(x) - 1]]))


def columns(axes: Axes) -> int:
    """How many columns there are to be seen in an Axes."""
    inches = axes.get_window_extent().width / axes.figure.dpi
    return max(ceil(inches * PER_INCH), 1)
