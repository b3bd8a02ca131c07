"""The sentences about stalled rollouts, for every gate and state."""

from __future__ import annotations

from typing import Any

import pytest

from sim.reducer.gates import GATES
from sim.reducer.records import STATES
from sim.result.fates import Fate
from sim.result.stalled import stall_sentences

BACK = Fate("Reverted", "its probes failed, and it was rolled back", "their probes failed, and they were rolled back")
KNOWN = {
    "host-17": Fate("Failed"),
    "host-18": Fate("Deferred", "it never reboots", "they never reboot"),
    "host-19": BACK,
    "host-22": BACK,
}


def sentences(*waiting: tuple[str, int, list[str]]) -> list[str]:
    rollout: dict[str, Any] = {
        "rollout_id": "stable@r1",
        "channel": "stable",
        "stalled": {
            "wave": 2,
            "since_s": 11_400.0,
            "waiting_for": [{"gate": gate, "hosts": hosts, "culprits": names} for gate, hosts, names in waiting],
        },
    }
    return list(stall_sentences(rollout, lambda _, host: KNOWN.get(host)))


@pytest.mark.parametrize(
    ("waiting", "said"),
    [
        (("wave-promotion", 4, ["host-17"]), "wave-promotion holds 4 hosts, waiting for host-17 (Failed)"),
        (
            ("wave-promotion", 1, ["host-17", "host-18", "alien", "host-20", "host-21"]),
            (
                "wave-promotion holds 1 host, waiting for host-17 (Failed), host-18 (Deferred: it never reboots), "
                "alien (not in this rollout) and 2 more"
            ),
        ),
        (("wave-promotion", 4, []), "wave-promotion holds 4 hosts, waiting for a wave that lists no host"),
        (
            ("host-edge", 2, ["host-18"]),
            "host-edge holds 2 hosts, waiting for host-18 (Deferred: it never reboots)",
        ),
        (
            ("wave-promotion", 4, ["host-19", "host-22", "host-17", "host-18"]),
            (
                "wave-promotion holds 4 hosts, waiting for host-19 and host-22 (Reverted: their probes failed, and "
                "they were rolled back), host-17 (Failed) and 1 more"
            ),
        ),
        (("Deferred", 1, ["host-18"]), "1 host will stay Deferred: it never reboots (host-18)"),
        (
            ("Deferred", 3, ["host-18", "host-20", "host-21"]),
            "1 host will stay Deferred: it never reboots (host-18); 2 hosts will stay Deferred (host-20, host-21)",
        ),
        (("channel-edges", 30, ["edge"]), "channel-edges holds 30 hosts, waiting for the rollout of edge"),
        (("quarantine", 3, ["abc"]), "quarantine holds 3 hosts, whose closure a host has reverted (abc)"),
        (
            ("disruption-budget", 1200, ["tags:db"]),
            "disruption-budget holds 1,200 hosts, waiting for room in the budget of tags:db",
        ),
        (("unreachable", 2, ["a", "b"]), "2 hosts may go but will never take the dispatch (a, b)"),
        (("Deferred", 1, ["a"]), "1 host will stay Deferred (a)"),
    ],
)
def test_what_a_rollout_waits_for(waiting: tuple[str, int, list[str]], said: str) -> None:
    first, *_ = sentences(waiting)
    assert first == f"stable waits in wave 2 since 3h10m: {said}"


def test_several_reasons_in_one_sentence() -> None:
    first, *advice = sentences(("Failed", 1, ["a"]), ("Reverted", 2, ["b", "c"]))
    assert first == "stable waits in wave 2 since 3h10m: 1 host will stay Failed (a); 2 hosts will stay Reverted (b, c)"
    assert len(advice) == 2


@pytest.mark.parametrize(
    "kind", [*GATES, "manifest-signing-age", "unreachable", *(s for s in STATES if s not in ("Pending", "Converged"))]
)
def test_for_every_reason_there_is_something_to_do(kind: str) -> None:
    sentence, advice = sentences((kind, 2, ["a", "b"]))
    assert "2 hosts" in sentence
    assert advice.startswith("-> ")


def test_what_to_do_about_a_wave_is_what_to_do_about_the_hosts_it_waits_for() -> None:
    _, *advice = sentences(("wave-promotion", 4, ["host-18", "host-19", "host-22"]))
    assert advice == [sentences((state, 1, ["a"]))[1] for state in ("Deferred", "Reverted")]


def test_nothing_is_named() -> None:
    assert sentences() == ["stable waits in wave 2 since 3h10m: nothing is due any more"]
