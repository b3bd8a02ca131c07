"""How soon hosts converge: per wave, and one run against another."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from sim.plot.canvas import held_until, legend, prepare, say, share_axis, time_axis
from sim.plot.pick import NO_ROLLOUT, Floats, Rollout, counts, ended_at, last_opened, rollouts
from sim.plot.style import ELIGIBLE, RUNS, lines
from sim.plot.style import STATES as LOOKS
from sim.plot.thin import columns, thin
from sim.reducer.records import STATES
from sim.result.words import counted

if TYPE_CHECKING:
    from sim.result import Result
    from sim.scenario.schema import Scenario

_SECTION = re.compile(r"^(rules|control_plane|hosts\.default)\.")
MOST_NAMED = 12
"""Waves up to which the legend names each."""


def time_to_converged(result: Result, axes: Axes | None = None, rollout_id: str | None = None) -> Axes:
    """Share of each wave's hosts that have converged, over the time since the rollout opened (s): the empirical
    distribution function of the time to converged, which a host that never converges leaves below 1.

    Convergence is `at` of the frame `transitions`, the agent's own time, as in `time_to_converged_s` of the summary;
    the hosts of a wave are those of the frame `hosts`.

    Args:
        result: the run.
        axes: where to draw; a new figure if None.
        rollout_id: which rollout; the one that opened last if None.

    Raises:
        ValueError: there is no rollout of that id.
    """
    chosen = last_opened(result, rollout_id)
    axes = prepare(axes, f"Time to converged, {chosen.rollout_id}" if chosen else "Time to converged")
    share_axis(axes, "share of the wave's hosts")
    waves = _times(result, chosen) if chosen else {}
    if chosen is None or not waves:
        return say(axes, "The rollout has no host." if chosen else NO_ROLLOUT)
    end = ended_at(result) - chosen.opened_at
    edge = time_axis(axes, 0.0, end, "the rollout opened")
    end = held_until(result, 0.0, end, edge)
    width = columns(axes)
    word = "never" if result.summary["end"] == "quiescent" else "not yet"
    handles: list[Artist] = []
    labels: list[str] = []
    for (name, times), look in zip(waves.items(), lines(len(waves)), strict=True):
        reached = np.sort(times[np.isfinite(times)])
        at, share = np.append(0.0, reached), np.arange(len(reached) + 1) / len(times)
        last = np.append(np.diff(at) > 0, True)
        handles.append(_curve(axes, at[last], share[last], (0.0, end), width, color=look.colour, linestyle=look.style))
        never = len(times) - len(reached)
        labels.append(f"{name}: {counted(len(times), 'host')}" + (f", {never:,} {word}" if never else ""))
    if not any(np.isfinite(times).any() for times in waves.values()):
        axes.text(0.5, 0.5, "No host converged.", transform=axes.transAxes, ha="center", va="center")
    every = -(-len(handles) // MOST_NAMED)
    legend(axes, handles[::every], labels[::every], f"every {every}th wave" if every > 1 else None)
    return axes


def converged_share(
    result: Result,
    axes: Axes | None = None,
    against: Result | None = None,
    rollout_id: str | None = None,
    labels: Sequence[str] | None = None,
) -> Axes:
    """Share of a rollout's hosts that are converged, and, lighter, that are eligible (`Converged` or `Deferred`), over
    the time since it opened (s), from the frame `timeline`: the control plane's view; against another run with dashes.

    Both shares are of the moment: a deferred host that has rebooted is neither until its soak is over.

    Args:
        result: the run.
        axes: where to draw; a new figure if None.
        against: another run, as of the same scenario under another rule.
        rollout_id: which rollout, of both runs; where None, the one of `result` that opened last, and of `against` the
            one of the same id, or, where it has none, the one that opened last.
        labels: what to call the runs; by default what differs between their scenarios.

    Raises:
        ValueError: there is no rollout of that id, or not as many labels as runs.
    """
    runs = [result] if against is None else [result, against]
    if labels is not None and len(labels) != len(runs):
        raise ValueError(f"expected a label per run: {len(runs)}, not {len(labels)}")
    names = list(labels) if labels is not None else _labels(runs)
    picked = _pick(runs, rollout_id)
    ids = dict.fromkeys(rollout.rollout_id for rollout in picked if rollout)
    axes = prepare(axes, f"Hosts converged, {' and '.join(ids)}" if ids else "Hosts converged")
    share_axis(axes, "share of the rollout's hosts")
    drawn = [
        (run, rollout, name, dashes)
        for run, rollout, name, dashes in zip(runs, picked, names, RUNS, strict=False)
        if rollout is not None and rollout.hosts
    ]
    if not drawn:
        return say(axes, "The rollout has no host." if ids else NO_ROLLOUT)
    ends = [ended_at(run) - rollout.opened_at for run, rollout, _, _ in drawn]
    edge = time_axis(axes, 0.0, max(ends), "the rollout opened")
    width = columns(axes)
    handles: list[Artist] = []
    words: list[str] = []
    for (run, rollout, name, dashes), ended in zip(drawn, ends, strict=True):
        at, table = counts(run, [rollout])
        end = held_until(run, 0.0, ended, edge)
        converged = table[:, STATES.index("Converged")]
        eligible = converged + table[:, STATES.index("Deferred")]
        # eligible first and wide: where the two are one, the converged line has a light rim
        for what, hosts, looks in (
            ("eligible", eligible, {"color": ELIGIBLE, "linewidth": 3.5}),
            ("converged", converged, {"color": LOOKS["Converged"].colour, "linewidth": 1.5}),
        ):
            share = hosts / rollout.hosts
            span = (0.0, end)
            line = _curve(axes, at - rollout.opened_at, share, span, width, linestyle=dashes, **looks)
            handles.append(line)
            words.append(f"{what}, {name}" if len(runs) > 1 or labels else what)
    for name, found in zip(names, picked, strict=True):
        if found is None or not found.hosts:
            handles.append(Line2D([], [], linestyle="none"))
            words.append(f"nothing to show of {name}")
    legend(axes, handles, words)
    return axes


def _times(result: Result, rollout: Rollout) -> dict[str, Floats]:
    """Per wave of a rollout and host the seconds from the rollout's opening to convergence, NaN where never."""
    hosts = result.hosts
    hosts = hosts[hosts["rollout_id"] == rollout.rollout_id]
    steps = result.transitions
    steps = steps[(steps["to"] == "Converged") & (steps["rollout_id"] == rollout.rollout_id)]
    # in order of time, so the first row of a host is its first convergence
    first = steps.drop_duplicates("host").set_index("host")["at"]
    times = first.reindex(hosts["host"]).to_numpy(dtype=np.float64) - rollout.opened_at
    wave = hosts["wave"].fillna(-1).to_numpy(dtype=np.int64)
    # the hosts in no wave come last
    order = sorted(np.unique(wave).tolist(), key=lambda number: (number < 0, number))
    return {("in no wave" if number < 0 else f"wave {number}"): times[wave == number] for number in order}


