"""Experiments that are killed, as processes: the table is the same to the last byte."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import sim
from sim.experiment import replicate
from tests.experiment.conftest import TWENTY_HOSTS

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow

KILLED = """
import os, signal, sys
import sim
from sim.experiment import replicate

def progress(so_far):
    if so_far.done == so_far.known + 5:
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
        assert rows >= known + 5
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
