"""Runs whose steps a program makes, or another object: the same run where it makes the same steps."""

from __future__ import annotations

import json
import shlex
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from msgspec.structs import replace

import sim
from sim.cli.json_diff import same
from sim.model.differing import Differing
from sim.model.program import Program
from sim.model.remote import Remote
from sim.reducer.effects import RecordTransition
from sim.reducer.errors import IllegalForState, ReducerError
from sim.reducer.events import LocalActivationCompleted, LocalActivationStarted
from sim.reducer.protocol import BuiltIn
from sim.result import Result, read, save
from sim.scenario.schema import Scenario
from sim.scenario.units import quantize

SERVE = shlex.join([sys.executable, "-m", "sim.reducer.serve"])
WRONG = shlex.join([sys.executable, str(Path(__file__).parent.parent / "programs" / "wrong.py")])
FRAMES = ("transitions", "hosts", "waves", "rollouts", "gates", "timeline", "load")

FLEET = """
name: made
until: 3d
fleet:
  generate:
    channels: {{edge: {{hosts: 6, policy: p}}, stable: {{hosts: 14, policy: p}}}}
    channel_edges: [{{gates: edge, gated: stable}}]
    policies:
      p: {{on_health_failure: rollback-and-halt, waves: [{{percent: 30, soak: 5m}}, {{percent: 100, soak: 10m}}]}}
{rest}
"""
EVERYTHING = """
seed: 7
hosts:
  default:
    activation: {dist: lognormal, median: 60s, p95: 200s}
    activation_failure: 0.05
    rollback_failure: 0.1
    boot_failure: 0.05
    defer: {probability: 0.3}
    reboot: {dist: uniform, min: 5m, max: 2h}
    online: {up: {dist: exponential, mean: 5h}, down: {dist: exponential, mean: 30m}}
probes:
  - {name: http, interval: 30s, flake: 0.01}
  - {name: disk, interval: 60s, mode: observe, flake: 0.05}
releases:
  - {ref: r1, at: 0s}
  - {ref: r2, at: 1h, defect: {probability: 0.4, onset: 2m}}
  - {ref: r3, at: 4h}
"""
AT_ONE_TIME = """
control_plane: {phases: zero}
hosts: {default: {activation: 60s}}
probes: [{name: http, interval: 30s}]
"""


def scenario(tmp_path: Path, rest: str, **settings: object) -> Scenario:
    path = tmp_path / "made.yaml"
    path.write_text(FLEET.format(rest=rest))
    return sim.load(path, settings)


def assert_same(one: Result, other: Result, *more: str) -> None:
    """All but how many events were scheduled: the project's own reducer needs none for most of the reports."""
    events = one.summary["events"] | {"simulated": other.summary["events"]["simulated"]}
    assert one.summary | {"wall_s": 0, "events": events} == other.summary | {"wall_s": 0}
    for name in (*FRAMES, *more):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name), check_exact=True)


def steps_of(result: Result) -> int:
    events = result.summary["events"]
    return events["host_steps"] + events["rollout_steps"]


@pytest.mark.parametrize("fidelity", ["events", "full"])
@pytest.mark.parametrize(
    "rules",
    [
        {},
        {"rules.soak_from": "activation", "rules.failure_clock": "sustained", "rules.deferred": "strict"},
        {"rules.soak_from": "dispatch", "rules.unchanged": "ungated", "rules.probe_restart": "boot"},
    ],
)
def test_the_projects_own_as_a_program_makes_the_same_run(tmp_path: Path, fidelity: str, rules: dict) -> None:
    until = {"until": "5h" if fidelity == "events" else "100m"}
    made = scenario(tmp_path, EVERYTHING, fidelity=fidelity, **until, **rules)
    expected = sim.run(made, record_events=True)
    states = expected.transitions["to"]
    assert {"Deferred", "Failed", "Reverted"} <= set(states)
    with Program(SERVE) as program:
        assert_same(sim.run(made, record_events=True, reducer=Remote(program)), expected, "events")
        assert program.cases == steps_of(expected)  # each is asked for once, and nothing else is
    assert program.name.startswith("nixfleet-sim ")


class Noted(Program):
    """Notes in which batches there is an event of some type, number and time."""

    def __enter__(self):
        self.batches_of = defaultdict(set)
        return super().__enter__()

    def ask(self, cases):
        for case in cases:
            event = json.loads(case)["event"]
            times = tuple(value for name, value in event.items() if name.endswith("_at"))
            self.batches_of[event["type"], event.get("seq"), times].add(self.batches)
        return super().ask(cases)


@pytest.mark.parametrize("fidelity", ["events", "full"])
def test_what_falls_on_one_time_is_asked_for_together(tmp_path: Path, fidelity: str) -> None:
    made = scenario(tmp_path, AT_ONE_TIME, fidelity=fidelity)
    expected = sim.run(made)
    with Noted(SERVE) as program:
        assert_same(sim.run(made, reducer=Remote(program)), expected)
    assert program.cases == steps_of(expected)
    # of steps that 2 to 10 hosts make alike, each in a record of its own
    alike = {key: batches for key, batches in program.batches_of.items() if key[1] is not None}
    if fidelity == "full":  # but for the runs of a ticker, which is a process of its own
        alike = {key: batches for key, batches in alike.items() if key[0] != "LocalProbeResult"}
    assert len(alike) > 20
    assert all(len(batches) == 1 for batches in alike.values()), alike


class Same(BuiltIn):
    """The same by another name."""


