"""A fleet made to measure (spec page 9, `fleet.generate`), as the artifact that a fleet's CI would have written."""

from __future__ import annotations

import re
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING

from sim.reducer.artifact import (
    SCHEMA_VERSION,
    Budget,
    Channel,
    Edge,
    FleetArtifact,
    Host,
    PolicyWave,
    RolloutPolicy,
    Wave,
)
from sim.reducer.selectors import Selector, matches
from sim.scenario.draws import host_keys, stream, uniforms

if TYPE_CHECKING:
    from sim.scenario.schema import Generate, GeneratedChannel, Policy

_FIELD = re.compile(r"\{(channel|index(?::(?:0([0-9]{1,2}))?d)?)\}")


def check_template(template: str) -> None:
    """See that a host name's template has nothing in braces but `{channel}` and `{index}`.

    Raises:
        ValueError: it has.
    """
    rest = _FIELD.sub("", template)
    if "{" in rest or "}" in rest:
        raise ValueError("expected a name with no more in braces than {channel}, {index} or {index:05d}")


def host_names(channel: str, declared: GeneratedChannel) -> list[str]:
    """The names of a channel's hosts by index, from 0."""
    # not str.format, which would look up any attribute a file asks for
    parts: list[str] = []
    place = 0
    for found in _FIELD.finditer(declared.name):
        parts.append(declared.name[place : found.start()].replace("%", "%%"))
        parts.append(channel.replace("%", "%%") if found[1] == "channel" else f"%0{found[2] or 1}d")
        place = found.end()
    parts.append(declared.name[place:].replace("%", "%%"))
    template, indices = "".join(parts), sum(part.startswith("%0") and part.endswith("d") for part in parts[1::2])
    return [template % ((index,) * indices) for index in range(declared.hosts)]


def generate(declared: Generate, seed: int) -> FleetArtifact:
    """The fleet's artifact. Closures are left to the releases.

    Args:
        seed: draws the tags: each host gets each of its channel's tags with the tag's probability. All replications
            have the same fleet.
    """
    hosts: dict[str, Host] = {}
    by_channel: dict[str, list[str]] = {}
    for channel, of in declared.channels.items():
        names = host_names(channel, of)
        by_channel[channel] = sorted(names)
        tags = _tags(names, of, seed)
        hosts.update(
            (name, Host(system=of.system, channel=channel, tags=own)) for name, own in zip(names, tags, strict=True)
        )
    return FleetArtifact(
        schema_version=SCHEMA_VERSION,
        hosts=hosts,
        channels={
            # the intervals of a real channel are none of the simulation's: page 9 has its own clocks
            channel: Channel(
                of.policy, reconcile_interval_minutes=1, signing_interval_minutes=60, freshness_window=1440
            )
            for channel, of in declared.channels.items()
        },
        rollout_policies={name: _policy(policy) for name, policy in declared.policies.items()},
        waves={
            channel: _waves(declared.policies[of.policy], by_channel[channel], hosts)
            for channel, of in declared.channels.items()
            if of.policy in declared.policies and declared.policies[of.policy].waves
        },
        edges=[Edge(edge.gates, edge.gated, edge.reason) for edge in declared.edges],
        channel_edges=[Edge(edge.gates, edge.gated, edge.reason) for edge in declared.channel_edges],
        disruption_budgets=[
            Budget(
                budget.selector.to_selector(),
                budget.max_in_flight,
                None if budget.max_in_flight_pct is None else float(budget.max_in_flight_pct),
            )
            for budget in declared.disruption_budgets
        ],
    )


def _tags(names: list[str], declared: GeneratedChannel, seed: int) -> list[list[str]]:
    shared = [tag for tag, probability in declared.tags.items() if probability == 1.0]
    if len(shared) == len(declared.tags):
        return [shared] * len(names)
    tags: list[list[str]] = [[] for _ in names]
    keys = host_keys(names)
    for tag, probability in declared.tags.items():
        drawn = uniforms(stream(seed, 0, "tag", probe=tag), keys) < probability
        for own, has in zip(tags, drawn.tolist(), strict=True):
            if has:
                own.append(tag)
    return tags


def _policy(policy: Policy) -> RolloutPolicy:
    waves = [
        PolicyWave(Selector() if wave.selector is None else wave.selector.to_selector(), wave.soak / 60.0)
        for wave in policy.waves
    ]
    return RolloutPolicy(strategy="staged", waves=waves, on_health_failure=policy.on_health_failure)


def _waves(policy: Policy, names: list[str], hosts: dict[str, Host]) -> list[Wave]:
    """The policy's waves for a channel with the hosts `names`, sorted.

    A share is one of the channel's hosts and lists none that an earlier wave lists. A selector lists every host of
    the fleet that it matches, listed before or not, as the real resolution does (spec page 6).
    """
    waves: list[Wave] = []
    listed: set[str] = set()
    for wave in policy.waves:
        if wave.percent is not None:
            upto = ceil(Fraction(len(names)) * wave.percent / 100)
            own = [name for name in names[:upto] if name not in listed]
        else:
            assert wave.selector is not None
            selector = wave.selector.to_selector()
            own = sorted(
                name
                for name, host in hosts.items()
                if matches(selector, name=name, channel=host.channel, tags=host.tags)
            )
        listed.update(own)
        waves.append(Wave(own, wave.soak / 60.0))
    return waves
