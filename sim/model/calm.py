"""Soaks of which it is known when they begin that no probe run fails, so that nothing is planned but their end.

Nearly every soak is of this kind: the host is online, only its own reports move the control plane's record, and no
flake, outage or defect falls between the activation and the advance tick at which the record converges. All that
happens in between (first runs, resets by heartbeats, runs) follows from a few numbers, kept as one row per soak and
counted for all soaks at once at the end of a simulation. Should anything else happen to such a host, `relevant` makes
of its `Calm` the `Watch` that it would have had.
"""

from __future__ import annotations

from math import nan
from struct import Struct
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sim.model.clock import Due
from sim.model.fleet import Fleet
from sim.model.load import Tally
from sim.model.probes import SHORTEST
from sim.model.rollouts import Rollout
from sim.model.schedule import Passed, first_sent, last_places

if TYPE_CHECKING:
    from sim.model.host import Host

_packed = Struct("=iiddd").pack
_ROW = np.dtype([("host", "=i4"), ("rollout", "=i4"), ("since", "=f8"), ("upto", "=f8"), ("heartbeats_from", "=f8")])
"""A calm soak that is over."""


class Calm(Due, eq=False, gc=False):
    """A calm soak under way: its rollout and its begin (s). It is the event of the advance tick at which the record
    converges, at `tick_at` (s); infinite if there is none, or once it has come."""

    rollout: Rollout
    since: float
    tick_at: float


class CalmSoaks:
    """The soaks that were calm to their end, or to the end of the simulation.

    Args:
        period: from heartbeat to heartbeat (s).
        resets: whether heartbeats reset the tickers.
    """

    def __init__(self, fleet: Fleet, period: float, resets: bool):
        self._fleet = fleet
        self._period = period
        self._resets = resets
        self._rows = bytearray()

    def append(self, host: Host, soak: Calm, upto: float) -> None:
        """A soak of a host was calm up to and including `upto` (s)."""
        self._rows += _packed(host.number, soak.rollout.number, soak.since, upto, host.heartbeat_start)

    def count(self, tally: Tally, passed: Passed) -> dict[int, NDArray[np.int64]]:
        """Count the reports of all these soaks; gives for each rollout the probe runs by host number."""
        rows = np.frombuffer(self._rows, dtype=_ROW)
        host, rollout, since, upto, start = (rows[name] for name in _ROW.names or ())
        delay = np.array(self._fleet.network_delay)[host]
        # a heartbeat resets the tickers if it is under way when the control plane's record begins to soak, or later:
        # that is, if it was sent when the agent's began to, or later
        first_reset = first_sent(start, self._period, since) + 2.0 * delay if self._resets else np.full(len(host), nan)
        resets = np.zeros(len(host), dtype=np.int64)
        reset = first_reset <= upto
        resets[reset] = (upto[reset] - first_reset[reset]) // self._period + 1
        tally.moments("reports.ProbeTopologyDeclared").frombytes((since + delay).tobytes())
        step = np.full(len(host), self._period)
        tally.combs("reports.ProbeTopologyDeclared", first_reset + delay, step, resets)
        runs = np.zeros(len(host), dtype=np.int64)
        for probe, carriers in zip(self._fleet.scenario.probes, self._fleet.carriers, strict=True):
            if probe.mode == "disabled":
                continue
            here = carriers[host]
            base, first, interval = since[here], first_reset[here], max(probe.interval, SHORTEST)
            early, last = last_places(base, first, interval, self._period, upto[here])
            passed.extend(base, first, interval, early, last, delay[here])
            runs[here] += 1 + last
            first_arrival = (base + delay[here]).tobytes()
            tally.moments("reports.ProbeObservedFirst").frombytes(first_arrival)
            tally.moments("reports.ProbeResult").frombytes(first_arrival)
        hosts = len(self._fleet.names)
        of = {number: rollout == number for number in np.unique(rollout).tolist()}
        # bincount adds in floating point, which is exact for whole numbers below 2**53
        return {number: np.bincount(host[o], runs[o], hosts).astype(np.int64) for number, o in of.items()}
