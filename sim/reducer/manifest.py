"""What a release of a fleet means for one channel: the rollout manifest (spec page 6, Projection)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from sim.reducer.artifact import FleetArtifact
from sim.reducer.errors import FleetError
from sim.reducer.selectors import Selector, matches_plain, plain, selector_to_json


class ManifestHost(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """A host of the rollout, the wave it is in, and what it is to run."""

    hostname: str
    wave_index: int
    target_closure: str


class ManifestBudget(msgspec.Struct, frozen=True, rename="camel"):
    """A disruption budget resolved to host names, over the whole fleet, sorted."""

    selector: Selector
    hosts: list[str]
    max_in_flight: int | None = None
    max_in_flight_pct: float | None = None


class Manifest(msgspec.Struct, frozen=True, rename="camel"):
    """One channel's rollout of one release; hosts in order of name."""

    channel: str
    channel_ref: str
    display_name: str
    host_set: list[ManifestHost]
    disruption_budgets: list[ManifestBudget] = []

    @property
    def rollout_id(self) -> str:
        """`"{channel}@{channel_ref}"`."""
        return f"{self.channel}@{self.channel_ref}"


def project_manifest(
    fleet: FleetArtifact, channel: str, ci_commit: str | None, closures: Mapping[str, str] | None = None
) -> Manifest | None:
    """The manifest of `channel` for the release `ci_commit`, None if no host of the channel has a closure.

    Args:
        closures: if given, what each host is to run in place of the artifact's closures; a host it lacks has
        none.

    Raises:
        FleetError: unknown channel, or the channel's policy is unknown.
    """
    declared = fleet.channels.get(channel)
    if declared is None:
        raise FleetError(f"channels: unknown channel {channel!r}")
    if declared.rollout_policy not in fleet.rollout_policies:
        raise FleetError(f"channels.{channel}.rolloutPolicy: unknown policy {declared.rollout_policy!r}")
    wave_of: dict[str, int] = {}
    for index, wave in enumerate(fleet.waves.get(channel, [])):
        for name in wave.hosts:
            wave_of.setdefault(name, index)
    host_set = []
    for name, host in fleet.hosts.items():
        if host.channel != channel:
            continue
        closure = host.closure_hash if closures is None else closures.get(name)
        if closure is not None:
            host_set.append(ManifestHost(name, wave_of.get(name, 0), closure))
    if not host_set:
        return None
    host_set.sort(key=lambda host: host.hostname)
    ref = ci_commit or ""
    return Manifest(channel, ref, f"{channel}@{ref[:8] or 'unknown'}", host_set, resolve_budgets(fleet))


def resolve_budgets(fleet: FleetArtifact) -> list[ManifestBudget]:
    """The fleet's disruption budgets with the hosts they mean; `not` and `and` are ignored, as the planner
    does."""
    names = sorted(fleet.hosts)
    resolved = []
    for budget in fleet.disruption_budgets:
        selector = plain(budget.selector)
        hosts = names if selector.all else [name for name in names if _means(selector, fleet, name)]
        resolved.append(ManifestBudget(selector, list(hosts), budget.max_in_flight, budget.max_in_flight_pct))
    return resolved


def _means(selector: Selector, fleet: FleetArtifact, name: str) -> bool:
    host = fleet.hosts[name]
    return matches_plain(selector, name=name, channel=host.channel, tags=host.tags)


def manifest_to_json(manifest: Manifest) -> dict[str, Any]:
    """The manifest as decoded JSON, camelCase."""
    written: dict[str, Any] = msgspec.to_builtins(manifest)
    for budget, form in zip(manifest.disruption_budgets, written["disruptionBudgets"], strict=True):
        form["selector"] = selector_to_json(budget.selector)
    return written
