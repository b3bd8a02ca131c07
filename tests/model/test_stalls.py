"""Since when a stall has been one: small fleets worked out on paper.

A network delay of 0.5 s, activations of 90 s and `phases: zero`, so that ticks of the planner fall on multiples of
15 s, agents' advance ticks on multiples of 5 s and heartbeats on whole minutes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import sim

HALVES = [{"percent": 50, "soak": "5m"}, {"percent": 100, "soak": "5m"}]
ONE = [{"percent": 100, "soak": "5m"}]


def stall(
    directory: Path,
    waves: list[dict[str, Any]],
    hosts: int = 4,
    default: dict[str, Any] | None = None,
    fleet: dict[str, Any] | None = None,
    channels: dict[str, Any] | None = None,
    policy: dict[str, Any] | None = None,
    control: dict[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """How the rollout is stalled at the end; the same in both fidelities."""
    named = {"c": {"hosts": hosts, "name": "c-{index}", "policy": "p"}, **(channels or {})}
    data = {
        "fleet": {
            "generate": {"channels": named, "policies": {"p": {"waves": waves, **(policy or {})}}, **(fleet or {})}
        },
        "hosts": {
            "default": {"activation": "90s", "network_delay": 0.5, **(default or {})},
            "overrides": more.pop("overrides", []),
        },
        "control_plane": {"phases": "zero", **(control or {})},
        "until": "12h",
        **more,
    }
    found = []
    for fidelity in ("events", "full"):
        path = directory / f"{fidelity}.json"
        path.write_text(json.dumps({**data, "fidelity": fidelity}))
        result = sim.run(sim.load(path))
        assert result.summary["end"] == "quiescent"
        found.append(result.summary["rollouts"][-1]["stalled"])
    assert found[0] == found[1]
    return found[0]


def held(found: dict[str, Any]) -> list[tuple[str, list[str]]]:
    return [(one["gate"], one["culprits"]) for one in found["waiting_for"]]


def test_a_wave_waits_since_the_state_of_its_culprit(tmp_path: Path) -> None:
    """c-0 fails at 0.5 + 90 = 90.5 and goes back 60 s later: known at 150.5 + 0.5 = 151. c-1, of the same wave, waits
    for its reboot, 2 h after 90.5 (7290.5), is up 60 s later and converges afterwards: that wave 0 waits for c-0 is
    older than that."""
    breaks = {"match": {"hosts": ["c-0"]}, "activation_failure": 1.0}
    waits = {"match": {"hosts": ["c-1"]}, "defer": {"probability": 1.0}, "reboot": "2h"}
    found = stall(tmp_path, HALVES, overrides=[breaks, waits])
    assert held(found) == [("wave-promotion", ["c-0"])]
    assert (found["wave"], found["since_s"]) == (0, 151.0)


def test_of_two_culprits_the_later_counts(tmp_path: Path) -> None:
    """Only from then on does the wave wait for both: c-0 is Reverted at 151; c-1 activates for 20 min, 1200.5, fails,
    and is back at 1260.5, known at 1261."""
    slow = {"match": {"hosts": ["c-1"]}, "activation_failure": 1.0, "activation": "20m"}
    found = stall(tmp_path, HALVES, overrides=[slow, {"match": {"hosts": ["c-0"]}, "activation_failure": 1.0}])
    assert held(found) == [("wave-promotion", ["c-0", "c-1"])]
    assert found["since_s"] == 1261.0


def test_where_a_deferred_host_does_not_count_the_wave_waits_since_it_was_deferred(tmp_path: Path) -> None:
    """c-0 is deferred at 90.5, known at 91; c-1 converges at its soak's end, 300."""
    waits = {"match": {"hosts": ["c-0"]}, "defer": {"probability": 1.0}, "reboot": "never"}
    found = stall(tmp_path, HALVES, overrides=[waits], rules={"deferred": "strict"})
    assert held(found) == [("wave-promotion", ["c-0"])]
    assert found["since_s"] == 91.0


def test_a_wave_that_nobody_can_end_waits_since_it_opened(tmp_path: Path) -> None:
    """Wave 1 lists b-0, of another channel, which the rollout of c does not have. c-0 converges at 300, known at 300.5;
    the pass of 315 opens wave 1."""
    waves = [{"selector": {"hosts": [name]}, "soak": "5m"} for name in ("c-0", "b-0")]
    found = stall(
        tmp_path,
        [*waves, {"percent": 100, "soak": "5m"}],
        channels={"b": {"hosts": 1, "name": "b-0", "policy": "q"}},
        fleet={"policies": {"p": {"waves": [*waves, {"percent": 100, "soak": "5m"}]}, "q": {"waves": ONE}}},
        releases=[{"ref": "r1", "channels": ["c"]}],
    )
    assert held(found) == [("wave-promotion", ["b-0"])]
    assert (found["wave"], found["since_s"]) == (1, 315.0)


