"""What is wrong between the sections of a scenario: each is fine by itself, but one names what another lacks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches

from sim.reducer.artifact import FleetArtifact
from sim.scenario.generate import host_names
from sim.scenario.problems import Path
from sim.scenario.schema import MOST_HOSTS, GeneratedChannel, Release
from sim.scenario.units import shown

Finding = tuple[Path, str]


def cross_check(
    channels: Sequence[str] | None, probes: Sequence[str] | None, releases: Sequence[Release | None]
) -> Iterator[Finding]:
    """The places of releases that name what is not there, or what is there already, with what was expected.

    Args:
        channels, probes: the names that the fleet and the probes give; None where they cannot be told.
        releases: None stands for one that is wrong by itself.
    """
    refs: dict[tuple[str, str], int] = {}
    for number, release in enumerate(releases):
        if release is None:
            continue
        for place, channel in enumerate(release.channels or []):
            if channels is not None and channel not in channels:
                said = f"expected a channel of the fleet, {meant(channel, channels)}"
                yield ("releases", number, "channels", place), said
        for channel in (channels or []) if release.channels is None else release.channels:
            first = refs.setdefault((channel, release.ref), number)
            if first != number:
                said = f"expected a ref new to channel {channel}; release {first} gave it {shown(release.ref)} already"
                yield ("releases", number, "ref"), said
                break
        probe = release.defect.probe if release.defect else None
        if probe is not None and probes is not None and probe not in probes:
            yield ("releases", number, "defect", "probe"), f"expected the name of a probe, {meant(probe, probes)}"


def same_names(names: Sequence[str | None]) -> Iterator[Finding]:
    """Probes called like one before them; None is one without a name."""
    first: dict[str, int] = {}
    for number, name in enumerate(names):
        if name is not None and first.setdefault(name, number) != number:
            yield (
                ("probes", number, "name"),
                f"expected a name of its own; probe {first[name]} is called {shown(name)}, too",
            )


def check_artifact(artifact: FleetArtifact) -> Iterator[Finding]:
    """Channels of an artifact that cannot be rolled out."""
    for channel, declared in artifact.channels.items():
        if declared.rollout_policy not in artifact.rollout_policies:
            message = f"its channel {channel} has the unknown policy {shown(declared.rollout_policy)}"
            yield ("fleet", "resolved"), message


def check_generated(channels: Mapping[str, GeneratedChannel], policies: Sequence[str]) -> Iterator[Finding]:
    """Channels to generate whose policy is not there, or whose hosts are called like others."""
    taken: dict[str, str] = {}
    fits = sum(of.hosts for of in channels.values()) <= MOST_HOSTS  # told already if not
    for channel, of in channels.items():
        place = ("fleet", "generate", "channels", channel)
        if of.policy not in policies:
            yield (*place, "policy"), f"expected one of the policies, {meant(of.policy, policies)}"
        if not fits:
            continue
        for name in host_names(channel, of):
            if name in taken:
                message = f"expected a name for every host; {shown(name)} is one of channel {taken[name]} already"
                yield (*place, "name"), message
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
