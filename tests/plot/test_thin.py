"""Thinning keeps what can be seen of a step curve, and little else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.plot.thin import PER_INCH, columns, thin


@st.composite
def curves(draw) -> tuple[np.ndarray, np.ndarray]:
    """Ascending positions, some the same, and values, some of them repeated."""
    size = draw(st.integers(1, 120))
    gaps = draw(st.lists(st.sampled_from([0.0, 0.001, 0.1, 1.0, 7.0]), min_size=size, max_size=size))
    values = draw(st.lists(st.integers(-5, 5), min_size=size, max_size=size))
    return draw(st.floats(-100, 100)) + np.cumsum(gaps), np.array(values, dtype=float)


def in_columns(x: np.ndarray, y: np.ndarray, column: np.ndarray) -> dict[int, tuple[float, float, float]]:
    """Per column the least and the largest value of the step curve in it, the one it comes in with among them, and the
    last: every column from that of the first point to that of the last."""
    seen = {}
    entering = None
    for number in range(column.min(), column.max() + 1):
        inside = list(y[column == number])
        held = inside if entering is None else [entering, *inside]
        entering = held[-1]
        seen[number] = (min(held), max(held), entering)
    return seen


@given(curves(), st.integers(1, 40))
def test_thinned_curve_has_the_extremes_and_the_last_value_of_every_column(curve, count):
    x, y = curve
    kept = thin(x, y, count)
    width = (x[-1] - x[0]) / count
    column = np.clip((x - x[0]) / width, 0, count - 1).astype(int) if width > 0 else np.zeros(len(x), dtype=int)
    every = in_columns(x, y, column)
    thinned = in_columns(x[kept], y[kept], column[kept])
    assert thinned == every


@given(curves(), st.integers(1, 40))
def test_ends_stay_and_three_points_a_column_are_enough(curve, count):
    x, y = curve
    kept = thin(x, y, count)
    assert kept[0] == 0
    assert kept[-1] == len(x) - 1
    assert (np.diff(kept) > 0).all()
    assert len(kept) <= 3 * count + 1


def test_a_span_says_where_the_columns_are():
    x = np.array([0.0, 1.0, 2.0, 3.0, 100.0])
    y = np.array([0.0, 5.0, 2.0, 3.0, 4.0])
    # columns 0 to 10 and 10 to 20: what lies beyond is in the second
    assert thin(x, y, 2, (0.0, 20.0)).tolist() == [0, 1, 3, 4]
    assert thin(x, y, 1, (0.0, 20.0)).tolist() == [0, 1, 4]


def test_repeats_are_left_out():
    assert thin([0.0, 1.0, 2.0, 3.0, 4.0], [1, 1, 2, 2, 2], 100).tolist() == [0, 2, 4]


@pytest.mark.parametrize("size", [0, 1, 2])
def test_what_is_short_stays_whole(size):
    assert thin(np.arange(size), np.zeros(size), 1).tolist() == list(range(size))


def test_columns_are_those_of_the_axes():
    from matplotlib.figure import Figure

    axes = Figure(figsize=(10, 2)).add_axes((0.1, 0.1, 0.5, 0.8))
    assert columns(axes) == 5 * PER_INCH
