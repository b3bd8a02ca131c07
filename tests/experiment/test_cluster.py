"""Experiments on a dask cluster, its scheduler and workers processes of this machine: the same tables, to the byte."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sim.experiment import ExperimentError, Progress, capacity, compare, replicate, sweep
from tests.experiment.conftest import TWENTY_HOSTS

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow

P50 = "rollouts.stable.time_to_converged_s.p50"
SOAK = "fleet.generate.policies.p.waves.1.soak"


class Cluster:
    """A dask scheduler and two workers, each a process."""

    def __init__(self) -> None:
        self.processes: list[subprocess.Popen[str]] = []
        self.address = self.start("scheduler", "--host", "127.0.0.1", "--port", "0")
        for _ in range(2):
            self.start_worker()

    def start_worker(self) -> None:
        self.start("worker", self.address, "--nthreads", "1", "--no-nanny")

    def start(self, kind: str, *arguments: str) -> str:
        """Start one, and wait for it to say that it is there."""
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", "--no-dashboard", *arguments]
        process = subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
        )
        self.processes.append(process)
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if found := re.search(r"(?:Scheduler at|Registered to): +(tcp://\S+)", line):
                return found[1]
        raise AssertionError("".join(said))

    def kill(self, number: int) -> None:
        """Kill the number-th process; the scheduler is 0."""
        self.processes[number].kill()
        self.processes[number].communicate(timeout=60)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    pytest.importorskip("distributed")
    found = Cluster()
    try:
        yield found
    finally:
        for number in reversed(range(len(found.processes))):
            found.kill(number)


def test_a_cluster_gives_the_same_tables_also_when_workers_are_killed(tmp_path, load, cluster):
    """One test, because starting a cluster takes longer than all that is run on it."""
    scenario = load(TWENTY_HOSTS)
    experiments: dict[str, Callable[..., Any]] = {
        "compare": partial(compare, scenario, n=4, b={"rules.deferred": "strict", "control_plane.plan_tick": "60s"}),
        "capacity": partial(
            capacity, scenario, SOAK, ("10m", "1h"), f"{P50} <= 30m in 80%", largest=True, margin=0.1, confidence=0.8
        ),
        "sweep": partial(sweep, scenario, {"control_plane.plan_tick": ["5s", "15s", "60s"]}, n=4, metrics=[P50]),
        "replicate": partial(replicate, scenario, 12),
    }
    killed = {"sweep": 1, "replicate": 2}
    for kind, experiment in experiments.items():

        def progress(so_far: Progress, kind: str = kind) -> None:
            if so_far.done == 4 and kind in killed:
                cluster.kill(killed[kind])

        here, there = tmp_path / f"{kind} here", tmp_path / f"{kind} there"
        found = experiment(out=here, workers=1)
        assert experiment(out=there, dask=cluster.address, progress=progress).describe() == found.describe()
        assert (there / "table.parquet").read_bytes() == (here / "table.parquet").read_bytes(), kind
        if kind == "sweep":
            cluster.start_worker()
    cluster.kill(3)  # the last that is left
    with pytest.raises(ExperimentError, match=r"has no workers; start some: dask worker tcp://"):
        replicate(scenario, 1, dask=cluster.address)
