"""Why a host stays what it is at the end of a run, of a run and of a saved one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import sim
import sim.result
from sim.result.fates import fates_of

DEFERS = {"defer": {"probability": 1.0}}
BREAKS = {"activation_failure": 1.0}
DEFECT = {"releases": [{"ref": "r1", "defect": {}}], "probes": [{"name": "http", "interval": "15s"}]}


@pytest.mark.parametrize(
    ("settings", "policy", "more", "said"),
    [
        (
            {**DEFERS, "reboot": "never"},
            {},
            {},
            "4 hosts will stay Deferred: they never reboot (c-0, c-1, c-2 and 1 more)",
        ),
        (
            {**DEFERS, "boot_failure": 1.0},
            {},
            {},
            "4 hosts will stay Deferred: they never came back from their reboots (c-0, c-1, c-2 and 1 more)",
        ),
        (BREAKS, {}, {}, "4 hosts will stay Reverted: their activations failed, and they were rolled back ("),
        (
            BREAKS,
            {"on_health_failure": "halt"},
            {},
            "4 hosts will stay Failed: their activations failed, and the policy rolls nothing back (",
        ),
        (
            {**BREAKS, "rollback_failure": 1.0},
            {},
            {},
            "4 hosts will stay Failed: their activations failed, and so did their rollbacks (",
        ),
        ({}, {}, DEFECT, "4 hosts will stay Reverted: their probes failed, and they were rolled back ("),
        (
            {"rollback_failure": 1.0},
            {},
            DEFECT,
            "4 hosts will stay Failed: their probes failed, and so did their rollbacks (",
        ),
    ],
)
def test_why_hosts_stay_so(
    tmp_path: Path, settings: dict[str, Any], policy: dict[str, Any], more: dict[str, Any], said: str
) -> None:
    result = played(tmp_path, settings, policy, **more)
    assert said in result.describe()
    sim.result.save(result, tmp_path / "saved")
    assert sim.result.read(tmp_path / "saved").describe() == result.describe()


def test_an_override_has_its_own_reasons(tmp_path: Path) -> None:
    overrides = [
        {"match": {"hosts": ["c-0"]}, "reboot": "never"},
        {"match": {"hosts": ["c-0", "c-1"]}, "boot_failure": 1},
    ]
    result = played(tmp_path, {**DEFERS, "reboot": "1h"}, {}, overrides=overrides)
    fate_of = fates_of(result)
    fates = {name: fate_of("c@r1", name) for name in ("c-0", "c-1", "c-2", "c-9")}
    assert {name: fate and fate[:2] for name, fate in fates.items()} == {
        "c-0": ("Deferred", "it never reboots"),
        "c-1": ("Deferred", "it never came back from its reboot"),
        "c-2": ("Converged", ""),
        "c-9": None,
    }


def test_at_the_horizon_nothing_is_said_for_good(tmp_path: Path) -> None:
    result = played(tmp_path, {**DEFERS, "reboot": "9d", "boot_failure": 1.0}, {}, until="1d")
    assert fates_of(result)("c@r1", "c-0") == ("Deferred", "", "")


def played(
    directory: Path, settings: dict[str, Any], policy: dict[str, Any], overrides: Any = (), **more: Any
) -> sim.Result:
    channels = {"c": {"hosts": 4, "name": "c-{index}", "policy": "p"}}
    policies = {"p": {"waves": [{"percent": 100, "soak": "5m"}], **policy}}
    data = {
        "fleet": {"generate": {"channels": channels, "policies": policies}},
        "hosts": {"default": {"activation": "90s", **settings}, "overrides": list(overrides)},
        **more,
    }
    path = directory / "case.yaml"
    path.write_text(json.dumps(data))
    return sim.run(sim.load(path))
