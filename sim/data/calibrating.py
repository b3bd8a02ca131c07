"""From an event log to what a scenario says of its hosts: laws, probabilities, who differs, and what cannot be told.

`observe` reads the log, `calibrate` fits what was seen. What too few rows tell of keeps the scenario's default, and
`left` says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np

from sim.data.calibration import BOOT, Calibration, Defect, FittedProbe, Seen, fit_or_leave, named
from sim.data.durations import Durations
from sim.data.fitting import FEWEST, Share
from sim.data.groups import Apart, Data, Group, set_apart
from sim.data.openings import Openings
from sim.data.outcomes import Outcomes, Span, durations, share
from sim.data.probing import ProbeSeen, Probing, behaviour, beyond, interval, missed
from sim.data.rows import Row
from sim.data.untold import untold
from sim.reducer.artifact import FleetArtifact

HEARTBEATS = 12
"""Heartbeats of which the period is told."""
SKEW = -0.001
"""A network delay below this (s) is none: the clocks of the host and of the control plane differ."""

PROBABILITIES = ("defer", "activation_failure", "rollback_failure")


def observe(rows: Iterable[Row]) -> Seen:
    """Read the rows of a log, in order of `seq`."""
    seen = Seen(Outcomes(), Probing(), Openings())
    for row in rows:
        seen.openings.take(row)
        if row.kind == "agent_event":
            seen.outcomes.take(row)
            seen.probing.take(row)
    seen.outcomes.close(seen.openings.end)
    seen.probing.close()
    return seen


def calibrate(seen: Seen, artifact: FleetArtifact | None = None) -> Calibration:
    """Fit what was seen.

    Args:
        artifact: the fleet, for the tags; hosts are grouped by their channel anyway.
    """
    openings, outcomes, probing = seen.openings, seen.outcomes, seen.probing
    channels = openings.channels()
    if artifact is not None and not channels:
        for host, declared in artifact.hosts.items():
            channels.setdefault(declared.channel, {})[host] = 0
    found = Calibration(
        openings.rows, openings.end, len({host for hosts in channels.values() for host in hosts}), groups=[]
    )
    found.groups = groups_of(channels, artifact)
    reboots, found.boot = _without_boot(outcomes.reboots)
    delays = [Span(host, max(seconds, 0.0), True) for host, seconds in openings.delays.items()]
    skewed = sum(seconds < SKEW for seconds in openings.delays.values())
    quantities: dict[str, Data] = {
        "activation": outcomes.activations,
        "reboot": reboots,
        "rollback": outcomes.rollbacks,
        "network_delay": [] if skewed else delays,
        "defer": outcomes.deferrals,
        "activation_failure": outcomes.failures,
        "rollback_failure": outcomes.rollback_failures,
    }
    if skewed:
        found.unknown.append(
            f"network_delay: {skewed:,} hosts sent events after the control plane had them: the clocks differ"
        )
    found.apart = set_apart(quantities, found.groups)
    for setting, data in quantities.items():
        _fit_all(found, setting, data)
    if outcomes.timeouts:
        found.timeout = median(outcomes.timeouts)
    found.components = dict(sorted(outcomes.components.items()))
    deferred = sum(found.components.values())
    for component, count in found.components.items():
        found.shares[f"defer.components.{component}"] = Share(count, deferred)
    _unchanged(found, seen)
    bad = probing.bad_releases()
    probed = {host for probe in probing.probes.values() for host in probe.hosts}
    for name, probe in sorted(probing.probes.items()):
        found.probes[name] = _probe(found, name, probe, bad, probed)
    _defects(found, seen, bad)
    if probing.heartbeats.total() >= HEARTBEATS:
        found.heartbeat = interval(probing.heartbeats, 0.5)
    found.plan_tick = openings.plan_tick()
    found.soak_from = openings.soak_from()
    found.unknown += untold(seen, found, artifact)
    return found


def groups_of(channels: Mapping[str, Mapping[str, int]], artifact: FleetArtifact | None) -> list[Group]:
    """The hosts by channel and, with an artifact, by tag: those groups that are neither nobody nor everybody."""
    everybody = frozenset(host for hosts in channels.values() for host in hosts)
    found = [Group(f"channel {channel}", {"channel": channel}, frozenset(hosts)) for channel, hosts in channels.items()]
    if artifact is not None:
        by_tag: dict[str, set[str]] = {}
        for host in everybody & artifact.hosts.keys():
            for tag in artifact.hosts[host].tags:
                by_tag.setdefault(tag, set()).add(host)
        found += [Group(f"tag {tag}", {"tags": [tag]}, frozenset(hosts)) for tag, hosts in sorted(by_tag.items())]
    return [group for group in found if group.hosts and group.hosts != everybody]


def parts(
    setting: str, data: Sequence[Any], apart: Mapping[str, list[Apart]]
) -> Iterable[tuple[Group | None, list[Any]]]:
    """A quantity's data by the groups that were set apart in it, those of all other hosts (None) first."""
    left = list(data)
    taken: list[tuple[Group | None, list[Any]]] = []
    for one in apart.get(setting, []):
        taken.append((one.group, [each for each in left if each.host in one.group.hosts]))
        left = [each for each in left if each.host not in one.group.hosts]
    return [(None, left), *taken]


