"""The law of page 9 that durations look most like: chosen by AIC, tested for fit, with intervals of its parameters.

- Durations that are all alike, within a millisecond or a thousandth, are `constant`.
- Of the exponential, lognormal, gamma, Weibull and uniform laws the one with the least AIC is taken (Akaike 1974). An
  end of the uniform law counts as two parameters: twice the logarithm of its likelihood ratio has two degrees of
  freedom, not one, and it would otherwise be chosen too often.
- If even that one fits badly (p below 1 %, so that a law which is right is seldom refused) the durations are taken as
  they are: `empirical`, from the product-limit estimate where some are censored.
- Bounds (`min`, `max`) are not fitted: nothing tells a law that is cut off from one that has not yet gone further.
"""

from __future__ import annotations

import warnings
from typing import Any

import msgspec
import numpy as np
from pydantic import TypeAdapter
from scipy import stats

from sim.data.durations import Durations, Floats, kaplan_meier
from sim.data.goodness import Cumulative, p_value
from sim.data.laws import SMOOTH, allowed
from sim.data.laws import Law as FittedLaw
from sim.data.likeliest import Interval, intervals, likeliest, uniform, uniform_intervals
from sim.scenario.distributions import Distribution, Law
from sim.scenario.units import LONGEST, QUANTUM

YEAR = 365.25 * 86_400.0
FEWEST = 5
"""Durations observed to their end below which nothing is fitted: five points lie on any law."""
REFUSED = 0.01
"""The p value below which a law is refused."""
ALIKE = (0.001, 0.001)
"""Constant durations differ by no more than this: seconds, or a share of the median."""
MOST_VALUES = 101
"""Values of an empirical law: the percentiles of the sample, if it is larger."""


LAWS: TypeAdapter[Law] = TypeAdapter(Distribution)


class Fit(msgspec.Struct, frozen=True):
    """A law and how well it is known.

    `parameters` are those of page 9, in seconds but for `cv` and `shape`; of an empirical law `values`. `intervals` are
    of 95 %, of an empirical law that of its median; an end is None where it is not known. `gof_p` is the p value of the
    test of fit of the law that was tried: below `REFUSED` of an empirical one, None of a constant. `aic` is by law.
    """

    dist: str
    parameters: dict[str, Any]
    observed: int
    censored: int
    intervals: dict[str, Interval]
    gof_p: float | None
    aic: dict[str, float]
    tried: str
    """The law that `gof_p` speaks of."""
    tail: float = 0.0
    """The share of an empirical law beyond the last observed end: put at the longest time, whatever it may be."""

    def law(self) -> Law:
        """The law as a scenario draws from it."""
        return LAWS.validate_python(self.plain())

    def plain(self) -> Any:
        """As a scenario has it, numbers being seconds."""
        if self.dist == "constant":
            return self.parameters["value"]
        return {"dist": self.dist, **self.parameters}

    def to_json(self) -> dict[str, Any]:
        """As page 10 has it."""
        return {
            "dist": self.dist,
            **self.parameters,
            "n": self.observed + self.censored,
            "censored": self.censored,
            "ci95": {name: list(ends) for name, ends in self.intervals.items()},
            "gof_p": self.gof_p,
        }


def fit(durations: Durations, only: str | None = None) -> Fit:
    """The law of some durations.

    Args:
        durations: none of them negative.
        only: the one law that makes sense, by name; it is then taken whatever the test of fit says.

    Raises:
        ValueError: fewer than `FEWEST` were observed to their end, or they are too long for a scenario.
    """
    observed = durations.observed
    if len(observed) < FEWEST:
        raise ValueError(f"expected at least {FEWEST} durations observed to their end, got {len(observed)}")
    if _constant(durations):
        value = float(np.median(observed))
        found: dict[str, Interval] = {"value": (float(observed[0]), float(observed[-1]))}
        return Fit("constant", {"value": value}, len(observed), len(durations.censored), found, None, {}, "constant")
    aic = akaike(durations)
    candidates = [name for name in aic if only in (None, name)]
    if not candidates:
        raise ValueError(f"expected durations of which a scenario can hold the law, {LONGEST / YEAR:.0f} years at most")
    best = min(candidates, key=aic.__getitem__)
    if best == "uniform":
        parameters, _ = uniform(durations)
        bounds = uniform_intervals(parameters, durations)
        p = p_value(durations, _uniform_fitted)
    else:
        law = next(law for law in SMOOTH if law.name == best)
        place, _ = likeliest(law, durations)
        parameters, bounds = law.values(place), intervals(law, place, durations)
        p = p_value(durations, lambda sample: _fitted(law, sample))
    if p >= REFUSED or only is not None:
        return Fit(best, parameters, len(observed), len(durations.censored), bounds, p, aic, best)
    values, tail = empirical(durations)
    middle = {"median": median_interval(durations)}
    return Fit("empirical", {"values": values}, len(observed), len(durations.censored), middle, p, aic, best, tail)


