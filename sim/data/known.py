"""What is known of the fleet behind a log: from the scenario it was run with, a scenario like it, or the log alone."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from sim.data.log import EventLog, LogError, Simulation
from sim.data.passes import Passes
from sim.data.rebuild import Fleet, Rebuilder
from sim.model.fleet import Fleet as CompiledFleet
from sim.model.recording import Recording
from sim.scenario.loader import load
from sim.scenario.problems import ScenarioError
from sim.scenario.schema import Scenario
from sim.scenario.write import ARTIFACT, to_yaml

SCENARIO = "scenario.yaml"
UNNAMED = "?"
"""In place of a name that a damaged log has lost."""


def scenario_of(log: EventLog) -> Scenario | None:
    """The scenario of the run that a log was exported from; None for a real log.

    Raises:
        LogError: what the log holds of it cannot be used.
    """
    if log.simulation is None:
        return None
    files = {name: log.simulation.scenario[name] for name in (SCENARIO, ARTIFACT) if name in log.simulation.scenario}
    return _loaded(files, "the scenario in the log").model_copy(update={"seed": log.simulation.seed})


def fleet_of(scenario: Scenario, simulation: Simulation | None) -> Fleet:
    """The fleet of a scenario; with `simulation`, as it was in that run."""
    artifact = scenario.artifact()
    waves = {channel: [list(wave.hosts) for wave in artifact.waves.get(channel, [])] for channel in artifact.channels}
    fleet = Fleet(hosts=sorted(artifact.hosts), waves=waves)
    if scenario.rules.deferred == "strict":
        fleet.eligible = frozenset({"Converged"})
    if simulation is None:
        return fleet
    compiled = CompiledFleet(scenario, simulation.seed, simulation.replication)
    fleet.hosts = compiled.names
    fleet.passes = Passes(scenario.control_plane.manifest_poll, scenario.control_plane.plan_tick)
    fleet.agents_time = True
    fleet.unchanged = {
        f"{channel}@{one.release.ref}": {compiled.names[number] for number in one.unchanged}
        for channel, releases in compiled.releases.items()
        for one in releases
    }
    return fleet


def scenario_from(rebuilder: Rebuilder, recording: Recording, name: str) -> Scenario:
    """The least that a log says of a scenario: hosts, channels, waves and soaks as they show, and the releases.

    It stands for what happened in tables and pages; it is not what would happen again: how long things take, probes,
    budgets and edges are not in it.
    """
    names = recording.host_names
    minutes = ("reconcileIntervalMinutes", "signingIntervalMinutes", "freshnessWindow")
    channels, policies, waves = {}, {}, {}
    channel_of: dict[str, str] = {}
    releases: dict[tuple[str, str], dict[str, Any]] = {}
    for followed, log in zip(rebuilder.rollouts.values(), recording.rollouts, strict=True):
        channel, ref = log.channel.strip() or UNNAMED, log.ref.strip() or UNNAMED
        releases.setdefault((channel, ref), {"at": max(log.opened_at, 0.0), "ref": ref, "channels": [channel]})
        members = [[names[host] for host in log.hosts[log.wave == wave]] for wave in range(log.wave_count)]
        soaks = [followed.soak_minutes.get(wave, 0.0) for wave in range(log.wave_count)]
        waves[channel] = [{"hosts": hosts, "soakMinutes": soak} for hosts, soak in zip(members, soaks, strict=True)]
        declared = [
            {"selector": {"hosts": hosts}, "soakMinutes": soak} for hosts, soak in zip(members, soaks, strict=True)
        ]
        policies[channel] = {"strategy": "staged", "waves": declared, "onHealthFailure": followed.on_health_failure}
        channels[channel] = {"rolloutPolicy": channel, **dict.fromkeys(minutes, 0)}
        channel_of |= {names[host]: channel for host in log.hosts}
    artifact = {
        "schemaVersion": 1,
        "hosts": {host: {"system": "unknown", "channel": channel} for host, channel in channel_of.items()},
        "channels": channels,
        "rolloutPolicies": policies,
        "waves": waves,
    }
    data = {
        "name": name,
        "description": "what happened, as an event log tells it; settings that are not in a log are defaults",
        "until": float(np.ceil(recording.ended_at)),
        "fleet": {"resolved": ARTIFACT},
        "releases": list(releases.values()),
    }
    return _loaded({SCENARIO: to_yaml(data), ARTIFACT: json.dumps(artifact)}, "what the log says of the fleet")


def _loaded(files: dict[str, str], what: str) -> Scenario:
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            (Path(folder) / name).write_text(text, encoding="utf-8")
        try:
            return load(Path(folder) / SCENARIO)
        except ScenarioError as error:
            said = "; ".join(f"{one.path}: {one.message}" if one.path else one.message for one in error.problems)
            raise LogError(f"{what} cannot be used: {said.replace(f'{folder}/', '')}") from error
