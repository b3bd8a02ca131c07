"""What is drawn is what the frames say, read back from the artists."""

from __future__ import annotations

import time

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle, StepPatch

from sim import plot
from sim.plot.style import ELIGIBLE, GATES, PHASES, STATES
from sim.plot.thin import PER_INCH
from sim.reducer.records import STATES as ORDER

FIGURES = {
    name: getattr(plot, name)
    for name in (
        "states_over_time",
        "waves",
        "time_to_converged",
        "converged_share",
        "blocked_by_gate",
        "control_plane_load",
    )
}
OF_A_ROLLOUT = [name for name in FIGURES if name != "control_plane_load"]
KINDS = [
    *("plain", "deferred", "superseded", "chain", "failed", "reverted", "no release", "one host", "no waves"),
    *("nothing converged", "horizon", "at once over", "unchanged", "odd names", "many waves", "weeks"),
]


def held(x, y, at) -> np.ndarray:
    """The values of a step curve at times at or after its first point."""
    return np.asarray(y)[np.searchsorted(x, at, side="right") - 1]


def words(axes: Axes) -> list[str]:
    legend = axes.get_legend()
    return [text.get_text() for text in legend.get_texts()] if legend else []


def areas(axes: Axes) -> dict[str, StepPatch]:
    """The areas of a stack by state, bottom first."""
    named = {to_hex(look.colour): state for state, look in STATES.items()}
    found = [(named[to_hex(patch.get_facecolor())], patch) for patch in axes.patches if isinstance(patch, StepPatch)]
    assert len(dict(found)) == len(found)
    return dict(reversed(found))


def assert_same_curve(axes: Axes, drawn, at, values) -> None:
    """A drawn step curve, its points and where it ends, is one of a frame but for what no column of pixels shows:
    every point is exact, and between them it is what the frame has within a column."""
    (x, y, end), at, values = drawn, np.asarray(at), np.asarray(values)
    assert (x[0], y[0]) == (at[0], pytest.approx(values[0]))
    assert y == pytest.approx(held(at, values, x))
    assert y[-1] == pytest.approx(values[-1])
    assert end >= at[-1]
    width = (axes.get_xlim()[1] - axes.get_xlim()[0]) / 1_000
    before, after = np.searchsorted(at, at - width, side="right") - 1, np.searchsorted(at, at + width, side="right")
    shown = held(x, y, at)
    for number in np.flatnonzero(~np.isclose(shown, values)):
        near = values[max(before[number], 0) : after[number]]
        assert near.min() - 1e-9 <= shown[number] <= near.max() + 1e-9


def points(line) -> tuple[np.ndarray, np.ndarray, float]:
    """The points of a line of steps, and where it ends."""
    x, y = (np.asarray(part, dtype=float) for part in line.get_data())
    assert line.get_drawstyle() == "steps-post"
    assert y[-1] == y[-2]
    return x[:-1], y[:-1], x[-1]


def assert_stack(axes: Axes, at, frame) -> None:
    """The areas are the counts of a frame, one upon the other, of all the states that occur."""
    found = areas(axes)
    assert set(found) == {state for state in ORDER if np.any(frame[state])}
    below = np.zeros(len(at))
    for state, patch in found.items():
        below = below + np.asarray(frame[state])
        values, edges, _ = patch.get_data()
        assert_same_curve(axes, (edges[:-1], values, edges[-1]), at, below)


# -- every figure


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_run_gives_a_figure(run_of, kind, name):
    """No error, and no warning, which pytest turns into one; every number drawn is one."""
    result = run_of(kind)
    axes = FIGURES[name](result)
    axes.figure.canvas.draw()
    said = [axes.get_title(), *words(axes), *(text.get_text() for text in axes.texts)]
    assert not any("nan" in text.lower() or "inf" in text.split() for text in said)
    assert axes.get_title()
    for line in axes.lines:
        assert np.isfinite(np.asarray(line.get_data(), dtype=float)).all()
    for patch in axes.patches:
        assert np.isfinite(patch.get_path().vertices).all()
    if kind == "no release" and name != "control_plane_load":
        assert [text.get_text() for text in axes.texts] == ["The run has no rollout."]


