"""Scenarios to export and replay: random ones with everything switched on, as the model's own tests draw them."""

from __future__ import annotations

import importlib.util
import json
import random
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sim.scenario.loader import load
from sim.scenario.schema import Scenario

_PATH = Path(__file__).parents[1] / "model" / "test_against_reference.py"
_spec = importlib.util.spec_from_file_location("random_scenarios", _PATH)
assert _spec is not None and _spec.loader is not None
_drawn = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = _drawn
_spec.loader.exec_module(_drawn)

MakeScenario = Callable[..., Scenario]
Table = Callable[[Path, str], list[tuple[Any, ...]]]


@pytest.fixture
def scenario_of(tmp_path: Path) -> MakeScenario:
    """A scenario from plain data, under settings."""

    def make(data: dict[str, Any], **settings: Any) -> Scenario:
        path = tmp_path / "scenario.json"
        path.write_text(json.dumps(data))
        return load(path, settings)

    return make


@pytest.fixture
def random_scenario(tmp_path: Path, scenario_of: MakeScenario) -> MakeScenario:
    """The random scenario of a number: `ties` has much fall on the same instants, `slow` has slow messages."""

    def make(seed: int, kind: str = "plain", **settings: Any) -> Scenario:
        rng = random.Random(seed)
        data = _drawn.random_scenario(seed, tmp_path, hours=2.0)
        if kind == "ties":
            data = _drawn.full_of_ties(rng, data)
        elif kind == "slow":
            data = _drawn.slow_messages(rng, data)
        return scenario_of(data, **settings)

    return make


@pytest.fixture
def table() -> Table:
    """The rows of a table of a database."""

    def read(path: Path, name: str) -> list[tuple[Any, ...]]:
        with sqlite3.connect(path) as database:
            rows = database.execute(f"SELECT * FROM {name}").fetchall()
        database.close()
        return rows

    return read
