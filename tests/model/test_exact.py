"""Small fleets with constant times and `phases: zero`, whose every transition was worked out on paper.

The clocks of all these runs: plan tick every 15 s and manifest poll every 30 s from 0, heartbeats at 0, 60, 120 …,
advance ticks at 5, 10, 15 …; every message takes 0.5 s, an activation 90 s, a rollback 60 s, a boot 60 s. A release at
0 is opened by the poll at 0, its hosts are queued by the tick at 0 and reached at 0.5 (`Activating`), activated at 90.5
(`Soaking`); the control plane knows each 0.5 s later. Both fidelities are run, and must agree, in each of them.

A move is written (from, to, at, cp_at), shortened to the initials of the states.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import sim

INITIAL = {
    "P": "Pending",
    "A": "Activating",
    "D": "Deferred",
    "S": "Soaking",
    "C": "Converged",
    "F": "Failed",
    "R": "Reverted",
}
Move = tuple[str, float, float | None]


def fleet(
    channels: dict[str, int] | None = None,
    waves: list[dict[str, Any]] | None = None,
    on_health_failure: str = "rollback-and-halt",
    **more: Any,
) -> dict[str, Any]:
    """Channels of so many hosts, named c-0, c-1, …; one policy; one wave of everybody with a soak of 10 min by
    default."""
    waves = [{"percent": 100, "soak": "10m"}] if waves is None else waves
    return {
        "generate": {
            "channels": {
                name: {"hosts": count, "name": "{channel}-{index}", "policy": "only"}
                for name, count in (channels or {"c": 1}).items()
            },
            "policies": {"only": {"on_health_failure": on_health_failure, "waves": waves}},
            **more,
        }
    }


def scenario(
    fleet_section: dict[str, Any],
    *,
    default: dict[str, Any] | None = None,
    control_plane: dict[str, Any] | None = None,
    **sections: Any,
) -> dict[str, Any]:
    overrides = sections.pop("overrides", [])
    settings = {
        "network_delay": 0.5,
        "activation": "90s",
        "rollback": "60s",
        "boot": "60s",
        **(default or {}),
    }
    return {
        "name": "exact",
        "seed": 1,
        "until": "6h",
        "fleet": fleet_section,
        "hosts": {"default": settings, "overrides": overrides},
        "control_plane": {"phases": "zero", **(control_plane or {})},
        **sections,
    }


def played(tmp_path: Path, data: dict[str, Any]) -> Any:
    results = []
    for fidelity in ("full", "events"):
        path = tmp_path / f"{fidelity}.yaml"
        path.write_text(json.dumps({**data, "fidelity": fidelity}))
        results.append(sim.run(sim.load(path)))
    full, events = results
    pd.testing.assert_frame_equal(full.transitions, events.transitions, check_exact=True)
    assert full.summary["load"] == events.summary["load"]
    return events


def moves(result: Any, host: str, rollout_id: str | None = None) -> list[Move]:
    """[("PA", at, cp_at), …] of a host in the order of the states."""
    frame = result.transitions
    frame = frame[frame.host.astype(str) == host]
    if rollout_id is not None:
        frame = frame[frame.rollout_id.astype(str) == rollout_id]
    order = list(INITIAL.values())
    short = {word: letter for letter, word in INITIAL.items()}
    rows = sorted(
        (
            (str(a), str(b), at, cp)
            for a, b, at, cp in zip(frame["from"], frame["to"], frame["at"], frame.cp_at, strict=True)
        ),
        key=lambda row: order.index(row[0]),
    )
    return [(short[a] + short[b], float(at), None if pd.isna(cp) else float(cp)) for a, b, at, cp in rows]


def dispatched(delivered: float) -> list[Move]:
    """An ordinary activation: Activating on delivery, Soaking 90 s later, each known 0.5 s after."""
    return [("PA", delivered, delivered + 0.5), ("AS", delivered + 90, delivered + 90.5)]


def then(*steps: tuple[str, float]) -> list[Move]:
    """Steps of the agent that the control plane hears of 0.5 s later."""
    return [(what, at, at + 0.5) for what, at in steps]


def waiting(result: Any, rollout: int = 0) -> dict[str, int]:
    stalled = result.summary["rollouts"][rollout]["stalled"]
    return {entry["gate"]: entry["hosts"] for entry in stalled["waiting_for"]}


# -- the plain run


def test_one_host(tmp_path: Path) -> None:
    """soak_due_at = 0 + 600, an advance tick falls on 600 itself: Converged at 600, known (and Terminal) at 600.5."""
    result = played(tmp_path, scenario(fleet()))
    assert moves(result, "c-0") == dispatched(0.5) + then(("SC", 600.0))
    assert list(result.transitions.columns) == ["rollout_id", "host", "from", "to", "at", "cp_at"]
    summary = result.summary
    assert summary["end"] == "quiescent"
    assert summary["ended_at_s"] == 600.5
    (rollout,) = summary["rollouts"]
    assert rollout["state"] == "Terminal"
    assert (rollout["opened_at_s"], rollout["terminal_at_s"]) == (0.0, 600.5)
    assert rollout["time_to_converged_s"] == {"p50": 600.0, "p90": 600.0, "p99": 600.0, "p100": 600.0}
    assert rollout["stalled"] is None
    (wave,) = rollout["waves"]
    # eligible and converged go by the control plane's clock: 600.5 after the opening at 0, one host
    assert (wave["first_dispatch_at_s"], wave["eligible_at_s"], wave["converged_at_s"]) == (0.0, 600.5, 600.5)
    assert wave["converged_per_h"] == pytest.approx(3600 / 600.5)


def test_no_network_delay(tmp_path: Path) -> None:
    """Delivered at 0 after the tick of 0; Soaking at 90. c-0 converges in its tick at 600 and the report is there
    before the poll of 600, which promotes and queues c-1: delivered at 600, Soaking at 690; its soak (10 min from 0) is
    long over, so it converges at the first tick after it: the tick of 690 itself comes after the activation of 690."""
    data = scenario(
        fleet({"c": 2}, [{"percent": 50, "soak": "10m"}, {"percent": 100, "soak": "10m"}]),
        default={"network_delay": 0},
    )
    result = played(tmp_path, data)
    assert moves(result, "c-0") == [("PA", 0.0, 0.0), ("AS", 90.0, 90.0), ("SC", 600.0, 600.0)]
    assert moves(result, "c-1") == [("PA", 600.0, 600.0), ("AS", 690.0, 690.0), ("SC", 690.0, 690.0)]


def test_no_waves_is_the_default_soak(tmp_path: Path) -> None:
    """A policy without waves: 60 min by default; set to 7 min: 420."""
    data = scenario(fleet(waves=[]), control_plane={"default_soak": "7m"})
    assert moves(played(tmp_path, data), "c-0") == dispatched(0.5) + then(("SC", 420.0))
    assert moves(played(tmp_path, scenario(fleet(waves=[]))), "c-0") == dispatched(0.5) + then(("SC", 3600.0))


@pytest.mark.parametrize(
    ("soak", "converged"),
    [
        ("20m", 1200.0),  # due 0 + 1200, counted from the opening although dispatched at 615
        ("5m", 710.0),  # due 300, long over: the first tick after 705.5
    ],
)
def test_soak_of_a_later_wave_runs_from_the_opening(tmp_path: Path, soak: str, converged: float) -> None:
    """c-0 Converged is known at 600.5; the tick at 615 promotes and queues c-1; reached at 615.5, Soaking 705.5."""
    result = played(
        tmp_path, scenario(fleet({"c": 2}, [{"percent": 50, "soak": "10m"}, {"percent": 100, "soak": soak}]))
    )
    assert moves(result, "c-0") == dispatched(0.5) + then(("SC", 600.0))
    assert moves(result, "c-1") == dispatched(615.5) + then(("SC", converged))
    waves = result.summary["rollouts"][0]["waves"]
    assert [w["opened_at_s"] for w in waves] == [0.0, 615.0]
    assert [w["first_dispatch_at_s"] for w in waves] == [0.0, 615.0]


def test_a_release_waits_for_the_poll(tmp_path: Path) -> None:
    """At 31 s: noticed by the poll of 60, queued by the tick of 60, due 60 + 600."""
    result = played(tmp_path, scenario(fleet(), releases=[{"at": "31s", "ref": "r1"}]))
    assert moves(result, "c-0") == dispatched(60.5) + then(("SC", 660.0))


# -- rules


@pytest.mark.parametrize(
    ("rule", "first", "second"),
    [
        # due 600 for both: c-0 converges at 600, c-1 is queued at 615, soaks at 705.5, converges at 710
        ("open", [("SC", 600.0)], (615.5, 710.0)),
        # due = queued + 600: c-0 queued at 0, c-1 at 615: 1215, a tick
        ("dispatch", [("SC", 600.0)], (615.5, 1215.0)),
        # due = 90.5 + 600 = 690.5, tick 695, known 695.5, pass 705; c-1: Soaking 795.5, due 1395.5, tick 1400
        ("activation", [("SC", 695.0)], (705.5, 1400.0)),
    ],
)
def test_soak_from(tmp_path: Path, rule: str, first: list[tuple[str, float]], second: tuple[float, float]) -> None:
    waves = [{"percent": 50, "soak": "10m"}, {"percent": 100, "soak": "10m"}]
    result = played(tmp_path, scenario(fleet({"c": 2}, waves), rules={"soak_from": rule}))
    delivered, converged = second
    assert moves(result, "c-0") == dispatched(0.5) + then(*first)
    assert moves(result, "c-1") == dispatched(delivered) + then(("SC", converged))


DEFERS = {"match": {"hosts": ["c-0"]}, "defer": {"probability": 1.0, "components": {"kernel": 1.0}}}

# Deferred at 90.5; reboot an hour later, 3690.5; up at 3750.5 with a heartbeat, at the control plane 3751, which
# makes the
# step itself; the reply brings the Soaking record at 3751.5; advance ticks from 3750.5: 3755.5, soak long over.
REBOOTED: list[Move] = [("PA", 0.5, 1.0), ("AD", 90.5, 91.0), ("DS", 3751.0, 3751.0), ("SC", 3755.5, 3756.0)]


@pytest.mark.parametrize(
    ("rule", "delivered", "converged"),
    [
        (
            "converged",
            105.5,
            300.0,
        ),  # Deferred is known at 91, the tick of 105 promotes; Soaking 195.5, due 300
        ("strict", 3765.5, 3860.0),  # Converged is known at 3756, tick 3765; Soaking 3855.5, tick 3860
    ],
)
def test_deferred(tmp_path: Path, rule: str, delivered: float, converged: float) -> None:
    waves = [{"percent": 50, "soak": "10m"}, {"percent": 100, "soak": "5m"}]
    data = scenario(fleet({"c": 2}, waves), default={"reboot": "1h"}, overrides=[DEFERS], rules={"deferred": rule})
    result = played(tmp_path, data)
    assert moves(result, "c-0") == REBOOTED
    assert moves(result, "c-1") == dispatched(delivered) + then(("SC", converged))
    # eligible means Converged or Deferred under either rule
    assert result.summary["rollouts"][0]["waves"][0]["eligible_at_s"] == 91.0


@pytest.mark.parametrize(("rule", "delivered"), [("sticky", None), ("latest", 315.5), ("off", 315.5)])
def test_compliance_wave_after_a_failure_that_passed(tmp_path: Path, rule: str, delivered: float | None) -> None:
    """The service of c-0 is down in [120, 122): its runs at 120.5 (90.5 + 30) and 121 (the reply to the heartbeat of
    120 starts the tickers anew) fail, the next, 151, passes. c-0 converges at its due 300 all the same, known 300.5,
    promoted at 315. `sticky` remembers the probe, `latest` sees it pass. The next times down ([242, 244) …) fall
    between runs."""
    waves = [{"percent": 50, "soak": "5m"}, {"percent": 100, "soak": "5m"}]
    probe = {
        "name": "http",
        "kind": "http",
        "match": {"hosts": ["c-0"]},
        "outage": {"up": "120s", "down": "2s"},
    }
    result = played(tmp_path, scenario(fleet({"c": 2}, waves), probes=[probe], rules={"compliance_wave": rule}))
    assert moves(result, "c-0") == dispatched(0.5) + then(("SC", 300.0))
    if delivered is None:
        assert moves(result, "c-1") == []
        assert waiting(result) == {"compliance-wave": 1}
        assert result.summary["end"] == "quiescent"
    else:
        assert moves(result, "c-1") == dispatched(delivered) + then(("SC", 410.0))


@pytest.mark.parametrize(("rule", "goes"), [("sticky", False), ("latest", False), ("off", True)])
def test_compliance_wave_while_failing(tmp_path: Path, rule: str, goes: bool) -> None:
    """c-0 (wave 0) is Deferred at 90.5, which promotes to c-1 (105); it reboots at 120.5, is up at 180.5, Soaking at
    181, and every run from the reply (181.5) on fails. First failure 181.5, its ticks are at 180.5 + 5k: 305.5 is the
    first 120 s after: Failed, and the policy is halt. c-1 is Converged at 300, known 300.5, so the tick of 315 promotes
    to c-2, which gate 6 holds for the failing probe of c-0 unless it is off."""
    waves = [{"percent": 33, "soak": "10m"}, {"percent": 66, "soak": "5m"}, {"percent": 100, "soak": "5m"}]
    bad = {"ref": "r1", "defect": {"probability": 1.0, "match": {"hosts": ["c-0"]}}}
    data = scenario(
        fleet({"c": 3}, waves, on_health_failure="halt"),
        default={"reboot": "30s"},
        overrides=[DEFERS],
        releases=[bad],
        probes=[{"name": "http", "kind": "http", "match": {"hosts": ["c-0"]}}],
        rules={"compliance_wave": rule},
    )
    result = played(tmp_path, data)
    assert moves(result, "c-0") == [
        ("PA", 0.5, 1.0),
        ("AD", 90.5, 91.0),
        ("DS", 181.0, 181.0),
        ("SF", 305.5, 306.0),
    ]
    assert moves(result, "c-1") == dispatched(105.5) + then(("SC", 300.0))
    assert moves(result, "c-2") == ([*dispatched(315.5), *then(("SC", 410.0))] if goes else [])


@pytest.mark.parametrize(("rule", "goes"), [("on", False), ("recorded", True)])
def test_quarantine(tmp_path: Path, rule: str, goes: bool) -> None:
    """One closure for all, a budget of one. c-0 fails its first run at 90.5, is Failed at the tick of 215 (124.5 s
    later; at 210 it is 119.5), and back after a rollback of 5 s at 220, known 220.5, when the closure is quarantined.
    The tick of 225 is the first to find the budget free: `on` holds c-1, `recorded` lets it go (Soaking 315.5, due
    600)."""
    data = scenario(
        fleet({"c": 2}, disruption_budgets=[{"selector": {"all": True}, "max_in_flight": 1}]),
        default={"rollback": "5s"},
        releases=[{"ref": "r1", "closures": "shared", "defect": {"probability": 1.0}}],
        probes=[{"name": "http", "kind": "http", "match": {"hosts": ["c-0"]}}],
        rules={"quarantine": rule},
    )
    result = played(tmp_path, data)
    assert moves(result, "c-0") == dispatched(0.5) + then(("SF", 215.0), ("FR", 220.0))
    assert moves(result, "c-1") == ([*dispatched(225.5), *then(("SC", 600.0))] if goes else [])
    if not goes:
        assert waiting(result) == {"quarantine": 1}


@pytest.mark.parametrize(
    ("rule", "end"),
    [
        # the clock runs from 120.5 for good: the run of 301 fails, the tick of 305 is 184.5 s after; back at 365
        ("first-failure", [("SF", 305.0), ("FR", 365.0)]),
        # cleared by the passes of 181, 361 and 541, never 120 s old; passing at the due 600
        ("sustained", [("SC", 600.0)]),
    ],
)
def test_failure_clock(tmp_path: Path, rule: str, end: list[tuple[str, float]]) -> None:
    """Down in [120, 180), [300, 360), [480, 540) …; runs at 90.5, 120.5 and then at 1 and 31 s past each minute."""
    probe = {"name": "http", "kind": "http", "outage": {"up": "2m", "down": "1m"}}
    result = played(tmp_path, scenario(fleet(), probes=[probe], rules={"failure_clock": rule}))
    assert moves(result, "c-0") == dispatched(0.5) + then(*end)


@pytest.mark.parametrize(
    ("rule", "end"), [("first-failure", [("SF", 305.0), ("FR", 365.0)]), ("sustained", [("SC", 600.0)])]
)
def test_an_observe_probe_starts_the_first_failure_clock(
    tmp_path: Path, rule: str, end: list[tuple[str, float]]
) -> None:
    """`seen` (observe) fails from its run of 120.5 on; `http` (enforce) is down in [300, 360) alone: its run of 301
    fails. With the first failure of any probe at 120.5 the tick of 305 is late enough; an enforce probe's own failure
    lasts 60 s and no more. An observe probe that fails gates nothing: Converged at the due 600."""
    probes = [
        {"name": "seen", "kind": "tcp", "mode": "observe", "outage": {"up": "95s", "down": "10h"}},
        {"name": "http", "kind": "http", "outage": {"up": "5m", "down": "1m"}},
    ]
    result = played(tmp_path, scenario(fleet(), probes=probes, rules={"failure_clock": rule}))
    assert moves(result, "c-0") == dispatched(0.5) + then(*end)


@pytest.mark.parametrize("rule", ["ungated", "gated"])
def test_unchanged(tmp_path: Path, rule: str) -> None:
    """Both hosts run the target already. The heartbeats of 0 are at the control plane at 0.5, after the opening: c-0
    (wave 0) is taken to Converged at once under either rule. Its dispatch of 0 has meanwhile reached it at 0.5 and
    completed at once, so its own record soaks until the due 600; its reports are too late. c-1 (wave 1): ungated, at
    0.5 as well. Gated, it waits for the promotion at 15, is reached at 15.5, completes at once, and soaks until 600."""
    waves = [{"percent": 50, "soak": "10m"}, {"percent": 100, "soak": "10m"}]
    data = scenario(fleet({"c": 2}, waves), releases=[{"ref": "r1", "unchanged": 1.0}], rules={"unchanged": rule})
    result = played(tmp_path, data)
    assert moves(result, "c-0") == [("PA", 0.5, 0.5), ("AS", 0.5, 0.5), ("SC", 600.0, 0.5)]
    if rule == "ungated":
        assert moves(result, "c-1") == [("PA", 0.5, 0.5), ("AS", 0.5, 0.5), ("SC", 0.5, 0.5)]
        assert result.summary["rollouts"][0]["terminal_at_s"] == 0.5
    else:
        assert moves(result, "c-1") == [("PA", 15.5, 16.0), ("AS", 15.5, 16.0), ("SC", 600.0, 600.5)]


@pytest.mark.parametrize(
    ("rule", "failed", "runs"),
    [
        # anew at each reply: 90.5, then 121 166 181 226 241 286 (135.5 never comes); the first at or after 150.5 is
        # 166, so 286
        # is 120 s after and the tick of 290 the first at or after that
        ("heartbeat", 290.0, 7),
        # undisturbed: 90.5, 135.5, 180.5, 225.5, 270.5; the first to fail is 180.5, the tick of 305 the first after
        # 300.5
        ("boot", 305.0, 5),
    ],
)
def test_probe_restart(tmp_path: Path, rule: str, failed: float, runs: int) -> None:
    """A probe every 45 s; the defect shows 60 s after the activation, from 150.5."""
    data = scenario(
        fleet(),
        releases=[{"ref": "r1", "defect": {"probability": 1.0, "onset": "60s"}}],
        probes=[{"name": "http", "kind": "http", "interval": "45s"}],
        rules={"probe_restart": rule},
    )
    result = played(tmp_path, data)
    assert moves(result, "c-0") == dispatched(0.5) + then(("SF", failed), ("FR", failed + 60))
    (host,) = result.hosts.itertuples()
    assert host.probe_runs == runs
    assert host.probe_fails == (5 if rule == "heartbeat" else 3)


@pytest.mark.parametrize(("rule", "reached"), [("hostname", ["c-0"]), ("shuffled", ["c-0", "c-1", "c-2", "c-3"])])
def test_dispatch_order(tmp_path: Path, rule: str, reached: list[str]) -> None:
    """All hosts are offline in [30, 630). The rollout opens at 60 and each of the 57 passes until 630 queues as many as
    the budget of one allows: by name always c-0 again; shuffled, by then each has been picked once (one in four a pass:
    missed by one of them with a chance of 4 x 0.75^58), and all take their dispatch on coming back."""
    data = scenario(
        fleet({"c": 4}, disruption_budgets=[{"selector": {"all": True}, "max_in_flight": 1}]),
        default={"online": {"up": "30s", "down": "10m"}},
        releases=[{"at": "45s", "ref": "r1"}],
        rules={"dispatch_order": rule},
        until="650s",
    )
    result = played(tmp_path, data)
    assert {h: moves(result, h) for h in ("c-0", "c-1", "c-2", "c-3")} == {
        h: [("PA", 630.5, 631.0)] if h in reached else [] for h in ("c-0", "c-1", "c-2", "c-3")
    }
    assert result.summary["end"] == "horizon"
    assert result.summary["ended_at_s"] == 650.0


# -- gates


def test_host_edge(tmp_path: Path) -> None:
    """c-1 waits for c-0 in the same wave: known Converged at 600.5, tick 615."""
    result = played(tmp_path, scenario(fleet({"c": 2}, edges=[{"gates": "c-0", "gated": "c-1"}])))
    assert moves(result, "c-0") == dispatched(0.5) + then(("SC", 600.0))
    assert moves(result, "c-1") == dispatched(615.5) + then(("SC", 710.0))


def test_channel_edge(tmp_path: Path) -> None:
    """b waits for a's rollout to be Terminal, 600.5; both opened at 0, so b's soak is over when it gets there."""
    result = played(tmp_path, scenario(fleet({"a": 1, "b": 1}, channel_edges=[{"gates": "a", "gated": "b"}])))
    assert moves(result, "a-0") == dispatched(0.5) + then(("SC", 600.0))
    assert moves(result, "b-0") == dispatched(615.5) + then(("SC", 710.0))
    gates = result.gates[["rollout_id", "wave", "gate", "hosts", "blocked_s", "culprit"]].astype(object).values.tolist()
    assert gates == [["b@r1", 0, "channel-edges", 1, 615.0, "predecessor=a"]]


def test_budget(tmp_path: Path) -> None:
    """One in flight: c-0 until 300.5, c-1 from the tick of 315 until 410.5, c-2 from the tick of 420. Blocked: c-1 for
    315 s, c-2 for 420 s."""
    data = scenario(
        fleet(
            {"c": 3},
            [{"percent": 100, "soak": "5m"}],
            disruption_budgets=[{"selector": {"all": True}, "max_in_flight": 1}],
        )
    )
    result = played(tmp_path, data)
    assert moves(result, "c-0") == dispatched(0.5) + then(("SC", 300.0))
    assert moves(result, "c-1") == dispatched(315.5) + then(("SC", 410.0))
    assert moves(result, "c-2") == dispatched(420.5) + then(("SC", 515.0))
    gates = result.gates[["gate", "hosts", "blocked_s", "culprit"]].astype(object).values.tolist()
    assert gates == [["disruption-budget", 2, 735.0, "in_flight=1 max=1 selector=all"]]
    assert result.hosts.set_index("host").blocked_s.to_dict() == {"c-0": 0.0, "c-1": 315.0, "c-2": 420.0}


def test_a_wave_of_another_channel_stalls(tmp_path: Path) -> None:
    """Wave 0 of both channels lists b-0 alone: it has no record in a's rollout, so a never gets to its wave 1."""
    waves = [{"selector": {"hosts": ["b-0"]}, "soak": "5m"}, {"selector": {"all": True}, "soak": "5m"}]
    result = played(tmp_path, scenario(fleet({"a": 1, "b": 1}, waves)))
    assert moves(result, "a-0") == []
    assert moves(result, "b-0") == dispatched(0.5) + then(("SC", 300.0))
    assert waiting(result, 0) == {"wave-promotion": 1}
    assert result.summary["end"] == "quiescent"
    assert result.summary["rollouts"][0]["stalled"]["wave"] == 0


