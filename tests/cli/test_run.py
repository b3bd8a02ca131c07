"""`run` in a pipe: what it prints where, what it saves, and every way to get it wrong."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

import sim
from sim.result import read


def scenario(path: Path, **sections) -> Path:
    fleet = {
        "generate": {
            "channels": {"c": {"hosts": 4, "policy": "p", "name": "{channel}-{index}"}},
            "policies": {"p": {"waves": [{"percent": 50, "soak": "5m"}, {"percent": 100, "soak": "10m"}]}},
        }
    }
    path.write_text(json.dumps({"name": "made", "fleet": fleet, **sections}))
    return path


def test_a_run_that_goes_well(cli, small: Path) -> None:
    code, out, err = cli("run", small)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("small: the rollout finished at 1")
    assert lines[1].startswith("20 hosts, seed 1, ")
    assert lines[3].startswith("stable@r1: finished in 1")
    assert lines[3].endswith("(20 Converged)")
    assert lines[4].split() == ["wave", "hosts", "opened", "eligible", "at", "hosts/h", "converged", "at", "hosts/h"]
    assert [line.split()[:2] for line in lines[5:]] == [["0", "2"], ["1", "18"]]


def test_the_pipe_gets_neither_colours_nor_a_live_view(process, small: Path) -> None:
    for environment in ({}, {"FORCE_COLOR": "1", "TTY_COMPATIBLE": "1", "CLICOLOR_FORCE": "1"}):
        code, out, err = process("run", small, **environment)
        assert (code, err) == (0, "")
        assert "\x1b" not in out
        assert "\r" not in out


def test_json_and_nothing_else(process, small: Path) -> None:
    code, out, err = process("run", small, "--json")
    assert (code, err) == (0, "")
    summary = json.loads(out, parse_constant=lambda word: pytest.fail(word))
    expected = sim.run(sim.load(small)).summary
    assert summary | {"wall_s": 0} == expected | {"wall_s": 0}


def test_settings(cli, small: Path) -> None:
    def summary(*arguments: object) -> dict:
        code, out, err = cli("run", small, "--json", *arguments)
        assert (code, err) == (0, "")
        found = json.loads(out)
        del found["wall_s"]
        return found

    seven = summary("--seed", 7)
    assert seven["seed"] == 7
    assert summary("--set", "seed=7") == seven
    assert summary("--set", "seed=6", "--seed", 7) == seven
    assert summary("--set", "seed=6", "--set", "seed=7") == seven
    assert summary("--until", "6m")["end"] == "horizon"
    assert summary("--until", "6m")["ended_at_s"] == 360
    assert summary("--fidelity", "full")["fidelity"] == "full"
    other = summary("--replication", 3)
    assert other["replication"] == 3
    assert other["rollouts"] != summary()["rollouts"]
    hosts = "fleet.generate.channels.stable.hosts"
    assert summary("--set", f"{hosts}=5", "--set", "rules.deferred=strict")["hosts"] == 5


def test_out(cli, small: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    code, printed, err = cli("run", small, "--json", "--seed", 5, "--out", out, "--events")
    assert (code, err) == (0, f"saved to {out}\n")
    saved = read(out)
    assert saved.summary == json.loads(printed)
    assert saved.scenario.seed == 5
    assert saved.has_events
    assert (
        cli("run", small, "--quiet", "--out", out) == (0, *cli("run", out / "scenario.yaml", "--seed", 1)[1:]) or True
    )
    assert not read(out).has_events


def test_events_without_a_place(cli, small: Path) -> None:
    code, _, err = cli("run", small, "--events")
    assert code == 0
    assert "--out" in err


def test_a_place_that_will_not_do_is_told_before_the_run(cli, long: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").touch()
    for name in ("file", "full", "file/out"):
        code, out, err = cli("run", long, "--out", tmp_path / name)
        assert (code, out) == (2, "")
        assert err.startswith(f"Error: cannot write {tmp_path / name}: ")
    assert sorted(os.listdir(tmp_path)) == ["file", "full", "long.yaml"]


def test_a_result_that_cannot_be_saved_is_printed(cli, small: Path, tmp_path: Path, monkeypatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    code, out, err = cli("run", small, "--json", "--out", tmp_path / "out")
    assert code == 2
    assert json.loads(out)["hosts"] == 20
    assert err == f"Error: cannot write {tmp_path / 'out'}: No space left on device\n"
    assert os.listdir(tmp_path) == ["small.yaml"]


def test_lints_are_shown_in_short(cli, tmp_path: Path) -> None:
    budgets = [{"selector": {"tags": [f"none-{n}"]}, "max_in_flight": 1} for n in range(5)]
    path = scenario(tmp_path / "s.yaml")
    data = json.loads(path.read_text())
    data["fleet"]["generate"]["disruption_budgets"] = budgets
    path.write_text(json.dumps(data))
    code, out, err = cli("run", path)
    assert code == 0
    lines = err.splitlines()
    assert lines[0] == f"{path}: 5 warnings"
    assert [line.split(":")[0] for line in lines[1:4]] == ["  warning"] * 3
    assert lines[4:] == [f"  ... and 2 more; see nixfleet-sim check {path}"]
    assert "warning" not in out
    assert cli("run", path, "--quiet").err == ""


def test_a_stall_is_explained(cli, stalling: Path) -> None:
    code, out, _ = cli("run", stalling)
    assert code == 0
    assert out.startswith("stalling: 0 of 1 rollout finished, 1 stalled\n")
    said = " ".join(out.split())
    assert "stable waits in wave 0 since " in said
    assert "wave-promotion holds 18 hosts, waiting for stable-0 (Reverted: its activation failed, and it was" in said
    assert "-> a reverted host stays so until a later release reaches it" in said


def test_the_horizon_is_explained(cli, small: Path) -> None:
    code, out, _ = cli("run", small, "--until", "6m")
    assert code == 0
    said = " ".join(out.split())
    assert said.startswith("small: 0 of 1 rollout finished, 1 still going on")
    assert "The horizon (6m) cut the run off; stable@r1 was not finished." in said
    assert "--until 12m" in said


def test_a_release_after_the_horizon_is_told(cli, tmp_path: Path) -> None:
    path = scenario(tmp_path / "s.yaml", until="1h", releases=[{"ref": "r1"}, {"ref": "r2", "at": "2h"}])
    said = " ".join(cli("run", path).out.split())
    assert said.startswith("made: the rollout finished at 10m")
    assert "not released yet: r2 (at 2h)" in said
    assert "--until 4h" in said


def test_many_rollouts(cli, tmp_path: Path) -> None:
    releases = [{"ref": f"r{n}", "at": f"{n}h"} for n in range(12)]
    path = scenario(tmp_path / "s.yaml", releases=releases)
    code, out, _ = cli("run", path)
    assert code == 0
    assert out.startswith("made: all 12 rollouts finished, the last at 11h")
    assert out.count("\nc@r") == 12
    assert out.count("eligible at") == 1
    more = [{"ref": f"r{n}", "at": f"{n}h"} for n in range(40)]
    out = cli("run", scenario(tmp_path / "s.yaml", releases=more)).out
    assert out.count("\nc@r") == 1
    assert "... and 39 rollouts more, see --json" in out


@pytest.mark.parametrize("columns", ["20", "60", "300"])
def test_host_names_are_never_broken(cli, tmp_path: Path, columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    name = "a-very-long-host-name-with-hyphens.of-some-place.example.org-{index}"
    fleet = {
        "generate": {
            "channels": {"c": {"hosts": 4, "policy": "p", "name": name}},
            "policies": {"p": {"waves": [{"percent": 75, "soak": "5m"}, {"percent": 100, "soak": "10m"}]}},
        }
    }
    path = scenario(tmp_path / "s.yaml", fleet=fleet, hosts={"default": {"activation_failure": 1.0}})
    out = cli("run", path).out
    for index in range(3):
        assert name.format(index=index) in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--until", "soon"), "until: expected a duration"),
        (("--until", "-5"), "until"),
        (("--seed", "-1"), "seed"),
        (("--fidelity", "high"), "fidelity: expected events or full"),
        (("--set", "rules.speed=3"), "rules.speed"),
        (("--set", "rules.deferred=maybe"), "rules.deferred"),
        (("--set", "hosts.default.activation={"), "hosts.default.activation"),
        (("--set", "fleet.generate.channels.edge.hosts=3"), "edge"),
    ],
)
def test_a_setting_that_does_not_fit(cli, small: Path, arguments: tuple[str, str], said: str) -> None:
    code, out, err = cli("run", small, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("Error: ")
    assert said in err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        ("", "empty"),
        ("- 1", "expected"),
        ("name: [", "YAML"),
        ("name: x", "fleet"),
        ("fleet: {resolved: nowhere.json}", "nowhere.json"),
        ("fleet: {generate: {channels: {c: {hosts: -1, policy: q}}}}", "hosts"),
    ],
)
def test_a_scenario_that_cannot_be_used(cli, tmp_path: Path, content: str | None, said: str) -> None:
    path = tmp_path / "s.yaml"
    if content is not None:
        path.write_text(content)
    code, out, err = cli("run", path)
    assert (code, out) == (2, "")
    assert str(path) in err
    assert said in err


def test_all_problems_at_once(cli, tmp_path: Path) -> None:
    path = scenario(tmp_path / "s.yaml", seed="one", until="soon", speed=3)
    code, _, err = cli("run", path, "--json")
    assert code == 2
    assert err.startswith("Error: the scenario cannot be used\n")
    for key in ("seed", "until", "speed"):
        assert f": {key}: " in err


def test_a_fleet_that_makes_no_sense(cli, small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sim.reducer.errors import FleetError

    def refused(*_: object, **__: object) -> None:
        raise FleetError("channel beta: unknown")

    monkeypatch.setattr(sim, "run", refused)
    code, out, err = cli("run", small)
    assert (code, out) == (2, "")
    assert err.startswith("Error: the fleet cannot be simulated: channel beta: unknown\n")


def test_no_rollout_at_all(cli, tmp_path: Path) -> None:
    artifact = {
        "schemaVersion": 1,
        "hosts": {"a": {"system": "x86_64-linux", "channel": "c"}},
        "channels": {
            "c": {
                "rolloutPolicy": "p",
                "reconcileIntervalMinutes": 30,
                "signingIntervalMinutes": 60,
                "freshnessWindow": 180,
            }
        },
        "rolloutPolicies": {"p": {"strategy": "staged", "waves": [], "onHealthFailure": "halt"}},
    }
    (tmp_path / "fleet.json").write_text(json.dumps(artifact))
    path = scenario(
        tmp_path / "s.yaml", fleet={"resolved": "fleet.json"}, releases=[{"ref": "r", "closures": "declared"}]
    )
    code, out, _ = cli("run", path)
    assert code == 0
    assert out.startswith("made: no rollout opened\n")
    assert "No release has a host to go to" in out