@pytest.mark.parametrize("name", FIGURES)
def test_axes_that_are_given_are_used_and_returned(run_of, name):
    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert FIGURES[name](run_of("deferred"), right) is right
    assert FIGURES[name](run_of("deferred"), axes=right) is right
    assert figure.axes == [left, right]
    assert not left.has_data()


@pytest.mark.parametrize("name", FIGURES)
def test_without_axes_a_figure_is_made_that_a_notebook_shows(run_of, name):
    axes = FIGURES[name](run_of("plain"))
    assert isinstance(axes, Axes)
    assert axes.figure.axes == [axes]
    axes.figure.canvas.draw()
    assert axes.figure._repr_svg_() == plot.svg(axes)


@pytest.mark.parametrize("name", OF_A_ROLLOUT)
def test_an_unknown_rollout_is_refused_by_name(run_of, name):
    with pytest.raises(ValueError, match="no rollout is called 'c@r9'; there are c@r1, c@r2, c@r3"):
        FIGURES[name](run_of("superseded"), rollout_id="c@r9")
    with pytest.raises(ValueError, match="there is none"):
        FIGURES[name](run_of("no release"), rollout_id="c@r9")


@pytest.mark.parametrize("name", OF_A_ROLLOUT[1:])
def test_the_rollout_that_opened_last_is_drawn_if_none_is_named(run_of, name):
    assert "c@r3" in FIGURES[name](run_of("superseded")).get_title()
    assert "c@r1" in FIGURES[name](run_of("superseded"), rollout_id="c@r1").get_title()


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("kind", ["deferred", "chain", "reverted", "many waves"])
def test_a_legend_covers_no_data(run_of, kind, name):
    axes = FIGURES[name](run_of(kind))
    axes.figure.canvas.draw()
    legend = axes.get_legend()
    if legend is not None:
        inside = axes.get_window_extent()
        beside = legend.get_window_extent()
        assert beside.x0 >= inside.x1
        assert beside.x1 <= axes.figure.bbox.x1 + 1


@pytest.mark.parametrize("name", FIGURES)
def test_axes_are_labelled_with_units(run_of, name):
    axes = FIGURES[name](run_of("deferred"))
    assert axes.get_xlabel() in (
        "time since the start of the run (h)",
        "time since the rollout opened (h)",
        "blocked (host-hours)",
    )
    if name not in ("waves", "blocked_by_gate"):
        assert axes.get_ylabel()


@pytest.mark.parametrize(
    ("kind", "unit", "ticks"),
    [
        ("plain", "min", ["0", "5", "10", "15", "20", "25"]),
        ("deferred", "h", [str(hour) for hour in range(9)]),
        ("nothing converged", "h", ["0", "6", "12", "18", "24"]),
        ("weeks", "days", ["0", "7", "14", "21", "28", "35"]),
    ],
)
def test_time_is_told_in_the_unit_that_fits(run_of, kind, unit, ticks):
    axes = plot.states_over_time(run_of(kind))
    axes.figure.canvas.draw()
    assert axes.get_xlabel().endswith(f"({unit})")
    low, high = axes.get_xlim()
    shown = [
        label.get_text()
        for at, label in zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)
        if low <= at <= high
    ]
    assert shown == ticks[: len(shown)]
    assert len(shown) >= min(len(ticks), 4)


# -- states_over_time


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("no release", "superseded", "unchanged")])
def test_areas_are_the_timeline(run_of, kind):
    result = run_of(kind)
    frame = result.timeline
    if result.rollouts.shape[0] > 1:
        frame = frame[frame["rollout_id"] == "b@r1"]
        axes = plot.states_over_time(result, rollout_id="b@r1")
    else:
        axes = plot.states_over_time(result)
    assert_stack(axes, frame["at"], frame)


