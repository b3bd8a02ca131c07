"""The story of a host, told exactly: small fleets with constant times and `phases: zero`, worked out on paper.

The clocks: plan tick every 15 s and manifest poll every 30 s from 0, heartbeats at 0, 60, 120 …, advance ticks at 5,
10, 15 …; a message takes 0.5 s, an activation 90 s, a rollback 60 s, a boot 60 s. Both fidelities must tell the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import sim
from sim.result import Result, read, save
from sim.result.sentences import gate_words, moment, sentences
from sim.result.trace import UnknownName, rollouts_of, trace

HALVES = [{"percent": 50, "soak": "10m"}, {"percent": 100, "soak": "10m"}]
HTTP = {"name": "http", "kind": "http"}
Play = Callable[..., Result]


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Runs a fleet of `hosts` hosts c-0, c-1, … in both fidelities, whose stories must be the same."""

    def run(
        hosts: int = 1,
        waves: list[dict[str, Any]] | None = None,
        on_health_failure: str = "rollback-and-halt",
        default: dict[str, Any] | None = None,
        overrides: list[dict[str, Any]] | None = None,
        control_plane: dict[str, Any] | None = None,
        generate: dict[str, Any] | None = None,
        **sections: Any,
    ) -> Result:
        waves = [{"percent": 100, "soak": "10m"}] if waves is None else waves
        times = {"network_delay": 0.5, "activation": "90s", "rollback": "60s", "boot": "60s"}
        data = {
            "name": "exact",
            "until": "6h",
            "fleet": {
                "generate": {
                    "channels": {"c": {"hosts": hosts, "name": "{channel}-{index}", "policy": "only"}},
                    "policies": {"only": {"on_health_failure": on_health_failure, "waves": waves}},
                    **(generate or {}),
                }
            },
            "hosts": {"default": {**times, **(default or {})}, "overrides": overrides or []},
            "control_plane": {"phases": "zero", **(control_plane or {})},
            **sections,
        }
        results = []
        for fidelity in ("full", "events"):
            path = tmp_path / f"{fidelity}.yaml"
            path.write_text(json.dumps({**data, "fidelity": fidelity}))
            results.append(sim.run(sim.load(path), record_events=True))
        full, events = results
        for host in full.scenario.artifact(1).hosts:
            assert trace(full, host) == trace(events, host)
            assert sentences(full, host) == sentences(events, host)
        return events

    return run


def story(result: Result, host: str, rollout_id: str | None = None) -> list[tuple[Any, ...]]:
    """(at, cp_at, what, the one word of its detail that tells most) of each event."""
    return [
        (event["at"], event["cp_at"], event["what"], word(event["what"], event["detail"]))
        for event in trace(result, host, rollout_id)
    ]


def word(what: str, detail: dict[str, Any]) -> Any:
    match what:
        case "gate":
            return (detail["gate"], detail["until"], detail["wait_s"], detail["then"])
        case "move":
            return (detail["from"][0] + detail["to"][0], detail["side"])
        case "rollout_move" | "adopted":
            return detail["to"]
        case "probe":
            return (detail["probe"], detail["status"], detail["count"], detail["until"])
        case "report" | "rejected" | "heartbeat":
            return (detail["kind"], detail["count"]) if "count" in detail else detail["kind"]
        case "delivery":
            return (detail["outcome"], detail["count"]) if "count" in detail else detail["outcome"]
        case "opened" | "promotion":
            return detail["wave"]
        case "dispatch":
            return detail.get("count", 1)
        case _:
            return None


def begun(queued: float) -> list[tuple[Any, ...]]:
    """An ordinary dispatch: queued and taken at once, there 0.5 s later, known 0.5 s after that."""
    there, known = queued + 0.5, queued + 1.0
    return [
        (None, queued, "dispatch", 1),
        (queued, queued, "taken", None),
        (there, None, "delivery", "accepted"),
        (there, known, "move", ("PA", "both")),
        (there, known, "report", "DispatchAck"),
        (there, known, "report", "ActivationStarted"),
    ]


def stepped(at: float, move: str, report: str) -> list[tuple[Any, ...]]:
    """A step of the agent and its report, known 0.5 s later."""
    return [(at, at + 0.5, "move", (move, "both")), (at, at + 0.5, "report", report)]


# -- exact stories


