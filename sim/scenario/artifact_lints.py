"""What is lawful in an artifact and will not do what its writer meant (spec page 6, Lints).

An error contradicts itself; a warning says what will happen.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from math import inf
from typing import Any, Literal

import msgspec

from sim.reducer.artifact import Edge, FleetArtifact
from sim.reducer.manifest import resolve_budgets
from sim.scenario.units import format_duration

DEFAULT_SOAK = 3600.0
"""Seconds of soak where a policy has no such wave, unless a scenario says otherwise (spec page 4)."""


class Lint(msgspec.Struct, frozen=True):
    """One finding: the place in the artifact (`waves.stable[1]`) or scenario (`probes.0`), and what it means."""

    severity: Literal["error", "warning"]
    place: str
    text: str


def lint_artifact(artifact: FleetArtifact) -> list[Lint]:
    """The findings on an artifact by itself."""
    unbuilt = {name for name, host in artifact.hosts.items() if not host.closure_hash}
    lints: list[Lint] = []
    if unbuilt and len(unbuilt) == len(artifact.hosts):
        text = "no host has a closureHash: CI has not built it yet, and no rollout has a host unless its release gives "
        lints.append(Lint("warning", "hosts", text + "closures (`per-host` or `shared`)"))
        unbuilt = set()
    return lints + list(lint_fleet(artifact, unbuilt, DEFAULT_SOAK))


def lint_fleet(artifact: FleetArtifact, unbuilt: Collection[str], default_soak: float | None) -> Iterator[Lint]:
    """The findings of page 6. `default_soak` in seconds, None where soaks do not count from the opening."""
    if not artifact.hosts:
        yield Lint("warning", "hosts", "there are none: nothing rolls out")
    yield from _names(artifact)
    yield from _channels(artifact)
    yield from _edges(artifact)
    by_channel: dict[str, list[str]] = {}
    for name, host in artifact.hosts.items():
        by_channel.setdefault(host.channel, []).append(name)
    for channel in artifact.channels:
        yield from _waves(artifact, channel, by_channel.get(channel, []), unbuilt)
        if default_soak is not None:
            yield from _soaks(artifact, channel, default_soak)
    yield from _budgets(artifact)


def lint_older(warnings: Iterable[str]) -> Iterator[Lint]:
    """The older spellings that were met when the artifact was read."""
    for warning in warnings:
        place, _, text = warning.partition(": ")
        yield Lint("warning", place, text)


def lint_given_twice(text: str) -> Iterator[Lint]:
    """Keys given twice in one of the artifact's tables: what is read is the last."""
    twice: dict[int, list[str]] = {}
    kept = []

    def table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            seen: set[str] = set()
            twice[id(found)] = [key for key, _ in pairs if key in seen or seen.add(key)]  # type: ignore[func-returns-value]
            kept.append(found)  # alive, so that no other table gets its id
        return found

    decoded = json.loads(text, object_pairs_hook=table)
    tables = {f"{key}.": decoded.get(key) for key in ("hosts", "channels", "rolloutPolicies", "waves")}
    for prefix, found in {"": decoded, **tables}.items():
        for name in dict.fromkeys(twice.get(id(found), [])):
            yield Lint("error", f"{prefix}{name}", "a duplicate name: only the last of them counts")


def _names(artifact: FleetArtifact) -> Iterator[Lint]:
    tables: dict[str, Iterable[str]] = {
        "hosts": artifact.hosts,
        "channels": artifact.channels,
        "rolloutPolicies": artifact.rollout_policies,
    }
    for key, table in tables.items():
        if any(not name.strip() for name in table):
            yield Lint("error", key, "an empty name")
    for channel, waves in artifact.waves.items():
        for index, wave in enumerate(waves):
            seen: set[str] = set()
            twice = [name for name in wave.hosts if name in seen or seen.add(name)]  # type: ignore[func-returns-value]
            if twice:
                yield Lint(
                    "error",
                    f"waves.{channel}[{index}]",
                    f"a duplicate name: lists {_some(list(dict.fromkeys(twice)))} twice",
                )


def _channels(artifact: FleetArtifact) -> Iterator[Lint]:
    unknown: dict[str, list[str]] = {}
    for name, host in artifact.hosts.items():
        if host.channel not in artifact.channels:
            unknown.setdefault(host.channel, []).append(name)
    for channel, names in unknown.items():
        text = f"{_some(names)} is of the unknown channel {channel!r} and will be in no rollout"
        yield Lint("error", f"hosts.{names[0]}.channel", text)
    for channel in artifact.waves:
        if channel not in artifact.channels:
            yield Lint("error", f"waves.{channel}", "waves of an unknown channel: nobody reads them")
    for channel, declared in artifact.channels.items():
        if declared.rollout_policy not in artifact.rollout_policies:
            text = f"the unknown policy {declared.rollout_policy!r}: its rollouts cannot be projected"
            yield Lint("error", f"channels.{channel}.rolloutPolicy", text)
        window, interval = declared.freshness_window, declared.signing_interval_minutes
        if window < 2 * interval:
            text = f"{window:g} min is less than twice the signingIntervalMinutes of {interval:g}: one late signing "
            yield Lint("error", f"channels.{channel}.freshnessWindow", text + "and hosts refuse what they are given")


