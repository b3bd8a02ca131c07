"""Figures of a sweep's table: what is drawn is what the table holds, on axes in the right units."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from sim import plot
from tests.plot.test_style import lightness

UNITS = {"tick": "s", "value": "s"}


def table(**columns: list) -> pd.DataFrame:
    """A row per combination of the settings' values; the value is an hour more for each next one."""
    rows = pd.DataFrame(list(product(*columns.values())), columns=list(columns))
    rows["value"] = 3600.0 * np.arange(1, len(rows) + 1)
    return rows.assign(low=rows["value"] - 600.0, high=rows["value"] + 600.0)


def test_a_line_over_a_number_with_a_band():
    drawn = table(tick=[60.0, 15.0, 30.0])
    axes = plot.response(drawn, ["tick"], title="p99 of $stable$", label="mean", units=UNITS)
    [line] = axes.get_lines()
    assert line.get_xdata().tolist() == [15.0, 30.0, 60.0]
    assert line.get_ydata().tolist() == [7200.0, 10800.0, 3600.0]
    [band] = axes.collections
    inside = band.get_paths()[0].vertices
    assert {6600.0, 7800.0, 11400.0, 4200.0} <= set(inside[:, 1])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("tick (s)", "mean (h)")
    assert axes.get_title() == "p99 of $stable$"
    # an hour is called 1
    assert axes.yaxis.get_major_formatter()(3600.0, None) == "1"


def test_a_heat_map_over_two_numbers():
    axes = plot.response(table(tick=[15.0, 60.0], hosts=[10, 20, 30]), ["tick", "hosts"], units=UNITS)
    [mesh] = axes.collections
    assert mesh.get_array().tolist() == [[3600.0, 14400.0], [7200.0, 18000.0], [10800.0, 21600.0]]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["15s", "1m"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["10", "20", "30"]
    assert sorted(text.get_text() for text in axes.texts) == ["1h", "2h", "3h", "4h", "5h", "6h"]
    cells = {text.get_text(): text for text in axes.texts}
    for text, value in (("1h", 3600.0), ("6h", 21600.0)):
        ground = tuple(float(part) for part in mesh.to_rgba(value)[:3])
        assert abs(lightness(ground) - lightness(to_rgb(cells[text].get_color()))) > 50
    [bar] = [other for other in axes.figure.axes if other is not axes]
    assert bar.get_ylabel() == "value (h)"


def test_a_heat_map_darkens_steadily():
    """So it can be read without colour."""
    axes = plot.response(table(tick=[*range(5)], hosts=[*range(5)]), ["tick", "hosts"])
    [mesh] = axes.collections
    shades = [lightness(tuple(mesh.to_rgba(value)[:3])) for value in np.linspace(3600, 25 * 3600, 20)]
    assert shades == sorted(shades)
    assert shades[-1] - shades[0] > 70


def test_two_numbers_that_are_no_grid_are_points():
    scattered = table(tick=[15.0, 60.0], hosts=[10, 20]).iloc[:3]
    axes = plot.response(scattered, ["tick", "hosts"], units=UNITS)
    [points] = axes.collections
    assert points.get_offsets().tolist() == [[15.0, 10.0], [15.0, 20.0], [60.0, 10.0]]
    assert points.get_array().tolist() == [3600.0, 7200.0, 10800.0]


def test_a_line_for_each_word():
    axes = plot.response(table(rule=["converged", "strict"], tick=[15.0, 60.0]), ["rule", "tick"], units=UNITS)
    assert [line.get_ydata().tolist() for line in axes.get_lines()] == [[3600.0, 7200.0], [10800.0, 14400.0]]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["converged", "strict"]
    assert axes.get_legend().get_title().get_text() == "rule"
    looks = {(line.get_marker(), line.get_linestyle()) for line in axes.get_lines()}
    assert len(looks) == 2
    assert axes.get_xlabel() == "tick (s)"


def test_points_with_intervals_for_words():
    axes = plot.response(table(rule=["converged", "strict"]), ["rule"])
    [points] = axes.get_lines()
    assert (points.get_xdata().tolist(), points.get_ydata().tolist()) == ([0.0, 1.0], [3600.0, 7200.0])
    [bars] = axes.collections
    assert [segment[:, 1].tolist() for segment in bars.get_segments()] == [[3000.0, 4200.0], [6600.0, 7800.0]]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["converged", "strict"]


def test_two_settings_of_words_stand_side_by_side():
    axes = plot.response(table(rule=["a", "b"], on=[True, False]), ["rule", "on"])
    first, second = axes.get_lines()
    assert (first.get_ydata().tolist(), second.get_ydata().tolist()) == ([3600.0, 10800.0], [7200.0, 14400.0])
    assert (first.get_xdata() < second.get_xdata()).all()
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["True", "False"]


def test_many_settings_have_a_panel_each():
    drawn = table(tick=[15.0, 60.0], rule=["a", "b"], hosts=[1, 2], more=[1.0, 2.0])
    figure = plot.responses(drawn, ["tick", "rule", "hosts", "more"], title="all", units=UNITS)
    assert [axes.get_xlabel() for axes in figure.axes] == ["tick (s)", "rule", "hosts", "more"]
    for axes, key in zip(figure.axes, ("tick", "rule", "hosts", "more"), strict=True):
        points, means = axes.get_lines()
        assert len(points.get_xdata()) == 16
        assert means.get_ydata().tolist() == drawn.groupby(key)["value"].mean().tolist()
    plot.svg(figure)


def test_what_was_not_reached_leaves_a_gap_and_nothing_at_all_is_said():
    drawn = table(tick=[15.0, 30.0, 60.0])
    drawn.loc[1, ["value", "low", "high"]] = np.nan
    [line] = plot.response(drawn, ["tick"]).get_lines()
    assert np.isnan(line.get_ydata()).tolist() == [False, True, False]
    gone = drawn.assign(value=np.nan, low=np.nan, high=np.nan)
    for axes in (plot.response(gone, ["tick"]), *plot.responses(gone, ["tick"]).axes):
        assert [text.get_text() for text in axes.texts] == ["No run reached it."]


def test_one_point_and_equal_values_can_be_drawn():
    for drawn in (table(tick=[15.0]), table(tick=[15.0], hosts=[1]), table(rule=["a"])):
        plot.svg(plot.response(drawn, [key for key in drawn if key not in ("value", "low", "high")]))
    level = table(tick=[15.0, 60.0], hosts=[1, 2]).assign(value=5.0)
    plot.svg(plot.response(level, ["tick", "hosts"]))


def test_one_or_two_settings():
    with pytest.raises(ValueError, match="expected one or two settings, got 3"):
        plot.response(table(a=[1], b=[1], c=[1]), ["a", "b", "c"])


def test_the_same_table_gives_the_same_file():
    drawn = table(rule=["a", "b"], tick=[15.0, 60.0])
    assert plot.svg(plot.response(drawn, ["rule", "tick"])) == plot.svg(plot.response(drawn, ["rule", "tick"]))
