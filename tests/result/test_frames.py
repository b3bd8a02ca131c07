"""The frames and the summary of small runs written out by hand."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from sim.model.recording import MoveLog, Recording, RolloutLog, Stall, Waiting
from sim.reducer.index import GateHold
from sim.reducer.records import STATES
from sim.result import frames
from sim.result.keys import PARTS
from sim.result.summary import quantiles, summary
from sim.result.tracks import tracks

HOSTS = ["a", "b", "c"]
Move = tuple[int, str, str, str, float]


def log_of(moves: list[Move]):
    log = MoveLog()
    for rollout, host, source, target, at in moves:
        log.append(rollout, HOSTS.index(host), STATES.index(source), STATES.index(target), at)
    return log.columns()


def rollout_log(rollout_id: str, hosts: str, wave: list[int], opened_at: float = 0.0, **more) -> RolloutLog:
    channel, ref = rollout_id.split("@")
    fields = {
        "rollout_id": rollout_id,
        "channel": channel,
        "ref": ref,
        "state": "Active",
        "opened_at": opened_at,
        "terminal_at": None,
        "superseded_at": None,
        "current_wave": 0,
        "hosts": np.array([HOSTS.index(host) for host in hosts], dtype=np.int32),
        "wave": np.array(wave, dtype=np.int32),
        "unchanged": np.zeros(len(hosts), dtype=bool),
        "wave_count": max(1, max(wave) + 1),
        "wave_opened_at": {0: opened_at},
        "first_dispatch_at": {},
        "deferred_at_promotion": {},
        "probe_runs": np.zeros(len(hosts), dtype=np.int64),
        "probe_fails": np.zeros(len(hosts), dtype=np.int64),
        "failing_s": np.zeros(len(hosts)),
        "queued_at": np.zeros(len(hosts)),
        "blocked_s": np.zeros(len(hosts)),
        "asked_at": opened_at,
        "stall": None,
    }
    return RolloutLog(**(fields | more))


def recorded(rollouts: list[RolloutLog], agent: list[Move], mirror: list[Move], **more) -> Recording:
    fields = {
        "scenario": "by hand",
        "seed": 1,
        "replication": 0,
        "fidelity": "events",
        "host_names": HOSTS,
        "rollouts": rollouts,
        "agent": log_of(agent),
        "mirror": log_of(mirror),
        "gates": [],
        "load": {},
        "rejected": {},
        "ended_at": 100.0,
        "end": "quiescent",
        "wall_s": 0.5,
        "simulated": 7,
        "skipped": 8,
        "host_steps": 9,
        "rollout_steps": 10,
        "events": None,
    }
    return Recording(**(fields | more))


@pytest.fixture
def run() -> Recording:
    """Two rollouts. In s@r1, opened at 0, `a` is wave 0 and goes all the way; `b` and `c` are wave 1: `b` is deferred
    and comes back by a reboot, which its agent never steps itself; `c`'s agent forgot and activated twice, and is still
    soaking. e@r2 opens at 40 with `c` alone, in none of its channel's waves."""
    first = rollout_log(
        "s@r1",
        "abc",
        [0, 1, 1],
        current_wave=1,
        wave_opened_at={0: 0.0, 1: 30.0},
        first_dispatch_at={0: 0.0, 1: 45.0},
        deferred_at_promotion={0: 0},
        probe_runs=np.array([3, 0, 2]),
        probe_fails=np.array([1, 0, 0]),
        blocked_s=np.array([0.0, 45.0, 60.0]),
    )
    second = rollout_log("e@r2", "c", [-1], opened_at=40.0, wave_count=1)
    agent = [
        (0, "a", "Pending", "Activating", 1.0),
        (0, "a", "Activating", "Soaking", 10.0),
        (0, "a", "Soaking", "Converged", 25.0),
        (0, "b", "Pending", "Activating", 46.0),
        (0, "b", "Activating", "Deferred", 50.0),
        (0, "c", "Pending", "Activating", 61.0),
        (0, "c", "Activating", "Soaking", 70.0),
        (0, "c", "Activating", "Soaking", 75.0),
    ]
    mirror = [
        (0, "a", "Pending", "Activating", 2.0),
        (0, "a", "Activating", "Soaking", 11.0),
        (0, "a", "Soaking", "Converged", 26.0),
        (0, "b", "Pending", "Activating", 47.0),
        (0, "b", "Activating", "Deferred", 51.0),
        (0, "c", "Pending", "Activating", 62.0),
        (0, "b", "Deferred", "Soaking", 80.0),
        (0, "c", "Activating", "Soaking", 80.0),
        (0, "b", "Soaking", "Converged", 90.0),
    ]
    return recorded([first, second], agent, mirror)


