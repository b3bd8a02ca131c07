"""The scenarios that come with the project show what they say, and the numbers in their comments are those of the
run."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import pandas as pd
import pytest
import yaml

import sim
from bench.ratios import canary
from sim.reducer.artifact import FleetArtifact
from sim.result import Result
from sim.result.words import duration
from sim.scenario.lints import Lint, lint_file, lint_scenario
from sim.scenario.schema import json_schema
from sim.scenario.starter import starter
from sim.scenario.write import plain

ROOT = Path(__file__).parents[2]
SCENARIOS = ROOT / "scenarios"
NAMES = sorted(path.stem for path in SCENARIOS.glob("*.yaml"))
ARTIFACTS = sorted((ROOT.parent / "shared" / "fleets").glob("*.json"))
SCHEMA_LINE = "# yaml-language-server: $schema=../scenario.schema.json"

PER_HOST = "releases.0.closures=per-host"
BROKEN_BETA = "releases.0.defect={match: {channel: beta}, probability: 0.1}"
ONLY_OFFICE = "fleet.generate.policies.canary-first.waves.0.selector={and: [{tags: [canary]}, {channel: office}]}"
SMALLER = ("fleet.generate.channels.stable.hosts=2000", "fleet.generate.disruption_budgets.0.max_in_flight=100")


def path_of(name: str) -> Path:
    return SCENARIOS / f"{name}.yaml"


@cache
def run(name: str, *settings: str) -> Result:
    """A run of a scenario with settings as after --set; the same run is made once."""
    return sim.run(sim.load(path_of(name), dict(setting.split("=", 1) for setting in settings)))


def rollouts(result: Result) -> dict[str, dict[str, Any]]:
    return {rollout["rollout_id"]: rollout for rollout in result.summary["rollouts"]}


def only_rollout(result: Result) -> dict[str, Any]:
    [rollout] = result.summary["rollouts"]
    return dict(rollout)


def states(rollout: dict[str, Any]) -> dict[str, int]:
    return {state: hosts for state, hosts in rollout["states"].items() if hosts}


def waiting(rollout: dict[str, Any]) -> dict[str, tuple[int, list[str]]]:
    """What a stalled rollout waits for: by gate the hosts it holds and the culprits."""
    assert rollout["stalled"] is not None
    return {one["gate"]: (one["hosts"], one["culprits"]) for one in rollout["stalled"]["waiting_for"]}


def took(result: Result) -> str:
    """When the last rollout finished, as `run` says it."""
    return duration(max(rollout["terminal_at_s"] for rollout in result.summary["rollouts"]))


def had_it(result: Result) -> int:
    """Hosts that began to activate a release."""
    return int(result.hosts["activating_at"].notna().sum())


def with_tag(result: Result, tag: str) -> pd.Series:
    fleet: FleetArtifact = result.scenario.artifact()
    return result.hosts["host"].map(lambda name: tag in fleet.hosts[name].tags).astype(bool)


def soaking(result: Result) -> dict[tuple[str, int], tuple[float, float]]:
    """By channel and wave the median and the longest soak of a host, in seconds."""
    found = result.hosts.groupby(["channel", "wave"], observed=True)["soaking_s"].agg(["median", "max"])
    return {(str(channel), int(wave)): (row["median"], row["max"]) for (channel, wave), row in found.iterrows()}


def comment(name: str) -> list[str]:
    """The lines of a scenario's opening comment below the schema line, without the hashes."""
    lines = path_of(name).read_text().splitlines()[1:]
    until = next(number for number, line in enumerate(lines) if not line.startswith("#"))
    return [line[1:] for line in lines[:until]]


def said(name: str) -> str:
    """The opening comment on one line."""
    return " ".join(" ".join(comment(name)).split())


def commands(name: str) -> list[list[str]]:
    """The commands that the comment gives, as a shell would split them."""
    script = "\n".join(line.strip() for line in comment(name)).replace("\\\n", " ")
    lines = [line for line in script.splitlines() if line.startswith("nixfleet-sim ")]
    return [shlex.split(line.partition(" | ")[0], comments=True) for line in lines]


# -- all of them


def test_there_are_the_scenarios_that_the_readme_names() -> None:
    assert set(NAMES) >= {
        "bad-release",
        "canary-10k",
        "channel-chain",
        "deferred-kernel",
        "flaky-probes",
        "hundred-thousand",
        "laptops",
        "quickstart",
        "stalled",
        "superseded",
    }


