"""A result in words: every kind of run says something a person can use, and never NaN or None."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import sim


def described(tmp_path: Path, waves: list[dict[str, Any]], hosts: int = 4, **more: Any) -> str:
    policies = {"p": {"waves": waves}}
    fleet = {"channels": {"c": {"hosts": hosts, "name": "c-{index}", "policy": "p"}}, "policies": policies}
    default = {"activation": "90s", **more.pop("default", {})}
    path = tmp_path / "case.yaml"
    path.write_text(json.dumps({"fleet": {"generate": fleet}, "hosts": {"default": default}, **more}))
    text = sim.run(sim.load(path)).describe()
    assert "nan" not in text.lower()
    assert "None" not in text
    return text


TWO = [{"percent": 50, "soak": "10m"}, {"percent": 100, "soak": "5m"}]
PROBE = [{"name": "http", "interval": "15s"}]


@pytest.mark.parametrize(
    ("waves", "more", "said"),
    [
        (TWO, {"releases": []}, ["No rollout opened."]),
        (TWO, {"hosts": 0}, ["No rollout opened."]),
        ([], {"hosts": 1}, ["c@r1 finished in", "Of its 1 host 50 % after", "soaking for the clock alone"]),
        (TWO, {}, ["slowest wave was wave 0", "held by gates (wave-promotion most of all)"]),
        (TWO, {"until": "5m"}, ["the horizon cut the run off at 5m", "c@r1 not finished"]),
        (
            TWO,
            {"default": {"activation_failure": 1.0, "rollback": "60s"}},
            ["first failure was seen at", "2 hosts went"],
        ),
        (
            TWO,
            {"default": {"defer": {"probability": 1.0}, "reboot": "never"}},
            ["Wave 0 was left with 0% of its hosts verified", "4 hosts will stay Deferred"],
        ),
        (
            TWO,
            {"probes": PROBE, "releases": [{"ref": "r1", "closures": "shared", "defect": {}}]},
            ["the quarantine held 2 back", "quarantine holds 2 hosts"],
        ),
        (TWO, {"releases": [{"ref": "r1"}, {"ref": "r2", "at": "5m"}]}, ["c@r1 superseded before it finished"]),
    ],
)
def test_every_kind_of_run(tmp_path: Path, waves: list[dict[str, Any]], more: dict[str, Any], said: list[str]) -> None:
    text = described(tmp_path, waves, **more)
    for words in said:
        assert words in text