def test_transitions(run: Recording) -> None:
    frame = frames.transitions(run)
    assert list(frame.columns) == ["rollout_id", "host", "from", "to", "at", "cp_at"]
    assert frame.to_numpy().tolist() == [
        ["s@r1", "a", "Pending", "Activating", 1.0, 2.0],
        ["s@r1", "a", "Activating", "Soaking", 10.0, 11.0],
        ["s@r1", "a", "Soaking", "Converged", 25.0, 26.0],
        ["s@r1", "b", "Pending", "Activating", 46.0, 47.0],
        ["s@r1", "b", "Activating", "Deferred", 50.0, 51.0],
        ["s@r1", "c", "Pending", "Activating", 61.0, 62.0],
        ["s@r1", "c", "Activating", "Soaking", 70.0, 80.0],
        ["s@r1", "b", "Deferred", "Soaking", 80.0, 80.0],
        ["s@r1", "b", "Soaking", "Converged", 90.0, 90.0],
    ]


def test_a_step_that_the_control_plane_never_saw_has_no_cp_at() -> None:
    frame = frames.transitions(recorded([rollout_log("s@r1", "a", [0])], [(0, "a", "Pending", "Activating", 1.0)], []))
    assert frame["at"].tolist() == [1.0]
    assert frame["cp_at"].isna().tolist() == [True]


def test_transitions_at_one_time_go_by_rollout_id_then_host_then_state() -> None:
    rollouts = [rollout_log("z@r1", "ab", [0, 0]), rollout_log("e@r1", "c", [0])]
    mirror = [
        (0, "b", "Pending", "Activating", 5.0),
        (0, "b", "Activating", "Soaking", 5.0),
        (0, "b", "Soaking", "Converged", 5.0),
        (0, "a", "Pending", "Activating", 5.0),
        (1, "c", "Pending", "Activating", 5.0),
    ]
    frame = frames.transitions(recorded(rollouts, [], mirror))
    assert frame[["host", "to"]].to_numpy().tolist() == [
        ["c", "Activating"],
        ["a", "Activating"],
        ["b", "Activating"],
        ["b", "Soaking"],
        ["b", "Converged"],
    ]


def test_hosts(run: Recording) -> None:
    frame = frames.hosts(run, tracks(run))
    names = [state.lower() for state in STATES]
    assert list(frame.columns) == [
        *("rollout_id", "channel", "host", "wave", "state"),
        *(f"{name}_at" for name in names),
        *(f"{name}_s" for name in names),
        *("blocked_s", "probe_runs", "probe_fails", "queued_at", "failing_s"),
    ]
    assert frame["rollout_id"].tolist() == ["s@r1", "s@r1", "s@r1", "e@r2"]
    assert frame["channel"].tolist() == ["s", "s", "s", "e"]
    assert frame["host"].tolist() == ["a", "b", "c", "c"]
    assert frame["wave"].astype(object).tolist() == [0, 1, 1, pd.NA]
    assert frame["state"].tolist() == ["Converged", "Converged", "Soaking", "Pending"]
    b = frame.iloc[1]
    assert [b[f"{name}_at"] for name in names[:5]] == [0.0, 47.0, 51.0, 80.0, 90.0]
    assert b[["failed_at", "reverted_at"]].isna().all()
    assert [b[f"{name}_s"] for name in names] == [47.0, 4.0, 29.0, 10.0, 10.0, 0.0, 0.0]
    assert frame["pending_s"].tolist() == [2.0, 47.0, 62.0, 60.0]
    assert frame["soaking_s"].tolist() == [15.0, 10.0, 20.0, 0.0]
    assert frame["blocked_s"].tolist() == [0.0, 45.0, 60.0, 0.0]
    assert frame["probe_runs"].tolist() == [3, 0, 2, 0]


