"""Designs: what is varied, which points there are, and that they are the same each time."""

from __future__ import annotations

import numpy as np
import pytest

from sim.experiment import ExperimentError
from sim.experiment.designs import combine, setting


@pytest.mark.parametrize(
    ("given", "unit", "values"),
    [
        ("converged,strict", "words", ("converged", "strict")),
        ("50, 100,200", "", (50, 100, 200)),
        ("0,0.5", "", (0, 0.5)),
        ("15s,1m,90", "s", (15.0, 60.0, 90.0)),
        ("1h30m", "s", (5400.0,)),
        ("1%,12.5%", "%", (1.0, 12.5)),
        ("never,4h", "words", ("never", "4h")),
        ("on,off", "words", (True, False)),
        ("[a,b],[a],[]", "words", ('["a","b"]', '["a"]', "[]")),
        ("never,{dist: uniform, min: 1h, max: 4h}", "words", ("never", '{"dist":"uniform","min":"1h","max":"4h"}')),
        ('"a,b",c', "words", ("a,b", "c")),
        ([1, "2h"], "s", (1.0, 7200.0)),
        (["x", None], "words", ("x", "null")),
    ],
)
def test_values(given, unit, values):
    one = setting("k", given)
    assert (one.unit, one.values, one.ends) == (unit, values, None)
    assert len(one.given) == len(values)


@pytest.mark.parametrize(
    ("given", "unit", "ends"),
    [
        ("50..400", "", (50, 400)),
        ("0.0..0.5", "", (0.0, 0.5)),
        ("15s..2m", "s", (15.0, 120.0)),
        ("1% .. 10%", "%", (1.0, 10.0)),
        ("-1..1", "", (-1, 1)),
    ],
)
def test_ranges(given, unit, ends):
    one = setting("k", given)
    assert (one.unit, one.values, one.ends) == (unit, (), ends)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "k: expected values"),
        ([], "k: expected values"),
        ("1,2,1", "k: 1 is there twice"),
        ("60s,1m", "k: 1m is there twice"),
        ("2..1", "expected a lower end"),
        ("1..1", "expected a lower end"),
        ("a..b", r"expected LOW\.\.HIGH of numbers, durations or percentages"),
        ("[1,2", "is no YAML"),
    ],
)
def test_what_is_no_values(given, said):
    with pytest.raises(ExperimentError, match=said):
        setting("k", given)


def test_a_grid_has_every_combination_the_last_setting_fastest():
    settings = [setting("a", "x,y"), setting("b", "1m,2m,3m")]
    points = combine(settings)
    assert [shown for shown, _ in points] == [{"a": a, "b": b} for a in "xy" for b in (60.0, 120.0, 180.0)]
    # the scenario gets what was written
    assert points[0][1] == {"a": "x", "b": "1m"}


@pytest.mark.parametrize("design", ["lhs", "sobol"])
def test_a_drawn_design_is_the_same_each_time_and_another_for_another_seed(design):
    settings = [setting("a", "50..400"), setting("b", "0.0..0.5"), setting("c", "x,y")]
    points = combine(settings, design, 16, seed=7)
    assert points == combine(settings, design, 16, seed=7)
    assert points != combine(settings, design, 16, seed=8)
    assert len(points) == 16


def test_a_latin_hypercube_has_one_point_in_each_slice_of_each_setting():
    settings = [setting("a", "0.0..1.0"), setting("b", "10s..20s"), setting("c", "0%..50%")]
    points = [shown for shown, _ in combine(settings, "lhs", 25, seed=3)]
    for key, low, high in (("a", 0.0, 1.0), ("b", 10.0, 20.0), ("c", 0.0, 50.0)):
        places = np.array([point[key] for point in points])
        assert places.min() >= low
        assert places.max() <= high
        slices = np.floor((places - low) / (high - low) * 25 + 1e-3).astype(int)
        assert sorted(slices.clip(0, 24)) == list(range(25))


def test_sobol_points_halve_every_setting_evenly():
    points = [shown for shown, _ in combine([setting("a", "0.0..1.0"), setting("b", "x,y")], "sobol", 32)]
    assert sum(point["a"] < 0.5 for point in points) == 16
    assert sum(point["b"] == "x" for point in points) == 16


def test_whole_numbers_stay_whole_and_both_ends_may_come():
    found = {shown["a"] for shown, _ in combine([setting("a", "1..3")], "lhs", 30)}
    assert found == {1, 2, 3}
    assert all(type(value) is int for value in found)


def test_a_percentage_is_written_as_one():
    [(shown, taken), *_] = combine([setting("a", "1%..9%")], "lhs", 2)
    assert taken["a"] == f"{shown['a']}%"


@pytest.mark.parametrize(
    ("given", "design", "points", "said"),
    [
        ({}, "grid", None, "expected settings to vary"),
        ({"a": "1..3"}, "grid", None, r"a=1\.\.3: a grid needs values, such as a=1,3"),
        ({"a": "15s..2m"}, "grid", None, r"such as a=15s,2m"),
        ({"a": "1,2"}, "grid", 5, "a number of points is for lhs and sobol"),
        ({"a": "1..3"}, "lhs", None, "needs a number of points"),
        ({"a": "1..3"}, "lhs", 1, "needs a number of points"),
        ({"a": "1..3"}, "sobol", 20, "take 16 or 32, not 20"),
        ({"a": list(range(101)), "b": list(range(100))}, "grid", None, "10,100 points, expected at most 10,000"),
    ],
)
def test_designs_that_make_no_sense(given, design, points, said):
    with pytest.raises(ExperimentError, match=said):
        combine([setting(path, values) for path, values in given.items()], design, points)


def test_a_setting_is_varied_once():
    with pytest.raises(ExperimentError, match="a is varied twice"):
        combine([setting("a", "1"), setting("a", "2")])


@pytest.mark.parametrize(
    ("text", "said"), [("90s", "1m30s"), ("12.5%", "12.5%"), ("0.25", "0.25"), ("on,off", "true"), ("x", "x")]
)
def test_values_are_said_as_they_are_written(text, said):
    one = setting("k", text)
    assert one.said(one.values[0]) == said
