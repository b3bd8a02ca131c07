"""`calibrate`: what is printed and written, and every way to get it wrong."""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import sim
from sim.data.export import logged

SCENARIO: dict[str, Any] = {
    "fleet": {
        "generate": {
            "channels": {"a": {"hosts": 30, "policy": "p"}},
            "policies": {"p": {"waves": [{"percent": 20, "soak": "5m"}, {"percent": 100, "soak": "10m"}]}},
        }
    },
    "hosts": {"default": {"activation": {"dist": "lognormal", "median": "90s", "p95": "200s"}}},
    "probes": [{"name": "http", "interval": "15s"}],
}


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("log")
    (folder / "s.json").write_text(json.dumps(SCENARIO))
    logged(sim.load(folder / "s.json"), folder / "cp.db")
    return folder / "cp.db"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    random = np.random.default_rng(1)
    times, until = random.exponential(2.0, 80), random.exponential(5.0, 80)
    lines = [f"{min(time, end):.4f},{'yes' if time > end else 'no'}" for time, end in zip(times, until, strict=True)]
    path = tmp_path / "waits.csv"
    path.write_text("waited, open\n" + "\n".join(lines) + "\n")
    return path


def test_a_log_becomes_a_scenario_that_checks_clean_and_runs(cli, log: Path, tmp_path: Path) -> None:
    path = tmp_path / "real.yaml"
    code, out, err = cli("calibrate", log, "-o", path, "--figures", tmp_path / "figures")
    assert code == 0
    assert out.splitlines()[0].endswith("30 hosts")
    assert any(line.split()[:4] == ["activation", "lognormal", "30", "0"] for line in out.splitlines())
    assert "boot_failure" not in out  # no host was deferred
    assert err == f"wrote {path}; next: nixfleet-sim run {path}\n"
    assert sorted(os.listdir(tmp_path)) == ["figures", "real.fleet.json", "real.yaml"]
    assert sorted(os.listdir(tmp_path / "figures")) == ["01-activation.svg", "02-network-delay.svg"]
    assert (tmp_path / "figures" / "01-activation.svg").read_text().startswith("<svg")
    assert cli("check", path).out.endswith("1 file: 0 errors, 0 warnings\n")
    assert cli("run", path, "--quiet").code == 0
    assert [wave.soak_minutes for wave in sim.load(path).artifact().waves["a"]] == [5, 10]


def test_json_is_all_there_is_on_standard_output(cli, log: Path) -> None:
    code, out, err = cli("calibrate", log, "--json")
    found = json.loads(out)
    assert (code, err, found["file"]) == (0, "", None)
    fit = found["fits"]["activation"]
    assert fit["dist"] == "lognormal" and (fit["n"], fit["censored"]) == (30, 0)
    low, high = fit["ci95"]["median"]
    assert low < fit["median"] < high and 0.01 < fit["gof_p"] <= 1
    assert found["probabilities"]["defer"]["p"] == 0 and found["probabilities"]["defer"]["n"] == 30
    assert found["probabilities"]["defer"]["ci95"][0] == 0


def test_the_fleet_may_be_given(cli, log: Path, tmp_path: Path) -> None:
    cli("calibrate", log, "-o", tmp_path / "first.yaml")
    (tmp_path / "sub").mkdir()
    path = tmp_path / "sub" / "second.yaml"
    assert cli("calibrate", log, "-o", path, "--fleet", tmp_path / "first.fleet.json").code == 0
    assert yaml.safe_load(path.read_text())["fleet"] == {"resolved": "../first.fleet.json"}
    assert os.listdir(tmp_path / "sub") == ["second.yaml"]
    assert cli("check", path).code == 0


def test_nothing_is_overwritten_unless_asked(cli, log: Path, tmp_path: Path) -> None:
    path = tmp_path / "real.yaml"
    for precious in (path, tmp_path / "real.fleet.json"):
        precious.write_text("precious")
        code, out, err = cli("calibrate", log, "-o", path)
        assert (code, out) == (2, "")
        assert err == f"Error: {precious}: is there already\n  give another name, or --force to replace it\n"
        assert [one.read_text() for one in tmp_path.iterdir()] == ["precious"]
        precious.unlink()
    path.write_text("old")
    assert cli("calibrate", log, "-o", path, "--force").code == 0
    assert path.read_text() != "old"


