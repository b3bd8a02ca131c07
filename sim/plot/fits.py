"""A law that was fitted to durations, against the durations."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike
from scipy import stats

from sim.plot.canvas import legend, prepare, say, value_axis
from sim.plot.style import BAND, EDGE, ONE
from sim.scenario.distributions import Law

POINTS = 400
"""Places at which the law's curve is drawn."""


def fitted(
    observed: ArrayLike,
    censored: ArrayLike,
    law: Law,
    axes: Axes | None = None,
    *,
    title: str = "",
    label: str = "duration",
) -> Axes:
    """Share of durations that are over by then: as seen, with a 95 % band, and by the law.

    What was seen is the product-limit estimate (Kaplan and Meier 1958), without censored ones the empirical
    distribution function; the band is Greenwood's, of its logarithm's logarithm. A mark stands where some are censored.

    Args:
        observed, censored: durations in seconds, seen to their end or not.
        law: as a scenario has it.
        axes: where to draw; a new figure if None.
        title, label: what it is of, and what the durations are.
    """
    axes = prepare(axes, title)
    ended, lost = (np.asarray(given, dtype=np.float64) for given in (observed, censored))
    if not len(ended):
        return say(axes, "None was observed to its end.")
    survival = stats.ecdf(stats.CensoredData(uncensored=ended, right=lost)).sf
    times = np.concatenate([[0.0], survival.quantiles])
    shares = np.concatenate([[0.0], 1.0 - survival.probabilities])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # where all or none are over there is no band
        bounds: Any = survival.confidence_interval(method="log-log")
    low, high = (
        np.concatenate([[0.0], np.nan_to_num(1.0 - end.probabilities, nan=0.0)]) for end in (bounds.high, bounds.low)
    )
    unsure = np.isnan(bounds.low.probabilities)
    low[1:][unsure] = high[1:][unsure] = shares[1:][unsure]  # before the first end, and after the last
    band = axes.fill_between(times, low, high, step="post", color=EDGE, alpha=BAND, linewidth=0)
    [seen] = axes.step(times, shares, where="post", color=EDGE)
    at = (np.arange(POINTS) + 0.5) / POINTS
    [curve] = axes.plot(np.asarray(law.quantile(at)), at, color=ONE, linestyle="dashed")
    handles, labels = [seen, band, curve], ["seen", "95 % band", law.dist]
    if len(lost):
        place = np.searchsorted(times, lost, side="right") - 1
        [mark] = axes.plot(lost, shares[place], color=EDGE, marker="|", linestyle="none")
        handles.append(mark)
        labels.append(f"censored ({len(lost):,})")
    legend(axes, handles, labels)
    longest = float(times[-1])
    axes.set_xlim(0.0, 1.05 * longest if longest > 0 else 1.0)
    axes.set_ylim(0.0, 1.02)
    axes.set_ylabel("share that is over")
    value_axis(axes.xaxis, [longest], label, "s")
    return axes
