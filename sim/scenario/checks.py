"""What is wrong between the sections of a scenario: each is fine by itself, but one names what another lacks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from sim.reducer.artifact import FleetArtifact
from sim.scenario.generate import host_names
from sim.scenario.problems import Path
from sim.scenario.schema import MOST_HOSTS, GeneratedChannel
from sim.scenario.units import shown

Finding = tuple[Path, str]


def check_releases(channels: Sequence[str] | None, probes: Sequence[str], releases: object) -> Iterator[Finding]:
    """The places of releases that name what is not there, or what is there already, with what was expected.

    Args:
        channels: the names that the fleet gives; None where they cannot be told.
        releases: as the file has them; what is wrong with one by itself is none of this.
    """
    refs: dict[tuple[str, str], int] = {}
    for number, release in enumerate(_entries(releases)):
        named = release.get("channels")
        given = named if isinstance(named, list) else []
        for place, channel in enumerate(given):
            if isinstance(channel, str) and channels is not None and channel not in channels:
                said = f"expected a channel of the fleet, {meant(channel, channels)}"
                yield ("releases", number, "channels", place), said
        ref = release.get("ref")
        for channel in (channels or []) if named is None else given:
            if not isinstance(ref, str) or not isinstance(channel, str):
                continue
            first = refs.setdefault((channel, ref), number)
            if first != number:
                said = f"expected a ref new to channel {channel}; release {first} gave it {shown(ref)} already"
                yield ("releases", number, "ref"), said
                break
        defect = release.get("defect")
        probe = defect.get("probe") if isinstance(defect, dict) else None
        if isinstance(probe, str) and probe not in probes:
            yield ("releases", number, "defect", "probe"), f"expected the name of a probe, {meant(probe, probes)}"


def check_probes(probes: object) -> Iterator[Finding]:
    """Probes called like one before them."""
    first: dict[str, int] = {}
    for number, probe in enumerate(_entries(probes)):
        name = probe.get("name")
        if isinstance(name, str) and first.setdefault(name, number) != number:
            said = f"expected a name of its own; probe {first[name]} is called {shown(name)}, too"
            yield ("probes", number, "name"), said


def names_of(probes: object) -> list[str]:
    """The names of the probes that have one."""
    names = (probe.get("name") for probe in _entries(probes))
    return [name for name in names if isinstance(name, str)]


def _entries(values: object) -> list[dict[str, Any]]:
    """The entries of a list; an empty one for what is none."""
    return [entry if isinstance(entry, dict) else {} for entry in values] if isinstance(values, list) else []


def check_artifact(artifact: FleetArtifact) -> Iterator[Finding]:
    """Channels of an artifact that cannot be rolled out."""
    for channel, declared in artifact.channels.items():
        if declared.rollout_policy not in artifact.rollout_policies:
            message = f"its channel {channel} has the unknown policy {shown(declared.rollout_policy)}"
            yield ("fleet", "resolved"), message


def check_policies(channels: Mapping[str, object], policies: Sequence[str]) -> Iterator[Finding]:
    """Channels to generate, as the file has them, whose policy is not there."""
    for channel, declared in channels.items():
        policy = declared.get("policy") if isinstance(declared, dict) else None
        if isinstance(policy, str) and policy not in policies:
            place = ("fleet", "generate", "channels", channel, "policy")
            yield place, f"expected one of the policies, {meant(policy, policies)}"


def check_names(channels: Mapping[str, GeneratedChannel]) -> Iterator[Finding]:
    """Channels to generate whose hosts are called like others."""
    if sum(declared.hosts for declared in channels.values()) > MOST_HOSTS:
        return  # told already, and too many to look at
    taken: dict[str, str] = {}
    for channel, declared in channels.items():
        for name in host_names(channel, declared):
            if name in taken:
                message = f"expected a name for every host; {shown(name)} is one of channel {taken[name]} already"
                yield ("fleet", "generate", "channels", channel, "name"), message
                break
            taken[name] = channel


def meant(word: str, known: Sequence[str]) -> str:
    """`got 'x'; did you mean 'y'?`, or what there is where nothing is near."""
    near = get_close_matches(word[:200], known, n=1, cutoff=0.6)
    if near:
        return f"got {shown(word)}; did you mean {shown(near[0])}?"
    if not known:
        return f"got {shown(word)}; there are none"
    return f"got {shown(word)}; there are {', '.join(known[:8])}{', …' if len(known) > 8 else ''}"
