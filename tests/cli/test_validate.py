"""`validate`: what it prints where, what it keeps, and every way to get it wrong."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import sim
from sim.experiment import validate
from sim.result import read, save

P99 = "rollouts.stable.time_to_converged_s.p99"


@pytest.fixture
def real(small: Path, tmp_path: Path) -> Path:
    save(sim.run(sim.load(small), replication=5), tmp_path / "real")
    return tmp_path / "real"


def test_in_words(cli, small: Path, real: Path) -> None:
    code, out, err = cli("validate", real, small, "-n", 39, "--workers", 1, "--metric", P99)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("small: accurate to ")
    assert " on the 99 % point of stable (real " in lines[0]
    assert " is inside its band for " in lines[1]
    assert "39 runs, seed 1: as asked for; a band takes 39, and p is a multiple of 0.025" in lines
    head, row = (line.split() for line in lines[lines.index("") + 1 :][:2])
    assert head == ["metric", "unit", "real", "simulated", "95", "%", "band", "inside", "error"]
    assert row[:2] == [P99, "min"]


def test_json_and_nothing_else_whatever_comes_out(process, small: Path, real: Path) -> None:
    code, out, err = process("validate", str(real), str(small), "-n", "39", "--workers", "1", "--json", "--quiet")
    assert (code, err) == (0, "")
    found = json.loads(out, parse_constant=lambda word: pytest.fail(word))
    expected = validate(read(real), sim.load(small), 39, workers=1)
    assert found == json.loads(json.dumps(expected.summary))
    assert {"measures", "curve_coverage"} <= found.keys()
    one = found["measures"][P99]
    assert {"real", "simulated_median", "band95", "inside", "error"} <= one.keys()
    assert one["error"] == pytest.approx(one["real"] / one["simulated_median"] - 1)


def test_a_model_that_is_wrong_is_an_answer(cli, small: Path, real: Path) -> None:
    wrong = ("--set", "hosts.default.activation=2h")
    code, out, err = cli("validate", real, small, "-n", 39, "--workers", 1, "--quiet", *wrong)
    assert (code, err) == (0, "")
    assert "leaves what 95 % of the simulated curves cover (p = 0.025)" in out
    assert "it is ahead: " in out
    assert ": its hosts activate faster, " in out


def test_runs_are_kept_and_a_page_is_written(cli, small: Path, real: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    page = out / "page.html"
    command = ("validate", real, small, "-n", 39, "--workers", 1, "--metric", P99, "--out", out, "--report", page)
    code, first, err = cli(*command)
    assert code == 0
    assert err.splitlines()[-2:] == [f"kept in {out}", f"wrote {page}"]
    assert {"runs.jsonl", "table.parquet", "experiment.json", "page.html"} <= {one.name for one in out.iterdir()}
    assert "How far is the model off?" in page.read_text()
    kept = (out / "runs.jsonl").read_bytes()
    assert cli(*command).out == first
    assert (out / "runs.jsonl").read_bytes() == kept
    code, _, err = cli(*command, "--seed", 7)
    assert code == 2
    assert "seed: was 1, is 7" in err


WRONG = {
    ("-n", "38"): "Error: expected at least 39 runs, got 38",
    ("-n", "0"): "Invalid value for '-n'",
    ("--metric", "ended_at_s"): "Error: ended_at_s: it is of a run",
    ("--metric", "nonsense"): "Error: no metric 'nonsense'",
    ("--rollout", "stable@r9"): "Error: no real rollout stable@r9; there is stable@r1",
    ("--report", "page.txt"): "expected a name that ends in .html",
    ("--set", "nonsense=1"): "Error: --set nonsense",
}


@pytest.mark.parametrize("arguments", WRONG, ids=lambda given: " ".join(given))
def test_what_is_wrong_is_told(cli, small: Path, real: Path, arguments: tuple[str, ...]) -> None:
    code, out, err = cli("validate", real, small, *arguments)
    assert (code, out) == (2, "")
    assert WRONG[arguments] in err


def test_what_is_no_real_rollout_is_told(cli, small: Path, tmp_path: Path) -> None:
    code, out, err = cli("validate", tmp_path / "none.db", small)
    assert (code, out) == (2, "")
    assert f"{tmp_path / 'none.db'}" in err
    code, out, err = cli("validate", small, small)
    assert (code, out) == (2, "")
    assert f"{small}" in err
    (tmp_path / "empty").mkdir()
    code, out, err = cli("validate", tmp_path / "empty", small)
    assert (code, out) == (2, "")
    assert f"cannot read {tmp_path / 'empty'}: no result is there" in err


def test_without_a_common_channel(cli, small: Path, real: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(small.read_text().replace("stable", "edge"))
    code, out, err = cli("validate", real, other, "-n", 39, "--workers", 1)
    assert (code, out) == (2, "")
    assert err.startswith("Error: no rollout to compare: the real ones are stable@r1") or "is stable@r1" in err


NAMED = ("--set", "fleet.generate.channels.stable.name=web-{index:04d}")


@pytest.mark.parametrize("own", [(), NAMED], ids=["hosts of the scenario", "hosts of other names"])
def test_an_event_log_says_what_the_run_says_that_it_is_of(
    cli, small: Path, tmp_path: Path, own: tuple[str, ...]
) -> None:
    log, saved, kept = tmp_path / "events.db", tmp_path / "saved", tmp_path / "kept"
    real = ("run", small, "--quiet", "--replication", 5, *own, "--out", saved, "--event-log", log)
    assert cli(*real).code == 0

    def found(place: Path) -> dict[str, Any]:
        code, out, err = cli("validate", place, small, "-n", 39, "--workers", 1, "--quiet", "--json", "--out", kept)
        assert (code, err) == (0, "")
        return {key: value for key, value in json.loads(out).items() if key != "real"}

    expected = found(saved)
    assert found(log) == expected
    # a real log does not say that it was simulated, nor of what
    with closing(sqlite3.connect(log)) as database, database:
        database.execute("DROP TABLE simulation")
    assert found(log) == expected
