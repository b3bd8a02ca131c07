"""What one run leaves behind, before it is made into tables: plain columns, filled while the model runs."""

from __future__ import annotations

from struct import Struct
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from sim.reducer.index import GateHold


class Waiting(msgspec.Struct):
    """What holds a part of a stalled rollout: a gate's name (or, where no host is pending, a state's), how many
    hosts it holds, and the hosts, budget or channel behind it."""

    gate: str
    hosts: int
    culprits: list[str]


class Stall(msgspec.Struct):
    """Why a rollout of a quiescent run is not over: its wave, since when (s) all of what it waits for has held it (see
    `sim.model.stalls`), and what that is."""

    wave: int
    since: float
    waiting_for: list[Waiting]


class RolloutLog(msgspec.Struct):
    """One rollout, at the end of the run. `hosts` are host numbers in order of name; the arrays beside it align."""

    rollout_id: str
    channel: str
    ref: str
    state: str
    opened_at: float
    terminal_at: float | None
    superseded_at: float | None
    current_wave: int
    hosts: NDArray[np.int32]
    wave: NDArray[np.int32]
    """The wave the gates see: index of the first wave listing the host, 0 without waves, -1 where none lists it."""
    unchanged: NDArray[np.bool_]
    """Whether the release left the host as it was."""
    wave_count: int
    wave_opened_at: dict[int, float]
    first_dispatch_at: dict[int, float]
    deferred_at_promotion: dict[int, int]
    """Wave left behind -> how many of its hosts were `Deferred` at that moment."""
    probe_runs: NDArray[np.int64]
    probe_fails: NDArray[np.int64]
    failing_s: NDArray[np.float64]
    """Seconds in which an enforce probe's latest result was fail while the host soaked, by the agent's clock."""
    blocked_s: NDArray[np.float64]
    queued_at: NDArray[np.float64]
    """When the first dispatch of the host was queued (s); NaN where none was."""
    asked_at: float | None
    """When the planner first asked the gates about its hosts (s): the pass after the opening."""
    stall: Stall | None


class Moves(msgspec.Struct):
    """State changes of host records in order of time, by column: rollout and host by number, states by index."""

    rollout: NDArray[np.int32]
    host: NDArray[np.int32]
    source: NDArray[np.int8]
    target: NDArray[np.int8]
    at: NDArray[np.float64]


packed = Struct("=iibbd").pack
"""A row of a `MoveLog`: rollout, host, states from and to, time (s)."""
_ROW = np.dtype([("rollout", "=i4"), ("host", "=i4"), ("source", "i1"), ("target", "i1"), ("at", "=f8")])


class MoveLog:
    """Where the model appends state changes; `columns` gives them as arrays. A row is one piece of bytes: packing it
    costs less than an append per column does. The model, for which a call counts, adds `packed` rows itself."""

    def __init__(self) -> None:
        self.rows = bytearray()

    def append(self, rollout: int, host: int, source: int, target: int, at: float) -> None:
        self.rows += packed(rollout, host, source, target, at)

    def columns(self) -> Moves:
        rows = np.frombuffer(self.rows, dtype=_ROW)
        return Moves(**{name: rows[name].copy() for name in _ROW.names or ()})


class FailingTime:
    """How long the enforce probes of each (rollout, host) have failed while it soaked, by the agent's clock (s)."""

    def __init__(self) -> None:
        self._since: dict[tuple[int, int], float] = {}
        self._seconds: dict[tuple[int, int], float] = {}

    def note(self, rollout: int, host: int, failing: bool, now: float) -> None:
        """Whether an enforce probe's latest result is fail, from now (s) on."""
        key = (rollout, host)
        if failing:
            self._since.setdefault(key, now)
        elif key in self._since:
            self._seconds[key] = self._seconds.get(key, 0.0) + now - self._since.pop(key)

    def upto(self, at: float) -> dict[tuple[int, int], float]:
        """Seconds by (rollout, host) up to time `at` (s), where there are any."""
        seconds = dict(self._seconds)
        for key, since in self._since.items():
            seconds[key] = seconds.get(key, 0.0) + max(0.0, at - since)
        return seconds


class Recording(msgspec.Struct):
    """One run. Times in seconds of simulated time, but for `wall_s`. `agent` are the steps that agents made, `mirror`
    those of the control plane's mirrors. `load` has int64 counts per minute, all of one length: minute k is
    [60 k, 60 k + 60). `events` is None unless asked for."""

    scenario: str
    seed: int
    replication: int
    fidelity: str
    host_names: list[str]
    rollouts: list[RolloutLog]
    agent: Moves
    mirror: Moves
    gates: list[GateHold]
    load: dict[str, NDArray[np.int64]]
    rejected: dict[str, int]
    ended_at: float
    end: str
    wall_s: float
    simulated: int
    skipped: int
    host_steps: int
    rollout_steps: int
    events: list[dict[str, Any]] | None
