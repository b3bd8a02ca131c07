"""From rows to a scenario: every step worked out by hand for a few rows, and whole logs of known runs got back.

A run's parameters are known, so that the intervals of its log have to hold them; where that is counted over many runs,
the bounds leave a coverage of 95 % with a probability of one in ten thousand.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections import Counter
from collections.abc import Iterable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from scipy import stats

import sim
from sim.data import EventLog
from sim.data.calibrated import fleet_of, scenario_files, scenario_text
from sim.data.calibrating import calibrate, observe
from sim.data.calibration import Calibration, Seen
from sim.data.export import logged
from sim.data.fitting import Share, fit
from sim.data.groups import Group, set_apart
from sim.data.laws import GAMMA, LOGNORMAL
from sim.data.likeliest import intervals, likeliest
from sim.data.outcomes import Outcome, Span, durations, share
from sim.data.probing import ProbeSeen, Stretch, Window, behaviour, beyond, missed
from sim.data.rows import GateDecision, OpenRollout, QueueDispatch, Row
from sim.data.told import described
from sim.reducer.artifact import Channel, FleetArtifact, Host, RolloutPolicy
from sim.reducer.events import HostJoined
from sim.reducer.payloads import (
    ActivationCompleted,
    ActivationDeferred,
    ActivationFailed,
    ActivationStarted,
    Converged,
    DeclaredProbe,
    DispatchAck,
    Failed,
    ProbeResult,
    ProbeTopologyDeclared,
    Report,
    RollbackComplete,
)
from sim.scenario.write import artifact_text


def rows(*cells: tuple[float, str, str, Report]) -> list[Row]:
    """Agents' events: (when, rollout, host, what)."""
    return [Row(n, at, "agent_event", host, rollout, said) for n, (at, rollout, host, said) in enumerate(cells, 1)]


def ack(at: float) -> DispatchAck:
    return DispatchAck(1, "old", at)


def started(at: float) -> ActivationStarted:
    return ActivationStarted(2, at, "switch-to-configuration")


def completed(at: float) -> ActivationCompleted:
    return ActivationCompleted(3, "new", 0, at)


def deferred(at: float, component: str = "kernel") -> ActivationDeferred:
    return ActivationDeferred(3, component, at)


# -- outcomes


def test_times_are_those_of_rows_and_not_of_payloads() -> None:
    # a real agent reads completedAt before the work, and receivedAt is when the dispatch was queued
    seen = observe(
        rows((10, "a@1", "h", ack(1)), (12, "a@1", "h", started(12)), (102, "a@1", "h", completed(12)))
    ).outcomes
    assert seen.activations == [Span("h", 90, True)]
    assert (seen.deferrals, seen.failures) == ([Outcome("h", False)], [Outcome("h", False)])


def test_what_is_under_way_when_the_log_ends_is_censored() -> None:
    seen = observe(
        rows(
            (0, "a@1", "g", ack(0)),
            (5, "a@1", "g", started(5)),
            (10, "a@1", "h", ack(10)),
            (20, "a@1", "h", started(20)),
            (50, "a@1", "h", deferred(50)),
            (100, "a@1", "i", ack(100)),
        )
    ).outcomes
    assert sorted(seen.activations) == [Span("g", 95, False), Span("h", 30, True)]
    assert seen.reboots == [Span("h", 50, False)]
    assert seen.components == {"kernel": 1}


def test_a_reboot_ends_with_the_heartbeat_after_it() -> None:
    seen = observe(
        rows(
            (0, "a@1", "h", ack(0)),
            (0, "a@1", "h", started(0)),
            (60, "a@1", "h", deferred(60)),
            (3660, "a@1", "h", completed(3660)),
        )
    ).outcomes
    assert (seen.activations, seen.reboots) == ([Span("h", 60, True)], [Span("h", 3600, True)])


