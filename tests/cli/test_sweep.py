"""`sweep`: what each setting does, a table that pandas reads, and every way to get it wrong."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from tests.cli.conftest import ROOT

P99 = "rollouts.stable.time_to_converged_s.p99"
ACTIVATION = "hosts.default.activation"


def test_in_words(cli, small: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = (
        "--vary",
        f"{ACTIVATION}=15s,10m",
        "--vary",
        "rules.deferred=converged,strict",
        "-n",
        3,
        "--metric",
        P99,
    )
    code, said, err = cli("sweep", small, *arguments, "--workers", 1, "--out", out)
    assert (code, err) == (0, f"table and figures in {out}\n")
    lines = said.splitlines()
    assert lines[0].startswith(f"small: the mean of {P99} goes from ")
    assert f"({ACTIVATION}=15s, rules.deferred=converged) to " in lines[0]
    assert lines[1].startswith(f"{ACTIVATION} explains 100 % of the differences: +")
    assert lines[1].endswith(" from 15s to 10m")
    assert lines[2] == "rules.deferred explains 0 % of the differences"
    assert lines[3] == "4 points, 12 runs, seed 1: 3 at each point, under the same luck at each"
    assert lines[5].split()[:3] == ["metric", "unit", "setting"]
    table = pd.read_parquet(out / "table.parquet")
    assert table.columns.tolist() == [ACTIVATION, "rules.deferred", "replication", P99]
    assert table[ACTIVATION].unique().tolist() == [15.0, 600.0]
    assert (out / "figures" / f"{P99}.svg").read_text().startswith("<svg")


def test_json_and_nothing_else(process, small: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ("--design", "sobol", "--points", "8", "--vary", f"{ACTIVATION}=15s..10m", "-n", "2", "--metric", P99)
    code, said, err = process("sweep", small, *arguments, "--workers", "1", "--out", str(out), "--json", "--quiet")
    assert (code, err) == (0, "")
    found = json.loads(said, parse_constant=lambda word: pytest.fail(word))
    assert (found["points"], found["runs"], found["table"]) == (8, 16, str(out / "table.parquet"))
    assert found["figures"] == {P99: str(out / "figures" / f"{P99}.svg")}
    [effect] = found["effects"][P99]["ranked"]
    assert (effect["setting"], effect["first"], effect["second"]) == (ACTIVATION, 15.0, 600.0)
    assert effect["change"] > 0
    assert effect["share"] > 0.5
    assert len(pd.read_parquet(found["table"])) == 16


def test_the_same_command_goes_on(cli, small: Path, tmp_path: Path) -> None:
    arguments = (
        "sweep",
        small,
        "--vary",
        f"{ACTIVATION}=15s,10m",
        "--metric",
        P99,
        "--workers",
        1,
        "--out",
        tmp_path / "out",
    )
    assert cli(*arguments, "-n", 1).code == 0
    assert cli(*arguments, "-n", 3).code == 0
    assert len((tmp_path / "out" / "runs.jsonl").read_text().splitlines()) == 6
    code, _, err = cli(*arguments, "-n", 3, "--seed", 9)
    assert code == 2
    assert "seed: was 1, is 9" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Error: expected settings to vary, such as rules.deferred=converged,strict"),
        (["--vary", "rules.deferred"], "Invalid value for '--vary': 'rules.deferred': expected KEY=VALUE"),
        (["--vary", "rules.deferred="], "Error: rules.deferred: expected values"),
        (
            ["--vary", "rules.deferred=converged,stict"],
            "Error: point 2 of 2 (rules.deferred=stict): rules.deferred: exp",
        ),
        (["--vary", "rules.defered=a"], "Error: point 1 of 1 (rules.defered=a): rules.defered: is not a key here; did"),
        (
            ["--vary", f"{ACTIVATION}=1s..9s"],
            f"Error: {ACTIVATION}=1s..9s: a grid needs values, such as {ACTIVATION}=1s,9s",
        ),
        (["--vary", f"{ACTIVATION}=1s..9s", "--design", "lhs"], "Error: the design lhs needs a number of points"),
        (["--vary", f"{ACTIVATION}=1s..9s", "--design", "sobol", "--points", "10"], "take 8 or 16, not 10"),
        (["--vary", f"{ACTIVATION}=1s", "--vary", f"{ACTIVATION}=2s"], "Error: --vary: a setting is there twice"),
        (["--vary", f"{ACTIVATION}=1s,2s", "--metric", "nonsense"], "Error: no metric 'nonsense'"),
        (["--vary", f"{ACTIVATION}=1s,2s", "--design", "cube"], "Invalid value for '--design'"),
    ],
)
def test_mistakes(cli, small: Path, tmp_path: Path, arguments: list[str], said: str) -> None:
    code, out, err = cli("sweep", small, "--out", tmp_path / "out", *arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert not (tmp_path / "out").exists()


def test_the_directory_has_to_be_given(cli, small: Path) -> None:
    code, _, err = cli("sweep", small, "--vary", f"{ACTIVATION}=1s,2s")
    assert code == 2
    assert "Missing option '--out'" in err


def test_ctrl_c_ends_it_with_what_is_known(command: list[str], small: Path, tmp_path: Path) -> None:
    arguments = ["--vary", f"{ACTIVATION}=15s,10m", "-n", "100000", "--workers", "1", "--out", tmp_path / "out"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": ROOT}
    process = subprocess.Popen([*command, "sweep", small, *arguments, "--metric", P99, "--json"], **pipes)
    assert process.stderr is not None
    # the first plain line of progress
    assert " of 200,000 runs, " in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, f"table and figures in {tmp_path / 'out'}\n")
    found = json.loads(out)
    assert found["interrupted"]
    assert len(pd.read_parquet(found["table"])) == found["runs"] > 0
