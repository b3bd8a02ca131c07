"""When the runs of one probe fall that nobody carries out one by one, and how many there were in each minute.

A ticker that started at `base` runs at base + k × interval, up to the first reset r0 by a heartbeat's reply, and then
at r0 + j × heartbeat + k × interval (k × interval < heartbeat). So the place of a run (1, 2, …) and its time follow
from each other.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from math import ceil

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
UNLIMITED = 2**62


class Schedule:
    """The runs after `base` (s), by place. Seconds throughout.

    Args:
        ticking: whether the ticker runs at `base`; else its first run is the one at the first reset.
        first_reset: None if no reset is to come.
        interval: from run to run.
        period: from reset to reset, the heartbeat's.
    """

    __slots__ = ("base", "early", "first_reset", "interval", "per", "period")

    def __init__(self, base: float, ticking: bool, first_reset: float | None, interval: float, period: float):
        self.base = base
        self.first_reset = first_reset
        self.interval = interval
        self.period = period
        self.early = 0
        """How many runs come before the first reset."""
        if ticking:
            self.early = UNLIMITED if first_reset is None else ceil((first_reset - base) / interval) - 1
        self.per = ceil(period / interval)
        """How many runs come between two resets, the one at the first of them included."""

    def time(self, place: int) -> float | None:
        """When the run at `place` falls; None if there is none."""
        if place <= self.early:
            return self.base + place * self.interval
        if self.first_reset is None:
            return None
        period, k = divmod(place - self.early - 1, self.per)
        return self.first_reset + period * self.period + k * self.interval

    def is_reset(self, place: int) -> bool:
        """Whether the run at `place` is the first after a reset."""
        return place > self.early and (place - self.early - 1) % self.per == 0

    def first(self, at: float, least: int) -> int | None:
        """The first place at or after `least` whose run falls on or after time `at`; None if there is none."""
        place = max(1, ceil((at - self.base) / self.interval))
        if place > self.early:
            if self.first_reset is None:
                return None
            period = max(0, int((at - self.first_reset) // self.period))
            k = max(0, ceil((at - self.first_reset - period * self.period) / self.interval))
            place = self.early + 1 + (period * self.per + k if k < self.per else (period + 1) * self.per)
        return max(place, least)

    def next(self, done: int, until: float) -> tuple[int, float] | None:
        """The run after the first `done`, as (place, time); None if there is none by time `until`."""
        at = self.time(done + 1)
        return None if at is None or at > until else (done + 1, at)

    def last(self, at: float) -> int:
        """How many runs fall at or before time `at`."""
        if self.first_reset is None or at < self.first_reset:
            return min(max(0, int((at - self.base) // self.interval)), self.early)
        period = int((at - self.first_reset) // self.period)
        k = int((at - self.first_reset - period * self.period) // self.interval)
        return self.early + 1 + period * self.per + min(k, self.per - 1)


def first_sent(start: Floats, period: float, at: Floats) -> Floats:
    """When the first heartbeat at or after `at` is sent, of those sent at start, start + period, … (s); NaN for NaN."""
    return start + np.ceil(np.maximum(at - start, 0.0) / period) * period


def last_places(base: Floats, first_reset: Floats, interval: float, period: float, at: Floats) -> tuple[Floats, Ints]:
    """`early` and `last(at)` of ticking schedules; `first_reset` is NaN where none is to come."""
    early = np.full(len(base), float(UNLIMITED))
    to_come = ~np.isnan(first_reset)
    early[to_come] = np.ceil((first_reset[to_come] - base[to_come]) / interval) - 1
    last = np.minimum(np.maximum((at - base) // interval, 0.0), early)
    later = first_reset <= at
    since = at[later] - first_reset[later]
    periods = since // period
    per = ceil(period / interval)
    last[later] = early[later] + 1 + periods * per + np.minimum((since - periods * period) // interval, per - 1)
    return early, last.astype(np.int64)


class Passed:
    """Stretches of runs that were passed over, to be counted all together at the end of a simulation.

    A stretch is kept as one row of numbers, since there are several per host; what it says in combs (first, step and
    count of what falls at even distances) is worked out for all at once.
    """

    def __init__(self, period: float):
        self.period = period
        """From reset to reset (s)."""
        self._rows = array("d")

    def append(self, schedule: Schedule, begin: int, end: int, failing: bool, delay: float) -> None:
        """The runs of a schedule at places `begin` … `end` were passed over; all failed, or all passed. Their reports
        take `delay` (s)."""
        first_reset = schedule.first_reset
        self._rows.extend(
            (
                schedule.base,
                0.0 if first_reset is None else first_reset,
                schedule.interval,
                schedule.early,
                begin,
                end,
                failing,
                delay,
            )
        )

    def extend(
        self, base: Floats, first_reset: Floats, interval: float, early: Floats, last: Ints, delay: Floats
    ) -> None:
        """As `append`, for schedules of which all runs up to the place `last` passed; `first_reset` is NaN where none
        was to come."""
        size = len(base)
        rows = np.column_stack(
            (
                base,
                np.nan_to_num(first_reset),
                np.full(size, interval),
                early,
                np.ones(size),
                last,
                np.zeros(size),
                delay,
            )
        )
        self._rows.frombytes(rows[last > 0].tobytes())

    def combs(self) -> Iterator[tuple[str, Floats, Floats, Ints]]:
        """The reports of all stretches, by arrival, as (kind, first in s, step in s, count) with an entry per comb."""
        base, first_reset, interval, early, begin, end, failing, delay = np.array(self._rows).reshape(-1, 8).T
        ticked = (np.minimum(end, early) - begin + 1).astype(np.int64)
        yield "ProbeResult", base + begin * interval + delay, interval, ticked
        later = end > early
        first_reset, interval, early, begin, end, failing, delay = (
            column[later] for column in (first_reset, interval, early, begin, end, failing, delay)
        )
        per = np.ceil(self.period / interval)
        first_period, first_k = np.divmod(np.maximum(begin - early, 1) - 1, per)
        last_period, last_k = np.divmod(end - early - 1, per)
        step = np.full(len(per), self.period)
        for k in range(int(per.max(initial=0))):
            begins = first_period + (k < first_k)
            count = np.where(k < per, last_period - (k > last_k) - begins + 1, 0).astype(np.int64)
            arrival = first_reset + begins * self.period + k * interval + delay
            yield "ProbeResult", arrival, step, count
            if k == 0:
                yield "ProbeObservedFirst", arrival, step, count
                yield "ProbeFailureFirst", arrival, step, np.where(failing > 0, count, 0)