def test_areas_of_all_rollouts_add_up(run_of):
    frame = run_of("chain").timeline
    at = np.unique(frame["at"])
    total = {
        state: sum(held(mine["at"], mine[state], at) for _, mine in frame.groupby("rollout_id")) for state in ORDER
    }
    assert_stack(plot.states_over_time(run_of("chain")), at, total)


def test_a_host_counts_in_the_newest_rollout_of_its_channel(run_of):
    result = run_of("superseded")
    frame, rollouts = result.timeline, result.rollouts
    at = np.unique(frame["at"])
    newest = np.searchsorted(rollouts["opened_at"], at, side="right") - 1
    counts = {state: np.zeros(len(at)) for state in ORDER}
    for number, name in enumerate(rollouts["rollout_id"]):
        mine = frame[frame["rollout_id"] == name]
        there = newest == number
        for state, column in counts.items():
            column[there] = held(mine["at"], mine[state], at[there])
    assert sum(counts.values()).tolist() == [40] * len(at)
    assert_stack(plot.states_over_time(result), at, counts)
    assert "a rollout opens" in words(plot.states_over_time(result))
    of_first = plot.states_over_time(result, rollout_id="c@r1")
    assert "superseded" in words(of_first)
    mine = frame[frame["rollout_id"] == "c@r1"]
    assert_stack(of_first, mine["at"], mine)


def test_the_legend_counts_the_hosts_at_the_end(run_of):
    result = run_of("reverted")
    last = result.timeline.iloc[-1]
    said = dict(text.split(": ") for text in words(plot.states_over_time(result)))
    assert {state: int(count) for state, count in said.items()} == {
        state: last[state] for state in ORDER if result.timeline[state].any()
    }


def test_areas_end_with_a_run_that_a_horizon_cut_off_and_else_with_the_axis(run_of):
    for kind, end in (("horizon", 420.0), ("plain", None)):
        axes = plot.states_over_time(run_of(kind))
        ends = {patch.get_data()[1][-1] for patch in areas(axes).values()}
        assert ends == {end or axes.get_xlim()[1]}


# -- waves


def bars(axes: Axes, table) -> dict[str, list[tuple[int, float, float]]]:
    """The bars of each look of a table: position, from, to."""
    named = {to_hex(look.colour): name for name, look in table.items()}
    found: dict[str, list[tuple[int, float, float]]] = {}
    for patch in axes.patches:
        if isinstance(patch, Rectangle) and to_hex(patch.get_facecolor()) in named and patch.get_fill():
            if patch.get_facecolor()[3] == 0:
                continue
            box = patch.get_bbox()
            name = named[to_hex(patch.get_facecolor())]
            found.setdefault(name, []).append((round(box.y0 + box.height / 2, 3), box.x0, box.x1))
    return found


def test_bars_are_the_phases_of_the_waves(run_of):
    result = run_of("deferred")
    drawn = bars(plot.waves(result), PHASES)
    waiting, dispatched, eligible = PHASES
    assert waiting not in drawn
    frame = result.waves
    expected = list(frame[["wave", "first_dispatch_at", "eligible_at"]].itertuples(index=False, name=None))
    assert np.array(drawn[dispatched]) == pytest.approx(np.array(expected))
    frame = frame[frame["eligible_at"] < frame["converged_at"]]
    assert len(frame) == 2
    expected = list(frame[["wave", "eligible_at", "converged_at"]].itertuples(index=False, name=None))
    assert np.array(drawn[eligible]) == pytest.approx(np.array(expected))