def _fit_all(found: Calibration, setting: str, data: Data) -> None:
    for group, part in parts(setting, data, found.apart):
        name = named(setting, group)
        if setting in PROBABILITIES:
            counted = share(part)
            if counted is None:
                found.left.append(f"{name}: {_NOTHING[setting]}")
            else:
                found.shares[name] = counted
            continue
        fit_or_leave(found, name, durations(part))


_NOTHING = {
    "defer": "no activation came to an end",
    "activation_failure": "no activation was completed or failed",
    "rollback_failure": "no rollback was seen",
}


def _without_boot(reboots: list[Span]) -> tuple[list[Span], float]:
    """The waits for a reboot, and the boot (s) that was taken off them: none where a host was back sooner."""
    boot = BOOT if all(span.seconds > BOOT for span in reboots if span.ended) else 0.0
    return [span._replace(seconds=span.seconds - boot) for span in reboots if span.seconds > boot], boot


def _probe(found: Calibration, name: str, probe: ProbeSeen, bad: Sequence[str], declared: set[str]) -> FittedProbe:
    seen = behaviour(probe, bad)
    match = None if probe.hosts == declared else _match(found.groups, probe.hosts, declared)
    fitted = FittedProbe(probe.kind, probe.mode, match, seen.interval, seen.flake)
    if seen.flake is not None:
        found.shares[f"probes.{name}.flake"] = seen.flake
    if seen.flake is None or not seen.down or seen.interval is None:
        return fitted
    down = durations(beyond(seen.down, seen.interval))
    fitted.down = fit_or_leave(found, f"probes.{name}.outage.down", down, "exponential")
    if fitted.down is None:
        return fitted
    known, single = missed(fitted.down.law().mean(), seen.interval)
    # a window begins anywhere in an up time, and what is left of it has the law of the whole for this law alone. An
    # outage of fewer than two runs ends it unseen, so that it seems too long
    up = durations(span._replace(seconds=span.seconds * known) for span in seen.up)
    fitted.up = fit_or_leave(found, f"probes.{name}.outage.up", up, "exponential")
    flakes = max(seen.flake.hits - round(single * len(seen.down)), 0)
    fitted.flake = found.shares[f"probes.{name}.flake"] = Share(flakes, seen.flake.runs)
    return fitted


def _match(groups: Sequence[Group], hosts: set[str], declared: set[str]) -> dict[str, Any]:
    """A selector for the hosts of a probe, among those that declared any: of a group, or by their names."""
    fitting = (group.match for group in groups if group.hosts & declared == hosts)
    return next(fitting, {"hosts": sorted(hosts)})


def _unchanged(found: Calibration, seen: Seen) -> None:
    """The share of hosts that ran a release before it was sent to them, where there were any.

    It is one of those that ran the channel's release before it: a host that had not got so far does not run what a
    release left as it was.
    """
    by_ref: dict[str, list[int]] = {}
    before: dict[str, set[str]] = {}
    for rollout, opening in seen.openings.rollouts.items():
        could = before.get(opening.channel, set(opening.hosts)) & set(opening.hosts)
        before[opening.channel] = seen.outcomes.took.get(rollout, set())
        counts = by_ref.setdefault(opening.ref, [0, 0])
        counts[0] += min(seen.outcomes.unchanged.get(rollout, 0), len(could))
        counts[1] += len(could)
    for ref, (hits, hosts) in by_ref.items():
        if hits:
            found.shares[f"releases.{ref}.unchanged"] = Share(hits, hosts)


def _defects(found: Calibration, seen: Seen, bad: Sequence[str]) -> None:
    """The releases that made many of their hosts fail."""
    rollouts = seen.openings.rollouts
    random = np.random.default_rng(0)
    by_ref: dict[str, list[str]] = {}
    for rollout in bad:
        if rollout in rollouts:
            by_ref.setdefault(rollouts[rollout].ref, []).append(rollout)
    for ref, harmful in by_ref.items():
        failed = Share(
            sum(seen.probing.failed[one] for one in harmful), sum(seen.probing.soaked[one] for one in harmful)
        )
        by = seen.probing.failed_by
        onsets: list[float] = []
        through: Counter[str] = Counter()
        for name, probe in seen.probing.probes.items():
            # the run before it still passed: when in between it began is drawn, evenly
            before = found.probes[name].interval or 0.0
            ends = [
                max(one.since - window.since - before * float(random.random()), 0.0)
                for window in probe.windows
                if window.rollout in harmful and name in by.get((window.rollout, window.host), ())
                for one in window.stretches[-1:]
                if not one.passed and one.runs > 1
            ]
            onsets += ends
            through[name] += len(ends)
        others = [one for one in rollouts.values() if one.ref == ref and one.rollout not in harmful]
        name = f"releases.{ref}.defect"
        onset = None
        if len(onsets) >= FEWEST and max(onsets) > 0:
            onset = fit_or_leave(found, f"{name}.onset", Durations(onsets))
        found.shares[f"{name}.probability"] = failed
        shown = [one for one, count in through.items() if count]
        channel = rollouts[harmful[0]].channel if others and len(harmful) == 1 else None
        found.defects[ref] = Defect(failed, shown[0] if len(shown) == 1 else None, channel, onset)
