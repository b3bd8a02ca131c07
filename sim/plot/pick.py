"""Which rollout a figure is of, and its hosts per state over time, from the frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sim.reducer.records import STATES
from sim.result.words import some

if TYPE_CHECKING:
    from sim.result import Result

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

NO_ROLLOUT = "The run has no rollout."


@dataclass(frozen=True)
class Rollout:
    """What figures need of a rollout. Times in seconds."""

    rollout_id: str
    hosts: int
    opened_at: float
    superseded_at: float
    """NaN where it is not."""


def rollouts(result: Result) -> list[Rollout]:
    """All rollouts, in order of opening."""
    frame = result.rollouts
    return [
        Rollout(str(rollout_id), int(hosts), float(opened_at), float(superseded_at))
        for rollout_id, hosts, opened_at, superseded_at in zip(
            frame["rollout_id"], frame["hosts"], frame["opened_at"], frame["superseded_at"], strict=True
        )
    ]


def named(result: Result, rollout_id: str) -> Rollout:
    """The rollout of that id.

    Raises:
        ValueError: there is none.
    """
    found = rollouts(result)
    for rollout in found:
        if rollout.rollout_id == rollout_id:
            return rollout
    there = some([rollout.rollout_id for rollout in found])
    raise ValueError(f"no rollout is called {rollout_id!r}; there {'are ' + there if there else 'is none'}")


def last_opened(result: Result, rollout_id: str | None = None) -> Rollout | None:
    """The rollout of that id, or where none is given the one that opened last; None where the run has none.

    Raises:
        ValueError: there is no rollout of that id.
    """
    if rollout_id is not None:
        return named(result, rollout_id)
    return max(enumerate(rollouts(result)), key=lambda pair: (pair[1].opened_at, pair[0]), default=(0, None))[1]


def ended_at(result: Result) -> float:
    """When the run ended, in seconds."""
    return float(result.summary["ended_at_s"])


def counts(result: Result, chosen: list[Rollout], *, until_superseded: bool = False) -> tuple[Floats, Ints]:
    """Hosts per state over time, summed over rollouts: times of a change (s), and a line of counts for each.

    Args:
        result: the run; its frame `timeline` is read.
        chosen: the rollouts to add up.
        until_superseded: let a rollout count only until it is superseded, so that a host that has a newer target
            counts once.

    Returns:
        The times, ascending, and the counts from each on, with a column per state in the order of the reducer's
        `STATES`.
    """
    frame = result.timeline
    at = frame["at"].to_numpy(dtype=np.float64)
    table = frame[list(STATES)].to_numpy(dtype=np.int64)
    code, names = pd.factorize(frame["rollout_id"])
    by_rollout = np.argsort(code, kind="stable")
    bounds = np.searchsorted(code[by_rollout], np.arange(len(names) + 1))
    rows = {str(name): by_rollout[bounds[n] : bounds[n + 1]] for n, name in enumerate(names)}
    times: list[Floats] = []
    changes: list[Ints] = []
    for rollout in chosen:
        mine = rows.get(rollout.rollout_id, np.empty(0, dtype=np.int64))
        gone = until_superseded and np.isfinite(rollout.superseded_at)
        if gone:
            mine = mine[at[mine] < rollout.superseded_at]
        if not len(mine):
            continue
        times.append(at[mine])
        changes.append(np.diff(table[mine], axis=0, prepend=0))
        if gone:
            times.append(np.array([rollout.superseded_at]))
            changes.append(-table[mine[-1:]])
    if not times:
        return np.empty(0), np.empty((0, len(STATES)), dtype=np.int64)
    moment = np.concatenate(times)
    order = np.argsort(moment, kind="stable")
    moment = moment[order]
    total = np.cumsum(np.concatenate(changes)[order], axis=0)
    last = np.append(np.diff(moment) > 0, True)
    return moment[last], total[last]
