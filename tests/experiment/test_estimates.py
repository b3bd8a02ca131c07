"""When there are enough runs, and what is said of a metric that some runs did not reach."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from sim.experiment import intervals
from sim.experiment.estimates import AHEAD, LEAST, Enough, Narrowing, estimate
from sim.experiment.metrics import Kind, Metric

TIME = Metric("time", ("time",), Kind("s", "less"))
RATE = Metric("rate", ("rate",), Kind("hosts/h", "more", -math.inf))


def stopped_at(values: list[float | None], precision: float) -> tuple[int, Enough]:
    enough = Enough([TIME], [0], precision)
    for count, value in enumerate(values, start=1):
        if enough.add((value,)):
            return count, enough
    raise AssertionError("never enough")


def test_constant_runs_are_enough_after_the_least_and_a_look_ahead():
    assert stopped_at([5.0] * 100, 0.05)[0] == LEAST + AHEAD
    assert stopped_at([0.0] * 100, 0.05)[0] == LEAST + AHEAD


def test_it_stops_where_the_interval_has_been_narrow_for_as_many_runs_as_it_looks_ahead():
    values = np.random.default_rng(1).lognormal(0.0, 0.5, 3000).tolist()
    for precision in (0.2, 0.1, 0.05):
        count, enough = stopped_at(values, precision)
        means = [np.mean(values[:n]) for n in range(1, count + 1)]
        halves = [stats.t.ppf(0.975, n - 1) * stats.sem(values[:n]) for n in range(2, count + 1)]
        narrow = [False, *(half <= precision * mean for half, mean in zip(halves, means[1:], strict=True))]
        ahead = AHEAD * max(count, 100) // 100
        assert all(narrow[-1 - ahead :])
        assert not narrow[-2 - ahead] or count == LEAST + ahead
        assert enough.narrowing[0].mean == pytest.approx(means[-1], rel=1e-12)
        assert enough.narrowing[0].half_width == pytest.approx(halves[-1], rel=1e-9)


def test_all_judged_metrics_have_to_be_narrow_and_the_others_need_not():
    rng = np.random.default_rng(1)
    wide, narrow = rng.exponential(1.0, 2000), rng.normal(1.0, 0.01, 2000)
    counts = {}
    for judged in ([0], [1], [0, 1]):
        enough = Enough([TIME, TIME], judged, 0.1)
        rows = zip(wide.tolist(), narrow.tolist(), strict=True)
        counts[tuple(judged)] = next(n for n, row in enumerate(rows, start=1) if enough.add(row))
    assert counts[(1,)] == LEAST + AHEAD
    assert counts[(0, 1)] == counts[(0,)] > 300


@pytest.mark.parametrize("precision", [0.05, 0.1, 0.2])
def test_stopping_by_itself_covers_nearly_as_much_as_a_fixed_number(precision):
    """Looking again and again tends to stop on a streak of runs that are too much alike. What is promised is 93 % for
    metrics that vary by half their mean, as long-tailed ones do."""
    rng = np.random.default_rng(7)
    times, truth, hits = 400, math.exp(0.125), 0
    for _ in range(times):
        _, enough = stopped_at(rng.lognormal(0.0, 0.5, 1500).tolist(), precision)
        one = enough.narrowing[0]
        assert one.half_width is not None
        hits += abs(one.mean - truth) <= one.half_width
    # short of one case in a thousand
    assert stats.binomtest(hits, times, 0.93, alternative="less").pvalue > 0.001


def test_a_metric_that_some_runs_do_not_reach_is_judged_by_its_median_or_by_the_share_that_does():
    one = Narrowing(TIME)
    for value in [10.0, 11.0, 9.0, 10.5, 9.5, 10.2, None]:
        one.add(value)
    assert one.half_width is None
    assert one.uncertainty[0] == "share"  # of seven runs the interval of the median ends at the extremes
    for value in [10.0, 10.1, 9.9, 10.3] * 5:
        one.add(value)
    found = estimate(one.values, TIME)
    assert found.median is not None
    half = intervals.half_width(found.median_ci95)
    assert half is not None
    assert one.uncertainty == ("median", half / found.median)


def test_a_metric_that_is_never_reached_ends_when_its_share_is_known():
    count, _ = stopped_at([None] * 500, 0.05)
    # Wilson's interval of none of n runs is z²/(n + z²) wide
    z = stats.norm.ppf(0.975)
    first = next(n for n in range(1, 500) if z * z / (n + z * z) / 2 <= 0.05)
    assert count == first + AHEAD


def test_no_precision_is_never_enough():
    enough = Enough([TIME], [0], None)
    assert not any(enough.add((5.0,)) for _ in range(200))
    assert enough.expected() is None


def test_how_many_it_will_take():
    enough = Enough([TIME], [0], 0.1)
    assert enough.expected() is None
    values = np.random.default_rng(2).normal(1.0, 0.5, 200).tolist()
    for value in values[:40]:
        enough.add((value,))
    count, _ = stopped_at(values, 0.1)
    assert enough.expected() == pytest.approx(count, rel=0.5)


def test_estimates_of_a_metric_that_is_always_reached():
    values = [float(value) for value in range(1, 101)]
    found = estimate(values, TIME)
    assert (found.n, found.reached, found.reached_share) == (100, 100, 1.0)
    assert (found.mean, found.median, found.p90, found.p99) == (50.5, 50.0, 90.0, 99.0)
    assert found.mean_ci95 == pytest.approx(
        (50.5 - 1.984217 * np.std(values, ddof=1) / 10, 50.5 + 1.984217 * np.std(values, ddof=1) / 10), rel=1e-6
    )
    assert found.median_ci95 == (40.0, 61.0)
    assert found.p99_ci95 == (97.0, None)  # a hundred runs say nothing of what one in a hundred is below


def test_estimates_of_a_metric_that_is_not_always_reached():
    found = estimate([*map(float, range(1, 81)), *[None] * 20], TIME)
    assert (found.reached, found.reached_share) == (80, 0.8)
    assert found.reached_ci95 == pytest.approx((0.7112, 0.8666), abs=1e-4)
    assert (found.mean, found.mean_ci95) == (None, None)
    assert (found.median, found.p90, found.p99) == (50.0, None, None)
    throughput = estimate([*map(float, range(1, 81)), *[None] * 20], RATE)
    assert (throughput.median, throughput.p90, throughput.p99) == (30.0, 70.0, 79.0)