def test_one_host(play: Play) -> None:
    """Without waves to wait for. The heartbeats of 120 … 540 reset the probes at 121, … 541: 9 times in all with the
    first; a run every 30 s from each: at 90.5, 120.5, and two a minute up to 571 (541 + 30)."""
    result = play(probes=[HTTP])
    assert story(result, "c-0") == [
        (None, 0.0, "opened", 0),
        *begun(0.0),
        *stepped(90.5, "AS", "ActivationCompleted"),
        (90.5, 91.0, "report", ("ProbeTopologyDeclared", 9)),
        (90.5, 91.0, "probe", ("http", "pass", 18, 571.0)),
        *stepped(600.0, "SC", "Converged"),
        (None, 600.5, "rollout_move", "Terminal"),
    ]
    (hosts,) = result.hosts.itertuples()
    assert hosts.probe_runs == 18
    assert sentences(result, "c-0") == {"c@r1": "c-0 converged on r1 after 10m: 1m30s activating, 8m30s soaking"}


def test_details(play: Play) -> None:
    events = {event["what"]: event for event in trace(play(probes=[HTTP]), "c-0")}
    assert events["opened"] == {
        "at": None,
        "cp_at": 0.0,
        "rollout_id": "c@r1",
        "what": "opened",
        "detail": {"channel": "c", "hosts": 1, "wave": 0},
    }
    assert events["dispatch"]["detail"] == {"target_closure": "closure-r1-c-0", "soak_due_at": 600.0}
    assert events["probe"]["detail"] == {
        "probe": "http",
        "mode": "enforce",
        "status": "pass",
        "reason": None,
        "count": 18,
        "until": 571.0,
    }
    assert events["report"]["detail"] == {
        "kind": "Converged",
        "seq": 4 + 9 + 18 + 9,
        "converged_at": 600.0,
        "current_closure": "closure-r1-c-0",
    }


def test_gate_wait_and_promotion(play: Play) -> None:
    """c-0 Converged is known at 600.5, so the tick of 615 promotes; c-1 is asked from the first pass after the opening,
    the plan tick of 0, on. Its soak was over at 600: it converges with the tick after 705.5."""
    result = play(2, HALVES)
    assert story(result, "c-1") == [
        (None, 0.0, "opened", 1),
        (None, 0.0, "gate", ("wave-promotion", 615.0, 615.0, "dispatch")),
        (None, 615.0, "promotion", 1),
        *begun(615.0),
        *stepped(705.5, "AS", "ActivationCompleted"),
        (705.5, 706.0, "report", "ProbeTopologyDeclared"),
        *stepped(710.0, "SC", "Converged"),
        (None, 710.5, "rollout_move", "Terminal"),
    ]
    (wait,) = (event["detail"] for event in trace(result, "c-1") if event["what"] == "gate")
    assert wait["reason"] == "host_wave=1 current_wave=0"
    assert wait["reasons"] == [{"cp_at": 0.0, "reason": "host_wave=1 current_wave=0"}]
    assert sentences(result, "c-1") == {
        "c@r1": "c-1 converged on r1 after 11m50s: 10m15s waiting for its wave, 1m30s activating, 4.5s soaking"
    }


def test_deferral_and_reboot(play: Play) -> None:
    """Deferred at 90.5; down an hour later, up at 3750.5 with a heartbeat, at the control plane 3751, which makes the
    step itself; the reply brings the agent its record at 3751.5. The tick of 3755.5 finds the soak over."""
    defer = {"probability": 1.0, "components": {"kernel": 1.0}}
    result = play(default={"defer": defer, "reboot": "1h"}, probes=[HTTP])
    assert story(result, "c-0") == [
        (None, 0.0, "opened", 0),
        *begun(0.0),
        *stepped(90.5, "AD", "ActivationDeferred"),
        (3690.5, None, "reboot", None),
        (3690.5, None, "offline", None),
        (3750.5, None, "boot", None),
        (3750.5, None, "online", None),
        (None, 3751.0, "heartbeat", "ActivationCompleted"),
        (None, 3751.0, "move", ("DS", "control plane")),
        (3751.5, None, "adopted", "Soaking"),
        (3751.5, 3752.0, "report", "ProbeTopologyDeclared"),
        (3751.5, 3752.0, "probe", ("http", "pass", 1, 3751.5)),
        *stepped(3755.5, "SC", "Converged"),
        (None, 3756.0, "rollout_move", "Terminal"),
    ]
    assert sentences(result, "c-0") == {
        "c@r1": "c-0 converged on r1 after 1h3m: 1m30s activating, 1h waiting for a reboot, 1m rebooting"
    }
    (heartbeat,) = (event["detail"] for event in trace(result, "c-0") if event["what"] == "heartbeat")
    assert heartbeat["observed_current_closure"] == "closure-r1-c-0"


