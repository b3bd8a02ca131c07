"""Bands and the envelope test: how often they hold is counted, not drawn; small cases by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.experiment import ExperimentError
from sim.experiment.bands import envelope, least, prediction, rank

INF = math.inf


@pytest.mark.parametrize(("runs", "place"), [(38, 0), (39, 1), (78, 1), (79, 2), (119, 3), (199, 5), (999, 25)])
def test_which_of_the_ordered_values_end_the_band(runs, place):
    assert rank(runs) == place  # the largest l with 2 l / (n + 1) at most 5 %
    assert least() == 39
    values = np.random.default_rng(1).permutation(np.arange(1.0, runs + 1))
    if not place:
        with pytest.raises(ExperimentError, match="expected at least 39 runs, got 38"):
            prediction(values)
        return
    low, median, high = prediction(values)
    assert (low, median, high) == (place, math.ceil(runs / 2), runs + 1 - place)


@pytest.mark.parametrize("runs", [39, 50, 79, 199])
def test_of_exchangeable_values_as_many_are_within_the_band_of_the_others_as_is_said(runs):
    values = np.random.default_rng(2).normal(size=runs + 1)
    inside = sum(bool(prediction(np.delete(values, one)).holds(values[one])) for one in range(runs + 1))
    assert inside == runs + 1 - 2 * rank(runs)
    assert inside / (runs + 1) >= 0.95


def test_what_is_not_reached_is_beyond_all_that_is():
    assert tuple(prediction(np.array([*range(1, 39), INF]))) == (1.0, 20.0, INF)
    assert tuple(prediction(np.full(39, INF))) == (INF, INF, INF)


def walks(curves: int, places: int, seed: int = 3) -> np.ndarray:
    return np.cumsum(np.random.default_rng(seed).normal(size=(curves, places)), axis=1)


@pytest.mark.parametrize("runs", [39, 60])
def test_of_exchangeable_curves_each_p_comes_once_and_the_unusual_ones_leave_the_envelope(runs):
    curves = walks(runs + 1, 25)
    tests = [envelope(curves[one], np.delete(curves, one, axis=0)) for one in range(runs + 1)]
    # uniform, exactly: each of 1 / (n + 1), 2 / (n + 1) ... 1 once
    assert sorted(test.p for test in tests) == pytest.approx([(k + 1) / (runs + 1) for k in range(runs + 1)])
    for curve, test in zip(curves, tests, strict=True):
        leaves = bool(((curve < test.low) | (curve > test.high)).any())
        assert leaves == (test.p <= 0.05)


def test_by_hand():
    # places 1 and 2 of four curves. Ranks of the smallest: exp(-gap / (largest - second)), of those between:
    # j - 1 + (gap below) / (both gaps), of the largest: 4 - exp(-gap / (second largest - smallest)); then the nearer
    curves = np.array([[10.0, 0.5], [0.0, 0.0], [1.0, 1.0], [2.0, 2.0]])
    # place 1: c = 4 - exp(-8/2), exp(-1/9), 1 + 1/2, 2 + 1/9; so exp(-4), exp(-1/9), 1.5, 1.89
    # place 2: in order 0, 0.5, 1, 2: exp(-0.5/1.5), 1 + 1/2, 2 + 1/3, 4 - exp(-1/1); so 1.5, exp(-1/3), 1.67, exp(-1)
    # lowest rank, rounded up, less the mean of what is below it:
    expected = {
        0: 1 - (1 - math.exp(-4)) / 2,
        1: 1 - (2 - math.exp(-1 / 9) - math.exp(-1 / 3)) / 2,
        2: 2 - (0.5 + 1 / 3) / 2,
        3: 1 - (1 - math.exp(-1)) / 2,
    }
    order = sorted(expected, key=expected.__getitem__)
    assert order == [0, 3, 1, 2]
    for place, one in enumerate(order, start=1):
        assert envelope(curves[one], np.delete(curves, one, axis=0)).p == place / 4


def test_curves_that_are_alike_are_equally_extreme():
    assert envelope(np.zeros(3), np.zeros((39, 3))).p == 1.0
    found = envelope(np.ones(3), np.zeros((39, 3)))
    assert found.p == 1 / 40
    assert (found.low.tolist(), found.high.tolist()) == ([0.0] * 3, [0.0] * 3)


def test_a_curve_that_does_not_get_there_is_far_off_where_the_others_do():
    others = 100.0 + walks(79, 10)
    never = np.append(others[0, :5], np.full(5, INF))
    assert envelope(never, others).p == 1 / 80
    assert envelope(np.full(10, INF), np.full((79, 10), INF)).p == 1.0


def test_a_curve_that_is_far_off_at_a_few_places_is_found_among_many_that_are_extreme_somewhere():
    others = np.random.default_rng(5).normal(size=(79, 40))
    real = np.zeros(40)
    real[-4:] = 8.0
    assert envelope(real, others).p == 1 / 80


@given(st.integers(0, 2**32))
def test_neither_the_unit_nor_the_side_nor_the_order_matters(seed):
    curves = np.round(walks(41, 6, seed), 3)
    p = envelope(curves[0], curves[1:]).p
    assert envelope(-curves[0], -curves[1:]).p == p
    assert envelope(curves[0], curves[:0:-1]).p == p
    assert envelope(curves[0, ::-1], curves[1:, ::-1]).p == p
    assert envelope(curves[0] * 2 + 8, curves[1:] * 2 + 8).p == p
