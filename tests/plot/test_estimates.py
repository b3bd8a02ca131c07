"""Figures of many runs: what is drawn is what is given, and what is not known is not made up."""

from __future__ import annotations

import math

import numpy as np
import pytest
from matplotlib.colors import to_hex

from sim import plot
from sim.plot.style import BARS, ONE
from tests.plot.test_style import contrast_with_white, lightness

NAN = math.nan


def lines(axes) -> list[tuple[list[float], list[float]]]:
    return [(list(line.get_xdata()), list(line.get_ydata())) for line in axes.get_lines()]


def test_bars_count_the_runs_and_the_interval_is_above_them():
    values = [3600.0 * value for value in (1, 1, 2, 2, 2, 5)]
    axes = plot.distribution(values, title="$x$", unit="s", centre=7800.0, interval=(6000.0, 9600.0))
    heights = [bar.get_height() for bar in axes.patches]
    assert sum(heights) == 6
    assert (axes.patches[0].get_x(), axes.patches[-1].get_x() + axes.patches[-1].get_width()) == (3600.0, 18000.0)
    (point, at), (ends, level) = lines(axes)
    assert (point, ends) == ([7800.0], [6000.0, 9600.0])
    assert min(*at, *level) > max(heights)
    assert axes.get_ylim()[1] > max(*at, *level)
    assert (axes.get_title(), axes.get_xlabel(), axes.get_ylabel()) == ("$x$", "value (h)", "runs")
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["mean", "95 % interval"]


def test_runs_that_did_not_get_there_are_left_out_and_an_end_that_is_not_known_is_an_arrow():
    axes = plot.distribution([1.0, 2.0, NAN, NAN], centre=2.0, interval=(1.0, None), name="median")
    assert sum(bar.get_height() for bar in axes.patches) == 2
    arrows = [line for line in axes.get_lines() if line.get_marker() == ">"]
    assert len(arrows) == 1
    assert not [line for line in axes.get_lines() if line.get_marker() == "<"]


@pytest.mark.parametrize("values", [[], [NAN, NAN]])
def test_nothing_reached_is_said(values):
    [words] = plot.distribution(values).texts
    assert words.get_text() == "No run reached it."
    if values:
        assert plot.settling([1, 2], values, values, values).texts


def test_one_value_and_no_interval():
    axes = plot.distribution([5.0], centre=5.0)
    assert [bar.get_height() for bar in axes.patches] == [1]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["mean"]


def test_an_estimate_settles_within_its_interval():
    at = np.arange(1, 21)
    half = np.concatenate([[NAN], 400.0 / at[1:]])
    axes = plot.settling(at, np.full(20, 60.0), 60.0 - half, 60.0 + half, unit="s", within=(50.0, 70.0))
    [(x, y)] = lines(axes)
    assert (x, y) == (at.tolist(), [60.0] * 20)
    band, precision = axes.collections
    assert {40.0, 80.0} <= set(band.get_paths()[0].vertices[:, 1])
    assert [segment[0][1] for segment in precision.get_segments()] == [50.0, 70.0]
    # the first intervals are wider than the frame: what matters is at the end
    low, high = axes.get_ylim()
    assert -100.0 < low < -20.0
    assert 140.0 < high < 220.0
    assert axes.get_xlabel() == "runs"


def test_an_end_that_is_not_known_goes_on_beyond_the_frame():
    axes = plot.settling([1, 2, 3], [4.0, 4.0, 5.0], [NAN, 3.0, 4.0], [NAN, NAN, NAN])
    [band] = axes.collections
    assert max(band.get_paths()[0].vertices[:, 1]) == axes.get_ylim()[1]
    assert min(band.get_paths()[0].vertices[:, 0]) == 2.0


@pytest.mark.parametrize("value", [0.0, 16.0, -3.0])
def test_what_never_changes_is_in_the_middle_of_its_frame(value):
    axes = plot.settling([1, 2], [value] * 2, [value] * 2, [value] * 2)
    low, high = axes.get_ylim()
    assert low < value < high


def test_a_forest_of_differences():
    axes = plot.differences(
        ["$sure$", "open", "unsure", "unknown", "one pair"],
        [7200.0, -7200.0, 600.0, NAN, 900.0],
        [3600.0, NAN, -600.0, NAN, NAN],
        [9000.0, -3600.0, 1800.0, NAN, NAN],
        unit="s",
    )
    assert [text.get_text() for text in axes.get_yticklabels()] == ["$sure$", "open", "unsure", "unknown", "one pair"]
    points = {line.get_ydata()[0]: line for line in axes.get_lines() if line.get_marker() == "o"}
    assert {row: line.get_xdata()[0] for row, line in points.items()} == {0: 7200.0, 1: -7200.0, 2: 600.0, 4: 900.0}
    filled = {row: to_hex(line.get_markerfacecolor()).upper() == ONE for row, line in points.items()}
    assert filled == {0: True, 1: True, 2: False, 4: False}
    spans = {y[0]: x for x, y in lines(axes) if len(x) == 2 and y[0] == y[1]}
    assert spans[0] == [3600.0, 9000.0]
    assert spans[2] == [-600.0, 1800.0]
    assert spans[1] == [axes.get_xlim()[0], -3600.0]
    assert set(spans) == {0, 1, 2}
    assert [text.get_text() for text in axes.texts] == ["not known"]
    assert axes.get_xlabel() == "difference (min)"
    # from top to bottom
    assert axes.get_ylim()[0] > axes.get_ylim()[1]


def test_no_differences_are_said():
    assert [text.get_text() for text in plot.differences([], [], [], []).texts] == ["Nothing differs."]


def test_figures_are_drawn_as_they_are_to_the_byte():
    def drawn() -> str:
        return plot.svg(plot.differences(["a"], [1.0], [NAN], [2.0]))

    assert drawn() == drawn()


def test_points_and_bars_are_told_apart_without_colour():
    assert lightness(BARS) - lightness(ONE) > 50
    assert contrast_with_white(ONE) > 4.5


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (81_600.0, 86_400.0, [22.8, 23.0, 23.2, 23.4, 23.6, 23.8, 24.0]),
        (0.0, 86_400.0, [0, 3, 6, 9, 12, 15, 18, 21, 24]),
    ],
)
def test_ticks_of_values_in_hours_are_short_numbers(low, high, expected):
    axes = plot.distribution([low, high], unit="s")
    axes.set_xlim(low, high)
    shown = [round(tick / 3600, 6) for tick in axes.get_xticks() if low <= tick <= high]
    assert shown == expected