def test_a_failed_host_stalls_the_next_wave(tmp_path: Path) -> None:
    """c-0 Failed for good (halt): wave 0 is never eligible, c-1 is held by wave-promotion."""
    waves = [{"percent": 50, "soak": "5m"}, {"percent": 100, "soak": "5m"}]
    data = scenario(fleet({"c": 2}, waves, on_health_failure="halt"), default={"activation_failure": 1.0})
    result = played(tmp_path, data)
    assert moves(result, "c-0") == then(("PA", 0.5), ("AF", 90.5))
    assert moves(result, "c-1") == []
    assert waiting(result) == {"wave-promotion": 1}
    assert result.summary["rollouts"][0]["state"] == "Failed"
    assert result.summary["ended_at_s"] == 91.0


def test_halt_stops_no_dispatch_in_the_current_wave(tmp_path: Path) -> None:
    """c-0 Failed, known at 91, frees the budget of one: c-1 is queued by the tick of 105."""
    data = scenario(
        fleet(
            {"c": 2},
            on_health_failure="halt",
            disruption_budgets=[{"selector": {"channel": "c"}, "max_in_flight": 1}],
        ),
        overrides=[{"match": {"hosts": ["c-0"]}, "activation_failure": 1.0}],
    )
    result = played(tmp_path, data)
    assert moves(result, "c-0") == then(("PA", 0.5), ("AF", 90.5))
    assert moves(result, "c-1") == dispatched(105.5) + then(("SC", 600.0))


