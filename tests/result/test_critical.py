"""The chain that set a rollout's end: exact for small fleets with constant times, without gaps for any."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import sim

SCENARIOS = Path(__file__).parents[2] / "scenarios"


def played(tmp_path: Path, waves: list[dict[str, Any]], hosts: int = 2, **more: Any) -> Any:
    fleet = {
        "channels": {"c": {"hosts": hosts, "name": "c-{index}", "policy": "p"}},
        "policies": {"p": {"waves": waves}},
        **more.pop("fleet", {}),
    }
    default = {"network_delay": 0.5, "activation": "90s", "boot": "60s", **more.pop("default", {})}
    data = {
        "fleet": {"generate": fleet},
        "hosts": {"default": default, "overrides": more.pop("overrides", [])},
        "control_plane": {"phases": "zero"},
        **more,
    }
    path = tmp_path / "case.yaml"
    path.write_text(json.dumps(data))
    return sim.run(sim.load(path))


def links(result: Any, rollout_id: str = "c@r1") -> list[tuple[float, float, str, str]]:
    return [(link.from_s, link.to_s, link.host, link.what) for link in result.critical_path(rollout_id)]


TWO = [{"percent": 50, "soak": "10m"}, {"percent": 100, "soak": "5m"}]


def test_two_waves(tmp_path: Path) -> None:
    """c-0's soak counts from 0 and is seen over at 600.5, which the pass of 615 notices; c-1 is acknowledged at 616,
    soaks from 706 and converges, its soak long over, with the tick of 710."""
    assert links(played(tmp_path, TWO)) == [
        (0.0, 600.5, "c-0", "soak clock"),
        (600.5, 615.0, "c-1", "plan pass"),
        (615.0, 616.0, "c-1", "network"),
        (616.0, 706.0, "c-1", "activation"),
        (706.0, 710.5, "c-1", "probe results"),
    ]


def test_soaking_from_the_activation_on(tmp_path: Path) -> None:
    """Acknowledged at 1, soaking from 91, due 90.5 + 600, seen over at 695.5 (the tick of 695)."""
    result = played(tmp_path, [{"percent": 100, "soak": "10m"}], hosts=1, rules={"soak_from": "activation"})
    assert links(result) == [
        (0.0, 1.0, "c-0", "network"),
        (1.0, 91.0, "c-0", "activation"),
        (91.0, 695.5, "c-0", "soak clock"),
    ]


def test_a_deferral_lets_the_next_wave_go(tmp_path: Path) -> None:
    """c-0 is deferred at 91, which the pass of 105 notices; but its own reboot, an hour after 90.5, ends it all: up at
    3750.5, seen at 3751, converged with the first tick after the reply, told half a second later."""
    result = played(tmp_path, TWO, default={"reboot": "1h"},
                    overrides=[{"match": {"hosts": ["c-0"]}, "defer": {"probability": 1.0}}])  # fmt: skip
    found = links(result)
    assert found[:3] == [
        (0.0, 1.0, "c-0", "network"),
        (1.0, 91.0, "c-0", "activation"),
        (91.0, 3751.0, "c-0", "reboot"),
    ]
    assert found[-1][3] == "probe results"


def test_a_budget(tmp_path: Path) -> None:
    """Room for one: c-1 goes when c-0 has converged (600.5), by the pass of 615; no wave and no edge held it."""
    budget = {"disruption_budgets": [{"selector": {"all": True}, "max_in_flight": 1}]}
    result = played(tmp_path, [{"percent": 100, "soak": "10m"}], fleet=budget)
    assert links(result)[0] == (0.0, 615.0, "c-1", "disruption-budget")


def test_what_has_not_finished_has_no_end(tmp_path: Path) -> None:
    result = played(tmp_path, TWO, until="5m")
    with pytest.raises(LookupError, match="has not finished"):
        result.critical_path("c@r1")
    with pytest.raises(LookupError, match="there are c@r1"):
        result.critical_path("c@r2")


@pytest.mark.parametrize("name", ["quickstart", "deferred-kernel", "channel-chain", "superseded", "laptops"])
def test_no_gaps(name: str) -> None:
    """From the opening of a rollout to the last convergence, every stretch beginning where the one before ends."""
    result = sim.run(sim.load(SCENARIOS / f"{name}.yaml"))
    ends = result.hosts.groupby("rollout_id")["converged_at"].max()
    finished = [one for one in result.summary["rollouts"] if one["terminal_at_s"] is not None]
    assert finished
    for rollout in finished:
        chain = result.critical_path(rollout["rollout_id"])
        opened = {one["rollout_id"]: one["opened_at_s"] for one in result.summary["rollouts"]}
        assert chain[0].from_s == opened[chain[0].rollout_id]
        assert chain[-1].to_s == ends[rollout["rollout_id"]]
        assert all(one.to_s == following.from_s for one, following in pairwise(chain))