def test_waves(run: Recording) -> None:
    """Wave 0: one host, eligible and converged 26 s after its opening: 3600 / 26 an hour. Wave 1: `c` is neither."""
    frame = frames.waves(run, tracks(run))
    zero, one, unlisted = frame.drop(columns=[*PARTS]).to_dict("records")
    assert zero | {"deferred_at_promotion": int(zero["deferred_at_promotion"])} == {
        "rollout_id": "s@r1",
        "channel": "s",
        "wave": 0,
        "hosts": 1,
        "opened_at": 0.0,
        "first_dispatch_at": 0.0,
        "eligible_at": 26.0,
        "converged_at": 26.0,
        "eligible_per_h": 3600 / 26,
        "converged_per_h": 3600 / 26,
        "deferred_at_promotion": 0,
        "verified_at_promotion": 1.0,
    }
    assert (one["hosts"], one["opened_at"], one["first_dispatch_at"]) == (2, 30.0, 45.0)
    assert all(np.isnan(one[name]) for name in ("eligible_at", "converged_at", "eligible_per_h", "converged_per_h"))
    assert pd.isna(one["deferred_at_promotion"])
    assert unlisted["hosts"] == 0
    assert np.isnan(unlisted["eligible_at"])


def test_a_deferred_host_is_eligible_and_a_wave_without_time_has_no_rate() -> None:
    """Both hosts of wave 1 converge at 20, before it opens at 30: no rate. Wave 0 is eligible by a deferral at 10."""
    log = rollout_log("s@r1", "abc", [0, 1, 1], wave_opened_at={0: 0.0, 1: 30.0}, deferred_at_promotion={0: 1})
    mirror = [
        (0, "a", "Pending", "Activating", 5.0),
        (0, "a", "Activating", "Deferred", 10.0),
        *((0, host, "Pending", "Activating", 20.0) for host in "bc"),
        *((0, host, "Activating", "Soaking", 20.0) for host in "bc"),
        *((0, host, "Soaking", "Converged", 20.0) for host in "bc"),
        (0, "a", "Deferred", "Soaking", 50.0),
        (0, "a", "Soaking", "Converged", 60.0),
    ]
    run = recorded([log], [], mirror)
    zero, one = frames.waves(run, tracks(run)).to_dict("records")
    assert (zero["eligible_at"], zero["converged_at"]) == (10.0, 60.0)
    assert (zero["eligible_per_h"], zero["converged_per_h"]) == (360.0, 60.0)
    assert zero["deferred_at_promotion"] == 1
    assert (one["eligible_at"], one["converged_at"]) == (20.0, 20.0)
    assert np.isnan(one["eligible_per_h"])
    assert np.isnan(one["converged_per_h"])


def test_rollouts(run: Recording) -> None:
    run.rollouts[0].superseded_at = 95.0
    frame = frames.rollouts(run, tracks(run))
    assert list(frame.columns[:9]) == [
        *("rollout_id", "channel", "ref", "state", "hosts"),
        *("opened_at", "terminal_at", "superseded_at", "current_wave"),
    ]
    assert list(frame.columns[9:]) == list(STATES)
    assert frame["ref"].tolist() == ["r1", "r2"]
    assert frame["superseded_at"].tolist()[0] == 95.0
    assert frame["terminal_at"].isna().all()
    assert frame[["Pending", "Soaking", "Converged"]].to_numpy().tolist() == [[0, 1, 2], [1, 0, 0]]


def test_timeline(run: Recording) -> None:
    frame = frames.timeline(run, tracks(run))
    assert list(frame.columns) == ["at", "rollout_id", *STATES]
    first = frame[frame["rollout_id"] == "s@r1"]
    assert first["at"].tolist() == [0.0, 2.0, 11.0, 26.0, 47.0, 51.0, 62.0, 80.0, 90.0]
    assert first["Pending"].tolist() == [3, 2, 2, 2, 1, 1, 0, 0, 0]
    assert first["Soaking"].tolist() == [0, 0, 1, 0, 0, 0, 0, 2, 1]
    assert (first[list(STATES)].sum(axis=1) == 3).all()
    assert frame[frame["rollout_id"] == "e@r2"].to_numpy().tolist() == [[40.0, "e@r2", 1, 0, 0, 0, 0, 0, 0]]
    assert frame["at"].is_monotonic_increasing