# -- reboots


@pytest.mark.parametrize(
    ("window", "soaking", "converged"),
    [
        ("02:00-04:00", 7260.5, 7265.0),  # reboots at 7200, up at 7260, its heartbeat 0.5 later
        (
            "00:00-04:00",
            151.0,
            600.5,
        ),  # inside already: down 90.5, up 150.5; ticks at 150.5 + 5k, due 600: 600.5
    ],
)
def test_maintenance_window(tmp_path: Path, window: str, soaking: float, converged: float) -> None:
    result = played(tmp_path, scenario(fleet(), default={"reboot": {"window": window}}, overrides=[DEFERS]))
    assert moves(result, "c-0") == [
        ("PA", 0.5, 1.0),
        ("AD", 90.5, 91.0),
        ("DS", soaking, soaking),
        ("SC", converged, converged + 0.5),
    ]


@pytest.mark.parametrize("how", [{"boot_failure": 1.0, "reboot": "1h"}, {"reboot": "never"}])
def test_a_host_that_never_comes_back(tmp_path: Path, how: dict[str, Any]) -> None:
    result = played(tmp_path, scenario(fleet(), default=how, overrides=[DEFERS]))
    assert moves(result, "c-0") == then(("PA", 0.5), ("AD", 90.5))
    assert waiting(result) == {"Deferred": 1}
    assert result.summary["end"] == "quiescent"
    assert result.summary["ended_at_s"] == 91.0


