"""What is compared of a run, real or simulated: numbers of its rollouts, their curves, and where each wave's time went.

A worker sends these back in place of frames. A curve is the times by which each half per cent of the hosts had got
there, so it takes as much room for ten hosts as for a hundred thousand, and runs need not agree on an axis of time
before they are made.

A real log knows the control plane's clock alone and begins at any time. So both sides go by that clock, and all times
count from the opening of their rollout.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sim.experiment import metrics as named
from sim.experiment.errors import ExperimentError
from sim.experiment.metrics import Metric
from sim.experiment.points import Values
from sim.result import Result
from sim.result.summary import quantiles

Floats = NDArray[np.float64]

STEPS = 200
"""Points of a curve: the time by which each half per cent of the hosts were there, the first of them last."""
CURVES = ("converged", "eligible")
"""Hosts that have converged, and that have converged or deferred, each from the first time on."""
PARTS = ("opening_s", "gates_s", "network_s", "activating_s", "deferred_s", "soaking_s")
"""Where a wave's time goes; see `_parts`."""
DIGITS = 3
"""Decimals of a second that are kept of curves and parts."""


class Which(NamedTuple):
    """A rollout to look at: its id, the channel that paths of metrics know it by, and how many waves to look for."""

    rollout_id: str
    channel: str
    waves: int


@dataclass(frozen=True)
class Outline:
    """One rollout of one run, or with a further first axis of many. Times in seconds since its opening."""

    seen_s: Floats
    """Up to when it was seen; infinite where nothing can change any more."""
    curves: Floats
    """A line per curve, `STEPS` times; infinite where not reached."""
    begun_s: Floats
    """Of each wave when its first dispatch was queued; infinite where none was."""
    parts: Floats
    """A line per wave, a column per part; NaN where no host got so far."""


def width(which: Sequence[Which]) -> int:
    """How many values of a run are not of metrics."""
    return sum(_lengths(one.waves)[-1] for one in which)


def outline(result: Result, which: Sequence[Which], asked: Sequence[Metric], strict: bool) -> Values:
    """The values of metrics, and after them what `unpacked` takes apart; None where not reached.

    Args:
        which: rollouts of this run.
        strict: whether a wave is done when its hosts have converged, not already when they are eligible.

    Raises:
        ExperimentError: a rollout did not open.
    """
    rollouts = {one["rollout_id"]: one for one in result.summary["rollouts"]}
    absent = [one.rollout_id for one in which if one.rollout_id not in rollouts]
    if absent:
        raise ExperimentError(
            f"{absent[0]} does not open in replication {result.summary['replication']}: it is released too late for "
            "the scenario's horizon (give a longer --until), or none of its hosts has a closure"
        )
    frames = dict(list(result.hosts.groupby("rollout_id", sort=False)))
    told, packed = [], []
    for one in which:
        rollout, hosts = rollouts[one.rollout_id], frames[one.rollout_id]
        times = _times(rollout, hosts)
        told.append(_since_opening(rollout, one, times))
        packed.append(_packed(result, rollout, one, hosts, times, strict))
    values = named.measure({"replication": result.summary["replication"], "rollouts": told}, asked)
    rest = np.round(np.concatenate(packed), DIGITS)
    return values + tuple(value if math.isfinite(value) else None for value in rest.tolist())


def unpacked(rows: Floats, which: Sequence[Which]) -> list[Outline]:
    """Rollouts from the values after those of metrics, a line per run, NaN for None."""
    found, at = [], 0
    for one in which:
        ends = [at + end for end in _lengths(one.waves)]
        seen, curves, begun, parts = (rows[:, start:end] for start, end in zip([at, *ends], ends, strict=False))
        found.append(
            Outline(
                seen_s=_reached(seen[:, 0]),
                curves=_reached(curves).reshape(len(rows), len(CURVES), STEPS),
                begun_s=_reached(begun),
                parts=parts.reshape(len(rows), one.waves, len(PARTS)),
            )
        )
        at = ends[-1]
    return found


def _lengths(waves: int) -> list[int]:
    """Where each kind of value ends."""
    return list(accumulate((1, len(CURVES) * STEPS, waves, waves * len(PARTS))))


def _times(rollout: Mapping[str, Any], hosts: pd.DataFrame) -> dict[str, Floats]:
    """Of each curve the times of its hosts."""
    converged = hosts["converged_at"].to_numpy(np.float64) - rollout["opened_at_s"]
    deferred = hosts["deferred_at"].to_numpy(np.float64) - rollout["opened_at_s"]
    return {"converged": converged, "eligible": np.fmin(deferred, converged)}


