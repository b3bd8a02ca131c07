"""A real rollout against many simulated ones: its curves and their bands, where it leaves them first, and what of which
wave comes about otherwise there.

Curves are compared by the hosts, not by the clock: when the first half per cent of them were there, when the next, and
so on. So a night in which the last laptop is off counts for no more than that laptop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.experiment.bands import Band, envelope, p_values, prediction, ranks
from sim.experiment.intervals import CONFIDENCE
from sim.experiment.matching import Pair
from sim.experiment.outline import CURVES, PARTS, STEPS, Outline

Floats = NDArray[np.float64]

EVERY = 5
"""Of so many places one is looked at in the search for where a curve leaves what is expected."""


@dataclass(frozen=True)
class Curve:
    """When each half per cent of the hosts were there: really, by the prediction band of each, and by the envelope of
    all together. Seconds since the opening; infinite where not reached, or not as far as all were seen."""

    real: Floats
    band: Band
    low: Floats
    high: Floats
    coverage: float | None
    """The share of hosts for which the real time is within the prediction band, of those that were or should have been
    there as far as all were seen; None where there are none."""

    def share(self, at: float) -> tuple[float, float, float]:
        """The share of hosts that were there at a time, and between what it was expected."""
        found = (
            np.searchsorted(times, at, side="right") / STEPS for times in (self.real, self.band.high, self.band.low)
        )
        real, low, high = (float(share) for share in found)
        return real, low, high


class Part(NamedTuple):
    """A part of a wave's time (`sim.experiment.outline.PARTS`), in seconds: what it was, and what it was to be."""

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
    """Where a rollout first leaves what is expected."""

    at_s: float
    """Since the opening."""
    curve: str
    ahead: bool
    """Whether more hosts are there than expected, or fewer."""
    wave: int | None
    """The last wave that had begun in the real rollout, None if none had."""
    cause: Part | None
    """Of the parts of waves that had begun by then the one outside its band that moves its hosts most in that
    direction."""


@dataclass(frozen=True)
class Validated:
    """One real rollout against the simulated ones."""

    pair: Pair
    curves: dict[str, Curve]
    p: float
    """Of the envelope test of all curves together."""
    parts: list[Part]
    """In order of waves; those that the real rollout and some simulated one had."""
    deviation: Deviation | None
    """None where the envelope test finds none."""
    finished: bool
    """Whether the real rollout is over; otherwise it is compared as far as it was seen."""


def judge(pair: Pair, real: Outline, simulated: Outline, wave_hosts: Sequence[int], finished: bool) -> Validated:
    """Hold a real rollout (one line) against the simulated ones (a line each).

    Args:
        wave_hosts: how many hosts each wave of the real rollout has.
    """
    # what comes later than all were seen is alike in all, so that the real one stays one among them
    seen = float(min(real.seen_s.min(), simulated.seen_s.min()))
    ours, theirs = (np.where(one.curves > seen, np.inf, one.curves) for one in (real, simulated))
    band = prediction(theirs)
    flat = ours[0].reshape(-1), theirs.reshape(len(theirs), -1)
    test = envelope(*flat)
    low, high = (end.reshape(len(CURVES), STEPS) for end in (test.low, test.high))
    curves = {}
    for one, name in enumerate(CURVES):
        of = Band(*(times[one] for times in band))
        known = np.isfinite(np.minimum(ours[0, one], of.high)) | np.isinf(seen)
        inside = of.holds(ours[0, one])[known]
        curves[name] = Curve(ours[0, one], of, low[one], high[one], float(inside.mean()) if len(inside) else None)
    parts = _parts(real, simulated)
    deviation = None
    if test.p <= 1 - CONFIDENCE:
        begun = np.fmin(real.begun_s[0], np.median(simulated.begun_s, axis=0))
        deviation = _deviation(curves, _leaves(ours[0], theirs), real.begun_s[0], parts, begun, wave_hosts)
    return Validated(pair, curves, test.p, parts, deviation, finished)


def _parts(real: Outline, simulated: Outline) -> list[Part]:
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


def _leaves(ours: Floats, theirs: Floats) -> int:
    """The first place from which on the curves up to it are, tested by themselves, none that the model gives, however
    far one looks. A curve that is extreme later on is often the first or last somewhere before, by luck."""
    curves = np.concatenate([ours[np.newaxis], theirs])
    ranked = ranks(curves.reshape(len(curves), -1)).reshape(curves.shape)
    found = STEPS
    for end in range(STEPS, 0, -EVERY):
        if p_values(ranked[:, :, :end].reshape(len(curves), -1))[0] > 1 - CONFIDENCE:
            break
        found = end
    return found


def _deviation(
    curves: dict[str, Curve],
    place: int,
    real_begun: Floats,
    parts: Sequence[Part],
    begun: Floats,
    wave_hosts: Sequence[int],
) -> Deviation | None:
    """The beginning of the stretch outside a band that `place` is in, or of the last one before."""
    stretches = []
    for name, curve in curves.items():
        for ahead, outside in ((True, curve.real < curve.band.low), (False, curve.real > curve.band.high)):
            there = np.flatnonzero(outside[:place])
            if len(there):
                inside = np.flatnonzero(~outside[: there[-1]])
                start = int(inside[-1]) + 1 if len(inside) else 0
                when = (curve.real if ahead else curve.band.high)[start]
                stretches.append((-int(there[-1]), start, float(when), name, ahead))
    if not stretches:
        return None  # the test looks at all places together, of which none may be outside by itself
    *_, when, name, ahead = min(stretches)
    started = np.flatnonzero(real_begun <= when)
    causes = [
        part for part in parts if not part.inside and (part.real < part.median) == ahead and begun[part.wave] <= when
    ]
    cause = max(
        causes,
        key=lambda part: abs(part.real - part.median) * (wave_hosts[part.wave] if part.wave < len(wave_hosts) else 0),
        default=None,
    )
    return Deviation(when, name, ahead, int(started[-1]) if len(started) else None, cause)
