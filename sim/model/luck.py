"""Where the model's random numbers come from: one stream per purpose, never a shared generator (spec page 9).

First draws are made for the whole fleet at once, the first time anything asks for that purpose and release; what
is drawn again and again (stays of a service, gaps between flakes) is drawn host by host from the same keys.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from math import floor, log1p

import numpy as np
from numpy.typing import NDArray

from sim.scenario.distributions import Distribution
from sim.scenario.draws import host_keys, stream, uniform, uniforms
from sim.scenario.schema import Alternating
from sim.scenario.units import quantize


class Luck:
    """All draws of one run: seed, replication and the fleet's host names, in order of host number."""

    def __init__(self, seed: int, replication: int, names: Sequence[str]):
        self._seed = seed
        self._replication = replication
        self._keys = host_keys(names)
        self._key_list: list[int] = self._keys.tolist()
        self._first_stays: dict[tuple[str, str, int], tuple[list[bool], list[float]]] = {}
        self._streams: dict[tuple[str, str, str], int] = {}
        self._columns: dict[tuple[str, str, str, int], list[float]] = {}
        self._first_flakes: dict[tuple[str, str], NDArray[np.float64]] = {}

    def uniform(self, purpose: str, host: int, ref: str = "", probe: str = "", n: int = 0) -> float:
        """The uniform number of one host, in (0, 1)."""
        return uniform(self._stream(purpose, ref, probe), self._key_list[host], n)

    def first(self, purpose: str, host: int, ref: str = "", probe: str = "", n: int = 0) -> float:
        """`uniform`, for draws that nearly every host of the fleet makes: all of them are made at the first."""
        key = (purpose, ref, probe, n)
        column = self._columns.get(key)
        if column is None:
            column = self._columns[key] = self.uniforms(purpose, ref, probe, n).tolist()
        return column[host]

    def first_stays(
        self, purpose: str, spec: Alternating, probe: str, *, begin_up: bool
    ) -> tuple[list[bool], list[float]]:
        """For every host, if the thing alternates as `spec` says: whether its first stay is up, and when it ends (s).

        It begins in the middle of things: up with probability mean up / (mean up + mean down), the first stay a draw
        times a uniform number; with `begin_up` up, with a whole stay (page 5, Availability).
        """
        key = (purpose, probe, id(spec))
        found = self._first_stays.get(key)
        if found is None:
            length = self.uniforms(purpose, probe=probe, n=FIRST_STAY)
            if begin_up:
                up, share = np.ones(len(length), dtype=np.bool_), np.ones(len(length))
            else:
                mean_up, mean_down = spec.up.mean(), spec.down.mean()
                up = self.uniforms(purpose, probe=probe) < mean_up / (mean_up + mean_down)
                share = self.uniforms(purpose, probe=probe, n=1)
            stay = np.where(up, spec.up.quantile(length), spec.down.quantile(length))
            # the stay that is used is the product: that, not its factors, is rounded to the grid of times
            found = self._first_stays[key] = (up.tolist(), quantize(stay * share).tolist())
        return found

    def first_flakes(self, ref: str, probe: str, probability: float) -> NDArray[np.float64]:
        """For every host, the number of the first run of a probe in a release that fails by itself (see `Flakes`)."""
        key = (ref, probe)
        found = self._first_flakes.get(key)
        if found is None:
            u = self.uniforms("flake", ref, probe)
            if probability < 1.0:
                rate = log1p(-probability)
                gaps = np.log1p(-u) / rate
                # numpy's logarithm can differ from `math`'s in the last bit: next to an integer that one decides
                for near in np.flatnonzero(np.abs(gaps - np.rint(gaps)) <= 1e-12 * gaps):
                    gaps[near] = log1p(-u[near]) / rate
                found = 1.0 + np.floor(gaps)
            else:
                found = np.ones(len(u))
            self._first_flakes[key] = found
        return found

    def _stream(self, purpose: str, ref: str, probe: str) -> int:
        key = (purpose, ref, probe)
        number = self._streams.get(key)
        if number is None:
            number = self._streams[key] = stream(self._seed, self._replication, purpose, ref, probe)
        return number

    def uniforms(self, purpose: str, ref: str = "", probe: str = "", n: int = 0) -> NDArray[np.float64]:
        """The uniform numbers of all hosts, by host number."""
        return uniforms(self._stream(purpose, ref, probe), self._keys, n)

    def durations(self, purpose: str, ref: str, groups: Sequence[tuple[NDArray[np.intp], Distribution]]) -> list[float]:
        """A first draw for every host, in seconds, from the distribution of the group that holds its number."""
        u = self.uniforms(purpose, ref)
        drawn = np.empty(len(u))
        for members, distribution in groups:
            drawn[members] = quantize(np.asarray(distribution.quantile(u[members])))
        durations: list[float] = drawn.tolist()
        return durations


FIRST_STAY = 2
"""The draw that gives the length of the first stay; 0 and 1 say how it begins."""


class Stays:
    """Alternating up and down times of one thing, drawn as far as they are looked at (pages 5 and 9).

    `bounds[k]` is the end of the k-th stay, in seconds since the start; stay k is up if `first_up` is (k even).
    """

    def __init__(self, spec: Alternating, draw: Callable[[int], float], first_up: bool, first_end: float):
        """`draw(n)` is the thing's n-th uniform number; how it begins is drawn for all hosts at once
        (`Luck.first_stays`)."""
        self._spec = spec
        self._draw = draw
        self.first_up = first_up
        self.bounds: list[float] = [first_end]

    def _stay(self, k: int) -> float:
        up = self.first_up == (k % 2 == 0)
        distribution = self._spec.up if up else self._spec.down
        return float(distribution.quantile(self._draw(FIRST_STAY + k)))

    def bound(self, k: int) -> float:
        """The end of stay `k` (s)."""
        while len(self.bounds) <= k:
            self.bounds.append(self.bounds[-1] + quantize(self._stay(len(self.bounds))))
        return self.bounds[k]

    def is_up(self, k: int) -> bool:
        """Whether stay `k` is an up time."""
        return self.first_up == (k % 2 == 0)

    def stay_at(self, at: float) -> int:
        """The stay that holds time `at`; a stay begins at its bound and ends just before the next."""
        bounds = self.bounds
        if at < bounds[0]:
            return 0
        while bounds[-1] <= at:
            self.bound(len(bounds))
        return bisect_right(bounds, at)

    def down_at(self, at: float) -> bool:
        """Whether it is down at time `at` (s)."""
        return not self.is_up(self.stay_at(at))


class Flakes:
    """Which runs of a probe fail by themselves: 1 + floor(ln(1 - u) / ln(1 - p)) runs from one to the next.

    That is the inverse distribution function of the geometric law, so each run fails with probability p, apart
    from all others; runs are counted from 1.
    """

    def __init__(self, probability: float, draw: Callable[[int], float]):
        self._rate = log1p(-probability) if probability < 1.0 else 0.0
        self._draw = draw
        self._failing: list[int] = []

    def next_after(self, run: int) -> int:
        """The first failing run after run number `run`."""
        failing = self._failing
        if failing and run < failing[0]:  # most runs of most hosts: before their first flake
            return failing[0]
        while not failing or failing[-1] <= run:
            gap = 1 + floor(log1p(-self._draw(len(failing))) / self._rate) if self._rate else 1
            failing.append((failing[-1] if failing else 0) + gap)
        return failing[bisect_right(failing, run)]
