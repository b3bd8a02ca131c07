"""Reading a log: what a real one holds, every kind of damage, and that the file stays as it is."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from sim.data import EventLog, LogError
from sim.data.rows import GateDecision, OpenRollout, QueueDispatch, Row
from sim.reducer.effects import RecordRolloutTransition, RecordTransition, RemoteInsertQuarantine
from sim.reducer.events import HostJoined, HostStateChanged, RolloutOpened, SuccessorOpened
from sim.reducer.payloads import DeclaredProbe, DispatchAck, ProbeResult, ProbeTopologyDeclared

TABLE = (
    "CREATE TABLE event_log(seq INTEGER PRIMARY KEY AUTOINCREMENT, ts TEXT NOT NULL, host_id TEXT, rollout_id TEXT, "
    "kind TEXT NOT NULL, payload TEXT NOT NULL)"
)
ACK = {
    "kind": "DispatchAck",
    "currentClosureAtDispatch": "old",
    "receivedAt": "2026-03-01T12:00:01.500+00:00",
    "seq": 1,
}


def log_of(path: Path, rows: list[tuple[Any, ...]], table: str = TABLE) -> Path:
    """A log with these rows: (seq, ts, host, rollout, kind, payload), a payload that is no text as JSON."""
    with sqlite3.connect(path) as database:
        database.execute(table)
        for *cells, payload in rows:
            text = json.dumps(payload) if isinstance(payload, dict) else payload
            database.execute("INSERT INTO event_log VALUES (?, ?, ?, ?, ?, ?)", (*cells, text))
    database.close()
    return path


def read(path: Path) -> tuple[list[Row], dict[str, int]]:
    with EventLog(path) as log:
        return list(log.rows()), log.problems.counts


def test_every_kind_of_row_becomes_what_the_reducers_know(tmp_path: Path) -> None:
    def at(second: str) -> str:
        return f"2026-03-01T12:00:{second}"

    rows = [
        (1, at("00Z"), None, "a@2", "rollout_event",
         {"kind": "RolloutOpened", "rolloutId": "a@2", "channel": "a", "targetRef": "2", "at": at("00Z")}),
        (2, at("00Z"), None, "a@1", "rollout_event",
         {"kind": "SuccessorOpened", "supersededRolloutId": "a@1", "successorRolloutId": "a@2", "at": at("00Z")}),
        (3, at("00Z"), None, "a@1", "effect",
         {"effect": "RecordRolloutTransition", "rolloutId": "a@1", "from": "Active", "to": "Superseded",
          "at": at("00Z")}),
        (4, at("00Z"), "h", "a@2", "rollout_event",
         {"kind": "HostJoined", "rolloutId": "a@2", "hostId": "h", "wave": 1, "at": at("00Z")}),
        (5, at("00.250+00:00"), None, "a@2", "plan_action",
         {"action": "OpenRollout", "rollout_id": "a@2", "channel": "a", "target_ref": "2", "hosts": ["h"]}),
        (6, at("00.250+00:00"), "h", "a@2", "gate_decision",
         {"gate": "host-edge", "reason": "waits for g", "host": "h", "rollout": "a@2"}),
        (7, at("01.000000+00:00"), "h", "a@2", "plan_action",
         {"action": "QueueDispatch", "host": "h", "rollout": "a@2", "target_closure": "new", "soak_due_at": at("31Z")}),
        (8, at("02.000000000+00:00"), "h", "a@2", "agent_event", ACK),
        (9, at("02Z"), "h", "a@2", "effect",
         {"effect": "RecordTransition", "host": "h", "rollout_id": "a@2", "from": "Pending", "to": "Activating",
          "at": at("01.5Z")}),
        (10, at("02Z"), "h", "a@2", "rollout_event",
         {"kind": "HostStateChanged", "rolloutId": "a@2", "hostId": "h", "from": "Pending", "to": "Activating",
          "at": at("02Z")}),
        (11, at("03Z"), "h", "a@2", "agent_event",
         {"kind": "ProbeTopologyDeclared", "seq": 2, "declaredAt": at("03Z"),
          "probes": [{"probeName": "p", "kind": "http", "mode": "enforce"}]}),
        (12, at("03Z"), "h", "a@2", "agent_event",
         {"kind": "ProbeResult", "seq": 3, "probeName": "p", "mode": "observe", "status": "pass",
          "observedAt": at("03Z"), "failureReason": None, "subResults": None}),
        (13, at("04Z"), None, None, "manifest_poll", {"anything": 1}),
        (14, at("05Z"), None, "a@2", "effect",
         {"effect": "RemoteInsertQuarantine", "channel": "a", "closure": "new"}),
    ]  # fmt: skip
    found, problems = read(log_of(tmp_path / "log.db", rows))
    assert problems == {}
    assert [row.payload for row in found] == [
        RolloutOpened("a@2", "a", "2", 0.0),
        SuccessorOpened("a@1", "a@2", 0.0),
        RecordRolloutTransition("a@1", "Active", "Superseded", 0.0),
        HostJoined("a@2", "h", 1, 0.0),
        OpenRollout("a@2", "a", "2", ["h"]),
        GateDecision("host-edge", "waits for g", "h", "a@2"),
        QueueDispatch("h", "a@2", "new", 31.0),
        DispatchAck(1, "old", 1.5),
        RecordTransition("h", "a@2", "Pending", "Activating", 1.5),
        HostStateChanged("a@2", "h", "Pending", "Activating", 2.0),
        ProbeTopologyDeclared(2, [DeclaredProbe("p", "http", "enforce")], 3.0),
        ProbeResult(3, "p", "observe", "pass", 3.0, None),
        RemoteInsertQuarantine("a", "new"),
    ]
    assert [row.at for row in found] == [0, 0, 0, 0, 0.25, 0.25, 1, 2, 2, 2, 3, 3, 5]
    assert (found[7].host, found[7].rollout, found[7].kind, found[7].seq) == ("h", "a@2", "agent_event", 8)
    assert (found[0].host, found[0].rollout) == (None, "a@2")


def test_what_cannot_be_read_is_counted_by_kind_and_the_rest_is_used(tmp_path: Path) -> None:
    good, t = dict(ACK), "2026-03-01T12:00:00Z"
    table = "CREATE TABLE event_log(seq, ts, host_id, rollout_id, kind, payload)"
    path = log_of(
        tmp_path / "log.db",
        [
            (11, t, "h", "a@1", "agent_event", good),  # ten rows are missing
            (12, t, "h", "a@1", "agent_event", '{"kind": "DispatchAck", '),
            (12, t, "h", "a@1", "agent_event", good),
            (13, t, "h", "a@1", "agent_event", "[]"),
            (14, t, "h", "a@1", "agent_event", {**good, "kind": "Applause"}),
            (15, t, "h", "a@1", "agent_event", {**good, "receivedAt": "2026-02-30T12:00:00Z"}),
            (16, "yesterday", "h", "a@1", "agent_event", good),
            (17, "2026-03-01T12:00:00+02:00", "h", "a@1", "agent_event", good),
            (18, t, None, "a@1", "agent_event", good),
            (19, t, 7, "a@1", "agent_event", good),
            (20, t, b"\xff", "a@1", "agent_event", good),
            (21, t, "h", "a@1", "applause", good),
            (25, t, "h", "a@1", "agent_event", good),  # three rows are missing
            (26, "2026-03-01T11:00:00Z", "h", "a@1", "agent_event", good),
            (27, t, "h", "a@1", "agent_event", None),
        ],
        table,
    )
    found, problems = read(path)
    assert [row.seq for row in found] == [11, 25, 26]
    assert problems == {
        "missing": 13,
        "payload": 4,
        "doubled": 1,
        "time": 2,
        "cell": 4,
        "kind": 1,
        "clock": 1,
    }
    with EventLog(path) as log:
        list(log.rows())
        assert list(log.problems.lines())[:3] == [
            "missing: 13",
            "  row 11: the log begins here",
            "  row 25: the row before is 21",
        ]
        assert log.problems.first["time"][0].row == 16


@pytest.mark.parametrize("cut", [2048, 0])
def test_a_file_that_was_cut_off_gives_the_rows_before_the_cut(tmp_path: Path, cut: int) -> None:
    rows = [(n, "2026-03-01T12:00:00Z", "h", "a@1", "agent_event", {**ACK, "seq": n}) for n in range(1, 2001)]
    path = log_of(tmp_path / "log.db", rows)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 8192 * 4096 + cut])  # within a page, or where one ends
    found, problems = read(path)
    assert problems["file"] == 1
    assert 100 < len(found) < 2000
    seqs = [row.seq for row in found]
    assert seqs == sorted(set(seqs)) and seqs[:900] == list(range(1, 901))
    assert all(row.payload == DispatchAck(row.seq, "old", 1.5) for row in found)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is no SQLite file"),
        (b"not a database at all, but long enough", "is no SQLite file"),
        (b"SQLite format 3\0" + bytes(100), "cannot be read as an SQLite file"),
    ],
)
def test_a_file_that_is_no_database_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "log.db").write_bytes(content)
    with pytest.raises(LogError, match=said):
        EventLog(tmp_path / "log.db")


def test_a_database_that_is_no_event_log_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="not there"):
        EventLog(tmp_path / "log.db")
    with pytest.raises(LogError, match="no file"):
        EventLog(tmp_path)
    for number, (table, said) in enumerate(
        [
            ("CREATE TABLE other(seq)", "holds no table event_log"),
            ("CREATE VIEW event_log AS SELECT 1 AS seq", "holds no table event_log"),
            ("CREATE TABLE event_log(seq, ts, host_id, kind)", r"lacks the columns \['rollout_id', 'payload'\]"),
            (TABLE, "holds no row with a time"),
        ]
    ):
        with pytest.raises(LogError, match=said):
            EventLog(log_of(tmp_path / f"{number}.db", [], table))


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_the_file_is_left_as_it_is(tmp_path: Path, mode: str) -> None:
    path = log_of(tmp_path / "log.db", [(1, "2026-03-01T12:00:00Z", "h", "a@1", "agent_event", ACK)])
    database = sqlite3.connect(path)
    database.execute(f"PRAGMA journal_mode = {mode}")
    database.close()
    before = path.read_bytes()
    assert len(read(path)[0]) == 1
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["log.db"]


def test_rows_that_a_process_left_in_a_write_ahead_log_are_read(tmp_path: Path) -> None:
    path = log_of(tmp_path / "log.db", [(1, "2026-03-01T12:00:00Z", "h", "a@1", "agent_event", ACK)])
    writer = sqlite3.connect(path)
    writer.execute("PRAGMA journal_mode = wal")
    with writer:
        cells = (2, "2026-03-01T12:00:01Z", "h", "a@1", "agent_event", json.dumps({**ACK, "seq": 2}))
        writer.execute("INSERT INTO event_log VALUES (?, ?, ?, ?, ?, ?)", cells)
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("log.db", "log.db-wal"):  # as of a process that was killed
        shutil.copy(tmp_path / name, copy / name)
    writer.close()
    before = {one.name: one.read_bytes() for one in copy.iterdir()}
    assert [row.seq for row in read(copy / "log.db")[0]] == [1, 2]
    assert {one.name: one.read_bytes() for one in copy.iterdir()} == before
