"""Every measure of random runs: the same in both fidelities, and what the frame `transitions` adds up to.

The sums here are taken host by host, from the rows of that one frame and the waves that hosts and rollouts have; the
package takes them from whole columns of its recording.
"""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import sim
from sim.result import Result
from tests.model.test_against_reference import random_scenario

SCENARIOS = Path(__file__).parents[2] / "scenarios"
LARGEST = ("canary-10k", "hundred-thousand")
FRAMES = ("transitions", "hosts", "waves", "rollouts", "gates", "timeline", "load")
STOPPED = ("Activating", "Deferred", "Soaking", "Failed", "Reverted")
"""What a stall says in place of a gate where no host is pending."""
NEVER = math.inf
Steps = dict[str, list[tuple[float, float, str, str]]]
"""Per host of a rollout its rows: cp_at, at, from, to."""


def both(seed: int, directory: Path) -> tuple[Result, Result]:
    data = random_scenario(seed, directory, hours=3)
    if seed % 2:
        for release in data["releases"]:
            release |= {"unchanged": 0, "closures": "shared" if release["closures"] == "shared" else "per-host"}
    found = []
    for fidelity in ("events", "full"):
        path = directory / f"{fidelity}.json"
        path.write_text(json.dumps({**data, "fidelity": fidelity}))
        found.append(sim.run(sim.load(path)))
    return found[0], found[1]


@pytest.mark.parametrize("block", range(6))
def test_measures_of_random_runs(tmp_path: Path, block: int) -> None:
    rollouts = 0
    for seed in range(1000 + block, 1060, 6):
        events, full = both(seed, tmp_path)
        same_measures(events, full, seed)
        for rollout in events.summary["rollouts"]:
            sums_agree(events, rollout, f"seed {seed}, {rollout['rollout_id']}")
            rollouts += 1
    assert rollouts > 15


@pytest.mark.parametrize("name", LARGEST)
def test_the_largest_scenarios(name: str) -> None:
    """With fewer hosts: what `fidelity: full` simulates grows with them."""
    path = SCENARIOS / f"{name}.yaml"
    channels = sim.load(path).fleet.generate.channels
    fewer = {f"fleet.generate.channels.{channel}.hosts": 300 for channel in channels}
    events, full = (sim.run(sim.load(path, fewer | {"fidelity": fidelity})) for fidelity in ("events", "full"))
    same_measures(events, full, name)
    for rollout in events.summary["rollouts"]:
        sums_agree(events, rollout, name)


def same_measures(events: Result, full: Result, where: object) -> None:
    """Every measure, frame and sentence."""
    assert measures(events) == measures(full), where
    for name in FRAMES:
        pd.testing.assert_frame_equal(getattr(events, name), getattr(full, name), check_exact=True, obj=name)
    assert events.describe() == full.describe(), where


def measures(result: Result) -> dict[str, Any]:
    """The summary without what says how it was simulated."""
    return {key: value for key, value in result.summary.items() if key not in ("fidelity", "events", "wall_s")}


def sums_agree(result: Result, rollout: dict[str, Any], where: str) -> None:
    hosts = result.hosts[result.hosts["rollout_id"] == rollout["rollout_id"]].set_index("host")
    waves = {host: None if pd.isna(wave) else int(wave) for host, wave in hosts["wave"].items()}
    frame = result.transitions[result.transitions["rollout_id"] == rollout["rollout_id"]]
    steps: Steps = {host: [] for host in waves}
    for host, source, target, at, cp_at in frame[["host", "from", "to", "at", "cp_at"]].itertuples(index=False):
        steps[host].append((cp_at, at, source, target))

    stays = {host: stayed(rows, rollout["opened_at_s"], result.summary["ended_at_s"]) for host, rows in steps.items()}
    last = [max(stay, key=lambda state: stay[state][0]) for stay in stays.values()]
    assert rollout["states"] == {state: last.count(state) for state in rollout["states"]}, where
    parts_add_up(rollout, waves, stays, where)
    times_agree(rollout, waves, steps, where)
    promotions_agree(rollout, waves, stays, where)
    stall_agrees(rollout, waves, steps, where)
    exposure_agrees(result, rollout, waves, steps, where)


Stay = dict[str, tuple[int, float, float]]
"""Per state that a host was in: the how manieth it was, when it was entered, and for how long (s)."""


def stayed(rows: list[tuple[float, float, str, str]], opened_at: float, ended_at: float) -> Stay:
    """The states the control plane saw a host in. No state is entered twice."""
    onward = {source: (cp_at, target) for cp_at, _, source, target in rows if not math.isnan(cp_at)}
    stay: Stay = {}
    state, since = "Pending", opened_at
    while state in onward:
        cp_at, target = onward.pop(state)
        stay[state] = (len(stay), since, cp_at - since)
        state, since = target, cp_at
    assert not onward
    stay[state] = (len(stay), since, max(ended_at - since, 0.0))
    return stay


def parts_add_up(rollout: dict[str, Any], waves: dict[str, int | None], stays: dict[str, Stay], where: str) -> None:
    groups = {
        ("tick_s", "gates_s", "network_s", "superseded_s"): ("Pending",),
        ("activating_s",): ("Activating",),
        ("deferred_s",): ("Deferred",),
        ("soaking_failing_s", "soaking_clock_s"): ("Soaking",),
        ("stopped_s",): ("Failed", "Reverted"),
    }
    for wave in rollout["waves"]:
        mine = [stays[host] for host, of in waves.items() if of == wave["index"]]
        assert set(wave["parts"]) == {part for parts in groups for part in parts}
        for parts, states in groups.items():
            whole = math.fsum(stay[state][2] for stay in mine for state in states if state in stay)
            said = math.fsum(wave["parts"][part] for part in parts)
            assert said == pytest.approx(whole, rel=1e-12, abs=1e-6), (where, wave["index"], parts)


