"""An experiment that has finished and is asked again: the same answer, nothing written, and little loaded for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import sim
from sim.experiment import capacity, compare, replicate
from tests.experiment.conftest import TWENTY_HOSTS

ROOT = Path(__file__).parents[2]

AGAIN = """
import json, sys
from tests.experiment import test_finished

test_finished.all_of(sys.argv[1])
print(json.dumps([name for name in ("pandas", "simpy", "sim.model", "matplotlib") if name in sys.modules]))
"""
"""Loading these takes longer than an answer that is known may take."""


def all_of(folder: str | Path) -> list[str]:
    """What experiments say that are kept in a folder."""
    place = Path(folder)
    scenario = sim.load(place / "scenario.json")
    goal = "rollouts.stable.time_to_converged_s.p50 <= 30m in 80%"
    between = ("fleet.generate.policies.p.waves.1.soak", ("10m", "1h"))
    return [
        replicate(scenario, 3, out=place / "replicate", workers=1).describe(),
        compare(scenario, n=2, b={"rules.deferred": "strict"}, out=place / "compare", workers=1).describe(),
        capacity(
            scenario, *between, goal, largest=True, margin=0.1, confidence=0.8, out=place / "capacity", workers=1
        ).describe(),
    ]


def test_asked_again(tmp_path: Path) -> None:
    (tmp_path / "scenario.json").write_text(json.dumps(TWENTY_HOSTS))
    said = all_of(tmp_path)

    def written() -> dict[Path, tuple[int, int]]:
        stats = {path: path.stat() for path in tmp_path.rglob("*") if path.is_file() and path.name != ".lock"}
        return {path: (stat.st_ino, stat.st_mtime_ns) for path, stat in stats.items()}

    before = written()
    assert all_of(tmp_path) == said
    assert written() == before
    done = subprocess.run(
        [sys.executable, "-c", AGAIN, tmp_path],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
    )
    assert json.loads(done.stdout) == []
    assert written() == before