def test_a_later_deferral_keeps_the_reboot_that_is_due_and_an_activation_cancels_it() -> None:
    later = rows(
        (0, "a@1", "h", ack(0)),
        (0, "a@1", "h", started(0)),
        (60, "a@1", "h", deferred(60)),
        (600, "a@2", "h", ack(600)),
        (600, "a@2", "h", started(600)),
        (660, "a@2", "h", deferred(660)),
        (3060, "a@2", "h", completed(3060)),
    )
    assert observe(later).outcomes.reboots == [Span("h", 3000, True)]
    cancelled = [*later[:5], *rows((700, "a@2", "h", completed(700)))]
    assert observe(cancelled).outcomes.reboots == [Span("h", 640, False)]


def test_an_activation_that_timed_out_would_have_taken_longer() -> None:
    seen = observe(
        rows(
            (0, "a@1", "h", ack(0)),
            (0, "a@1", "h", started(0)),
            (300, "a@1", "h", ActivationFailed(3, -1, "activation timed out", 300)),
        )
    ).outcomes
    assert (seen.activations, seen.timeouts) == ([Span("h", 300, False)], [300])
    assert (seen.deferrals, seen.failures) == ([], [])


def test_a_host_that_ran_the_target_already_tells_nothing_of_activations() -> None:
    seen = observe(
        rows(
            (30, "a@1", "h", DispatchAck(1, "", 30)),
            (30, "a@1", "h", completed(30)),
            (40, "a@1", "i", ack(40)),
            (40, "a@1", "i", started(40)),
            (40, "a@1", "i", completed(40)),
        )
    ).outcomes
    again = rows(
        (0, "a@1", "j", ack(0)), (0, "a@1", "j", started(0)), (9, "a@1", "j", ActivationCompleted(3, "old", 0, 9))
    )
    assert (seen.activations, seen.unchanged, seen.at_once) == ([], {"a@1": 1}, 1)
    assert (observe(again).outcomes.activations, observe(again).outcomes.unchanged) == ([], {"a@1": 1})


def test_of_a_host_that_was_offline_its_own_clock_counts() -> None:
    # over after 90 s, told of an hour later
    told = rows(
        (0.5, "a@1", "h", ack(0)),
        (0.5, "a@1", "h", started(0)),
        (3600.5, "a@1", "h", completed(0)),
        (3600.5, "a@1", "h", ProbeTopologyDeclared(4, [], 90)),
    )
    seen = observe(told).outcomes
    assert (seen.activations, seen.late) == ([Span("h", 90, True)], 1)


def test_a_rollback_is_from_the_failure_and_may_never_come() -> None:
    def failure(host: str, at: float) -> list[tuple[float, str, str, Report]]:
        crossed = Failed(9, at, 120, ["http"], "rollback-and-halt")
        return [(at, "a@1", host, ack(at)), (at, "a@1", host, crossed)]

    cells = [
        *failure("a", 0),
        (60, "a@1", "a", RollbackComplete(10, "old", 0, 0)),
        *failure("b", 100),  # 400 s at the end: more than twice 60 s, so that it never comes
        *failure("c", 450),  # 50 s: may still come
        (500, "a@1", "d", ack(500)),
    ]
    seen = observe(rows(*cells)).outcomes
    assert seen.rollbacks == [Span("a", 60, True), Span("c", 50, False)]
    assert Counter(seen.rollback_failures) == {Outcome("a", False): 1, Outcome("b", True): 1}


def test_a_channel_that_halts_has_no_rollbacks_to_miss() -> None:
    seen = observe(
        rows((0, "a@1", "h", ack(0)), (9, "a@1", "h", Failed(2, 9, 120, ["p"], "halt")), (900, "a@1", "i", ack(900)))
    )
    assert (seen.outcomes.rollbacks, seen.outcomes.rollback_failures) == ([], [])
    assert seen.outcomes.policies == {"a@1": "halt"}


# -- probes


