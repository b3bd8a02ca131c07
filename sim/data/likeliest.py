"""Maximum likelihood, and intervals of parameters by profile likelihood.

An interval holds the values at which the likelihood, maximised over the other parameter, falls short of the greatest
by no more than d/2 log(1 + t²/f): t is Student's quantile with f degrees of freedom, d counts the durations observed to
their end, and f is d less one for the other parameter. For the median of an uncensored lognormal sample that is
Student's exact interval; in large samples it is the usual one by chi-squared with one degree. An interval by the
curvature at the maximum would be quicker, and miss the truth too often in samples of ten or twenty.

The ends of a uniform law are irregular: the likelihood falls off at once. There the drop is d/(d - 1) log(20), exact
without censoring, as (max - greatest)/(greatest - least) then exceeds x with probability (1 + x)^(1 - d).
"""

from __future__ import annotations

from collections.abc import Callable
from math import exp, inf, log

import numpy as np
from scipy import optimize, special

from sim.data.durations import Durations
from sim.data.laws import Law, Parameters, Place, log_likelihood

CONFIDENCE = 0.95
IMPOSSIBLE = 1e300
"""What a place costs at which there is no likelihood: a number, so that a search goes on."""
WIDEST = 60.0
"""How far (in logarithms) an end of an interval is looked for. What is further is not known."""

Interval = tuple[float | None, float | None]


def likeliest(law: Law, durations: Durations) -> tuple[Place, float]:
    """The place of greatest likelihood of one of the smooth laws, and the logarithm of that likelihood."""
    start = law.start(durations)
    if len(start) == 1:
        return start, log_likelihood(law, start, durations)
    corners = [start, (start[0] + 0.2, start[1]), (start[0], start[1] + 0.2)]
    found = optimize.minimize(
        lambda at: _cost(law, (float(at[0]), float(at[1])), durations),
        np.array(start),
        method="Nelder-Mead",
        options={"xatol": 1e-6, "fatol": 1e-9, "initial_simplex": np.array(corners)},  # type: ignore[call-overload]
    )
    return (float(found.x[0]), float(found.x[1])), -float(found.fun)


def _cost(law: Law, place: Place, durations: Durations) -> float:
    found = log_likelihood(law, place, durations)
    return IMPOSSIBLE if found == -inf else -found


def intervals(law: Law, place: Place, durations: Durations) -> dict[str, Interval]:
    """The 95 % interval of each parameter of a smooth law that was fitted; an end is None where it is not known."""
    observed, parameters = len(durations.observed), len(law.parameters)
    if observed <= parameters:
        return dict.fromkeys(law.parameters, (None, None))
    freedom = observed - parameters + 1
    t = float(special.stdtrit(freedom, 0.5 + CONFIDENCE / 2))
    floor = log_likelihood(law, place, durations) - observed / 2 * np.log1p(t * t / freedom)
    values = law.values(place)
    found: dict[str, Interval] = {}
    for number, name in enumerate(law.parameters):
        profile = _profile(law, number, place, durations)
        centre = log(values[name])
        ends = [_end(profile, centre, step, floor) for step in (-0.05, 0.05)]
        found[name] = (ends[0] if ends[0] is None else exp(ends[0]), ends[1] if ends[1] is None else exp(ends[1]))
    return found


def _profile(law: Law, number: int, place: Place, durations: Durations) -> Callable[[float], float]:
    """The greatest log likelihood at a value (its logarithm) of one parameter. The search for the other begins where
    the last one ended: the function is asked for values that move away step by step."""
    if len(place) == 1:
        return lambda value: log_likelihood(law, (value,), durations)
    # a lognormal law is told by its median and sigma, whichever of its parameters is fixed
    near = [place[1] if law.name == "lognormal" else place[1 - number]]

    def greatest(value: float) -> float:
        found = optimize.minimize_scalar(
            lambda free: _cost(law, law.fix(number, value, float(free)), durations),
            bracket=(near[0] - 0.05, near[0] + 0.05),
            options={"xtol": 1e-7},
        )
        if found.fun < IMPOSSIBLE:
            near[0] = float(found.x)
        return -float(found.fun)

    return greatest


def _end(profile: Callable[[float], float], centre: float, step: float, floor: float) -> float | None:
    """Where the profile falls to the floor on one side of the estimate."""
    known: dict[float, float] = {}

    def above(at: float) -> float:
        if at not in known:
            known[at] = profile(at) - floor
        return known[at]

    inner = centre
    while abs(step) < WIDEST:
        outer = centre + step
        if above(outer) < 0:
            # at the estimate the search may have come short of the maximum, by rounding alone
            return inner if above(inner) <= 0 else float(optimize.brentq(above, inner, outer, xtol=1e-6))
        inner = outer
        step *= 2
    return None


# -- the uniform law


def uniform(durations: Durations) -> tuple[Parameters, float]:
    """The likeliest ends (s) of a uniform law, and the logarithm of its likelihood."""
    low = float(durations.observed[0])
    high, found = _uniform_end(low, durations)
    return {"min": low, "max": high}, found


def _uniform(low: float, high: float, durations: Durations) -> float:
    after = durations.censored[durations.censored > low]
    if high <= low or (len(after) and high <= after[-1]):
        return -inf
    width = high - low
    return -len(durations.observed) * log(width) + float(np.log((high - after) / width).sum())


def _uniform_end(low: float, durations: Durations) -> tuple[float, float]:
    """The likeliest `max` for a `min`. Without censored ones it is the greatest observed."""
    least = float(durations.observed[-1])
    if not len(durations.censored):
        return least, _uniform(low, least, durations)
    least = max(least, float(durations.censored[-1]) * (1 + 1e-9))
    width = least - low
    found = optimize.minimize_scalar(
        lambda at: -_uniform(low, least + width * (exp(float(at)) - 1), durations), bounds=(0, 12), method="bounded"
    )
    at_least = _uniform(low, least, durations)
    if at_least >= -float(found.fun):
        return least, at_least
    return least + width * (exp(float(found.x)) - 1), -float(found.fun)


def uniform_intervals(values: Parameters, durations: Durations) -> dict[str, Interval]:
    """The 95 % interval of either end of a uniform law that was fitted."""
    observed = len(durations.observed)
    if observed < 2:
        return {"min": (None, None), "max": (None, None)}
    low, high = values["min"], values["max"]
    floor = _uniform(low, high, durations) + observed / (observed - 1) * log(1 - CONFIDENCE)
    width = high - low

    def below(share: float) -> float:
        return _uniform_end(low - width * share, durations)[1] - floor

    def at(end: float) -> float:
        return max(_uniform(low, end, durations), -1e300) - floor

    least = low
    if below(low / width) > 0:
        least = 0.0
    else:
        least = low - width * float(optimize.brentq(below, 0.0, low / width))
    outer = high + width
    while at(outer) > 0 and outer < high + 1e9 * width:
        outer += outer - high
    greatest = None if at(outer) > 0 else float(optimize.brentq(at, high, outer))
    inner = max(float(durations.observed[-1]), float(durations.censored[-1]) if len(durations.censored) else 0.0)
    if inner < high and at(inner) < 0:
        inner = float(optimize.brentq(at, inner, high))
    return {"min": (least, low), "max": (inner, greatest)}
