"""Waves as bars of their phases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from sim.plot.canvas import legend, moment, prepare, say, time_axis
from sim.plot.pick import NO_ROLLOUT, Floats, ended_at, last_opened
from sim.plot.style import PHASES
from sim.result.words import counted, duration

if TYPE_CHECKING:
    from sim.result import Result

MILESTONES = ("first_dispatch_at", "eligible_at", "converged_at")
"""The columns of the frame `waves` at which the phases of `PHASES` end."""
MOST_WORDS = 12
"""Waves up to which there is room for words at each bar."""


def waves(result: Result, axes: Axes | None = None, rollout_id: str | None = None) -> Axes:
    """The waves of a rollout as horizontal bars, the first at the top, from the frame `waves`.

    A bar begins when its wave opens and has a phase up to the first dispatch, one until all of its hosts have been
    eligible (`Converged` or `Deferred`), and one until all have converged; what is not reached goes on to the edge,
    which is the end of the run, or of the last wave where all are done. Time is in seconds since the start of the run;
    the words at a bar count from the opening of its wave.

    Args:
        result: the run.
        axes: where to draw; a new figure if None.
        rollout_id: which rollout; the one that opened last if None.

    Raises:
        ValueError: there is no rollout of that id.
    """
    chosen = last_opened(result, rollout_id)
    frame = result.waves
    if chosen is not None:
        frame = frame[frame["rollout_id"] == chosen.rollout_id]
    height = min(1.6 + 0.6 * len(frame), 12.0)
    axes = prepare(axes, f"Waves of {chosen.rollout_id}" if chosen else "Waves", max(height, 2.4))
    if chosen is None or frame.empty:
        return say(axes, NO_ROLLOUT if chosen is None else "The rollout has no wave.")
    start = chosen.opened_at
    index = frame["wave"].to_numpy(dtype=np.int64)
    hosts = frame["hosts"].to_numpy(dtype=np.int64)
    opened = frame["opened_at"].to_numpy(dtype=np.float64)
    reached = frame[list(MILESTONES)].to_numpy(dtype=np.float64)
    # of a rollout that is done the rest of the run shows nothing, and would leave its bars no room
    done = bool(np.isfinite(reached[hosts > 0, -1]).all())
    end = min(ended_at(result), float(np.nanmax([start, *opened, *reached[:, -1]]))) if done else ended_at(result)
    edge = time_axis(axes, start, end, "the start of the run")
    ends = phase_ends(reached, edge)
    begins = opened
    handles: list[Artist] = []
    labels: list[str] = []
    is_open = np.isfinite(opened)
    for phase, (name, look) in enumerate(PHASES.items()):
        # a host that runs the target already can converge before its wave opens
        until = np.maximum(ends[:, phase], begins)
        drawn = is_open & (until > begins)
        if drawn.any():
            axes.barh(index[drawn], (until - begins)[drawn], left=begins[drawn], height=0.5, **look.patch())
            handles.append(Patch(**look.patch()))
            labels.append(name)
        begins = until
    if start < chosen.superseded_at < edge:
        handles.append(moment(axes, [chosen.superseded_at], linestyles="dashed"))
        labels.append("superseded")

    if len(index) <= MOST_WORDS:
        for wave, count, at, (_, eligible, converged) in zip(index, hosts, opened, reached, strict=True):
            late = np.isfinite(at) and at - start > (edge - start) / 2
            axes.annotate(
                _words(int(count), at, eligible, converged, at_rest=result.summary["end"] == "quiescent"),
                (edge if late else at if np.isfinite(at) else start, wave - 0.27),
                xytext=(-2 if late else 2, 1),
                textcoords="offset points",
                ha="right" if late else "left",
                va="bottom",
                fontsize="small",
                # readable where a line crosses it
                bbox={"facecolor": axes.get_facecolor(), "edgecolor": "none", "pad": 0.3},
            )
        ticks = index
    else:
        ticks = index[:: -(-len(index) // MOST_WORDS)]
    named = dict(zip(index.tolist(), hosts.tolist(), strict=True))
    axes.set_yticks(ticks, [f"wave {wave}\n{counted(named[wave], 'host')}" for wave in ticks.tolist()])
    axes.set_ylim(index[-1] + 0.5, index[0] - 0.7)
    axes.tick_params(axis="y", length=0)
    legend(axes, handles, labels)
    return axes


def phase_ends(reached: Floats, end: float) -> Floats:
    """When each phase of each wave ends (s): at its milestone, at the next one that is reached where its own is not,
    at `end` where none is."""
    ends = np.where(np.isnan(reached), np.inf, reached)
    ends = np.minimum.accumulate(ends[:, ::-1], axis=1)[:, ::-1]
    return np.asarray(np.minimum(ends, end), dtype=np.float64)


def _words(hosts: int, opened: float, eligible: float, converged: float, at_rest: bool) -> str:
    """What became of a wave, in a run that came to rest or did not; times in seconds."""
    never, yet = ("never", "") if at_rest else ("not", " yet")
    if not np.isfinite(opened):
        why = "no hosts, " if not hosts else "all converged, " if np.isfinite(converged) else ""
        return f"{why}{never} opened{yet}"
    if not hosts:
        return "no hosts"
    if np.isfinite(converged) and converged <= opened:
        return "all converged before it opened"
    if np.isfinite(converged):
        after = f"all converged after {duration(converged - opened)}"
        if eligible < converged:
            return f"all eligible after {duration(max(eligible - opened, 0.0))}, {after}"
        return after
    if np.isfinite(eligible):
        return f"all eligible after {duration(max(eligible - opened, 0.0))}, {never} all converged{yet}"
    return f"{never} all eligible{yet}"
