"""What the control plane has to do, minute by minute."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullLocator, SymmetricalLogLocator

from sim.plot.canvas import legend, prepare, say, time_axis
from sim.plot.pick import Ints, ended_at
from sim.plot.style import lines
from sim.plot.thin import columns, thin

if TYPE_CHECKING:
    from sim.result import Result

MINUTE = 60.0
KINDS = {
    "event-log rows": ("event_log.",),
    "heartbeats": ("heartbeats",),
    "reports": ("reports.",),
    "dispatches": ("dispatches_queued", "dispatches_requeued"),
}
"""Each line's columns of the frame `load`, by their beginning."""


def control_plane_load(result: Result, axes: Axes | None = None) -> Axes:
    """Reports, heartbeats, dispatches (queued and re-queued) and event-log rows per minute over time, from the frame
    `load`. The counts go from a few to millions: their axis is logarithmic above 1, and has a 0.

    Time is in seconds since the start of the run, all rollouts together. In the last minute only what happened before
    the end of the run is counted.

    Args:
        result: the run.
        axes: where to draw; a new figure if None.
    """
    axes = prepare(axes, "Load on the control plane")
    frame = result.load
    axes.set_ylabel("per minute (log scale)")
    if frame.empty:
        return say(axes, "The run recorded no load.")
    at = frame["at"].to_numpy(dtype=np.float64)
    # the last minute is over when the run is
    end = min(max(ended_at(result), float(at[-1]) + 1.0), float(at[-1]) + MINUTE)
    time_axis(axes, float(at[0]), end, "the start of the run")
    sums: dict[str, Ints] = {
        kind: frame[[name for name in frame.columns if str(name).startswith(beginnings)]]
        .to_numpy(dtype=np.int64)
        .sum(axis=1)
        for kind, beginnings in KINDS.items()
    }
    most = max(int(count.max()) for count in sums.values())
    axes.set_yscale("symlog", linthresh=1.0, linscale=0.4)
    # room for a line at 0
    axes.set_ylim(-0.08, max(most, 1) * 2.0)
    axes.yaxis.set_major_locator(SymmetricalLogLocator(base=10, linthresh=1.0))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda count, _: _short(count)))
    width = columns(axes)
    handles: list[Artist] = []
    labels: list[str] = []
    for (kind, count), look in zip(sums.items(), lines(len(sums)), strict=True):
        kept = thin(at, count, width)
        line = axes.plot(
            np.append(at[kept], end),
            np.append(count[kept], count[-1]),
            drawstyle="steps-post",
            color=look.colour,
            linestyle=look.style,
            linewidth=1.4,
        )[0]
        handles.append(line)
        labels.append(kind if count.any() else f"{kind} (none)")
    legend(axes, handles, labels)
    return axes


def _short(count: float) -> str:
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:g}{letter}"
    return f"{count:g}"
