"""The fleet as the script draws it: per rollout each host's times of change, or, where those are many, shares per wave.

States go by the control plane's clock, as in the frame `hosts`, whose `…_at` columns are all there is to know: a host
is in each state at most once.

The slider goes from change to change of the rollout that is shown, so that a rollout of minutes can be followed in a
run of days, and a long wait for a reboot takes no more room than a busy second.
"""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sim.plot.style import STATES as LOOKS
from sim.reducer.records import STATES
from sim.report.packed import Floats, Names, numbers, ticks_per_second, times
from sim.report.phrases import main_rollout

if TYPE_CHECKING:
    from sim.result import Result

Ints = NDArray[np.int64]

MOST_CELLS = 10_000
"""Hosts of a rollout up to which each has a cell."""
MOST_BYTES = 3_000_000
"""Of all rollouts together; those that opened first are left out beyond it."""
MOST_POSITIONS = 1_000
"""Positions of the slider for one rollout, about: of more changes it shows every so manieth."""


def fleet(result: Result, names: Names) -> dict[str, Any]:
    """All the script needs to draw the fleet over time; host names are added to `names`."""
    summary = result.summary
    ended = float(summary["ended_at_s"])
    rate = ticks_per_second(ended + 1.0)
    drawn: list[dict[str, Any]] = []
    left = MOST_BYTES
    superseded = dict(zip(result.rollouts["rollout_id"], result.rollouts["superseded_at"], strict=True))
    parts = dict(iter(result.hosts.groupby("rollout_id", sort=False)))
    main = main_rollout(summary)
    # the one that is shown first, then the newest
    newest = sorted(summary["rollouts"], key=lambda one: (one is not main, -one["opened_at_s"]))
    for rollout in newest:
        part = parts.get(rollout["rollout_id"])
        if part is None or not len(part):
            continue
        stages = _stages(rollout, float(superseded[rollout["rollout_id"]]))
        moments = _moments(part, [at for at, _ in stages], ended, rate)
        one = _rollout(rollout, part, names, rate, moments)
        one |= {"stages": stages, "moments": numbers(moments)}
        left -= sum(len(text) for text in (*one["columns"].values(), one["moments"])) + 16 * one.get("named", 0)
        if left < 0 and drawn:
            break
        drawn.append(one)
    order = {rollout["rollout_id"]: number for number, rollout in enumerate(summary["rollouts"])}
    return {
        "states": list(STATES),
        "stacked": list(LOOKS),
        "colours": {state: look.colour for state, look in LOOKS.items()},
        "ended": ended,
        "rate": rate,
        "selected": main["rollout_id"] if main is not None else None,
        "left_out": len(summary["rollouts"]) - len(drawn),
        "rollouts": sorted(drawn, key=lambda one: order[one["id"]]),
    }


def _rollout(rollout: dict[str, Any], part: pd.DataFrame, names: Names, rate: float, moments: Ints) -> dict[str, Any]:
    wave = part["wave"].fillna(-1).to_numpy(dtype=np.int64)
    # hosts in no wave come last; within a wave they are by name already
    order = np.argsort(np.where(wave < 0, np.iinfo(np.int64).max, wave), kind="stable")
    wave = wave[order]
    entered = part[[f"{state.lower()}_at" for state in STATES]].to_numpy(dtype=np.float64)[order]
    entered[:, 0] = np.where(np.isnan(entered[:, 0]), rollout["opened_at_s"], entered[:, 0])
    groups, sizes = _groups(wave)
    one: dict[str, Any] = {
        "id": rollout["rollout_id"],
        "channel": rollout["channel"],
        "waves": [("in no wave" if number < 0 else f"wave {number}") for number in groups],
        "sizes": sizes,
    }
    occurring = [n for n in range(1, len(STATES)) if not np.isnan(entered[:, n]).all()]
    if len(part) <= MOST_CELLS:
        hosts = part["host"].tolist()
        columns = {"hosts": names.column([hosts[place] for place in order])}
        columns |= {STATES[n]: times(entered[:, n], rate) for n in occurring}
        return one | {"kind": "cells", "named": len(hosts), "columns": columns}
    counts = shares(entered, np.repeat(np.arange(len(sizes)), sizes), len(sizes), moments / rate)
    columns = {STATES[n]: numbers(counts[:, n, :].ravel()) for n in (0, *occurring)}
    return one | {"kind": "shares", "columns": columns}


def _moments(part: pd.DataFrame, stages: list[float], ended: float, rate: float) -> Ints:
    """The slider's positions as ticks: when something of the rollout changes, from its opening to the run's end."""
    entered = part[[f"{state.lower()}_at" for state in STATES[1:]]].to_numpy(dtype=np.float64)
    changes = np.unique(np.ceil(entered[~np.isnan(entered)] * rate))
    if len(changes) > MOST_POSITIONS:
        changes = changes[np.linspace(0, len(changes) - 1, MOST_POSITIONS).astype(np.int64)]
    kept = np.ceil(np.array([*stages, ended]) * rate)
    return np.unique(np.concatenate([changes, kept])).astype(np.int64)


def _stages(rollout: dict[str, Any], superseded_at: float) -> list[tuple[float, str]]:
    """From when on (s) a rollout is in which stage, in words, in order of time."""
    many = len(rollout["waves"])
    stages = [
        (wave["opened_at_s"], f"wave {wave['index']} is open" if many > 1 else "open")
        for wave in rollout["waves"]
        if wave["opened_at_s"] is not None
    ]
    stages = stages or [(rollout["opened_at_s"], "open")]
    if rollout["terminal_at_s"] is not None:
        stages.append((rollout["terminal_at_s"], "finished"))
    if not isnan(superseded_at):
        stages.append((superseded_at, "superseded"))
    return sorted(stages, key=lambda stage: stage[0])


def _groups(wave: Ints) -> tuple[list[int], list[int]]:
    """The waves there are, in the order of a column of them, and how many hosts each has."""
    starts = np.flatnonzero(np.diff(wave, prepend=wave[0] - 1))
    return wave[starts].tolist(), np.diff(starts, append=len(wave)).tolist()


def shares(entered: Floats, group: Ints, groups: int, positions: Floats) -> Ints:
    """Hosts per group and state at each of some times (s), from the times at which each host entered each state (NaN
    where it never did)."""
    counts = np.zeros((groups, len(STATES), len(positions)), dtype=np.int64)
    left = np.full(len(entered), np.inf)
    # from the last state back: a host leaves a state when it enters the next that it ever enters
    for state in range(len(STATES) - 1, -1, -1):
        came = entered[:, state]
        here = ~np.isnan(came)
        for number in range(groups):
            mine = here & (group == number)
            arrived = np.searchsorted(np.sort(came[mine]), positions, side="right")
            gone = np.searchsorted(np.sort(left[mine]), positions, side="right")
            counts[number, state] = arrived - gone
        left = np.where(here, came, left)
    return counts
