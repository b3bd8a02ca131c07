"""A calibration as files: a commented scenario, and the fleet that the log shows where no artifact was given.

The names of a real fleet's hosts follow no pattern that a generated fleet could have, so its hosts are written as an
artifact of their own (spec page 6) beside the scenario.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from math import ceil
from typing import Any

from sim.data.calibration import DURATIONS, Calibration, Seen, named
from sim.data.fitting import Fit
from sim.data.groups import Group
from sim.data.openings import Opening
from sim.data.worded import law, probability, provenance, time
from sim.reducer.artifact import SCHEMA_VERSION, Budget, Channel, FleetArtifact, Host, PolicyWave, RolloutPolicy, Wave
from sim.reducer.gates import DISRUPTION_BUDGET
from sim.reducer.selectors import Selector
from sim.result.words import counted, duration
from sim.scenario.schema import ControlPlane
from sim.scenario.units import format_duration
from sim.scenario.write import artifact_text, comment, one_line

DAY = 86_400.0
WEEK = 7 * DAY
DEFAULT_SOAK = ControlPlane().default_soak
SYSTEM = "x86_64-linux"
"""A log does not say what system a host has, and no rule asks."""


def scenario_files(
    found: Calibration, seen: Seen, name: str, *, source: str, resolved: str | None = None
) -> dict[str, str]:
    """The files to write into one folder, by name, the scenario last: `NAME.yaml` and, without `resolved`, the fleet
    that the log shows, `NAME.fleet.json`.

    Args:
        name: what the scenario is called.
        source: the log, as a comment names it.
        resolved: the path of an artifact relative to that folder, in place of the log's fleet.
    """
    files = {}
    if resolved is None:
        resolved = f"{name}.fleet.json"
        files[resolved] = artifact_text(fleet_of(seen))
    files[f"{name}.yaml"] = scenario_text(found, seen, name=name, source=source, resolved=resolved)
    return files


def fleet_of(seen: Seen) -> FleetArtifact:
    """The fleet that a log shows: hosts and channels, waves with the soaks that were seen, policies, and a budget for
    each channel that one held up."""
    openings = seen.openings
    channels, soaks = openings.channels(), openings.soaks()
    waves: dict[str, list[Wave]] = {}
    for channel, hosts in channels.items():
        by_wave: dict[int, list[str]] = {}
        for host, wave in hosts.items():
            by_wave.setdefault(wave, []).append(host)
        waves[channel] = [
            Wave(sorted(names), round(soaks[channel].get(wave, DEFAULT_SOAK) / 60, 4))
            for wave, names in sorted(by_wave.items())
        ]
    held = openings.gates.get(DISRUPTION_BUDGET, Counter())
    return FleetArtifact(
        schema_version=SCHEMA_VERSION,
        hosts={host: Host(system=SYSTEM, channel=channel) for channel, hosts in channels.items() for host in hosts},
        # the intervals of a real channel are none of the simulation's: page 9 has its own clocks
        channels={channel: Channel(channel, 1, 60, 1440) for channel in channels},
        rollout_policies={
            channel: RolloutPolicy(
                "staged",
                [PolicyWave(Selector(hosts=tuple(wave.hosts)), wave.soak_minutes) for wave in waves[channel]],
                _policy(seen, channel),
            )
            for channel in channels
        },
        waves=waves,
        disruption_budgets=[
            Budget(Selector(channel=channel), max_in_flight=max(openings.most_in_flight[channel], 1))
            for channel in channels
            if held.get(channel)
        ],
    )


def _policy(seen: Seen, channel: str) -> Any:
    """What the channel was last seen to do about a failure; the default where it never was."""
    found = [
        seen.outcomes.policies[one.rollout]
        for one in seen.openings.rollouts.values()
        if one.channel == channel and one.rollout in seen.outcomes.policies
    ]
    return found[-1] if found else "rollback-and-halt"


def scenario_text(found: Calibration, seen: Seen, *, name: str, source: str, resolved: str) -> str:
    """The text of the scenario file.

    Args:
        name: what it is called.
        source: the log, as a comment names it.
        resolved: the artifact's path relative to the scenario.
    """
    until = max(WEEK, DAY * ceil(found.seconds / DAY))
    rows, hosts = counted(found.rows, "row"), counted(found.hosts, "host")
    said = f"calibrated from {source}: {rows} over {duration(found.seconds)}, {hosts}"
    lines = [
        comment(said),
        "# Intervals are of 95 %. Laws are chosen by AIC and refused where the p value of an Anderson-Darling test is",
        "# below 1 %.",
        f"name: {one_line(name)}",
        f"description: {one_line(said)}",
        "seed: 1",
        f"until: {format_duration(until)}",
        "",
        "fleet:",
        f"  resolved: {one_line(resolved)}",
        "",
        "releases:",
        *_releases(found, seen),
        "",
        "hosts:",
        "  default:",
        *_settings(found, None, "    "),
        *_overrides(found),
        *_probes(found),
        *_control_plane(found),
    ]
    if found.unknown:
        lines += ["", "# Not to be told from this log:"]
        lines += [comment(f"- {one}") for one in found.unknown]
    return "\n".join(lines) + "\n"


# -- releases


def _releases(found: Calibration, seen: Seen) -> Iterator[str]:
    rollouts = seen.openings.rollouts
    if not rollouts:
        yield "  # the log holds no opening: one release to everybody"
        yield "  - {ref: r1, at: 0s}"
        return
    first = min(one.at for one in rollouts.values())
    together: dict[tuple[str, float], list[Opening]] = {}
    for one in rollouts.values():
        together.setdefault((one.ref, round(one.at - first, 3)), []).append(one)
    for (ref, at), openings in sorted(together.items(), key=lambda item: item[0][1]):
        release: dict[str, Any] = {"ref": ref, "at": time(at), "channels": [one.channel for one in openings]}
        targets = [list(one.targets.values()) for one in openings]
        if all(len(each) > 1 and len(set(each)) == 1 for each in targets):
            release["closures"] = "shared"
        unchanged = found.shares.get(f"releases.{ref}.unchanged")
        if unchanged is not None:
            release["unchanged"] = float(f"{unchanged.probability:.4g}")
            yield "  " + comment(f"unchanged: {probability(unchanged)} of {unchanged.runs:,} hosts ran it already")
        defect = found.defects.get(ref)
        if defect is not None:
            yield "  " + comment(
                f"defect: {defect.share.hits:,} of the {defect.share.runs:,} hosts that soaked failed by their probes, "
                f"{probability(defect.share)}"
            )
            release["defect"] = {"probability": float(f"{defect.share.probability:.4g}")}
            if defect.channel is not None:
                release["defect"]["match"] = {"channel": defect.channel}
            if defect.probe is not None:
                release["defect"]["probe"] = defect.probe
            if defect.onset is not None:
                release["defect"]["onset"] = law(defect.onset)
                yield from (f"  {comment(f'onset: {line}')}" for line in provenance(defect.onset))
        yield f"  - {one_line(release)}"


# -- hosts


def _settings(found: Calibration, member: Sequence[Group] | None, indent: str) -> Iterator[str]:
    """The settings of the hosts that are in all of some groups, or of all others (None), with where they come from."""

    def of(setting: str) -> tuple[str, bool]:
        """What the fit for these hosts is called, and whether it is theirs apart from others."""
        if member is not None:
            for one in found.apart.get(setting, []):
                if one.group in member:
                    return named(setting, one.group), True
        return setting, member is None

    for setting in ("network_delay", "activation", "rollback"):
        name, own = of(setting)
        if own:
            yield from _law(found, setting, name, indent)
    for setting in ("activation_failure", "rollback_failure"):
        name, own = of(setting)
        if own:
            yield from _share(found, setting, name, indent)
    if member is None and found.timeout is not None:
        yield f"{indent}activation_timeout: {time(found.timeout)}"
    name, own = of("defer")
    share = found.shares.get(name)
    if own and share is not None:
        said = f"{share.hits:,} of {share.runs:,} switches waited for a reboot: {probability(share)}"
        yield indent + comment(said)
        defer: dict[str, Any] = {"probability": float(f"{share.probability:.4g}")}
        if found.components:
            defer["components"] = found.components
        yield f"{indent}defer: {one_line(defer)}"
    elif own:
        yield from _default(found, name, indent)
    name, own = of("reboot")
    if own:
        yield from _law(found, "reboot", name, indent)
    if member is None:
        yield f"{indent}# a log has the wait for the reboot and the boot together"
        yield f"{indent}boot: {time(found.boot)}"


def _law(found: Calibration, setting: str, name: str, indent: str) -> Iterator[str]:
    fit = found.fits.get(name)
    if fit is None:
        yield from _default(found, name, indent)
        return
    yield from (indent + comment(line) for line in provenance(fit))
    yield f"{indent}{setting}: {_law_line(fit)}"


def _law_line(fit: Fit) -> str:
    written = law(fit)
    return written if isinstance(written, str) else one_line(written)


def _share(found: Calibration, setting: str, name: str, indent: str) -> Iterator[str]:
    share = found.shares.get(name)
    if share is None:
        yield from _default(found, name, indent)
        return
    yield indent + comment(f"{share.hits:,} of {share.runs:,}: {probability(share)}")
    yield f"{indent}{setting}: {float(f'{share.probability:.4g}')}"


def _default(found: Calibration, name: str, indent: str) -> Iterator[str]:
    for one in found.left:
        if one.startswith(f"{name}: "):
            yield indent + comment(f"{one}: as by default")


def _overrides(found: Calibration) -> Iterator[str]:
    """One for each combination of groups in which there are hosts, those of more groups first: as the first that
    matches a host counts, each host so meets the one of just its groups."""
    chosen = {one.group.name: one.group for groups in found.apart.values() for one in groups}
    hosts = {host for group in chosen.values() for host in group.hosts}
    combined = {tuple(name for name, group in chosen.items() if host in group.hosts) for host in hosts}
    blocks: list[list[str]] = []
    for names in sorted(combined, key=lambda names: (-len(names), names)):
        groups = [chosen[name] for name in names]
        settings = list(_settings(found, groups, "      "))
        if any(not line.strip().startswith("#") for line in settings):
            match = groups[0].match if len(groups) == 1 else {"and": [group.match for group in groups]}
            blocks.append([f"    - match: {one_line(match)}", *settings])
    if blocks:
        yield "  overrides:"
    for block in blocks:
        yield from block


# -- probes and the control plane


def _probes(found: Calibration) -> Iterator[str]:
    if not found.probes:
        return
    yield ""
    yield "probes:"
    for name, probe in found.probes.items():
        written: dict[str, Any] = {"name": name, "kind": probe.kind, "mode": probe.mode}
        if probe.interval is not None:
            written["interval"] = time(max(probe.interval, 5.0))
        if probe.match is not None:
            written["match"] = probe.match
        if probe.flake is not None:
            written["flake"] = float(f"{probe.flake.probability:.4g}")
            said = f"{name}: {probe.flake.hits:,} of {probe.flake.runs:,} runs failed by themselves"
            yield "  " + comment(f"{said}: {probability(probe.flake)}")
        if probe.up is not None and probe.down is not None:
            written["outage"] = {"up": law(probe.up), "down": law(probe.down)}
            for end, fit in (("up", probe.up), ("down", probe.down)):
                yield from (f"  {comment(f'{end}: {line}')}" for line in provenance(fit))
        yield from (f"  {comment(one)}" for one in found.left if one.startswith(f"probes.{name}."))
        yield f"  - {one_line(written)}"


def _control_plane(found: Calibration) -> Iterator[str]:
    clocks = {"plan_tick": found.plan_tick, "heartbeat": found.heartbeat}
    seen = {name: time(seconds) for name, seconds in clocks.items() if seconds}
    if seen:
        yield ""
        yield "# from the times of passes, and from how often probes were declared anew; the other clocks as by default"
        yield f"control_plane: {one_line(seen)}"
    if found.soak_from is not None:
        yield ""
        yield "# from when the soaks of the dispatches count; the other rules as by default"
        yield f"rules: {one_line({'soak_from': found.soak_from})}"


def snippet(column: str, source: str, fit: Fit) -> str:
    """A fit to the column of a table as a setting of hosts, with where it comes from: the setting of that name, or the
    activation."""
    key = column if column in DURATIONS else DURATIONS[0]
    lines = [f"{column} of {source}, to go below hosts.default", *provenance(fit)]
    return "\n".join([*(comment(line) for line in lines), f"{key}: {_law_line(fit)}"])
