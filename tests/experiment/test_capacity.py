"""`capacity` on scenarios: answers that are known, what it names as bottleneck, and the same table wherever it runs."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sim
import sim.experiment.finding
from sim.experiment import Capacity, ExperimentError, Progress, capacity
from sim.experiment.points import Run, Values
from sim.scenario.schema import Scenario
from tests.experiment.conftest import ONE_HOST, TIME, TWENTY_HOSTS, Load

ROOT = Path(__file__).parents[2]
MEAN = "hosts.default.activation.mean"
BUDGET = "fleet.generate.disruption_budgets.0.max_in_flight"
PERCENT = "fleet.generate.policies.p.waves.0.percent"
P100 = "rollouts.stable.time_to_converged_s.p100"
QUICK: dict[str, Any] = {"margin": 0.1, "confidence": 0.8, "workers": 1}

BUDGETED = {
    **TWENTY_HOSTS,
    "name": "budgeted",
    "fleet": {
        "generate": {
            "channels": {"stable": {"hosts": 12, "policy": "p"}},
            "policies": {"p": {"waves": [{"percent": 100, "soak": "0s"}]}},
            "disruption_budgets": [{"selector": {"all": True}, "max_in_flight": 1}],
        }
    },
    "hosts": {"default": {"activation": "10m", "network_delay": "0s"}},
}
"""Twelve hosts of ten minutes each: with a budget of k they take ⌈12 / k⌉ times ten minutes and a little."""


@pytest.fixture
def budgeted(load: Load) -> Scenario:
    return load(BUDGETED)


def test_a_duration_with_a_known_answer(one_host: Scenario) -> None:
    """An exponential time of mean m is below 3 h with chance 1 − exp(−3 h / m): 95 % at m = 60.1 min; the zone, from 91
    to 97.5 %, is from 48.8 to 74.8 min."""
    goal = f"{TIME} <= 3h in 95%"
    found = capacity(one_host, MEAN, ("20m", "2h"), goal, largest=True, margin=0.04, confidence=0.8, workers=1)
    assert found.answer is not None
    assert 3 / -math.log(0.025) * 3600 - 60 < found.answer < 3 / -math.log(0.09) * 3600
    assert (found.values.unit, found.values.step, found.ending) == ("s", 60, "found")
    assert found.bottleneck is not None
    assert found.bottleneck.what == "activation"
    assert found.bottleneck.share > 0.99
    # the table has the runs that the verdicts are made of, and no others
    assert len(found.table) == sum(one.runs for one in found.tried)
    for one in found.tried:
        times = found.table[found.table[MEAN] == one.value][TIME]
        assert [(times <= 3 * 3600).sum()] == list(one.hits)
        assert len(times) == one.runs


def test_an_integer_and_its_bottleneck(budgeted: Scenario) -> None:
    found = capacity(budgeted, BUDGET, (1, 12), f"{P100} <= 35m", **QUICK)
    assert found.answer == 4
    assert found.binding == [True]
    assert found.neighbour is not None
    assert (found.neighbour.value, found.neighbour.verdict) == (3, "fails")
    assert found.bottleneck is not None
    assert found.bottleneck.what == "gate disruption-budget"
    assert found.bottleneck.finished
    assert sum(found.bottleneck.shares.values()) == pytest.approx(1.0)
    # two of the three rounds are waited for
    assert 0.6 < found.bottleneck.share < 0.7


def test_a_percentage(twenty_hosts: Scenario) -> None:
    """With a first wave of 31 % there are seven hosts before the promotion, of 30 % six."""
    found = capacity(
        twenty_hosts, PERCENT, ("5%", "60%"), "rollouts.stable.waves.0.hosts >= 7 in 100%", step="1%", **QUICK
    )
    assert (found.answer, found.values.unit) == (31, "%")
    assert found.sentences[0].startswith(f"31% is the smallest {PERCENT} from 5% to 60% with which")


def test_several_goals(budgeted: Scenario) -> None:
    later = "rollouts.stable.time_to_converged_s.p50"
    found = capacity(budgeted, BUDGET, (1, 12), [f"{P100} <= 35m", f"{later} <= 15m"], **QUICK)
    assert (found.answer, found.binding) == (6, [False, True])
    apart = capacity(budgeted, BUDGET, (1, 12), [f"{P100} <= 35m", f"{later} >= 25m"], **QUICK)
    assert (apart.answer, apart.ending, apart.binding) == (None, "apart", [True, True])
    assert apart.judged.value == 4
    assert "is enough together for" in apart.sentences[0]


def test_no_value_and_every_value(budgeted: Scenario) -> None:
    none = capacity(budgeted, BUDGET, (1, 12), f"{P100} <= 9m", **QUICK)
    assert (none.answer, none.ending, none.judged.value) == (None, "none", 12)
    assert none.sentences[0] == f"no {BUDGET} from 1 to 12 is enough for {P100} <= 9m in 95 % of the runs"
    assert none.bottleneck is not None
    assert none.bottleneck.what == "activation"
    every = capacity(budgeted, BUDGET, (1, 12), f"{P100} <= 1d", **QUICK)
    assert (every.answer, every.ending, every.binding) == (1, "all", [False])
    assert every.sentences[0].endswith("the smallest is the end of the range, 1")
    largest = capacity(budgeted, BUDGET, (1, 12), f"{P100} <= 1d", largest=True, **QUICK)
    assert (largest.answer, largest.ending) == (12, "all")


def test_the_wrong_way_round(budgeted: Scenario) -> None:
    found = capacity(budgeted, BUDGET, (1, 12), f"{P100} <= 35m", largest=True, **QUICK)
    assert (found.answer, found.ending, found.surprises) == (12, "first", [(12, 1)])
    assert found.sentences[-1] == "1 does not meet: if smaller values do worse, look for the smallest"


def test_what_is_not_monotone_is_told(load: Load) -> None:
    """Agents look every tick whether their ten minutes are over. With a tick of up to 233 s they see it at 700 s at the
    latest, from 234 s on too late, and from 300 to 350 s in time again."""
    scenario = load({**BUDGETED, "control_plane": {"phases": "zero"}}, **{BUDGET.replace(".", "__"): 12})
    found = capacity(
        scenario, "control_plane.advance_tick", ("200s", "355s"), f"{P100} <= 700", step="1s", largest=True, **QUICK
    )
    verdicts = {one.value: one.verdict for one in found.tried}
    assert (verdicts[355], verdicts[278], verdicts[200]) == ("fails", "fails", "meets")
    assert (found.answer, found.ending) == (317, "found")
    assert (317, 278) in found.surprises
    assert "not monotone: 5m17s meets, 4m38s does not" in found.describe()
    assert found.summary["monotone"] is False


def test_rollouts_that_do_not_finish_have_a_bottleneck_too(load: Load) -> None:
    scenario = load({**BUDGETED, "hosts": {"default": {"activation": "10m", "activation_failure": 1.0}}})
    found = capacity(scenario, BUDGET, (1, 12), f"{P100} <= 1d", **QUICK)
    assert found.ending == "none"
    assert found.bottleneck is not None
    assert not found.bottleneck.finished
    assert found.summary["bottleneck"]["of"] == "hosts' time"


@pytest.mark.slow
@pytest.mark.parametrize("largest", [False, True])
def test_it_is_wrong_no_more_often_than_it_says(
    budgeted: Scenario, monkeypatch: pytest.MonkeyPatch, largest: bool
) -> None:
    """Runs that are drawn, not simulated: the first goal is met in 94 % of them at the answer and in 85 % one value
    before it, on both sides of the zone from 87 to 93 %; the second everywhere in 94 %. Of 100 searches at 80 %
    confidence at most 20 may be wrong."""
    repeats, answer = 100, 23

    def drawn(luck: Any, runs: Iterable[Run], *_: object) -> Iterator[tuple[Run, Values]]:
        for run in runs:
            beyond = (answer - run.point.settings[BUDGET]) * (1 if largest else -1)
            first, second = luck[run.replication]
            chance = 0.94 + 0.01 * beyond if beyond >= 0 else 0.87 + 0.02 * beyond
            yield run, (60.0 if first < chance else 1e6, 60.0 if second < 0.94 else 1e6)

    monkeypatch.setattr(sim.experiment.finding, "settled", lambda *_: budgeted)
    monkeypatch.setattr(sim.experiment.finding, "_bottleneck", lambda *_: None)
    goals = [f"{P100} <= 35m in 90%", "rollouts.stable.time_to_converged_s.p50 <= 35m in 90%"]
    wrong = 0
    for seed in range(repeats):
        luck = np.random.default_rng(seed).random((1000, 2)).tolist()
        monkeypatch.setattr(sim.experiment.finding, "carry_out", partial(drawn, luck))
        found = capacity(budgeted, BUDGET, (1, 40), goals, largest=largest, margin=0.03, confidence=0.8, workers=1)
        wrong += found.answer != answer
    assert wrong <= repeats * 0.2


def test_too_few_runs_to_decide_anything(budgeted: Scenario) -> None:
    with pytest.raises(ExperimentError, match=r"5 runs of a value can never show .* it takes at least \d+; allow more"):
        capacity(budgeted, BUDGET, (1, 12), f"{P100} <= 35m", n=5)
    for name in ("confidence", "margin"):
        with pytest.raises(ExperimentError, match=f"expected a {name} between 0 and 100 %"):
            capacity(budgeted, BUDGET, (1, 12), f"{P100} <= 35m", **{name: 1.5})  # type: ignore[arg-type]


def test_it_is_interrupted_and_goes_on(budgeted: Scenario, tmp_path: Path) -> None:
    arguments = (budgeted, BUDGET, (1, 12), f"{P100} <= 35m")

    def interrupt(so_far: Progress) -> None:
        said.append(so_far.says())
        if so_far.done == 30:
            raise KeyboardInterrupt

    said: list[str] = []
    first = capacity(*arguments, **QUICK, out=tmp_path / "e", progress=interrupt)
    assert (first.answer, first.ending, first.interrupted, len(first.table)) == (None, "interrupted", True, 30)
    assert first.sentences[0].startswith("interrupted: the smallest ")
    # Wilson: of one run that fails up to z² / (1 + z²) = 3.84 / 4.84 = 79 % may not
    assert said[0] == "1: 0 % as asked (0 % to 79 %)"
    assert "), the answer between 1 and 12, at most " in said[-1]
    known: list[int] = []
    second = capacity(*arguments, **QUICK, out=tmp_path / "e", progress=lambda so_far: known.append(so_far.known))
    assert second.answer == 4
    assert max(known) >= 30
    assert same(second, capacity(*arguments, **QUICK))
    # another question of the same metric has the same runs to begin with
    rows = len((tmp_path / "e" / "runs.jsonl").read_text().splitlines())
    capacity(budgeted, BUDGET, (1, 12), f"{P100} <= 34m", **QUICK, out=tmp_path / "e")
    assert len((tmp_path / "e" / "runs.jsonl").read_text().splitlines()) == rows


def same(one: Capacity, other: Capacity) -> bool:
    return one.summary == other.summary and one.table.equals(other.table)


KILLED = """
import os, signal, sys
import sim
from sim.experiment import capacity