def test_rollback(play: Play) -> None:
    """The defect shows 60 s after the activation, from 150.5: passes at 90.5, 120.5 and 121; the runs at 151, 181, 211,
    241 and 271 fail; 120 s after 151 is 271, and the tick of 275 the first at or after. Back at 335, known at 335.5.
    c-1 (the wave after) is never let go."""
    result = play(2, HALVES, releases=[{"ref": "r1", "defect": {"probability": 1.0, "onset": "60s"}}], probes=[HTTP])
    assert story(result, "c-0") == [
        (None, 0.0, "opened", 0),
        *begun(0.0),
        *stepped(90.5, "AS", "ActivationCompleted"),
        (90.5, 91.0, "report", ("ProbeTopologyDeclared", 4)),
        (90.5, 91.0, "probe", ("http", "pass", 3, 121.0)),
        (151.0, 151.5, "probe", ("http", "fail", 5, 271.0)),
        *stepped(275.0, "SF", "Failed"),
        (None, 275.5, "rollout_move", "Failed"),
        (335.0, 335.5, "move", ("FR", "both")),
        (335.0, 335.5, "report", "RollbackComplete"),
        (None, 335.5, "quarantine", None),
    ]
    assert sentences(result, "c-0") == {
        "c@r1": "c-0 failed on r1 after 4m35s and went back to before-c-0 at 5m35s: "
        "http failed, the first failure was 2m4s before"
    }
    assert story(result, "c-1") == [(None, 0.0, "gate", ("wave-promotion", None, 335.5, None))]
    assert sentences(result, "c-1") == {
        "c@r1": "c-1 has not begun r1: the gate wave-promotion has held it since 0s, for 5m36s; "
        "its wave 1 has not come, the rollout is in wave 0 and waits for c-0 (Reverted: its probes failed, and it was "
        "rolled back)"
    }


def test_offline_host(play: Play) -> None:
    """Online in [0, 20), [620, 640), …; a release at 25, seen by the poll of 30: its dispatch waits until 620. The
    activation ends at 710.5 while it is away again, and the tick of 715 finds the soak over; the reports go when it is
    back at 1240."""
    result = play(default={"online": {"up": "20s", "down": "10m"}}, releases=[{"at": "25s", "ref": "r1"}])
    assert story(result, "c-0") == [
        (20.0, None, "offline", None),
        (None, 30.0, "opened", 0),
        (None, 30.0, "dispatch", 1),
        (620.0, None, "online", None),
        (620.0, 620.0, "taken", None),
        (620.5, None, "delivery", "accepted"),
        (620.5, 621.0, "move", ("PA", "both")),
        (620.5, 621.0, "report", "DispatchAck"),
        (620.5, 621.0, "report", "ActivationStarted"),
        (640.0, None, "offline", None),
        (710.5, 1240.5, "move", ("AS", "both")),
        (710.5, 1240.5, "report", "ActivationCompleted"),
        (710.5, 1240.5, "report", "ProbeTopologyDeclared"),
        (715.0, 1240.5, "move", ("SC", "both")),
        (715.0, 1240.5, "report", "Converged"),
        (1240.0, None, "online", None),
        (None, 1240.5, "rollout_move", "Terminal"),
    ]
    assert sentences(result, "c-0") == {
        "c@r1": "c-0 converged on r1 after 11m25s: 9m50s waiting for it to come online, 1m30s activating, 4.5s soaking"
    }


def test_a_dispatch_that_is_lost(play: Play) -> None:
    """Online in [0, 30), [90, 120), with a delay of 20 s. What is taken at 15 would be there at 35; that of the poll of
    30 waits, is taken at 90, there at 110, and known at 130. Until then every pass, poll and tick, queues another: two
    of 90 reach it at 110 for nothing, those of 105 would be there at 125, that of 120 waits."""
    result = play(
        default={"network_delay": "20s", "online": {"up": "30s", "down": "1m"}},
        control_plane={"manifest_poll": "15s"},
        releases=[{"at": "10s", "ref": "r1"}],
        until="130s",
    )
    assert story(result, "c-0") == [
        (None, 15.0, "opened", 0),
        (None, 15.0, "dispatch", 1),
        (15.0, 15.0, "taken", None),
        (30.0, None, "offline", None),
        (None, 30.0, "dispatch", 1),
        (35.0, None, "delivery", "lost"),
        (90.0, None, "online", None),
        (90.0, 90.0, "taken", None),
        *[(None, 90.0, "dispatch", 1), (90.0, 90.0, "taken", None)] * 2,
        *[(None, 105.0, "dispatch", 1), (105.0, 105.0, "taken", None)] * 2,
        (110.0, None, "delivery", "accepted"),
        (110.0, 130.0, "move", ("PA", "both")),
        (110.0, None, "delivery", "ignored"),
        (110.0, None, "delivery", "ignored"),
        (110.0, 130.0, "report", "DispatchAck"),
        (110.0, 130.0, "report", "ActivationStarted"),
        (120.0, None, "offline", None),
        (None, 120.0, "dispatch", 1),
        (125.0, None, "delivery", "lost"),
        (125.0, None, "delivery", "lost"),
    ]