@pytest.mark.parametrize("name", NAMES)
def test_opens_with_a_comment_and_loads(name: str) -> None:
    text = path_of(name).read_text()
    assert text.splitlines()[0] == SCHEMA_LINE
    assert len(said(name)) > 200
    assert max(map(len, text.splitlines())) <= 120
    scenario = sim.load(path_of(name))
    assert scenario.name == name
    assert scenario.description and "\n" not in scenario.description


@pytest.mark.parametrize("name", NAMES)
def test_an_editor_with_the_schema_has_nothing_to_say(name: str) -> None:
    jsonschema.validate(yaml.safe_load(path_of(name).read_text()), json_schema())


@pytest.mark.parametrize("name", NAMES)
def test_the_commands_in_the_comment_are_right(name: str) -> None:
    given = commands(name)
    assert ["nixfleet-sim", "run", f"scenarios/{name}.yaml"] in given
    for command in given:
        assert command[1] in ("run", "check")
        assert command[2] == f"scenarios/{name}.yaml"
        options = iter(command[3:])
        settings = []
        for option in options:
            if option == "--set":
                settings.append(next(options))
            elif option == "--out":
                next(options)
            else:
                assert option == "--json"
        sim.load(path_of(name), dict(setting.split("=", 1) for setting in settings))


@pytest.mark.parametrize("name", NAMES)
def test_has_no_lint_that_it_does_not_mean(name: str) -> None:
    kind, lints = lint_file(path_of(name))
    assert kind == "scenario"
    assert [lint for lint in lints if lint.severity == "error"] == []
    places = [lint.place for lint in lints]
    expected = {"canary-10k": ["waves.stable[1]", "waves.stable[2]"], "stalled": ["waves.office[0]"]}
    assert places == expected.get(name, [])


def test_the_demo_artifact_has_no_lint_but_that_ci_has_not_built_it() -> None:
    kind, lints = lint_file(SCENARIOS / "fleets" / "demo.resolved.json")
    assert kind == "artifact"
    [lint] = lints
    assert (lint.severity, lint.place) == ("warning", "hosts")
    assert "closureHash" in lint.text


# -- the point of each


def test_quickstart_goes_from_channel_to_channel() -> None:
    result = run("quickstart")
    found = rollouts(result)
    assert list(found) == ["edge@r1", "infra@r1", "stable@r1"]
    assert {rollout["state"] for rollout in found.values()} == {"Terminal"}
    assert all(set(states(rollout)) == {"Converged"} for rollout in found.values())
    edge, infra, stable = found.values()
    first_dispatch = [rollout["waves"][0]["first_dispatch_at_s"] for rollout in (edge, infra, stable)]
    assert first_dispatch[0] < edge["terminal_at_s"] < first_dispatch[1]
    assert first_dispatch[1] < infra["terminal_at_s"] < first_dispatch[2] < stable["terminal_at_s"]
    assert f"held back for {first_dispatch[2] / 60:.0f} minutes" in said("quickstart")
    assert f"still done in {took(result)}." in said("quickstart")
    assert f"With the switch it takes {took(run('quickstart', 'rules.soak_from=activation'))}." in said("quickstart")


def test_quickstart_shows_every_gate_that_orders_hosts() -> None:
    result = run("quickstart")
    held = set(result.gates[["rollout_id", "gate"]].astype(str).itertuples(index=False, name=None))
    assert {
        ("edge@r1", "wave-promotion"),
        ("infra@r1", "channel-edges"),
        ("infra@r1", "host-edge"),
        ("infra@r1", "disruption-budget"),
        ("stable@r1", "channel-edges"),
        ("stable@r1", "wave-promotion"),
        ("stable@r1", "disruption-budget"),
    } <= held
    last = rollouts(result)["stable@r1"]["waves"][-1]
    assert round(last["converged_at_s"] / 60 - 90) == 5
    web = result.hosts.loc[result.hosts["host"].isin([f"web-{number}" for number in range(2, 6)]), "activating_at"]
    assert last["hosts"] == 4
    assert sorted(web.round().value_counts()) == [2, 2]