class Lazy(BuiltIn):
    """An activation that completes for a host whose name ends in 3 is refused."""

    def host_step(self, record, event, on_health_failure):
        if isinstance(event, LocalActivationCompleted) and record.hostname.endswith("3"):
            raise IllegalForState("never on a third")
        return super().host_step(record, event, on_health_failure)


def test_an_object_that_does_the_same(tmp_path: Path) -> None:
    made = scenario(tmp_path, EVERYTHING, until="12h")
    assert_same(sim.run(made, record_events=True, reducer=Same()), sim.run(made, record_events=True), "events")


def test_an_object_that_does_something_else(tmp_path: Path) -> None:
    made = scenario(tmp_path, AT_ONE_TIME, fidelity="full")
    mine, own = (result.hosts for result in (sim.run(made, reducer=Lazy()), sim.run(made)))
    first = own["channel"] == "edge"
    later = (mine["soaking_at"] - own["soaking_at"])[first]
    stuck = own["host"][first].str.endswith("3")
    assert stuck.sum() == 1
    # its wave opens at 315 s, and the switch, which takes 60 s, is told of at 375 s and two network delays; the next
    # heartbeat, sent at 420 s, arrives one delay later
    assert later[~stuck].eq(0.0).all()
    assert later[stuck].tolist() == [420 - 375 - quantize(0.05)]


def test_the_events_of_a_run_are_those_of_its_reducer(tmp_path: Path) -> None:
    made = scenario(tmp_path, AT_ONE_TIME)
    again, recorded = sim.run(made, reducer=Lazy()), sim.run(made, reducer=Lazy(), record_events=True)
    assert not again.has_events
    pd.testing.assert_frame_equal(again.events, recorded.events)


def test_a_saved_result_names_its_reducer_and_is_not_repeated_by_another(tmp_path: Path) -> None:
    made = scenario(tmp_path, AT_ONE_TIME)
    save(sim.run(made, reducer=Lazy()), tmp_path / "without")
    save(sim.run(made, reducer=Lazy(), record_events=True), tmp_path / "with")
    save(sim.run(made), tmp_path / "own")
    assert [read(tmp_path / name).reducer for name in ("without", "with", "own")] == ["Lazy", "Lazy", None]
    assert len(read(tmp_path / "with").events)
    with pytest.raises(ReducerError, match="and 'Lazy', which made its steps, is not at hand"):
        _ = read(tmp_path / "without").events


class Raises(BuiltIn):
    def rollout_step(self, record, event):
        return record.no_such_field, ()


class Hasty(BuiltIn):
    """Soaks before the switch is over, without its probes, and then fails: each step makes sense, but not together."""

    def host_step(self, record, event, on_health_failure):
        state = {LocalActivationStarted: "Soaking", LocalActivationCompleted: "Failed"}.get(type(event))
        if state is None:
            return super().host_step(record, event, on_health_failure)
        moved = RecordTransition(record.hostname, record.rollout_id, record.state, state, 0.0)
        return replace(record, state=state, last_event_seq=event.seq), [moved]


def test_an_object_that_goes_wrong(tmp_path: Path) -> None:
    made = scenario(tmp_path, AT_ONE_TIME)
    with pytest.raises(
        ReducerError, match="step of edge@r1 in state Opening on HostJoined raised AttributeError: 'Roll"
    ):
        sim.run(made, reducer=Raises())
    with pytest.raises(
        ReducerError, match=r"cannot go on with what the reducer Hasty has answered: Assert.* never reset"
    ):
        sim.run(made, reducer=Hasty())
    with pytest.raises(ReducerError, match="has no method host_step"):
        sim.run(made, reducer=object())  # type: ignore[arg-type]


def with_program(made: Scenario, mistake: str, run: Callable[[Remote], object]) -> None:
    with Program(f"{WRONG} '{mistake}'") as program:
        run(Remote(program))


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        ("another host", "in state Pending on LocalActivate changed `hostname`"),
        ("untold transition", "changed its state (Pending -> Activating) otherwise than its transitions say (none)"),
    ],
)
def test_a_program_whose_answer_makes_no_sense(tmp_path: Path, mistake: str, said: str) -> None:
    made = scenario(tmp_path, AT_ONE_TIME)
    with pytest.raises(ReducerError) as caught:
        with_program(made, mistake, lambda remote: sim.run(made, reducer=remote))
    assert said in caught.value.args[0]


@pytest.mark.parametrize(
    ("mistake", "on", "what"),
    [
        ("soak one second later", {"LocalActivate", "RemoteDispatchAck"}, "state"),
        ("deferred never leaves", {"LocalActivationCompleted", "RemoteActivationCompleted"}, "state"),
        (
            "effects the other way round",
            {"LocalActivationCompleted", "RemoteActivationCompleted", "LocalConvergedReached"},
            "effects",
        ),
    ],
)
def test_where_a_program_differs(tmp_path: Path, mistake: str, on: set[str], what: str) -> None:
    made = scenario(tmp_path, EVERYTHING, until="5h")
    expected = sim.run(made)
    found: list[Differing] = []

    def run(remote: Remote) -> None:
        found.append(Differing(remote, same))
        assert_same(sim.run(made, reducer=found[0]), expected)  # the project's own decides

    with_program(made, mistake, run)
    [both] = found
    assert both.steps == steps_of(expected)
    differing = {event for event, counted in both.by_event.items() if counted.differences}
    assert differing & on and both.first is not None
    assert both.first.ours[what] != both.first.theirs[what]
    assert both.differences == sum(counted.differences for counted in both.by_event.values()) > 0
