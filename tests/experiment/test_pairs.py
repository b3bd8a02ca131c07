"""What pairs say of a difference: against numbers worked out by hand, and against what is known to be so."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sim.experiment.metrics import Kind, Metric
from sim.experiment.pairs import Difference, paired, variance_reduction

TIME = Metric("t", ("t",), Kind("s", "less"))
SPEED = Metric("v", ("v",), Kind("hosts/h", "more", -math.inf))


def test_worked_out_by_hand():
    found = paired([9.0, 10.0, 11.0], [18.0, 20.0, 22.0], TIME)
    assert (found.n, found.same, found.a.mean, found.b.mean, found.difference) == (3, False, 10.0, 20.0, 10.0)
    # t with two degrees of freedom is 4.302653, the differences 9, 10, 11 have a standard deviation of 1
    assert found.difference_ci95 == pytest.approx((10 - 4.302653 / math.sqrt(3), 10 + 4.302653 / math.sqrt(3)))
    assert found.ratio == 2.0
    assert found.ratio_ci95 == pytest.approx((2.0, 2.0))
    # Var a = 1, Var b = 4, Var(b - a) = 1
    assert found.variance_reduction == pytest.approx(0.8)
    # 6 runs over 1 - 0.8
    assert found.independent_runs == 30
    assert found.shown
    assert not paired([1.0, 2.0, 3.0], [2.0, 1.0, 4.0], TIME).shown


def test_the_same_values_differ_by_nothing():
    found = paired([7.1, 7.2, 7.7], [7.1, 7.2, 7.7], TIME)
    assert found.same
    assert (found.difference, found.difference_ci95) == (0.0, (0.0, 0.0))
    assert (found.ratio, found.ratio_ci95) == (1.0, (1.0, 1.0))
    assert (found.median_difference, found.variance_reduction, found.independent_runs) == (0.0, 1.0, None)


@pytest.mark.parametrize(
    ("a", "b", "reduction"),
    [
        ([1.0, 2.0], [2.0, 1.0], -1.0),  # luck of opposite sign: pairing does harm
        ([1.0, 2.0], [5.0, 6.0], 1.0),
        ([1.0, 1.0], [5.0, 5.0], None),
        ([1.0], [5.0], None),
    ],
)
def test_variance_reduction(a, b, reduction):
    assert variance_reduction(a, b) == reduction


def test_pairing_that_does_harm_costs_runs():
    assert paired([1.0, 2.0], [2.0, 1.0], TIME).independent_runs == 2


def test_independent_runs_are_as_many_as_it_takes():
    """Drawn with another luck on each side, so many runs give an interval as wide."""
    generator = np.random.default_rng(1)
    luck, own = generator.normal(size=(2, 4_000))
    found = paired(luck.tolist(), (luck + 1 + 0.5 * own).tolist(), TIME)
    assert found.independent_runs is not None
    n = found.independent_runs // 2
    a, b = generator.normal(size=n), 1 + math.hypot(1, 0.5) * generator.normal(size=n)
    low, high = found.difference_ci95
    assert low is not None and high is not None
    alone = 2 * 1.96 * math.sqrt((a.var() + b.var()) / n)
    assert alone == pytest.approx(high - low, rel=0.05)


def test_where_a_run_did_not_get_there_no_mean_is_given():
    found = paired([1.0, 2.0, 3.0], [2.0, None, 4.0], TIME)
    assert (found.difference, found.ratio, found.variance_reduction) == (None, None, None)
    assert found.difference_ci95 == found.ratio_ci95 == (None, None)
    assert (found.a.mean, found.b.mean, found.b.reached) == (2.0, None, 2)
    assert (found.a.median, found.b.median) == (2.0, 4.0)


def test_the_median_difference_knows_of_a_censored_pair_only_its_sign():
    early, late = [1.0] * 10, [3.0] * 10
    assert paired(early, [*late[:7], None, None, None], TIME).median_difference == 2.0
    low, high = paired(early, [*late[:7], None, None, None], TIME).median_difference_ci95
    # the second smallest of ten; the ninth smallest has no bound
    assert (low, high) == (0.0, None)
    low, high = paired([*early[:8], None, None], late, TIME).median_difference_ci95
    assert (low, high) == (None, 2.0)
    # a throughput that is not reached is lower than any other
    low, high = paired(early, [*late[:8], None, None], SPEED).median_difference_ci95
    assert (low, high) == (None, 2.0)


def test_pairs_of_which_neither_got_there_say_nothing():
    found = paired([1.0] * 9 + [None] * 10, [3.0] * 9 + [None] * 10, TIME)
    assert found.median_difference is None
    assert found.median_difference_ci95 == (None, None)
    assert not found.shown


def test_the_median_difference_covers():
    """Against the true median of the differences, which here is 1; censored on one side at random times."""
    generator = np.random.default_rng(2)
    hits = 0
    for _ in range(400):
        a = generator.exponential(size=25)
        b = a + generator.exponential(1 / math.log(2), size=25)
        late = [None if value > 4 else value for value in b.tolist()]
        low, high = paired(a.tolist(), late, TIME).median_difference_ci95
        hits += (low is None or low <= 1) and (high is None or high >= 1)
    assert hits >= 0.94 * 400


def test_a_difference_narrows_relative_to_the_larger_mean():
    one = Difference(TIME)
    for a, b in ((1.0, 10.0), (2.0, 12.0), (3.0, 14.0)):
        one.add(one.add_sides(a, b))
    assert one.mean == 10.0
    assert one.half_width == pytest.approx(4.302653 / math.sqrt(3))
    assert one.uncertainty == ("mean", pytest.approx(4.302653 / math.sqrt(3) / 12))


def test_a_difference_of_nothing_is_narrow():
    one = Difference(TIME)
    for a in (1.0, 2.0, 3.0):
        one.add(one.add_sides(a, a))
    assert one.width == 0.0
    nothing = Difference(TIME)
    for _ in range(3):
        nothing.add(nothing.add_sides(0.0, 0.0))
    assert nothing.width == 0.0


def test_where_runs_did_not_get_there_the_wider_side_counts():
    one = Difference(TIME)
    for a in np.linspace(1.0, 2.0, 30).tolist():
        one.add(one.add_sides(a, a if a < 1.9 else None))
    assert one.uncertainty == max((side.uncertainty for side in one.sides), key=lambda found: found[1])
    assert one.uncertainty[0] == "median"