def test_no_pending_host(tmp_path: Path) -> None:
    """One wave, nothing pending: all four are deferred at 90.5, known at 91."""
    found = stall(tmp_path, ONE, default={"defer": {"probability": 1.0}, "reboot": "never"})
    assert held(found) == [("Deferred", ["c-0", "c-1", "c-2", "c-3"])]
    assert found["since_s"] == 91.0


def test_a_host_that_goes_first(tmp_path: Path) -> None:
    """c-0 fails at 90.5 and stays so (halt), known at 91."""
    found = stall(
        tmp_path,
        ONE,
        hosts=2,
        policy={"on_health_failure": "halt"},
        fleet={"edges": [{"gates": "c-0", "gated": "c-1"}]},
        overrides=[{"match": {"hosts": ["c-0"]}, "activation_failure": 1.0}],
    )
    assert held(found) == [("host-edge", ["c-0"])]
    assert found["since_s"] == 91.0


@pytest.mark.parametrize(("at", "since"), [(0.0, 0.0), (3600.0, 3600.0)])
def test_a_channel_that_goes_first(tmp_path: Path, at: float, since: float) -> None:
    """b's hosts never reboot, so b never ends. c is held as soon as its rollout opens: 0, or the poll of 3600."""
    found = stall(
        tmp_path,
        ONE,
        channels={"b": {"hosts": 1, "name": "b-0", "policy": "p"}},
        fleet={"channel_edges": [{"gates": "b", "gated": "c"}]},
        releases=[{"ref": "r1", "channels": ["b"]}, {"ref": "r2", "at": at, "channels": ["c"]}],
        overrides=[{"match": {"hosts": ["b-0"]}, "defer": {"probability": 1.0}, "reboot": "never"}],
    )
    assert held(found) == [("channel-edges", ["b"])]
    assert found["since_s"] == since


def test_the_quarantine_holds_since_the_first_host_went_back(tmp_path: Path) -> None:
    """A budget of one: c-0 fails at 90.5, so that the pass of 105 lets c-1 go; c-0 is back at 150.5, known at 151, and
    from then on their closure is held back. That c-1 goes back, too, 105.5 + 90 + 60 = 255.5, changes nothing."""
    found = stall(
        tmp_path,
        ONE,
        hosts=3,
        fleet={"disruption_budgets": [{"selector": {"all": True}, "max_in_flight": 1}]},
        default={"activation_failure": 1.0},
        releases=[{"ref": "r1", "closures": "shared"}],
    )
    assert [gate for gate, _ in held(found)] == ["quarantine"]
    assert found["since_s"] == 151.0


def test_a_budget_is_used_up_since_its_last_host_went_on_its_way(tmp_path: Path) -> None:
    """c-0 begins at 0.5, known at 1, and is offline from 60 s on: that it is deferred at 90.5 nobody hears, and from
    its reboot an hour later it never comes back. The budget of one is c-0's for good."""
    lost = {"online": {"up": "60s", "down": "10h"}, "defer": {"probability": 1.0}, "reboot": "1h", "boot_failure": 1.0}
    found = stall(
        tmp_path,
        ONE,
        hosts=2,
        fleet={"disruption_budgets": [{"selector": {"all": True}, "max_in_flight": 1}]},
        overrides=[{"match": {"hosts": ["c-0"]}, **lost}],
    )
    assert held(found) == [("disruption-budget", ["all"])]
    assert found["since_s"] == 1.0


def test_a_failed_probe_holds_since_the_wave_behind_it_came(tmp_path: Path) -> None:
    """c-0 soaks from 90.5 on. Its service is out from 110 to 130: the probe of 120.5 fails, that of 151 passes, and
    c-0 converges at the end of its soak, 180, known at 180.5. The pass of 195 opens wave 1, whose host c-1 gate 6 then
    holds: one probe failed in an earlier wave."""
    waves = [{"percent": 50, "soak": "3m"}, {"percent": 100, "soak": "3m"}]
    outage = {"up": "110s", "down": "20s"}
    probe = {"name": "http", "interval": "30s", "match": {"hosts": ["c-0"]}, "outage": outage}
    found = stall(tmp_path, waves, hosts=2, probes=[probe])
    assert held(found) == [("compliance-wave", ["c-0"])]
    assert (found["wave"], found["since_s"]) == (1, 195.0)


def test_hosts_that_refuse_an_old_manifest(tmp_path: Path) -> None:
    """Nothing is signed again, so what c-1 is sent after the manifest's age of 30 min is refused: wave 1 opens at the
    pass of 3615, once c-0 has converged at its soak's end, 3600."""
    found = stall(
        tmp_path,
        [{"percent": 50, "soak": "1h"}, {"percent": 100, "soak": "1h"}],
        hosts=2,
        control={"resign": "never", "manifest_max_age": "30m"},
    )
    assert held(found) == [("manifest-signing-age", ["c-1"])]
    assert found["since_s"] == 3615.0