def progress(so_far):
    if so_far.done == so_far.known + 700:
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    path, out, find, goal = sys.argv[1:]
    capacity(sim.load(path), find, ("20m", "2h"), goal, largest=True, margin=0.1, confidence=0.8, out=out, workers=2,
             progress=progress)
"""


@pytest.mark.slow
def test_killed_again_and_again_it_goes_on(tmp_path: Path) -> None:
    """In two processes, and then it is the same as from one that nobody killed."""
    script, path, out = tmp_path / "killed.py", tmp_path / "scenario.json", tmp_path / "e"
    script.write_text(KILLED)
    path.write_text(json.dumps(ONE_HOST))
    goal = f"{TIME} <= 3h"
    kills = 0
    while True:
        process = subprocess.Popen(
            [sys.executable, script, path, out, MEAN, goal],
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        code = process.wait(timeout=120)
        if code == 0:
            break
        assert code == -signal.SIGKILL
        kills += 1
    assert kills > 0
    asked = (sim.load(path), MEAN, ("20m", "2h"), goal)
    whole = capacity(*asked, largest=True, out=tmp_path / "whole", **QUICK)
    assert same(capacity(*asked, largest=True, out=out, **QUICK), whole)
    assert (out / "table.parquet").read_bytes() == (tmp_path / "whole" / "table.parquet").read_bytes()