def test_two_deferrals_make_one_reboot(tmp_path: Path) -> None:
    """r1 deferred at 90.5, reboot due at 3690.5. r2: poll and tick of 600, reached 600.5, deferred 690.5: the time
    stays, and the host comes up (3750.5) on r2. r1 stays Deferred."""
    data = scenario(
        fleet(),
        default={"reboot": "1h"},
        overrides=[DEFERS],
        releases=[{"at": 0, "ref": "r1"}, {"at": "10m", "ref": "r2"}],
    )
    result = played(tmp_path, data)
    assert moves(result, "c-0", "c@r1") == then(("PA", 0.5), ("AD", 90.5))
    assert moves(result, "c-0", "c@r2") == [
        ("PA", 600.5, 601.0),
        ("AD", 690.5, 691.0),
        ("DS", 3751.0, 3751.0),
        ("SC", 3755.5, 3756.0),
    ]
    assert [r["state"] for r in result.summary["rollouts"]] == ["Superseded", "Terminal"]


# -- failures


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        # longer than the timeout: 0.5 + 300; then a rollback of 60 s
        ({"activation": "400s", "activation_timeout": "300s"}, [("PA", 0.5), ("AF", 300.5), ("FR", 360.5)]),
        # as long as the timeout is not longer
        ({"activation": "300s", "activation_timeout": "300s"}, [("PA", 0.5), ("AS", 300.5), ("SC", 600.0)]),
        ({"activation_failure": 1.0}, [("PA", 0.5), ("AF", 90.5), ("FR", 150.5)]),
        ({"activation_failure": 1.0, "rollback_failure": 1.0}, [("PA", 0.5), ("AF", 90.5)]),
    ],
)
def test_failed_activations(tmp_path: Path, settings: dict[str, Any], expected: list[tuple[str, float]]) -> None:
    result = played(tmp_path, scenario(fleet(), default=settings))
    assert moves(result, "c-0") == then(*expected)


