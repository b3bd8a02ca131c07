"""A recording's state changes turned into one row per (rollout, host): when it entered each state, and how long it
stayed.

Rows go rollout by rollout in order of opening, hosts by name within one; the other tables of a result are sums over
these. Everything here is numpy over whole columns: a fleet of 100,000 is a few calls, not a loop.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.model.recording import Moves, Recording
from sim.reducer.records import STATES

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

PENDING, ACTIVATING, DEFERRED, SOAKING, CONVERGED, FAILED, REVERTED = range(len(STATES))


@dataclass(frozen=True)
class Tracks:
    """Arrays with one entry, or one line of a column per state of `STATES`, per (rollout, host)."""

    starts: Ints
    """Rollout r has the rows starts[r] to starts[r + 1]."""
    rollout: Ints
    host: Ints
    wave: Ints
    """The wave by the gates, -1 where the channel lists waves and the host is in none."""
    entered: Floats
    """Time (s) at which the control plane's mirror first was in each state; NaN where never."""
    stayed: Floats
    """Seconds the mirror was in each state, up to the end of the run; 0 where never."""
    state: Ints
    """The mirror's state at the end, as an index of `STATES`."""
    reached: Floats
    """Time (s) of convergence by `transitions.at`: the agent's, or the mirror's where the agent made no such step."""
    took: Floats
    """Time (s) at which the host first ran the target, likewise: it began to soak; NaN where never."""
    deferred: Floats
    """Time (s) of the first deferral, likewise."""

    def rows(self, rollout: int) -> slice:
        """The rows of a rollout."""
        return slice(int(self.starts[rollout]), int(self.starts[rollout + 1]))

    @property
    def eligible(self) -> Floats:
        """Time (s) at which the mirror first was `Converged` or `Deferred`, per row; NaN where never."""
        return np.fmin(self.entered[:, DEFERRED], self.entered[:, CONVERGED])

    @property
    def eligible_by_agent(self) -> Floats:
        """Time (s) at which the host first was ordering-eligible by `transitions.at`; NaN where never."""
        return np.fmin(self.deferred, self.reached)


def tracks(recording: Recording) -> Tracks:
    """Follow every host of every rollout through a recording."""
    rollouts = recording.rollouts
    counts = [len(rollout.hosts) for rollout in rollouts]
    starts = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64)
    of = np.repeat(np.arange(len(rollouts), dtype=np.int64), counts)
    host = _joined([rollout.hosts for rollout in rollouts], np.int64)
    total = len(host)

    find = _finder(of, host, len(recording.host_names))
    entered = np.full((total, len(STATES)), np.nan)
    entered[:, PENDING] = np.repeat([rollout.opened_at for rollout in rollouts], counts)
    moves = recording.mirror
    row = find(moves)
    # of several writes to one place the last stays: written backwards, the first move into a state counts
    entered[row[::-1], moves.target[::-1]] = moves.at[::-1]
    state = np.full(total, PENDING, dtype=np.int64)
    state[row] = moves.target

    stayed = np.zeros((total, len(STATES)))
    stayed[row, moves.source] = moves.at - entered[row, moves.source]
    everyone = np.arange(total)
    stayed[everyone, state] = np.maximum(recording.ended_at - entered[everyone, state], 0.0)

    agents = find(recording.agent)

    def first(state: int) -> Floats:
        """By `transitions.at`: the agent's first move into the state, or the mirror's where the agent made none."""
        at: Floats = entered[:, state].copy()
        moved = recording.agent.target == state
        at[agents[moved][::-1]] = recording.agent.at[moved][::-1]
        return at

    return Tracks(
        starts=starts,
        rollout=of,
        host=host,
        wave=_joined([rollout.wave for rollout in rollouts], np.int64),
        entered=entered,
        stayed=stayed,
        state=state,
        reached=first(CONVERGED),
        took=first(SOAKING),
        deferred=first(DEFERRED),
    )


class _finder:
    """Finds the row of each move's (rollout, host)."""

    def __init__(self, rollout: Ints, host: Ints, hosts: int):
        self._hosts = max(hosts, 1)
        keys = rollout * self._hosts + host
        self._order = np.argsort(keys, kind="stable")
        self._keys = keys[self._order]

    def __call__(self, moves: Moves) -> Ints:
        keys = moves.rollout.astype(np.int64) * self._hosts + moves.host
        rows: Ints = self._order[np.searchsorted(self._keys, keys)]
        return rows


def _joined(columns: list[NDArray[np.int32]], dtype: type[np.int64]) -> Ints:
    return np.concatenate(columns).astype(dtype) if columns else np.empty(0, dtype=dtype)