def test_a_wave_that_waits_for_its_first_dispatch_shows_it(run_of):
    result = run_of("chain")
    first = result.waves.query("rollout_id == 'b@r1'").iloc[0]
    drawn = bars(plot.waves(result), PHASES)
    assert drawn["open, nothing dispatched"] == [(0, 0.0, pytest.approx(first["first_dispatch_at"]))]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("plain", ["all converged after 5m5s", "all converged after 6m16s", "all converged after"]),
        ("reverted", ["never all eligible", "never opened", "never opened"]),
        ("horizon", ["all converged after", "not all eligible yet", "not opened yet"]),
        ("deferred", ["all converged after 5m5s", "all eligible after", "all eligible after"]),
        ("unchanged", ["all converged after", "all converged, never opened", "all converged, never opened"]),
    ],
)
def test_words_say_what_became_of_a_wave(run_of, kind, said):
    shown = [text.get_text() for text in plot.waves(run_of(kind)).texts]
    assert len(shown) == 3
    for text, beginning in zip(shown, said, strict=True):
        assert text.startswith(beginning)


def test_what_is_not_reached_goes_on_to_the_edge(run_of):
    axes = plot.waves(run_of("reverted"))
    drawn = bars(axes, PHASES)["dispatched, not all eligible"]
    assert [(place, until) for place, _, until in drawn] == [(0, pytest.approx(axes.get_xlim()[1]))]


def test_the_waves_of_a_rollout_that_is_done_fill_the_axis(run_of):
    result = run_of("superseded")
    waves, ended = result.waves, result.summary["ended_at_s"]
    first, last = (waves[waves["rollout_id"] == name] for name in ("c@r1", "c@r2"))
    left, right = plot.waves(result, rollout_id="c@r2").get_xlim()
    done = last["converged_at"].max()
    assert left == last["opened_at"].min()
    assert done < right < done + 0.03 * (done - left)
    assert right < ended
    # of one that is not, the run's end is the edge
    assert first["converged_at"].isna().any()
    assert plot.waves(result, rollout_id="c@r1").get_xlim()[1] > ended


def test_waves_are_named_with_their_hosts_and_the_first_is_at_the_top(run_of):
    axes = plot.waves(run_of("plain"))
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "wave 0\n4 hosts",
        "wave 1\n12 hosts",
        "wave 2\n24 hosts",
    ]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]


# -- time_to_converged


@pytest.mark.parametrize("kind", ["plain", "deferred", "superseded", "chain", "no waves", "horizon", "many waves"])
def test_curves_are_the_distribution_functions_of_the_waves(run_of, kind):
    result = run_of(kind)
    axes = plot.time_to_converged(result)
    rollout = result.rollouts.iloc[-1]
    steps = result.transitions.query("to == 'Converged'")
    steps = steps[steps["rollout_id"] == rollout["rollout_id"]]
    at = steps.groupby("host")["at"].min() - rollout["opened_at"]
    hosts = result.hosts[result.hosts["rollout_id"] == rollout["rollout_id"]]
    waves = hosts.groupby("wave")["host"]
    assert len(axes.lines) == len(waves)
    for line, (_, names) in zip(axes.lines, waves, strict=True):
        times = np.sort(at[at.index.isin(names)])
        at_or_before = np.searchsorted(times, np.append(0.0, times), side="right")
        assert_same_curve(axes, points(line), np.append(0.0, times), at_or_before / len(names))


def test_curves_agree_with_the_quantiles_of_the_summary(run_of):
    result = run_of("no waves")
    x, y = plot.time_to_converged(result).lines[0].get_data()
    said = result.summary["rollouts"][0]["time_to_converged_s"]
    for percent, time_s in ((50, said["p50"]), (90, said["p90"]), (100, said["p100"])):
        assert x[np.flatnonzero(np.asarray(y) >= percent / 100 - 1e-12)[0]] == pytest.approx(time_s)


def test_the_legend_says_how_many_never_converge(run_of):
    assert words(plot.time_to_converged(run_of("reverted"))) == [
        "wave 0: 4 hosts, 4 never",
        "wave 1: 12 hosts, 12 never",
        "wave 2: 24 hosts, 24 never",
    ]
    assert words(plot.time_to_converged(run_of("horizon")))[2] == "wave 2: 24 hosts, 24 not yet"
    assert words(plot.time_to_converged(run_of("plain")))[0] == "wave 0: 4 hosts"
    axes = plot.time_to_converged(run_of("reverted"))
    assert [text.get_text() for text in axes.texts] == ["No host converged."]