def results(host: str, outcomes: str, start: float = 0.0) -> list[tuple[float, str, str, Report]]:
    """A run every 15 s: `.` passes, `x` fails; the host converges with the last."""
    cells: list[tuple[float, str, str, Report]] = [
        (start, "a@1", host, ProbeTopologyDeclared(1, [DeclaredProbe("p", "exec", "observe")], start))
    ]
    for n, one in enumerate(outcomes):
        at = start + 15 * n
        status = "fail" if one == "x" else "pass"
        cells.append((at, "a@1", host, ProbeResult(2, "p", "observe", status, at)))
    return [*cells, (cells[-1][0], "a@1", host, Converged(9, 0, "new"))]


def probe_of(*cells: tuple[float, str, str, Report]) -> ProbeSeen:
    return observe(rows(*cells)).probing.probes["p"]


def test_failing_runs_by_themselves_are_flakes() -> None:
    seen = probe_of(*results("h", "....x.......x......."))
    found = behaviour(seen, [])
    assert (seen.kind, seen.mode, seen.hosts) == ("exec", "observe", {"h"})
    assert (found.flake, found.down, found.interval) == (Share(2, 20), [], 15)


def test_stretches_longer_than_flakes_make_are_outages() -> None:
    # 30 s, from the first failing run to the first that passes; 30 s that the window's end cut off
    found = behaviour(probe_of(*results("h", "..x" + "." * 60 + "xx......xxx")), [])
    assert found.flake == Share(1, 2 + 1 + 60 + 6)
    assert found.down == [Span("h", 30, True), Span("h", 30, False)]
    assert found.up == [Span("h", 15 * 63, True), Span("h", 15 * 6, True)]  # the flake interrupts nothing


def test_a_bad_release_is_no_outage() -> None:
    seen = ProbeSeen("http", "enforce")
    seen.windows = [
        Window("h", "a@1", 0, 3000, 200, []),
        Window("h", "a@2", 4000, 4120, 10, [Stretch("h", "a@2", 4000, 4120, 9, False)]),
    ]
    good, bad = behaviour(seen, ["a@2"]), behaviour(seen, [])
    assert (good.flake, good.down, good.up) == (Share(0, 201), [], [])
    assert (bad.flake, bad.down) == (Share(0, 201), [Span("h", 120, False)])


def test_a_down_time_is_got_back_from_the_runs_that_it_lasts() -> None:
    # exponential, 240 s on average; a run every 20 s, and an outage is seen if two of them fail
    random = np.random.default_rng(5)
    ends = random.exponential(240.0, 4_000) - random.uniform(0.0, 20.0, 4_000)  # since the first run that fails, if any
    failing = np.floor(ends / 20.0) + 1
    down = [Span("h", 20.0 * runs, True) for runs in failing if runs >= 2]
    low, high = fit(durations(beyond(down, 20.0)), only="exponential").intervals["mean"]
    assert low is not None and high is not None and low <= 240.0 <= high
    assert high - low < 20.0
    known, single = missed(240.0, 20.0)
    assert abs(len(down) - 4_000 * known) < 4 * math.sqrt(4_000 * known * (1 - known))
    assert sum(failing == 1) == pytest.approx(single * len(down), rel=0.2)


def test_the_interval_is_not_what_a_heartbeat_leaves_of_it() -> None:
    # every 25 s, anew each 60 s: 0, 25, 50, 60, 85, ...
    times = [60 * beat + run for beat in range(20) for run in (0, 25, 50)]
    cells = [(float(at), "a@1", "h", ProbeResult(2, "p", "enforce", "pass", at)) for at in times]
    assert behaviour(probe_of(*cells), []).interval == 25


# -- openings


def opening(rollout: str, at: float, waves: dict[str, int], due: dict[str, tuple[float, float | None]]) -> list[Row]:
    channel, ref = rollout.split("@")
    joined: list[Any] = [HostJoined(rollout, host, wave, at) for host, wave in waves.items()]
    made = [Row(1, at, "rollout_event", None, rollout, one) for one in joined]
    made.append(Row(1, at, "plan_action", None, rollout, OpenRollout(rollout, channel, ref, list(waves))))
    for host, (queued, soak_due_at) in due.items():
        queue = QueueDispatch(host, rollout, f"{ref}-{host}", soak_due_at)
        made.append(Row(1, queued, "plan_action", host, rollout, queue))
    return made


