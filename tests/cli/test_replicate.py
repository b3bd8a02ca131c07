"""`replicate`: what it prints where, what it keeps, and every way to get it wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import sim
from sim.experiment import replicate

P99 = "rollouts.stable.time_to_converged_s.p99"


def test_in_words(cli, small: Path) -> None:
    code, out, err = cli("replicate", small, "-n", 4, "--workers", 1, "--metric", P99)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith(f"small: {P99} is 1")
    assert " min on average (" in lines[0]
    assert lines[1].startswith(f"4 runs, seed 1: as asked for; the least known is the mean of {P99}, to ± ")
    assert lines[3].split()[:3] == ["metric", "unit", "mean"]
    assert lines[4].split()[:2] == [P99, "min"]
    assert lines[-1].startswith("Intervals are 95 %: Student's t for means")


def test_json_and_nothing_else(process, small: Path) -> None:
    code, out, err = process("replicate", small, "-n", "3", "--workers", "1", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out, parse_constant=lambda word: pytest.fail(word))
    expected = replicate(sim.load(small), 3, workers=1)
    assert found == json.loads(json.dumps(expected.summary))
    assert found["scenario"] == "small"
    assert found["replications"] == 3
    one = found["metrics"][P99]
    assert {"n", "reached", "mean", "mean_ci95", "median", "p90", "p99"} <= one.keys()
    assert one["n"] == one["reached"] == 3
    assert one["mean_ci95"][0] < one["mean"] < one["mean_ci95"][1]
    assert one["median"] <= one["p90"] <= one["p99"]


def test_a_metric_that_is_not_reached(cli, small: Path) -> None:
    code, out, err = cli("replicate", small, "-n", 3, "--workers", 1, "--until", "6m", "--json", "--metric", P99)
    assert (code, err) == (0, "")
    one = json.loads(out)["metrics"][P99]
    assert (one["n"], one["reached"], one["mean"], one["mean_ci95"], one["p99"]) == (3, 0, None, None, None)
    assert one["note"] == "no mean: 3 of 3 runs ended without reaching it"
    out = cli("replicate", small, "-n", 3, "--workers", 1, "--until", "6m", "--metric", P99).out
    assert out.startswith(f"small: 0 % of the runs (0 % to 56 %) reached {P99} before they ended\n")
    assert "0 of 3" in out


def test_settings_and_seed(cli, small: Path) -> None:
    def table(*arguments: object) -> object:
        code, out, _ = cli("replicate", small, "-n", 2, "--workers", 1, "--json", *arguments)
        assert code == 0
        return json.loads(out)

    assert table("--seed", 7) == table("--set", "seed=7")
    assert table("--seed", 7) != table()
    assert table("--until", "6m")["metrics"][P99]["reached"] == 0


def test_precision(cli, small: Path) -> None:
    def of(metric: str, *arguments: object) -> tuple[int, str, float]:
        code, out, _ = cli("replicate", small, "--workers", 1, "--json", "--metric", metric, *arguments)
        assert code == 0
        found = json.loads(out)
        return found["replications"], found["stopped"], found["precision"]

    hosts = "rollouts.stable.hosts"  # always the same
    assert of(hosts) == of(hosts, "--precision", "5%") == of(hosts, "--precision", "5") == (25, "precise", 0.05)
    assert of(P99, "--precision", "0.01%", "-n", 6) == (6, "most", 0.0001)


def test_out_is_kept_and_goes_on(cli, small: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    first = cli("replicate", small, "-n", 3, "--workers", 1, "--out", out, "--json")
    assert (first.code, first.err) == (0, f"kept in {out}\n")
    assert len(pd.read_parquet(out / "table.parquet")) == 3
    assert sim.load(out / "scenario.yaml") == sim.load(small)
    again = cli("replicate", small, "-n", 5, "--workers", 1, "--out", out, "--quiet")
    assert (again.code, again.err) == (0, "")
    assert len((out / "runs.jsonl").read_text().splitlines()) == 5


def test_a_changed_scenario_is_refused(cli, small: Path, tmp_path: Path) -> None:
    arguments = ("replicate", small, "-n", 2, "--workers", 1, "--out", tmp_path / "out")
    assert cli(*arguments).code == 0
    code, out, err = cli(*arguments, "--set", "rules.deferred=strict")
    assert (code, out) == (2, "")
    assert err.startswith(f"Error: {tmp_path / 'out'} holds another experiment")
    assert "  rules.deferred: was converged, is strict\n" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-n", "0"), "'-n'"),
        (("--workers", "0"), "'--workers'"),
        (("--precision", "0"), "expected more than 0 % and less than 100 %"),
        (("--precision", "120%"), "'--precision'"),
        (("--precision", "tight"), "'--precision'"),
        (("--metric", "rollouts.stabel.terminal_at_s"), "did you mean rollouts.stable.terminal_at_s"),
        (("--metric", "wall_s"), "wall_s is no metric"),
        (("--set", "rules.defered=strict"), "did you mean 'deferred'?"),
        (("--out", "/dev/null"), "/dev/null: it is a file"),
    ],
)
def test_bad_input(cli, small: Path, arguments: tuple[str, ...], said: str) -> None:
    code, out, err = cli("replicate", small, *arguments)
    assert (code, out) == (2, "")
    assert said in err


def test_a_directory_in_use_is_refused(cli, small: Path, tmp_path: Path) -> None:
    arguments = ("replicate", small, "-n", 1, "--workers", 1, "--out", tmp_path / "out")
    assert cli(*arguments).code == 0
    code = "import fcntl, sys; f = open(sys.argv[1]); fcntl.flock(f, fcntl.LOCK_EX); print('held', flush=True); input()"
    holder = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path / "out" / ".lock"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    refused = cli(*arguments)
    assert refused.code == 2
    assert "is working on this experiment; wait for it (--wait)" in refused.err
    holder.communicate("\n", timeout=60)
    assert cli(*arguments, "--wait").code == 0
