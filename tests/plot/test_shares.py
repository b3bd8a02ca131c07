"""Figures of a search and of a check: what is drawn is what is given."""

from __future__ import annotations

import pytest
from matplotlib.colors import to_hex

from sim import plot
from sim.plot.style import BARS, ONE

NAMES = ["$1", "2", "4", "8"]
SHARES = ([0.0, 0.5, 0.97, 1.0], [0.0, 0.3, 0.93, 0.94], [0.66, 0.7, 0.99, 1.0])
VERDICTS = ["fails", "undecided", "meets", "meets"]


def labels(axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_each_value_has_a_row_with_its_share_and_interval():
    axes = plot.shares(NAMES, *SHARES, VERDICTS, goal=0.95, margin=0.05, answer=2, title="<= 4h")
    drawn = {}
    for line in axes.get_lines():
        if line.get_marker() in ("o", "D"):
            filled = to_hex(line.get_markerfacecolor()) == ONE.lower()
            for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True):
                drawn[int(y)] = (float(x), line.get_marker(), filled)
    assert drawn == {0: (0.0, "o", False), 1: (0.5, "D", False), 2: (0.97, "o", True), 3: (1.0, "o", True)}
    [intervals] = axes.collections
    assert [[tuple(end) for end in ends] for ends in intervals.get_segments()] == [
        [(low, row), (high, row)] for row, (low, high) in enumerate(zip(*SHARES[1:], strict=True))
    ]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == NAMES
    assert axes.get_ylim()[0] > axes.get_ylim()[1]
    said = ["the answer", "share asked for", "meets", "fails", "undecided", "95 % interval", "may go either way"]
    assert labels(axes) == said
    axes.figure.canvas.draw()
    assert "100" in [tick.get_text() for tick in axes.get_xticklabels()]


def test_without_an_answer_and_a_margin_neither_is_said():
    axes = plot.shares(NAMES[:1], *([one[0]] for one in SHARES), VERDICTS[:1], goal=0.5)
    assert labels(axes) == ["share asked for", "fails", "95 % interval"]


def test_parts_are_bars_with_their_percentages():
    axes = plot.parts(["soak", "$gate"], [0.996, 0.004])
    assert [bar.get_width() for bar in axes.patches] == [0.996, 0.004]
    assert [text.get_text() for text in axes.texts] == ["100 %", "under 1 %"]
    assert axes.get_xlim()[1] > 0.996


def test_changes_stand_beside_what_is_tolerated():
    names, moved = ["a", "b", "c", "d"], ["worse", "better", "moved", "not moved"]
    axes = plot.changes(names, [0.2, -0.1, 0.06, 0.01], moved, tolerance=0.05)
    points = {line.get_marker(): (line.get_xdata()[0], line.get_ydata()[0]) for line in axes.get_lines()[1:]}
    # the two circles are told apart by their filling
    assert points == {"X": (0.2, 0), "D": (0.06, 2), "o": (0.01, 3)}
    circles = [line for line in axes.get_lines() if line.get_marker() == "o"]
    assert [to_hex(line.get_markerfacecolor()) for line in circles] == [ONE.lower(), "#ffffff"]
    [band] = axes.patches
    assert (band.get_x(), band.get_width()) == (pytest.approx(-0.05), pytest.approx(0.1))
    assert to_hex(band.get_facecolor()) == BARS.lower()
    assert labels(axes) == [*moved, "tolerated"]
    left, right = axes.get_xlim()
    assert left < -0.1
    assert right > 0.2


def test_no_changes_are_said():
    [words] = plot.changes([], [], [], tolerance=0.05).texts
    assert words.get_text() == "Nothing differs."