def test_only_a_host_that_ran_the_release_before_can_be_left_as_it_was() -> None:
    """Of four hosts three run the first release, of which one goes back; of the two left one has the second already:
    1 of 2. All four could have had the first."""
    waves = {"h": 0, "i": 0, "j": 0, "k": 0}
    taken = [
        row
        for at, host in enumerate("hij", 31)
        for row in (
            (at, "a@1", host, ack(at)),
            (at, "a@1", host, started(at)),
            (at + 9, "a@1", host, completed(at + 9)),
        )
    ]
    back = (50, "a@1", "j", RollbackComplete(9, "old", 0, 50))
    already = [(101, "a@2", "h", DispatchAck(1, "", 101)), (101, "a@2", "h", completed(101))]
    seen = observe(
        [*opening("a@1", 30, waves, {}), *rows(*taken, back), *opening("a@2", 100, waves, {}), *rows(*already)]
    )
    shares = calibrate(seen).shares
    assert {name: share for name, share in shares.items() if "unchanged" in name} == {
        "releases.2.unchanged": Share(1, 2)
    }


def test_waves_and_soaks_are_those_of_the_opening() -> None:
    waves = {"h": 0, "i": 1, "j": 1}
    seen = observe(opening("a@1", 30, waves, {"h": (30, 630), "i": (700, 1230), "j": (760, 1230)})).openings
    assert (seen.soak_from(), seen.soaks()) == ("open", {"a": {0: 600, 1: 1200}})
    seen = observe(opening("a@1", 30, waves, {"h": (30, 630), "i": (700, 1900), "j": (760, 1960)})).openings
    assert (seen.soak_from(), seen.soaks()) == ("dispatch", {"a": {0: 600, 1: 1200}})
    log = [
        *opening("a@1", 30, waves, {"h": (30, None)}),
        *rows((90, "a@1", "h", completed(90)), (390, "a@1", "h", Converged(9, 390, "new"))),
    ]
    seen = observe(log).openings
    assert (seen.soak_from(), seen.soaks()) == ("activation", {"a": {0: 300}})


def test_one_host_is_one_host(tmp_path: Path, scenario_of: Any) -> None:
    fleet = {"generate": {"channels": {"a": {"hosts": 1, "policy": "p"}}, "policies": {"p": {}}}}
    logged(scenario_of({"name": "one", "fleet": fleet}), tmp_path / "log.db")
    with EventLog(tmp_path / "log.db") as log:
        found = calibrate(observe(log.rows()))
    assert described(found).splitlines()[0].endswith(", 1 host")


def test_soaks_from_the_activation_are_told_from_none(tmp_path: Path, scenario_of: Any) -> None:
    """In both logs each dispatch has the time of its pass as `soak_due_at` (spec page 3). Activations take 60 s, the
    agents tick every 5 s: a soak of 600 s is seen as 600 s to 605 s and 2 messages of 50 ms."""
    waves = [{"percent": 50, "soak": "10m"}, {"percent": 100, "soak": "10m"}]
    data = {
        "name": "soaks",
        "fleet": {"generate": {"channels": {"a": {"hosts": 6, "policy": "p"}}, "policies": {"p": {"waves": waves}}}},
        "hosts": {"default": {"activation": "60s"}},
        "rules": {"soak_from": "activation"},
    }
    logged(scenario_of(data), tmp_path / "log.db")
    with EventLog(tmp_path / "log.db") as log:
        seen = observe(log.rows()).openings
    assert seen.soak_from() == "activation"
    assert sorted(seen.soaks()["a"]) == [0, 1]
    assert all(600 <= soak <= 605.1 for soak in seen.soaks()["a"].values())
    for wave in waves:
        wave["soak"] = "0s"
    logged(scenario_of(data), tmp_path / "log.db")
    with EventLog(tmp_path / "log.db") as log:
        assert set(observe(log.rows()).openings.soaks()["a"].values()) == {0}


