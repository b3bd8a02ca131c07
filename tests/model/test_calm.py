"""Soaks that are counted as a whole, against the same soaks watched run by run."""

from __future__ import annotations

import gc

import pandas as pd
import pytest

import sim
from sim.model.host import Host
from sim.model.world import World
from sim.reducer.errors import ReducerError
from sim.reducer.events import LocalConvergedReached
from sim.reducer.protocol import BuiltIn

SCENARIO = """
until: 12h
fleet:
  generate:
    channels: {stable: {hosts: 120, policy: staged}}
    policies: {staged: {waves: [{percent: 20, soak: 12m}, {percent: 100, soak: 7m}]}}
hosts:
  default:
    activation: {dist: lognormal, median: 90s, p95: 300s}
    network_delay: {dist: uniform, min: 10ms, max: 40s}
  overrides:
    - {match: {hosts: [stable-00003, stable-00010, stable-00050]}, network_delay: 0s}
    - match: {hosts: [stable-00001, stable-00020, stable-00021, stable-00070]}
      online: {up: {dist: exponential, mean: 20m}, down: {dist: exponential, mean: 4m}}
probes:
  - {name: http, interval: 15s, flake: 0.002}
  - {name: disk, interval: 7s, mode: observe, outage: {up: {dist: exponential, mean: 2h}, down: 3m}}
  - {name: quiet, interval: 9s, mode: disabled, flake: 1.0}
control_plane: {sustained_failure: 1d}
releases: [{ref: r1}, {ref: r2, at: 25m}]
rules: {soak_from: activation, compliance_wave: off, probe_restart: RESTART}
"""
FRAMES = ("transitions", "hosts", "waves", "rollouts", "gates", "timeline", "load")


@pytest.mark.parametrize("restart", ["heartbeat", "boot"])
def test_a_calm_soak_counts_what_a_watched_one_does(tmp_path, monkeypatch, restart):
    path = tmp_path / "calm.yaml"
    path.write_text(SCENARIO.replace("RESTART", restart))
    scenario = sim.load(path)
    told = []
    surely_passes = World.surely_passes

    def noted(*args):
        told.append(surely_passes(*args))
        return told[-1]

    monkeypatch.setattr(World, "surely_passes", noted)
    calm = sim.run(scenario)
    assert {True, False} == set(told)
    monkeypatch.setattr(World, "surely_passes", lambda *_: False)
    watched = sim.run(scenario)
    for frame in FRAMES:
        pd.testing.assert_frame_equal(getattr(calm, frame), getattr(watched, frame), check_exact=True)
    # a watched host's reports are events of their own: what differs is how many were scheduled, and nothing else
    assert calm.summary["events"].items() - watched.summary["events"].items() <= {
        ("simulated", calm.summary["events"]["simulated"])
    }


class Failing(BuiltIn):
    def host_step(self, record, event, on_health_failure):
        if isinstance(event, LocalConvergedReached):
            raise ValueError("no")
        return super().host_step(record, event, on_health_failure)


def hosts_left():
    gc.collect()
    return sum(type(one) is Host for one in gc.get_objects())


@pytest.mark.parametrize("until", ["5m", "9m"])
def test_hosts_are_freed_whatever_was_under_way(tmp_path, until):
    """Jobs and soaks hold their host, are held by it, and are nothing that the collector sees."""
    path = tmp_path / "cut.yaml"
    path.write_text(SCENARIO.replace("RESTART", "heartbeat").replace("until: 12h", f"until: {until}"))
    scenario = sim.load(path)
    before = hosts_left()
    result = sim.run(scenario)
    left = set(result.hosts["state"])
    assert left >= ({"Activating"} if until == "5m" else {"Soaking"})
    assert hosts_left() == before


def test_hosts_are_freed_when_a_reducer_fails(tmp_path):
    path = tmp_path / "fails.yaml"
    path.write_text(SCENARIO.replace("RESTART", "heartbeat"))
    scenario = sim.load(path)
    before = hosts_left()
    with pytest.raises(ReducerError):
        sim.run(scenario, reducer=Failing())
    assert hosts_left() == before


def test_hosts_are_freed_with_jobs_to_come(tmp_path):
    """The second release reaches each host in the middle of its first switch, and waits for the end of it."""
    path = tmp_path / "waits.yaml"
    path.write_text("""
until: 30m
fleet: {generate: {channels: {stable: {hosts: 4, policy: all}}, policies: {all: {waves: [{percent: 100, soak: 0s}]}}}}
hosts: {default: {activation: 1h}}
releases: [{ref: r1}, {ref: r2, at: 5m}]
""")
    scenario = sim.load(path)
    before = hosts_left()
    assert list(sim.run(scenario).hosts["state"]) == ["Activating"] * 8
    assert hosts_left() == before
