"""The stretches in which an agent runs, and the ticks and heartbeats of all of them, counted and not made."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.model.presence import ALWAYS_ONLINE, online_stretches
from sim.scenario.units import QUANTUM

if TYPE_CHECKING:
    from sim.model.host import Host


class Life(NamedTuple):
    """One stretch in which the agent runs (s): when its heartbeats and its advance ticks are counted from, and its
    end, infinite unless the host has gone down."""

    heartbeat_start: float
    tick_start: float
    end: float


def count_ticks(hosts: Sequence[Host], at: float, period: float) -> int:
    """How many advance ticks, one every `period` of each life, there were up to `at` (s)."""
    start = np.array([host.tick_start for host in hosts if not host.past_lives])
    rows = [(life.tick_start, life.end) for host in hosts if host.past_lives for life in host.lives()]
    restarted, end = np.array(rows).reshape(-1, 2).T
    lasted = np.append(at - start, np.minimum(end, at) - restarted)
    return int((np.maximum(lasted, 0.0) // period).sum())


def heartbeats(hosts: Sequence[Host], at: float, period: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Every heartbeat sent up to `at` (s) by a host that was online: for each stretch when the first arrives (s), the
    others following every `period`, and how many there are."""
    upto = at + QUANTUM
    # most hosts never go down or offline: of them, a column of numbers each, for a third of the time that rows take
    always = [host for host in hosts if host.presence is ALWAYS_ONLINE and not host.past_lives]
    stretches = [
        (life.heartbeat_start, life.end, begin, end, host.delay)
        for host in hosts
        if host.presence is not ALWAYS_ONLINE or host.past_lives
        for life in host.lives()
        for begin, end in online_stretches(host.presence, upto)
    ]
    columns = np.array(stretches).reshape(-1, 5).T
    start = np.append(columns[0], [host.heartbeat_start for host in always])
    life_end = np.append(columns[1], np.full(len(always), inf))
    begin = np.append(columns[2], np.zeros(len(always)))
    end = np.append(columns[3], np.full(len(always), upto))
    delay = np.append(columns[4], [host.delay for host in always])
    sent = start + np.ceil((np.maximum(begin, start) - start) / period) * period
    counts = np.maximum(np.ceil((np.minimum(end, life_end) - sent) / period), 0.0).astype(np.int64)
    return sent + delay, counts
