"""What a search for a value has found: in which share of its runs each value meets a goal, and what the runs at the
answer spend their time on. Shares are from 0 to 1; only the ticks are in per cent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import ArrayLike

from sim.plot.canvas import legend, prepare, row_axis
from sim.plot.style import BARS, EDGE, ONE

Verdict = Literal["meets", "fails", "undecided"]
WHITE = "#FFFFFF"
_POINTS: Mapping[Verdict, tuple[str, str]] = {"meets": ("o", ONE), "fails": ("o", WHITE), "undecided": ("D", WHITE)}
"""Marker and filling of a value by its verdict."""
LEAST_ROOM = 0.04
"""Room beside what is drawn, as a share."""


def shares(
    names: Sequence[str],
    share: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    verdicts: Sequence[Verdict],
    axes: Axes | None = None,
    *,
    goal: float,
    margin: float = 0.0,
    answer: int | None = None,
    title: str = "",
    label: str = "runs that are as asked",
) -> Axes:
    """In which share of its runs each value is as a goal asks, a row each, beside the line of the share asked for.

    Args:
        names: the values, from top to bottom.
        share, low, high: of each the share and the ends of its interval.
        verdicts: of each whether it meets what is asked for.
        axes: where to draw; a new figure if None.
        goal: the share asked for.
        margin: so near to it a value may go either way, drawn as a band.
        answer: which of the values is the answer, if one is.
        title, label: what it is of, and what the shares are.
    """
    axes = prepare(axes, title, min(max(1.5 + 0.34 * len(names), 2.8), 14.0))
    middle, below, above = (np.asarray(given, dtype=np.float64) for given in (share, low, high))
    handles: list[Line2D | Patch] = []
    labels = []
    if answer is not None:
        handles.append(axes.axhspan(answer - 0.5, answer + 0.5, color=BARS, alpha=0.45, linewidth=0))
        labels.append("the answer")
    if margin:
        axes.axvspan(goal - margin, goal + margin, color=ONE, alpha=0.1, linewidth=0)
    handles.append(axes.axvline(goal, color=EDGE, linestyle="dashed", linewidth=1.0))
    labels.append("share asked for")
    rows = np.arange(len(names))
    axes.hlines(rows, below, above, color=ONE, linewidth=1.8)
    for verdict, (marker, filling) in _POINTS.items():
        mine = np.array([one == verdict for one in verdicts], dtype=bool)
        if mine.any():
            handles += axes.plot(
                middle[mine], rows[mine], marker=marker, linestyle="none", color=ONE, markerfacecolor=filling
            )
            labels.append(verdict)
    handles.append(Line2D([], [], color=ONE, linewidth=1.8))
    labels.append("95 % interval")
    if margin:
        handles.append(Patch(color=ONE, alpha=0.1, linewidth=0))
        labels.append("may go either way")
    legend(axes, handles, labels)
    row_axis(axes, names)
    axes.set_xlim(-LEAST_ROOM, 1 + LEAST_ROOM)
    _percent_axis(axes, label)
    return axes


def parts(
    names: Sequence[str], share: ArrayLike, axes: Axes | None = None, *, title: str = "", label: str = "share"
) -> Axes:
    """Parts of a whole as bars, each with its percentage.

    Args:
        names: the parts, from top to bottom.
        share: of each its share.
        axes: where to draw; a new figure if None.
        title, label: what it is of, and what the shares are.
    """
    axes = prepare(axes, title, min(max(1.3 + 0.34 * len(names), 2.2), 14.0))
    whole = np.asarray(share, dtype=np.float64)
    rows = np.arange(len(names))
    axes.barh(rows, whole, height=0.7, color=BARS, edgecolor=EDGE, linewidth=0.6)
    for row, one in zip(rows, whole, strict=True):
        said = f"{100 * one:.0f} %" if one >= 0.01 else "under 1 %"
        axes.annotate(said, (one, row), xytext=(4, 0), textcoords="offset points", va="center", fontsize="small")
    row_axis(axes, names)
    # room for the words right of the longest
    axes.set_xlim(0, 1.12 * float(whole.max()))
    _percent_axis(axes, label)
    return axes


def _percent_axis(axes: Axes, label: str) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: f"{round(100 * at, 6):g}"))
    axes.set_xlabel(f"{label} (%)")