def test_the_fleet_of_a_log() -> None:
    log = [
        *opening("a@1", 0, {"h": 0, "i": 1}, {"h": (0, 600)}),
        Row(1, 15, "gate_decision", "i", "a@1", GateDecision("disruption-budget", "prose", "i", "a@1")),
    ]
    fleet = fleet_of(observe(log))
    assert {name: host.channel for name, host in fleet.hosts.items()} == {"h": "a", "i": "a"}
    assert [(wave.hosts, wave.soak_minutes) for wave in fleet.waves["a"]] == [(["h"], 10), (["i"], 60)]
    assert [(one.selector.channel, one.max_in_flight) for one in fleet.disruption_budgets] == [("a", 1)]


def test_a_network_delay_is_told_by_times_that_are_true() -> None:
    seen = observe(rows((1.25, "a@1", "h", started(1.0)), (61.2, "a@1", "h", started(61.0)))).openings
    assert seen.delays == {"h": pytest.approx(0.2)}


# -- groups


def spans(random: np.random.Generator, host: str, mean: float, number: int, until: float = np.inf) -> list[Span]:
    drawn = random.exponential(mean, number)
    return [Span(f"{host}{n}", min(time, until), bool(time <= until)) for n, time in enumerate(drawn)]


def group(name: str, *parts: Iterable[Span]) -> Group:
    return Group(name, {"channel": name}, frozenset(one.host for part in parts for one in part))


@pytest.mark.parametrize("until", [np.inf, 150.0], ids=["whole", "censored"])
def test_a_group_that_differs_is_set_apart_and_no_other(until: float) -> None:
    random = np.random.default_rng(1)
    a, b, c = (spans(random, host, mean, 150, until) for host, mean in (("a", 100), ("b", 100), ("c", 250)))
    found = set_apart({"activation": [*a, *b, *c]}, [group("a", a), group("b", b), group("c", c)])
    assert [one.group.name for one in found["activation"]] == ["c"]


def test_alike_groups_are_seldom_set_apart() -> None:
    random = np.random.default_rng(2)
    wrong = 0
    for _ in range(100):
        a, b = spans(random, "a", 100, 30), spans(random, "b", 100, 30)
        outcomes = [Outcome(one.host, bool(random.random() < 0.3)) for one in (*a, *b)]
        wrong += bool(set_apart({"activation": [*a, *b], "defer": outcomes}, [group("a", a), group("b", b)]))
    assert wrong <= stats.binom(100, 0.01).ppf(1 - 1e-4)


def test_probabilities_are_held_together_by_fishers_test() -> None:
    often = [Outcome(f"a{n}", n % 2 == 0) for n in range(40)]
    never = [Outcome(f"b{n}", False) for n in range(40)]
    groups = [Group(name, {}, frozenset(one.host for one in part)) for name, part in (("a", often), ("b", never))]
    [apart] = set_apart({"defer": [*often, *never]}, groups)["defer"]
    assert apart.p == pytest.approx(stats.fisher_exact([[20, 20], [0, 40]]).pvalue)


def test_too_few_are_never_set_apart() -> None:
    a, b = [Span(f"a{n}", 1.0 + n, True) for n in range(9)], [Span(f"b{n}", 1e6 + n, True) for n in range(100)]
    assert set_apart({"activation": [*a, *b]}, [group("a", a)]) == {}


# -- whole logs

