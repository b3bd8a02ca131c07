"""Logs through the reducers: what was exported agrees and comes back; what was tampered with does not; a real one."""

from __future__ import annotations

import json
import random
import sqlite3
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import sim.result
from sim.data import EventLog, LogError
from sim.data.export import logged
from sim.data.real import replay, result_of
from sim.report import report

from .test_export import TINY
from .test_log import TABLE, log_of

AGENTS = ["probe_runs", "probe_fails", "failing_s"]
"""Columns of `hosts` of which the control plane hears only by reports."""


def compare(result: sim.Result, back: sim.Result, *, reasons: bool) -> int:
    """Hold what came back against the run; the number of hosts of which everything can be told.

    By the control plane's clock all of it comes back. Of the agents' own clocks it does where the control plane made
    up nothing from a heartbeat and refused nothing, and nothing was on its way when the run ended.
    """
    for name in ("rollouts", "waves", "timeline", "gates"):
        ours, theirs = getattr(result, name), getattr(back, name)
        if name == "gates" and not reasons:
            ours, theirs = ours.drop(columns="culprit"), theirs.drop(columns="culprit")
        pd.testing.assert_frame_equal(ours, theirs, check_exact=True)
    pd.testing.assert_frame_equal(result.hosts.drop(columns=AGENTS), back.hosts.drop(columns=AGENTS), check_exact=True)
    by_plane = ["rollout_id", "host", "from", "to"]
    heard = result.transitions.dropna(subset="cp_at").set_index(by_plane)["cp_at"].sort_index()
    pd.testing.assert_series_equal(heard, back.transitions.set_index(by_plane)["cp_at"].sort_index(), check_exact=True)
    events = result.events
    apart = events[events["what"].isin(["heartbeat", "rejected"])]
    parted = set(zip(apart["rollout_id"], apart["host"], strict=True))
    parted |= {
        (one.rollout_id, one.host) for one in result.transitions.itertuples() if one.cp_at != one.cp_at
    }  # an agent's step of which nothing was heard
    hosts, same = result.hosts, back.hosts
    whole = [
        (one.rollout_id, one.host) not in parted and one.state in ("Converged", "Failed", "Reverted")
        for one in hosts.itertuples()
    ]
    pd.testing.assert_frame_equal(hosts[whole], same[whole], check_exact=True)
    names = {(one.rollout_id, one.host) for one in hosts[whole].itertuples()}
    moves = [
        frame[[key in names for key in zip(frame["rollout_id"], frame["host"], strict=True)]].reset_index(drop=True)
        for frame in (result.transitions, back.transitions)
    ]
    pd.testing.assert_frame_equal(*moves, check_exact=True)
    return len(names)


@pytest.mark.parametrize("every_pass", [False, True])
@pytest.mark.parametrize("kind", ["plain", "ties", "slow"])
def test_what_was_exported_agrees_and_comes_back(
    tmp_path: Path, random_scenario: Any, kind: str, every_pass: bool
) -> None:
    agree = told = 0
    for seed in range(8):
        scenario = random_scenario(seed, kind)
        result, rows = logged(scenario, tmp_path / "log.db", every_pass=every_pass, record_events=True)
        found = replay(tmp_path / "log.db")
        compared = found.replay
        assert (found.rows, compared.differ, compared.skipped, found.problems) == (rows, 0, {}, [])
        assert compared.differences == []
        agree += compared.agree
        assert found.result is not None
        assert found.result.scenario == scenario
        told += compare(result, found.result, reasons=every_pass)
        summary = found.result.summary
        assert (summary["fidelity"], summary["end"]) == ("log", "log")
        assert (summary["seed"], summary["ended_at_s"]) == (scenario.seed, result.summary["ended_at_s"])
        ours, theirs = result.load.filter(like="event_log."), found.result.load.filter(like="event_log.")
        kinds = [name for name in ours if every_pass or name != "event_log.gate_decision"]
        pd.testing.assert_frame_equal(ours[kinds], theirs[kinds])
        queued = ["dispatches_queued", "dispatches_requeued", "rollout_steps"]
        pd.testing.assert_frame_equal(result.load[queued], found.result.load[queued])
    assert agree > 100
    assert told > 10


