"""A scenario's fleet, compiled once for a run: everything by host number, nothing looked up by name while it runs.

Hosts are numbered in order of name over the whole fleet, so that an order by number is an order by name.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from sim.model.luck import Luck
from sim.reducer.artifact import FleetArtifact
from sim.reducer.manifest import Manifest, project_manifest
from sim.reducer.selectors import Selector, matches
from sim.scenario.distributions import Distribution, Law
from sim.scenario.schema import HostSettings, Probe, Release, Scenario
from sim.scenario.units import quantize

Groups = list[tuple[NDArray[np.intp], Distribution]]


class ChannelRelease(msgspec.Struct):
    """One release on one channel: what each of its hosts gets, and which of them it leaves as they were."""

    channel: str
    release: Release
    manifest: Manifest | None
    closures: dict[int, str]
    unchanged: set[int]
    bad: set[int]
    """Hosts on which the release is defective."""


class Fleet:
    """The compiled fleet of one run.

    Args:
        scenario: the loaded scenario.
        seed, replication: what the draws depend on besides names.
    """

    def __init__(self, scenario: Scenario, seed: int, replication: int):
        self.scenario = scenario
        self.artifact: FleetArtifact = scenario.artifact(seed)
        self.names = sorted(self.artifact.hosts)
        self.numbers = {name: number for number, name in enumerate(self.names)}
        self.hosts = [self.artifact.hosts[name] for name in self.names]
        self.luck = Luck(seed, replication, self.names)
        self._drawn: dict[tuple[str, str], list[float]] = {}
        self.settings, self.setting_of = self._resolve_settings()
        self._members = [np.flatnonzero(self.setting_of == group) for group in range(len(self.settings))]
        self.carriers = [
            np.array(self.matching(probe.match.to_selector() if probe.match else None), dtype=bool)
            for probe in scenario.probes
        ]
        """By declared probe and host number, whether the host has it."""
        self.probes = self._resolve_probes()

    def matching(self, selector: Selector | None) -> list[bool]:
        """Per host, whether the selector matches it; None matches everything."""
        if selector is None or (selector.all and selector.not_ is None and not selector.and_):
            return [True] * len(self.names)
        return [
            matches(selector, name=name, channel=host.channel, tags=host.tags)
            for name, host in zip(self.names, self.hosts, strict=True)
        ]

    def _resolve_settings(self) -> tuple[list[HostSettings], NDArray[np.int32]]:
        hosts = self.scenario.hosts
        settings = [hosts.default]
        group = np.zeros(len(self.names), dtype=np.int32)
        for override in hosts.overrides:
            matched = np.array(self.matching(override.match.to_selector()), dtype=bool) & (group == 0)
            group[matched] = len(settings)
            settings.append(override.over(hosts.default))
        return settings, group

    def _resolve_probes(self) -> list[tuple[Probe, ...]]:
        declared = self.scenario.probes
        if all(matched.all() for matched in self.carriers):
            return [tuple(declared)] * len(self.names)
        shared: dict[tuple[bool, ...], tuple[Probe, ...]] = {}
        columns: list[tuple[Probe, ...]] = []
        for flags in zip(*(matched.tolist() for matched in self.carriers), strict=True):
            probes = shared.get(flags)
            if probes is None:
                probes = shared[flags] = tuple(p for p, flag in zip(declared, flags, strict=True) if flag)
            columns.append(probes)
        return columns

    def groups(self, value: Callable[[HostSettings], Any]) -> Groups:
        """The hosts of each group of settings, with what `value` reads from it."""
        return [
            (members, value(one)) for members, one in zip(self._members, self.settings, strict=True) if len(members)
        ]

    def durations(self, key: str, ref: str = "") -> list[float]:
        """First draws of the host setting `key` (a distribution) for every host and release `ref`, in seconds."""
        column = self._drawn.get((key, ref))
        if column is None:
            groups = self.groups(lambda settings: getattr(settings, key))
            column = self._drawn[key, ref] = self.luck.durations(key, ref, groups)
        return column

    def durations_of_reboot(self, ref: str) -> list[float]:
        """As `durations`, for hosts that reboot after a random time (not never, not in a window)."""
        column = self._drawn.get(("reboot", ref))
        if column is None:
            groups = [(m, d) for m, d in self.groups(lambda one: one.reboot) if isinstance(d, Law)]
            column = self._drawn["reboot", ref] = self.luck.durations("reboot", ref, groups)
        return column

    @cached_property
    def network_delay(self) -> list[float]:
        """Seconds one message takes, per host."""
        return self.durations("network_delay")

    def phase(self, purpose: str, period: float) -> list[float]:
        """Offsets of the agents' first start within `period` (s), per host; zero with `phases: zero`."""
        if self.scenario.control_plane.phases == "zero":
            return [0.0] * len(self.names)
        offsets: list[float] = quantize(self.luck.uniforms(purpose) * period).tolist()
        return offsets

    @cached_property
    def releases(self) -> dict[str, list[ChannelRelease]]:
        """Per channel its releases in the order in which they become the newest: by time, then place in the file."""
        on_channel: dict[str, list[int]] = {}
        for number, host in zip(self.numbers.values(), self.hosts, strict=True):
            on_channel.setdefault(host.channel, []).append(number)
        ordered = sorted(self.scenario.releases, key=lambda release: release.at)
        compiled: dict[str, list[ChannelRelease]] = {}
        for channel in self.artifact.channels:
            members = on_channel.get(channel, [])
            before: dict[int, str] = {}
            for release in ordered:
                if release.channels is not None and channel not in release.channels:
                    continue
                one = self._compile_release(channel, members, release, before)
                before = {**before, **one.closures}
                compiled.setdefault(channel, []).append(one)
        return compiled

    def _compile_release(
        self, channel: str, members: list[int], release: Release, before: dict[int, str]
    ) -> ChannelRelease:
        ref, names = release.ref, self.names
        if release.closures == "declared":
            closures = {n: declared for n in members if (declared := self.hosts[n].closure_hash)}
        elif release.closures == "shared":
            closures = dict.fromkeys(members, f"closure-{ref}")
        else:
            closures = {n: f"closure-{ref}-{names[n]}" for n in members}
        kept: set[int] = set()
        if release.unchanged > 0.0:
            kept = {n for n in closures if self.luck.first("unchanged", n, ref) < release.unchanged}
            for n in kept:
                # before the first release there is nothing to keep: such a host runs the release's closure from the
                # start
                closures[n] = before.get(n, closures[n])
        unchanged = kept | {n for n, closure in closures.items() if before.get(n) == closure}
        bad: set[int] = set()
        if release.defect is not None:
            matched = self.matching(release.defect.match.to_selector() if release.defect.match else None)
            probability, first = release.defect.probability, self.luck.first
            bad = {n for n in closures if matched[n] and first("defect", n, ref) < probability and n not in unchanged}
        manifest = project_manifest(self.artifact, channel, ref, {names[n]: closure for n, closure in closures.items()})
        return ChannelRelease(channel, release, manifest, closures, unchanged, bad)

    def initial_closures(self) -> list[str]:
        """What each host runs before the first release: a closure of its own, or the release's where it is
        unchanged."""
        initial = [f"before-{name}" for name in self.names]
        for releases in self.releases.values():
            first = releases[0]
            for number in first.unchanged:
                initial[number] = first.closures[number]
        return initial
