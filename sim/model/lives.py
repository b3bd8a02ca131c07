"""The stretches in which an agent runs, and the ticks and heartbeats of all of them, counted and not made."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sim.model.presence import ALWAYS_ONLINE, online_stretches
from sim.scenario.units import QUANTUM

if TYPE_CHECKING:
    from sim.model.host import Host


class Life:
    """One stretch in which the agent runs (s): when its heartbeats and its advance ticks are counted from, and its
    end, infinite until the host goes down."""

    __slots__ = ("end", "heartbeat_start", "tick_start")

    def __init__(self, heartbeat_start: float, tick_start: float):
        self.heartbeat_start = heartbeat_start
        self.tick_start = tick_start
        self.end = inf


def count_ticks(hosts: Sequence[Host], at: float, period: float) -> int:
    """How many advance ticks, one every `period` of each life, there were up to `at` (s)."""
    lives = [life for host in hosts for life in host.lives]
    start = np.array([life.tick_start for life in lives])
    end = np.array([life.end for life in lives])
    return int((np.maximum(np.minimum(end, at) - start, 0.0) // period).sum())


def heartbeats(hosts: Sequence[Host], at: float, period: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Every heartbeat sent up to `at` (s) by a host that was online: for each stretch when the first arrives (s), the
    others following every `period`, and how many there are."""
    upto = at + QUANTUM
    # most hosts are always online: of them, a column of numbers each, for a third of the time that rows take
    always = [(host, life) for host in hosts if host.presence is ALWAYS_ONLINE for life in host.lives]
    stretches = [
        (life.heartbeat_start, life.end, begin, end, host.delay)
        for host in hosts
        if host.presence is not ALWAYS_ONLINE
        for life in host.lives
        for begin, end in online_stretches(host.presence, upto)
    ]
    columns = np.array(stretches).reshape(-1, 5).T
    start = np.append(columns[0], [life.heartbeat_start for _, life in always])
    life_end = np.append(columns[1], [life.end for _, life in always])
    begin = np.append(columns[2], np.zeros(len(always)))
    end = np.append(columns[3], np.full(len(always), upto))
    delay = np.append(columns[4], [host.delay for host, _ in always])
    sent = start + np.ceil((np.maximum(begin, start) - start) / period) * period
    counts = np.maximum(np.ceil((np.minimum(end, life_end) - sent) / period), 0.0).astype(np.int64)
    return sent + delay, counts
