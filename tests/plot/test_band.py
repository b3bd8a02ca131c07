"""The figure of a real curve against its band: what is drawn is what is given."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.colors import to_hex

from sim import plot
from sim.plot.style import ONE

REAL, LOW, MEDIAN, HIGH = ([60.0 * factor * step for step in (1, 2, 3, 4)] for factor in (1.0, 0.5, 0.9, 1.5))


def test_the_real_curve_and_its_band_are_steps_from_the_opening_on():
    axes = plot.band(REAL, LOW, MEDIAN, HIGH, title="$x$", envelope=(LOW, HIGH), leaves_at=90.0)
    real, median, *ends = axes.get_lines()
    assert real.get_xdata().tolist() == [0.0, *REAL]
    assert real.get_ydata().tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert (real.get_drawstyle(), to_hex(real.get_color())) == ("steps-post", ONE.lower())
    assert median.get_xdata().tolist() == [0.0, *MEDIAN]
    assert [end.get_xdata().tolist() for end in ends] == [[0.0, *LOW], [0.0, *HIGH]]
    area, mark = axes.collections
    corners = area.get_paths()[0].vertices
    assert set(corners[:, 0]) == {0.0, *LOW, *HIGH}
    assert (corners[:, 1].min(), corners[:, 1].max()) == (0.0, 1.0)
    # at a time between steps the band holds the shares of those that were there: 2 of 4 after 60 s at the earliest
    assert mark.get_segments()[0][0, 0] == 90.0
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "real",
        "simulated, median",
        "95 % at each share",
        "95 % of whole curves",
        "leaves them",
    ]
    assert (axes.get_title(), axes.get_xlabel()) == ("$x$", "time since the rollout opened (min)")
    assert axes.get_ylabel() == "share of the rollout's hosts (%)"
    left, right = axes.get_xlim()
    assert left == 0.0
    assert HIGH[-1] < right < 1.1 * HIGH[-1]


def test_what_is_not_reached_lies_beyond_the_frame():
    axes = plot.band(REAL, LOW, [*MEDIAN[:3], math.inf], [*HIGH[:2], math.inf, math.inf])
    _, median = axes.get_lines()
    assert median.get_xdata()[-1] > axes.get_xlim()[1]
    assert np.isfinite(axes.collections[0].get_paths()[0].vertices).all()
    assert axes.get_xlim()[1] > REAL[-1]


def test_that_nobody_got_there_is_said():
    never = [math.inf] * 4
    [words] = plot.band(never, never, never, never).texts
    assert words.get_text() == "No host got there."


def test_the_band_of_the_figure_holds_the_shares_that_the_times_give():
    axes = plot.band(REAL, LOW, MEDIAN, HIGH)
    [area] = axes.collections
    path = area.get_paths()[0]
    # after 100 s three quarters are there by the least times (30, 60, 90, 120), a quarter by the largest (90, 180 ...)
    for share, within in ((0.1, False), (0.5, True), (0.74, True), (0.8, False)):
        assert path.contains_point((100.0, share)) is within
