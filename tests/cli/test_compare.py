"""`compare`: the answer first, JSON as page 10 has it, and every way to get it wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import sim
from sim.experiment import compare

P99 = "rollouts.stable.time_to_converged_s.p99"
LATER = "hosts.default.activation=1h"


def test_in_words(cli, small: Path) -> None:
    code, out, err = cli("compare", small, "--b", LATER, "-n", 4, "--workers", 1, "--metric", P99)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("small: activation=1h makes the 99 % point of stable ")
    assert " min later (" in lines[0]
    assert lines[1:3] == [
        'a: hosts.default.activation={"dist":"lognormal","median":"1m30s",...',
        "b: hosts.default.activation=1h",
    ]
    assert lines[3].startswith(f"4 pairs, seed 1: as asked for; the least known is the difference of {P99}, to ± ")
    assert lines[4].startswith("Pairing saved ")
    assert lines[6].split()[:6] == ["metric", "unit", "a", "b", "b", "-"]
    assert lines[7].split()[:2] == [P99, "h"]
    assert lines[-1] == "Each interval is 95 % by itself: Student's t for differences, Fieller's for ratios."


def test_json_and_nothing_else(process, small: Path) -> None:
    code, out, err = process("compare", small, "--b", LATER, "-n", "6", "--workers", "1", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out, parse_constant=lambda word: pytest.fail(word))
    expected = compare(sim.load(small), sim.load(small, {"hosts.default.activation": "1h"}), 6, workers=1)
    assert found == json.loads(json.dumps(expected.summary))
    assert found["pairs"] == 6
    one = found["metrics"][P99]
    assert {"a", "b", "difference", "ratio", "variance_reduction"} <= one.keys()
    assert one["difference"]["mean"] == pytest.approx(one["b"] - one["a"])
    assert one["ratio"]["mean"] == pytest.approx(one["b"] / one["a"])
    for what in ("difference", "ratio"):
        low, high = one[what]["ci95"]
        assert low < one[what]["mean"] < high


def test_a_scenario_with_itself(cli, small: Path) -> None:
    code, out, _ = cli("compare", small, "-n", 2, "--workers", 1, "--json")
    assert code == 0
    for one in json.loads(out)["metrics"].values():
        assert one["difference"] == {"mean": 0.0, "ci95": [0.0, 0.0]}
        assert one["ratio"]["mean"] == (1.0 if one["a"] else None)
    out = cli("compare", small, "-n", 2, "--workers", 1).out
    assert out.startswith("small: the two sides do not differ in any setting: every difference is exactly zero\n")


def test_two_files_and_settings_for_both(cli, small: Path, stalling: Path) -> None:
    arguments = ("compare", small, stalling, "--set", "until=2h", "--seed", 5, "-n", 2, "--workers", 1, "--metric", P99)
    code, out, err = cli(*arguments)
    assert (code, err) == (0, "")
    assert out.startswith(
        "small and stalling: with the other hosts.overrides, the 99 % point of stable is reached in 0 % of the runs ("
    )
    assert out.splitlines()[0].endswith(
        "(0 % to 66 %), against 100 %; the median is not reached against "
        + out.splitlines()[0].rpartition("against ")[2]
    )
    assert "2 pairs, seed 5: " in out
    found = json.loads(cli(*arguments, "--json").out)
    assert (found["seed"], found["scenario"]) == (5, {"a": "small", "b": "stalling"})
    one = found["metrics"][P99]
    assert one["difference"]["mean"] is None
    assert one["note"].startswith("no mean: 0 of the 2 runs of a and 2 of b ended without reaching it")
    assert (one["sides"]["a"]["reached"], one["sides"]["b"]["reached"]) == (2, 0)


def test_until_a_precision(cli, small: Path) -> None:
    arguments = ("compare", small, "--b", LATER, "--metric", "rollouts.stable.hosts", "--workers", 1, "--json")
    found = json.loads(cli(*arguments, "--precision", "2%").out)
    assert (found["pairs"], found["stopped"], found["precision"]) == (25, "precise", 0.02)


def test_out_is_kept(cli, small: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ("compare", small, "--b", LATER, "--metric", P99, "--workers", 1, "--out", out)
    first = cli(*arguments, "-n", 2)
    assert (first.code, first.err) == (0, f"kept in {out}\n")
    assert cli(*arguments, "-n", 3, "--quiet").err == ""
    assert len((out / "runs.jsonl").read_text().splitlines()) == 6
    code, _, err = cli("compare", small, "--b", "hosts.default.activation=9m", "--metric", P99, "--out", out, "-n", 2)
    assert code == 2
    assert "other.hosts.default.activation: was 1h, is 9m" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--b", "rules.deferred=stict"], "Error: --b rules.deferred=stict: rules.deferred: expected converged or"),
        (["--a", "rules.defered=strict"], "Error: --a rules.defered=strict: rules.defered: is not a key here; did you"),
        (["--a", "seed=3"], "Error: --a seed=3: both sides share their luck, and so their seed; --seed changes it"),
        (["--set", "rules.deferred=x"], "Error: --set rules.deferred=x: "),
        (["--metric", "time_to_converged_s.p98"], "Error: no metric 'time_to_converged_s.p98'; did you mean "),
        (["--b", "strict"], "Invalid value for '--b': 'strict': expected KEY=VALUE"),
        (["-n", "0"], "Invalid value for '-n'"),
        (["--precision", "120%"], "Invalid value for '--precision'"),
    ],
)
def test_mistakes(cli, small: Path, arguments: list[str], said: str) -> None:
    code, out, err = cli("compare", small, *arguments)
    assert (code, out) == (2, "")
    assert said in err


def test_a_file_that_is_not_there(cli, small: Path) -> None:
    code, out, err = cli("compare", small, "nowhere.yaml")
    assert (code, out, err) == (2, "", "Error: nowhere.yaml: cannot be read: No such file or directory\n")
