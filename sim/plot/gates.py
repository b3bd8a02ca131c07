"""What held hosts, and for how long."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from sim.plot.canvas import prepare, say
from sim.plot.pick import NO_ROLLOUT, last_opened
from sim.plot.style import EDGE, GATES, Area
from sim.result.words import counted, number

if TYPE_CHECKING:
    from sim.result import Result

HOUR = 3_600.0
MOST_WORDS = 24
"""Bars up to which there is room for words at each."""
OTHER = Area("#FFFFFF", "\\\\", "#8D7AA8")
"""A gate that the table of looks does not know."""


def blocked_by_gate(result: Result, axes: Axes | None = None, rollout_id: str | None = None) -> Axes:
    """Host-hours for which each gate held hosts, a bar per wave and gate, from the frame `gates` (whose `blocked_s` are
    host-seconds). The words at a bar are its host-hours and how many hosts the gate held at one time or another.

    A host that is held counts with the first gate that blocks it, so the bars of a wave add up; how long a host waits
    for its turn in its wave counts, too.

    Args:
        result: the run.
        axes: where to draw; a new figure if None.
        rollout_id: which rollout; the one that opened last if None.

    Raises:
        ValueError: there is no rollout of that id.
    """
    chosen = last_opened(result, rollout_id)
    frame = result.gates
    if chosen is not None:
        frame = frame[frame["rollout_id"] == chosen.rollout_id]
    height = min(1.3 + 0.34 * len(frame), 12.0)
    axes = prepare(axes, f"Blocked by gate, {chosen.rollout_id}" if chosen else "Blocked by gate", max(height, 2.4))
    if chosen is None or frame.empty:
        return say(axes, NO_ROLLOUT if chosen is None else "No gate held a host.")
    names = [_name(wave) for wave in frame["wave"]]
    gates = [str(gate) for gate in frame["gate"]]
    hours = frame["blocked_s"].to_numpy(dtype=np.float64) / HOUR
    hosts = frame["hosts"].to_numpy(dtype=np.int64)
    # half a bar of room between waves
    gaps = [before != name for before, name in zip([names[0], *names], names, strict=False)]
    place = np.arange(len(names)) + 0.5 * np.cumsum(gaps)
    for gate in dict.fromkeys(gates):
        mine = np.array([name == gate for name in gates])
        axes.barh(place[mine], hours[mine], height=0.75, **GATES.get(gate, OTHER).patch())
    # outlines by themselves: the edge of a bar gives its hatch the colour
    axes.barh(place, hours, height=0.75, facecolor="none", edgecolor=EDGE, linewidth=0.6)
    if len(names) <= MOST_WORDS:
        for where, length, count in zip(place, hours, hosts, strict=True):
            axes.annotate(
                f"{number(float(length))} ({counted(int(count), 'host')})",
                (float(length), float(where)),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize="small",
            )
    axes.set_yticks(place, [f"{name}: {gate}" for name, gate in zip(names, gates, strict=True)])
    axes.tick_params(axis="y", length=0, labelsize="small" if len(names) <= 30 else "xx-small")
    axes.set_ylim(place[-1] + 0.7, place[0] - 0.7)
    # room for the words right of the longest
    axes.set_xlim(0, max(float(hours.max()) * 1.28, 1e-3))
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
    axes.set_xlabel("blocked (host-hours)")
    return axes


def _name(wave: object) -> str:
    return f"wave {wave}" if isinstance(wave, Integral) else "no wave"
