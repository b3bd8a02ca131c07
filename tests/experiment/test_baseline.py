"""Baselines: recorded, read back, and checked against programs and scenarios that have changed since."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import sim
from sim.experiment import Baseline, Check, ExperimentError, check, record, regression
from sim.experiment.baseline import read
from sim.experiment.regression import SPEED
from sim.experiment.speed import Speed, bare_timeouts, speed
from sim.model.clock import PLAN
from sim.model.control_plane import ControlPlane
from sim.scenario.problems import ScenarioError
from sim.scenario.schema import Scenario

NARROW = {
    "name": "narrow",
    "fleet": {
        "generate": {
            "channels": {"stable": {"hosts": 40, "tags": {"web": 0.5}, "policy": "p"}},
            "policies": {"p": {"waves": [{"percent": 100, "soak": "0s"}]}},
            "disruption_budgets": [{"selector": {"all": True}, "max_in_flight": 5}],
        }
    },
    "hosts": {"default": {"activation": {"dist": "lognormal", "median": "60s", "p95": "120s"}}},
}
"""As fast as the passes that hand out what room a budget has."""
P50, P100 = (f"rollouts.stable.time_to_converged_s.{q}" for q in ("p50", "p100"))
NAME = "narrow.yaml"

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a scenario; keys with `__` between them change it."""

    def to_file(data: dict[str, Any] = NARROW, **changes: Any) -> Path:
        data = copy.deepcopy(data)
        for path, value in changes.items():
            *above, last = path.split("__")
            inside = data
            for key in above:
                inside = inside.setdefault(key, {})
            inside[last] = value
        path = tmp_path / f"{data['name']}.yaml"
        path.write_text(json.dumps(data))
        return path

    return to_file


@pytest.fixture
def file(tmp_path: Path, write: Write) -> Path:
    """A baseline of the narrow scenario, without its speed."""
    path = tmp_path / "baseline.json"
    record(path, [write()], 5, with_speed=False, workers=1)
    return path


def checked(file: Path, **options: Any) -> Check:
    return check(file, with_speed=False, workers=1, **options)


def ticks_of(period: float) -> Callable[[ControlPlane], Generator[Any, object, None]]:
    """The control plane's plan tick, whatever the scenario says."""
    return lambda self: self._every(period, PLAN, self._pass)


# -- recording


def test_what_is_recorded(file: Path, write: Write) -> None:
    found = read(file)
    assert found.versions["nixfleet-sim"] == sim.__version__
    assert list(found.scenarios) == [NAME]
    one = found.scenarios[NAME]
    assert (one.seed, len(one.runs), one.speed) == (1, 5, None)
    expected = [
        sim.run(sim.load(write(), {"seed": 1 + k}), replication=k).summary["rollouts"][0]["time_to_converged_s"]["p50"]
        for k in range(5)
    ]
    assert one.metrics[P50].values == pytest.approx(expected, rel=1e-6)
    assert one.metrics[P50].mean == pytest.approx(sum(expected) / 5, rel=1e-6)


def test_the_same_is_recorded_to_the_byte(file: Path, write: Write, tmp_path: Path) -> None:
    before = file.read_bytes()
    record(file, [write()], 5, with_speed=False, workers=2)
    assert file.read_bytes() == before


def test_the_file_reads_well(file: Path) -> None:
    lines = file.read_text().splitlines()
    assert json.loads(file.read_text())["baseline"] == 1
    [line] = [line for line in lines if f'"{P50}"' in line]
    assert line.startswith(f'        "{P50}": {{"mean": ')
    assert len([line for line in lines if '"transitions": 120' in line]) == 5
    assert file.stat().st_size < 12_000