def test_of_many_waves_the_legend_names_some(run_of):
    axes = plot.time_to_converged(run_of("many waves"))
    assert len(axes.lines) == 40
    assert words(axes)[:2] == ["wave 0: 2 hosts", "wave 4: 2 hosts"]
    assert axes.get_legend().get_title().get_text() == "every 4th wave"


def test_hosts_in_no_wave_have_a_curve_of_their_own(run_of):
    import pandas as pd

    from sim.result import Result

    result = run_of("plain")
    hosts = result.hosts.assign(wave=pd.array([pd.NA] * 3 + [0] * 37, dtype="Int64"))
    frames = {"hosts": hosts, "rollouts": result.rollouts, "transitions": result.transitions}
    changed = Result(result.scenario, lambda: result.summary, frames.get)
    assert words(plot.time_to_converged(changed)) == ["wave 0: 37 hosts", "in no wave: 3 hosts"]


# -- converged_share


def test_shares_are_the_timeline_of_both_runs(run_of):
    loose = run_of("deferred-kernel")
    strict = run_of("deferred-kernel", "rules: {deferred: converged}", "rules: {deferred: strict}")
    axes = plot.converged_share(loose, against=strict)
    assert words(axes) == [
        "eligible, deferred=converged",
        "converged, deferred=converged",
        "eligible, deferred=strict",
        "converged, deferred=strict",
    ]
    assert len({line.get_linestyle() for line in axes.lines[:2]}) == 1
    assert axes.lines[0].get_linestyle() != axes.lines[2].get_linestyle()
    for result, (eligible, converged) in ((loose, axes.lines[:2]), (strict, axes.lines[2:])):
        frame = result.timeline
        for line, colour, hosts in (
            (converged, STATES["Converged"].colour, frame["Converged"]),
            (eligible, ELIGIBLE, frame["Converged"] + frame["Deferred"]),
        ):
            assert to_hex(line.get_color()) == colour.lower()
            assert_same_curve(axes, points(line), frame["at"], hosts / 300)


def test_times_count_from_the_opening_of_each_rollout(run_of):
    result = run_of("superseded")
    axes = plot.converged_share(result, rollout_id="c@r2")
    mine = result.timeline.query("rollout_id == 'c@r2'")
    opened = result.rollouts.set_index("rollout_id").loc["c@r2", "opened_at"]
    assert_same_curve(axes, points(axes.lines[1]), mine["at"] - opened, mine["Converged"] / 40)
    assert words(axes) == ["eligible", "converged"]


def test_the_other_run_shows_the_same_rollout_or_its_last(run_of):
    assert (
        plot.converged_share(run_of("superseded"), against=run_of("plain"), rollout_id="c@r1")
        .get_title()
        .endswith("converged, c@r1")
    )
    assert plot.converged_share(run_of("superseded"), against=run_of("plain")).get_title().endswith("c@r3 and c@r1")
    with pytest.raises(ValueError, match="no rollout is called 'c@r2'"):
        plot.converged_share(run_of("superseded"), against=run_of("plain"), rollout_id="c@r2")


def test_runs_are_called_by_what_differs_or_as_one_says(run_of):
    plain, horizon = run_of("plain"), run_of("horizon")
    assert words(plot.converged_share(plain, against=plain))[::2] == ["eligible, plain", "eligible, plain (2)"]
    assert words(plot.converged_share(plain, against=horizon, labels=["_a$b$", "b"]))[::2] == [
        "eligible, _a$b$",
        "eligible, b",
    ]
    assert words(plot.converged_share(plain, labels=["mine"])) == ["eligible, mine", "converged, mine"]
    with pytest.raises(ValueError, match="expected a label per run: 2, not 1"):
        plot.converged_share(plain, against=plain, labels=["one"])
    soon = run_of("plain", "soak: 5m", "soak: 6m")
    assert words(plot.converged_share(plain, against=soon))[0] == "eligible, plain"