KNOWN: dict[str, Any] = {
    "name": "known",
    "until": "8h",
    "fleet": {
        "generate": {
            "channels": {"stable": {"hosts": 60, "policy": "all"}},
            "policies": {"all": {"waves": [{"percent": 100, "soak": "20m"}]}},
        }
    },
    "hosts": {
        "default": {
            "activation": {"dist": "gamma", "mean": "120s", "cv": 0.6},
            "activation_failure": 0.15,
            "rollback": {"dist": "lognormal", "median": "60s", "p95": "120s"},
            "rollback_failure": 0.2,
            "defer": {"probability": 0.4, "components": {"kernel": 0.7, "systemd": 0.3}},
            "reboot": {"dist": "lognormal", "median": "5h", "p95": "20h"},
            "boot": "60s",
        }
    },
    "probes": [{"name": "http", "interval": "15s", "flake": 0.01}],
    "rules": {"compliance_wave": "off", "failure_clock": "sustained"},
}
"""60 hosts: of some 24 reboots 30 % are not over when the log ends."""


def log_of(folder: Path, data: dict[str, Any], seed: int) -> Path:
    (folder / "known.json").write_text(json.dumps(data))
    path = folder / f"{seed}.db"
    logged(sim.load(folder / "known.json"), path, seed=seed)
    return path


def read(path: Path) -> Seen:
    with EventLog(path) as log:
        return observe(log.rows())


def held(folder: Path, seeds: Iterable[int]) -> dict[str, list[bool]]:
    """Whether the interval of each parameter holds what the runs were made with."""
    found: dict[str, list[bool]] = {}
    for seed in seeds:
        seen = read(log_of(folder, KNOWN, seed))
        outcomes = seen.outcomes
        waits = [span._replace(seconds=span.seconds - 60) for span in outcomes.reboots if span.seconds > 60]
        for name, law, sample, truth in (
            ("activation", GAMMA, durations(outcomes.activations), {"mean": 120.0, "cv": 0.6}),
            ("reboot", LOGNORMAL, durations(waits), {"median": 18_000.0, "p95": 72_000.0}),
            ("rollback", LOGNORMAL, durations(outcomes.rollbacks), {"median": 60.0, "p95": 120.0}),
        ):
            if len(sample.observed) < 5:
                continue
            ends = intervals(law, likeliest(law, sample)[0], sample)
            for parameter, value in truth.items():
                low, high = ends[parameter]
                inside = (low is None or low <= value) and (high is None or value <= high)
                found.setdefault(f"{name}.{parameter}", []).append(inside)
        kernel = Share(outcomes.components.get("kernel", 0), sum(outcomes.components.values()))
        for name, counted, value in (
            ("defer", share(outcomes.deferrals), 0.4),
            ("failure", share(outcomes.failures), 0.15),
            ("rollback_failure", share(outcomes.rollback_failures), 0.2),
            ("flake", behaviour(seen.probing.probes["http"], []).flake, 0.01),
            ("kernel", kernel, 0.7),
        ):
            if counted is not None:
                low, high = counted.interval
                found.setdefault(name, []).append(low <= value <= high)
    return found


def as_often_as_said(inside: list[bool]) -> bool:
    return sum(inside) >= stats.binom(len(inside), 0.95).ppf(1e-4)


def test_the_intervals_of_a_few_logs_hold_what_they_were_made_with(tmp_path: Path) -> None:
    found = held(tmp_path, range(6))
    assert len(found) == 11
    assert all(as_often_as_said(inside) for inside in found.values()), found


@pytest.mark.slow
def test_the_intervals_of_many_logs_hold_what_they_were_made_with(tmp_path: Path) -> None:
    found = held(tmp_path, range(1_000, 1_060))
    assert all(as_often_as_said(inside) for inside in found.values()), found


def calibrated(path: Path, folder: Path, artifact: FleetArtifact | None = None) -> tuple[Calibration, Path, str]:
    """A calibration, and the scenario written of it."""
    seen = read(path)
    found = calibrate(seen, artifact)
    if artifact is not None:
        (folder / "fleet.json").write_text(artifact_text(artifact))
    files = scenario_files(found, seen, "again", source=path.name, resolved=None if artifact is None else "fleet.json")
    for name, text in files.items():
        (folder / name).write_text(text)
    return found, folder / "again.yaml", files["again.yaml"]


