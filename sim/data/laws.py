"""The laws that durations are fitted with (spec page 9), each by its likelihood.

A law is held by `place`, one or two numbers in which the likelihood is smooth and without bounds: logarithms of its
parameters, of a lognormal law (log median, log sigma). The likelihoods are written with `scipy.special` and not with
the distributions of `scipy.stats`: those check their arguments for longer than a small sample takes, and an interval
or a test of fit asks for thousands of likelihoods. The tests hold the two together, censored samples included.
"""

from __future__ import annotations

from collections.abc import Callable
from math import exp, inf, log, pi
from typing import Any, NamedTuple

import numpy as np
from scipy import special, stats

from sim.data.durations import Durations
from sim.scenario.distributions import Z95
from sim.scenario.units import LONGEST, QUANTUM

Place = tuple[float, ...]
Parameters = dict[str, float]

LEAST_SURVIVAL = 1e-300
"""In place of a survival function that has underflowed to 0, whose logarithm would be lost to the search."""


class Law(NamedTuple):
    """A law of page 9 and how it is fitted."""

    name: str
    parameters: tuple[str, ...]
    """As page 9 calls them; each has the coordinate of its number in `place`."""
    start: Callable[[Durations], Place]
    """Where the search for the likeliest place begins."""
    log_likelihood: Callable[[Place, Durations], float]
    """Of densities at what was observed and of survival beyond what was censored."""
    values: Callable[[Place], Parameters]
    """The parameters at a place, in seconds but for `cv` and `shape`."""
    fix: Callable[[int, float, float], Place]
    """The place at which parameter number `i` has that logarithm; the last argument is the coordinate left free."""
    frozen: Callable[[Place], Any]
    """The law at a place as a distribution of `scipy.stats`."""


def _fix(number: int, value: float, free: float) -> Place:
    return (value, free) if number == 0 else (free, value)


# -- exponential


def _exponential(place: Place, durations: Durations) -> float:
    return -len(durations.observed) * place[0] - durations.total * exp(-place[0])


EXPONENTIAL = Law(
    "exponential",
    ("mean",),
    # the likeliest at once: total time over ends
    lambda durations: (log(durations.total / len(durations.observed)),),
    _exponential,
    lambda place: {"mean": exp(place[0])},
    lambda number, value, free: (value,),
    lambda place: stats.expon(scale=exp(place[0])),
)

# -- lognormal


def _logs(durations: Durations) -> tuple[float, float]:
    """Mean and deviation of the logarithms, as if the censored ones ended when they were lost sight of."""
    logs = np.concatenate([durations.log_observed, durations.log_censored])
    return float(logs.mean()), max(float(logs.std()), 1e-3)


def _lognormal(place: Place, durations: Durations) -> float:
    mu, sigma = place[0], exp(place[1])
    z = (durations.log_observed - mu) / sigma
    found = -0.5 * float(z @ z) - len(z) * (place[1] + 0.5 * log(2 * pi)) - float(durations.log_observed.sum())
    if len(durations.log_censored):
        found += float(special.log_ndtr((mu - durations.log_censored) / sigma).sum())
    return found


def _fix_lognormal(number: int, value: float, free: float) -> Place:
    return (value if number == 0 else value - Z95 * exp(free)), free


LOGNORMAL = Law(
    "lognormal",
    ("median", "p95"),
    lambda durations: (_logs(durations)[0], log(_logs(durations)[1])),
    _lognormal,
    lambda place: {"median": exp(place[0]), "p95": exp(place[0] + Z95 * exp(place[1]))},
    _fix_lognormal,
    lambda place: stats.lognorm(exp(place[1]), scale=exp(place[0])),
)

# -- gamma


def _gamma(place: Place, durations: Durations) -> float:
    shape = exp(-2 * place[1])
    scale = exp(place[0]) / shape
    logs = durations.log_observed
    found = (shape - 1) * float(logs.sum()) - float(durations.observed.sum()) / scale
    found -= len(logs) * (shape * log(scale) + float(special.gammaln(shape)))
    if len(durations.censored):
        beyond = special.gammaincc(shape, durations.censored / scale)
        found += float(np.log(np.maximum(beyond, LEAST_SURVIVAL)).sum())
    return found


def _gamma_at(place: Place) -> Any:
    shape = exp(-2 * place[1])
    return stats.gamma(shape, scale=exp(place[0]) / shape)


GAMMA = Law(
    "gamma",
    ("mean", "cv"),
    lambda durations: (log(durations.total / len(durations)), log(_logs(durations)[1])),
    _gamma,
    lambda place: {"mean": exp(place[0]), "cv": exp(place[1])},
    _fix,
    _gamma_at,
)

# -- weibull


def _weibull(place: Place, durations: Durations) -> float:
    shape = exp(place[1])
    powers = shape * (durations.log_observed - place[0])
    found = len(powers) * place[1] + float((powers - durations.log_observed).sum()) - float(np.exp(powers).sum())
    if len(durations.log_censored):
        found -= float(np.exp(shape * (durations.log_censored - place[0])).sum())
    return found


WEIBULL = Law(
    "weibull",
    ("scale", "shape"),
    # logarithms of a Weibull variable have the deviation pi / (shape sqrt 6)
    lambda durations: (_logs(durations)[0] + 0.5 * _logs(durations)[1], log(1.2825 / _logs(durations)[1])),
    _weibull,
    lambda place: {"scale": exp(place[0]), "shape": exp(place[1])},
    _fix,
    lambda place: stats.weibull_min(exp(place[1]), scale=exp(place[0])),
)

SMOOTH = (EXPONENTIAL, LOGNORMAL, GAMMA, WEIBULL)
"""Those of which the likelihood is smooth. The uniform law is none of them: see `uniform`."""

LIMITS = {"cv": (0.001, 100.0), "shape": (0.05, 100.0)}
TIMES = (QUANTUM, LONGEST)


def allowed(parameters: Parameters) -> bool:
    """Whether a scenario takes a law with these parameters (spec page 9); times have to be on its grid of times."""
    limits = ((LIMITS.get(name, TIMES), value) for name, value in parameters.items())
    return all(low <= value < high for (low, high), value in limits)


def log_likelihood(law: Law, place: Place, durations: Durations) -> float:
    """The logarithm of the likelihood; minus infinity where numbers overflow, too."""
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            found = law.log_likelihood(place, durations)
    except (OverflowError, ZeroDivisionError):
        return -inf
    return found if np.isfinite(found) else -inf
