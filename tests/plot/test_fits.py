"""The figure of a fit: what was seen, the law beside it, and marks where durations were censored."""

from __future__ import annotations

import numpy as np
import pytest

from sim import plot
from sim.scenario.distributions import Exponential


def law(mean: float) -> Exponential:
    return Exponential(dist="exponential", mean=mean)


def test_what_was_seen_is_a_step_for_each_end_and_the_law_a_curve_of_its_quantiles():
    axes = plot.fitted([10.0, 20.0, 40.0], [30.0], law(40.0), title="$x$")
    seen, curve, marks = axes.get_lines()
    # 1/4, then 1/2; at 30 one is lost, so that the last end is all of what is left
    assert list(seen.get_xdata()) == [0.0, 10.0, 20.0, 30.0, 40.0]
    assert list(seen.get_ydata()) == pytest.approx([0.0, 0.25, 0.5, 0.5, 1.0])
    assert np.asarray(curve.get_ydata()) == pytest.approx(1.0 - np.exp(-np.asarray(curve.get_xdata()) / 40.0))
    assert (list(marks.get_xdata()), list(marks.get_ydata())) == ([30.0], [0.5])
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["seen", "95 % band", "exponential", "censored (1)"]
    assert (axes.get_title(), axes.get_xlabel(), axes.get_ylabel()) == ("$x$", "duration (s)", "share that is over")


def test_without_censored_ones_there_are_no_marks_and_the_axes_given_are_used():
    axes = plot.fitted([1.0, 2.0], [], law(1.0))
    assert plot.fitted([3600.0 * n for n in range(1, 9)], [], law(3600.0), axes=axes, label="wait") is axes
    assert "censored" not in "".join(text.get_text() for text in axes.get_legend().get_texts())
    assert axes.get_xlabel() == "wait (h)"


def test_nothing_observed_is_said():
    [words] = plot.fitted([], [5.0], law(1.0)).texts
    assert words.get_text() == "None was observed to its end."
