"""Fits and shares in words and in the spelling of a scenario."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from sim.data.fitting import LAWS, Fit, Share
from sim.data.likeliest import Interval
from sim.scenario.units import format_duration

TIMELESS = ("cv", "shape")
"""Parameters that are no times."""


def time(seconds: float) -> str:
    """Seconds as a scenario reads them, with the four digits that a fit deserves: `93.21s`, `51.2ms`, `4m58s`."""
    if seconds < 0.001:
        return format_duration(seconds)
    if seconds < 1:
        return f"{1000 * seconds:.4g}ms"
    return f"{seconds:.4g}s" if seconds < 600 else format_duration(round(seconds))


def value(name: str, number: float) -> str:
    """A parameter as a scenario has it."""
    return f"{number:.4g}" if name in TIMELESS else time(number)


def law(fit: Fit) -> Any:
    """A law as a scenario has it."""
    if fit.dist == "constant":
        return time(fit.parameters["value"])
    if fit.dist == "empirical":
        return {"dist": "empirical", "values": [time(one) for one in fit.parameters["values"]]}
    written = {"dist": fit.dist, **{name: _parameter(name, number) for name, number in fit.parameters.items()}}
    try:
        LAWS.validate_python(written)
    except ValidationError:  # two parameters that four digits do not tell apart
        return fit.plain()
    return written


def _parameter(name: str, number: float) -> Any:
    return float(f"{number:.4g}") if name in TIMELESS else time(number)


def interval(name: str, ends: Interval) -> str:
    """An interval of a parameter as `1.2s to 1.3s`."""
    low, high = ends
    if low is None and high is None:
        return "not known"
    if low is None or high is None:
        return f"up to {value(name, high)}" if high is not None else f"from {value(name, low or 0.0)}"
    return f"{value(name, low)} to {value(name, high)}"


def parameters(fit: Fit) -> str:
    """The parameters of a fit with their intervals."""
    if fit.dist == "constant":
        return f"{time(fit.parameters['value'])} ({interval('value', fit.intervals['value'])} seen)"
    if fit.dist == "empirical":
        return f"{len(fit.parameters['values'])} values, median {interval('median', fit.intervals['median'])}"
    return ", ".join(
        f"{name} {value(name, number)} ({interval(name, fit.intervals[name])})"
        for name, number in fit.parameters.items()
    )


def goodness(fit: Fit) -> str:
    """The p value of the test of fit, and whose it is where that law was refused."""
    if fit.gof_p is None:
        return "-"
    said = f"{fit.gof_p:.2f}" if fit.gof_p >= 0.1 else f"{fit.gof_p:.3f}"
    return f"{said} ({fit.tried})" if fit.dist == "empirical" else said


def provenance(fit: Fit) -> list[str]:
    """What a fit was made of, for the comments of a scenario."""
    count = fit.observed + fit.censored
    lines = [f"n = {count:,}, of which {fit.censored:,} censored; {parameters(fit)}"]
    if fit.dist == "empirical":
        lines.append(f"no law fits: the best by AIC, {fit.tried}, has p = {goodness(fit).split(' ')[0]}")
        if fit.tail > 0:
            lines.append(f"{percent(fit.tail)} of them are longer than any that ended in view: put at the longest")
    elif fit.gof_p is not None:
        others = sorted((aic, name) for name, aic in fit.aic.items() if name != fit.dist)
        next_best = f"; next by AIC {others[0][1]}, {others[0][0] - fit.aic[fit.dist]:+.1f}" if others else ""
        lines.append(f"test of fit p = {goodness(fit)}{next_best}")
    return lines


def percent(share: float) -> str:
    """A share as a percentage of three digits."""
    return f"{100 * share:.3g} %"


def probability(share: Share) -> str:
    """A share with its interval."""
    low, high = share.interval
    return f"{percent(share.probability)} ({percent(low)} to {percent(high)})"
