"""`sweep` from Python: its table is that of single runs, nothing is run before all is right, and it goes on."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest

import sim
from sim.experiment import ExperimentError, Progress, intervals, sweep
from tests.experiment.conftest import ONE_HOST, TIME, TWENTY_HOSTS

MEAN = "hosts.default.activation.mean"
P99 = "rollouts.stable.time_to_converged_s.p99"


def test_the_table_is_that_of_single_runs(tmp_path, load):
    found = sweep(
        load(ONE_HOST),
        {MEAN: "1h,2h", "control_plane.phases": "zero,random"},
        2,
        metrics=[TIME, "load.reports"],
        workers=1,
        out=tmp_path / "e",
    )
    table = pd.read_parquet(tmp_path / "e" / "table.parquet")
    assert table.equals(found.table)
    assert table.columns.tolist() == [MEAN, "control_plane.phases", "replication", TIME, "load.reports"]
    rows = table.to_dict("records")
    assert [(row[MEAN], row["control_plane.phases"], row["replication"]) for row in rows] == [
        (mean, phases, replication)
        for mean in (3600.0, 7200.0)
        for phases in ("zero", "random")
        for replication in (0, 1)
    ]
    for row in rows:
        single = load(
            ONE_HOST, hosts__default__activation__mean=row[MEAN], control_plane__phases=row["control_plane.phases"]
        )
        summary = sim.run(single, replication=row["replication"]).summary
        assert row[TIME] == summary["rollouts"][0]["time_to_converged_s"]["p100"]
        assert row["load.reports"] == summary["load"]["reports"]
    assert found.files["table"] == tmp_path / "e" / "table.parquet"
    assert (found.summary["points"], found.summary["runs"]) == (4, 8)


def test_all_points_have_the_same_luck(one_host):
    """An exponential time of twice the mean is twice as long, in each replication."""
    found = sweep(one_host, {MEAN: "1h,2h,4h"}, 5, metrics=[TIME], workers=1)
    times = found.table.pivot(index="replication", columns=MEAN, values=TIME)
    for factor in (2, 4):
        assert (times[3600.0 * factor] - factor * times[3600.0]).abs().max() <= 0.25 * factor
    one = found.effects[TIME].ranked[0]
    assert (one.share, one.total_share) == (1.0, 1.0)
    assert (one.first, one.second) == (3600.0, 14400.0)
    assert one.change == pytest.approx(3 * times[3600.0].mean(), abs=1.0)
    assert found.describe().startswith(f"one-host: the mean of {TIME} goes from ")
    assert f"{MEAN} explains 100 % of the differences: +" in found.describe()


def test_the_estimates_are_those_of_each_point(one_host):
    found = sweep(one_host, {MEAN: "1h,2h"}, 6, metrics=[TIME, "load.reports"], workers=1)
    assert len(found.estimates) == 4
    for row in found.estimates.to_dict("records"):
        values = found.table.loc[found.table[MEAN] == row[MEAN], row["metric"]].tolist()
        mean, around = intervals.mean(values)
        assert (row["n"], row["reached"], row["mean"]) == (6, 6, mean)
        assert (row["mean_low"], row["mean_high"]) == pytest.approx(around)


def test_a_mean_over_runs_that_did_not_get_there_is_not_taken(load):
    scenario = load(ONE_HOST, until="2h")
    found = sweep(scenario, {MEAN: "30m,1h"}, 20, metrics=[TIME], workers=1)
    assert found.statistics == {TIME: "median"}
    assert f"Not all runs reached {TIME}: compared by the median." in found.describe()
    medians = found.estimates["median"].tolist()
    assert found.effects[TIME].ranked[0].change == pytest.approx(medians[1] - medians[0])
    found = sweep(scenario, {MEAN: "30m,10h"}, 20, metrics=[TIME], workers=1)
    assert found.statistics == {TIME: "reached"}
    shares = found.table.groupby(MEAN)[TIME].count() / 20
    assert found.effects[TIME].ranked[0].change == pytest.approx(shares[36_000.0] - shares[1800.0])
    assert found.describe().startswith(f"one-host: the share of runs that reached {TIME} goes from ")
    nothing = sweep(load(ONE_HOST, until="1s"), {MEAN: "30h,40h"}, 2, metrics=[TIME], workers=1)
    assert f"the share of runs that reached {TIME} is 0 % at all points" in nothing.describe()


def test_every_point_is_checked_before_anything_is_run(one_host, tmp_path):
    def never(_: Progress) -> None:
        pytest.fail("a run was done")

    with pytest.raises(ExperimentError) as error:
        sweep(
            one_host,
            {"rules.deferred": "converged,stict", "control_plane.plan_tick": "15s,soon"},
            out=tmp_path / "e",
            progress=never,
        )
    head, *lines = str(error.value).splitlines()
    assert head == "3 of 4 points cannot be run; none has been"
    assert len(lines) == 2
    assert lines[0] == (
        "point 2 of 4 (rules.deferred=converged, control_plane.plan_tick=soon) and 1 other: control_plane.plan_tick: "
        "expected a duration such as 90s, 15m, 1h30m, 2d or a number of seconds, got 'soon'"
    )
    assert lines[1] == (
        "point 3 of 4 (rules.deferred=stict, control_plane.plan_tick=15s) and 1 other: rules.deferred: expected "
        "converged or strict, got 'stict'; did you mean 'strict'?"
    )
    assert not (tmp_path / "e").exists()


@pytest.mark.parametrize(
    ("vary", "said"),
    [
        ({"rules.defered": "a,b"}, r"^point 1 of 2 \(rules\.defered=a\) and 1 other: .*did you mean 'deferred'\?$"),
        ({"fleet.generate.channels.only.hosts": "1,0.5"}, r"^point 2 of 2 .*expected a whole number, got 0\.5"),
        ({}, "expected settings to vary"),
    ],
)
def test_settings_that_do_not_fit(one_host, vary, said):
    with pytest.raises(ExperimentError, match=said):
        sweep(one_host, vary)


def test_metrics_that_some_point_does_not_have(load):
    scenario = load(TWENTY_HOSTS)
    waves = [
        [{"percent": 100, "soak": "10m"}],
        [{"percent": 10, "soak": "5m"}, {"percent": 100, "soak": "10m"}],
    ]
    vary = {"fleet.generate.policies.p.waves": waves}
    found = sweep(scenario, vary, 1, workers=1)
    assert found.notes == ["Not at all points, and left out: rollouts.stable.waves.1.eligible_per_h."]
    assert found.table.columns[0] == "fleet.generate.policies.p.waves"
    with pytest.raises(ExperimentError, match=r"point 1 of 2|no metric"):
        sweep(scenario, vary, 1, metrics=["rollouts.stable.waves.1.eligible_per_h"])
    with pytest.raises(ExperimentError, match=r"^point 2 of 2 .*: no metric 'rollouts\.stable\.waves\.1"):
        sweep(scenario, {"fleet.generate.policies.p.waves": waves[::-1]}, metrics=["rollouts.stable.waves.1.hosts"])
    with pytest.raises(ExperimentError, match=r"did you mean .*p99"):
        sweep(scenario, vary, 1, metrics=["rollouts.stable.time_to_converged_s.p9"])
    with pytest.raises(ExperimentError, match="at least one replication"):
        sweep(scenario, vary, 0)


def test_it_goes_on_with_more_replications_and_more_values(one_host, tmp_path):
    whole = sweep(one_host, {MEAN: "1h,2h,4h"}, 4, metrics=[TIME], workers=1, out=tmp_path / "whole")
    sweep(one_host, {MEAN: "1h,2h"}, 2, metrics=[TIME], workers=1, out=tmp_path / "e")
    with ThreadPoolExecutor(1) as threads:
        sweep(one_host, {MEAN: "1h,2h"}, 4, metrics=[TIME], executor=threads, out=tmp_path / "e")
    so_far: list[Progress] = []
    found = sweep(
        one_host, {MEAN: "60m,120m,240m"}, 4, metrics=[TIME], workers=1, out=tmp_path / "e", progress=so_far.append
    )
    assert found.table.equals(whole.table)
    for name in ("table.parquet", f"figures/{TIME}.svg"):
        assert (tmp_path / "e" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert len((tmp_path / "e" / "runs.jsonl").read_text().splitlines()) == 12
    assert (so_far[-1].done, so_far[-1].known, so_far[-1].of) == (12, 8, 12)
    with pytest.raises(ExperimentError, match="seed: was 1, is 2"):
        sweep(sim.load(tmp_path / "one-host.json", {"seed": 2}), {MEAN: "1h"}, metrics=[TIME], out=tmp_path / "e")


def test_an_interrupted_sweep_says_what_it_has(one_host, tmp_path):
    def stop(progress: Progress) -> None:
        if progress.done == 5:
            raise KeyboardInterrupt

    found = sweep(one_host, {MEAN: "1h,2h,4h"}, 3, metrics=[TIME], workers=1, out=tmp_path / "e", progress=stop)
    assert (found.interrupted, len(found.table), found.effects) == (True, 5, {})
    assert "interrupted before all points were done" in found.describe()
    assert len(pd.read_parquet(tmp_path / "e" / "table.parquet")) == 5
    found = sweep(one_host, {MEAN: "1h,2h,4h"}, 3, metrics=[TIME], workers=1, out=tmp_path / "e")
    assert (found.interrupted, len(found.table)) == (False, 9)


@pytest.mark.parametrize(("design", "points"), [("lhs", 6), ("sobol", 8)])
def test_a_drawn_design_is_run_and_is_the_same_again(one_host, design, points):
    vary = {MEAN: "1h..2h", "control_plane.phases": "zero,random"}
    found, again = (sweep(one_host, vary, 2, design=design, points=points, metrics=[TIME], workers=1) for _ in range(2))
    assert found.table.equals(again.table)
    assert len(found.points) == points
    assert found.table[MEAN].between(3600, 7200).all()
    other = sweep(found.scenario.model_copy(update={"seed": 2}), vary, 1, design=design, points=points, workers=1)
    assert set(other.table[MEAN]) != set(found.table[MEAN])


def test_points_that_are_the_same_are_run_once(one_host):
    vary = {"control_plane.phases": "zero,random"}
    found = sweep(one_host, vary, 1, design="lhs", points=6, metrics=[TIME], workers=1)
    assert len(found.table) == 2
    assert found.notes[0] == "6 points were asked for; the values give 2 different ones."


def test_a_figure_of_each_metric_is_written(load, tmp_path):
    found = sweep(load(TWENTY_HOSTS), {"control_plane.plan_tick": "15s,60s"}, 2, workers=1, out=tmp_path / "e")
    assert {path for path in found.files if path != "table"} == {metric.path for metric in found.asked}
    for path, file in found.files.items():
        if path != "table":
            assert path in file.read_text()
    assert not list((tmp_path / "e").glob("**/*.partial"))


def test_a_figure_is_drawn_again_if_it_is_gone_or_the_table_is_another(one_host, tmp_path):
    def figure(n: int) -> bytes:
        sweep(one_host, {MEAN: "1h,2h"}, n, metrics=[TIME], workers=1, out=tmp_path / "e")
        return place.read_bytes()

    place = tmp_path / "e" / "figures" / f"{TIME}.svg"
    first = figure(2)
    place.unlink()
    assert figure(2) == first
    assert figure(3) != first
    assert figure(2) == first
    place.write_bytes(b"drawn but once")
    assert figure(2) == b"drawn but once"
    # as one that was killed before the table was there
    (tmp_path / "e" / "table.parquet").unlink()
    assert figure(2) == first


def test_settings_that_change_nothing(load):
    found = sweep(load(TWENTY_HOSTS), {"rules.deferred": "converged,strict"}, 2, metrics=[P99], workers=1)
    said = found.describe()
    assert f" of {P99} is " in said
    assert said.splitlines()[0].endswith(" at all points")
    assert f"The same at all points: {P99}." in said


def test_the_summary_is_plain_data(load):
    found = sweep(load(TWENTY_HOSTS), {"control_plane.plan_tick": "15s,60s"}, 3, metrics=[P99], workers=1)
    one = json.loads(json.dumps(found.summary, allow_nan=False))["effects"][P99]
    assert (one["unit"], one["statistic"]) == ("s", "mean")
    [effect] = one["ranked"]
    assert effect["setting"] == "control_plane.plan_tick"
    assert effect["first"] == 15.0
    by_tick = found.table.groupby("control_plane.plan_tick")[P99].mean()
    assert effect["change"] == pytest.approx(by_tick[60.0] - by_tick[15.0])
    assert np.isfinite(one["chance"])
