"""Counting the load on the control plane: what happened, and what the model knew would happen without doing it.

Three shapes of counts per kind: single moments, moments with a weight, and combs (first, step, count): the runs of
a ticker or the heartbeats of an agent, which follow from a formula. All become counts per minute at the end, cut
at the time the run ended, so that both fidelities count the same.
"""

from __future__ import annotations

from array import array
from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

MINUTE = 60.0


class Tally:
    """Collects counts while the model runs; `per_minute` adds them up."""

    def __init__(self) -> None:
        self._moments: dict[str, array[float]] = {}
        self._weighted: dict[str, tuple[array[float], array[int]]] = {}
        self._combs: dict[str, tuple[array[float], array[float], array[int]]] = {}

    def moments(self, kind: str) -> array[float]:
        """The list of moments of a kind; append times (s) to it, one per occurrence."""
        moments = self._moments.get(kind)
        if moments is None:
            moments = self._moments[kind] = array("d")
        return moments

    def weigh(self, kind: str, at: float, weight: int) -> None:
        """Count `weight` occurrences of `kind` at time `at` (s)."""
        if weight:
            times, weights = self._weighted.setdefault(kind, (array("d"), array("q")))
            times.append(at)
            weights.append(weight)

    def comb(self, kind: str, first: float, step: float, count: int) -> None:
        """Count occurrences of `kind` at first, first + step, … (`count` of them; seconds)."""
        if count > 0:
            firsts, steps, counts = self._combs.setdefault(kind, (array("d"), array("d"), array("q")))
            firsts.append(first)
            steps.append(step)
            counts.append(count)

    def combs(self, kind: str, first: NDArray[np.float64], step: NDArray[np.float64], count: NDArray[np.int64]) -> None:
        """As `comb`, for arrays of combs; those without a tooth are left out."""
        kept = count > 0
        if not kept.any():
            return
        firsts, steps, counts = self._combs.setdefault(kind, (array("d"), array("d"), array("q")))
        firsts.frombytes(first[kept].tobytes())
        steps.frombytes(step[kept].tobytes())
        counts.frombytes(count[kept].tobytes())

    def per_minute(self, end: float) -> dict[str, NDArray[np.int64]]:
        """Counts per kind and minute of everything at or before `end` (s); minute k is [60 k, 60 k + 60)."""
        minutes = int(end // MINUTE) + 1
        kinds = {*self._moments, *self._weighted, *self._combs}
        return {kind: self._histogram(kind, end, minutes) for kind in sorted(kinds)}

    def _histogram(self, kind: str, end: float, minutes: int) -> NDArray[np.int64]:
        total = np.zeros(minutes, dtype=np.int64)
        if kind in self._moments:
            times = np.array(self._moments[kind], dtype=np.float64)
            total += _bins(times[times <= end], None, minutes)
        if kind in self._weighted:
            times, weights = (np.array(column) for column in self._weighted[kind])
            kept = times <= end
            total += _bins(times[kept], weights[kept], minutes)
        if kind in self._combs:
            first, step, count = (np.array(column) for column in self._combs[kind])
            total += comb_histogram(first, step, count, end, minutes)
        return total


def derived(counts: dict[str, NDArray[np.int64]]) -> dict[str, NDArray[np.int64]]:
    """The counts of page 4 from those that the model keeps.

    The control plane steps a mirror for every report it does not drop and every event it makes up itself, and logs what
    is not refused; each of the mirror's `moves` is an effect in the log, a rollout event in the log and a rollout step.
    """
    kept = defaultdict(lambda: np.zeros_like(next(iter(counts.values()))), counts)
    reports = {kind: column for kind, column in counts.items() if kind.startswith("reports.")}
    rest = {kind: column for kind, column in counts.items() if kind not in reports and kind not in INTERNAL}
    host_steps = sum(reports.values(), kept["made_up"]) - kept["dropped"]
    rollout_steps = kept["moves"] + kept["rollout_events"]
    return {
        **reports,
        **rest,
        "host_steps": host_steps,
        "rollout_steps": rollout_steps,
        "event_log.agent_event": host_steps - kept["refused"],
        "event_log.effect": kept["moves"] + kept["effects"],
        "event_log.rollout_event": rollout_steps + kept["rollouts_opened"],
    }


INTERNAL = frozenset({"made_up", "dropped", "refused", "moves", "effects", "rollout_events", "rollouts_opened"})
"""Kinds that are counted only for what follows from them."""


def comb_histogram(
    first: NDArray[np.float64], step: NDArray[np.float64], count: NDArray[np.int64], end: float, minutes: int
) -> NDArray[np.int64]:
    """How many teeth of the combs fall into each minute, those after `end` left out.

    A comb whose step divides a minute has the same number of teeth in every whole minute it spans, so it costs
    the same however long it is; any other is written out tooth by tooth, in slices that bound the memory.
    """
    kept = (count > 0) & (first <= end)
    first, step, count = first[kept], step[kept], count[kept]
    count = np.minimum(count, ((end - first) // step).astype(np.int64) + 1)
    total = np.zeros(minutes, dtype=np.int64)
    even = (MINUTE % step == 0.0) & (step <= MINUTE)

    f, s, n = (first, step, count) if even.all() else (first[even], step[even], count[even])
    last = f + (n - 1) * s
    m0, m1 = _minutes(f), _minutes(last)
    # as if each comb went on for ever from its first tooth, and another from behind its last were taken away; quotients
    # are rounded once and cannot reach a whole number that the true ones miss (see `first_at_or_after`), and bincount's
    # sums are of whole numbers below 2**53
    per = MINUTE / s
    starts = np.bincount(m0, np.ceil(((m0 + 1) * MINUTE - f) / s) - per, minutes)
    ends = np.bincount(m1, per - 1.0 - np.floor((last - m1 * MINUTE) / s), minutes)
    running = np.cumsum(np.bincount(m0, per, minutes) - np.append(0.0, np.bincount(m1, per, minutes)[:-1]))
    total += (running + starts - ends).astype(np.int64)

    f, s, n = first[~even], step[~even], count[~even]
    while len(f):
        ends = np.cumsum(n)
        slice_end = max(1, int(np.searchsorted(ends, 4_000_000, side="right")))
        m = n[:slice_end]
        tooth = np.arange(int(m.sum())) - np.repeat(np.cumsum(m) - m, m)
        total += _bins(np.repeat(f[:slice_end], m) + tooth * np.repeat(s[:slice_end], m), None, minutes)
        f, s, n = f[slice_end:], s[slice_end:], n[slice_end:]
    return total


def _bins(times: NDArray[np.float64], weights: NDArray[np.int64] | None, minutes: int) -> NDArray[np.int64]:
    index = _minutes(times)
    if weights is None:
        return np.bincount(index, minlength=minutes).astype(np.int64)
    return _sums(index, weights, minutes)


def _minutes(times: NDArray[np.float64]) -> NDArray[np.int64]:
    # whole seconds first: a division of integers costs a tenth of one of floats, and times are not negative
    return times.astype(np.int64) // int(MINUTE)


def _sums(index: NDArray[np.int64], weights: NDArray[np.int64], minutes: int) -> NDArray[np.int64]:
    # bincount adds in floating point, which is exact for whole numbers below 2**53
    return np.bincount(index, weights=weights, minlength=minutes).astype(np.int64)
