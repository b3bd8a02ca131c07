"""`export`, `run --event-log` and `replay`: what is printed where, exit codes, and what is refused."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

SCENARIO = """
fleet:
  generate:
    channels: {c: {hosts: 3, policy: p}}
    policies: {p: {waves: [{percent: 40, soak: 1m}, {percent: 100, soak: 2m}]}}
hosts: {default: {activation: 20s}}
"""


@pytest.fixture
def saved(cli, tmp_path: Path) -> Path:
    """A small saved run, and its log beside it."""
    (tmp_path / "small.yaml").write_text(SCENARIO)
    said = cli(
        "run", tmp_path / "small.yaml", "--out", tmp_path / "saved", "--event-log", tmp_path / "events.db", "--events"
    )
    assert said.code == 0
    assert said.err.endswith(f"saved to {tmp_path / 'saved'}\nwrote {tmp_path / 'events.db'}\n")
    return tmp_path / "saved"


def rows_of(path: Path) -> int:
    with sqlite3.connect(path) as database:
        ((rows,),) = database.execute("SELECT count(*) FROM event_log").fetchall()
    database.close()
    return rows


def test_a_run_writes_the_log_that_export_writes(cli, saved, tmp_path):
    said = cli("export", saved, "-o", tmp_path / "again.db")
    assert said == (0, f"{rows_of(tmp_path / 'events.db')} rows in {tmp_path / 'again.db'}\n", "")
    assert (tmp_path / "again.db").read_bytes() == (tmp_path / "events.db").read_bytes()
    said = cli(
        "export", saved, "-o", tmp_path / "again.db", "--every-pass", "--start", "2026-03-02T08:00:00Z", "--json"
    )
    assert (said.code, said.err) == (0, "")
    assert json.loads(said.out) == {"rows": rows_of(tmp_path / "again.db"), "file": str(tmp_path / "again.db")}
    assert rows_of(tmp_path / "again.db") > rows_of(tmp_path / "events.db")


def test_a_run_does_not_save_twice_in_one_place(cli, tmp_path):
    (tmp_path / "small.yaml").write_text(SCENARIO)
    said = cli("run", tmp_path / "small.yaml", "--out", tmp_path / "both", "--event-log", tmp_path / "." / "both")
    assert said.code == 2
    assert "--event-log" in said.err
    assert "is what --out names" in said.err
    assert not (tmp_path / "both").exists()


def test_export_refuses_what_it_cannot_do(cli, saved, tmp_path):
    target = tmp_path / "small.yaml"
    assert cli("export", saved, "-o", target) == (
        2,
        "",
        f"Error: {target}: is there and is no log that this program wrote; give another name\n",
    )
    assert target.read_text() == SCENARIO
    said = cli("export", saved, "-o", tmp_path / "new.db", "--start", "noon")
    assert said.code == 2
    assert said.err.startswith("Error: the start of the log: expected a time such as 2026-01-05T08:00:00")
    assert cli("export", tmp_path, "-o", tmp_path / "new.db").code == 2
    assert not (tmp_path / "new.db").exists()


def test_replay_says_that_all_agrees(cli, saved, tmp_path):
    rows = rows_of(tmp_path / "events.db")
    said = cli("replay", tmp_path / "events.db")
    # 3 hosts are Activating, Soaking and Converged; the rollout is Active and Terminal
    assert said == (0, f"{rows} rows: 11 transitions agree, 0 differ\n", "")
    said = cli("replay", tmp_path / "events.db", "--json")
    assert json.loads(said.out) == {
        "rows": rows,
        "transitions": {"agree": 11, "differ": 0},
        "skipped": {},
        "first_difference": None,
    }


def test_replay_shows_what_differs(cli, saved, tmp_path):
    path = tmp_path / "events.db"
    with sqlite3.connect(path) as database:
        database.execute("UPDATE event_log SET payload = replace(payload, 'Terminal', 'Failed') WHERE kind = 'effect'")
        ((row,),) = database.execute("SELECT max(seq) FROM event_log WHERE kind = 'effect'").fetchall()
        database.execute("UPDATE event_log SET payload = '\x1b[31m' WHERE seq = 5")
    database.close()
    said = cli("replay", path)
    assert said.code == 1
    assert "What is wrong with the log, by kind:\n  payload: 1\n    row 5: JSON is malformed" in said.err
    assert "\x1b" not in said.err + said.out
    assert f"row {row} (c@r1): the log moves it Active -> Failed at " in said.out
    assert f"  > {row:>8} " in said.out
    assert said.out.endswith("transitions agree, 1 differ\n")
    found = json.loads(cli("replay", path, "--json", "--quiet").out)
    assert found["skipped"] == {"payload": 1}
    assert found["first_difference"]["row"] == row
    assert [one["seq"] for one in found["first_difference"]["rows"]] == [row - 3, row - 2, row - 1, row]


def test_replay_saves_what_happened(cli, saved, tmp_path):
    out = tmp_path / "real"
    said = cli("replay", tmp_path / "events.db", "--out", out, "--events")
    assert said.code == 0
    assert "3 hosts, as its event log tells it, which ends at " in said.out
    assert said.err == f"saved to {out}\n"
    assert cli("report", out, "-o", tmp_path / "real.html").code == 0
    told = cli("trace", out, "c-00000")
    assert told.code == 0
    assert "Activating -> Soaking: runs closure-r1-c-00000" in told.out
    assert cli("export", out, "-o", tmp_path / "new.db").err == (
        f"Error: {out}: was replayed from a log, which is its export\n  export a simulated run\n"
    )
    assert cli("replay", tmp_path / "events.db", "--out", out, "--quiet").code == 0
    assert cli("trace", out, "c-00000").err == (
        f"Error: {out}: holds no events\n  replay the log with --events to see them\n"
    )


def test_replay_of_a_real_log_says_what_it_assumes(cli, saved, tmp_path):
    path = tmp_path / "events.db"
    with sqlite3.connect(path) as database:
        database.execute("DROP TABLE simulation")
    database.close()
    assert "Assumed: a host's wave is that of its HostJoined row\n" in cli("replay", path).err
    said = cli("replay", path, "--scenario", tmp_path / "small.yaml")
    assert (said.code, "Assumed: the waves are those of the given fleet\n" in said.err) == (0, True)
    assert cli("replay", path, "--quiet").err == ""


def test_replay_refuses_what_is_no_log(cli, tmp_path):
    assert cli("replay", tmp_path / "none.db") == (2, "", f"Error: {tmp_path / 'none.db'}: is not there\n")
    (tmp_path / "text.db").write_text("no database, but long enough for a header of one")
    said = cli("replay", tmp_path / "text.db", "--json")
    assert said.code == 2
    assert said.out == ""
    assert said.err.startswith(f"Error: {tmp_path / 'text.db'}: is no SQLite file")
