"""The same run is the same run: across processes, hash seeds, the order of hosts; and luck stays with its host."""

from __future__ import annotations

import gc
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import simpy

import sim
from sim.model.run import run as simulate
from sim.model.world import World

SCENARIO = """
name: everything
until: 2d
fleet: {resolved: fleet.json}
hosts:
  default:
    network_delay: {dist: uniform, min: 10ms, max: 400ms}
    activation: {dist: lognormal, median: 90s, p95: 300s}
    activation_failure: 0.05
    defer: {probability: 0.3}
    reboot: {dist: uniform, min: 10m, max: 8h}
    online: {up: {dist: exponential, mean: 5h}, down: {dist: exponential, mean: 30m}}
probes:
  - {name: http, interval: 15s, flake: 0.003}
  - name: disk
    mode: observe
    interval: 40s
    outage: {up: {dist: exponential, mean: 3h}, down: {dist: exponential, mean: 4m}}
releases:
  - {ref: r1}
  - {ref: r2, at: 3h, unchanged: 0.3, defect: {probability: 0.1, onset: {dist: exponential, mean: 5m}}}
"""


def artifact(names: list[str]) -> dict:
    return {
        "schemaVersion": 1,
        "hosts": {name: {"system": "x86_64-linux", "tags": [], "channel": "c"} for name in names},
        "channels": {
            "c": {
                "rolloutPolicy": "p",
                "reconcileIntervalMinutes": 1,
                "signingIntervalMinutes": 5,
                "freshnessWindow": 60,
            }
        },
        "rolloutPolicies": {
            "p": {
                "strategy": "canary",
                "healthGate": {},
                "onHealthFailure": "rollback-and-halt",
                "waves": [{"selector": {"all": True}, "soakMinutes": 20}],
            }
        },
        "waves": {"c": [{"hosts": sorted(names), "soakMinutes": 20}]},
        "edges": [],
        "channelEdges": [],
        "disruptionBudgets": [],
        "meta": {"schemaVersion": 1},
    }


@pytest.fixture
def folder(tmp_path):
    def write(names: list[str], text: str = SCENARIO):
        (tmp_path / "fleet.json").write_text(json.dumps(artifact(names)))
        path = tmp_path / "scenario.yaml"
        path.write_text(text)
        return path

    return write


NAMES = [f"host-{n:02d}" for n in range(24)]


def fingerprint(result) -> str:
    rows = result.transitions.astype({"from": str, "to": str, "host": str, "rollout_id": str})
    return hashlib.sha256(rows.to_csv(index=False, float_format="%.9f").encode()).hexdigest()


def test_same_in_every_process_and_under_every_hash_seed(folder):
    path = folder(NAMES)
    here = fingerprint(sim.run(sim.load(path)))
    code = f"import sys; sys.path.insert(0, {os.path.dirname(__file__)!r}); import sim, test_determinism as t; "
    code += f"print(t.fingerprint(sim.run(sim.load({str(path)!r}))))"
    for seed in ("0", "4711"):
        env = {**os.environ, "PYTHONHASHSEED": seed}
        there = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
        assert there.stdout.strip() == here


def test_order_of_hosts_in_the_artifact_does_not_matter(folder):
    forwards = fingerprint(sim.run(sim.load(folder(NAMES))))
    backwards = fingerprint(sim.run(sim.load(folder(NAMES[::-1]))))
    assert forwards == backwards


def test_replications_and_seeds_differ(folder):
    scenario = sim.load(folder(NAMES))
    seen = {
        fingerprint(sim.run(scenario)),
        fingerprint(sim.run(scenario, replication=1)),
        fingerprint(sim.run(scenario, seed=2)),
    }
    assert len(seen) == 3
    assert fingerprint(sim.run(scenario)) in seen


def activation_times(result, ref: str = "r1") -> pd.Series:
    """Seconds from the start of each host's activation to its outcome, by host."""
    moves = result.transitions[result.transitions["rollout_id"] == f"c@{ref}"]
    began = moves[moves["to"] == "Activating"].set_index("host")["at"]
    ended = moves[moves["from"] == "Activating"].set_index("host")["at"]
    return (ended - began).dropna()


QUIET = SCENARIO.replace(
    "online: {up: {dist: exponential, mean: 5h}, down: {dist: exponential, mean: 30m}}", "online: always"
)


@pytest.mark.parametrize(
    "rule", ["deferred=strict", "soak_from=activation", "failure_clock=sustained", "compliance_wave=off"]
)
def test_a_switched_rule_moves_nobodys_luck(folder, rule):
    plain = activation_times(sim.run(sim.load(folder(NAMES, QUIET))))
    key, value = rule.split("=")
    switched = activation_times(sim.run(sim.load(folder(NAMES, QUIET + f"\nrules: {{{key}: {value}}}\n"))))
    assert len(plain) == len(NAMES)
    pd.testing.assert_series_equal(plain.sort_index(), switched.sort_index())


def test_another_host_moves_nobodys_luck(folder):
    plain = activation_times(sim.run(sim.load(folder(NAMES, QUIET))))
    joined = activation_times(sim.run(sim.load(folder(["a-new-host", *NAMES], QUIET))))
    pd.testing.assert_series_equal(plain.sort_index(), joined.drop("a-new-host").sort_index())


def test_runs_leave_nothing_that_piles_up():
    scenario = sim.load(Path(__file__).parents[2] / "scenarios" / "deferred-kernel.yaml")
    gc.collect()
    for replication in range(4):
        simulate(scenario, replication=replication)
    assert not [one for one in gc.get_objects() if type(one) in (simpy.Environment, World)]