def test_refused_dispatches_are_one_line(play: Play) -> None:
    """Signed at 5 and 605, good for 20 s; from the poll of 30 on every pass queues it in vain: the ticks of 30,
    45, … 600 and the polls of 60, 90, … 600 are 58. That of 615 is good."""
    result = play(
        releases=[{"at": "5s", "ref": "r1"}], control_plane={"manifest_max_age": "20s", "resign": "10m"}, until="11m"
    )
    told = story(result, "c-0")
    assert told[1:4] == [
        (None, 30.0, "dispatch", 58),
        (30.0, 30.0, "taken", None),
        (30.5, None, "delivery", ("refused", 58)),
    ]
    assert told[4:7] == begun(615.0)[:3]
    assert sentences(result, "c-0") == {
        "c@r1": "c-0 has been activating r1 since 10m16s, for 44.5s",
    }


def test_superseded(play: Play) -> None:
    """r2 comes at 180 while c-0 soaks and c-1 waits. c-0 goes on with both, for c-1 nobody asks about r1 any more."""
    result = play(2, HALVES, releases=[{"ref": "r1"}, {"ref": "r2", "at": "3m"}])
    first = story(result, "c-0", "c@r1")
    assert (None, 180.0, "rollout_move", "Superseded") in first
    assert first[-2:] == stepped(600.0, "SC", "Converged")
    assert story(result, "c-1", "c@r1") == [(None, 0.0, "gate", ("wave-promotion", 180.0, 180.0, "superseded"))]
    assert sentences(result, "c-1")["c@r1"] == (
        "c-1 did not converge on r1 before r2 superseded it at 3m: Pending, held by the gate wave-promotion"
    )
    both = trace(result, "c-0")
    assert {event["rollout_id"] for event in both} == {"c@r1", "c@r2"}
    assert [event for event in both if event["rollout_id"] == "c@r1"] == trace(result, "c-0", "c@r1")
    assert list(sentences(result, "c-0")) == ["c@r1", "c@r2"]
    assert list(sentences(result, "c-0", "c@r2")) == ["c@r2"]


def test_an_unchanged_host(play: Play) -> None:
    """The heartbeat of 0 converges c-1's record at 0.5; the gate's next pass is that of 15."""
    result = play(2, HALVES, releases=[{"ref": "r1", "unchanged": 1.0}], probes=[HTTP])
    steps = []
    for kind, move in (("DispatchAck", "PA"), ("ActivationCompleted", "AS"), ("Converged", "SC")):
        steps += [(None, 0.5, "heartbeat", kind), (None, 0.5, "move", (move, "control plane"))]
    assert story(result, "c-1") == [
        (None, 0.0, "opened", 1),
        (None, 0.0, "gate", ("wave-promotion", 15.0, 15.0, "Converged")),
        *steps,
        (None, 0.5, "rollout_move", "Terminal"),
    ]
    said = sentences(result, "c-1")["c@r1"]
    assert said == "c-1 converged on r1 after 500ms (a heartbeat showed that it ran the target already)"
    # c-0 was on the way to it by itself; what its agent goes on to report comes too late
    rejected = [event for event in trace(result, "c-0") if event["what"] == "rejected"]
    assert [(e["detail"]["kind"], e["detail"]["error"], e["detail"].get("count", 1)) for e in rejected] == [
        ("DispatchAck", "SeqRegression", 1),
        ("ActivationStarted", "SeqRegression", 1),
        ("ActivationCompleted", "SeqRegression", 1),
        ("ProbeTopologyDeclared", "IllegalForState", 1),
        ("ProbeObservedFirst", "IllegalForState", 1),
        ("ProbeResult", "IllegalForState", 20),
        ("Converged", "IllegalForState", 1),
    ]


