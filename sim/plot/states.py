"""Hosts per state over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from sim.plot.canvas import count_axis, held_until, legend, moment, prepare, say, time_axis
from sim.plot.pick import NO_ROLLOUT, counts, ended_at, named, rollouts
from sim.plot.style import STATES as LOOKS
from sim.plot.thin import columns, thin
from sim.reducer.records import STATES
from sim.result.words import counted

if TYPE_CHECKING:
    from sim.result import Result


def states_over_time(result: Result, axes: Axes | None = None, rollout_id: str | None = None) -> Axes:
    """Hosts per state over time, stacked, from the frame `timeline`: the control plane's view.

    Time is in seconds since the start of the run, up to its end. The legend says how many hosts are in each state that
    occurs at the end.

    Args:
        result: the run.
        axes: where to draw; a new figure if None.
        rollout_id: one rollout, all its life; the default is all of them together, each until it is superseded: a
            host then counts in the newest rollout that its channel has.

    Raises:
        ValueError: there is no rollout of that id.
    """
    chosen = rollouts(result) if rollout_id is None else [named(result, rollout_id)]
    of = chosen[0].rollout_id if len(chosen) == 1 else counted(len(chosen), "rollout")
    axes = prepare(axes, f"Hosts per state, {of}" if chosen else "Hosts per state")
    axes.set_ylabel("hosts")
    at, table = counts(result, chosen, until_superseded=rollout_id is None)
    if not chosen or not table.any():
        return say(axes, "No rollout has a host." if chosen else NO_ROLLOUT)
    start, end = float(at[0]), max(ended_at(result), float(at[-1]))
    edge = time_axis(axes, start, end, "the start of the run")
    end = held_until(result, start, end, edge)
    count_axis(axes, int(table.sum(axis=1).max()), "hosts")

    width = columns(axes)
    occurring = [state for state in LOOKS if table[:, STATES.index(state)].any()]
    handles: list[Artist] = []
    labels: list[str] = []
    # painted from the top down, each over the one before: an area is then one curve, thinned by itself
    for place in range(len(occurring), 0, -1):
        state = occurring[place - 1]
        upper = table[:, [STATES.index(below) for below in occurring[:place]]].sum(axis=1)
        kept = thin(at, upper, width, (start, end))
        axes.stairs(upper[kept], np.append(at[kept], end), fill=True, **LOOKS[state].patch())
        handles.append(Patch(**LOOKS[state].patch()))
        labels.append(f"{state}: {table[-1, STATES.index(state)]:,}")
    if rollout_id is None:
        later = sorted({rollout.opened_at for rollout in chosen if rollout.opened_at > start})
        if later:
            handles.append(moment(axes, later, linestyles="dashed"))
            labels.append("a rollout opens")
    elif start < chosen[0].superseded_at < end:
        handles.append(moment(axes, [chosen[0].superseded_at], linestyles="dashed"))
        labels.append("superseded")
    legend(axes, handles, labels, "state: hosts at the end")
    return axes