def test_it_is_the_same_wherever_it_runs(file: Path, write: Write, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere.json"
    with ThreadPoolExecutor(2) as executor:
        record(other, [write()], 5, with_speed=False, executor=executor)
        found = check(file, with_speed=False, executor=executor)
    assert other.read_bytes() == file.read_bytes()
    assert (found.ok, found.moved, found.drifts) == (True, [], [])


def test_scenarios_are_named_from_the_file(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = write()
    (tmp_path / "bench").mkdir()
    monkeypatch.chdir(tmp_path / "bench")
    record("b.json", [scenario, "../narrow.yaml"], 2, with_speed=False, workers=1, metrics=[P50])
    assert list(read("b.json").scenarios) == ["../narrow.yaml"]
    monkeypatch.chdir("/")
    assert checked(tmp_path / "bench" / "b.json").ok


def test_settings_are_recorded(write: Write, tmp_path: Path) -> None:
    file = tmp_path / "b.json"
    record(file, [write()], 3, settings={"control_plane.plan_tick": "60s", "seed": 4}, with_speed=False, workers=1)
    assert read(file).scenarios[NAME].seed == 4
    found = checked(file)
    assert (found.ok, found.changed, found.moved, found.drifts) == (True, {}, [], [])


def test_what_cannot_be_recorded(write: Write, tmp_path: Path) -> None:
    file, scenario = tmp_path / "b.json", write()
    with pytest.raises(ExperimentError, match=r"at least 2 replications, got 1"):
        record(file, [scenario], 1)
    with pytest.raises(ExperimentError, match="name the scenarios"):
        record(file, [])
    with pytest.raises(ExperimentError, match=r"narrow.yaml: no metric .*; did you mean .*p50"):
        record(file, [scenario], metrics=["rollouts.stable.time_to_converged_s.p51"])
    with pytest.raises(ExperimentError, match="there is no directory"):
        record(tmp_path / "there" / "b.json", [scenario])
    with pytest.raises(ScenarioError):
        record(file, [tmp_path / "gone.yaml"])
    assert not file.exists()
    file.write_text('{"mine": 1}')
    with pytest.raises(ExperimentError, match="is no baseline"):
        record(file, [scenario])
    assert file.read_text() == '{"mine": 1}'


# -- nothing has changed


def test_an_unchanged_program_gives_the_same(file: Path) -> None:
    found = checked(file, tolerance=0.0)
    assert found.ok
    assert (found.moved, found.drifts, found.changed, found.gone) == ([], [], {}, {})
    assert all(one.change.was == one.change.is_now for one in found.compared)
    assert "as it was, all 8 metrics" in str(found)


def test_another_seed_passes(file: Path) -> None:
    for seed in range(11, 17):
        found = checked(file, seed=seed, tolerance=0.01)
        assert (found.ok, found.moved, found.drifts) == (True, [], [])
        assert found.changed == {NAME: ["seed"]}
        assert "narrow: other seed than recorded" in str(found)
        assert any(one.change.was != one.change.is_now for one in found.compared)


def test_a_new_seed_in_the_file_passes_too(file: Path, write: Write) -> None:
    write(seed=12)
    found = checked(file)
    assert (found.ok, found.changed) == (True, {NAME: ["seed"]})


def test_the_layout_of_a_scenario_is_not_its_content(file: Path, write: Write) -> None:
    path = write(description="the same", name="narrow")
    path.write_text("# a comment\n" + path.read_text())
    assert checked(file).changed == {}


# -- the scenario has changed


def test_a_slow_down_in_the_scenario(file: Path, write: Write) -> None:
    write(control_plane__plan_tick="60s")
    found = checked(file)
    assert not found.ok
    assert found.changed == {NAME: ["content"]}
    assert found.drifts == []
    assert {(one.metric, one.way, one.how) for one in found.moved} >= {(P50, "worse", "statistics")}
    one = next(one for one in found.summary["moved"] if one["metric"] == P50)
    assert (one["scenario"], one["worse"], one["kind"]) == (NAME, True, "statistics")
    assert 1.05 * one["was"] < one["is"]
    assert one["p"] < 0.01
    assert "narrow: other content than recorded" in str(found)


def test_a_slow_down_by_a_setting(file: Path) -> None:
    found = checked(file, settings={"control_plane.plan_tick": "60s"})
    assert not found.ok
    assert found.changed == {NAME: ["settings"]}
    assert "record it" not in str(found)


def test_a_speed_up_passes_and_is_told(file: Path, write: Write) -> None:
    write(hosts__default__activation={"dist": "lognormal", "median": "20s", "p95": "40s"})
    found = checked(file)
    assert found.ok
    assert {one.way for one in found.moved} == {"better"}
    assert f"nothing is worse, {len(found.moved)} of 8 metrics are better" in str(found)


def test_within_the_tolerance_nothing_moved(file: Path, write: Write) -> None:
    write(control_plane__plan_tick="60s")
    assert checked(file, tolerance=0.5).ok


def test_it_does_not_get_there_any_more(file: Path, write: Write) -> None:
    record(file, [write()], 8, with_speed=False, workers=1)
    write(until="5m")
    found = checked(file)
    assert not found.ok
    [one] = [one for one in found.summary["moved"] if one["metric"] == P100]
    assert (one["is"], one["worse"], one["reached"]) == (None, True, {"was": 1.0, "is": 0.0})
    assert "reached by 0 %, was 100 %" in str(found)


def test_files_that_it_refers_to_are_content(write: Write, tmp_path: Path) -> None:
    shutil.copy("scenarios/fleets/demo.resolved.json", tmp_path / "fleet.json")
    (tmp_path / "took.csv").write_text("s\n60\n90\n120\n")
    data = {
        "name": "files",
        "fleet": {"resolved": "fleet.json"},
        "hosts": {"default": {"activation": {"dist": "empirical", "file": "took.csv", "column": "s"}}},
    }
    file = tmp_path / "b.json"
    record(file, [write(data)], 2, with_speed=False, workers=1)
    assert checked(file).changed == {}
    (tmp_path / "took.csv").write_text("s\n60\n90\n121\n")
    assert checked(file).changed == {"files.yaml": ["content"]}
    (tmp_path / "took.csv").write_text("s\n60\n90\n120\n")
    fleet = json.loads((tmp_path / "fleet.json").read_text())
    fleet["disruptionBudgets"][0]["maxInFlight"] += 1
    (tmp_path / "fleet.json").write_text(json.dumps(fleet))
    assert checked(file).changed == {"files.yaml": ["content"]}


def test_a_metric_that_is_gone_is_told(write: Write, tmp_path: Path) -> None:
    waves = [{"percent": 50, "soak": "0s"}, {"percent": 100, "soak": "0s"}]
    file = tmp_path / "b.json"
    record(file, [write(fleet__generate__policies__p__waves=waves)], 2, with_speed=False, workers=1)
    write()
    found = checked(file)
    assert found.gone == {NAME: ["rollouts.stable.waves.1.eligible_per_h"]}
    assert "Not in the scenario any more" in str(found)


# -- the program has changed


def test_a_slow_down_in_the_program(file: Path, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    before = sim.run(sim.load(write()), replication=0).transitions
    monkeypatch.setattr(ControlPlane, "ticks", ticks_of(60.0))
    after = sim.run(sim.load(write()), replication=0).transitions
    found = checked(file)
    assert not found.ok
    assert found.changed == {}
    assert {(one.metric, one.way, one.how) for one in found.moved} >= {(P50, "worse", "trajectory")}
    [drift] = found.drifts
    assert (drift.scenario, drift.replications, drift.of, drift.replication) == (NAME, [0, 1, 2, 3, 4], 5, 0)
    place = next(k for k in range(len(before)) if not before.iloc[k].equals(after.iloc[k]))
    row = before.iloc[place]
    later = after[(after["host"] == row["host"]) & (after["to"] == row["to"])].iloc[0]
    assert (row["host"], row["at"] < later["at"]) == (later["host"], True)
    [told] = found.summary["trajectories"]
    assert told["first"] == {
        "replication": 0,
        "transition": place + 1,
        "up_to": place + 1,
        "rollout_id": "stable@r1",
        "host": row["host"],
        "from": row["from"],
        "to": row["to"],
        "was": {"at": row["at"], "cp_at": row["cp_at"]},
        "is": {"at": later["at"], "cp_at": later["cp_at"]},
    }
    said = f"transition {place + 1} is the first that differs: stable@r1 {row['host']} {row['from']} -> {row['to']} at "
    assert said in str(found)
    assert "If this is meant, record it: nixfleet-sim bench record" in str(found)


def test_another_trajectory_alone_passes(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # a thousandth of a second more or less: everything comes at other times, and nothing takes longer
    monkeypatch.setattr(ControlPlane, "ticks", ticks_of(15.001))
    found = checked(file)
    assert found.ok
    assert found.moved == []
    assert [drift.scenario for drift in found.drifts] == [NAME]
    assert "nothing is worse, none of 8 metrics moved" in str(found)


def test_with_another_seed_trajectories_are_not_compared(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ControlPlane, "ticks", ticks_of(60.0))
    found = checked(file, seed=9)
    assert found.drifts == []
    assert {one.how for one in found.moved} <= {"statistics"}


def test_other_versions_are_told(file: Path) -> None:
    data = json.loads(file.read_text())
    data["versions"]["numpy"] = "1.0"
    file.write_text(json.dumps(data))
    found = checked(file)
    assert found.ok
    assert found.summary["versions"]["numpy"]["was"] == "1.0"
    assert "(was 1.0)" in str(found)


# -- files that cannot be used


def altered(file: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    data = json.loads(file.read_text())
    change(data)
    file.write_text(json.dumps(data))
    return file


def test_a_baseline_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match=r"there is no baseline .*bench record"):
        checked(tmp_path / "gone.json")
    with pytest.raises(ExperimentError, match="is a directory"):
        checked(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"baseline": "1"}', "\x00\xff", "name: yaml"])
def test_a_foreign_file(tmp_path: Path, content: str) -> None:
    file = tmp_path / "b.json"
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(ExperimentError, match="is no baseline"):
        checked(file)


def test_a_later_format(file: Path) -> None:
    altered(file, lambda data: data.update(baseline=2, versions={"nixfleet-sim": "9.1"}))
    with pytest.raises(ExperimentError, match=r"written by nixfleet-sim 9\.1, in a later format"):
        checked(file)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.pop("scenarios"),
        lambda data: data["scenarios"][NAME].pop("seed"),
        lambda data: data["scenarios"][NAME]["metrics"][P50]["values"].pop(),
        lambda data: data["scenarios"][NAME]["metrics"][P50]["values"].append("many"),
        lambda data: data["scenarios"][NAME]["runs"][0].update(first="?"),
        lambda data: data["scenarios"][NAME]["runs"][4].update(first="", marks="1 2"),
    ],
)
def test_a_damaged_file(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    with pytest.raises(ExperimentError, match=r"baseline\.json.*(damaged|marks)"):
        checked(altered(file, change))


def test_a_scenario_that_is_gone(file: Path, write: Write) -> None:
    write().unlink()
    with pytest.raises(ExperimentError, match=r"names the scenario narrow\.yaml, and there is no"):
        checked(file)


def test_a_scenario_that_cannot_be_used_any_more(file: Path, write: Write) -> None:
    write(rules__deferred="perhaps")
    with pytest.raises(ScenarioError):
        checked(file)


# -- speed


def test_speed_is_measured_against_bare_simpy(twenty_hosts: Scenario) -> None:
    assert bare_timeouts(10, 10) > 0
    found = speed(twenty_hosts, times=3)
    assert 0 < found.low <= found.best <= found.high


@pytest.fixture
def with_speed(tmp_path: Path, write: Write) -> Path:
    """A baseline of a scenario that was ten times as fast as bare SimPy."""
    path = tmp_path / "b.json"
    record(path, [write()], 2, with_speed=False, workers=1, metrics=[P50])
    return altered(path, lambda data: data["scenarios"][NAME].update(speed={"best": 10.0, "low": 8.0, "high": 11.0}))


def speeds(monkeypatch: pytest.MonkeyPatch, *given: Speed) -> list[Speed]:
    """What will be measured, one after the other; those that were not asked for are left."""
    left = list(given)
    monkeypatch.setattr(regression, "speed", lambda scenario, look: left.pop(0))
    return left


def test_a_slower_program_fails(with_speed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = speeds(monkeypatch, *[Speed(4.0, 3.0, 5.0)] * 3)
    found = check(with_speed, workers=1)
    assert left == []
    assert not found.ok
    assert [(one.metric, one.way) for one in found.moved] == [(SPEED, "worse")]
    assert found.summary["speed"] == [{"scenario": NAME, "was": 10.0, "is": 4.0, "relative": pytest.approx(-0.6)}]
    assert "narrow 40 %" in str(found)


@pytest.mark.parametrize(
    "measured",
    [
        [Speed(6.0, 1.0, 7.0)],  # within the tolerance
        [Speed(4.0, 3.0, 5.0), Speed(9.0, 3.0, 9.5)],  # the machine was busy
        [Speed(4.0, 3.0, 8.5)] * 3,  # no slower than some that was measured then
    ],
)
def test_a_busy_machine_does_not(with_speed: Path, monkeypatch: pytest.MonkeyPatch, measured: list[Speed]) -> None:
    left = speeds(monkeypatch, *measured)
    found = check(with_speed, workers=1)
    assert left == []
    assert (found.ok, found.moved) == (True, [])


def test_a_faster_program_is_told(with_speed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    speeds(monkeypatch, Speed(21.0, 18.0, 22.0))
    found = check(with_speed, workers=1)
    assert found.ok
    assert [(one.metric, one.way) for one in found.moved] == [(SPEED, "better")]


def test_the_speed_of_another_scenario_is_not_compared(
    with_speed: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(control_plane__plan_tick="14s")
    speeds(monkeypatch)
    assert check(with_speed, workers=1, tolerance=1.0).summary["speed"] == []


def test_speed_is_recorded(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = Speed(5.0, 4.0, 6.0)
    monkeypatch.setattr("sim.experiment.baseline.speed", lambda scenario, look: given)
    found: Baseline = record(tmp_path / "b.json", [write()], 2, workers=1, metrics=[P50])
    assert found.scenarios[NAME].speed == given
    assert read(tmp_path / "b.json") == found
