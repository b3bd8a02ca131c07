"""`fidelity: full`: every tick, heartbeat and probe run of every agent is an event.

The plain reading of page 5, and the yardstick that `relevant` is held to.
"""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray
from simpy import Event

from sim.model.clock import HEARTBEAT, PROBE, TICK
from sim.model.host import Host
from sim.model.probes import ProbeRuns
from sim.model.rollouts import Rollout
from sim.model.world import World


class Every:
    """Schedules what recurs as SimPy processes: two a host and one per running ticker.

    `host.watch` is [generation of tickers, rollout that has them or None].
    """

    def __init__(self, world: World):
        self.world = world
        self.skipped = 0
        self.calm_runs: dict[int, NDArray[np.int64]] = {}

    def start(self, host: Host) -> None:
        host.watch = [0, None]
        env = self.world.clock.env
        env.process(self._ticks(host))
        env.process(self._heartbeats(host))

    def agent_stopped(self, host: Host) -> None:
        self._stop_tickers(host)

    def agent_started(self, host: Host) -> None:
        env = self.world.clock.env
        env.process(self._ticks(host))
        env.process(self._heartbeats(host))

    def came_online(self, host: Host) -> None:
        pass

    def went_offline(self, host: Host) -> None:
        pass

    def mirror_soaks(self, host: Host, rollout: Rollout, now: float) -> None:
        pass

    def reply_taken(self, host: Host) -> None:
        pass

    def review(self, host: Host) -> None:
        pass

    def became_exact(self, host: Host) -> None:
        pass

    def finish(self, at: float) -> None:
        pass

    def left_soaking(self, host: Host, rollout: Rollout, now: float) -> None:
        if host.watch[1] is rollout:
            self._stop_tickers(host)

    def _stop_tickers(self, host: Host) -> None:
        host.watch[0] += 1
        host.watch[1] = None

    def reset(self, host: Host, rollout: Rollout, now: float) -> None:
        self._stop_tickers(host)
        host.watch[1] = rollout
        generation = host.watch[0]
        host.declare_topology(rollout)
        for place, runs in enumerate(host.runs(rollout)):
            runs.ticker_failing = False
            host.observe_first(rollout, runs.probe)
            host.run_probe(rollout, runs, runs.n + 1)
            self.world.clock.env.process(self._ticker(host, rollout, runs, place, generation, now))

    def _ticks(self, host: Host) -> Generator[Event, object, None]:
        clock = self.world.clock
        restarts = len(host.past_lives)
        start, period, number = host.tick_start, self.world.settings.advance_tick, host.number
        k = 1
        while True:
            yield clock.due(start + k * period, TICK, number)
            if len(host.past_lives) != restarts:
                return
            host.advance_tick()
            k += 1

    def _heartbeats(self, host: Host) -> Generator[Event, object, None]:
        clock = self.world.clock
        restarts = len(host.past_lives)
        start, period, number = host.heartbeat_start, self.world.settings.heartbeat, host.number
        k = 0
        while True:
            yield clock.due(start + k * period, HEARTBEAT, number)
            if len(host.past_lives) != restarts:
                return
            host.send_heartbeat()
            k += 1

    def _ticker(
        self, host: Host, rollout: Rollout, runs: ProbeRuns, place: int, generation: int, start: float
    ) -> Generator[Event, object, None]:
        clock = self.world.clock
        interval, number = runs.interval, host.number
        k = 1
        while True:
            yield clock.due(start + k * interval, PROBE, number, detail=place)
            if host.watch[0] != generation:
                return
            host.run_probe(rollout, runs, runs.n + 1)
            k += 1