def test_the_events_that_a_log_can_tell_come_back(tmp_path: Path, random_scenario: Any) -> None:
    """Told by the control plane and not repeated (a parked dispatch, another reason of the same gate)."""
    kinds = ["report", "rollout_event", "rollout_move", "promotion", "quarantine", "opened"]
    for seed in range(8):
        result, _ = logged(random_scenario(seed), tmp_path / "log.db", record_events=True)
        back = replay(tmp_path / "log.db", events=True).result
        assert back is not None
        for kind in kinds:
            ours, theirs = (
                sorted(
                    (one.cp_at, one.rollout_id, str(one.host), json.dumps(one.detail, sort_keys=True))
                    for one in frame[frame["what"] == kind].itertuples()
                )
                for frame in (result.events, back.events)
            )
            assert ours == theirs


# -- tampering


def tampered(tmp_path: Path, scenario_of: Any, *changes: str) -> Any:
    """The tiny log (49 rows, 12 of them transitions) after SQL, as a real one would be: without its scenario."""
    path = tmp_path / "log.db"
    logged(scenario_of(TINY), path)
    with sqlite3.connect(path) as database:
        for change in ("DROP TABLE simulation", *changes):
            database.execute(change)
    database.close()
    return replay(path)


def test_a_transition_of_another_kind_is_one_difference(tmp_path: Path, scenario_of: Any) -> None:
    """Row 13 is the move of the first host to Soaking. What follows fits the reducer, so nothing else differs."""
    found = tampered(
        tmp_path, scenario_of, "UPDATE event_log SET payload = replace(payload, 'Soaking', 'Deferred') WHERE seq = 13"
    )
    assert (found.replay.agree, found.replay.differ) == (11, 1)
    (difference,) = found.replay.differences
    assert (difference.row, difference.host, difference.rollout) == (13, "a-00000", "a@1")
    assert difference.what == (
        "the log moves it Activating -> Deferred at 11 s, the reducer moves it Activating -> Soaking at 11 s"
    )
    assert [row.seq for row in difference.rows] == [10, 11, 12, 13, 14, 15]


def test_transitions_that_are_not_there_differ(tmp_path: Path, scenario_of: Any) -> None:
    """A host's (row 13) and a rollout's (row 32); the gaps are told as well."""
    found = tampered(tmp_path, scenario_of, "DELETE FROM event_log WHERE seq IN (13, 32)")
    assert (found.replay.agree, found.replay.differ) == (10, 2)
    assert dict(found.replay.skipped) == {"missing": 2}
    assert [(one.row, one.what) for one in found.replay.differences] == [
        (12, "the reducer moves it Activating -> Soaking at 11 s, which the log does not"),
        (31, "the reducer moves it Active -> Terminal at 61 s, which the log does not"),
    ]


def test_an_event_that_the_reducer_refuses_differs(tmp_path: Path, scenario_of: Any) -> None:
    """Without the completion (row 12) the move of row 13 comes out of nothing. The probes of row 15 are refused by a
    record that is Activating, but not by the one that the log has then, and from there on all is well. A host that
    converges on something else (row 16) is refused, and its move is part of that difference."""
    found = tampered(tmp_path, scenario_of, "DELETE FROM event_log WHERE seq = 12")
    assert (found.replay.agree, found.replay.differ) == (11, 1)
    assert found.replay.differences[0].what == (
        "the log moves it Activating -> Soaking at 11 s, the reducer does not move it"
    )
    (tmp_path / "log.db").unlink()
    found = tampered(
        tmp_path,
        scenario_of,
        """UPDATE event_log SET payload = replace(payload, '"currentClosure":"closure-1"', '"currentClosure":"x"')
        WHERE seq = 16""",
    )
    assert (found.replay.agree, found.replay.differ) == (11, 1)
    assert found.replay.differences[0].what == "the reducer refuses it: Invariant, runs x, not closure-1"


def test_an_event_once_more_is_passed_over(tmp_path: Path, scenario_of: Any) -> None:
    found = tampered(
        tmp_path,
        scenario_of,
        "UPDATE event_log SET seq = -seq WHERE seq > 11",
        "INSERT INTO event_log SELECT 12, ts, host_id, rollout_id, kind, payload FROM event_log WHERE seq = 11",
        "UPDATE event_log SET seq = 1 - seq WHERE seq < 0",
    )
    assert (found.rows, found.replay.agree, found.replay.differ) == (50, 12, 0)
    assert dict(found.replay.skipped) == {"doubled": 1}


