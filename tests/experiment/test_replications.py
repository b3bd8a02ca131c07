"""`replicate` from Python: the same table wherever and however often it is interrupted, and answers that are right."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy import stats

import sim
from sim.experiment import ExperimentError, Progress, intervals, replicate
from sim.experiment.estimates import AHEAD, LEAST
from tests.experiment.conftest import ONE_HOST, TIME


def test_a_replication_is_the_run_of_that_number(one_host):
    found = replicate(one_host, 3, metrics=[TIME, "load.reports"], workers=1)
    for number in range(3):
        summary = sim.run(one_host, replication=number).summary
        assert found.table.to_dict("records")[number] == {
            "replication": number,
            TIME: summary["rollouts"][0]["time_to_converged_s"]["p100"],
            "load.reports": summary["load"]["reports"],
        }
    assert found.metrics[TIME].mean == pytest.approx(found.table[TIME].mean())
    assert (found.stopped, found.precision) == ("asked", None)


def test_the_table_is_the_same_wherever_it_was_run_and_whatever_was_known(tmp_path, twenty_hosts):
    with ThreadPoolExecutor(1) as threads:
        replicate(twenty_hosts, 6, out=tmp_path / "threads", executor=threads)
    replicate(twenty_hosts, 6, out=tmp_path / "here", workers=1)
    for n in (2, 5, 6):
        replicate(twenty_hosts, n, out=tmp_path / "by-and-by", workers=1)
    replicate(twenty_hosts, 9, out=tmp_path / "more", workers=1)
    replicate(twenty_hosts, 6, out=tmp_path / "more", workers=1)
    tables = {(place / "table.parquet").read_bytes() for place in tmp_path.iterdir() if place.is_dir()}
    assert len(tables) == 1


@pytest.mark.slow
def test_two_processes_give_the_same_table(tmp_path, twenty_hosts):
    for workers in (1, 2):
        replicate(twenty_hosts, precision=0.2, out=tmp_path / str(workers), workers=workers)
    assert (tmp_path / "1" / "table.parquet").read_bytes() == (tmp_path / "2" / "table.parquet").read_bytes()


def test_it_stops_by_itself_and_drops_what_ran_beyond(tmp_path, twenty_hosts):
    with ThreadPoolExecutor(1) as threads:
        found = replicate(twenty_hosts, out=tmp_path / "e", executor=threads)
    assert found.stopped == "precise"
    assert found.precision == 0.05
    n = len(found.table)
    assert n >= LEAST + AHEAD
    assert found.table["replication"].tolist() == list(range(n))
    assert found.table.equals(replicate(twenty_hosts, n, workers=1).table)
    for metric in found.asked:
        if metric.kind.unit in ("s", "hosts/h"):
            one = found.metrics[metric.path]
            half = intervals.half_width(one.mean_ci95)
            assert one.mean is not None and half is not None
            assert half <= 0.05 * one.mean


def test_a_precision_that_is_not_reached_ends_with_n(one_host):
    found = replicate(one_host, 30, precision=0.01, metrics=[TIME], workers=1)
    assert (found.stopped, len(found.table)) == ("most", 30)
    assert "not enough for ± 1 %" in found.describe()


def test_a_rollout_that_never_ends_is_censored_not_missing(load):
    scenario = load(ONE_HOST, until="1h")
    found = replicate(scenario, 40, metrics=[TIME], workers=1)
    one = found.metrics[TIME]
    reached = int(found.table[TIME].notna().sum())
    assert 15 < reached < 35
    assert (one.n, one.reached, one.mean, one.mean_ci95) == (40, reached, None, None)
    assert one.median == pytest.approx(found.table[TIME].fillna(math.inf).sort_values().iloc[19])
    assert one.p99 is None
    assert found.summary["metrics"][TIME]["note"] == f"no mean: {40 - reached} of 40 runs ended without reaching it"
    said = found.describe()
    assert "of the runs" in said.splitlines()[0]
    assert f"{reached} of 40" in said
    assert f"No mean of {TIME}: {40 - reached} of 40 runs ended without reaching it." in said


@pytest.mark.slow
def test_intervals_of_a_scenario_with_a_known_answer_cover_it(one_host):
    """An exponential time of mean m, rounded up to steps of h, has the mean h / (1 - exp(-h/m)); its median is that of
    the exponential, rounded up."""
    step, mean, size, times = 0.25, 3600.0, 10, 60
    truth = step / (1 - math.exp(-step / mean))
    median = math.ceil(mean * math.log(2) / step) * step
    values = replicate(one_host, size * times, metrics=[TIME], workers=1).table[TIME].to_numpy()
    assert stats.ttest_1samp(values, truth).pvalue > 0.001
    means = medians = 0
    for group in values.reshape(times, size):
        low, high = intervals.mean(group.tolist())[1]
        means += low <= truth <= high
        low, high = intervals.quantile(group.tolist(), 0.5)[1]
        medians += low <= median <= high
    # of ten exponential values Student's interval covers 90 %: what it is for a normal law is tested elsewhere
    rng = np.random.default_rng(1)
    drawn = [intervals.mean(rng.exponential(mean, size).tolist())[1] for _ in range(4000)]
    student = sum(low <= mean <= high for low, high in drawn) / 4000
    assert stats.binomtest(means, times, student).pvalue > 0.001
    exact = stats.binom.cdf(8, size, 0.5) - stats.binom.cdf(1, size, 0.5)
    assert stats.binomtest(medians, times, exact).pvalue > 0.001


def test_an_interrupt_ends_with_what_is_known(tmp_path, twenty_hosts):
    seen: list[int] = []

    def progress(so_far: Progress) -> None:
        seen.append(so_far.done)
        if so_far.done == 4:
            raise KeyboardInterrupt

    found = replicate(twenty_hosts, 10, out=tmp_path / "e", workers=1, progress=progress)
    assert seen == [1, 2, 3, 4]
    assert (found.stopped, len(found.table)) == ("interrupted", 4)
    assert "interrupted" in found.describe()
    whole = replicate(twenty_hosts, 10, out=tmp_path / "e", workers=1)
    assert whole.table.equals(replicate(twenty_hosts, 10, workers=1).table)


def test_an_interrupt_before_the_first_run_is_one(twenty_hosts):
    def look() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replicate(twenty_hosts, 10, workers=1, look=look)


def test_progress_tells_how_many_it_will_be(tmp_path, twenty_hosts):
    told: list[Progress] = []
    replicate(twenty_hosts, 3, out=tmp_path / "e", workers=1)
    replicate(twenty_hosts, 5, out=tmp_path / "e", workers=1, progress=told.append)
    assert [(one.done, one.known, one.of, one.fixed) for one in told] == [
        (done, min(done, 3), 5, True) for done in range(1, 6)
    ]
    assert told[-1].says().startswith("rollouts.stable.time_to_converged_s.p99: ")
    assert "±" in told[-1].says()
    told.clear()
    replicate(twenty_hosts, precision=0.1, workers=1, progress=told.append)
    assert told[0].of is None
    assert (told[-1].of, told[-1].fixed) == (told[-1].done, False)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"n": 0}, "at least one replication, got 0"),
        ({"precision": 0.0}, "between 0 and 100 %"),
        ({"precision": 1.5}, "between 0 and 100 %"),
        ({"n": 2, "metrics": ["nothing"]}, "no metric 'nothing'"),
        ({"n": 2, "dask": "tcp://127.0.0.1:1"}, "no dask scheduler at tcp://127.0.0.1:1"),
    ],
)
def test_bad_input(monkeypatch, twenty_hosts, given, said):
    monkeypatch.setattr("sim.experiment.cluster.CONNECT_S", 0.2)
    with pytest.raises(ExperimentError, match=said):
        replicate(twenty_hosts, **given)


def test_a_scenario_with_nothing_to_measure(load):
    fleet = {"generate": {"channels": {"empty": {"hosts": 0, "policy": "p"}}, "policies": {"p": {}}}}
    with pytest.raises(ExperimentError, match="no channel with hosts and a release"):
        replicate(load({"fleet": fleet}), 2)


def test_a_single_run_says_so(twenty_hosts):
    found = replicate(twenty_hosts, 1, workers=1)
    assert "a single run, which says nothing of how much runs differ" in found.describe()
    assert found.summary["metrics"]["rollouts.stable.time_to_converged_s.p50"]["mean_ci95"] == (None, None)