def test_gates_are_in_order_of_rollout_and_wave(run: Recording) -> None:
    run.gates = [
        GateHold("e@r2", None, "wave-promotion-host-unstaged", 1, 60.0, "channel=e"),
        GateHold("s@r1", 1, "wave-promotion", 2, 105.0, "host_wave=1 current_wave=0"),
        GateHold("s@r1", 0, "quarantine", 1, 15.0, "channel=s closure=x"),
    ]
    assert frames.gates(run).astype(object).to_numpy().tolist() == [
        ["s@r1", 0, "quarantine", 1, 15.0, "channel=s closure=x"],
        ["s@r1", 1, "wave-promotion", 2, 105.0, "host_wave=1 current_wave=0"],
        ["e@r2", pd.NA, "wave-promotion-host-unstaged", 1, 60.0, "channel=e"],
    ]


def test_load_has_every_count_in_every_minute(run: Recording) -> None:
    run.load = {
        "heartbeats": np.array([3, 4]),
        "reports.DispatchAck": np.array([1, 0]),
        "a.new.kind": np.array([0, 1]),
    }
    frame = frames.load(run)
    assert frame["at"].tolist() == [0.0, 60.0]
    assert list(frame.columns) == ["at", *frames.LOAD, "a.new.kind"]
    assert frame["heartbeats"].tolist() == [3, 4]
    assert frame["wakeups"].tolist() == [0, 0]


def test_frames_of_a_run_in_which_nothing_opened() -> None:
    run = recorded([], [], [], host_names=[])
    for name in frames.NAMES:
        frame = frames.build(name, run)
        assert len(frame) == (2 if name == "load" else 0), name
    assert summary(run, tracks(run))["rollouts"] == []


def test_summary(run: Recording) -> None:
    run.rollouts[0].stall = Stall(1, 90.0, [Waiting("Soaking", 1, ["c"])])
    run.load = {
        "reports.DispatchAck": np.array([3]),
        "reports.Converged": np.array([1]),
        "event_log.effect": np.array([5]),
        "heartbeats": np.array([2]),
    }
    run.rejected = {"IllegalForState": 2, "unknown": 1, "Unimplemented": 0}
    found = summary(run, tracks(run))
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["load"] == {
        "reports": 4,
        "heartbeats": 2,
        "dispatches_queued": 0,
        "dispatches_requeued": 0,
        "wakeups": 0,
        "event_log_rows": 5,
        "rejected": {"IllegalForState": 2, "SeqRegression": 0, "Invariant": 0, "unknown": 1},
    }
    assert found["events"] == {"simulated": 7, "skipped": 8, "host_steps": 9, "rollout_steps": 10}
    assert (found["hosts"], found["ended_at_s"], found["end"], found["wall_s"]) == (
        3,
        100.0,
        "quiescent",
        0.5,
    )
    first, second = found["rollouts"]
    # a after 25 s by its agent, b after 90 s by the control plane, c never: the 2nd of 3 is b's, the 3rd is none
    assert first["time_to_converged_s"] == {"p50": 90.0, "p90": None, "p99": None, "p100": None}
    assert first["states"]["Converged"] == 2
    assert set(first["states"]) == set(STATES)
    assert first["stalled"] == {
        "wave": 1,
        "since_s": 90.0,
        "waiting_for": [{"gate": "Soaking", "hosts": 1, "culprits": ["c"]}],
    }
    assert list(first["waves"][0]) == [
        *("index", "hosts", "opened_at_s", "first_dispatch_at_s", "eligible_at_s"),
        *("converged_at_s", "eligible_per_h", "converged_per_h", "verified_at_promotion", "parts"),
    ]
    assert second["stalled"] is None
    assert second["terminal_at_s"] is None


def test_quantiles_are_order_statistics() -> None:
    assert quantiles(np.array([4.0, 1.0, 3.0, 2.0])) == {"p50": 2.0, "p90": 4.0, "p99": 4.0, "p100": 4.0}
    hundred = quantiles(np.arange(1.0, 101.0))
    assert hundred == {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p100": 100.0}
    assert quantiles(np.array([np.nan, 1.0]))["p100"] is None
