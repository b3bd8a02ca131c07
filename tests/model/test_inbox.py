"""Reports that are read when the control plane does something, against the same reports as events of their own."""

from __future__ import annotations

import importlib
from itertools import count
from math import inf
from time import perf_counter
from types import SimpleNamespace

import pandas as pd
import pytest

import sim
from sim.model.inbox import Inbox
from sim.reducer.payloads import ActivationStarted
from sim.reducer.protocol import BuiltIn

SCENARIO = """
until: 1d
fleet:
  generate:
    channels: {stable: {hosts: 150, policy: staged}}
    policies:
      staged: {on_health_failure: rollback-and-halt, waves: [{percent: 20, soak: 12m}, {percent: 100, soak: 7m}]}
    disruption_budgets: [{selector: {all: true}, max_in_flight: 60}]
hosts:
  default:
    activation: {dist: lognormal, median: 90s, p95: 300s}
    network_delay: {dist: uniform, min: 10ms, max: 40s}
    defer: {probability: 0.1}
    reboot: {dist: exponential, mean: 20m}
    activation_failure: 0.03
  overrides:
    - {match: {hosts: [stable-00003, stable-00010, stable-00050]}, network_delay: 0s}
    - match: {hosts: [stable-00001, stable-00020, stable-00021, stable-00070]}
      online: {up: {dist: exponential, mean: 20m}, down: {dist: exponential, mean: 4m}}
probes: [{name: http, interval: 15s, flake: 0.004}, {name: disk, interval: 45s, mode: observe, flake: 0.01}]
control_plane: {sustained_failure: 40s}
releases: [{ref: r1, unchanged: 0.05, defect: {probability: 0.05, onset: 1m}}, {ref: r2, at: 25m}]
rules: {soak_from: FROM, compliance_wave: latest, unchanged: gated}
"""
FRAMES = ("transitions", "hosts", "waves", "rollouts", "gates", "timeline", "load")


@pytest.mark.parametrize("soak_from", ["open", "dispatch", "activation"])
def test_a_report_that_nobody_waits_for_does_what_an_event_does(tmp_path, soak_from):
    path = tmp_path / "inbox.yaml"
    path.write_text(SCENARIO.replace("FROM", soak_from))
    scenario = sim.load(path)
    read = sim.run(scenario)
    arrived = sim.run(scenario, reducer=BuiltIn())  # of any other reducer than the shared one each report is an event
    for frame in FRAMES:
        pd.testing.assert_frame_equal(getattr(read, frame), getattr(arrived, frame), check_exact=True)
    of_read, of_arrived = read.summary.pop("events"), arrived.summary.pop("events")
    assert of_read["simulated"] < of_arrived["simulated"]
    assert of_read | {"simulated": 0} == of_arrived | {"simulated": 0}
    assert read.summary | {"wall_s": 0} == arrived.summary | {"wall_s": 0}
    assert {"Reverted", "Deferred", "Converged"} <= set(read.transitions["to"])


def test_letters_come_by_arrival_then_host_then_as_sent():
    inbox = Inbox()
    hosts = [SimpleNamespace(number=number) for number in range(3)]
    for arrival, host, seq in [(5.0, 2, 1), (5.0, 0, 4), (3.0, 1, 9), (5.0, 0, 3), (7.0, 0, 5), (5.0, 1, 2)]:
        inbox.letters.append((arrival, host, seq, hosts[host], None, ActivationStarted(seq, 0.0, "switch")))

    def keys(letters):
        return [letter[:3] for letter in letters]

    assert keys(inbox.take(5.0)) == [(3.0, 1, 9)]  # before 5 s
    assert keys(inbox.take(5.0, 1)) == [(5.0, 0, 3), (5.0, 0, 4)]  # and then of hosts before number 1
    assert keys(inbox.take(5.0, inf)) == [(5.0, 1, 2), (5.0, 2, 1)]
    assert len(inbox) == 1
    assert keys(inbox.take(inf)) == [(7.0, 0, 5)]
    assert not inbox


def test_who_looks_on_changes_nothing(tmp_path, monkeypatch):
    path = tmp_path / "watched.yaml"
    path.write_text(SCENARIO.replace("FROM", "open"))
    scenario = sim.load(path)
    alone = sim.run(scenario)
    monkeypatch.setattr("sim.model.clock.LOOK_EVERY", 1)
    run = importlib.import_module("sim.model.run")
    monkeypatch.setattr(run, "time", SimpleNamespace(monotonic=count().__next__, perf_counter=perf_counter))
    seen = []
    watched = sim.run(scenario, progress=lambda view: seen.append((view.states(), view.waves())))
    for frame in FRAMES:
        pd.testing.assert_frame_equal(getattr(alone, frame), getattr(watched, frame), check_exact=True)
    assert alone.summary | {"wall_s": 0} == watched.summary | {"wall_s": 0}
    assert len(seen) > 1_000
    # none before the first rollout; then each host in the one that is not superseded
    assert {sum(states.values()) for states, _ in seen} == {0, 150}
