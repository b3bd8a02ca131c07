"""The log that a run writes: by hand for a tiny fleet, against counts and frames for random ones."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import sim
from sim.data import EventLog, LogError
from sim.data.export import logged
from sim.data.rows import GateDecision, OpenRollout, QueueDispatch
from sim.data.writer import new_log
from sim.reducer.effects import RecordRolloutTransition, RecordTransition
from sim.reducer.events import HostJoined, HostStateChanged, RolloutOpened, RolloutTerminal, SuccessorOpened
from sim.reducer.payloads import (
    ActivationCompleted,
    ActivationStarted,
    Converged,
    DispatchAck,
    ProbeTopologyDeclared,
)

DERIVED = ("rollouts", "quarantined_closures", "host_rollout_records", "probe_failures", "dispatch_queue")
TINY = {
    "name": "tiny",
    "until": "2m",
    "fleet": {
        "generate": {
            "channels": {"a": {"hosts": 2, "policy": "p"}},
            "policies": {"p": {"waves": [{"percent": 100, "soak": "30s"}]}},
            "disruption_budgets": [{"selector": {"all": True}, "max_in_flight": 1}],
        }
    },
    "releases": [{"at": 0, "ref": "1", "closures": "shared"}, {"at": 85, "ref": "2", "closures": "shared"}],
    "hosts": {"default": {"network_delay": "1s", "activation": "10s"}},
    "control_plane": {"phases": "zero"},
}


def test_the_whole_log_of_a_tiny_fleet(tmp_path: Path, scenario_of: Any) -> None:
    """Two hosts, a budget of one, messages take 1 s and an activation 10 s; polls every 30 s, ticks every 15 s of the
    planner and every 5 s of the agents. The first release is seen at 0 s, the second at the poll of 90 s."""
    _, rows = logged(scenario_of(TINY), tmp_path / "log.db")
    one, two = "a-00000", "a-00001"

    def takes(host: str, rollout: str, at: float, ran: str, target: str) -> list[tuple[float, str | None, Any]]:
        """A dispatch queued at `at` and delivered 1 s later: every report arrives 1 s after it was made."""
        t = at + 1
        return [
            (t + 1, host, DispatchAck(1, ran, t)),
            (t + 1, host, RecordTransition(host, rollout, "Pending", "Activating", t)),
            (t + 1, host, HostStateChanged(rollout, host, "Pending", "Activating", t + 1)),
            (t + 1, host, ActivationStarted(2, t, "switch-to-configuration")),
            (t + 11, host, ActivationCompleted(3, target, 0, t + 10)),
            (t + 11, host, RecordTransition(host, rollout, "Activating", "Soaking", t + 10)),
            (t + 11, host, HostStateChanged(rollout, host, "Activating", "Soaking", t + 11)),
            (t + 11, host, ProbeTopologyDeclared(4, [], t + 10)),
        ]

    def converges(host: str, at: float) -> list[tuple[float, str | None, Any]]:
        return [
            (at + 1, host, Converged(5, at, "closure-1")),
            (at + 1, host, RecordTransition(host, "a@1", "Soaking", "Converged", at)),
            (at + 1, host, HostStateChanged("a@1", host, "Soaking", "Converged", at + 1)),
        ]

    expected = [
        (0, None, RolloutOpened("a@1", "a", "1", 0)),
        (0, one, HostJoined("a@1", one, 0, 0)),
        (0, None, RecordRolloutTransition("a@1", "Opening", "Active", 0)),
        (0, two, HostJoined("a@1", two, 0, 0)),
        (0, None, OpenRollout("a@1", "a", "1", [one, two])),
        (0, one, QueueDispatch(one, "a@1", "closure-1", 30)),
        (0, two, GateDecision("disruption-budget", "in_flight=1 max=1 selector=all", two, "a@1")),
        *takes(one, "a@1", 0, "before-a-00000", "closure-1"),
        *converges(one, 30),  # a tick, at the end of its soak; the control plane knows a second after the pass of 30 s
        (45, two, QueueDispatch(two, "a@1", "closure-1", 30)),
        *takes(two, "a@1", 45, "before-a-00001", "closure-1"),
        *converges(two, 60),  # its soak was over before it began: the first tick after 56 s
        (61, None, RolloutTerminal("a@1", 61)),
        (61, None, RecordRolloutTransition("a@1", "Active", "Terminal", 61)),
        (90, None, RolloutOpened("a@2", "a", "2", 90)),
        (90, None, SuccessorOpened("a@1", "a@2", 90)),
        (90, None, RecordRolloutTransition("a@1", "Terminal", "Superseded", 90)),
        (90, one, HostJoined("a@2", one, 0, 90)),
        (90, None, RecordRolloutTransition("a@2", "Opening", "Active", 90)),
        (90, two, HostJoined("a@2", two, 0, 90)),
        (90, None, OpenRollout("a@2", "a", "2", [one, two])),
        (90, one, QueueDispatch(one, "a@2", "closure-2", 120)),
        (90, two, GateDecision("disruption-budget", "in_flight=1 max=1 selector=all", two, "a@2")),
        *takes(one, "a@2", 90, "closure-1", "closure-2"),
    ]
    with EventLog(tmp_path / "log.db") as log:
        assert [(row.at, row.host, row.payload) for row in log.rows()] == expected
        assert log.problems.counts == {}
    assert rows == len(expected)


def test_rows_are_written_as_a_control_plane_writes_them(tmp_path: Path, scenario_of: Any, table: Any) -> None:
    probes = [{"name": "p", "kind": "http", "mode": "observe", "interval": "20s"}]
    data = {**TINY, "probes": probes, "releases": [{"at": 0.5, "ref": "1", "closures": "shared"}], "until": "42s"}
    logged(scenario_of(data), tmp_path / "log.db", start="2026-03-01T23:59:30.000000001Z")
    raw = {(row[4], json.loads(row[5]).get("kind")): row for row in reversed(table(tmp_path / "log.db", "event_log"))}
    # the poll of 30 s sees the release; the tick of 30 s queues the dispatch; 1 s, 10 s, and 1 s later:
    seq, ts, host, rollout, _, payload = raw["agent_event", "ProbeResult"]
    assert (ts, host, rollout) == ("2026-03-02T00:00:12.000000001+00:00", "a-00000", "a@1")
    assert payload == (
        '{"kind":"ProbeResult","seq":6,"probeName":"p","mode":"observe","status":"pass",'
        '"observedAt":"2026-03-02T00:00:11.000000001+00:00","failureReason":null,"subResults":null}'
    )
    assert raw["agent_event", "ProbeTopologyDeclared"][5] == (
        '{"kind":"ProbeTopologyDeclared","seq":4,"probes":[{"probeName":"p","kind":"http","mode":"observe"}],'
        '"declaredAt":"2026-03-02T00:00:11.000000001+00:00"}'
    )
    assert raw["rollout_event", "HostStateChanged"][5] == (
        '{"kind":"HostStateChanged","rolloutId":"a@1","hostId":"a-00000","from":"Pending","to":"Activating",'
        '"at":"2026-03-02T00:00:02.000000001+00:00"}'
    )
    assert [row[0] for row in table(tmp_path / "log.db", "event_log")] == list(range(1, seq + 1))


KINDS = [(seed, kind) for seed in range(8) for kind in ("plain", "ties", "slow")]


@pytest.mark.parametrize(("seed", "kind"), KINDS)
def test_a_log_has_the_rows_that_are_counted(
    tmp_path: Path, random_scenario: Any, table: Any, seed: int, kind: str
) -> None:
    """Both fidelities write the same rows, as many of each kind as a run without a log counts; and so do the derived
    tables. Without --every-pass it is the same log with fewer gate decisions."""
    counted = sim.run(random_scenario(seed, kind)).load
    found: dict[tuple[str, bool], list[list[Any]]] = {}
    for fidelity, every_pass in (("events", True), ("events", False), ("full", True)):
        path = tmp_path / f"{fidelity}-{every_pass}.db"
        result, rows = logged(random_scenario(seed, kind, fidelity=fidelity), path, every_pass=every_pass)
        pd.testing.assert_frame_equal(result.load, counted)
        found[fidelity, every_pass] = [table(path, name) for name in ("event_log", *DERIVED)]
        assert rows == len(found[fidelity, every_pass][0])
    assert found["events", True] == found["full", True]
    every, changes = found["events", True], found["events", False]
    kinds = Counter(row[4] for row in every[0])
    totals = counted.filter(like="event_log.").sum().astype(int)
    assert {f"event_log.{kind}": count for kind, count in kinds.items()} == totals[totals > 0].to_dict()
    assert [row[1:] for row in every[0] if row[4] != "gate_decision"] == [
        row[1:] for row in changes[0] if row[4] != "gate_decision"
    ]
    decided = [row[1:] for row in every[0] if row[4] == "gate_decision"]
    assert not Counter(row[1:] for row in changes[0] if row[4] == "gate_decision") - Counter(decided)


@pytest.mark.parametrize(("seed", "kind"), KINDS[::3])
def test_derived_tables_are_those_of_the_frames(
    tmp_path: Path, random_scenario: Any, table: Any, seed: int, kind: str
) -> None:
    path = tmp_path / "log.db"
    result, _ = logged(random_scenario(seed, kind), path)
    rollouts = [(row[0], row[1], row[2], row[3], row[4]) for row in table(path, "rollouts")]
    assert rollouts == [
        (one.rollout_id, one.channel, one.ref, one.state, one.current_wave) for one in result.rollouts.itertuples()
    ]
    records = sorted((row[0], row[1], row[3]) for row in table(path, "host_rollout_records"))
    assert records == sorted((one.rollout_id, one.host, one.state) for one in result.hosts.itertuples())
    rows = {row[0]: row for row in table(path, "event_log")}
    for _, _, _, _, _, opened, moved, *_ in table(path, "rollouts"):
        assert json.loads(rows[opened][5])["kind"] == "RolloutOpened"
        assert json.loads(rows[moved][5])["effect"] == "RecordRolloutTransition"
    for channel, closure, at, seq in table(path, "quarantined_closures"):
        assert rows[seq][1] == at
        assert json.loads(rows[seq][5])["kind"] == "RollbackComplete"
        effect = {"effect": "RemoteInsertQuarantine", "channel": channel, "closure": closure}
        assert json.loads(rows[seq + 1][5]) == effect
    failures = [row for row in rows.values() if '"kind":"ProbeResult"' in row[5] and '"status":"fail"' in row[5]]
    assert [row[0] for row in table(path, "probe_failures")] == [row[0] for row in failures]
    waiting = {(row[0], row[1]) for row in table(path, "dispatch_queue")}
    queued = {(row[2], row[3]) for row in rows.values() if row[4] == "plan_action" and row[2] is not None}
    assert waiting <= queued


def test_a_dispatch_that_waits_for_its_host_is_in_the_queue(tmp_path: Path, scenario_of: Any, table: Any) -> None:
    """The hosts go offline after 1 s, when the first dispatch arrives: it is lost, queued again by the poll of 10 s and
    then by every pass, the last one at the horizon. The budget lets nobody else go."""
    away = {"network_delay": "1s", "online": {"up": "1s", "down": "1d"}}
    planes = {"phases": "zero", "manifest_poll": "10s"}
    data = {**TINY, "hosts": {"default": away}, "control_plane": planes, "until": "40s"}
    logged(scenario_of(data), tmp_path / "log.db")
    due, queued = (f"2026-01-05T00:00:{second}.000000000+00:00" for second in (30, 40))
    assert table(tmp_path / "log.db", "dispatch_queue") == [("a-00000", "a@1", "closure-1", due, queued)]
    passes = [row[1][17:19] for row in table(tmp_path / "log.db", "event_log") if "QueueDispatch" in row[5]]
    assert passes == ["00", "10", "15", "20", "30", "30", "40"]


def test_a_log_is_written_whole_or_not_at_all(tmp_path: Path, scenario_of: Any) -> None:
    path = tmp_path / "log.db"
    with pytest.raises(RuntimeError), new_log(path, 0) as log:
        log.row(0.0, None, "a@1", "rollout_event", RolloutOpened("a@1", "a", "1", 0.0))
        raise RuntimeError("stopped")
    assert list(tmp_path.iterdir()) == []
    logged(scenario_of(TINY), path)
    before = path.read_bytes()
    with pytest.raises(RuntimeError), new_log(path, 0):
        raise RuntimeError("stopped")
    assert path.read_bytes() == before
    logged(scenario_of(TINY), path, every_pass=True)
    assert path.read_bytes() != before
    assert sorted(one.name for one in tmp_path.iterdir()) == ["log.db", "scenario.json"]


def test_what_is_no_log_of_ours_is_not_overwritten(tmp_path: Path, scenario_of: Any) -> None:
    real = tmp_path / "real.db"
    logged(scenario_of(TINY), real)
    with sqlite3.connect(real) as database:
        database.execute("DROP TABLE simulation")
    database.close()
    text = tmp_path / "text.db"
    text.write_text("mine")
    for path in (real, text, tmp_path):
        before = path.read_bytes() if path.is_file() else b""
        with pytest.raises(LogError, match="is there and is no log that this program wrote"):
            logged(scenario_of(TINY), path)
        assert not path.is_file() or path.read_bytes() == before
    with pytest.raises(LogError, match="cannot be written"):
        logged(scenario_of(TINY), tmp_path / "nowhere" / "log.db")
    with pytest.raises(LogError, match="the start of the log: expected a time such as"):
        logged(scenario_of(TINY), tmp_path / "log.db", start="2026-01-05")
    with pytest.raises(LogError, match="the start of the log: so late that a time in it could lie beyond the year"):
        logged(scenario_of(TINY), tmp_path / "log.db", start="9999-12-31T23:59:30Z")
