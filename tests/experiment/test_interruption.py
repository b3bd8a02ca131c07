"""Experiments that are killed, as processes, and experiments on a cluster: the table is the same to the last byte."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import sim
from sim.experiment import ExperimentError, Progress, replicate
from tests.experiment.conftest import TWENTY_HOSTS

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow

KILLED = """
import os, signal, sys
import sim
from sim.experiment import replicate

def progress(so_far):
    if so_far.done == so_far.known + 3:
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    path, out, workers = sys.argv[1:]
    replicate(sim.load(path), 12, out=out, workers=int(workers), progress=progress)
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "scenario.json"
    path.write_text(json.dumps(TWENTY_HOSTS))
    return path


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_again_and_again_it_goes_on(tmp_path, scenario, workers):
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    out = tmp_path / "e"
    known = 0
    while True:
        command = [sys.executable, script, scenario, out, str(workers)]
        process = subprocess.Popen(command, start_new_session=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
        code = process.wait(timeout=120)
        rows = len((out / "runs.jsonl").read_text().splitlines())
        if code == 0:
            break
        assert code == -signal.SIGKILL
        assert not (out / "table.parquet").exists()
        # what had been handed out is there, each run once
        assert rows >= known + 3
        known = rows
    assert rows == 12
    replicate(sim.load(scenario), 12, out=tmp_path / "whole", workers=1)
    assert (out / "table.parquet").read_bytes() == (tmp_path / "whole" / "table.parquet").read_bytes()


def test_the_workers_of_a_killed_process_end_too(tmp_path, scenario):
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [sys.executable, script, scenario, tmp_path / "e", "2"],
        stdout=writer,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    os.close(writer)
    assert process.wait(timeout=120) == -signal.SIGKILL
    # the workers have the pipe, too: it ends with the last of them
    with open(reader, "rb") as stream:
        assert select.select([stream], [], [], 60.0)[0]
        assert stream.read() == b""


class Cluster:
    """A dask scheduler and two workers, each a process."""

    def __init__(self) -> None:
        self.processes: list[subprocess.Popen[str]] = []
        self.address = self.start("scheduler", "--host", "127.0.0.1", "--port", "0")

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
        self.processes[number].kill()
        self.processes[number].communicate(timeout=60)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    pytest.importorskip("distributed")
    found = Cluster()
    try:
        for _ in range(2):
            found.start("worker", found.address, "--nthreads", "1", "--no-nanny")
        yield found
    finally:
        for number in reversed(range(len(found.processes))):
            found.kill(number)


def test_a_cluster_gives_the_same_table_also_when_a_worker_is_killed(tmp_path, scenario, cluster):
    replicate(sim.load(scenario), 12, out=tmp_path / "here", workers=1)

    def progress(so_far: Progress) -> None:
        if so_far.done == 4:
            cluster.kill(1)

    loaded = sim.load(scenario)
    replicate(loaded, 12, out=tmp_path / "there", dask=cluster.address, progress=progress)
    assert (tmp_path / "there" / "table.parquet").read_bytes() == (tmp_path / "here" / "table.parquet").read_bytes()
    # and with none left
    cluster.kill(2)
    with pytest.raises(ExperimentError, match=r"has no workers; start some: dask worker tcp://"):
        replicate(loaded, 13, dask=cluster.address)