def test_a_known_run_is_got_back_and_runs(tmp_path: Path) -> None:
    data = json.loads(json.dumps(KNOWN))
    data["fleet"]["generate"]["channels"] = {
        "stable": {"hosts": 120, "policy": "all"},
        "edge": {"hosts": 60, "policy": "all"},
    }
    slower = {"dist": "gamma", "mean": "400s", "cv": 0.6}
    data["hosts"]["overrides"] = [{"match": {"channel": "edge"}, "activation": slower}]
    data["hosts"]["default"]["activation_timeout"] = "20m"
    found, path, text = calibrated(log_of(tmp_path, data, 3), tmp_path)
    assert [(name, [one.group.name for one in groups]) for name, groups in found.apart.items()] == [
        ("activation", ["channel edge"])
    ]
    again = sim.load(path)
    default, [edge] = again.hosts.default, again.hosts.overrides
    assert edge.match.channel == "edge" and edge.given().keys() == {"activation"}
    assert edge.activation.mean() == pytest.approx(400, rel=0.3)
    assert default.activation.mean() == pytest.approx(120, rel=0.2)
    assert default.defer.probability == pytest.approx(0.4, abs=0.15)
    assert set(default.defer.components) == {"kernel", "systemd"}
    assert (again.probes[0].name, again.probes[0].interval, again.control_plane.heartbeat) == ("http", 15, 60)
    assert "n = 120, of which 0 censored" in text
    result = sim.run(again)
    assert result.summary["hosts"] == 180
    assert {rollout["channel"] for rollout in result.summary["rollouts"]} == {"stable", "edge"}


def test_a_real_log_tells_the_same_though_its_payload_times_are_wrong(tmp_path: Path) -> None:
    path = log_of(tmp_path, KNOWN, 5)
    before = calibrate(read(path)).to_json()
    with sqlite3.connect(path) as database:
        for seq, payload in database.execute(
            "SELECT seq, payload FROM event_log WHERE kind = 'agent_event'"
        ).fetchall():
            said = json.loads(payload)
            # read before the work starts, or when the dispatch was queued (spec page 7)
            said.update(
                {
                    key: "2026-01-05T00:00:00Z"
                    for key in ("completedAt", "deferredAt", "failedAt", "receivedAt")
                    if key in said
                }
            )
            database.execute("UPDATE event_log SET payload = ? WHERE seq = ?", (json.dumps(said), seq))
    database.close()
    assert calibrate(read(path)).to_json() == before


