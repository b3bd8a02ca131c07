"""How far an experiment is, where there is no terminal: what is said, and when. On one, see `test_live`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sim.cli.watch import Watch
from sim.experiment import Progress

P50 = "rollouts.stable.time_to_converged_s.p50"
QUICK = ("--workers", "1")
SO_FAR = re.compile(r": [1-9][0-9]* (of (about )?[0-9]+ )?(run|pair)s?\b")
COMMANDS: dict[str, tuple[str, ...]] = {
    "replicate": ("replicate", "SCENARIO", "-n", "4", "--metric", P50),
    "compare": ("compare", "SCENARIO", "-n", "4", "--b", "control_plane.plan_tick=60s", "--metric", P50),
    "sweep": ("sweep", "SCENARIO", "-n", "2", "--vary", "seed=1,2", "--metric", P50, "--out", "OUT"),
    "capacity": (
        *("capacity", "SCENARIO", "--find", "control_plane.plan_tick", "--between", "5s", "10m", "--largest"),
        *("--goal", f"{P50} <= 16m in 80%", "--margin", "20%", "--confidence", "80%"),
    ),
    "bench record": ("bench", "record", "BASELINE", "SCENARIO", "-n", "4", "--metric", P50, "--no-speed"),
}


class Clock:
    """A clock that is set by hand (s)."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def progress(done: int, **given: object) -> Progress:
    return Progress(**{"done": done, "known": 0, "of": 100, "fixed": True, "says": lambda: "x: 2 ± 1 h", **given})


def said(capsys: pytest.CaptureFixture[str], *looks: tuple[float, Progress], quiet: bool = False) -> list[str]:
    clock = Clock()
    with Watch("night", quiet=quiet, clock=clock) as watch:
        for at, one in looks:
            clock.now = at
            watch.look(one)
    out, err = capsys.readouterr()
    assert out == ""
    return err.splitlines()


def test_lines_grow_rare_where_there_is_no_terminal(capsys) -> None:
    """The first after 5 s; each next one when half as much time again has passed: 7.5, 12, 18 s."""
    looks = [(float(at), progress(at)) for at in (1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 17, 18)]
    lines = said(capsys, *looks)
    assert [line.split(" of ")[0] for line in lines] == [f"night: {at}" for at in (5, 8, 12, 18)]
    # a run a second: after 5 of 100 there are 95 s left
    assert lines[0] == "night: 5 of 100 runs, 1m35s left, x: 2 ± 1 h"
    assert said(capsys, *looks, quiet=True) == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"of": None}, "10 runs done, x: 2 ± 1 h"),
        ({"fixed": False, "of": 40}, "10 of about 40 runs, 15s left, x: 2 ± 1 h"),
        # five of them were there before, so 90 more take 18 times the five seconds of the five
        ({"known": 5}, "10 of 100 runs, 1m30s left, x: 2 ± 1 h"),
        ({"known": 10}, "10 of 100 runs, x: 2 ± 1 h"),
        ({"of": 10}, "10 of 10 runs, x: 2 ± 1 h"),
        ({"counts": "pair", "of": 20}, "10 of 20 pairs, 5s left, x: 2 ± 1 h"),
        ({"of": 11}, "10 of 11 runs, 1s left, x: 2 ± 1 h"),
        ({"says": lambda: "a\x1b[31m"}, "10 of 100 runs, 45s left, a\\x1b[31m"),
    ],
)
def test_what_is_said(capsys, given: dict[str, object], words: str) -> None:
    assert said(capsys, (5.0, progress(10, **given))) == [f"night: {words}"]


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_says_it_in_plain_lines(
    cli, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("sim.cli.watch.FIRST_S", 0.0)
    monkeypatch.setattr("sim.cli.watch.LONGER", 0.0)
    places = {"SCENARIO": small, "OUT": tmp_path / "out", "BASELINE": tmp_path / "baseline.json"}
    code, _, err = cli(*(places.get(word, word) for word in COMMANDS[name]), *QUICK)
    assert code == 0
    assert "\x1b" not in err
    lines = [line for line in err.splitlines() if SO_FAR.search(line)]
    assert len(lines) >= 4
    # an estimate with its interval: a mean, or a share
    assert re.search(r" \d[\d.]* ± [\d.]+ | \d+ % as asked \(\d", lines[-1])
    assert any(" left, " in line for line in lines[:-1]) or name == "capacity"