def _since_opening(rollout: Mapping[str, Any], which: Which, times: Mapping[str, Floats]) -> dict[str, Any]:
    """A rollout of a summary, by the control plane's clock from its opening on, with as many waves as it is to have."""
    opened = rollout["opened_at_s"]
    waves: list[Any] = [_rebased(wave, opened) for wave in rollout["waves"][: which.waves]]
    return {
        **_rebased(rollout, opened),
        "channel": which.channel,
        **{f"time_to_{name}_s": quantiles(times[name]) for name in CURVES},
        "exposure": _rebased(rollout["exposure"], opened),
        "waves": waves + [None] * (which.waves - len(waves)),
    }


def _rebased(data: Mapping[str, Any], opened: float) -> dict[str, Any]:
    return {
        key: value - opened if key.endswith("_at_s") and value is not None else value for key, value in data.items()
    }


def _packed(
    result: Result,
    rollout: Mapping[str, Any],
    which: Which,
    hosts: pd.DataFrame,
    times: Mapping[str, Floats],
    strict: bool,
) -> Floats:
    curves = []
    for name in CURVES:
        ordered = np.sort(times[name])  # NaN last
        places = -(-np.arange(1, STEPS + 1) * len(ordered) // STEPS)
        curves.append(ordered[places - 1])
    done = times["converged" if strict else "eligible"]
    begun, parts = _parts(hosts, rollout["opened_at_s"], which.waves, done)
    return np.concatenate([[_seen(result, rollout)], *curves, begun, parts.reshape(-1)])


def _seen(result: Result, rollout: Mapping[str, Any]) -> float:
    """Up to when (s since its opening) a rollout was seen, NaN if nothing of it can change later. When it is
    superseded it is another thing."""
    if rollout["terminal_at_s"] is not None:
        return math.nan
    about = result.rollouts[result.rollouts["rollout_id"] == rollout["rollout_id"]].iloc[0]
    ends = [float(about["superseded_at"])]
    if result.summary["end"] != "quiescent":
        ends.append(result.summary["ended_at_s"])
    return float(np.fmin.reduce(ends)) - float(rollout["opened_at_s"])


def _parts(hosts: pd.DataFrame, opened: float, waves: int, done: Floats) -> tuple[Floats, Floats]:
    """When each wave began, and its parts, in seconds:

    - `opening_s`: from when the wave before was done (of wave 0: from the rollout's opening) to the first dispatch;
    - per host, on average over those that have got through it: `gates_s` from the wave's first dispatch to its own,
      `network_s` until that is acknowledged, `activating_s`, `deferred_s` and `soaking_s` in these states.

    None of them holds another: what makes one wave late is in its own parts, not in those of the waves after it.
    """
    begun, parts = np.full(waves, np.nan), np.full((waves, len(PARTS)), np.nan)
    queued = hosts["queued_at"].to_numpy(np.float64) - opened
    activating, soaking = (hosts[f"{state}_at"].to_numpy(np.float64) for state in ("activating", "soaking"))
    left = {state: (hosts["state"] != state.capitalize()).to_numpy() for state in ("activating", "soaking")}
    through = [
        (activating - opened - queued, np.isfinite(activating)),
        (hosts["activating_s"].to_numpy(np.float64), np.isfinite(activating) & left["activating"]),
        (hosts["deferred_s"].to_numpy(np.float64), np.isfinite(soaking)),
        (hosts["soaking_s"].to_numpy(np.float64), np.isfinite(soaking) & left["soaking"]),
    ]
    before = 0.0
    for wave, mine in _by_wave(hosts, waves):
        sent = mine & np.isfinite(queued)
        if sent.any():
            begun[wave] = queued[sent].min()
            parts[wave, 0] = begun[wave] - before
            parts[wave, 1] = queued[sent].mean() - begun[wave]
        for place, (seconds, there) in enumerate(through, start=2):
            if (mine & there & sent).any():
                parts[wave, place] = seconds[mine & there & sent].mean()
        if mine.any():
            before = float(done[mine].max())  # NaN if one is not
    return begun, parts


def _by_wave(hosts: pd.DataFrame, waves: int) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    number = hosts["wave"].fillna(-1).to_numpy(np.int64)
    return ((wave, number == wave) for wave in range(waves))


def _reached(values: Floats) -> Floats:
    return np.where(np.isnan(values), np.inf, values)
