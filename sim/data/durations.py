"""Durations of which some are known only to be longer: right-censored, because the record ends first."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.stats import CensoredData

from sim.scenario.units import QUANTUM

Floats = NDArray[np.float64]


class Durations:
    """Times in seconds: those that were `observed` to their end, and those `censored`, which were longer than that."""

    def __init__(self, observed: Iterable[float], censored: Iterable[float] = ()):
        self.observed: Floats = np.sort(np.fromiter(observed, dtype=np.float64))
        self.censored: Floats = np.sort(np.fromiter(censored, dtype=np.float64))

    def __len__(self) -> int:
        return len(self.observed) + len(self.censored)

    @cached_property
    def log_observed(self) -> Floats:
        """Natural logarithms of `observed`, all of which have to be above 0."""
        return np.log(self.observed)

    @cached_property
    def log_censored(self) -> Floats:
        """Natural logarithms of `censored`; what is longer than nothing says nothing, and is left out."""
        return np.log(self.censored[self.censored >= QUANTUM])

    @cached_property
    def total(self) -> float:
        """The sum of all, in seconds."""
        return float(self.observed.sum() + self.censored.sum())

    def for_scipy(self) -> CensoredData:
        """The same as `scipy.stats` takes them."""
        return CensoredData(uncensored=self.observed, right=self.censored)


def together(parts: Iterable[Durations]) -> Durations:
    """All durations of several."""
    held = list(parts)
    return Durations(
        np.concatenate([part.observed for part in held] or [np.empty(0)]),
        np.concatenate([part.censored for part in held] or [np.empty(0)]),
    )


def kaplan_meier(durations: Durations) -> tuple[Floats, Floats]:
    """The product-limit estimate (Kaplan and Meier 1958): the times (s) at which durations ended, ascending, and the
    share that had ended by each of them. Without censored ones it is the empirical distribution function."""
    times, counts = np.unique(durations.observed, return_counts=True)
    # of an end and a censoring at one time the end comes first
    ended_before = np.searchsorted(durations.observed, times, side="left")
    lost_before = np.searchsorted(durations.censored, times, side="left")
    at_risk = len(durations) - ended_before - lost_before
    left = np.cumprod(1.0 - counts / at_risk)
    return times, np.asarray(1.0 - left, dtype=np.float64)
