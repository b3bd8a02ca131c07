"""Where the model's random numbers come from: one stream per purpose, never a shared generator (spec page 9).

First draws are made for the whole fleet at once, the first time anything asks for that purpose and release, and so are
the first stays of a service; what is drawn again and again is drawn host by host from the same keys.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Sequence
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
        self._alternations: dict[tuple[str, str, int], Alternation] = {}
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

    def alternation(self, purpose: str, spec: Alternating, probe: str = "", *, begin_up: bool) -> Alternation:
        """The up and down times of every host's thing, if it alternates as `spec` says.

        It begins in the middle of things: up with probability mean up / (mean up + mean down), the first stay a draw
        times a uniform number; with `begin_up` up, with a whole stay (page 5, Availability).
        """
        key = (purpose, probe, id(spec))
        found = self._alternations.get(key)
        if found is None:
            found = self._alternations[key] = Alternation(self, purpose, spec, probe, begin_up)
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
        if len(drawn) and (drawn == drawn[0]).all():
            return [float(drawn[0])] * len(drawn)  # all hosts share one number: less memory to go through
        durations: list[float] = drawn.tolist()
        return durations


FIRST_STAY = 2
"""The draw that gives the length of the first stay; 0 and 1 say how it begins."""
TOGETHER = 16
"""So many stays of all hosts are drawn at once, each when one host first asks for it. A draw by itself costs a hundred
times as much, but a column of later ones would be kept for the few hosts that get so far."""


class Alternation:
    """The up and down times of one thing on every host, drawn as far as they are looked at (pages 5 and 9).

    They alternate: stay k of a host ends at `bound(host, k)`, and is up if `first_up[host]` is (k even). A stay begins
    at the end of the one before and ends just before the next.
    """

    def __init__(self, luck: Luck, purpose: str, spec: Alternating, probe: str, begin_up: bool):
        self._luck = luck
        self._purpose = purpose
        self._spec = spec
        self._probe = probe
        length = luck.uniforms(purpose, probe=probe, n=FIRST_STAY)
        if begin_up:
            up, share = np.ones(len(length), dtype=np.bool_), np.ones(len(length))
        else:
            mean_up, mean_down = spec.up.mean(), spec.down.mean()
            up = luck.uniforms(purpose, probe=probe) < mean_up / (mean_up + mean_down)
            share = luck.uniforms(purpose, probe=probe, n=1)
        self._up = up
        self.first_up: list[bool] = up.tolist()
        # the stay that is used is the product: that, not its factors, is rounded to the grid of times
        self._bounds = [self._column(quantize(self._quantiles(length, up) * share))]
        """Of the first `TOGETHER` stays, by stay and host (s)."""
        self._later: dict[int, list[float]] = {}
        """By host: the bounds of those after them (s)."""

    @staticmethod
    def _column(values: NDArray[np.float64]) -> array[float]:
        return array("d", values.tobytes())

    def _quantiles(self, u: NDArray[np.float64], up: NDArray[np.bool_]) -> NDArray[np.float64]:
        drawn: NDArray[np.float64] = np.where(up, self._spec.up.quantile(u), self._spec.down.quantile(u))
        return drawn

    def bound(self, host: int, k: int) -> float:
        """The end of stay `k` of a host (s)."""
        bounds = self._bounds
        if k < len(bounds):
            return bounds[k][host]
        if k < TOGETHER:
            while len(bounds) <= k:
                n = len(bounds)
                u = self._luck.uniforms(self._purpose, probe=self._probe, n=FIRST_STAY + n)
                lengths = quantize(self._quantiles(u, self._up == (n % 2 == 0)))
                bounds.append(self._column(np.array(bounds[-1]) + lengths))
            return bounds[k][host]
        later = self._later.setdefault(host, [])
        while len(later) <= k - TOGETHER:
            n = TOGETHER + len(later)
            law = self._spec.up if self.is_up(host, n) else self._spec.down
            drawn = law.quantile(self._luck.uniform(self._purpose, host, probe=self._probe, n=FIRST_STAY + n))
            later.append(self.bound(host, n - 1) + quantize(float(drawn)))
        return later[k - TOGETHER]

    def is_up(self, host: int, k: int) -> bool:
        """Whether stay `k` of a host is an up time."""
        return self.first_up[host] == (k % 2 == 0)

    def stay_at(self, host: int, at: float) -> int:
        """The stay of a host that holds time `at` (s)."""
        for k, bounds in enumerate(self._bounds):
            if at < bounds[host]:
                return k
        for k in range(len(self._bounds), TOGETHER):
            if at < self.bound(host, k):
                return k
        while self.bound(host, TOGETHER + len(self._later.get(host, ()))) <= at:
            pass
        return TOGETHER + bisect_right(self._later[host], at)

    def firsts(self) -> tuple[list[bool], array[float]]:
        """Whether the first stay is up, and when it ends (s), by host."""
        return self.first_up, self._bounds[0]


class Stays:
    """The stays of one host: see `Alternation`."""

    __slots__ = ("_alternation", "_host")

    def __init__(self, alternation: Alternation, host: int):
        self._alternation = alternation
        self._host = host

    def bound(self, k: int) -> float:
        """The end of stay `k` (s)."""
        return self._alternation.bound(self._host, k)

    def is_up(self, k: int) -> bool:
        """Whether stay `k` is an up time."""
        return self._alternation.is_up(self._host, k)

    def stay_at(self, at: float) -> int:
        """The stay that holds time `at` (s)."""
        return self._alternation.stay_at(self._host, at)

    def down_at(self, at: float) -> bool:
        """Whether it is down at time `at` (s)."""
        return not self.is_up(self.stay_at(at))


class Flakes:
    """Which runs of a probe fail by themselves: 1 + floor(ln(1 - u) / ln(1 - p)) runs from one to the next.

    That is the inverse distribution function of the geometric law, so each run fails with probability p, apart
    from all others; runs are counted from 1.
    """

    __slots__ = ("_failing", "_host", "_luck", "_probe", "_rate", "_ref")

    def __init__(self, luck: Luck, host: int, ref: str, probe: str, probability: float):
        self._luck = luck
        self._host = host
        self._ref = ref
        self._probe = probe
        self._rate = log1p(-probability) if probability < 1.0 else 0.0
        self._failing = [int(luck.first_flakes(ref, probe, probability)[host])]

    def next_after(self, run: int) -> int:
        """The first failing run after run number `run`."""
        failing = self._failing
        if run < failing[0]:  # most runs of most hosts: before their first flake
            return failing[0]
        while failing[-1] <= run:
            gap = 1
            if self._rate:
                u = self._luck.uniform("flake", self._host, self._ref, self._probe, len(failing))
                gap += floor(log1p(-u) / self._rate)
            failing.append(failing[-1] + gap)
        return failing[bisect_right(failing, run)]
