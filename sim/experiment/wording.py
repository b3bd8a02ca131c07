"""Measured numbers as people read them: in a unit of their size, with the digits that their interval leaves."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sim.experiment.intervals import End, Interval, half_width
from sim.experiment.metrics import Unit
from sim.result.words import number

_TIMES = (("d", 86_400.0), ("h", 3_600.0), ("min", 60.0))
ENOUGH_OF_IT = 2.0
"""A time is told in the largest unit of which there are this many."""


class Scale(NamedTuple):
    """A unit to show numbers in, and what one of it is in the number's own."""

    unit: str
    factor: float

    @classmethod
    def of(cls, unit: Unit, values: Iterable[End]) -> Scale:
        """A scale on which these values, in the metric's own unit, are read easily."""
        if unit == "share":
            return cls("%", 0.01)
        if unit in ("s", "host-s"):
            largest = max((abs(value) for value in values if value is not None), default=0.0)
            name, factor = next((one for one in _TIMES if largest >= ENOUGH_OF_IT * one[1]), ("s", 1.0))
            return cls(f"host-{name}" if unit == "host-s" else name, factor)
        return cls("" if unit == "count" else unit, 1.0)

    def shown(self, value: End, half: End = None) -> str:
        """A number, to two digits of half its interval's width where that is known; `-` for None."""
        if value is None:
            return "-"
        scaled = value / self.factor
        if not half:
            return number(round(scaled, 9)) if scaled == round(scaled) or abs(scaled) >= 100 else f"{scaled:.4g}"
        return f"{scaled:,.{_decimals(half / self.factor)}f}"

    def interval(self, around: Interval | None) -> str:
        """An interval as `1.2 to 1.3`; `-` where neither end is known."""
        if around is None or around == (None, None):
            return "-"
        low, high = around
        if low is None or high is None:
            return f"up to {self.shown(high)}" if low is None else f"from {self.shown(low)}"
        half = half_width(around)
        return f"{self.shown(low, half)} to {self.shown(high, half)}"


def percent(share: float) -> str:
    """A share or a relative width as a percentage of two digits."""
    return f"{100 * share:.{_decimals(100 * share)}f} %" if 0 < share < 1 else f"{100 * share:.0f} %"


def as_given(share: float) -> str:
    """A share that somebody gave, as they gave it."""
    return f"{100 * share:.10g} %"


def columns(rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """Rows of cells, the first the heads, as aligned lines: the first `left` columns to the left, the others to the
    right. Columns that are empty but for their head are left out."""
    kept = filled(rows)
    widths = {place: max(len(row[place]) for row in rows) for place in kept}
    return [
        "  ".join(
            row[place].ljust(widths[place]) if place < left else row[place].rjust(widths[place]) for place in kept
        ).rstrip()
        for row in rows
    ]


def filled(rows: Sequence[Sequence[str]]) -> list[int]:
    """The columns of such rows that are not empty but for their head."""
    return [place for place in range(len(rows[0])) if any(row[place] for row in rows[1:])]


def _decimals(width: float) -> int:
    """Decimals that show two digits of a width."""
    return min(max(1 - math.floor(math.log10(width)), 0), 6) if width > 0 else 0
