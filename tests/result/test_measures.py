"""Where the time went and who was exposed: exact answers for small fleets with constant times, and sums that must hold.

The clocks: plan tick every 15 s, manifest poll every 30 s, both from 0; a message takes 0.5 s, an activation 90 s.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sim
from sim.result.keys import PARTS


def played(tmp_path: Path, waves: list[dict[str, Any]], fidelity: str = "events", hosts: int = 2, **more: Any) -> Any:
    default = {"network_delay": 0.5, "activation": "90s", "rollback": "60s", "boot": "60s", **more.pop("default", {})}
    fleet = {
        "channels": {"c": {"hosts": hosts, "name": "c-{index}", "policy": "only"}},
        "policies": {"only": {"waves": waves}},
        **more.pop("fleet", {}),
    }
    data = {
        "until": "1d",
        "fidelity": fidelity,
        "fleet": {"generate": fleet},
        "hosts": {"default": default, "overrides": more.pop("overrides", [])},
        "control_plane": {"phases": "zero"},
        **more,
    }
    path = tmp_path / f"{fidelity}.yaml"
    path.write_text(json.dumps(data))
    return sim.run(sim.load(path))


def parts(result: Any, wave: int, rollout: int = 0) -> dict[str, float]:
    found = result.summary["rollouts"][rollout]["waves"][wave]["parts"]
    assert list(found) == list(PARTS)
    return {part: seconds for part, seconds in found.items() if seconds}


TWO = [{"percent": 50, "soak": "10m"}, {"percent": 100, "soak": "5m"}]


@pytest.mark.parametrize("fidelity", ["events", "full"])
def test_two_waves(tmp_path: Path, fidelity: str) -> None:
    """c-0: queued at 0, acknowledged at 1, soaking from 91 to 600.5 (due 600, told 0.5 s later).

    c-1: asked at 0 and held until the pass of 615 lets it go; acknowledged at 616, soaking from 706; its soak is long
    over: it converges at the tick of 710, told at 710.5.
    """
    result = played(tmp_path, TWO, fidelity)
    assert parts(result, 0) == {"network_s": 1.0, "activating_s": 90.0, "soaking_clock_s": 509.5}
    assert parts(result, 1) == {"gates_s": 615.0, "network_s": 1.0, "activating_s": 90.0, "soaking_clock_s": 4.5}
    assert [wave["verified_at_promotion"] for wave in result.summary["rollouts"][0]["waves"]] == [1.0, None]


def test_waiting_for_a_tick(tmp_path: Path) -> None:
    """A release at 1 s is opened by the poll of 30; with plan ticks every 20 s the pass that asks is that of 40."""
    result = played(tmp_path, [{"percent": 100, "soak": "5m"}], hosts=1, releases=[{"at": 1, "ref": "r1"}],
                    control_plane={"phases": "zero", "plan_tick": 20})  # fmt: skip
    assert parts(result, 0)["tick_s"] == 10.0
    assert parts(result, 0)["network_s"] == 1.0


def test_a_deferral_lets_the_next_wave_go_unverified(tmp_path: Path) -> None:
    """c-0 is deferred at 90.5, known at 91; the pass of 105 lets c-1 go, which runs the target at 195.5, while c-0 does
    not reboot before 90.5 + 3600."""
    result = played(tmp_path, TWO, default={"reboot": "1h"},
                    overrides=[{"match": {"hosts": ["c-0"]}, "defer": {"probability": 1.0}}])  # fmt: skip
    assert result.summary["rollouts"][0]["waves"][0]["verified_at_promotion"] == 0.0
    assert result.summary["rollouts"][0]["exposure"]["took_before_verified"] == 1
    # deferred from 91 until the first heartbeat after the boot arrives: 90.5 + 3600 + 60 + 0.5
    assert parts(result, 0)["deferred_s"] == 3751.0 - 91.0
    # eligible: c-0 by its deferral at 90.5, c-1 by its convergence at 300
    assert result.summary["rollouts"][0]["time_to_eligible_s"] == {
        "p50": 90.5,
        "p90": 300.0,
        "p99": 300.0,
        "p100": 300.0,
    }


@pytest.mark.parametrize("fidelity", ["events", "full"])
def test_a_bad_release(tmp_path: Path, fidelity: str) -> None:
    """Three hosts at once, every run fails from the activation on. c-0 soaks from 90.5 and crosses at the tick of 215
    (90.5 + 120 = 210.5), known at 215.5; by then c-1 runs it too. c-2 is offline until 130 s at the earliest."""
    result = played(
        tmp_path,
        [{"percent": 100, "soak": "10m"}],
        fidelity,
        hosts=3,
        probes=[{"name": "http", "interval": "30s"}],
        releases=[{"ref": "r1", "defect": {"probability": 1.0}}],
        overrides=[{"match": {"hosts": ["c-2"]}, "activation": "10m"}],
    )
    found = result.summary["rollouts"][0]["exposure"]
    assert found["first_failure_at_s"] == 215.5
    assert found["running_at_first_failure"] == 2
    assert found["took_after_first_failure"] == {"under_way": 1, "same_wave": 0, "later_wave": 0}
    assert (found["failed"], found["reverted"], found["took_before_verified"]) == (0, 3, 0)
    # c-0 and c-1 fail from 90.5 to 215, c-2 from 600.5 to the tick of 725
    assert result.hosts["failing_s"].tolist() == [124.5, 124.5, 124.5]
    assert parts(result, 0)["soaking_failing_s"] == 3 * 124.5


def test_superseded_hosts_wait_for_nobody(tmp_path: Path) -> None:
    """c-1 is pending in r1 when r2 opens at 300, and to the end."""
    result = played(tmp_path, TWO, releases=[{"ref": "r1"}, {"ref": "r2", "at": 300}])
    ended = result.summary["ended_at_s"]
    assert parts(result, 1)["gates_s"] == 300.0
    assert parts(result, 1)["superseded_s"] == ended - 300.0


@pytest.mark.parametrize("seed", range(6))
def test_parts_add_up_and_fidelities_agree(tmp_path: Path, seed: int) -> None:
    """On a fleet with everything that can go wrong: the parts are the time in all states but Converged."""
    found = {}
    for fidelity in ("events", "full"):
        result = played(
            tmp_path,
            [{"percent": 20, "soak": "5m"}, {"percent": 60, "soak": "10m"}, {"percent": 100, "soak": "15m"}],
            fidelity,
            hosts=30,
            seed=seed,
            until="8h",
            default={
                "activation": {"dist": "lognormal", "median": 90, "p95": 300},
                "activation_failure": 0.02,
                "defer": {"probability": 0.2},
                "reboot": {"dist": "uniform", "min": "10m", "max": "2h"},
                "online": {"up": {"dist": "exponential", "mean": "2h"}, "down": {"dist": "exponential", "mean": "10m"}},
            },
            fleet={"disruption_budgets": [{"selector": {"all": True}, "max_in_flight": 4}]},
            probes=[{"name": "http", "interval": 15, "flake": 0.01}, {"name": "disk", "mode": "observe", "flake": 0.1}],
            releases=[{"ref": "r1"}, {"ref": "r2", "at": "2h", "defect": {"probability": 0.1}}],
            rules={"compliance_wave": "off"},
        )
        hosts, waves = result.hosts, result.waves
        states = [f"{state}_s" for state in ("pending", "activating", "deferred", "soaking", "failed", "reverted")]
        whole = hosts[states].sum(axis=1).groupby([hosts["rollout_id"], hosts["wave"]], sort=False).sum()
        assert (waves[list(PARTS)] >= 0).all().all()
        np.testing.assert_allclose(waves[list(PARTS)].sum(axis=1).to_numpy(), whole.to_numpy(), rtol=0, atol=1e-6)
        assert (hosts["failing_s"] <= hosts["soaking_s"].max()).all()
        found[fidelity] = [
            {key: one[key] for key in ("exposure", "waves", "time_to_eligible_s")} for one in result.summary["rollouts"]
        ]
    assert found["events"] == found["full"]


@pytest.mark.parametrize("fidelity", ["events", "full"])
def test_a_wave_that_opens_although_a_host_of_an_earlier_one_failed(tmp_path: Path, fidelity: str) -> None:
    """c-0 is deferred at 90.5, so that the pass of 105 opens wave 1, whose soak ends at 900. c-0 reboots at 90.5 + 600
    = 690.5, is up at 750.5, and its first heartbeat's reply brings it `Soaking` at 751.5. Its probe fails at once; the
    tick of 875.5, the first at which that is 120 s ago, makes it Failed, known at 876.

    By then c-1 runs the release, since 105.5 + 90 = 195.5, and c-0 itself. c-1 converges at 900, known at 900.5; none
    of this is in the way of the pass of 915, which opens wave 2: c-2 takes the release at 915.5 + 90 = 1005.5.
    """
    waves = [{"selector": {"hosts": [f"c-{n}"]}, "soak": soak} for n, soak in enumerate(["5m", "15m", "5m"])]
    result = played(
        tmp_path,
        waves,
        fidelity,
        hosts=3,
        overrides=[{"match": {"hosts": ["c-0"]}, "defer": {"probability": 1.0}, "reboot": "10m"}],
        releases=[{"ref": "r1", "defect": {"match": {"hosts": ["c-0"]}}}],
        probes=[{"name": "http", "interval": "30s", "match": {"hosts": ["c-0"]}}],
        rules={"compliance_wave": "off"},
    )
    found = result.summary["rollouts"][0]["exposure"]
    assert found["first_failure_at_s"] == 876.0
    assert found["running_at_first_failure"] == 2
    assert found["took_after_first_failure"] == {"under_way": 0, "same_wave": 0, "later_wave": 1}
    # c-1 and c-2 took it while c-0, of an earlier wave, had not converged on it
    assert found["took_before_verified"] == 2
    assert [wave["opened_at_s"] for wave in result.summary["rollouts"][0]["waves"]] == [0.0, 105.0, 915.0]