def _pick(runs: Sequence[Result], rollout_id: str | None) -> list[Rollout | None]:
    """The rollout of each run that is meant."""
    first = last_opened(runs[0], rollout_id)
    picked = [first]
    for run in runs[1:]:
        same = [rollout for rollout in rollouts(run) if first and rollout.rollout_id == first.rollout_id]
        picked.append(same[0] if same else last_opened(run, rollout_id))
    return picked


def _labels(runs: Sequence[Result]) -> list[str]:
    """What differs between two runs, where that is a setting or two; else their names."""
    if len(runs) == 1:
        return [runs[0].summary["scenario"]]
    one, other = (_settings(run) for run in runs)
    differing = [key for key in {**one, **other} if one.get(key) != other.get(key)]
    if 1 <= len(differing) <= 2:
        return [
            ", ".join(f"{_SECTION.sub('', key)}={settings.get(key, 'none')}" for key in differing)
            for settings in (one, other)
        ]
    names = [str(run.summary["scenario"]) for run in runs]
    return names if names[0] != names[1] else [names[0], f"{names[1]} (2)"]


def _settings(run: Result) -> dict[str, Any]:
    """The settings of a run but for its fleet, each under its dotted name."""
    scenario: Scenario = run.scenario
    data = scenario.model_dump(exclude={"fleet", "description"})
    flat: dict[str, Any] = {}

    def flatten(value: Any, key: str) -> None:
        pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
        if pairs is None:
            flat[key] = value
        else:
            for name, inner in pairs:
                flatten(inner, f"{key}.{name}")

    for name, value in data.items():
        flatten(value, name)
    return flat | {"seed": run.summary["seed"], "replication": run.summary["replication"]}


def _curve(axes: Axes, at: Floats, share: Floats, span: tuple[float, float], width: int, **looks: Any) -> Line2D:
    """A step curve over a span (s), thinned; it holds its last value to the end."""
    kept = thin(at, share, width, span)
    x, y = np.append(at[kept], max(span[1], at[-1])), np.append(share[kept], share[-1])
    return axes.plot(x, y, drawstyle="steps-post", solid_capstyle="butt", **looks)[0]