def test_sustained_failure_time(tmp_path: Path) -> None:
    """A defect from the first run (90.5) on; 60 s are reached at 150.5, so the tick of 155; 60 s for the rollback."""
    data = scenario(
        fleet(),
        control_plane={"sustained_failure": "60s"},
        releases=[{"ref": "r1", "defect": {"probability": 1.0}}],
        probes=[{"name": "http", "kind": "http"}],
    )
    result = played(tmp_path, data)
    assert moves(result, "c-0") == dispatched(0.5) + then(("SF", 155.0), ("FR", 215.0))
    assert result.summary["rollouts"][0]["state"] == "Failed"


def test_a_defect_does_no_harm_where_nothing_changed(tmp_path: Path) -> None:
    """r2 leaves the host as r1 made it: due 1200 + 600. It opens at 1200, and both its dispatch and the heartbeat of
    1200 arrive at 1200.5: the agent completes at once and its probe passes; the control plane is done at 1200.5."""
    data = scenario(
        fleet(),
        releases=[
            {"at": 0, "ref": "r1"},
            {"at": "20m", "ref": "r2", "unchanged": 1.0, "defect": {"probability": 1.0}},
        ],
        probes=[{"name": "http", "kind": "http"}],
    )
    result = played(tmp_path, data)
    assert moves(result, "c-0", "c@r2") == [
        ("PA", 1200.5, 1200.5),
        ("AS", 1200.5, 1200.5),
        ("SC", 1800.0, 1200.5),
    ]


