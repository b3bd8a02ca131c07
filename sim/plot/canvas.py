"""What all figures share: a figure where none is given, the axis of time, the legend, words where there is no data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, Locator, MaxNLocator

from sim.result.words import shortened

if TYPE_CHECKING:
    from sim.result import Result

UNITS = ((86_400.0, "days"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"))
"""Units of an axis of time, in seconds."""
STEPS = (
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30),
    *(60 * minutes for minutes in (1, 2, 5, 10, 15, 30)),
    *(3_600 * hours for hours in (1, 2, 3, 6, 12)),
    *(86_400 * days for days in (1, 2, 5, 7, 14, 28)),
)
"""Distances of its ticks, in seconds."""
MOST_TICKS = 8


class Picture(Figure):
    """A figure that a notebook shows as it is, in pyplot's absence too."""

    def _repr_svg_(self) -> str:
        from sim.plot.files import svg

        return svg(self)


def prepare(axes: Axes | None, title: str, height: float = 3.8) -> Axes:
    """The Axes given, or the one of a new figure of that height (inches), with a title."""
    if axes is None:
        figure = Picture(figsize=(8.0, height), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
    # names are data: a dollar in one is no formula
    axes.set_title(shortened(title), parse_math=False)
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def time_axis(axes: Axes, start: float, end: float, since: str) -> float:
    """Make x an axis of time (s) from `start` to a little after `end`: what happens last is not lost in the frame. Its
    ticks and its label are in the unit that fits the span.

    Args:
        axes: positions on it are in seconds.
        start: where it begins, in seconds.
        end: the last time there is to be seen, in seconds; a second after the start if there is none after it.
        since: what the times count from.

    Returns:
        Where the axis ends, in seconds.
    """
    if end <= start:
        end = start + 1.0
    edge = end + 0.025 * (end - start)
    axes.set_xlim(start, edge)
    seconds, unit = next(((length, name) for length, name in UNITS if end - start >= 3 * length), UNITS[-1])
    axes.xaxis.set_major_locator(TimeLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: f"{round(at / seconds, 6):g}"))
    axes.set_xlabel(f"time since {since} ({unit})")
    return edge


def held_until(result: Result, start: float, end: float, edge: float) -> float:
    """Up to when (s) a curve of a run holds its last value: in one that came to rest nothing changes any more, up to
    the edge of the axis; what comes after a horizon is not known."""
    return edge if result.summary["end"] == "quiescent" or end <= start else end


class TimeLocator(Locator):
    """Ticks at round times; positions are in seconds."""

    def __call__(self) -> Sequence[float]:
        axis = self.axis
        assert axis is not None
        return self.tick_values(*axis.get_view_interval())

    def tick_values(self, vmin: float, vmax: float) -> Sequence[float]:
        """The ticks from `vmin` to `vmax` (s)."""
        low, high = sorted((float(vmin), float(vmax)))
        step = next((step for step in STEPS if high - low <= MOST_TICKS * step), None)
        if step is None:
            # years: any round number of days
            days = MaxNLocator(MOST_TICKS, steps=[1, 2, 5, 10]).tick_values(low / 86_400, high / 86_400)
            return [86_400 * float(day) for day in days]
        ticks: list[float] = (np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step).tolist()
        return ticks


class UnitLocator(TimeLocator):
    """Ticks at round times where these are short in a unit, as half an hour is in hours and ten minutes are not; else
    at round numbers of that unit. Positions are in seconds."""

    def __init__(self, seconds: float):
        """`seconds`: the unit's."""
        self._seconds = seconds

    def tick_values(self, vmin: float, vmax: float) -> Sequence[float]:
        """The ticks from `vmin` to `vmax` (s)."""
        ticks = super().tick_values(vmin, vmax)
        if all(abs(tick / self._seconds - round(tick / self._seconds, 2)) < 1e-9 for tick in ticks):
            return ticks
        numbers = MaxNLocator(MOST_TICKS, steps=[1, 2, 2.5, 5, 10])
        return [self._seconds * float(at) for at in numbers.tick_values(vmin / self._seconds, vmax / self._seconds)]


def value_axis(axis: Axis, values: Any, label: str, unit: str) -> None:
    """Name an axis of values; where they are in seconds its ticks and its name are in the unit that fits them."""
    if unit != "s":
        axis.set_major_formatter(FuncFormatter(lambda at, _: f"{round(at, 9) + 0.0:,.6g}"))
        axis.set_label_text(f"{label} ({unit})" if unit else label, parse_math=False)
        return
    span = float(np.nanmax(np.abs(np.asarray(values, dtype=np.float64))))
    seconds, name = next(((length, name) for length, name in UNITS if span >= 3 * length), UNITS[-1])
    axis.set_major_locator(UnitLocator(seconds))
    axis.set_major_formatter(FuncFormatter(lambda at, _: f"{round(at / seconds, 6) + 0.0:g}"))
    axis.set_label_text(f"{label} ({name})", parse_math=False)


def count_axis(axes: Axes, most: float, label: str) -> None:
    """Make y an axis of whole numbers from 0 to a little above `most`, so that a thin area at the top is seen."""
    axes.set_ylim(0, 1.02 * max(most, 1))
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:,.0f}"))
    axes.set_ylabel(label)


def row_axis(axes: Axes, names: Sequence[str]) -> None:
    """Make y an axis of named rows, the first at the top; the names are data, and no formulas."""
    axes.set_yticks(range(len(names)), names)
    for tick in axes.get_yticklabels():
        tick.set_parse_math(False)
    axes.tick_params(axis="y", length=0, labelsize="small")
    axes.set_ylim(len(names) - 0.4, -0.6)


def legend(axes: Axes, handles: Sequence[Artist], labels: Sequence[str], title: str | None = None) -> None:
    """A legend to the right of the Axes, where it covers nothing."""
    if not handles:
        return
    made = axes.legend(
        handles,
        labels,
        title=title,
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        borderaxespad=0.0,
        frameon=False,
        fontsize="small",
        title_fontsize="small",
        handlelength=2.8,
        handleheight=1.1,
        alignment="left",
    )
    for text in made.get_texts():
        text.set_parse_math(False)


def say(axes: Axes, words: str) -> Axes:
    """Say in words why there is nothing to see."""
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", wrap=True, parse_math=False)
    # not set_ticks: it would take those of Axes that share an axis, too
    axes.tick_params(bottom=False, left=False, labelbottom=False, labelleft=False)
    axes.spines[:].set_visible(False)
    return axes


def moment(axes: Axes, at: Sequence[float], **looks: Any) -> Artist:
    """Vertical lines at times (s), all as one artist."""
    return axes.vlines(at, 0, 1, transform=axes.get_xaxis_transform(), color="#000000", linewidth=1.0, **looks)
