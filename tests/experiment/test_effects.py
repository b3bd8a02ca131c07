"""Shares of variance against functions whose decomposition is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from sim.experiment.designs import combine, setting
from sim.experiment.effects import effects


def of(settings, function, replications=1, noise=0.0, design="grid", points=None):
    """The effects of a function of the settings, with noise drawn for each run."""
    there = [shown for shown, _ in combine(settings, design, points)]
    generator = np.random.default_rng(1)
    response = np.array([[function(**point)] * replications for point in there], dtype=float)
    response += noise * generator.normal(size=response.shape)
    return effects(settings, there, response, full=design == "grid")


def test_an_additive_function_worked_out_by_hand():
    # variances of the main effects: 2/3 * 9 = 6 and 1
    found = of([setting("a", "0,1,2"), setting("b", "x,y")], lambda a, b: 3 * a + (2 if b == "y" else 0))
    first, second = found.ranked
    assert (first.setting, second.setting) == ("a", "b")
    assert first.share == first.total_share == pytest.approx(6 / 7)
    assert second.share == second.total_share == pytest.approx(1 / 7)
    assert (first.first, first.second, first.change) == (0, 2, 6.0)
    assert (second.first, second.second, second.change) == ("x", "y", 2.0)
    assert first.change_ci95 == (None, None)
    assert (found.rest, found.chance, found.differ) == (0.0, None, True)


def test_an_interaction_is_nobodys_alone():
    found = of([setting("a", "-1,1"), setting("b", "-1,1")], lambda a, b: a * b)
    assert [(one.share, one.total_share) for one in found.ranked] == [(0.0, 1.0), (0.0, 1.0)]
    assert found.rest == 1.0


def test_where_nothing_differs():
    found = of([setting("a", "1,2,3"), setting("b", "x,y")], lambda a, b: 0.1 + 0.2, replications=3)
    assert not found.differ
    assert [(one.share, one.total_share, one.change) for one in found.ranked] == [(0.0, 0.0, 0.0)] * 2
    assert (found.rest, found.chance) == (0.0, None)


def test_luck_that_all_points_share_is_no_effect_and_makes_none_less_sure():
    settings = [setting("a", "1,2,3")]
    luck = np.array([100.0, -50.0, 3.0, 7.0])
    there = [shown for shown, _ in combine(settings)]
    response = np.array([[point["a"] + one for one in luck] for point in there])
    found = effects(settings, there, response, full=True)
    assert found.chance == pytest.approx(0.0, abs=1e-20)
    assert found.ranked[0].change == 2.0
    assert found.ranked[0].change_ci95 == pytest.approx((2.0, 2.0))


def test_chance_is_all_there_is_where_no_setting_matters():
    found = of([setting("a", [*range(40)])], lambda a: 5.0, replications=50, noise=1.0)
    assert found.chance == pytest.approx(1.0, abs=0.35)
    assert found.ranked[0].share == pytest.approx(1.0)


def test_the_interval_of_a_change_covers():
    hits = 0
    settings = [setting("a", "0,1"), setting("b", "x,y,z")]
    there = [shown for shown, _ in combine(settings)]
    generator = np.random.default_rng(3)
    for _ in range(400):
        response = np.array([[4.0 * point["a"]] * 8 for point in there]) + generator.normal(size=(6, 8))
        [change] = [one for one in effects(settings, there, response, full=True).ranked if one.setting == "a"]
        low, high = change.change_ci95
        hits += low <= 4.0 <= high
    # 95 % of 400, within three standard errors
    assert abs(hits - 380) <= 3 * math.sqrt(400 * 0.95 * 0.05)


def test_of_three_words_the_change_is_from_the_lowest_to_the_highest():
    found = of([setting("a", "x,y,z")], lambda a: {"x": 2.0, "y": 9.0, "z": 1.0}[a])
    assert (found.ranked[0].first, found.ranked[0].second, found.ranked[0].change) == ("z", "y", 8.0)


def test_a_setting_with_one_value_does_nothing():
    found = of([setting("a", "1,2"), setting("b", "x")], lambda a, b: a)
    assert [(one.setting, one.share, one.change) for one in found.ranked] == [("a", 1.0, 1.0), ("b", 0.0, 0.0)]


@pytest.mark.parametrize(("design", "points"), [("lhs", 400), ("sobol", 256)])
def test_drawn_designs_against_scipys_own_estimate(design, points):
    """An additive function with a curve in it, by Saltelli's method and by the table alone."""
    settings = [setting("a", "0.0..1.0"), setting("b", "0.0..1.0"), setting("c", "0.0..1.0")]
    found = of(settings, lambda a, b, c: 4 * a + 3 * b**2 + 0.1 * c, design=design, points=points)
    theirs = stats.sobol_indices(
        func=lambda x: 4 * x[0] + 3 * x[1] ** 2 + 0.1 * x[2],
        n=4_096,
        dists=[stats.uniform()] * 3,
        rng=np.random.default_rng(1),
    ).first_order
    shares = {one.setting: one.share for one in found.ranked}
    assert [shares[key] for key in "abc"] == pytest.approx(theirs.tolist(), abs=0.02)
    assert found.rest == pytest.approx(0.0, abs=1e-9)
    assert all(one.total_share is None for one in found.ranked)
    changes = {one.setting: one.change for one in found.ranked}
    assert [changes[key] for key in "abc"] == pytest.approx([4.0, 3.0, 0.1], abs=1e-8)


def test_words_in_a_drawn_design():
    settings = [setting("a", "0.0..1.0"), setting("b", "x,y")]
    found = of(settings, lambda a, b: a + (5 if b == "y" else 0), design="lhs", points=40)
    assert found.ranked[0].setting == "b"
    assert found.ranked[0].change == pytest.approx(5.0)


def test_too_few_points_tell_nothing():
    settings = [setting("a", "0.0..1.0"), setting("b", "0.0..1.0")]
    assert of(settings, lambda a, b: a + b, design="lhs", points=4) is None
