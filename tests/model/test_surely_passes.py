"""What columns say of a host's probes before they run, against all of their runs one by one."""

from __future__ import annotations

import random
from math import ceil
from types import SimpleNamespace

import sim
from sim.model.fleet import Fleet
from sim.model.host import Host
from sim.model.probes import ProbeRuns
from sim.model.world import World
from sim.reducer.protocol import BuiltIn

SCENARIO = """
fleet: {{generate: {{channels: {{c: {{hosts: 300, policy: p}}}}, policies: {{p: {{waves: []}}}}}}}}
hosts: {{default: {{activation: 10s, network_delay: 500ms}}}}
probes:
  - {{name: http, interval: 15s, flake: 0.01}}
  - {{name: disk, interval: 7s, mode: observe, flake: 0.003, outage: {{up: {up}, down: 2m}}, match: {{hosts: {some}}}}}
  - {{name: never, interval: 5s, mode: disabled, flake: 1.0, outage: {{up: 1s, down: 1s}}}}
  - {{name: web, interval: 1s, outage: {{up: {up}, down: 5m}}}}
control_plane: {{phases: {phases}, heartbeat: {heartbeat}}}
releases: [{{ref: r1, defect: {{probability: 0.1, onset: 1m}}}}]
"""
DELAY = 0.5


def fails(runs: ProbeRuns, times: list[float]) -> bool:
    return any(runs.outcome(n, at) for n, at in enumerate(times, 1))


def times_of(runs: ProbeRuns, base: float, resets: list[float], until: float) -> list[float]:
    """When the runs fall that begin at `base` and anew at each reset, up to and including `until`."""
    times = []
    for begin, end in zip([base, *resets], [*resets, until + 1e-6], strict=True):
        k = 0
        while (at := begin + k * runs.interval) < end:
            times.append(at)
            k += 1
    return times


def test_a_host_that_surely_passes_has_no_failing_run(tmp_path):
    luck = random.Random(1)
    told = {True: 0, False: 0}
    for phases, heartbeat in (("random", 60.0), ("zero", 7.0)):
        path = tmp_path / f"{phases}.yaml"
        up = "{dist: exponential, mean: 1h}"
        some = [f"c-{number:05d}" for number in range(0, 300, 2)]
        path.write_text(SCENARIO.format(phases=phases, heartbeat=heartbeat, up=up, some=some))
        scenario = sim.load(path)
        fleet = Fleet(scenario, seed=3, replication=0)
        release = fleet.releases["c"][0]
        rollout = SimpleNamespace(number=0, ref="r1", release=release)
        assert {len(probes) for probes in fleet.probes} == {3, 4}
        for host in World(scenario, fleet, False, BuiltIn()).hosts:
            base = luck.choice([0.0, luck.uniform(0.0, 5_000.0)])
            until = base + luck.choice([0.0, luck.uniform(0.0, 100.0), luck.uniform(0.0, 2_000.0)])
            start = luck.uniform(0.0, heartbeat)
            host.heartbeat_start = start
            sent = [start + k * heartbeat for k in range(ceil(until / heartbeat) + 1)]
            resets = [at + 2 * DELAY for at in sent if at >= base and at + 2 * DELAY <= until]
            surely = host.world.surely_passes(host, rollout, base, until)
            told[surely] += 1
            runs = [(one, times_of(one, base, resets, until)) for one in made(host, rollout)]
            assert surely == all(says_each(one, times, until) for one, times in runs)
            if surely:
                assert not any(fails(one, times) for one, times in runs)
    assert min(told.values()) > 100


def made(host: Host, rollout: SimpleNamespace) -> list[ProbeRuns]:
    return [host.world.make_runs(host, rollout, probe, 0.0) for probe in host.probes if probe.mode != "disabled"]


def says_each(runs: ProbeRuns, times: list[float], until: float) -> bool:
    """Whether no run of a good release flakes, and what the probe looks at is up from the first run to `until`."""
    flakes = runs.flakes is not None and any(runs.flakes.next_after(n) == n + 1 for n in range(len(times)))
    stay = 0 if runs.service is None else runs.service.stay_at(times[0])
    down = runs.service is not None and not (runs.service.is_up(stay) and runs.service.bound(stay) > until)
    return runs.defect_at is None and not flakes and not down
