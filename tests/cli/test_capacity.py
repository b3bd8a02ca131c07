"""`capacity`: what it prints where, its exit codes, and every way to get it wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import sim
from sim.experiment import capacity

SETTING = "fleet.generate.policies.p.waves.1.soak"
P100 = "rollouts.stable.time_to_converged_s.p100"
GOAL = f"{P100} <= 30m in 90%"
QUICK = ("--margin", "10%", "--confidence", "80%", "--workers", 1)
ASKED = ("--find", SETTING, "--between", "10m", "1h", "--largest", "--goal", GOAL)


def test_in_words(cli, small: Path) -> None:
    code, out, err = cli("capacity", small, *ASKED, *QUICK)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    said = f" is the largest {SETTING} from 10m to 1h with which {P100} <= 30m in 90 % of the runs"
    assert lines[0].startswith("small: ")
    assert lines[0].endswith(said)
    answer = lines[0].removeprefix("small: ").removesuffix(said)
    assert lines[1].startswith(f"what binds is {P100} <= 30m in 90 % of the runs: at ")
    assert lines[2].startswith(f"the bottleneck at {answer} is soak ")
    assert " values, seed 1: enough for 80 % confidence that no verdict is wrong (" in lines[3]
    assert lines[5].split() == ["value", "runs", "met", "95", "%", "interval", "verdict"]
    rows = [line.split() for line in lines[6:-2]]
    assert [row[0] for row in rows if row[-1] == "answer"] == [answer]
    assert {row[-1] for row in rows} == {"meets", "fails", "answer"}


def test_json_and_nothing_else(process, small: Path) -> None:
    code, out, err = process("capacity", small, *ASKED, *QUICK, "--json")
    assert (code, err) == (0, "")
    found = json.loads(out, parse_constant=lambda word: pytest.fail(word))
    expected = capacity(
        sim.load(small), SETTING, ("10m", "1h"), GOAL, largest=True, margin=0.1, confidence=0.8, workers=1
    )
    assert found == json.loads(json.dumps(expected.summary))
    assert {"answer", "unit", "goals", "tried", "bottleneck"} <= found.keys()
    assert (found["answer"] % 60, found["unit"]) == (0, "s")
    [goal] = found["goals"]
    assert (goal["goal"], goal["binding"]) == (GOAL, True)
    assert 0.8 < goal["holds_with"] <= 1.0
    met = {one["value"]: one["met"] for one in found["tried"]}
    assert met[found["answer"]] is True
    assert list(met) == sorted(met)
    assert met[3600.0] is False
    assert found["bottleneck"]["what"] == "soak"
    assert 0.5 < found["bottleneck"]["share"] < 1


def test_no_value_is_an_answer(cli, small: Path) -> None:
    arguments = ("--find", SETTING, "--between", "10m", "1h", "--goal", f"{P100} <= 1s")
    code, out, err = cli("capacity", small, *arguments, *QUICK)
    assert (code, err) == (1, "")
    assert out.startswith(f"small: no {SETTING} from 10m to 1h is enough for {P100} <= 1s in 95 % of the runs\n")
    code, out, _ = cli("capacity", small, *arguments, *QUICK, "--json")
    found = json.loads(out)
    assert (code, found["answer"], found["ending"]) == (1, None, "none")
    assert [one["met"] for one in found["tried"]] == [False] * len(found["tried"])
    # the value at the other end comes nearest to it
    assert (found["at"], found["goals"][0]["holds_with"], found["goals"][0]["binding"]) == (3600.0, 0.0, True)


def test_every_value_is_an_answer(cli, small: Path) -> None:
    arguments = ("--find", SETTING, "--between", "10m", "1h", "--goal", f"{P100} <= 2h")
    code, out, err = cli("capacity", small, *arguments, *QUICK)
    assert (code, err) == (0, "")
    first = out.splitlines()[0]
    assert first == (
        f"small: with every {SETTING} from 10m to 1h, {P100} <= 2h in 95 % of the runs; the smallest is the end of the "
        "range, 10m"
    )


def test_out_is_kept_and_goes_on(cli, small: Path, tmp_path: Path) -> None:
    arguments = ("capacity", small, *ASKED, *QUICK, "--out", tmp_path / "out")
    first = cli(*arguments)
    assert (first.code, first.err) == (0, f"kept in {tmp_path / 'out'}\n")
    runs = (tmp_path / "out" / "runs.jsonl").read_bytes()
    again = cli(*arguments, "--quiet")
    assert (again.code, again.out, again.err) == (0, first.out, "")
    assert (tmp_path / "out" / "runs.jsonl").read_bytes() == runs
    changed = cli(*arguments, "--set", "rules.deferred=strict")
    assert changed.code == 2
    assert "  rules.deferred: was converged, is strict\n" in changed.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--goal", f"{P100} == 4h"), f"  {P100} == 4h\n  {' ' * len(P100)} ^\n"),
        (("--goal", "rollouts.stabel.terminal_at_s <= 4h"), "did you mean rollouts.stable.terminal_at_s"),
        (("--find", "rules.deferred"), "rules.deferred cannot be searched"),
        (("--find", "rules.defered"), "did you mean 'deferred'?"),
        (("--between", "1h", "10m"), "expected a lower end below the higher"),
        (("--between", "soon", "10m"), "expected a duration such as 90s, 15m or 1h30m, got 'soon'"),
        (("--step", "1d"), "a step of 1d: expected more than nothing and at most the whole range"),
        (("--confidence", "100%"), "'--confidence'"),
        (("--margin", "0"), "'--margin'"),
        (("-n", "3"), "3 runs of a value can never show that it meets the goals"),
        (("-n", "0"), "'-n'"),
        (("--out", "/dev/null"), "/dev/null: it is a file"),
    ],
)
def test_bad_input(cli, small: Path, arguments: tuple[str, ...], said: str) -> None:
    code, out, err = cli("capacity", small, *ASKED, "--workers", 1, *arguments)
    assert (code, out) == (2, "")
    assert said in err


def test_what_is_missing(cli, small: Path) -> None:
    for option in ("--find", "--between", "--goal"):
        place = ASKED.index(option)
        left = (*ASKED[:place], *ASKED[place + (3 if option == "--between" else 2) :])
        code, out, err = cli("capacity", small, *left)
        assert (code, out) == (2, "")
        assert option in err
