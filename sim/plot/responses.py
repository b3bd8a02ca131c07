"""What settings do to a metric, from the table of a sweep: a line over a number, a heat map over two, points over
words.

The table has a row per point: a column per setting, `value`, and `low` and `high`, the ends of its interval, NaN where
unknown. Columns that hold durations are in seconds; `units` names their unit, and that of `value`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from sim.plot.canvas import Picture, legend, prepare, say, value_axis
from sim.plot.style import BAND, MARKERS, ONE, lines
from sim.result.words import duration, number

MOST_CELLS = 120
"""Cells of a heat map up to which each has its value written in it."""


def response(
    table: pd.DataFrame,
    settings: Sequence[str],
    axes: Axes | None = None,
    *,
    title: str = "",
    label: str = "value",
    units: Mapping[str, str] | None = None,
) -> Axes:
    """A metric over one setting or two.

    One number: a line with a band for the intervals. Two numbers: a heat map where all their combinations are there,
    else points shaded by the metric. A number and words: a line for each word; words alone: points with intervals.

    Args:
        table: see above; rows in any order.
        settings: one or two of its columns; a column that is not numbers holds words.
        axes: where to draw; a new figure if None.
        title, label: what it is of, and what `value` is.
        units: per setting, and for `value`: `s`, `%`, or any other that is written as it is.

    Raises:
        ValueError: there are no settings, or more than two; see `responses`.
    """
    if not 1 <= len(settings) <= 2:
        raise ValueError(f"expected one or two settings, got {len(settings)}; `responses` draws a panel for each")
    known = {key: (units or {}).get(key, "") for key in (*settings, "value")}
    axes = prepare(axes, title)
    if not np.isfinite(table["value"].to_numpy(dtype=np.float64)).any():
        return say(axes, "No run reached it.")
    numbers = [key for key in settings if _is_numbers(table[key])]
    words = [key for key in settings if key not in numbers]
    if len(numbers) == 2:
        return _two_numbers(axes, table, settings[0], settings[1], label, known)
    if numbers:
        _over_number(axes, table, numbers[0], words[0] if words else None, known)
    else:
        _over_words(axes, table, words[0], words[1] if len(words) > 1 else None)
    value_axis(axes.yaxis, table[["value", "low", "high"]], label, known["value"])
    return axes


def responses(
    table: pd.DataFrame,
    settings: Sequence[str],
    *,
    title: str = "",
    label: str = "value",
    units: Mapping[str, str] | None = None,
) -> Figure:
    """A metric over each of many settings, in a panel each: all points, and a line through the means over the other
    settings. Arguments as of `response`."""
    known = {key: (units or {}).get(key, "") for key in (*settings, "value")}
    wide = min(len(settings), 3)
    tall = -(-len(settings) // wide)
    figure = Picture(figsize=(3.4 * wide, 3.2 * tall + 0.4), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, parse_math=False)
    panels = figure.subplots(tall, wide, squeeze=False, sharey=True).ravel()
    for spare in panels[len(settings) :]:
        spare.remove()
    there = table[np.isfinite(table["value"].to_numpy(dtype=np.float64))]
    for key, axes in zip(settings, panels, strict=False):
        axes.spines[["top", "right"]].set_visible(False)
        if there.empty:
            say(axes, "No run reached it.")
            continue
        at, levels = _places(there[key])
        axes.plot(at, there["value"], ".", color="#9A9A9A", markersize=4)
        means = pd.Series(there["value"].to_numpy()).groupby(at).mean()
        if len(means) < len(there):
            axes.plot(means.index, means, marker="o", linestyle="-" if levels is None else "none", color=ONE)
        _setting_axis(axes.xaxis, there[key], key, known[key], levels)
    if not there.empty:
        for axes in panels[: len(settings) : wide]:
            value_axis(axes.yaxis, there["value"], label, known["value"])
    return figure


def _is_numbers(column: pd.Series[Any]) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _over_number(axes: Axes, table: pd.DataFrame, key: str, by: str | None, units: Mapping[str, str]) -> None:
    groups = [(None, table)] if by is None else [(word, table[table[by] == word]) for word in table[by].unique()]
    looks = lines(len(groups))
    handles: list[Artist] = []
    for place, ((_, rows), look) in enumerate(zip(groups, looks, strict=True)):
        rows = rows.sort_values(key, kind="stable")
        x = rows[key].to_numpy(dtype=np.float64)
        value, low, high = (rows[name].to_numpy(dtype=np.float64) for name in ("value", "low", "high"))
        colour = ONE if by is None else look.colour
        axes.fill_between(x, low, high, color=colour, alpha=BAND, linewidth=0)
        [line] = axes.plot(x, value, color=colour, linestyle=look.style, marker=MARKERS[place % len(MARKERS)])
        handles.append(line)
    if by is not None:
        legend(axes, handles, [str(word) for word, _ in groups], by)
    _setting_axis(axes.xaxis, table[key], key, units[key], None)


def _over_words(axes: Axes, table: pd.DataFrame, key: str, by: str | None) -> None:
    levels = [str(word) for word in table[key].unique()]
    place = {word: float(at) for at, word in enumerate(levels)}
    groups = [(None, table)] if by is None else [(word, table[table[by] == word]) for word in table[by].unique()]
    looks = lines(len(groups))
    handles: list[Artist] = []
    for group, ((_, rows), look) in enumerate(zip(groups, looks, strict=True)):
        # side by side, so that no interval hides another
        beside = (group - (len(groups) - 1) / 2) * 0.6 / len(groups)
        x = np.array([place[str(word)] + beside for word in rows[key]])
        value, low, high = (rows[name].to_numpy(dtype=np.float64) for name in ("value", "low", "high"))
        colour = ONE if by is None else look.colour
        axes.vlines(x, low, high, color=colour, linewidth=1.5)
        marker = MARKERS[group % len(MARKERS)]
        handles += axes.plot(x, value, color=colour, linestyle="none", marker=marker)
    if by is not None:
        legend(axes, handles, [str(word) for word, _ in groups], by)
    axes.set_xlim(-0.6, len(levels) - 0.4)
    _word_axis(axes.xaxis, levels, key)


def _two_numbers(axes: Axes, table: pd.DataFrame, x: str, y: str, label: str, units: Mapping[str, str]) -> Axes:
    value = table["value"].to_numpy(dtype=np.float64)
    norm = Normalize(float(np.nanmin(value)), float(np.nanmax(value)))
    looks = ScalarMappable(norm, mpl.colormaps["cividis"])
    across, up = np.sort(table[x].unique()), np.sort(table[y].unique())
    found = {(one, other): shown for one, other, shown in zip(table[x], table[y], value, strict=True)}
    if min(len(across), len(up)) >= 2 and len(found) == len(across) * len(up):
        cells = np.array([[found[one, other] for one in across] for other in up])
        axes.pcolormesh(cells, norm=norm, cmap=looks.cmap, edgecolors="#FFFFFF", linewidth=1.0)
        if cells.size <= MOST_CELLS:
            _write(axes, cells, looks, units["value"])
        for axis, key, levels in ((axes.xaxis, x, across), (axes.yaxis, y, up)):
            axis.set_ticks(np.arange(len(levels)) + 0.5, [_said(level, units[key]) for level in levels])
            axis.set_label_text(key, parse_math=False)
            axis.set_tick_params(length=0)
        axes.spines[:].set_visible(False)
    else:
        axes.scatter(table[x], table[y], c=value, norm=norm, cmap=looks.cmap, edgecolors="#444444", linewidths=0.6)
        for axis, key in ((axes.xaxis, x), (axes.yaxis, y)):
            _setting_axis(axis, table[key], key, units[key], None)
    bar = axes.figure.colorbar(looks, ax=axes)
    value_axis(bar.ax.yaxis, table["value"], label, units["value"])
    return axes


def _write(axes: Axes, cells: np.ndarray[Any, Any], looks: ScalarMappable, unit: str) -> None:
    """The value of each cell, dark on light and light on dark."""
    for row, column in product(range(cells.shape[0]), range(cells.shape[1])):
        if not np.isfinite(cells[row, column]):
            continue
        red, green, blue, _ = looks.to_rgba(cells[row, column])
        dark = 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.5
        text = _said(float(cells[row, column]), unit)
        colour = "#FFFFFF" if dark else "#000000"
        axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", color=colour, fontsize="small")


def _places(column: pd.Series[Any]) -> tuple[np.ndarray[Any, Any], list[str] | None]:
    """Where along an axis the values of a setting are, and, if they are words, the words."""
    if _is_numbers(column):
        return column.to_numpy(dtype=np.float64), None
    words = [str(word) for word in column]
    levels = list(dict.fromkeys(words))
    return np.array([float(levels.index(word)) for word in words]), levels


def _setting_axis(axis: Axis, column: pd.Series[Any], key: str, unit: str, levels: list[str] | None) -> None:
    if levels is None:
        value_axis(axis, column, key, unit)
    else:
        _word_axis(axis, levels, key)


def _word_axis(axis: Axis, levels: list[str], key: str) -> None:
    axis.set_ticks(range(len(levels)), levels)
    for tick in axis.get_ticklabels():
        tick.set_parse_math(False)
    axis.set_label_text(key, parse_math=False)


def _said(value: float, unit: str) -> str:
    if unit == "s":
        return duration(float(value))
    return f"{number(float(value))} %" if unit == "%" else number(float(value))