def _edges(artifact: FleetArtifact) -> Iterator[Lint]:
    for index, edge in enumerate(artifact.edges):
        missing = [name for name in (edge.gates, edge.gated) if name not in artifact.hosts]
        for name in missing:
            yield Lint("error", f"edges[{index}]", f"names the unknown host {name!r} and holds nothing back")
        if not missing:
            first, second = artifact.hosts[edge.gates].channel, artifact.hosts[edge.gated].channel
            if first != second:
                text = (
                    f"{edge.gated} of channel {second} waits for {edge.gates} of channel {first}: across channels an "
                )
                yield Lint("error", f"edges[{index}]", text + "edge holds nothing back")
    for index, edge in enumerate(artifact.channel_edges):
        for name in (edge.gates, edge.gated):
            if name not in artifact.channels:
                yield Lint("error", f"channelEdges[{index}]", f"names the unknown channel {name!r}")
    for key, edges, noun in (("edges", artifact.edges, "host"), ("channelEdges", artifact.channel_edges, "channel")):
        circle = _circle(edges)
        if circle:
            if len(circle) > 9:
                circle[4:-2] = [f"… {len(circle) - 6:,} more …"]
            yield Lint("error", key, f"a cycle: {' → '.join(circle)}; each {noun} waits for the one before, for good")


def _circle(edges: Sequence[Edge]) -> list[str]:
    """One cycle of the edges, its first name again at the end; empty if there is none."""
    after: dict[str, list[str]] = {}
    for edge in edges:
        after.setdefault(edge.gates, []).append(edge.gated)
    done: set[str] = set()
    for start in after:
        path: list[str] = [start]
        walks = [iter(after[start])]
        on_path = {start}
        while walks and start not in done:
            following = next(walks[-1], None)
            if following is None:
                walks.pop()
                left = path.pop()
                on_path.discard(left)
                done.add(left)
            elif following in on_path:
                return [*path[path.index(following) :], following]
            elif following not in done:
                path.append(following)
                on_path.add(following)
                walks.append(iter(after.get(following, [])))
    return []


def _waves(artifact: FleetArtifact, channel: str, members: list[str], unbuilt: Collection[str]) -> Iterator[Lint]:
    waves = artifact.waves.get(channel, [])
    for index, wave in enumerate(waves[:-1]):
        place = f"waves.{channel}[{index}]"
        if not wave.hosts:
            yield Lint("warning", place, "is empty and is never left: the rollout stalls here")
        foreign = [name for name in wave.hosts if name in artifact.hosts and artifact.hosts[name].channel != channel]
        unknown = [name for name in wave.hosts if name not in artifact.hosts]
        bare = [name for name in wave.hosts if name in unbuilt and name not in foreign]
        for names, what in (
            (foreign, "of another channel"),
            (unknown, "which the fleet does not have"),
            (bare, "without a closure"),
        ):
            if names:
                text = f"lists {_some(names)}, {what}, never done in this rollout: it stalls in wave {index}"
                yield Lint("warning", place, text)
    if waves:
        listed = {name for wave in waves for name in wave.hosts}
        left_out = [name for name in members if name not in listed]
        if left_out:
            yield Lint("warning", f"waves.{channel}", f"{_some(left_out)} in none of the waves: never dispatched")


def _soaks(artifact: FleetArtifact, channel: str, default_soak: float) -> Iterator[Lint]:
    policy = artifact.rollout_policies.get(artifact.channels[channel].rollout_policy)
    declared = [] if policy is None else [wave.soak_minutes * 60.0 for wave in policy.waves]
    longest, first = -inf, 0
    for index in range(len(artifact.waves.get(channel, []))):
        soak = declared[index] if index < len(declared) else default_soak
        if soak <= longest:
            before = f"wave {first}'s {format_duration(longest)}"
            text = (
                f"its soak of {format_duration(soak)} counts from the opening, as {before} does: it will be over "
                "before the wave starts, and a host then converges on its first probe results, or on none"
            )
            yield Lint("warning", f"waves.{channel}[{index}]", text)
        else:
            longest, first = soak, index


def _budgets(artifact: FleetArtifact) -> Iterator[Lint]:
    resolved = resolve_budgets(artifact)
    for index, (budget, found) in enumerate(zip(artifact.disruption_budgets, resolved, strict=True)):
        place = f"disruptionBudgets[{index}]"
        if budget.max_in_flight is None:
            only = (
                "only maxInFlightPct, which is enforced nowhere" if budget.max_in_flight_pct is not None else "no limit"
            )
            yield Lint("warning", place, f"has {only}: it holds nobody back")
        if not found.hosts:
            yield Lint("warning", place, "matches nobody")
        ignored = [key for key, part in (("not", budget.selector.not_), ("and", budget.selector.and_)) if part]
        if ignored:
            said = f"`{ignored[0]}` is" if len(ignored) == 1 else "`not` and `and` are"
            yield Lint("warning", place, f"its selector's {said} ignored here")
        if budget.max_in_flight == 0 and found.hosts:
            yield Lint("warning", place, f"lets none of {_some(found.hosts)} go: a limit of 0")


def _some(names: Sequence[str], most: int = 3) -> str:
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most:,} more" if len(names) > most else shown
