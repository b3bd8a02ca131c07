"""Which hosts differ from the rest: groups by channel and by tag are fitted apart only where a test tells them apart.

A group is held against all other hosts: durations by the log-rank test where some are censored, else by the two-sample
test of Cramér and von Mises (which, unlike the table of Anderson and Darling's k-sample test, has p values below 0.1 %,
without which nothing would be left of them after the correction) or, as that stands no ties, by Mann's and Whitney's
where most are tied, probabilities by Fisher's exact test. All tests of a
round are corrected together (Holm 1979), so that a group is set apart for nothing in one log of a hundred at most. The
most different group of a quantity is taken out, and the rest tested again without it: else a group would seem to differ
because another does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from sim.data.outcomes import Outcome, Span, durations

LEVEL = 0.01
FEWEST_APART = 10
"""Durations observed to their end, or chances for an outcome, that both sides of a test have to have."""


class Group(NamedTuple):
    """Hosts that a selector of a scenario tells from the rest."""

    name: str
    match: dict[str, Any]
    hosts: frozenset[str]


class Apart(NamedTuple):
    """A group that differs in a quantity, and the p value of the test, corrected."""

    group: Group
    p: float


Data = Sequence[Span] | Sequence[Outcome]


def set_apart(quantities: Mapping[str, Data], groups: Sequence[Group]) -> dict[str, list[Apart]]:
    """By quantity the groups that differ, in the order in which they were taken out: each was tested against the hosts
    of none of those before it."""
    found: dict[str, list[Apart]] = {}
    left: dict[str, list[Any]] = {name: list(data) for name, data in quantities.items()}
    while left:
        tests = [(p, name, group) for name, data in left.items() for p, group in _tests(data, groups)]
        nearest = _rejected(tests)
        for name, apart in nearest.items():
            found.setdefault(name, []).append(apart)
        left = {
            name: [one for one in left[name] if one.host not in apart.group.hosts] for name, apart in nearest.items()
        }
    return found


def _rejected(tests: list[tuple[float, str, Group]]) -> dict[str, Apart]:
    """Of each quantity the most significant group, if it is significant after Holm's correction."""
    found: dict[str, Apart] = {}
    ordered = sorted(tests, key=lambda test: test[0])
    least = 0.0
    for place, (p, name, group) in enumerate(ordered):
        least = max(least, min(p * (len(ordered) - place), 1.0))
        if least >= LEVEL:
            break
        found.setdefault(name, Apart(group, least))
    return found


def _tests(data: Sequence[Any], groups: Sequence[Group]) -> list[tuple[float, Group]]:
    found: list[tuple[float, Group]] = []
    tested: set[frozenset[int]] = set()
    for group in sorted(groups, key=lambda group: len(group.hosts)):
        inside = [one for one in data if one.host in group.hosts]
        outside = [one for one in data if one.host not in group.hosts]
        # of two groups that are all hosts between them the smaller is the exception
        halves = frozenset(frozenset(map(id, half)).__hash__() for half in (inside, outside))
        if halves in tested:
            continue
        p = _p(inside, outside)
        if p is not None:
            tested.add(halves)
            found.append((p, group))
    return found


def _p(inside: list[Any], outside: list[Any]) -> float | None:
    """The p value of a test of two samples; None where there is too little to tell."""
    if min(len(inside), len(outside)) < FEWEST_APART:
        return None
    if isinstance(inside[0], Outcome):
        hits = [sum(one.hit for one in side) for side in (inside, outside)]
        table = [[hits[0], len(inside) - hits[0]], [hits[1], len(outside) - hits[1]]]
        return float(stats.fisher_exact(np.array(table)).pvalue)
    first, second = durations(inside), durations(outside)
    if min(len(first.observed), len(second.observed)) < FEWEST_APART:
        return None
    if len(first.censored) or len(second.censored):
        return float(stats.logrank(first.for_scipy(), second.for_scipy()).pvalue)
    distinct = len(np.unique(np.concatenate([first.observed, second.observed])))
    if distinct == 1:
        return 1.0
    if 2 * distinct < len(first) + len(second):
        return float(stats.mannwhitneyu(first.observed, second.observed).pvalue)
    return float(stats.cramervonmises_2samp(first.observed, second.observed).pvalue)