def test_tags_of_an_artifact_make_groups_and_hosts_in_several_meet_an_override_of_just_those(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    hosts = {f"h{n:03d}": Host("x", "a" if n < 120 else "b", tags=["slow"] if n % 2 else []) for n in range(240)}
    channels = {name: Channel("p", 1, 60, 1440) for name in ("a", "b")}
    fleet = FleetArtifact(1, hosts, channels, {"p": RolloutPolicy("staged", [], "halt")})
    log: list[Row] = []
    for channel in ("a", "b"):
        mine = [name for name, host in hosts.items() if host.channel == channel]
        log += opening(f"{channel}@1", 0, dict.fromkeys(mine, 0), {})
        for host in mine:
            time = float(random.gamma(9, 20)) * (4 if hosts[host].tags else 1)
            log += rows((0, f"{channel}@1", host, ack(0)), (1, f"{channel}@1", host, started(1)))
            fails = channel == "b" and random.random() < 0.5
            end: Report = ActivationFailed(3, 1, "", 9) if fails else completed(9)
            log += rows((1 + time, f"{channel}@1", host, end))
    seen = observe(log)
    found = calibrate(seen, fleet)
    assert {name: [one.group.name for one in groups] for name, groups in found.apart.items()} == {
        "activation": ["tag slow"],
        "activation_failure": [found.apart["activation_failure"][0].group.name],
    }
    (tmp_path / "fleet.json").write_text(artifact_text(fleet))
    (tmp_path / "s.yaml").write_text(scenario_text(found, seen, name="s", source="log", resolved="fleet.json"))
    scenario = sim.load(tmp_path / "s.yaml")

    def settings(channel: str, *tags: str) -> tuple[float, float]:
        from sim.reducer.selectors import matches

        for one in scenario.hosts.overrides:
            if matches(one.match.to_selector(), name="x", channel=channel, tags=tags):
                given = {**scenario.hosts.default.__dict__, **one.given()}
                return given["activation"].mean(), given["activation_failure"]
        return scenario.hosts.default.activation.mean(), scenario.hosts.default.activation_failure

    for channel, tags, mean, failure in (
        ("a", (), 180, 0.0),
        ("a", ("slow",), 720, 0.0),
        ("b", (), 180, 0.5),
        ("b", ("slow",), 720, 0.5),
    ):
        got = settings(channel, *tags)
        assert got[0] == pytest.approx(mean, rel=0.25)
        assert got[1] == pytest.approx(failure, abs=0.15)


def test_too_little_is_said_and_left_at_the_default(tmp_path: Path) -> None:
    log = [*opening("a@1", 0, {"h": 0}, {"h": (0, 600)}), *rows((0, "a@1", "h", ack(0)), (1, "a@1", "h", started(1)))]
    seen = observe(log)
    found = calibrate(seen)
    assert found.fits == {}
    assert any(one.startswith("activation: expected at least 5") for one in found.left)
    (tmp_path / "fleet.json").write_text(artifact_text(fleet_of(seen)))
    text = scenario_text(found, seen, name="s", source="log", resolved="fleet.json")
    (tmp_path / "s.yaml").write_text(text)
    assert sim.load(tmp_path / "s.yaml").hosts.default == sim.load(tmp_path / "s.yaml").hosts.default.__class__()
    assert "# activation: expected at least 5 durations observed to their end, got 0" in text


def test_a_release_that_made_its_hosts_fail_is_a_defect() -> None:
    numbers = count()
    log = opening("a@1", 0, {f"h{n}": 0 for n in range(20)}, {})
    for n in range(20):
        host, outcomes = f"h{n}", "." * (n % 4 + 1) + "x" * 9 if n < 8 else "." * 12
        cells = results(host, outcomes, start=float(next(numbers)))
        if n < 8:
            at = cells[-1][0]
            cells[-1] = (at, "a@1", host, Failed(9, at, 120, ["p"], "rollback-and-halt"))
        log += rows(*cells)
    found = calibrate(observe(log))
    defect = found.defects["1"]
    assert (defect.share, defect.probe, defect.channel) == (Share(8, 20), "p", None)
    # after 1 to 4 passing runs, 15 s apart: some 30 s on average
    assert defect.onset is not None and 15 <= defect.onset.law().mean() <= 60
    assert found.shares["probes.p.flake"].hits == 0


def test_names_in_a_log_are_only_data(tmp_path: Path) -> None:
    odd = 'x"\n- {evil: [1]} # \x1b[31m'
    log = opening(f"{odd}@1", 0, {f"{odd}{n}": 0 for n in range(30)}, {})
    for n in range(30):
        host, at = f"{odd}{n}", 60.0 + n
        log += rows(
            (0, f"{odd}@1", host, ack(0)), (1, f"{odd}@1", host, started(1)), (at, f"{odd}@1", host, completed(at))
        )
    seen = observe(log)
    found = calibrate(seen)
    (tmp_path / "fleet.json").write_text(artifact_text(fleet_of(seen)))
    text = scenario_text(found, seen, name=odd, source=odd, resolved="fleet.json")
    assert "\x1b" not in text and "evil" not in yaml.safe_load(text)
    (tmp_path / "s.yaml").write_text(text)
    scenario = sim.load(tmp_path / "s.yaml")
    assert scenario.releases[0].channels == [odd]
