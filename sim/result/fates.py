"""What a host is at the end of a run, and why it stays so: from its state changes and the settings of the scenario.

Of a quiescent run only: elsewhere something may still come. What only single events tell, as which probe failed, is
left to `trace`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from sim.reducer.selectors import matches
from sim.result.words import shortened

if TYPE_CHECKING:
    from sim.result.result import Result
    from sim.scenario.schema import HostSettings

FEW = 3
"""Hosts that are named."""


class Fate(NamedTuple):
    """A host's state at the end, and why it stays so: said of one host and of several, "" where that is not known."""

    state: str
    one: str = ""
    many: str = ""


FateOf = Callable[[str, str], Fate | None]
"""(rollout id, host name) -> what the host is at the end, None where the rollout does not have it."""

_NEVER_REBOOTS = "it never reboots", "they never reboot"
_NEVER_CAME_BACK = "it never came back from its reboot", "they never came back from their reboots"
_CAUSES = {
    "Activating": ("its activation failed", "their activations failed"),
    "Soaking": ("its probes failed", "their probes failed"),
}
"""Why a host failed, by the state it was in."""


def fates_of(result: Result) -> FateOf:
    """How to look up what became of a host; the tables are read when they are first needed."""
    found: list[_Fates] = []

    def fate_of(rollout_id: str, host: str) -> Fate | None:
        if not found:
            found.append(_Fates(result))
        return found[0].of(rollout_id, host)

    return fate_of


def told(names: list[str], rollout_id: str, fate_of: FateOf) -> str:
    """The first few hosts with their states: `a (Failed: its activation failed, and so did its rollback) and 3 more`;
    of those that are alike it is said once."""
    groups: dict[Fate | None, list[str]] = {}
    for name in names[:FEW]:
        groups.setdefault(fate_of(rollout_id, name), []).append(name)
    shown = [f"{_joined(alike)} ({_state(fate, len(alike))})" for fate, alike in groups.items()]
    more = len(names) - len(names[:FEW])
    return f"{', '.join(shown)} and {more:,} more" if more else ", ".join(shown)


def alike(names: Iterable[str], rollout_id: str, fate_of: FateOf) -> dict[str, list[str]]:
    """Hosts by why they stay as they are, said as of so many; "" where that is not known."""
    groups: dict[Fate | None, list[str]] = {}
    for name in names:
        groups.setdefault(fate_of(rollout_id, name), []).append(name)
    said: dict[str, list[str]] = {}
    for fate, hosts in groups.items():
        said.setdefault(_why(fate, len(hosts)), []).extend(hosts)
    return said


def _state(fate: Fate | None, hosts: int) -> str:
    if fate is None:
        return "not in this rollout"
    why = _why(fate, hosts)
    return f"{fate.state}: {why}" if why else fate.state


def _why(fate: Fate | None, hosts: int) -> str:
    return "" if fate is None else fate.one if hosts == 1 else fate.many


def _joined(names: list[str]) -> str:
    short = [shortened(name) for name in names]
    return " and ".join([", ".join(short[:-1]), short[-1]] if len(short) > 1 else short)


class _Fates:
    """The tables and settings by which hosts are looked up."""

    def __init__(self, result: Result):
        frame = result.hosts[["rollout_id", "host", "channel", "state"]].astype("str")
        self.state = {
            (rollout, host): (channel, state) for rollout, host, channel, state in frame.itertuples(index=False)
        }
        moves = result.transitions
        failed = moves.loc[moves["to"] == "Failed", ["rollout_id", "host", "from"]].astype("str")
        self.failed_from = {(rollout, host): before for rollout, host, before in failed.itertuples(index=False)}
        self.scenario = result.scenario
        self.artifact = result.scenario.artifact(result.summary["seed"])
        self.final = result.summary["end"] == "quiescent"
        self.selectors = [one.match.to_selector() for one in self.scenario.hosts.overrides]

    def of(self, rollout_id: str, host: str) -> Fate | None:
        if (rollout_id, host) not in self.state:
            return None
        channel, state = self.state[rollout_id, host]
        if not self.final:
            return Fate(state)
        match state:
            case "Deferred":
                return Fate(state, *self._deferred(host))
            case "Failed" | "Reverted":
                return Fate(state, *self._failed(rollout_id, channel, host, state))
            case _:
                return Fate(state)

    def _deferred(self, host: str) -> tuple[str, ...]:
        settings = self._settings(host)
        if settings.reboot == "never":
            return _NEVER_REBOOTS
        # a reboot that was due has been: nothing else keeps a host down
        return _NEVER_CAME_BACK if settings.boot_failure else ()

    def _failed(self, rollout_id: str, channel: str, host: str, state: str) -> tuple[str, ...]:
        causes = _CAUSES.get(self.failed_from.get((rollout_id, host), ""))
        if causes is None:
            return ()
        one, many = causes
        if state == "Reverted":
            return f"{one}, and it was rolled back", f"{many}, and they were rolled back"
        policy = self.artifact.rollout_policies[self.artifact.channels[channel].rollout_policy]
        if policy.on_health_failure == "halt":
            return tuple(f"{cause}, and the policy rolls nothing back" for cause in (one, many))
        if self._settings(host).rollback_failure:
            return f"{one}, and so did its rollback", f"{many}, and so did their rollbacks"
        return one, many

    def _settings(self, host: str) -> HostSettings:
        about = self.artifact.hosts[host]
        hosts = self.scenario.hosts
        for selector, override in zip(self.selectors, hosts.overrides, strict=True):
            if matches(selector, name=host, channel=about.channel, tags=about.tags):
                return override.over(hosts.default)
        return hosts.default