def akaike(durations: Durations) -> dict[str, float]:
    """Akaike's criterion of each law that could have given the durations; the least is the best."""
    found: dict[str, float] = {}
    for law in SMOOTH:
        if durations.observed[0] >= QUANTUM or law.name == "exponential":
            place, likelihood = likeliest(law, durations)
            if allowed(law.values(place)):
                found[law.name] = 2 * len(law.parameters) - 2 * likelihood
    ends, likelihood = uniform(durations)
    if ends["max"] < LONGEST:
        found["uniform"] = 2 * 2 * 2 - 2 * likelihood
    return found


def _constant(durations: Durations) -> bool:
    observed = durations.observed
    alike = max(ALIKE[0], ALIKE[1] * float(np.median(observed)))
    return bool(np.ptp(observed) <= alike) and not bool(np.any(durations.censored > observed[-1] + alike))


def _fitted(law: FittedLaw, sample: Durations) -> tuple[Cumulative, Any]:
    at = law.frozen(likeliest(law, sample)[0])
    return at.cdf, at.ppf


def _uniform_fitted(sample: Durations) -> tuple[Cumulative, Any]:
    ends, _ = uniform(sample)
    at = stats.uniform(ends["min"], ends["max"] - ends["min"])
    return at.cdf, at.ppf


def empirical(durations: Durations) -> tuple[list[float], float]:
    """Values (s) whose law of type 7 (spec page 9) is near that of the durations, and the share of them that stands
    for durations longer than the last one observed to its end."""
    if not len(durations.censored):
        observed = durations.observed
        if len(observed) > MOST_VALUES:
            observed = np.quantile(observed, np.linspace(0.0, 1.0, MOST_VALUES))
        return [float(value) for value in observed], 0.0
    times, shares = kaplan_meier(durations)
    longest = max(times[-1], durations.censored[-1])
    count = min(len(durations.observed), MOST_VALUES)
    levels = (np.arange(count) + 0.5) / count
    found = np.append(times, longest)[np.searchsorted(shares, levels - 1e-12)]
    return [float(value) for value in found], max(1.0 - float(shares[-1]), 0.0)


def median_interval(durations: Durations) -> Interval:
    """The 95 % interval of the median: order statistics, and where durations are censored the times at which the
    interval of the product-limit estimate (Greenwood's, of its logarithm's logarithm) holds one half (Brookmeyer and
    Crowley 1982)."""
    if not len(durations.censored):
        found: Any = stats.quantile_test(durations.observed, p=0.5).confidence_interval()
        return _known(found.low), _known(found.high)
    survival = stats.ecdf(durations.for_scipy()).sf
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # where all or none are over it has no interval
        bounds: Any = survival.confidence_interval(method="log-log")
        low, high = bounds
    # of a time before the first end, or after the last, the estimate has no spread
    below = np.where(np.isnan(low.probabilities), survival.probabilities, low.probabilities)
    above = np.where(np.isnan(high.probabilities), survival.probabilities, high.probabilities)
    times: Floats = survival.quantiles
    inside = times[(below <= 0.5) & (above >= 0.5)]
    left = float(inside[0]) if len(inside) else None
    return left, float(inside[-1]) if len(inside) and above[-1] < 0.5 else None


def _known(end: float) -> float | None:
    return float(end) if np.isfinite(end) else None


# -- probabilities


class Share(msgspec.Struct, frozen=True):
    """How often something happened, of how often it could have; `interval` is Wilson's, of 95 %."""

    hits: int
    runs: int

    @property
    def probability(self) -> float:
        """Hits over runs; there has to be a run."""
        return self.hits / self.runs

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's score interval, which keeps its coverage where a share is near 0 or 1."""
        found = stats.binomtest(self.hits, self.runs).proportion_ci(0.95, "wilson")
        return float(found.low), float(found.high)

    def to_json(self) -> dict[str, Any]:
        """As page 10 has it."""
        return {"p": self.probability, "ci95": list(self.interval), "n": self.runs}