def test_a_gate_that_gives_several_reasons(play: Play) -> None:
    """Three waves, soaks of 5, 10 and 10 min: c-2 waits for wave 2 through promotions at 315 and 615."""
    waves = [{"percent": 33, "soak": "5m"}, {"percent": 66, "soak": "10m"}, {"percent": 100, "soak": "10m"}]
    (wait,) = (event["detail"] for event in trace(play(3, waves), "c-2") if event["what"] == "gate")
    assert wait["reasons"] == [
        {"cp_at": 0.0, "reason": "host_wave=2 current_wave=0"},
        {"cp_at": 315.0, "reason": "host_wave=2 current_wave=1"},
    ]
    assert (wait["reason"], wait["wait_s"]) == ("host_wave=2 current_wave=0", 615.0)


# -- what holds a host back


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"default": {"defer": {"probability": 1.0, "components": {"dbus": 1.0}}, "reboot": "never"}},
            "c-0 has waited for a reboot into r1 (dbus) since 1m30s, for 500ms",
        ),
        (
            {"default": {"defer": {"probability": 1.0}, "reboot": "10m", "boot_failure": 1.0}},
            "c-0 went down at 11m30s to boot into r1 and has not come back",
        ),
        ({"default": {"activation": "2d"}}, "c-0 has been activating r1 since 500ms, for 6h"),
        (
            {"default": {"activation_failure": 1.0}, "on_health_failure": "halt"},
            "c-0 failed on r1 after 1m30s and has not been rolled back: the activation failed (exit code 1)",
        ),
        ({"until": "5m"}, "c-0 has been soaking on r1 since 1m30s, for 3m30s: its soak ends at 10m"),
        (
            {"until": "3m", "releases": [{"ref": "r1", "defect": {"probability": 1.0}}], "probes": [HTTP]},
            "c-0 has been soaking on r1 since 1m30s, for 1m30s: http fails since 1m30s",
        ),
        (
            {"default": {"online": {"up": "10s", "down": "1d"}}, "releases": [{"at": "20s", "ref": "r1"}]},
            "c-0 has not begun r1: it is offline, its dispatch has waited since 30s, for 6h",
        ),
        (
            {
                "releases": [{"at": "5s", "ref": "r1"}],
                "control_plane": {"manifest_max_age": "20s", "resign": "never"},
            },
            "c-0 has not begun r1: it refuses the dispatch because the manifest was signed too long ago",
        ),
        ({"until": "0.25s"}, "c-0 has not begun r1: its dispatch is on the way"),
        (
            {"releases": [{"at": "31s", "ref": "r1"}], "control_plane": {"plan_tick": "7m"}, "until": "70s"},
            "c-0 has not begun r1: the planner has not asked for it yet",
        ),
    ],
)
def test_what_holds_it_back(play: Play, settings: dict[str, Any], said: str) -> None:
    assert sentences(play(**settings), "c-0") == {"c@r1": said}


@pytest.mark.parametrize(
    ("gate", "reason", "words"),
    [
        ("quarantine", "channel=c closure=x y", "its closure x y is in quarantine"),
        ("channel-edges", "predecessor=edge", "the rollout of channel edge goes first and is not over"),
        ("wave-promotion", "host_wave=2 current_wave=0", "its wave 2 has not come, the rollout is in wave 0"),
        ("wave-promotion-host-unstaged", "channel=c", "no wave of its channel lists it"),
        ("host-edge", "gating_host=c-0", "host c-0 goes first and is not done"),
        (
            "disruption-budget",
            "in_flight=3 max=2 selector=tags:[web]",
            "the budget of tags:[web] is used up, 3 of 2 in flight",
        ),
        ("compliance-wave", "failing=1 host_wave=2", "1 enforce probe failed on hosts of earlier waves"),
        ("another", "as it is", "as it is"),
    ],
)
def test_gates_in_words(gate: str, reason: str, words: str) -> None:
    assert gate_words(gate, reason) == words


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(None, "-"), (0, "0s"), (0.5, "0.5s"), (90.5, "1m30.5s"), (3600, "1h"), (90_061.25, "1d1h1m1.25s")],
)
def test_moments(seconds: float | None, said: str) -> None:
    assert moment(seconds) == said


# -- the whole of it