def times_agree(rollout: dict[str, Any], waves: dict[str, int | None], steps: Steps, where: str) -> None:
    """When hosts were eligible and converged: quantiles by the agents' clocks, waves by the control plane's."""
    for measure, states in (("eligible", ("Deferred", "Converged")), ("converged", ("Converged",))):
        took = sorted(first(rows, states, clock=1) - rollout["opened_at_s"] for rows in steps.values())
        for percent in (50, 90, 99, 100):
            reached = took[-(-percent * len(took) // 100) - 1]
            said = rollout[f"time_to_{measure}_s"][f"p{percent}"]
            assert (NEVER if said is None else said) == reached, (where, measure, percent)
        for wave in rollout["waves"]:
            mine = [first(steps[host], states, clock=0) for host, of in waves.items() if of == wave["index"]]
            said = wave[f"{measure}_at_s"]
            assert (NEVER if said is None else said) == max(mine, default=NEVER), (where, measure, wave["index"])
            rate = wave[f"{measure}_per_h"]
            if rate is not None:
                assert rate == pytest.approx(3600 * len(mine) / (said - wave["opened_at_s"]), rel=1e-12)


def first(rows: list[tuple[float, float, str, str]], states: tuple[str, ...], clock: int) -> float:
    """When a host first was in one of the states, by `cp_at` (clock 0) or `at` (1); infinite if it never was."""
    times = [row[clock] for row in rows if row[3] in states]
    return min((at for at in times if not math.isnan(at)), default=NEVER)


def stall_agrees(rollout: dict[str, Any], waves: dict[str, int | None], steps: Steps, where: str) -> None:
    """A stall that names hosts is as old as the last change of one of them, or as its wave."""
    stalled = rollout["stalled"]
    if stalled is None:
        return
    known = [one for one in stalled["waiting_for"] if one["gate"] in ("wave-promotion", "host-edge", *STOPPED)]
    opened = rollout["waves"][stalled["wave"]]["opened_at_s"]
    changes = [row[0] for one in known for host in one["culprits"] for row in steps.get(host, []) if row[0] == row[0]]
    # hosts that no gate holds count from their own changes alone
    lead = [opened] if any(one["gate"] not in STOPPED for one in known) else []
    assert stalled["since_s"] >= max([*lead, *changes], default=0.0), where
    if known and len(known) == len(stalled["waiting_for"]):
        assert stalled["since_s"] == max([*lead, *changes]), where


def exposure_agrees(
    result: Result, rollout: dict[str, Any], waves: dict[str, int | None], steps: Steps, where: str
) -> None:
    found = rollout["exposure"]
    failed_at = min(first(rows, ("Failed",), clock=0) for rows in steps.values())
    assert (found["first_failure_at_s"] or NEVER) == failed_at, where
    assert found["failed"] == rollout["states"]["Failed"]
    assert found["reverted"] == rollout["states"]["Reverted"]
    held = result.gates[(result.gates["rollout_id"] == rollout["rollout_id"]) & (result.gates["gate"] == "quarantine")]
    stalled = (rollout["stalled"] or {"waiting_for": []})["waiting_for"]
    waiting = sum(one["hosts"] for one in stalled if one["gate"] == "quarantine")
    assert found["quarantined"] == max(held["hosts"].sum(), waiting), where
    if not changes_all(result):
        return

    took = {host: first(rows, ("Soaking",), clock=1) for host, rows in steps.items()}
    after = [host for host, at in took.items() if failed_at < at < NEVER]
    if failed_at < NEVER:
        assert found["running_at_first_failure"] == sum(at <= failed_at for at in took.values()), where
    else:
        assert found["running_at_first_failure"] is None
    opened = sum(wave["opened_at_s"] is not None and wave["opened_at_s"] <= failed_at for wave in rollout["waves"])
    why = [
        "under_way"
        if first(steps[host], ("Activating",), clock=0) <= failed_at
        else "same_wave"
        if waves[host] is None or waves[host] < opened
        else "later_wave"
        for host in after
    ]
    assert found["took_after_first_failure"] == {
        reason: why.count(reason) for reason in ("under_way", "same_wave", "later_wave")
    }, where

    converged = {host: first(rows, ("Converged",), clock=0) for host, rows in steps.items()}
    early = [
        host
        for host, at in took.items()
        if at < NEVER and any(at < converged[other] for other in waves if earlier(waves[other], waves[host]))
    ]
    assert found["took_before_verified"] == len(early), where


def earlier(wave: int | None, other: int | None) -> bool:
    return wave is not None and other is not None and wave < other


def changes_all(result: Result) -> bool:
    """Whether every release gives every host a closure it did not have; hosts left as they are do not count as taking
    it, and `transitions` does not tell them."""
    return all(one.unchanged == 0 and one.closures != "declared" for one in result.scenario.releases)


def promotions_agree(rollout: dict[str, Any], waves: dict[str, int | None], stays: dict[str, Stay], where: str) -> None:
    """Of a wave's hosts, who was not deferred when the next wave opened."""
    for wave, following in pairwise(rollout["waves"]):
        mine = [stays[host] for host, of in waves.items() if of == wave["index"]]
        at = following["opened_at_s"]
        if at is None or not mine:
            assert wave["verified_at_promotion"] is None, where
            continue
        deferred = [stay["Deferred"] for stay in mine if "Deferred" in stay]
        share = 1 - sum(since <= at < since + seconds for _, since, seconds in deferred) / len(mine)
        assert wave["verified_at_promotion"] == share, (where, wave["index"])