def test_a_log_that_begins_in_the_middle_is_used_from_there_on(tmp_path: Path, scenario_of: Any) -> None:
    """From row 13 on: with it the first host begins to be known, so that it cannot be compared, and with its dispatch
    (row 19) the second. Of 12 transitions 2 are gone (rows 3 and 9)."""
    found = tampered(tmp_path, scenario_of, "DELETE FROM event_log WHERE seq < 13")
    assert (found.replay.agree, found.replay.differ) == (9, 0)
    assert dict(found.replay.skipped) == {"missing": 12, "no record": 1}
    assert found.result is not None
    rollouts = found.result.rollouts.set_index("rollout_id")
    # t = 0 is the log's first row, of 12 s in the run
    assert rollouts.loc["a@1", ["opened_at", "terminal_at", "superseded_at"]].tolist() == [0, 49, 78]
    assert rollouts.loc["a@1", "Converged"] == 2


def test_a_log_that_ends_within_a_step_is_cut_off(tmp_path: Path, scenario_of: Any) -> None:
    found = tampered(tmp_path, scenario_of, "DELETE FROM event_log WHERE seq > 46")
    assert (found.replay.agree, found.replay.differ) == (11, 0)
    assert dict(found.replay.skipped) == {"cut off": 1}


def test_a_log_without_a_row_that_can_be_used_is_refused(tmp_path: Path) -> None:
    path = log_of(tmp_path / "log.db", [(1, "2026-03-01T12:00:00Z", "h", "a@1", "agent_event", "?")])
    with pytest.raises(LogError, match="not one of its rows can be used\npayload: 1"):
        replay(path)
    with pytest.raises(LogError, match="event_log holds no row"):
        replay(log_of(tmp_path / "empty.db", []))


# -- a real log


def real_log(path: Path) -> Path:
    """Two hosts in two waves, written as a control plane writes: reasons in prose, times with `Z` and three digits,
    kinds that say nothing, and activations whose `completedAt` was read before the work began."""

    def at(second: float) -> str:
        minute, rest = divmod(second, 60)
        return f"2026-03-01T12:{int(minute):02d}:{rest:06.3f}Z"

    rows: list[tuple[float, str | None, str, dict[str, Any]]] = []

    def rollout_event(t: float, host: str | None, kind: str, **fields: Any) -> None:
        rows.append((t, host, "rollout_event", {"kind": kind, "rolloutId": "a@7", **fields, "at": at(t)}))

    def moved(t: float, host: str, source: str, target: str, said: float) -> None:
        effect = {"effect": "RecordTransition", "host": host, "rollout_id": "a@7", "from": source, "to": target}
        rows.append((t, host, "effect", {**effect, "at": at(said)}))
        rollout_event(t, host, "HostStateChanged", hostId=host, **{"from": source, "to": target})

    def rollout_moved(t: float, source: str, target: str) -> None:
        effect = {"effect": "RecordRolloutTransition", "rolloutId": "a@7", "from": source, "to": target, "at": at(t)}
        rows.append((t, None, "effect", effect))

    def host(name: str, t: float, due: float) -> None:
        """Queued at t, acknowledged after 1 s, done 100 s later, soaked at `due`."""
        queued = {"action": "QueueDispatch", "host": name, "rollout": "a@7", "target_closure": "new"}
        rows.append((t, name, "plan_action", {**queued, "soak_due_at": at(due)}))
        ack = {"kind": "DispatchAck", "currentClosureAtDispatch": "old", "receivedAt": at(t), "seq": 1}
        rows.append((t + 1, name, "agent_event", ack))
        moved(t + 1, name, "Pending", "Activating", t)
        done = {"kind": "ActivationCompleted", "observedCurrentClosure": "new", "exitCode": 0, "seq": 2}
        rows.append((t + 101, name, "agent_event", {**done, "completedAt": at(t + 1)}))
        moved(t + 101, name, "Activating", "Soaking", t + 1)
        converged = {"kind": "Converged", "convergedAt": at(due), "currentClosure": "new", "seq": 3}
        rows.append((due + 1, name, "agent_event", converged))
        moved(due + 1, name, "Soaking", "Converged", due)

    rows.append((0, None, "manifest_poll", {"found": 1}))
    rollout_event(0, None, "RolloutOpened", channel="a", targetRef="7")
    rollout_event(0, "one", "HostJoined", hostId="one", wave=0)
    rollout_moved(0, "Opening", "Active")
    rollout_event(0, "two", "HostJoined", hostId="two", wave=1)
    opened = {"action": "OpenRollout", "rollout_id": "a@7", "channel": "a", "target_ref": "7", "hosts": ["one", "two"]}
    rows.append((0, None, "plan_action", opened))
    held = {"gate": "wave-promotion", "host": "two", "rollout": "a@7"}
    for t in (15, 30):
        rows.append((t, "two", "gate_decision", {**held, "reason": "the wave before has not finished yet"}))
    host("one", 15, 315)
    host("two", 330, 630)
    rollout_event(631, None, "RolloutTerminal")
    rollout_moved(631, "Active", "Terminal")
    rows.append((640, None, "verify_outcome", {"ok": True}))
    rows.sort(key=lambda row: row[0])
    cells = [(seq, at(t), host, "a@7", kind, payload) for seq, (t, host, kind, payload) in enumerate(rows, start=1)]
    return log_of(path, cells, TABLE)


