"""Runs that figures are drawn of: small ones of every kind, and a large one made up."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import sim
from sim.reducer.records import STATES
from sim.result import Result

SCENARIOS = Path(__file__).parents[2] / "scenarios"

STAGED = (
    "fleet: {generate: {channels: {c: {hosts: 40, policy: p}}, policies: {p: {%s waves: "
    "[{percent: 10, soak: 5m}, {percent: 40, soak: 10m}, {percent: 100, soak: 15m}]}}}}\n"
)
AT_ONCE = "fleet: {generate: {channels: {c: {hosts: %d, policy: p}}, policies: {p: {waves: []}}}}\n"

TEXTS = {
    "plain": STAGED % "",
    "deferred": STAGED % ""
    + "hosts: {default: {defer: {probability: 0.4}, reboot: {dist: uniform, min: 1h, max: 9h}}}\n",
    "superseded": STAGED % "" + "releases: [{at: 0s, ref: r1}, {at: 8m, ref: r2}, {at: 3h, ref: r3}]\n",
    "chain": "fleet: {generate: {channels: {a: {hosts: 4, policy: p}, b: {hosts: 9, policy: p}}, "
    "policies: {p: {waves: [{percent: 30, soak: 5m}, {percent: 100, soak: 9m}]}}, "
    "channel_edges: [{gates: a, gated: b}], disruption_budgets: [{selector: {channel: b}, max_in_flight: 2}]}}\n",
    "failed": STAGED % "on_health_failure: halt," + "hosts: {default: {activation_failure: 1.0}}\n",
    "reverted": STAGED % "" + "hosts: {default: {activation_failure: 1.0}}\n",
    "no release": STAGED % "" + "releases: []\n",
    "one host": AT_ONCE % 1,
    "no waves": AT_ONCE % 7,
    "nothing converged": STAGED % "" + "hosts: {default: {online: {up: 1s, down: 30d}}}\nuntil: 1d\n",
    "horizon": STAGED % "" + "until: 7m\n",
    "at once over": STAGED % "" + "until: 1ms\n",
    "unchanged": STAGED % "" + "releases: [{at: 0s, ref: r1}, {at: 2h, ref: r2, unchanged: 1.0}]\n",
    "odd names": AT_ONCE.replace("channels: {c:", "channels: {'$_{x}^': ") % 3,
    "many waves": "fleet: {generate: {channels: {c: {hosts: 80, policy: p}}, policies: {p: {waves: ["
    + ", ".join(f"{{percent: {2.5 * n}, soak: 1m}}" for n in range(1, 41))
    + "]}}}}\n",
    "weeks": STAGED.replace("soak: 15m", "soak: 40d") % "" + "until: 60d\n",
}


@pytest.fixture(scope="session")
def run_of(tmp_path_factory) -> Callable[..., Result]:
    """The run of a scenario above, or of one under `scenarios/`, perhaps with something replaced in its text."""
    directory = tmp_path_factory.mktemp("scenarios")

    @cache
    def one(name: str, old: str = "", new: str = "") -> Result:
        text = TEXTS[name] if name in TEXTS else (SCENARIOS / f"{name}.yaml").read_text()
        assert old in text
        path = directory / f"{name}.yaml"
        path.write_text(text.replace(old, new) if old else text)
        return sim.run(sim.load(path))

    return one


@pytest.fixture(scope="session")
def large(run_of) -> Result:
    """100,000 hosts in four waves, each host with a change of its own in every state, over three days of minutes."""
    n, waves = 100_000, 4
    rng = np.random.default_rng(1)
    activating = np.sort(rng.uniform(0.0, 200_000.0, n))
    soaking = activating + rng.exponential(300.0, n)
    converged = soaking + rng.uniform(600.0, 40_000.0, n)
    converged[rng.random(n) < 0.01] = np.nan
    wave = np.arange(n) * waves // n
    host = pd.array([f"host-{number:06d}" for number in range(n)], dtype="str")
    moves = np.concatenate([activating, soaking, converged[np.isfinite(converged)]])
    change = np.zeros((len(moves) + 1, len(STATES)), dtype=np.int64)
    change[0, STATES.index("Pending")] = n
    path = ("Pending", "Activating", "Soaking", "Converged")
    for step, rows in enumerate(np.split(np.arange(1, len(moves) + 1), [n, 2 * n])):
        change[rows, STATES.index(path[step])] -= 1
        change[rows, STATES.index(path[step + 1])] += 1
    at = np.append(0.0, moves)
    order = np.argsort(at, kind="stable")
    counts = np.cumsum(change[order], axis=0)
    done = np.isfinite(converged)
    minutes = 4_320
    frames = {
        "timeline": pd.DataFrame({"at": at[order], "rollout_id": "c@r1"} | dict(zip(STATES, counts.T, strict=True))),
        "hosts": pd.DataFrame({"rollout_id": "c@r1", "host": host, "wave": pd.array(wave, dtype="Int64")}),
        "transitions": pd.DataFrame(
            {
                "rollout_id": "c@r1",
                "host": host[done],
                "from": "Soaking",
                "to": "Converged",
                "at": converged[done],
                "cp_at": converged[done],
            }
        ).sort_values("at", ignore_index=True),
        "rollouts": pd.DataFrame(
            {"rollout_id": ["c@r1"], "hosts": [n], "opened_at": [0.0], "superseded_at": [float("nan")]}
        ),
        "load": pd.DataFrame(
            {
                "at": np.arange(minutes) * 60.0,
                "heartbeats": rng.poisson(n, minutes),
                "reports.ProbeResult": rng.poisson(4 * n, minutes),
                "dispatches_queued": rng.poisson(3, minutes),
                "dispatches_requeued": rng.poisson(1, minutes),
                "event_log.effect": rng.poisson(9 * n, minutes),
            }
        ),
    }
    small = run_of("plain")
    summary = small.summary | {"hosts": n, "ended_at_s": minutes * 60.0 - 20.0, "end": "horizon"}
    return Result(small.scenario, lambda: summary, frames.get)
