"""What has changed since a baseline: by how much of what it was each number moved, beside how far it may."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import ArrayLike

from sim.plot.canvas import legend, prepare, row_axis, say
from sim.plot.style import BARS, EDGE, ONE

Moved = Literal["worse", "better", "moved", "not moved"]
WHITE = "#FFFFFF"
_POINTS: Mapping[Moved, tuple[str, str, float]] = {
    "worse": ("X", ONE, 9.0),
    "better": ("o", ONE, 6.0),
    "moved": ("D", ONE, 6.0),
    "not moved": ("o", WHITE, 6.0),
}
"""Marker, filling and size of a number by what became of it: told apart by their forms, not their colours."""


def changes(
    names: Sequence[str],
    relative: ArrayLike,
    moved: Sequence[Moved],
    axes: Axes | None = None,
    *,
    tolerance: float,
    title: str = "",
    label: str = "change",
) -> Axes:
    """By how much of what it was each number changed, a row each, beside the band of what is tolerated.

    Args:
        names: the numbers, from top to bottom.
        relative: the change of each as a share of what it was.
        moved: what became of each.
        axes: where to draw; a new figure if None.
        tolerance: how far each may move, as a share.
        title, label: what it is of, and what the changes are.
    """
    axes = prepare(axes, title, min(max(1.3 + 0.34 * len(names), 2.2), 14.0))
    if not len(names):
        return say(axes, "Nothing differs.")
    change = np.asarray(relative, dtype=np.float64)
    rows = np.arange(len(names))
    axes.axvspan(-tolerance, tolerance, color=BARS, alpha=0.45, linewidth=0)
    axes.axvline(0.0, color=EDGE, linewidth=1.0)
    axes.hlines(rows, 0.0, change, color=ONE, linewidth=1.4)
    handles: list[Line2D | Patch] = []
    labels: list[str] = []
    for what, (marker, filling, size) in _POINTS.items():
        mine = np.array([one == what for one in moved], dtype=bool)
        if mine.any():
            handles += axes.plot(change[mine], rows[mine], marker, color=ONE, markerfacecolor=filling, markersize=size)
            labels.append(what)
    handles.append(Patch(color=BARS, alpha=0.45, linewidth=0))
    labels.append("tolerated")
    legend(axes, handles, labels)
    row_axis(axes, names)
    ends = np.concatenate([change, [-tolerance, tolerance]])
    room = 0.08 * float(np.ptp(ends)) or 0.01
    axes.set_xlim(float(ends.min()) - room, float(ends.max()) + room)
    axes.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: f"{round(100 * at, 6) + 0.0:+g}" if at else "0"))
    axes.set_xlabel(f"{label} (%)")
    return axes