def test_a_real_log_goes_by_the_time_of_its_rows(tmp_path: Path) -> None:
    found = replay(real_log(tmp_path / "fleet.db"))
    assert (found.replay.agree, found.replay.differ, found.problems) == (8, 0, [])
    assert dict(found.replay.skipped) == {"manifest_poll": 1, "verify_outcome": 1}
    assert len(found.assumed) == 3
    result = found.result
    assert result is not None
    hosts = result.hosts.set_index("host")
    assert hosts["activating_s"].tolist() == [100, 100]  # by their payloads it would be 1 s
    assert hosts["soaking_s"].tolist() == [316 - 116, 631 - 431]
    assert hosts["blocked_s"].tolist() == [0, 330 - 15]
    assert hosts["wave"].tolist() == [0, 1]
    frame = result.waves
    assert frame["opened_at"].tolist() == [0, 330]  # no row says it: it shows in the dispatch
    assert frame["converged_at"].tolist() == [316, 631]
    assert frame["hosts"].tolist() == [1, 1]
    assert result.gates[["wave", "gate", "hosts", "blocked_s"]].values.tolist() == [[1, "wave-promotion", 1, 315]]
    assert result.transitions["at"].tolist() == result.transitions["cp_at"].tolist()
    (rollout,) = result.summary["rollouts"]
    assert (rollout["state"], rollout["terminal_at_s"], rollout["current_wave"]) == ("Terminal", 631, 1)
    assert result.summary["scenario"] == "fleet"
    assert {name: host.channel for name, host in result.scenario.artifact().hosts.items()} == {"one": "a", "two": "a"}
    waves = result.scenario.artifact().waves["a"]
    assert [(wave.hosts, wave.soak_minutes * 60) for wave in waves] == [(["one"], 315), (["two"], 630)]


def test_what_happened_can_be_saved_reported_and_told(tmp_path: Path) -> None:
    found = replay(real_log(tmp_path / "fleet.db"), events=True)
    assert found.result is not None
    sim.result.save(found.result, tmp_path / "out")
    result = sim.result.read(tmp_path / "out")
    page = report(result)
    assert "This happened, as the event log of a control plane tells it" in page
    assert "This is a simulation" not in page
    assert "simulated to" not in page
    assert "as its event log tells it" in result.describe()
    assert [link.what for link in result.critical_path("a@7")] == ["soak clock"]  # which began at the opening
    assert result.has_events


def test_what_happened_cannot_be_repeated_for_its_events(tmp_path: Path) -> None:
    result = result_of(real_log(tmp_path / "fleet.db"))
    with pytest.raises(LookupError, match="cannot be repeated"):
        result.events  # noqa: B018


