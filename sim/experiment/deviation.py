"""A real rollout against many simulated ones: its curves and their bands, where it leaves them first, and what of a wave
comes about otherwise there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.experiment.bands import Band, envelope, prediction
from sim.experiment.intervals import CONFIDENCE
from sim.experiment.matching import Pair
from sim.experiment.observed import CURVES, PARTS, STEPS, Observed, shares

Floats = NDArray[np.float64]

PLACES = 500
"""Places of the axis of time at which curves are compared."""


@dataclass(frozen=True)
class Curve:
    """The share of hosts over time: the real one, the prediction band at each time, and the envelope of all times
    together."""

    real: Floats
    band: Band
    low: Floats
    high: Floats
    coverage: float
    """For which share of the time the real curve is within the prediction band: from the opening until neither it nor
    half of the simulated ones change any more, as far as all were seen."""


class Part(NamedTuple):
    """A part of a wave's time (`sim.experiment.observed.PARTS`), in seconds: what it was, and what it was to be."""

    wave: int
    what: str
    real: float
    median: float
    low: float
    high: float

    @property
    def inside(self) -> bool:
        """Whether it is within its prediction band."""
        return self.low <= self.real <= self.high


class Deviation(NamedTuple):
    """Where a rollout first leaves the envelope."""

    at_s: float
    """Since the opening."""
    curve: str
    ahead: bool
    """Whether more hosts are there than in the envelope, or fewer."""
    share: float
    low: float
    high: float
    wave: int | None
    """The last wave that had begun in the real rollout, None if none had."""
    cause: Part | None
    """Of the parts of waves that had begun by then the one outside its band that moves its hosts most in that
    direction."""


@dataclass(frozen=True)
class Validated:
    """One real rollout against the simulated ones."""

    pair: Pair
    at: Floats
    """Times since the opening (s) at which the curves are compared."""
    curves: dict[str, Curve]
    p: float
    """Of the envelope test of all curves together."""
    parts: list[Part]
    """In order of waves; those that the real rollout and some simulated one had."""
    deviation: Deviation | None
    """None where the envelope test finds none."""
    finished: bool
    """Whether the real rollout is over; otherwise it is compared as far as it was seen."""


def judge(pair: Pair, real: Observed, simulated: Observed, wave_hosts: Sequence[int], finished: bool) -> Validated:
    """Hold a real rollout (one line) against the simulated ones (a line each).

    Args:
        wave_hosts: how many hosts each wave of the real rollout has.
    """
    seen = float(min(real.seen_s.min(), simulated.seen_s.min()))
    lasts = np.concatenate([_last(real.curves), _last(simulated.curves)])
    # which times are looked at depends on all curves alike, so that the real one stays one among them
    end = min(float(lasts.max()), seen)
    at = (np.arange(PLACES) + 0.5) * ((end if end > 0 else 1.0) / PLACES)
    ours, theirs = shares(real.curves[0], at), shares(simulated.curves, at)
    band = prediction(theirs)
    test = envelope(ours.reshape(-1), theirs.reshape(len(theirs), -1))
    low, high = test.low.reshape(ours.shape), test.high.reshape(ours.shape)
    counts = at <= max(float(lasts[0]), float(np.median(lasts[1:])), at[0])
    inside = band.holds(ours)
    curves = {
        name: Curve(
            ours[one],
            Band(*(values[one] for values in band)),
            low[one],
            high[one],
            float(inside[one][counts].mean()),
        )
        for one, name in enumerate(CURVES)
    }
    parts = _parts(real, simulated)
    deviation = None
    if test.p <= 1 - CONFIDENCE:
        begun = np.fmin(real.begun_s[0], np.median(simulated.begun_s, axis=0))
        deviation = _deviation(at, curves, real.begun_s[0], parts, begun, wave_hosts)
    return Validated(pair, at, curves, test.p, parts, deviation, finished)


def _last(curves: Floats) -> Floats:
    """Of each run when its curves change last, 0 where they never do."""
    return np.where(np.isfinite(curves), curves, 0.0).reshape(len(curves), len(CURVES) * STEPS).max(axis=1)


def _parts(real: Observed, simulated: Observed) -> list[Part]:
    values = simulated.parts.reshape(len(simulated.parts), -1)
    # where no host got through it takes longer than all
    low, median, high = prediction(np.where(np.isnan(values), np.inf, values))
    return [
        Part(place // len(PARTS), PARTS[place % len(PARTS)], float(mine), *map(float, (middle, below, above)))
        for place, (mine, middle, below, above) in enumerate(
            zip(real.parts.reshape(-1), median, low, high, strict=True)
        )
        if np.isfinite([mine, middle]).all()
    ]


def _deviation(
    at: Floats,
    curves: dict[str, Curve],
    real_begun: Floats,
    parts: Sequence[Part],
    begun: Floats,
    wave_hosts: Sequence[int],
) -> Deviation | None:
    outside = {name: (one.real < one.low) | (one.real > one.high) for name, one in curves.items()}
    left = [(int(np.argmax(there)), name) for name, there in outside.items() if there.any()]
    if not left:
        return None  # equally extreme curves on both sides of the limit
    place, name = min(left, key=lambda one: one[0])
    curve, when = curves[name], float(at[place])
    ahead = bool(curve.real[place] > curve.high[place])
    started = np.flatnonzero(real_begun <= when)
    causes = [
        part
        for part in parts
        if not part.inside and (part.real < part.median) == ahead and begun[part.wave] <= when
    ]
    cause = max(
        causes,
        key=lambda part: abs(part.real - part.median) * (wave_hosts[part.wave] if part.wave < len(wave_hosts) else 0),
        default=None,
    )
    return Deviation(
        at_s=when,
        curve=name,
        ahead=ahead,
        share=float(curve.real[place]),
        low=float(curve.low[place]),
        high=float(curve.high[place]),
        wave=int(started[-1]) if len(started) else None,
        cause=cause,
    )
