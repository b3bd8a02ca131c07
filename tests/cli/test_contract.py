"""Spec page 10: what the commands of many runs print with `--json` and nothing else there, and their exit codes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PATH = "rollouts.stable.time_to_converged_s.p99"
SOAK = "fleet.generate.policies.p.waves.1.soak"
NUMBER = (int, float)
MAYBE = (int, float, type(None))
INTERVAL = [MAYBE, MAYBE]
QUICK = ("--margin", "10%", "--confidence", "80%")
FOUND = ("--find", SOAK, "--between", "10m", "1h", "--largest", "--goal", f"{PATH} <= 30m in 80%")
NONE = ("--find", SOAK, "--between", "10m", "20m", "--goal", f"{PATH} <= 1s")
SLOWER = ("--set", "hosts.default.activation=10m")

REPLICATE = {
    "scenario": str,
    "replications": int,
    "metrics": {
        PATH: {
            "n": int,
            "reached": int,
            "mean": MAYBE,
            "mean_ci95": INTERVAL,
            "median": MAYBE,
            "p90": MAYBE,
            "p99": MAYBE,
        }
    },
}
COMPARE = {
    "pairs": int,
    "metrics": {
        PATH: {
            "a": object,
            "b": object,
            "difference": {"mean": MAYBE, "ci95": INTERVAL},
            "ratio": {"mean": MAYBE, "ci95": INTERVAL},
            "variance_reduction": MAYBE,
        }
    },
}
SWEEP = {"points": int, "runs": int, "table": str}
GOALS = [{"goal": str, "holds_with": NUMBER, "binding": bool}]
TRIED = [{"value": NUMBER, "runs": int, "met": (bool, type(None))}]
CAPACITY = {
    "answer": NUMBER,
    "unit": str,
    "goals": GOALS,
    "tried": TRIED,
    "bottleneck": {"what": str, "share": NUMBER},
}
MOVED = {"scenario": str, "metric": str, "was": NUMBER, "is": NUMBER, "worse": bool, "kind": str}
CHECK = {"moved": [MOVED], "ok": bool}


def wrong(found: Any, expected: Any, where: str = "") -> Iterator[str]:
    """Where what was printed is not as the page has it; more keys may be there. A list of one stands for any number."""
    if isinstance(expected, list) and isinstance(found, list):
        kinds = expected * len(found) if len(expected) == 1 else expected
        if len(kinds) != len(found):
            yield f"{where}: {found!r}"
        for place, (one, kind) in enumerate(zip(found, kinds, strict=False)):
            yield from wrong(one, kind, f"{where}.{place}")
    elif isinstance(expected, dict) and isinstance(found, dict):
        for key, kind in expected.items():
            yield from wrong(found[key], kind, f"{where}.{key}") if key in found else [f"{where}.{key} is missing"]
    elif isinstance(expected, dict | list) or not isinstance(found, expected):
        yield f"{where}: {found!r}"


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (("replicate", "-n", 3, "--metric", PATH), 0, REPLICATE),
        (("compare", "--a", "rules.deferred=strict", "--b", "rules.soak_from=dispatch", "-n", 3), 0, COMPARE),
        (("sweep", "--vary", "control_plane.plan_tick=15s,60s", "-n", 2, "--metric", PATH), 0, SWEEP),
        (("capacity", *FOUND, *QUICK), 0, CAPACITY),
        (("capacity", *NONE, *QUICK), 1, {**CAPACITY, "answer": type(None)}),
    ],
    ids=["replicate", "compare", "sweep", "capacity", "capacity that finds none"],
)
def test_what_is_printed(cli, small: Path, tmp_path: Path, arguments, code, expected) -> None:
    command, *options = arguments
    said = cli(command, small, *options, "--workers", 1, "--out", tmp_path / "out", "--quiet", "--json")
    assert (said.code, said.err) == (code, "")
    assert list(wrong(json.loads(said.out, parse_constant=pytest.fail), expected)) == []
    # and again, from what is kept there, to the byte
    assert cli(command, small, *options, "--workers", 1, "--out", tmp_path / "out", "--quiet", "--json") == said


def test_what_a_check_prints(cli, small: Path, tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    assert cli("bench", "record", file, small, "-n", 4, "--workers", 1, "--no-speed", "--quiet").code == 0
    for options, code in (((), 0), (SLOWER, 1), (("--seed", 7), 0)):
        said = cli("bench", "check", file, "--workers", 1, "--json", "--quiet", *options)
        found = json.loads(said.out, parse_constant=pytest.fail)
        assert (said.code, said.err, found["ok"], bool(found["moved"])) == (code, "", code == 0, code == 1)
        assert list(wrong(found, CHECK)) == []
        assert {one["kind"] for one in found["moved"]} <= {"trajectory", "statistics"}
    small.write_text(small.read_text().replace('"10m"', '"40m"'))
    changed = json.loads(cli("bench", "check", file, "--workers", 1, "--json", "--quiet").out)
    # the content is another: it is run all the same, by statistics alone, and that is said
    assert {one["kind"] for one in changed["moved"]} == {"statistics"}
    assert [one["scenario"] for one in changed["changed"]] == [small.name]