def test_the_fleet_of_a_scenario_says_which_waves_there_are(tmp_path: Path, scenario_of: Any) -> None:
    """By the scenario's artifact `two` is in wave 2 of three; the empty middle one opens on the way there."""
    waves = [["one"], [], ["two"]]
    host = {"system": "x", "channel": "a"}
    channel = {"rolloutPolicy": "p", "reconcileIntervalMinutes": 1, "signingIntervalMinutes": 1, "freshnessWindow": 1}
    artifact = {
        "schemaVersion": 1,
        "hosts": {"one": host, "two": host, "three": host},
        "channels": {"a": channel},
        "rolloutPolicies": {"p": {"strategy": "staged", "waves": [], "onHealthFailure": "halt"}},
        "waves": {"a": [{"hosts": names, "soakMinutes": 5} for names in waves]},
    }
    (tmp_path / "fleet.json").write_text(json.dumps(artifact))
    scenario = scenario_of({"name": "mine", "fleet": {"resolved": "fleet.json"}, "releases": [{"at": 0, "ref": "7"}]})
    result = result_of(real_log(tmp_path / "fleet.db"), scenario)
    assert result.waves[["wave", "hosts", "opened_at"]].values.tolist() == [[0, 1, 0], [1, 0, 330], [2, 1, 330]]
    assert result.summary["hosts"] == 3
    assert result.scenario.name == "mine"
    with EventLog(tmp_path / "fleet.db") as log:
        assert log.simulation is None


@pytest.mark.parametrize("cut", [False, True])
def test_damage_of_any_kind_is_no_crash(tmp_path: Path, scenario_of: Any, cut: bool) -> None:
    """Bytes that are something else, or a file that is cut off, anywhere: rows are lost, or there is no log."""
    logged(scenario_of(TINY), tmp_path / "log.db")
    content = (tmp_path / "log.db").read_bytes()
    rng = random.Random(1)
    used = 0
    for _ in range(25):
        damaged = bytearray(content)
        for _ in range(rng.choice([1, 5, 50])):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        if cut:
            del damaged[rng.randrange(len(damaged) // 2, len(damaged)) :]
        (tmp_path / "damaged.db").write_bytes(damaged)
        try:
            found = replay(tmp_path / "damaged.db", events=True)
        except LogError:
            continue
        assert found.result is not None
        sim.result.save(found.result, tmp_path / "out")
        used += found.rows > 0
    assert used > 0


def test_a_file_that_was_cut_off_ends_with_its_last_row(tmp_path: Path, scenario_of: Any) -> None:
    """The end of the run, 120 s, is written in the file, too; between its last row and that it cannot say anything."""
    logged(scenario_of(TINY), tmp_path / "log.db", every_pass=True)
    content = (tmp_path / "log.db").read_bytes()
    ends = set()
    for kept in range(len(content) // 4096):
        (tmp_path / "cut.db").write_bytes(content[: 4096 * kept])
        try:
            found = replay(tmp_path / "cut.db")
        except LogError:
            continue
        with EventLog(tmp_path / "cut.db") as log:
            last = max(row.at for row in log.rows())
            simulated, lost = log.simulation is not None, "file" in log.problems.counts
        assert found.result is not None
        if lost:
            assert found.result.summary["ended_at_s"] == last
            ends.add((simulated, last))
    assert any(simulated and last < 120 for simulated, last in ends)


def test_a_clock_that_was_not_set_yet_does_not_stretch_a_log(tmp_path: Path) -> None:
    """The first row says 1970, another 9999: both are ten years and more from the rest."""
    path = real_log(tmp_path / "fleet.db")
    with sqlite3.connect(path) as database:
        database.execute("UPDATE event_log SET ts = '1970-01-01T00:00:00Z' WHERE seq = 1")
        database.execute("UPDATE event_log SET ts = '9999-12-31T00:00:00Z' WHERE kind = 'verify_outcome'")
        database.execute("UPDATE event_log SET kind = 'gate_decision' WHERE kind = 'verify_outcome'")
    database.close()
    found = replay(path)
    assert found.replay.agree == 8
    assert dict(found.replay.skipped) == {"manifest_poll": 1, "time": 1}
    assert found.result is not None
    assert found.result.summary["ended_at_s"] == 631


def test_a_log_that_has_lost_its_scenario_is_read_as_a_real_one(tmp_path: Path, scenario_of: Any) -> None:
    path = tmp_path / "log.db"
    logged(scenario_of(TINY), path)
    with sqlite3.connect(path) as database:
        database.execute("UPDATE simulation SET value = replace(value, 'releases', 'leases') WHERE key = 'scenario'")
    database.close()
    found = replay(path)
    assert (found.replay.agree, found.replay.differ, dict(found.replay.skipped)) == (12, 0, {"simulation": 1})
    assert found.problems[1].startswith("  the scenario in the log cannot be used: ")
    with sqlite3.connect(path) as database:
        database.execute("UPDATE simulation SET value = '3' WHERE key = 'start'")
    database.close()
    assert dict(replay(path).replay.skipped) == {"simulation": 1}
