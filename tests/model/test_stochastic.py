"""The simulator against closed forms. Seeds are fixed, so each test is deterministic; its bound is the interval that a
correct simulator leaves with probability `ALPHA` over all seeds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import sim

ALPHA = 1e-5


@pytest.fixture
def load(tmp_path):
    def one(text: str):
        path = tmp_path / "scenario.yaml"
        path.write_text(text)
        return sim.load(path)

    return one


def durations(transitions, source: str, target: str) -> np.ndarray:
    """Per host the seconds between entering `source` and entering `target`, by the agents' clocks."""
    entered = transitions[transitions["to"] == source].set_index("host")["at"]
    left = transitions[(transitions["from"] == source) & (transitions["to"] == target)].set_index("host")["at"]
    return (left - entered.loc[left.index]).to_numpy()


def test_time_for_all_hosts_of_a_wave_is_the_largest_of_n_exponentials(load):
    """The largest of n exponential times of mean m has the df (1 - e^(-x/m))^n: Kolmogorov-Smirnov over 200 runs."""
    n, mean = 50, 100.0
    scenario = load(f"""
fleet: {{generate: {{channels: {{c: {{hosts: {n}, policy: p}}}}, policies: {{p: {{waves: []}}}}}}}}
hosts: {{default: {{activation: {{dist: exponential, mean: {mean}}}}}}}
control_plane: {{default_soak: 0s}}
""")
    largest = [
        durations(sim.run(scenario, replication=r).transitions, "Activating", "Soaking").max() for r in range(200)
    ]
    assert stats.kstest(largest, lambda x: (1 - np.exp(-np.asarray(x) / mean)) ** n).pvalue > ALPHA


def test_share_of_deferred_hosts_is_binomial(load):
    n, share = 4000, 0.3
    scenario = load(f"""
fleet: {{generate: {{channels: {{c: {{hosts: {n}, policy: p}}}}, policies: {{p: {{waves: []}}}}}}}}
hosts: {{default: {{activation: 10s, defer: {{probability: {share}}}, reboot: never}}}}
""")
    deferred = int((sim.run(scenario).transitions["to"] == "Deferred").sum())
    assert stats.binomtest(deferred, n, share).pvalue > ALPHA


def test_components_of_a_deferral_follow_their_weights(load):
    n = 3000
    scenario = load(f"""
fleet: {{generate: {{channels: {{c: {{hosts: {n}, policy: p}}}}, policies: {{p: {{waves: []}}}}}}}}
hosts: {{default: {{activation: 10s, reboot: never, defer: {{probability: 1, components: {{kernel: 3, init: 1}}}}}}}}
""")
    events = sim.run(scenario, record_events=True).events
    reports = events[events["what"] == "report"]["detail"]
    components = [detail["component"] for detail in reports if detail["kind"] == "ActivationDeferred"]
    assert len(components) == n
    assert stats.binomtest(components.count("kernel"), n, 0.75).pvalue > ALPHA


@pytest.mark.parametrize("fidelity", ["events", "full"])
def test_flakes_are_binomial_in_the_runs(load, fidelity):
    """Every run fails with probability 0.01 by itself; an observing probe gates nothing, so none is cut short."""
    hosts, flake = 200 if fidelity == "events" else 60, 0.01
    scenario = load(f"""
fidelity: {fidelity}
fleet:
  generate: {{channels: {{c: {{hosts: {hosts}, policy: p}}}}, policies: {{p: {{waves: [{{percent: 100, soak: 2h}}]}}}}}}
hosts: {{default: {{activation: 10s}}}}
probes: [{{name: http, mode: observe, interval: 15s, flake: {flake}}}]
""")
    result = sim.run(scenario)
    runs, fails = int(result.hosts["probe_runs"].sum()), int(result.hosts["probe_fails"].sum())
    assert runs > 450 * hosts
    assert stats.binomtest(fails, runs, flake).pvalue > ALPHA


def test_share_of_hosts_online_at_the_start(load):
    """Up 1 h and down 3 h on average: a quarter of the hosts is online at any time, the start included."""
    n = 4000
    scenario = load(f"""
until: 1m
fleet: {{generate: {{channels: {{c: {{hosts: {n}, policy: p}}}}, policies: {{p: {{waves: []}}}}}}}}
hosts: {{default: {{online: {{up: {{dist: exponential, mean: 1h}}, down: {{dist: exponential, mean: 3h}}}}}}}}
""")
    result = sim.run(scenario)
    per_pass = result.load["wakeups"].iloc[0] / (
        result.load["dispatches_queued"].iloc[0] + result.load["dispatches_requeued"].iloc[0]
    )
    assert abs(per_pass - n / 4) < stats.norm.isf(ALPHA / 2) * np.sqrt(n * 0.25 * 0.75) + 0.001 * n


def test_defective_share_and_onset(load):
    """Half of the hosts are bad from an exponential time of mean 10 min after the activation on; these fail."""
    n = 1500
    scenario = load(f"""
fleet:
  generate: {{channels: {{c: {{hosts: {n}, policy: p}}}}, policies: {{p: {{waves: [{{percent: 100, soak: 24h}}]}}}}}}
hosts: {{default: {{activation: 10s}}}}
probes: [{{name: http, interval: 5s}}]
releases: [{{ref: r1, defect: {{probability: 0.5, onset: {{dist: exponential, mean: 10m}}}}}}]
""")
    result = sim.run(scenario)
    failed = durations(result.transitions, "Soaking", "Failed")
    assert stats.binomtest(len(failed), n, 0.5).pvalue > ALPHA
    # noticed at the next run (up to 5 s), crossed at the first tick 120 s later (up to 5 s): 125 s on average
    assert abs((failed - 125.0).mean() - 600.0) < 5.0 + stats.norm.isf(ALPHA / 2) * 600.0 / np.sqrt(len(failed))
