"""Which real rollout is held against which of a scenario, and in what the two are not alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from sim.experiment import metrics as named
from sim.experiment.errors import ExperimentError
from sim.reducer.artifact import FleetArtifact
from sim.result import Result
from sim.result.words import counted, some
from sim.scenario.schema import Scenario


class Pair(NamedTuple):
    """A real rollout and one of the scenario."""

    real: str
    simulated: str
    channel: str
    """The scenario's."""
    waves: int
    """How many it has in the scenario."""
    hosts: int
    """How many hosts its channel has in the scenario."""

    @property
    def name(self) -> str:
        """Both ids, or the one they share."""
        return self.real if self.real == self.simulated else f"{self.real} (simulated as {self.simulated})"


def match(real: Result, scenario: Scenario, wanted: Sequence[str] | None = None) -> list[Pair]:
    """Pairs of the same id; of what is left, channel by channel, pairs in order of opening. If there are more real ones
    of a channel than the scenario has, the last ones are taken, as the paths of metrics do. In the scenario's order.

    Args:
        wanted: ids of the real rollouts to take; all if None.

    Raises:
        ExperimentError: there is no such rollout, or no pair.
    """
    there: dict[str, str] = {one["rollout_id"]: one["channel"] for one in real.summary["rollouts"] if one["hosts"]}
    unknown = [one for one in wanted or [] if one not in there]
    if unknown:
        raise ExperimentError(f"no real rollout {some(unknown)}; there {_are(list(there))}")
    left = {name: channel for name, channel in there.items() if wanted is None or name in wanted}
    waves = named.waves_of(scenario)
    planned = _planned(scenario, list(waves))
    found = {name: name for name in planned if name in left}
    for channel in waves:
        ours = [name for name, of in planned.items() if of == channel and name not in found]
        theirs = [name for name, of in left.items() if of == channel and name not in found]
        count = min(len(ours), len(theirs))
        found.update(zip(ours[:count], theirs[len(theirs) - count :], strict=True))
    if not found:
        raise ExperimentError(
            f"no rollout to compare: the real ones {_are(list(left))}, and the scenario's {_are(list(planned))}; "
            "give a scenario that releases to the same channels"
        )
    hosts = Counter(host.channel for host in scenario.artifact().hosts.values())
    return [
        Pair(found[name], name, channel, waves[channel], hosts[channel])
        for name, channel in planned.items()
        if name in found
    ]


def unlike(real: Result, scenario: Scenario, pairs: Sequence[Pair], wanted: Sequence[str] | None = None) -> list[str]:
    """What is not alike though it is compared, and what is not compared, a sentence each."""
    rollouts = {one["rollout_id"]: one for one in real.summary["rollouts"]}
    told = [
        f"{one.real} is held against {one.simulated}: no release of the scenario makes a rollout of that id"
        for one in pairs
        if one.real != one.simulated
    ]
    fleet = scenario.artifact()
    for pair in pairs:
        told += _unlike(rollouts[pair.real], pair, fleet)
    ours = {one.simulated for one in pairs}
    theirs = {one.real for one in pairs}
    planned = _planned(scenario, list(named.waves_of(scenario)))
    alone = [name for name in planned if name not in ours]
    others = [name for name in rollouts if name not in theirs and (wanted is None or name in wanted)]
    if others:
        told.append(f"only real, not compared: {some(others)}")
    if alone and wanted is None:
        told.append(f"only simulated, not compared: {some(alone)}")
    return told


def _unlike(rollout: dict[str, Any], pair: Pair, fleet: FleetArtifact) -> list[str]:
    told = []
    if rollout["channel"] != pair.channel:
        told.append(f"{pair.real} is of channel {rollout['channel']}, {pair.simulated} of {pair.channel}")
    if rollout["hosts"] != pair.hosts:
        told.append(
            f"{pair.real} has {counted(rollout['hosts'], 'host')}, the scenario {pair.hosts:,}: compared are shares"
        )
    members = {name for name, host in fleet.hosts.items() if host.channel == pair.channel}
    ours = []
    for wave in fleet.waves.get(pair.channel, []):
        # a host is of the first wave that lists it
        ours.append(len(members.intersection(wave.hosts)))
        members.difference_update(wave.hosts)
    ours = ours or [pair.hosts]
    theirs = [wave["hosts"] for wave in rollout["waves"]]
    if len(ours) != len(theirs):
        told.append(f"{pair.real} has {counted(len(theirs), 'wave')}, the scenario {len(ours)}")
    elif ours != theirs and rollout["hosts"] == pair.hosts:
        told.append(f"the waves of {pair.real} have {_sizes(theirs)} hosts, those of the scenario {_sizes(ours)}")
    return told


def _planned(scenario: Scenario, channels: Sequence[str]) -> dict[str, str]:
    """The rollouts that a scenario opens, by id, with their channels, in order of release."""
    return {
        f"{channel}@{release.ref}": channel
        for release in sorted(scenario.releases, key=lambda release: release.at)
        for channel in channels
        if release.channels is None or channel in release.channels
    }


def _sizes(counts: Sequence[int]) -> str:
    return some([f"{count:,}" for count in counts], 8)


def _are(names: list[str]) -> str:
    return f"are {some(names)}" if len(names) > 1 else f"is {names[0]}" if names else "are none"
