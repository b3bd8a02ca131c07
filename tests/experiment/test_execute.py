"""Where runs are carried out does not matter, and a worker that dies is made up for."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from itertools import islice
from typing import Any

import pytest

from sim.experiment import ExperimentError
from sim.experiment.execute import Workers, carry_out, simulate, workers_of
from sim.experiment.metrics import find
from sim.experiment.points import Point, Run
from sim.experiment.store import Store
from sim.experiment.work import packed, work
from sim.result.versions import versions
from tests.experiment.conftest import TIME, TWENTY_HOSTS


@pytest.fixture
def metrics(one_host):
    return find(one_host, [TIME, "load.reports"])


@pytest.fixture
def expected(one_host, metrics):
    return [simulate(one_host, number, metrics) for number in range(12)]


@pytest.fixture
def endless(load):
    """A run of it takes minutes."""
    return load({**TWENTY_HOSTS, "fidelity": "full", "until": "1000d", "releases": [{"ref": "r", "at": "999d"}]})


class Later(Executor):
    """Finishes what it is given last first, once it is full; `deaths` says of which replications the worker dies."""

    def __init__(self, slots: int, deaths: Callable[[int], bool] = lambda replication: False):
        self.slots = slots
        self.deaths = deaths
        self.held: list[tuple[Future[Any], Any, tuple[Any, ...]]] = []
        self.started: list[int] = []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.started.append(args[1])
        self.held.append((future, fn, args))
        if len(self.held) >= self.slots:
            threading.Thread(target=self.finish).start()
        return future

    def finish(self) -> None:
        held, self.held = self.held, []
        for future, fn, args in reversed(held):
            if not future.set_running_or_notify_cancel():
                continue
            if self.deaths(args[1]):
                future.set_exception(BrokenExecutor("gone"))
            else:
                future.set_result(fn(*args))


def values_of(runs: Any, metrics: Any, workers: Workers, store: Store | None = None) -> list[Any]:
    return list(carry_out(runs, metrics, workers, Store() if store is None else store))


def test_runs_come_back_in_the_order_asked_for(one_host, metrics, expected):
    point = Point(one_host)
    with Workers(3, lambda: Later(6)) as workers:
        found = values_of(point.replications(12), metrics, workers)
    assert [run.replication for run, _ in found] == list(range(12))
    assert [values for _, values in found] == expected


def test_another_executor_stays_open(one_host, metrics, expected):
    with ThreadPoolExecutor(1) as threads:
        with workers_of(executor=threads) as workers:
            found = values_of(Point(one_host).replications(3), metrics, workers)
        assert threads.submit(lambda: 7).result() == 7
    assert [values for _, values in found] == expected[:3]


def test_runs_that_are_known_are_not_run_and_start_no_worker(one_host, metrics):
    store, point = Store(), Point(one_host)
    for number in range(5):
        store.put(Run(point, number), (float(number), None))

    def never() -> Executor:
        raise AssertionError("nothing is left to do")

    with Workers(2, never) as workers:
        found = values_of(point.replications(5), metrics, workers, store)
        assert [values for _, values in found] == [(float(number), None) for number in range(5)]
        # and whoever has enough is not run ahead of
        assert len(list(islice(carry_out(point.replications(), metrics, workers, store), 5))) == 5


def test_what_finishes_early_is_kept_though_nobody_got_it(one_host, metrics, expected):
    store, point = Store(), Point(one_host)
    with Workers(3, lambda: Later(6)) as workers:
        rows = carry_out(point.replications(), metrics, workers, store)
        assert next(rows) == (Run(point, 0), expected[0])
        rows.close()
    assert [store.known(Run(point, number)) for number in range(6)] == expected[:6]


@pytest.mark.parametrize("dying", [[3], [0, 5], list(range(12))])
def test_a_worker_that_dies_is_made_up_for(one_host, metrics, expected, dying):
    left = dict.fromkeys(dying, 1)
    alone = []

    def deaths(number: int) -> bool:
        left[number] = left.get(number, 0) - 1
        return left[number] >= 0

    def make() -> Later:
        made = Later(4 if not alone else 1, deaths)
        alone.append(made)
        return made

    with Workers(2, make) as workers:
        found = values_of(Point(one_host).replications(4), metrics, workers)
    assert [values for _, values in found] == expected[:4]
    assert len(alone) > 1 or not set(dying) & set(range(4))


def test_a_run_whose_workers_die_again_and_again_is_named(one_host, metrics):
    made: list[Later] = []

    def make() -> Later:
        made.append(Later(4 if not made else 1, lambda number: number == 2))
        return made[-1]

    point = Point(one_host, {"rules.deferred": "strict"})
    with Workers(2, make) as workers, pytest.raises(ExperimentError) as error:
        values_of(point.replications(4), metrics, workers)
    assert str(error.value).startswith("replication 2 of rules.deferred=strict: its worker died")
    assert [one.started for one in made] == [[0, 1, 2, 3], [2], [2], [2]]


def test_what_goes_wrong_in_a_run_is_told_with_the_run(one_host, metrics):
    class Failing(Later):
        def finish(self) -> None:
            for future, _, _ in self.held:
                future.set_exception(ZeroDivisionError())

    with Workers(1, lambda: Failing(2)) as workers, pytest.raises(ZeroDivisionError) as error:
        values_of(Point(one_host).replications(2), metrics, workers)
    assert error.value.__notes__ == ["in replication 0"]


def test_a_worker_with_other_versions_is_refused(one_host, metrics):
    package = packed(Point(one_host))._replace(key="not seen before", versions={**versions(), "numpy": "1.0"})
    with pytest.raises(ExperimentError, match=r"a worker has numpy [0-9.]+, not 1\.0: it may give other runs"):
        work(package, 0, tuple(metrics))


def test_an_interrupt_ends_a_run_in_this_process_and_leaves_no_values(endless):
    store, looks = Store(), []

    def look() -> None:
        looks.append(1)
        if len(looks) > 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        next(carry_out(Point(endless).replications(), find(endless, ["load.reports"]), Workers(), store, look))
    assert len(looks) == 3
    assert len(store) == 0


@pytest.mark.slow
def test_processes_give_the_same_also_when_one_is_killed(one_host, metrics, expected):
    with workers_of(2) as workers:
        rows = carry_out(Point(one_host).replications(12), metrics, workers, Store())
        found = [next(rows)]
        os.kill(multiprocessing.active_children()[0].pid or 0, signal.SIGKILL)
        found += rows
    assert [run.replication for run, _ in found] == list(range(12))
    assert [values for _, values in found] == expected
    assert not multiprocessing.active_children()


@pytest.mark.slow
def test_processes_end_at_once_in_the_middle_of_a_run(endless):
    looks = []

    def look() -> None:
        looks.append(len(multiprocessing.active_children()))
        if len(looks) > 5:
            raise KeyboardInterrupt

    with workers_of(2) as workers, pytest.raises(KeyboardInterrupt):
        next(carry_out(Point(endless).replications(), find(endless, ["load.reports"]), workers, Store(), look))
    assert looks[-1] == 2
    assert not multiprocessing.active_children()