# -- several releases, offline hosts, signing age


def test_supersession(tmp_path: Path) -> None:
    """r2 (45 s) opens at the poll of 60, is queued by the tick of 60 and reaches the host at 60.5, while r1's switch
    runs until 90.5: r2 is Activating at once, its switch runs from 90.5 to 180.5. r1's record gets its outcome, and
    converges by its own words at 600; r2's due is 660."""
    data = scenario(fleet(), releases=[{"at": 0, "ref": "r1"}, {"at": "45s", "ref": "r2"}])
    result = played(tmp_path, data)
    assert moves(result, "c-0", "c@r1") == dispatched(0.5) + then(("SC", 600.0))
    assert moves(result, "c-0", "c@r2") == then(("PA", 60.5), ("AS", 180.5), ("SC", 660.0))
    first, second = result.summary["rollouts"]
    assert (first["rollout_id"], first["state"]) == ("c@r1", "Superseded")
    assert (second["rollout_id"], second["state"], second["terminal_at_s"]) == ("c@r2", "Terminal", 660.5)
    assert result.rollouts.set_index("rollout_id").superseded_at["c@r1"] == 60.0


def test_of_two_releases_due_at_one_poll_the_newest_counts(tmp_path: Path) -> None:
    data = scenario(
        fleet(), releases=[{"at": "31s", "ref": "r1"}, {"at": "50s", "ref": "r2"}, {"at": "50s", "ref": "r3"}]
    )
    result = played(tmp_path, data)
    assert set(result.transitions.rollout_id.astype(str)) == {"c@r3"}
    assert moves(result, "c-0") == dispatched(60.5) + then(("SC", 660.0))


