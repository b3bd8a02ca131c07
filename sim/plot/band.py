"""A real curve against what many simulated ones say of it."""

from __future__ import annotations

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from sim.plot.canvas import legend, moment, prepare, say, share_axis, time_axis
from sim.plot.style import BAND, EDGE, ONE


def band(
    real: ArrayLike,
    low: ArrayLike,
    median: ArrayLike,
    high: ArrayLike,
    axes: Axes | None = None,
    *,
    title: str = "",
    label: str = "share of the rollout's hosts",
    envelope: tuple[ArrayLike, ArrayLike] | None = None,
    leaves_at: float | None = None,
) -> Axes:
    """When each share of a rollout's hosts was there, really, and the band in which that is expected.

    Args:
        real, low, median, high: times since the opening (s), ascending, of equal steps of the share up to 1; infinite
            where it is not reached.
        axes: where to draw; a new figure if None.
        title, label: what it is of, and what the shares are of.
        envelope: between what the curve is expected, all its steps together.
        leaves_at: when (s) it first leaves what is expected, drawn as a vertical line.
    """
    axes = prepare(axes, title)
    given = [np.asarray(times, dtype=np.float64) for times in (real, low, median, high, *(envelope or ()))]
    known = np.concatenate(given)
    known = known[np.isfinite(known)]
    if not len(known):
        return say(axes, "No host got there.")
    share_axis(axes, label)
    edge = time_axis(axes, 0.0, float(known.max()), "the rollout opened")
    share = np.arange(len(given[0]) + 1) / len(given[0])

    def steps(times: NDArray[np.float64]) -> NDArray[np.float64]:
        """From share 0 at the opening on; what is not reached lies beyond the frame."""
        return np.append(0.0, np.where(np.isfinite(times), times, 2 * edge))

    ours, below, middle, above, *ends = (steps(times) for times in given)
    handles: list[Artist] = [
        axes.plot(ours, share, color=ONE, linewidth=1.8, drawstyle="steps-post")[0],
        axes.plot(middle, share, color=EDGE, linestyle="dotted", linewidth=1.2, drawstyle="steps-post")[0],
        axes.fill_betweenx(share, below, above, color=ONE, alpha=BAND, linewidth=0, step="pre"),
    ]
    labels = ["real", "simulated, median", "95 % at each share"]
    for end in ends:
        line = axes.plot(end, share, color=EDGE, linestyle="dashed", linewidth=0.9, drawstyle="steps-post")[0]
        if len(handles) < 4:
            handles.append(line)
            labels.append("95 % of whole curves")
    if leaves_at is not None:
        handles.append(moment(axes, [leaves_at]))
        labels.append("leaves them")
    legend(axes, handles, labels)
    axes.set_xlim(0.0, edge)
    return axes
