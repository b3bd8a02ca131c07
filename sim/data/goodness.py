"""Whether durations look like draws of the law that was fitted to them.

The statistic is that of Anderson and Darling (1954), n times the integral of (S(t) - F(t))² / (F(t) (1 - F(t))) dF(t),
with the product-limit estimate in the place of S and up to the longest time of the sample: the same as ever where
nothing is censored. Its law depends on the parameters being estimated and on the censoring, so that no table holds:
the p value is by parametric bootstrap (Stute, González Manteiga and Presedo Quindimil 1993). Samples are drawn from the
fitted law, censored by draws of the product-limit estimate of the times of censoring, and fitted anew. The drawing ends
as soon as it is clear that p is not small, by the rule of Besag and Clifford (1991), under which p stays exact.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sim.data.durations import Durations, Floats, kaplan_meier
from sim.scenario.units import LONGEST, QUANTUM

DRAWN = 199
"""Samples drawn at most: the least p is 1 in 200."""
ENOUGH = 20
"""So many samples that are as far from their fit as the data are from theirs, and p is known well enough."""
MOST = 1_000
"""Durations looked at, a random part of more: of ten thousand real ones any law is refused, for differences which
matter to nobody."""

Cumulative = Callable[[Floats], Floats]


def anderson_darling(durations: Durations, distribution: Cumulative) -> float:
    """The statistic, given the law's distribution function."""
    times, shares = kaplan_meier(durations)
    longest = max(durations.observed[-1], durations.censored[-1] if len(durations.censored) else 0.0)
    before = np.concatenate([[0.0], shares])
    if longest > times[-1]:
        edges = np.concatenate([[0.0], distribution(np.append(times, longest))])
    else:
        edges = np.concatenate([[0.0], distribution(times), [1.0]])
    # where the law has no mass the integral has none either; the logarithms need an end
    edges = np.clip(edges, 1e-12, 1.0 - 1e-12)
    # between two ends S is constant, and (S - u)² / (u (1 - u)) = S²/u + (1 - S)²/(1 - u) - 1
    whole = before**2 * np.diff(np.log(edges)) - (1.0 - before) ** 2 * np.diff(np.log1p(-edges)) - np.diff(edges)
    return len(durations) * float(whole.sum())


def p_value(
    durations: Durations,
    fitted: Callable[[Durations], tuple[Cumulative, Callable[[Floats], Floats]]],
    seed: int = 0,
) -> float:
    """How likely a sample of the fitted law is at least as far from its fit as this one.

    Args:
        durations: at least two observed ones.
        fitted: fits the law to a sample; its distribution function and the inverse of that.
        seed: of the draws; the same gives the same p.
    """
    random = np.random.default_rng(seed)
    sample = _part(durations, random)
    distribution, quantile = fitted(sample)
    far = anderson_darling(sample, distribution)
    ends, lost = kaplan_meier(Durations(sample.censored, sample.observed)) if len(sample.censored) else (None, None)
    as_far = 0
    for drawn in range(1, DRAWN + 1):
        # as far as a scenario's times go: a law of some odd sample would draw 0 and infinity
        times = np.clip(quantile(random.random(len(sample))), QUANTUM, LONGEST)
        again = Durations(times)
        if ends is not None and lost is not None:
            place = np.searchsorted(lost, random.random(len(sample)))
            until = np.append(ends, np.inf)[place]
            again = Durations(times[times <= until], until[times > until])
        # one with next to nothing observed cannot be fitted: drawn in vain
        as_far += len(again.observed) >= 2 and anderson_darling(again, fitted(again)[0]) >= far
        if as_far == ENOUGH:
            return ENOUGH / drawn
    return (as_far + 1) / (DRAWN + 1)


def _part(durations: Durations, random: np.random.Generator) -> Durations:
    if len(durations) <= MOST:
        return durations
    ended = np.arange(len(durations)) < len(durations.observed)
    taken = random.permutation(len(durations))[:MOST]
    times = np.concatenate([durations.observed, durations.censored])[taken]
    return Durations(times[ended[taken]], times[~ended[taken]])