# up in [0, 30), [130, 160), [260, 290), [390, 420), [520, 550), [650, 680) …
MOSTLY_OFF = {"online": {"up": "30s", "down": "100s"}}


def test_reports_wait_while_offline(tmp_path: Path) -> None:
    """Soaking at 90.5 is told at 130, Converged at 600 at 650."""
    result = played(tmp_path, scenario(fleet(), default=MOSTLY_OFF))
    assert moves(result, "c-0") == [("PA", 0.5, 1.0), ("AS", 90.5, 130.5), ("SC", 600.0, 650.5)]


def test_a_dispatch_waits_for_an_offline_host(tmp_path: Path) -> None:
    """Opened and queued at 60, taken on coming back at 130, had at 130.5; Soaking at 220.5 is told at 260; the due 660
    is in an online time."""
    result = played(tmp_path, scenario(fleet(), default=MOSTLY_OFF, releases=[{"at": "45s", "ref": "r1"}]))
    assert moves(result, "c-0") == [("PA", 130.5, 131.0), ("AS", 220.5, 260.5), ("SC", 660.0, 660.5)]


@pytest.mark.parametrize(("resign", "taken"), [("never", False), ("80s", True), ("always", True)])
def test_manifest_age(tmp_path: Path, resign: str, taken: bool) -> None:
    """Signed at its release, 45, and had at 130.5: 85.5 s, more than the 60 s allowed. Signed again every 80 s, last at
    125: 5.5 s."""
    data = scenario(
        fleet(),
        default=MOSTLY_OFF,
        releases=[{"at": "45s", "ref": "r1"}],
        control_plane={"manifest_max_age": "60s", "resign": resign},
    )
    result = played(tmp_path, data)
    if taken:
        assert moves(result, "c-0") == [("PA", 130.5, 131.0), ("AS", 220.5, 260.5), ("SC", 660.0, 660.5)]
    else:
        assert moves(result, "c-0") == []
        assert result.summary["end"] == "quiescent"
        assert "sign" in json.dumps(result.summary["rollouts"][0]["stalled"])


# -- events that are on their way when the ground shifts


def test_heartbeats_under_way_when_their_host_goes_offline(tmp_path: Path) -> None:
    """c-0 runs the release already. It is offline in [300, 360), and the release is opened at 300, after the heartbeat
    of 240 arrived, a minute on its way; that of 255 arrives at 315 and converges it."""
    data = scenario(
        fleet(waves=[]),
        default={"network_delay": 60, "online": {"up": 300, "down": 60}},
        control_plane={"heartbeat": "15s", "default_soak": "0s"},
        releases=[{"ref": "r1", "at": 300, "unchanged": 1.0}],
    )
    assert [(what, cp_at) for what, _, cp_at in moves(played(tmp_path, data), "c-0")] == [
        ("PA", 315.0),
        ("AS", 315.0),
        ("SC", 315.0),
    ]


