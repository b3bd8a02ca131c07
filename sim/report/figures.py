"""The figures of the page: each an SVG element with a caption, and a text that says in numbers what is to be seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from sim import plot
from sim.plot.load import KINDS
from sim.plot.pick import counts, rollouts
from sim.reducer.records import STATES
from sim.report.phrases import listed, main_rollout, opened, states
from sim.result.words import counted, duration, number

if TYPE_CHECKING:
    from sim.report.compare import Comparison
    from sim.result import Result

MOST = 3
"""Rollouts whose waves are drawn."""
MOST_SAID = 12
"""Waves that a text names."""


class Shown(NamedTuple):
    """A figure: its SVG element, its caption, and in words what a reader of the picture sees."""

    svg: str
    caption: str
    text: str


def figures(result: Result, comparison: Comparison | None = None) -> list[Shown]:
    """The figures of a run: of all rollouts together, and of the one that matters most; the waves also of the one that
    is shown beside another run."""
    shown = [_states(result)]
    main = main_rollout(result.summary)
    if main is not None and main["hosts"]:
        beside = comparison.shown[0] if comparison is not None and comparison.shown is not None else main
        shown += [_waves(result, rollout) for rollout in _drawn(result.summary, main, beside)]
        shown += [_time_to_converged(result, main), _gates(result, main)]
    shown.append(_load(result))
    return shown


def side_by_side(result: Result, against: Result, comparison: Comparison) -> Shown | None:
    """Shares converged over time of the rollout whose ends lie furthest apart, in both runs; None where none has a
    counterpart."""
    if comparison.shown is None:
        return None
    one, other = comparison.shown
    names = (comparison.here, comparison.there)
    axes = plot.converged_share(result, against=against, rollout_id=one["rollout_id"], labels=names)
    said = " ".join(f"{name}: {_quantiles(run)}." for name, run in zip(names, (one, other), strict=True))
    caption = f"Share of the hosts of {one['rollout_id']} that are converged, and eligible, in both runs."
    return _shown(axes, caption, f"{caption} {said}")


def _shown(axes: Axes, caption: str, text: str) -> Shown:
    return Shown(plot.svg(axes), caption, text)


def _drawn(summary: dict[str, Any], main: dict[str, Any], beside: dict[str, Any]) -> list[dict[str, Any]]:
    """The main rollout, the one beside another run, and the last of other channels, in order of opening."""
    last = {one["channel"]: one for one in summary["rollouts"] if one["hosts"]}
    last |= {beside["channel"]: beside} | {main["channel"]: main}
    others = sorted((one for one in last.values() if one not in (main, beside)), key=lambda one: -one["hosts"])
    chosen = [main, *([beside] if beside is not main else []), *others][:MOST]
    return [one for one in summary["rollouts"] if one in chosen]


def _states(result: Result) -> Shown:
    caption = "Hosts per state over time, as the control plane sees them, all rollouts together."
    at, table = counts(result, rollouts(result), until_superseded=True)
    said = []
    if len(at):
        end = max(float(result.summary["ended_at_s"]), float(at[-1]))
        for moment in np.linspace(float(at[0]), end, 5):
            row = table[np.searchsorted(at, moment, side="right") - 1]
            there = dict(zip(STATES, row.tolist(), strict=True))
            said.append(f"At {duration(float(moment))}: {states(there)}.")
    return _shown(plot.states_over_time(result), caption, " ".join([caption, *said]))


def _waves(result: Result, rollout: dict[str, Any]) -> Shown:
    name = rollout["rollout_id"]
    caption = f"The waves of {name}: from opening to first dispatch, until all hosts are eligible, until all converged."
    said = [_wave(wave) for wave in rollout["waves"][:MOST_SAID]]
    if len(rollout["waves"]) > MOST_SAID:
        said.append(f"There are {counted(len(rollout['waves']) - MOST_SAID, 'more wave')}.")
    return _shown(plot.waves(result, rollout_id=name), caption, " ".join([caption, *said]))


def _wave(wave: dict[str, Any]) -> str:
    head = f"Wave {wave['index']}, {counted(wave['hosts'], 'host')}"
    if not opened(wave):
        return f"{head}: never opened." if wave["hosts"] else f"{head}."
    since = wave["opened_at_s"]
    ends = [
        f"all {word} after {duration(max(wave[key] - since, 0.0))}" if wave[key] is not None else f"never all {word}"
        for key, word in (("eligible_at_s", "eligible"), ("converged_at_s", "converged"))
    ]
    return f"{head}: opened at {duration(since)}, {listed(ends)}."


def _time_to_converged(result: Result, rollout: dict[str, Any]) -> Shown:
    name = rollout["rollout_id"]
    caption = f"How soon the hosts of each wave of {name} converge, in time since the rollout opened."
    text = f"{caption} All waves together: {_quantiles(rollout)}."
    return _shown(plot.time_to_converged(result, rollout_id=name), caption, text)


def _quantiles(rollout: dict[str, Any]) -> str:
    reached = [
        f"{quantile[1:]} % after {duration(seconds)}"
        for quantile, seconds in rollout["time_to_converged_s"].items()
        if seconds is not None
    ]
    done = rollout["states"]["Converged"]
    return listed(reached) if reached else f"{done:,} of {counted(rollout['hosts'], 'host')} converged"


def _gates(result: Result, rollout: dict[str, Any]) -> Shown:
    name = rollout["rollout_id"]
    caption = f"Host-hours for which each gate held hosts of {name}; waiting for one's turn in a wave counts."
    frame = result.gates
    frame = frame[frame["rollout_id"] == name]
    said = [
        f"{'No wave' if pd.isna(row['wave']) else 'Wave ' + str(row['wave'])}, {row['gate']}: "
        f"{number(row['blocked_s'] / 3600)} ({counted(row['hosts'], 'host')})."
        for row in frame.head(2 * MOST_SAID).to_dict("records")
    ]
    return _shown(
        plot.blocked_by_gate(result, rollout_id=name), caption, " ".join([caption, *(said or ["No gate held one."])])
    )


def _load(result: Result) -> Shown:
    caption = "What the control plane has to do, per minute; the axis of counts is logarithmic."
    frame = result.load
    said = []
    for kind, beginnings in KINDS.items():
        columns = [name for name in frame.columns if str(name).startswith(beginnings)]
        sums = frame[columns].to_numpy(dtype=np.int64).sum(axis=1)
        if sums.any():
            at = duration(float(frame["at"].iloc[int(sums.argmax())]))
            said.append(f"Most {kind} in a minute: {int(sums.max()):,}, at {at}; in all {int(sums.sum()):,}.")
    return _shown(plot.control_plane_load(result), caption, " ".join([caption, *said]))