def test_what_is_read_is_never_replaced(cli, log: Path, tmp_path: Path) -> None:
    """Not even with --force, nor under another name of the file."""
    mine, other = tmp_path / "mine.db", tmp_path / "other.db"
    mine.write_bytes(log.read_bytes())
    other.symlink_to(mine)
    fleet = tmp_path / "real.fleet.json"
    assert cli("calibrate", mine, "-o", tmp_path / "real.yaml").code == 0
    before = mine.read_bytes(), fleet.read_bytes()
    for output, given in ((mine, ()), (other, ()), (fleet, ("--fleet", fleet))):
        code, out, err = cli("calibrate", mine, "-o", output, "--force", *given)
        assert (code, out) == (2, "")
        assert err == f"Error: {output}: is what is read here, and would be lost\n  give another name\n"
    assert (mine.read_bytes(), fleet.read_bytes()) == before


def test_a_table_becomes_a_law(cli, table: Path, tmp_path: Path) -> None:
    code, out, err = cli(
        "calibrate", table, "--column", "waited", "--censored", "open", "--unit", "h", "--figures", tmp_path
    )
    assert (code, err) == (0, "")
    law = yaml.safe_load(out[out.index("# ") :])["activation"]
    assert law["dist"] == "exponential" and (tmp_path / "waited.svg").exists()
    found = json.loads(cli("calibrate", table, "--column", "waited", "--censored", "open", "--unit", "h", "--json").out)
    low, high = found["fits"]["waited"]["ci95"]["mean"]
    assert low <= 7200 <= high
    assert found["fits"]["waited"]["n"] == 80 and 10 < found["fits"]["waited"]["censored"] < 40


@pytest.mark.parametrize(
    ("text", "arguments", "said"),
    [
        ("a,b\n1,2\n", ["--column", "c"], "t.csv:1: expected a column 'c'; its columns are a, b"),
        ("a,b\n1,2\nx,3\n", ["--column", "a"], "t.csv:3: a: expected a duration"),
        ("a,b\n-1,2\n", ["--column", "a"], "t.csv:2: a: expected a duration of 0 or more"),
        ("a,b\n1,2\n", ["--column", "a", "--censored", "b"], "t.csv:2: b: expected 1 or 0, true or false, got '2'"),
        (
            "a\n1\n2\n3\n",
            ["--column", "a"],
            "t.csv: column a: expected at least 5 durations observed to their end, got 3",
        ),
        ("a\n1\n", ["--column", "a", "--unit", "d"], "'d': expected one of s, m, h"),
        ("a\n1\n", ["--column", "a", "-o", "x.yaml"], "-o and --fleet go with an event log"),
        ("a\n1\n", ["--censored", "a"], "--censored goes with --column"),
        ("a\n1\n", [], "t.csv: is no SQLite file"),
    ],
)
def test_what_is_wrong_with_a_table_is_said(
    cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text(text)
    code, out, err = cli("calibrate", "t.csv", *arguments)
    assert (code, out) == (2, "")
    assert said in err and "Traceback" not in err
    assert os.listdir() == ["t.csv"]


def test_a_log_that_does_not_tell_its_fleet_is_refused(cli, log: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.db"
    cut.write_bytes(log.read_bytes())
    with sqlite3.connect(cut) as database:
        database.execute("DELETE FROM event_log WHERE kind = 'plan_action'")
    database.close()
    code, out, err = cli("calibrate", cut, "-o", tmp_path / "real.yaml", "--quiet")
    assert (code, out) == (2, "")
    assert "no opening of a rollout is in the log" in err and "--fleet" in err
    assert os.listdir(tmp_path) == ["cut.db"]


def test_rows_that_cannot_be_used_are_told_and_passed_over(cli, log: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(log.read_bytes())
    with sqlite3.connect(damaged) as database:
        database.execute("UPDATE event_log SET payload = '{' WHERE seq = 40")
    database.close()
    code, _, err = cli("calibrate", damaged)
    assert code == 0
    assert "rows that could not be used" in err and "row 40" in err