def test_a_reply_that_outlives_a_reboot(tmp_path: Path) -> None:
    """Messages take a minute. r1 soaks at 150, r2 is had at 180 and deferred at 270; the host is down until 330. The
    heartbeat of 240 arrives at 300, and its reply gives the new agent at 360 the record of r1 without the probe run of
    250, which arrived at 310. So the new agent's first report, the topology, has a number that is taken already."""
    data = scenario(
        fleet(),
        default={"network_delay": 60, "defer": {"probability": 0.5}, "reboot": "0s"},
        releases=[{"ref": "r1", "at": 0}, {"ref": "r2", "at": 120}],
        probes=[{"name": "http", "kind": "http", "interval": "20s"}],
    )
    result = played(tmp_path, data)
    assert moves(result, "c-0", "c@r1") == [("PA", 60.0, 120.0), ("AS", 150.0, 210.0), ("SC", 600.0, 660.0)]
    assert moves(result, "c-0", "c@r2") == [
        ("PA", 180.0, 240.0),
        ("AD", 270.0, 330.0),
        ("DS", 390.0, 390.0),
        ("SC", 720.0, 780.0),
    ]
    assert result.summary["load"]["rejected"] == {
        "IllegalForState": 0,
        "SeqRegression": 1,
        "Invariant": 0,
        "unknown": 0,
    }


def test_reports_under_way_when_a_heartbeat_converges_the_record(tmp_path: Path) -> None:
    """Messages take 20 s. c-0 runs the release already, and has its dispatch at 20, when its heartbeat of 0 arrives and
    converges the control plane's record, of which the numbers 1 to 3 are taken then. At 40 arrive three reports about
    the activation, which have those numbers, a topology, a first observation and a result: three are dropped, three
    refused. So is the result of 50; the agent converges at 90, and what it sends from 80 on arrives after the end."""
    data = scenario(
        fleet(waves=[]),
        default={"network_delay": 20},
        control_plane={"default_soak": "90s"},
        releases=[{"ref": "r1", "unchanged": 1.0}],
        probes=[{"name": "http", "kind": "http", "interval": "30s"}],
    )
    load = played(tmp_path, data).summary["load"]
    assert load["reports"] == 7
    assert load["rejected"] == {"IllegalForState": 4, "SeqRegression": 3, "Invariant": 0, "unknown": 0}


def test_a_host_that_goes_down_after_its_heartbeat_of_the_same_instant(tmp_path: Path) -> None:
    """Without delay and with nothing to wait for, the dispatch queued at 0 is delivered, deferred and followed by the
    reboot at 0, after the heartbeat of 0. Up at 60; Converged at 600: heartbeats at 0, 60, …, 600."""
    data = scenario(
        fleet(), default={"network_delay": 0, "activation": "0s", "defer": {"probability": 1.0}, "reboot": "0s"}
    )
    result = played(tmp_path, data)
    assert moves(result, "c-0") == [("PA", 0.0, 0.0), ("AD", 0.0, 0.0), ("DS", 60.0, 60.0), ("SC", 600.0, 600.0)]
    assert result.summary["load"]["heartbeats"] == 11


def test_a_dispatch_taken_and_delivered_before_the_tick_of_the_same_instant(tmp_path: Path) -> None:
    """Without delay, a host that comes back at 100 has its dispatch at 100 as part of what it does then: before its
    advance tick of 100, at which a record without a soak converges."""
    data = scenario(
        fleet(waves=[]),
        default={"network_delay": 0, "activation": "0s", "online": {"up": "40s", "down": "60s"}},
        control_plane={"default_soak": "0s"},
        releases=[{"ref": "r1", "at": "45s"}],
    )
    assert moves(played(tmp_path, data), "c-0") == [("PA", 100.0, 100.0), ("AS", 100.0, 100.0), ("SC", 100.0, 100.0)]


def test_a_dispatch_taken_at_the_end_of_a_boot_is_ahead_of_the_first_heartbeat(tmp_path: Path) -> None:
    """Without delay: the switch to r0 is deferred at 20, the host goes down at 30 and is up at 130, on r0. r1, which
    leaves it as it is, has been queued since 120: taken and delivered at 130, with its reports ahead of the heartbeat
    of 130, which says what would complete r0 alone. r0 soaks to 600, r1 from its opening at 120 to 720."""
    data = scenario(
        fleet(),
        default={"network_delay": 0, "activation": 20, "defer": {"probability": 1.0}, "reboot": 10, "boot": 100},
        releases=[{"ref": "r0", "closures": "shared"}, {"ref": "r1", "at": "100s", "unchanged": 1.0}],
    )
    transitions = played(tmp_path, data).transitions
    of_r1 = transitions[transitions["rollout_id"].str.endswith("r1")]
    assert of_r1[["from", "to", "at", "cp_at"]].to_numpy().tolist() == [
        ["Pending", "Activating", 130.0, 130.0],
        ["Activating", "Soaking", 130.0, 130.0],
        ["Soaking", "Converged", 720.0, 720.0],
    ]