def test_agrees_with_the_frames(play: Play) -> None:
    """Waits add up to `blocked_s`, and moves to `transitions`, for hosts with all kinds of luck."""
    result = play(
        12,
        [{"percent": 25, "soak": "2m"}, {"percent": 100, "soak": "5m"}],
        default={
            "activation": {"dist": "exponential", "mean": "2m"},
            "activation_failure": 0.05,
            "defer": {"probability": 0.3},
            "reboot": {"dist": "uniform", "min": "1m", "max": "20m"},
            "online": {"up": {"dist": "exponential", "mean": "20m"}, "down": {"dist": "exponential", "mean": "3m"}},
        },
        generate={"disruption_budgets": [{"selector": {"all": True}, "max_in_flight": 3}]},
        releases=[{"ref": "r1"}, {"ref": "r2", "at": "25m"}],
        probes=[{**HTTP, "flake": 0.02}],
        control_plane={"phases": "random"},
        until="2h",
    )
    ended_at = result.summary["ended_at_s"]
    waited = 0.0
    for row in result.hosts.itertuples():
        events = trace(result, row.host, row.rollout_id)
        assert json.loads(json.dumps(events, allow_nan=False)) == events
        times = [event["cp_at"] if event["at"] is None else event["at"] for event in events]
        assert times == sorted(times)
        waits = [event for event in events if event["what"] == "gate"]
        ends = [ended_at if wait["detail"]["until"] is None else wait["detail"]["until"] for wait in waits]
        held = sum(max(0.0, min(end, ended_at) - wait["cp_at"]) for wait, end in zip(waits, ends, strict=True))
        assert held == pytest.approx(row.blocked_s)
        waited += held
        steps = {(event["detail"]["from"], event["detail"]["to"]) for event in events if event["what"] == "move"}
        frame = result.transitions
        frame = frame[(frame["rollout_id"] == row.rollout_id) & (frame["host"] == row.host)]
        assert steps == set(zip(frame["from"], frame["to"], strict=True))
        runs = sum(event["detail"]["count"] for event in events if event["what"] == "probe")
        assert runs <= row.probe_runs
    assert waited > 1000


def test_a_saved_result_without_events_repeats_the_run(play: Play, tmp_path: Path) -> None:
    recorded = play(2, HALVES, probes=[HTTP], until="1h")
    bare = sim.run(recorded.scenario, seed=recorded.summary["seed"])
    for name, result in (("with", recorded), ("without", bare)):
        save(result, tmp_path / name)
    stored, repeated = read(tmp_path / "with"), read(tmp_path / "without")
    assert stored.has_events and not repeated.has_events
    for host in ("c-0", "c-1"):
        assert trace(stored, host) == trace(repeated, host) == trace(recorded, host)
        assert sentences(repeated, host) == sentences(recorded, host)


def test_a_saved_result_of_another_replication(tmp_path: Path, play: Play) -> None:
    scenario = play(2, HALVES, default={"activation": {"dist": "exponential", "mean": "2m"}}).scenario
    recorded = sim.run(scenario, seed=5, replication=3, record_events=True)
    save(sim.run(scenario, seed=5, replication=3), tmp_path / "out")
    assert trace(read(tmp_path / "out"), "c-1") == trace(recorded, "c-1")


def test_telling_changes_nothing(play: Play) -> None:
    result = play(2, HALVES, probes=[HTTP])
    before = result.events.copy(deep=True)
    before["detail"] = [json.loads(json.dumps(detail)) for detail in before["detail"]]
    for event in trace(result, "c-1"):
        event["detail"].clear()
    assert result.events["detail"].tolist() == before["detail"].tolist()
    assert trace(result, "c-1") == trace(result, "c-1")
    assert trace(result, "c-1")[0]["detail"]


def test_unknown_names(play: Play) -> None:
    result = play(2)
    with pytest.raises(UnknownName, match="unknown host: got 'c-10'; did you mean 'c-1'"):
        trace(result, "c-10")
    with pytest.raises(UnknownName, match="unknown rollout: got 'c@r2'; did you mean 'c@r1'"):
        sentences(result, "c-1", "c@r2")


def test_a_host_in_no_rollout(play: Play) -> None:
    """Its channel gets no release."""
    result = play(
        generate={"channels": {name: {"hosts": 1, "name": "{channel}-{index}", "policy": "only"} for name in "cd"}},
        releases=[{"ref": "r1", "channels": ["c"]}],
    )
    assert (trace(result, "d-0"), sentences(result, "d-0"), rollouts_of(result, "d-0")) == ([], {}, {})
    with pytest.raises(UnknownName, match="d-0 is not in rollout c@r1; it is in none"):
        trace(result, "d-0", "c@r1")
    assert rollouts_of(result, "c-0") == {"c@r1": 0}
