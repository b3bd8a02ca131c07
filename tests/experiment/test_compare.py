"""`compare` from Python: nothing where nothing differs, what is known where it is known, pairs under the same luck."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest

import sim
from sim.experiment import ExperimentError, Progress, compare
from sim.experiment.estimates import AHEAD, LEAST
from sim.experiment.pairs import paired
from sim.scenario.loader import ScenarioError
from sim.scenario.write import artifact_text
from tests.experiment.conftest import ONE_HOST, TIME, TWENTY_HOSTS

ROOT = Path(__file__).parents[2]
DEFERRED = ROOT / "scenarios" / "deferred-kernel.yaml"
P99 = "rollouts.stable.time_to_converged_s.p99"
TWICE = {"hosts.default.activation.mean": "2h"}
UNIFORM = {"hosts.default.activation": {"dist": "uniform", "min": "0s", "max": "2h"}}


def test_a_scenario_against_itself_differs_by_exactly_nothing(twenty_hosts):
    found = compare(twenty_hosts, n=5, workers=1)
    for one in found.metrics.values():
        assert one.same
        assert (one.difference, one.difference_ci95) == (0.0, (0.0, 0.0))
        assert one.ratio == (1.0 if one.a.mean else None)
        assert one.ratio_ci95 == ((1.0, 1.0) if one.a.mean else (None, None))
    assert found.sentences == ["the two sides do not differ in any setting: every difference is exactly zero"]
    assert found.settings == {}


def test_another_name_is_no_difference(load):
    one, other = load(TWENTY_HOSTS), load({**TWENTY_HOSTS, "name": "other", "description": "the same"})
    assert compare(one, other, 2, workers=1).settings == {}


def test_another_artifact_is_the_other_fleet(load, tmp_path):
    sides = []
    for soak in ("10m", "20m"):
        fleet = load(TWENTY_HOSTS, fleet__generate__policies__p__waves__1__soak=soak).artifact()
        (tmp_path / f"{soak}.fleet.json").write_text(artifact_text(fleet))
        sides.append(load({**TWENTY_HOSTS, "fleet": {"resolved": f"{soak}.fleet.json"}}))
    found = compare(*sides, 2, metrics=["rollouts.stable.time_to_converged_s.p100"], workers=1)
    assert list(found.settings) == ["fleet.resolved"]
    assert found.sentences[0].startswith("the other fleet makes ")


def test_settings_that_do_not_matter_change_nothing(twenty_hosts):
    found = compare(twenty_hosts, n=3, b={"rules.deferred": "strict"}, workers=1)
    assert found.settings == {"rules.deferred": ("converged", "strict")}
    assert found.sentences == ["strict ordering changes nothing: every metric is the same on both sides in all 3 pairs"]


def test_a_time_that_is_twice_as_long_in_each_pair(one_host):
    """The same uniform number makes an exponential time of two hours twice as long as one of one hour."""
    found = compare(one_host, n=40, b=TWICE, metrics=[TIME], workers=1)
    one = found.metrics[TIME]
    assert one.a.mean is not None
    # converged at the next quarter of a second
    assert one.difference == pytest.approx(one.a.mean, abs=0.25)
    assert one.ratio == pytest.approx(2.0, abs=1e-3)
    low, high = one.ratio_ci95
    assert low is not None and high is not None
    assert high - low < 1e-3
    # Var(b - a) = Var a, Var b = 4 Var a
    assert one.variance_reduction == pytest.approx(0.8, abs=1e-3)
    assert one.independent_runs == pytest.approx(5 * 80, rel=5e-3)
    assert found.sentences[0].startswith("activation.mean=2h makes the last host of only ")
    assert " later (" in found.sentences[0]


def test_each_row_of_the_table_is_that_run(one_host):
    found = compare(one_host, n=3, b=TWICE, metrics=[TIME], workers=1)
    assert found.table.columns.tolist() == ["side", "replication", TIME]
    assert found.table["side"].tolist() == ["a", "b"] * 3
    sides = {"a": found.a, "b": found.b}
    for row in found.table.to_dict("records"):
        summary = sim.run(sides[row["side"]], replication=row["replication"]).summary
        assert row[TIME] == summary["rollouts"][0]["time_to_converged_s"]["p100"]
    one = found.metrics[TIME]
    a, b = (found.table.loc[found.table["side"] == side, TIME].tolist() for side in "ab")
    assert one == paired(a, b, found.asked[0])


@pytest.mark.slow
def test_the_interval_covers_the_true_difference(load):
    """A uniform time up to two hours against one up to four: on average an hour more. Many more pairs, drawn, are in
    `test_intervals`."""
    scenario = load(ONE_HOST, hosts__default__activation=UNIFORM["hosts.default.activation"])
    found = compare(scenario, n=600, b={"hosts.default.activation.max": "4h"}, metrics=[TIME], workers=1)
    a, b = (found.table.loc[found.table["side"] == side, TIME].tolist() for side in "ab")
    hits = ratios = 0
    for at in range(0, 600, 10):
        one = paired(a[at : at + 10], b[at : at + 10], found.asked[0])
        low, high = one.difference_ci95
        assert low is not None and high is not None
        # a quarter of a second is the grid of times
        hits += low - 0.25 <= 3_600 <= high + 0.25
        ratios += one.ratio_ci95[0] - 1e-2 <= 2.0 <= one.ratio_ci95[1] + 1e-2
    # 95 % of 60, less three standard errors
    assert hits >= 52
    assert ratios >= 52


def test_it_stops_when_every_difference_is_known_well_enough(load, tmp_path):
    scenario = load(ONE_HOST, hosts__default__activation=UNIFORM["hosts.default.activation"])
    change = {"hosts.default.activation.max": "3h"}
    with ThreadPoolExecutor(1) as threads:
        found = compare(scenario, b=change, precision=0.1, metrics=[TIME], executor=threads, out=tmp_path / "e")
    assert found.stopped == "precise"
    assert LEAST + AHEAD <= found.pairs < 100
    one = found.metrics[TIME]
    low, high = one.difference_ci95
    assert low is not None and high is not None and one.b.mean is not None
    assert (high - low) / 2 <= 0.1 * one.b.mean
    # what ran beyond is dropped, and the sides are as many
    assert len(found.table) == 2 * found.pairs
    assert found.table.equals(compare(scenario, n=found.pairs, b=change, metrics=[TIME], workers=1).table)
    assert compare(scenario, n=22, b=change, precision=0.001, metrics=[TIME], workers=1).stopped == "most"


def test_both_sides_have_the_first_ones_seed(load):
    one, other = load(ONE_HOST, seed=5), load({**ONE_HOST, "name": "other"}, seed=6)
    found = compare(one, other, 2, metrics=[TIME], workers=1)
    assert found.settings == {}
    assert found.metrics[TIME].same
    assert found.notes == ["other has seed 6; run with seed 5, so that both sides share their luck."]
    with pytest.raises(ExperimentError, match="b: seed=3: both sides share their luck"):
        compare(one, n=2, b={"seed": 3})


def test_what_is_not_reached_is_told_by_medians_and_shares(load):
    scenario = load(ONE_HOST, until="3h")
    found = compare(scenario, n=30, b=TWICE, metrics=[TIME], workers=1)
    one = found.metrics[TIME]
    reached = found.table.groupby("side")[TIME].count()
    assert one.difference is None
    assert (one.a.reached, one.b.reached) == (reached["a"], reached["b"])
    assert reached["b"] < reached["a"]
    said = found.describe()
    assert f"with activation.mean=2h, the last host of only is reached in {100 * reached['b'] / 30:.0f} % of" in said
    assert "; the median is " in said
    assert f"No mean, and so no difference of means, of {TIME}: " in said
    assert f"medians; reached {reached['a']} and {reached['b']} of 30" in said
    plain = found.summary["metrics"][TIME]
    assert (plain["a"], plain["b"], plain["difference"]["mean"], plain["ratio"]["mean"]) == (None,) * 4
    assert plain["note"].startswith("no mean: ")
    assert plain["sides"]["b"]["median"] == pytest.approx(
        found.table[found.table["side"] == "b"][TIME].fillna(math.inf).sort_values().iloc[14]
    )
    low = plain["median_difference"]["ci95"][0]
    assert low > 0


def test_metrics_of_one_side_are_left_out_or_refused(load):
    waves = [{"percent": 10, "soak": "5m"}, {"percent": 50, "soak": "5m"}, {"percent": 100, "soak": "10m"}]
    one, other = load(TWENTY_HOSTS), load(TWENTY_HOSTS, fleet__generate__policies__p__waves=waves)
    found = compare(one, other, 2, workers=1)
    assert "rollouts.stable.waves.2.eligible_per_h" not in found.metrics
    assert found.notes == ["Not on both sides, and left out: rollouts.stable.waves.2.eligible_per_h."]
    assert list(found.settings) == ["fleet.generate.policies.p.waves"]
    with pytest.raises(ExperimentError, match=r"in the second scenario, no metric 'rollouts\.stable\.waves\.2"):
        compare(other, one, 2, metrics=["rollouts.stable.waves.2.eligible_per_h"])
    with pytest.raises(ExperimentError, match=r"did you mean .*p99"):
        compare(one, other, 2, metrics=["rollouts.stable.time_to_converged_s.p9"])


@pytest.mark.parametrize(
    ("given", "said"), [({"n": 0}, "at least one pair"), ({"precision": 2.0}, "between 0 and 100")]
)
def test_counts_that_make_no_sense(one_host, given, said):
    with pytest.raises(ExperimentError, match=said):
        compare(one_host, **given)


def test_a_setting_that_does_not_fit(one_host):
    with pytest.raises(ScenarioError, match="did you mean 'strict'"):
        compare(one_host, n=1, b={"rules.deferred": "stict"})


def test_the_ordering_rule():
    """The study of the ordering rule: what strict costs, and the risk it takes away."""
    found = compare(sim.load(DEFERRED), n=4, b={"rules.deferred": "strict"}, workers=1)
    assert found.first.path == P99
    first = found.sentences[0]
    assert first.startswith("strict ordering makes the 99 % point of stable ")
    assert " d later (" in first
    exposed = found.metrics["rollouts.stable.exposure.took_before_verified"]
    assert exposed.b.mean == 0.0
    assert exposed.difference is not None and exposed.difference < -200
    assert any(" fewer hosts of stable take the release before it is verified (" in one for one in found.sentences)
    assert "it makes wave 0 of stable " in found.describe()
    slower = found.metrics["rollouts.stable.waves.0.eligible_per_h"]
    assert slower.ratio is not None and slower.ratio < 0.1


def test_an_interrupted_comparison_says_what_its_whole_pairs_say(one_host):
    def stop(progress: Progress) -> None:
        if progress.done == 3:
            raise KeyboardInterrupt

    found = compare(one_host, n=9, b=TWICE, metrics=[TIME], workers=1, progress=stop)
    assert (found.stopped, found.pairs, len(found.table)) == ("interrupted", 3, 6)
    looks = iter([None] * 7)

    def look() -> None:
        if next(looks, "no more") is not None:
            raise KeyboardInterrupt

    # in the middle of a pair
    half = compare(one_host, n=9, b=TWICE, metrics=[TIME], workers=1, look=look)
    assert len(half.table) == 2 * half.pairs
    with pytest.raises(KeyboardInterrupt):
        compare(one_host, n=9, workers=1, progress=stop, look=lambda: stop(Progress(3, 0, 9, True, str)))


def test_it_goes_on_and_refuses_another(one_host, tmp_path):
    whole = compare(one_host, n=6, b=TWICE, metrics=[TIME], workers=1, out=tmp_path / "whole")
    for n in (2, 5, 6):
        found = compare(one_host, n=n, b=TWICE, metrics=[TIME], workers=1, out=tmp_path / "e")
    assert found.table.equals(whole.table)
    assert (tmp_path / "e" / "table.parquet").read_bytes() == (tmp_path / "whole" / "table.parquet").read_bytes()
    with pytest.raises(ExperimentError, match=r"activation.mean: was 2h, is 3h"):
        compare(one_host, n=6, b={"hosts.default.activation.mean": "3h"}, metrics=[TIME], out=tmp_path / "e")


KILLED = """
import os, signal, sys
import sim
from sim.experiment import compare, sweep

