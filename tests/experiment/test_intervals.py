"""Intervals: the same as scipy.stats gives, the coverage that they state, and what is censored."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from sim.experiment import ExperimentError, intervals

SIZES = (1, 2, 3, 5, 10, 29, 100, 368, 369)
TIMES = 800
"""Intervals drawn to see how many cover."""


def drawn(size: int, seed: int = 1) -> list[float]:
    return np.random.default_rng(seed).lognormal(size=size).tolist()


def covers(around: intervals.Interval, value: float) -> bool:
    low, high = around
    return (low is None or low <= value) and (high is None or value <= high)


def surely(hits: int, share: float) -> bool:
    """Whether so many of `TIMES` are what a coverage of `share` gives, short of one case in a thousand."""
    return bool(stats.binomtest(hits, TIMES, share).pvalue > 0.001)


@pytest.mark.parametrize("size", SIZES[1:])
def test_the_mean_is_scipys(size):
    values = drawn(size)
    centre, around = intervals.mean(values)
    theirs = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert centre == pytest.approx(np.mean(values), rel=1e-12)
    assert around == pytest.approx((theirs.low, theirs.high), rel=1e-9)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("confidence", [0.85, 0.95])
def test_quantiles_are_scipys(size, share, confidence):
    values = drawn(size)
    found, around = intervals.quantile(values, share, confidence=confidence)
    theirs = stats.quantile_test(values, p=share).confidence_interval(confidence)
    assert found == np.quantile(values, share, method="inverted_cdf")
    assert around == tuple(None if math.isnan(end) else end for end in (theirs.low, theirs.high))


@pytest.mark.parametrize("size", SIZES)
def test_shares_are_scipys(size):
    for hits in {0, 1, size // 3, size - 1, size} & set(range(size + 1)):
        found, around = intervals.share(hits, size)
        theirs = stats.binomtest(hits, size).proportion_ci(method="wilson")
        assert found == hits / size
        assert around == pytest.approx((theirs.low, theirs.high), abs=1e-12)


@pytest.mark.parametrize("size", [10, 25, 100])
def test_shares_are_covered_as_stated_over_all_shares(size):
    """Hits are whole numbers, so no interval covers each share equally often; Wilson's does so over shares from 0 to 1
    (Brown, Cai and DasGupta, "Interval estimation for a binomial proportion", 2001). Computed, not drawn."""
    ends = [intervals.share(hits, size)[1] for hits in range(size + 1)]
    shares = np.arange(0.005, 1.0, 0.005)
    within = np.array([[low <= share <= high for low, high in ends] for share in shares])
    coverage = (stats.binom.pmf(np.arange(size + 1), size, shares[:, None]) * within).sum(axis=1)
    assert coverage.mean() == pytest.approx(0.95, abs=0.005)
    assert coverage.min() > 0.83


@pytest.mark.parametrize("size", [3, 10, 40])
def test_means_of_normal_runs_are_covered_as_stated(size):
    rng = np.random.default_rng(size)
    hits = sum(covers(intervals.mean(rng.normal(7.0, 2.0, size).tolist())[1], 7.0) for _ in range(TIMES))
    assert surely(hits, 0.95)


@pytest.mark.parametrize(("size", "share"), [(10, 0.5), (25, 0.5), (40, 0.9), (400, 0.99)])
def test_quantiles_are_covered_as_their_ranks_say(size, share):
    """The coverage is exact and the same for every distribution: it is that of the binomial ranks, at least 95 %."""
    ends = intervals.quantile(list(range(size)), share)[1]
    low = -1 if ends[0] is None else int(ends[0])
    high = size if ends[1] is None else int(ends[1])
    # the interval from the low-th to the high-th value (from 0) covers if low < how many are below <= high
    exact = stats.binom.cdf(high, size, share) - stats.binom.cdf(low, size, share)
    assert exact >= 0.95
    rng = np.random.default_rng(size)
    truth = stats.expon.ppf(share)
    hits = sum(covers(intervals.quantile(rng.exponential(size=size).tolist(), share)[1], truth) for _ in range(TIMES))
    assert surely(hits, exact)


def test_censoring_beyond_an_end_changes_nothing_below():
    values = drawn(50)
    horizon = sorted(values)[35]
    censored = [value if value <= horizon else None for value in values]
    assert intervals.quantile(censored, 0.5) == intervals.quantile(values, 0.5)
    assert intervals.quantile(censored, 0.9) == (None, (None, None))
    found, (low, high) = intervals.quantile(censored, 0.7)
    assert (found, low) == (sorted(values)[34], intervals.quantile(values, 0.7)[1][0])
    assert high is None


def test_a_throughput_that_is_not_reached_is_below_all_others():
    values = [None, None, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0]
    assert intervals.quantile(values, 0.1, beyond=-math.inf)[0] is None
    assert intervals.quantile(values, 0.5, beyond=-math.inf)[0] == 7.0
    assert intervals.quantile(values, 0.5)[0] == 9.0


def test_no_mean_of_what_was_not_always_reached():
    for refuse in (
        lambda: intervals.mean([1.0, None, 3.0]),
        lambda: intervals.paired_difference([1.0, 2.0, 3.0], [1.0, None, 3.0]),
        lambda: intervals.paired_ratio([1.0, 2.0, None], [1.0, 2.0, 3.0]),
    ):
        with pytest.raises(ExperimentError, match="1 of 3 runs ended before it was reached"):
            refuse()
    for refuse in (lambda: intervals.mean([]), lambda: intervals.share(0, 0)):
        with pytest.raises(ExperimentError, match="no runs"):
            refuse()
    with pytest.raises(ExperimentError, match="got 1 and 2"):
        intervals.paired_difference([1.0], [1.0, 2.0])


def test_one_run_has_a_mean_and_no_interval():
    assert intervals.mean([3.0]) == (3.0, (None, None))
    assert intervals.paired_ratio([2.0], [3.0]) == (1.5, (None, None))
    assert intervals.quantile([3.0], 0.5) == (3.0, (None, None))


def test_pairs_that_are_equal_differ_by_nothing_at_all():
    values = drawn(30)
    assert intervals.paired_difference(values, values) == (0.0, (0.0, 0.0))
    assert intervals.paired_ratio(values, values) == (1.0, (1.0, 1.0))


def test_the_paired_difference_is_scipys():
    a, b = drawn(20, 1), drawn(20, 2)
    theirs = stats.ttest_rel(b, a).confidence_interval(0.95)
    assert intervals.paired_difference(a, b)[1] == pytest.approx((theirs.low, theirs.high), rel=1e-9)


def test_the_paired_difference_is_covered_as_stated():
    """Sides that share most of their luck, and not in equal measure: their difference is normal all the same."""
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(TIMES):
        common = rng.normal(0.0, 2.0, 8)
        a = 10.0 + common + rng.normal(0.0, 1.0, 8)
        b = 15.0 + 1.5 * common + rng.normal(0.0, 1.0, 8)
        hits += covers(intervals.paired_difference(a.tolist(), b.tolist())[1], 5.0)
    assert surely(hits, 0.95)


def test_the_ratio_of_paired_means_is_covered_as_stated():
    rng = np.random.default_rng(3)
    hits = 0
    for _ in range(TIMES):
        common = rng.normal(0.0, 2.0, 12)
        a = 10.0 + common + rng.normal(0.0, 1.0, 12)
        b = 15.0 + 1.5 * common + rng.normal(0.0, 1.0, 12)
        hits += covers(intervals.paired_ratio(a.tolist(), b.tolist())[1], 1.5)
    assert surely(hits, 0.95)


def test_the_ends_of_the_ratio_are_where_the_difference_is_just_significant():
    a, b = drawn(15, 1), drawn(15, 2)
    _, (low, high) = intervals.paired_ratio(a, b)
    assert low is not None and high is not None
    for end in (low, high):
        ends = intervals.mean([y - end * x for x, y in zip(a, b, strict=True)])[1]
        assert min(abs(one) for one in ends if one is not None) == pytest.approx(0.0, abs=1e-12)


def test_a_ratio_to_what_may_be_zero_is_unknown():
    assert intervals.paired_ratio([-1.0, 1.0, 0.5, -0.4], [1.0, 2.0, 3.0, 4.0])[1] == (None, None)
    assert intervals.paired_ratio([0.0, 0.0], [0.0, 0.0]) == (None, (None, None))