def test_a_run_with_nothing_to_show_is_named_beside_one_that_has(run_of):
    for one, other in (("plain", "no release"), ("no release", "plain")):
        axes = plot.converged_share(run_of(one), against=run_of(other), labels=[one, other])
        assert len(axes.lines) == 2
        assert words(axes) == ["eligible, plain", "converged, plain", "nothing to show of no release"]
        plot.svg(axes)


def test_curves_of_a_run_that_was_cut_off_end_there(run_of):
    axes = plot.converged_share(run_of("horizon"), against=run_of("plain"))
    assert [line.get_xdata()[-1] for line in axes.lines] == [420.0, 420.0, *[axes.get_xlim()[1]] * 2]


# -- blocked_by_gate


@pytest.mark.parametrize("kind", ["plain", "chain", "many waves"])
def test_bars_are_the_gates(run_of, kind):
    result = run_of(kind)
    frame = result.gates
    frame = frame[frame["rollout_id"] == result.rollouts["rollout_id"].iloc[-1]]
    axes = plot.blocked_by_gate(result)
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == [f"wave {row.wave}: {row.gate}" for row in frame.itertuples()]
    place = dict(zip(np.round(axes.get_yticks(), 3), frame.itertuples(), strict=True))
    drawn = bars(axes, GATES)
    assert sum(len(found) for found in drawn.values()) == len(frame)
    for gate, found in drawn.items():
        for where, start, until in found:
            assert place[where].gate == gate
            assert (start, until) == (0.0, pytest.approx(place[where].blocked_s / 3600))
    if len(frame) <= 24:
        said = [text.get_text() for text in axes.texts]
        assert [text.split("(")[1] for text in said] == [
            f"{row.hosts} host{'s' * (row.hosts != 1)})" for row in frame.itertuples()
        ]


def test_no_gate_is_said_in_words(run_of):
    axes = plot.blocked_by_gate(run_of("one host"))
    assert [text.get_text() for text in axes.texts] == ["No gate held a host."]


# -- control_plane_load


@pytest.mark.parametrize("kind", ["plain", "deferred", "chain", "horizon", "no release"])
def test_lines_are_the_load(run_of, kind):
    result = run_of(kind)
    frame = result.load
    expected = {
        "event-log rows": [name for name in frame if name.startswith("event_log.")],
        "heartbeats": ["heartbeats"],
        "reports": [name for name in frame if name.startswith("reports.")],
        "dispatches": ["dispatches_queued", "dispatches_requeued"],
    }
    axes = plot.control_plane_load(result)
    for line, text, (kind_of, names) in zip(axes.lines, words(axes), expected.items(), strict=True):
        count = frame[names].sum(axis=1)
        assert text == (kind_of if count.any() else f"{kind_of} (none)")
        assert_same_curve(axes, points(line), frame["at"], count)
    assert len({str(line._dash_pattern) for line in axes.lines}) == 4


# -- large runs


@pytest.mark.parametrize("name", ["states_over_time", "time_to_converged", "converged_share", "control_plane_load"])
def test_100_000_hosts_are_drawn_in_seconds_and_in_no_more_points_than_can_be_seen(large, name):
    before = time.process_time()
    axes = FIGURES[name](large)
    plot.svg(axes)
    assert time.process_time() - before < 15
    visible = 8 * PER_INCH
    assert len(axes.lines) + len(axes.patches) + len(axes.collections) + len(axes.texts) < 10
    for line in axes.lines:
        assert len(line.get_xdata()) <= 3 * visible + 2
    for patch in axes.patches:
        assert len(patch.get_data()[0]) <= 3 * visible + 2


def test_thinned_areas_are_within_a_column_of_the_timeline(large):
    assert_stack(plot.states_over_time(large), large.timeline["at"], large.timeline)
