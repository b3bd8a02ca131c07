"""Scenarios small enough to be run a hundred times."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import sim
from sim.scenario.schema import Scenario

ONE_HOST = {
    "name": "one-host",
    "until": "30d",
    "fleet": {"generate": {"channels": {"only": {"hosts": 1, "policy": "p"}}, "policies": {"p": {}}}},
    "hosts": {"default": {"network_delay": "0s", "activation": {"dist": "exponential", "mean": "1h"}}},
    "control_plane": {
        "phases": "zero",
        "default_soak": "0s",
        "advance_tick": "250ms",
        "plan_tick": "1d",
        "manifest_poll": "1d",
        "heartbeat": "1d",
    },
}
"""Converges after an exponential time of an hour, rounded up to a quarter of a second."""
TIME = "rollouts.only.time_to_converged_s.p100"

TWENTY_HOSTS = {
    "name": "twenty-hosts",
    "fleet": {
        "generate": {
            "channels": {"stable": {"hosts": 20, "policy": "p"}},
            "policies": {"p": {"waves": [{"percent": 10, "soak": "5m"}, {"percent": 100, "soak": "10m"}]}},
        }
    },
}

Load = Callable[..., Scenario]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Reads a scenario given as data."""

    def read(data: dict[str, Any], **settings: object) -> Scenario:
        path = tmp_path / f"{data.get('name', 'scenario')}.json"
        path.write_text(json.dumps(data))
        return sim.load(path, {key.replace("__", "."): value for key, value in settings.items()})

    return read


@pytest.fixture
def one_host(load: Load) -> Scenario:
    return load(ONE_HOST)


@pytest.fixture
def twenty_hosts(load: Load) -> Scenario:
    return load(TWENTY_HOSTS)
