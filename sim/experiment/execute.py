"""Carrying runs out: in this process, in processes of this machine, or by any other `concurrent.futures.Executor`.

Runs are handed out as they finish and given back in the
order in which they were asked for, so what is made of them does not depend on where or how fast they ran.
"""

from __future__ import annotations

import os
import queue
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from typing import Any, Self

from sim.experiment.errors import ExperimentError
from sim.experiment.metrics import Metric
from sim.experiment.points import Run, Values
from sim.experiment.store import Store
from sim.experiment.work import Look, packed, simulate, work

__all__ = ["Look", "Workers", "carry_out", "simulate", "workers_of"]

ATTEMPTS = 3
"""How often a run is tried again, alone, after a worker died with it."""
AHEAD = 2
"""Runs handed out per worker, so that none waits for its next."""
MOST_WAITING = 16
"""Runs per worker that may have finished before the one that is due; these are lost work if it is the last."""
LOOK_S = 0.1
"""How often to look up while waiting (s)."""


class Workers:
    """Where runs are carried out. A context: on leaving it what is still under way is dropped.

    Args:
        slots: how many runs can be under way at once.
        make: gives an executor, and another if its workers died; None to run in this process.
        deaths: the errors of a future whose worker died.
        leave: called last.
    """

    def __init__(
        self,
        slots: int = 1,
        make: Callable[[], Executor] | None = None,
        deaths: tuple[type[BaseException], ...] = (BrokenExecutor,),
        leave: Callable[[], object] | None = None,
    ):
        self.slots = max(slots, 1)
        self.here = make is None
        # a run that is cancelled waited for a worker that died
        self.deaths: tuple[type[BaseException], ...] = (*deaths, CancelledError)
        self._make = make
        self._leave = leave
        self._executor: Executor | None = None

    def submit(self, run: Run, metrics: tuple[Metric, ...]) -> Future[Values]:
        """Have a run carried out."""
        package = packed(run.point)
        if self._executor is None:
            assert self._make is not None
            self._executor = self._make()
        try:
            return self._executor.submit(work, package, run.replication, metrics)
        except self.deaths as error:  # a worker died since the last run
            broken: Future[Values] = Future()
            broken.set_exception(error)
            return broken

    def close(self) -> None:
        """Drop what is under way, and let the workers go."""
        executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        if self._leave is not None:
            self._leave()


def workers_of(count: int | None = None, *, dask: str | None = None, executor: Executor | None = None) -> Workers:
    """Workers, to be entered: so many processes of this machine, one per core if None; one is this process.

    The processes are started afresh, so a script that calls for them needs `if __name__ == "__main__":`.

    Args:
        dask: the address of a dask scheduler, whose workers it is to be instead; they need this package.
        executor: an executor of one's own, which stays open.

    Raises:
        ExperimentError: there is no such scheduler, or dask is not installed.
    """
    if dask is not None:
        from sim.experiment.cluster import cluster

        return cluster(dask)
    if executor is not None:
        return Workers(os.cpu_count() or 1, lambda: _Lent(executor))
    if count is None:
        count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if count == 1:
        return Workers()
    from sim.experiment.pool import Pool

    return Workers(count, lambda: Pool(count))


def carry_out(
    runs: Iterable[Run], metrics: Sequence[Metric], workers: Workers, store: Store, look: Look | None = None
) -> Iterator[tuple[Run, Values]]:
    """The values of runs in the order asked for; `runs` may have no end, and whoever has enough stops asking.

    What the store knows is not run again, and what finishes is put there at once, in whatever order.

    Args:
        look: called several times a second; what it raises ends it all.

    Raises:
        ExperimentError: a worker died with a run again and again.
        KeyboardInterrupt: a run was interrupted.
    """
    if workers.here:
        for run in runs:
            values = store.known(run)
            if values is None:
                if look is not None:
                    look()
                values = simulate(run.point.scenario, run.replication, metrics, look)
                store.put(run, values)
            yield run, values
    else:
        crew = _Crew(workers, tuple(metrics), store, look)
        try:
            yield from crew.in_order(iter(runs))
        finally:
            crew.drop()


class _Crew:
    """Runs under way, and what to do when a worker dies: once the others have finished, each run that a worker may have
    died of goes again, alone, so that it is clear which of them it was."""

    def __init__(self, workers: Workers, metrics: tuple[Metric, ...], store: Store, look: Look | None):
        self.workers = workers
        self.metrics = metrics
        self.store = store
        self.look = look
        self.under_way: dict[Future[Values], Run] = {}
        self.finished: queue.SimpleQueue[Future[Values]] = queue.SimpleQueue()
        self.suspects: list[Run] = []

    def in_order(self, upcoming: Iterator[Run]) -> Iterator[tuple[Run, Values]]:
        waiting: deque[Run] = deque()
        more = True
        while more or waiting:
            while waiting and (values := self.store.known(waiting[0])) is not None:
                yield waiting.popleft(), values
            while more and self.has_room(len(waiting)):
                run = next(upcoming, None)
                if run is None:
                    more = False
                    break
                waiting.append(run)
                if self.store.known(run) is None:
                    self.submit(run)
                elif len(waiting) == 1:
                    # given back before anything is started: perhaps all are known
                    break
            if waiting and self.store.known(waiting[0]) is None:
                self.wait()

    def has_room(self, waiting: int) -> bool:
        """Whether to run ahead further than to the `waiting` runs that are due next."""
        slots = self.workers.slots
        return not self.suspects and len(self.under_way) < AHEAD * slots and waiting < MOST_WAITING * slots

    def submit(self, run: Run) -> None:
        future = self.workers.submit(run, self.metrics)
        self.under_way[future] = run
        future.add_done_callback(self.finished.put)

    def wait(self) -> None:
        """Until at least one more run has finished, or those of dead workers have been done again."""
        if self.under_way:
            self.take(self.next_finished())
        if self.suspects and not self.under_way:
            suspects, self.suspects = self.suspects, []
            self.workers.close()  # for new ones
            for run in suspects:
                self.alone(run)

    def next_finished(self) -> Future[Values]:
        while True:
            if self.look is not None:
                self.look()
            try:
                return self.finished.get(timeout=LOOK_S)
            except queue.Empty:
                continue

    def take(self, future: Future[Values]) -> None:
        run = self.under_way.pop(future)
        try:
            values = future.result()
        except self.workers.deaths:
            self.suspects.append(run)
        except BaseException as error:
            error.add_note(f"in {run}")
            raise
        else:
            self.store.put(run, values)

    def alone(self, run: Run) -> None:
        for _ in range(ATTEMPTS):
            self.submit(run)
            self.take(self.next_finished())
            if not self.suspects:
                return
            self.suspects.clear()
            self.workers.close()
        raise ExperimentError(
            f"{run}: its worker died, and {ATTEMPTS} more that tried it alone; is there too little memory for it? "
            "In a script, start the experiment under `if __name__ == '__main__':`"
        )

    def drop(self) -> None:
        for future in self.under_way:
            future.cancel()


class _Lent(Executor):
    """Somebody else's executor: what is still under way is left alone, and it is not shut down."""

    def __init__(self, executor: Executor):
        self._executor = executor

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return self._executor.submit(fn, *args, **kwargs)