def test_the_demo_ends_well_and_says_so() -> None:
    command = [sys.executable, "-m", "sim.cli", "run", "scenarios/quickstart.yaml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("quickstart: all 3 rollouts finished")
    assert done.stderr == ""


def test_canary_is_the_one_that_the_speed_is_measured_on() -> None:
    ours, measured = plain(sim.load(path_of("canary-10k"))), plain(canary(10_000))
    for key in ("name", "description"):
        ours.pop(key), measured.pop(key)
    assert ours == measured


def test_canary_soaks_in_its_first_wave_only() -> None:
    result = run("canary-10k")
    rollout = only_rollout(result)
    assert rollout["state"] == "Terminal"
    assert [wave["hosts"] for wave in rollout["waves"]] == [100, 900, 9000]
    soaks = soaking(result)
    assert f"about {soaks['stable', 0][0] / 60:.0f} minutes in wave 0" in said("canary-10k")
    assert soaks["stable", 1][1] < 5 and soaks["stable", 2][1] < 5
    soaked = run("canary-10k", "rules.soak_from=activation")
    assert f"# {took(soaked)}, not {took(result)}" in said("canary-10k")
    assert soaking(soaked)["stable", 2][0] >= 600


def test_strict_ordering_makes_every_wave_slower() -> None:
    counted, strict = run("deferred-kernel"), run("deferred-kernel", "rules.deferred=strict")
    deferred = counted.hosts["deferred_at"].notna()
    assert 0.28 < deferred.mean() < 0.38
    assert (only_rollout(counted)["state"], only_rollout(strict)["state"]) == ("Terminal", "Terminal")
    for quick, slow in zip(only_rollout(counted)["waves"], only_rollout(strict)["waves"], strict=True):
        assert slow["eligible_per_h"] < quick["eligible_per_h"] / 10
        assert slow["converged_per_h"] < 0.9 * quick["converged_per_h"]
    assert f"all waves are open after {counted.waves['opened_at'].max() / 60:.0f} minutes" in said("deferred-kernel")
    assert round(only_rollout(counted)["terminal_at_s"] / 86_400) == 1
    assert round(only_rollout(strict)["terminal_at_s"] / 86_400) == 5
    assert (counted.waves["deferred_at_promotion"].dropna() > 0).all()
    assert (strict.waves["deferred_at_promotion"].dropna() == 0).all()


def test_one_false_alarm_holds_the_later_waves() -> None:
    rollout = only_rollout(run("flaky-probes"))
    assert rollout["current_wave"] == 1
    hosts, culprits = waiting(rollout)["compliance-wave"]
    assert f"`compliance-wave holds {hosts} hosts`" in said("flaky-probes")
    assert culprits
    failed = run("flaky-probes").hosts.query("probe_fails > 0")
    assert set(culprits) == set(failed["host"])
    assert set(failed["wave"]) == {0}
    assert set(failed["state"]) == {"Converged"}


def test_without_memory_for_failures_a_sound_release_converges() -> None:
    latest = run("flaky-probes", "rules.compliance_wave=latest")
    rollout = only_rollout(latest)
    hosts, culprits = waiting(rollout)["Reverted"]
    assert (hosts, rollout["states"]["Reverted"]) == (4, 4)
    assert "four hosts are rolled back for two failures" in said("flaky-probes")
    reverted = latest.hosts[latest.hosts["host"].isin(culprits)]
    assert set(reverted["probe_fails"]) == {2}
    assert (reverted["failed_at"] - reverted["soaking_at"] > 120).all()
    sound = run("flaky-probes", "rules.compliance_wave=latest", "rules.failure_clock=sustained")
    assert states(only_rollout(sound)) == {"Converged": 500}
    assert sound.hosts["probe_fails"].sum() > 4


def test_a_bad_release_is_caught_before_its_last_wave() -> None:
    result = run("bad-release")
    rollout = only_rollout(result)
    assert rollout["state"] == "Failed"
    assert rollout["waves"][2]["first_dispatch_at_s"] is None
    assert f"{had_it(result)} of {rollout['hosts']} hosts had the release" in said("bad-release")
    assert f", {rollout['states']['Reverted']} of them failed and were rolled back" in said("bad-release")
    hosts, culprits = waiting(rollout)["quarantine"]
    assert f"`quarantine holds {hosts} hosts`" in said("bad-release")
    assert len(culprits) == 1
    bad = with_tag(result, "gpu")
    assert not bad[result.hosts["wave"] == 0].any()
    assert set(result.hosts.loc[result.hosts["failed_at"].notna(), "wave"]) == {1}
    assert bad[result.hosts["failed_at"].notna()].all()


@pytest.mark.parametrize("setting", [PER_HOST, "rules.quarantine=recorded"])
def test_without_quarantine_the_whole_wave_has_the_bad_release(setting: str) -> None:
    result = run("bad-release", setting)
    rollout = only_rollout(result)
    assert rollout["state"] == "Failed"
    assert rollout["waves"][2]["first_dispatch_at_s"] is None
    assert f"all of wave 1 gets the release: {had_it(result)} hosts." in said("bad-release")
    missed = (result.hosts["state"] == "Converged") & with_tag(result, "gpu")
    assert f"{missed.sum()} broken hosts converge" in said("bad-release")
    missed_hosts = result.hosts[missed]
    assert (missed_hosts["activating_at"] > 3600).all() and (missed_hosts["soaking_s"] < 5).all()
    assert set(waiting(rollout)) == {"wave-promotion"}


def test_waves_wait_for_the_most_absent_laptop() -> None:
    result = run("laptops")
    rollout = only_rollout(result)
    assert states(rollout) == {"Converged": 400}
    assert 0.75 < with_tag(result, "laptop").mean() < 0.85
    assert [wave["hosts"] for wave in rollout["waves"]] == [20, 80, 300]
    assert 2.5 < rollout["waves"][2]["opened_at_s"] / 86_400 < 3
    reached = {share: f"{at / 3600:.0f}" for share, at in rollout["time_to_converged_s"].items()}
    assert f"half of the fleet needs {reached['p50']} hours, the last host {reached['p100']}." in said("laptops")
    for wave, hosts in result.hosts.groupby("wave"):
        slowest = hosts.loc[hosts["converged_at"].idxmax(), "host"]
        assert "laptop" in result.scenario.artifact().hosts[slowest].tags, wave
    assert result.summary["load"]["dispatches_requeued"] > 100 * result.summary["load"]["dispatches_queued"]
    at_once = only_rollout(run("laptops", "fleet.generate.policies.staged.waves=[]"))
    assert f"# half is done in {at_once['time_to_converged_s']['p50'] / 3600:.0f} hour" in said("laptops")
    online = only_rollout(run("laptops", "hosts.overrides.0.online=always"))
    assert f"# all is done in {online['terminal_at_s'] / 3600:.0f}" in said("laptops")


def test_a_superseded_release_is_neither_spread_nor_taken_back() -> None:
    result = run("superseded")
    old, new = rollouts(result).values()
    assert (old["state"], new["state"]) == ("Superseded", "Terminal")
    assert states(old) == {"Pending": 300, "Converged": 300}
    assert states(new) == {"Converged": 600}
    assert "300 hosts converge on a release that is already obsolete, and the 300 of its" in said("superseded")
    transitions = result.transitions[result.transitions["rollout_id"] == old["rollout_id"]]
    later = transitions[transitions["at"] > new["opened_at_s"]]
    assert "Activating" not in set(later["to"])
    assert f"{(later['to'] == 'Soaking').sum()} of its hosts even finish activating" in said("superseded")
    assert (later["to"] == "Converged").sum() > 200


def test_a_later_release_lets_the_first_finish() -> None:
    old, new = rollouts(run("superseded", "releases.1.at=3h")).values()
    assert (old["state"], states(old)) == ("Superseded", {"Converged": 600})
    assert old["terminal_at_s"] < new["opened_at_s"] < new["terminal_at_s"]


def test_a_chain_of_channels_orders_without_soaking() -> None:
    result = run("channel-chain")
    found = rollouts(result)
    assert [rollout["channel"] for rollout in found.values()] == ["alpha", "beta", "gamma", "stable"]
    assert {rollout["state"] for rollout in found.values()} == {"Terminal"}
    assert {rollout["opened_at_s"] for rollout in found.values()} == {0.0}
    ends = [rollout["terminal_at_s"] for rollout in found.values()]
    starts = [rollout["waves"][0]["first_dispatch_at_s"] for rollout in found.values()]
    assert all(end < start for end, start in zip(ends, starts[1:], strict=False))
    assert all(later - earlier < 20 * 60 for earlier, later in pairwise(ends))
    soaks = soaking(result)
    assert f"about {soaks.pop(('alpha', 0))[0] / 60:.0f} minutes for half of alpha" in said("channel-chain")
    assert all(longest <= 5 for _, longest in soaks.values())
    assert set(result.gates.loc[result.gates["gate"] == "channel-edges", "hosts"]) == {40, 60, 360}
    soaked = run("channel-chain", "rules.soak_from=dispatch")
    assert f"# {took(soaked)}, each with its own soak" in said("channel-chain")


def test_a_failed_channel_holds_those_behind_it() -> None:
    alpha, beta, gamma, stable = rollouts(run("channel-chain", BROKEN_BETA)).values()
    assert (alpha["state"], beta["state"]) == ("Terminal", "Failed")
    assert 0 < beta["states"]["Reverted"] < 10
    assert waiting(gamma) == {"channel-edges": (60, ["beta"])}
    assert waiting(stable) == {"channel-edges": (400, ["gamma"])}


def test_the_lint_names_what_the_stall_waits_for() -> None:
    [lint] = lint_scenario(sim.load(path_of("stalled")))
    lab, office = rollouts(run("stalled")).values()
    assert lab["state"] == "Terminal"
    gates = waiting(office)
    assert set(gates) == {"wave-promotion"}
    assert predicts(lint, office)
    assert named(lint.text) == gates["wave-promotion"][1] == ["lab-00000", "lab-00001"]
    assert run("stalled").summary["end"] == "quiescent"


def test_a_selector_that_says_what_it_means_ends_the_stall() -> None:
    assert lint_scenario(sim.load(path_of("stalled"), dict([ONLY_OFFICE.split("=", 1)]))) == []
    found = rollouts(run("stalled", ONLY_OFFICE))
    assert {rollout["state"] for rollout in found.values()} == {"Terminal"}


def test_a_large_fleet_in_small() -> None:
    result = run("hundred-thousand", *SMALLER)
    rollout = only_rollout(result)
    assert states(rollout) == {"Converged": 2000}
    assert [wave["hosts"] for wave in rollout["waves"]] == [2, 18, 180, 1800]
    held = result.gates[result.gates["gate"] == "disruption-budget"]
    assert list(held["wave"]) == [2, 3]
    in_flight = result.timeline["Activating"] + result.timeline["Soaking"]
    assert in_flight.max() == 100


@pytest.mark.slow
def test_a_large_fleet() -> None:
    result = run("hundred-thousand")
    rollout, load, events = only_rollout(result), result.summary["load"], result.summary["events"]
    assert states(rollout) == {"Converged": 100_000}
    text = said("hundred-thousand")
    assert f"{load['heartbeats'] / 1e6:.0f} million heartbeats" in text
    assert f"{load['event_log_rows'] / 1e6:.0f} million rows of event log" in text
    assert f"{load['wakeups'] / 1e9:.1f} billion wake-ups" in text
    assert f"{events['simulated'] / 1e3:.0f} thousand events simulated" in text
    assert f"{events['skipped'] / 1e6:.0f} million skipped" in text
    reached = rollout["time_to_converged_s"]
    assert f"99 % of the hosts after {duration(reached['p99'])}, the last after {duration(reached['p100'])}" in text
    assert list(result.gates.loc[result.gates["gate"] == "disruption-budget", "wave"]) == [2, 3]


# -- artifacts of real fleets, where there are some beside the project


def named(text: str) -> list[str]:
    """The hosts that a lint's text lists."""
    found = re.search(r"^(?:lists )?(.*?)(?:,? of another channel| in none of the waves|, which|, without)", text)
    assert found is not None
    return found[1].split(", ")


def predicts(lint: Lint, rollout: dict[str, Any]) -> bool:
    """Whether a lint says of the rollout's waves what the rollout waits for."""
    gates = waiting(rollout)
    if lint.place == f"waves.{rollout['channel']}[{rollout['stalled']['wave']}]" and "stalls" in lint.text:
        return "wave-promotion" in gates
    if lint.place == f"waves.{rollout['channel']}" and "never dispatched" in lint.text:
        return "wave-promotion-host-unstaged" in gates
    return False


@pytest.mark.parametrize("artifact", ARTIFACTS, ids=lambda path: path.name.split(".")[0])
def test_a_real_artifact_finishes_or_stalls_as_its_lints_say(artifact: Path, tmp_path: Path) -> None:
    target = tmp_path / "scenario.yaml"
    target.write_text(starter(artifact, target))
    scenario = sim.load(target)
    lints = lint_scenario(scenario)
    found = sim.run(scenario).summary["rollouts"]
    assert {rollout["channel"] for rollout in found} == set(scenario.artifact().channels)
    unfinished = {rollout["channel"] for rollout in found if rollout["state"] != "Terminal"}
    for rollout in found:
        if rollout["channel"] in unfinished:
            behind = set(waiting(rollout).get("channel-edges", (0, []))[1])
            assert behind <= unfinished
            assert behind or any(predicts(lint, rollout) for lint in lints)
