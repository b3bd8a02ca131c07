"""What is lawful in a scenario or an artifact and will not do what its writer meant (spec page 6, Lints)."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from pathlib import Path
from typing import Any, Literal

import msgspec

from sim.reducer.artifact import FleetArtifact
from sim.reducer.selectors import matches
from sim.scenario.artifact_lints import Lint, lint_artifact, lint_fleet, lint_given_twice, lint_older
from sim.scenario.loader import load
from sim.scenario.problems import ScenarioError
from sim.scenario.reading import read_artifact, read_text
from sim.scenario.schema import Alternating, Match, Scenario
from sim.scenario.units import format_duration

PERIODS = ("plan_tick", "manifest_poll", "heartbeat", "advance_tick")
MANY = 10_000_000
"""Times that one clock may fall due in a run before that looks like a mistake."""

__all__ = ["Lint", "ScenarioError", "lint_artifact", "lint_file", "lint_scenario"]


def lint_file(path: str | Path) -> tuple[Literal["artifact", "scenario"], list[Lint]]:
    """The findings on a file, and which kind of file it is.

    Raises:
        ScenarioError: it cannot be read, or is no artifact or scenario.
    """
    file = Path(path)
    text = read_text(file)
    if not _is_artifact(text):
        return "scenario", lint_scenario(load(file, text=text))
    artifact, older = read_artifact(file, text)
    return "artifact", [*lint_older(older), *lint_given_twice(text), *lint_artifact(artifact)]


def _is_artifact(text: str) -> bool:
    """A scenario has a `fleet`; JSON without one that has what an artifact has is an artifact."""
    if not text.lstrip().startswith("{"):
        return False
    try:
        decoded = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        # broken either way: by the first of its keys that tells
        keys = {key: text.find(f'"{key}"') for key in ("schemaVersion", "hosts", "fleet")}
        return keys["fleet"] < 0 and max(keys.values()) >= 0
    return isinstance(decoded, dict) and "fleet" not in decoded and bool({"schemaVersion", "hosts"} & decoded.keys())


def lint_scenario(scenario: Scenario) -> list[Lint]:
    """The findings on a scenario: on its fleet as its releases and rules will use it, then on the rest."""
    artifact = scenario.artifact()
    declared = {
        channel
        for release in scenario.releases
        if release.closures == "declared"
        for channel in release.channels or artifact.channels
    }
    unbuilt = {name for name, host in artifact.hosts.items() if host.channel in declared and not host.closure_hash}
    early = scenario.rules.soak_from == "open"
    return [
        *lint_older(scenario.fleet.warnings),
        *lint_fleet(artifact, unbuilt, scenario.control_plane.default_soak if early else None),
        *_lint_rest(scenario, artifact),
    ]


def _lint_rest(scenario: Scenario, artifact: FleetArtifact) -> Iterator[Lint]:
    plane = scenario.control_plane
    if plane.resign != "always":
        every = inf if plane.resign == "never" else float(plane.resign)
        if every > plane.manifest_max_age:
            never = every == inf
            how = "manifests are never signed again" if never else f"signing again only every {format_duration(every)}"
            oldest = format_duration(plane.manifest_max_age)
            text = f"{how}, and hosts refuse one older than {oldest}: dispatches will be refused"
            yield Lint("warning", "control_plane.resign", text)
    for key in PERIODS:
        times = scenario.until / getattr(plane, key)
        if times > MANY:
            what = f"{times:,.0f} times to the end of the run ({format_duration(scenario.until)}), which may take hours"
            yield Lint("warning", f"control_plane.{key}", f"falls due {what}; is a unit missing?")
    selectors: dict[str, Match | None] = {f"probes.{n}.match": probe.match for n, probe in enumerate(scenario.probes)}
    selectors |= {f"hosts.overrides.{n}.match": one.match for n, one in enumerate(scenario.hosts.overrides)}
    selectors |= {
        f"releases.{n}.defect.match": release.defect.match
        for n, release in enumerate(scenario.releases)
        if release.defect
    }
    for place, match in selectors.items():
        if match is not None and not _matches_any(match, artifact):
            yield Lint("warning", place, "matches nobody")
    yield from _releases(scenario, artifact)
    for number, probe in enumerate(scenario.probes):
        if probe.interval > plane.heartbeat and scenario.rules.probe_restart == "heartbeat":
            text = (
                f"every heartbeat starts the probes over, so it runs every {format_duration(plane.heartbeat)} in effect"
            )
            yield Lint("warning", f"probes.{number}.interval", text)
        elif probe.interval < 5.0:
            yield Lint("warning", f"probes.{number}.interval", "no probe runs more often than every 5 s")
    default = scenario.hosts.default
    standard = {"defer": default.defer, "reboot": default.reboot}
    settings: dict[str, dict[str, Any]] = {"hosts.default": standard}
    for number, override in enumerate(scenario.hosts.overrides):
        own = {key: value for key, value in override.given().items() if key in standard}
        if own:
            settings[f"hosts.overrides.{number}"] = {**standard, **own}
    for place, given in settings.items():
        if given["reboot"] == "never" and given["defer"].probability > 0:
            stalls = ", and its wave with it" if scenario.rules.deferred == "strict" else ""
            text = f"a host that is deferred never reboots: it stays Deferred{stalls}, and the rollout never ends"
            yield Lint("warning", f"{place}.reboot", text)
    presence: dict[str, Any] = {"hosts.default": default.online}
    presence |= {f"hosts.overrides.{n}": one.given().get("online") for n, one in enumerate(scenario.hosts.overrides)}
    for place, online in presence.items():
        if isinstance(online, Alternating) and online.up.mean() == 0.0:
            text = "every stay lasts 0 s: what is sent to such a host finds it offline, and it takes no dispatch"
            yield Lint("warning", f"{place}.online.up", text)


def _releases(scenario: Scenario, artifact: FleetArtifact) -> Iterator[Lint]:
    watched = [probe for probe in scenario.probes if probe.mode == "enforce"]
    if not scenario.releases:
        yield Lint("warning", "releases", "there are none: nothing rolls out")
    overtaken = _overtaken(scenario, artifact)
    for number, release in enumerate(scenario.releases):
        place = f"releases.{number}"
        for later, channels in overtaken.get(number, {}).items():
            seen = f"is overtaken by releases.{later} before the manifest poll sees it"
            yield Lint("warning", f"{place}.at", f"{seen}: no rollout of it on {', '.join(channels)}")
        if release.at > scenario.until:
            yield Lint("warning", f"{place}.at", f"is after the end of the run ({format_duration(scenario.until)})")
        if release.closures == "declared":
            for channel in release.channels or artifact.channels:
                hosts = [host for host in artifact.hosts.values() if host.channel == channel]
                if hosts and not any(host.closure_hash for host in hosts):
                    text = f"no host of channel {channel} has a declared closure: nothing rolls out there"
                    yield Lint("warning", f"{place}.closures", text)
        defect = release.defect
        if defect is not None and not any(defect.probe in (None, probe.name) for probe in watched):
            yield Lint("warning", f"{place}.defect", "no enforce probe shows it: nothing will stop the release")


def _overtaken(scenario: Scenario, artifact: FleetArtifact) -> dict[int, dict[int, list[str]]]:
    """The releases that no poll sees on some channels: their number, the one seen instead, and the channels."""
    seen: dict[tuple[str, float], int] = {}
    found: dict[int, dict[int, list[str]]] = {}
    # a poll takes a channel's newest, at equal times the later in the list
    newest_first = sorted(enumerate(scenario.releases), key=lambda one: (one[1].at, one[0]), reverse=True)
    for number, release in newest_first:
        poll = -(-release.at // scenario.control_plane.manifest_poll)
        for channel in release.channels or artifact.channels:
            later = seen.setdefault((channel, poll), number)
            if later != number:
                found.setdefault(number, {}).setdefault(later, []).append(channel)
    return found


def _matches_any(match: Match, artifact: FleetArtifact) -> bool:
    selector = match.to_selector()
    return any(
        matches(selector, name=name, channel=host.channel, tags=host.tags) for name, host in artifact.hosts.items()
    )
