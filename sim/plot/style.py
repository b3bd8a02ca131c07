"""How things look, in one place: a colour per host state everywhere, and greys or one ramp for all that is no state.

Within each table the colours differ in luminance (CIE L*), so that they hold in greyscale and for the colour-blind;
hatches tell areas that touch apart, line styles lines that cross. The tests compute both.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.colors import to_hex

from sim.reducer import gates
from sim.reducer.records import HostState

LineStyle = str | tuple[float, tuple[float, ...]]


class Area(NamedTuple):
    """A filled area: its colour, and a hatch in another."""

    colour: str
    hatch: str | None = None
    hatch_colour: str = "#000000"

    def patch(self) -> dict[str, Any]:
        """The keywords of a matplotlib patch. The hatch takes the colour of an edge that has no width."""
        return {
            "facecolor": self.colour,
            "edgecolor": self.hatch_colour if self.hatch else self.colour,
            "hatch": self.hatch,
            "linewidth": 0.0,
        }


class Line(NamedTuple):
    """A line: its colour and its dashes."""

    colour: str
    style: LineStyle


STATES: dict[HostState, Area] = {
    "Converged": Area("#006B50"),
    "Soaking": Area("#4CA9DD", "//", "#1F5F85"),
    "Deferred": Area("#CC5500", "--", "#FFC9A0"),
    "Activating": Area("#F0C330"),
    "Pending": Area("#ECECEC"),
    "Reverted": Area("#4E1C66", "\\\\", "#B58FCB"),
    "Failed": Area("#2B0004", "xx", "#C08A8A"),
}
"""Each state's area, in the order in which they are stacked: what is done at the bottom, what went wrong hanging from
the top."""

ELIGIBLE = "#7CBFA9"
"""Converged or deferred: the colour of `Converged`, lighter."""

PHASES = {
    "open, nothing dispatched": Area("#DDDDDD", "\\\\", "#8A8A8A"),
    "dispatched, not all eligible": Area("#9AA7B5"),
    "all eligible, not all converged": Area("#4A5A6B", "//", "#9AA7B5"),
}
"""The phases of a wave, by what it waits for: its first dispatch, the last of its hosts to be eligible, and the last
to converge."""

GATES = {
    gates.QUARANTINE: Area("#1F1430", "xx", "#8D7AA8"),
    gates.CHANNEL_EDGES: Area("#DCD2E6", "//", "#8D7AA8"),
    gates.WAVE_PROMOTION: Area("#F6F3F9"),
    gates.UNSTAGED: Area("#BDAECF", "xx", "#6D5A88"),
    gates.HOST_EDGE: Area("#9C88B4"),
    gates.DISRUPTION_BUDGET: Area("#776094"),
    gates.COMPLIANCE_WAVE: Area("#4B3467", "--", "#D9CFE3"),
}
"""The gates' bars, in the order in which the gates are asked."""

EDGE = "#444444"
"""Outline of the bars, the lightest of which would be lost on white without one."""

RUNS: tuple[LineStyle, LineStyle] = ("solid", (0, (4, 2)))
"""The run that is looked at, and the one it is held against."""

DASHES: tuple[LineStyle, ...] = ("solid", (0, (5, 1.5)), (0, (1.5, 1)), (0, (6, 1.5, 1.5, 1.5)))

ONE = "#1B3A57"
"""A single line or row of points."""
BAND = 0.22
"""How much of its colour an interval's band keeps."""
BARS = "#C6CDD5"
"""Bars that count runs, beside what is drawn in `ONE`."""

MARKERS = ("o", "s", "^", "D", "v", "P")
"""Points of rows that stand side by side."""


def lines(count: int) -> list[Line]:
    """Looks for lines that have an order but no state: dark to light along cividis, as far as still shows on white,
    dashes in turn."""
    colours = mpl.colormaps["cividis"]
    return [Line(to_hex(colours(0.62 * n / max(count - 1, 1))), DASHES[n % len(DASHES)]) for n in range(count)]
