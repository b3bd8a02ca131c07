"""The log that a run writes: by hand for a tiny fleet, against the counts and frames for random ones."""

from __future__ import annotations

import importlib.util
import json
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import sim
from sim.data import EventLog, LogError
from sim.data.export import logged
from sim.data.writer import new_log
from sim.scenario.loader import load

_spec = importlib.util.spec_from_file_location(
    "random_scenarios", Path(__file__).parents[1] / "model" / "test_against_reference.py"
)
assert _spec is not None and _spec.loader is not None
random_scenarios = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = random_scenarios
_spec.loader.exec_module(random_scenarios)

TABLES = ("rollouts", "quarantined_closures", "host_rollout_records", "probe_failures", "dispatch_queue")


def scenario_of(directory: Path, data: dict[str, Any], **settings: Any) -> Any:
    path = directory / "scenario.json"
    path.write_text(json.dumps(data))
    return load(path, settings)


def table(path: Path, name: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(path) as database:
        rows = database.execute(f"SELECT * FROM {name}").fetchall()
    database.close()
    return rows


def kinds(path: Path) -> dict[str, int]:
    counts: dict[str, int] = {}
    for row in table(path, "event_log"):
        counts[row[4]] = counts.get(row[4], 0) + 1
    return counts


TINY = {
    "name": "tiny",
    "fleet": {
        "generate": {
            "hosts": 2,
            "channels": {"a": {"share": "100%", "policy": "p"}},
            "policies": {"p": {"waves": [{"percent": 100, "soak": "1m"}]}},
            "disruption_budgets": [{"selector": {"all": True}, "max_in_flight": 1}],
        }
    },
    "releases": [{"at": 0, "ref": "1", "closures": "shared"}],
    "hosts": {"default": {"network_delay": "1s", "activation": "10s"}},
    "probes": [{"name": "p", "kind": "http", "mode": "enforce", "interval": "30s"}],
    "control_plane": {"phases": "zero"},
}
