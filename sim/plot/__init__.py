"""Figures of a run, with matplotlib: each function takes a `Result` and perhaps an Axes, and returns the Axes;
`timeline` takes a host, too. Those of a sweep (`response`, `responses`) take its table, those of many runs
(`distribution`, `settling`, `differences`) values and intervals, as do those of a search (`shares`, `parts`) and of
what has changed since a baseline (`changes`).

Without an Axes a figure of its own is made, which a notebook shows when a cell ends in `plot.waves(result).figure`.
Positions along an axis are in the units of the frames (seconds, hosts), so that what is drawn can be compared with
them; only the ticks are said in minutes, hours or days.

Legal here: matplotlib's objects, frames of `sim.result`. Not legal: pyplot, rcParams, anything global; simulating.
"""

from sim.plot.changes import changes
from sim.plot.converged import converged_share, time_to_converged
from sim.plot.estimates import differences, distribution, settling
from sim.plot.files import save, svg
from sim.plot.gates import blocked_by_gate
from sim.plot.load import control_plane_load
from sim.plot.phases import waves
from sim.plot.responses import response, responses
from sim.plot.shares import parts, shares
from sim.plot.states import states_over_time
from sim.plot.style import STATES
from sim.plot.timeline import timeline

__all__ = [
    "STATES",
    "blocked_by_gate",
    "changes",
    "control_plane_load",
    "converged_share",
    "differences",
    "distribution",
    "parts",
    "response",
    "responses",
    "save",
    "settling",
    "shares",
    "states_over_time",
    "svg",
    "time_to_converged",
    "timeline",
    "waves",
]