def progress(so_far):
    if so_far.done == so_far.known + 3:
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    path, out, kind = sys.argv[1:]
    if kind == "compare":
        compare(sim.load(path), n=6, b={"control_plane.plan_tick": "60s"}, out=out, workers=2, progress=progress)
    else:
        sweep(sim.load(path), {"control_plane.plan_tick": "15s,60s"}, 3, out=out, workers=2, progress=progress)
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["compare", "sweep"])
def test_killed_again_and_again_it_goes_on(tmp_path, load, kind):
    load(TWENTY_HOSTS)
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    command = [sys.executable, script, tmp_path / "twenty-hosts.json", tmp_path / "e", kind]
    codes = []
    while codes[-1:] != [0]:
        done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=120, check=False)
        codes.append(done.returncode)
    assert set(codes) == {0, -signal.SIGKILL}
    scenario = sim.load(tmp_path / "twenty-hosts.json")
    if kind == "compare":
        compare(scenario, n=6, b={"control_plane.plan_tick": "60s"}, workers=1, out=tmp_path / "whole")
    else:
        sim.experiment.sweep(scenario, {"control_plane.plan_tick": "15s,60s"}, 3, workers=1, out=tmp_path / "whole")
    assert (tmp_path / "e" / "table.parquet").read_bytes() == (tmp_path / "whole" / "table.parquet").read_bytes()
    assert len(pd.read_parquet(tmp_path / "e" / "table.parquet")) == (12 if kind == "compare" else 6)
