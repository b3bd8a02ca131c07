"""What set the end of a rollout: the chain of hosts, gates and timers from its opening to its last convergence.

From the end backwards: what did the last host wait for last? Its soak, its activation, its reboot, its dispatch; and
the dispatch for the last thing that let it go: a wave's promotion, a host that goes first, a channel that goes first,
room in a budget. A wave's promotion waited for the last of the wave before, and so on. To end sooner, something on this
chain has to be shorter; nothing off it matters. Times by the control plane's clock, in seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import isnan
from typing import TYPE_CHECKING, Any

import msgspec

from sim.reducer.gates import COMPLIANCE_WAVE, DISRUPTION_BUDGET, QUARANTINE

if TYPE_CHECKING:
    from sim.reducer.artifact import FleetArtifact
    from sim.result.result import Result


class Link(msgspec.Struct, frozen=True):
    """One stretch of the chain: from when to when (s), of which rollout and host, and what was waited for."""

    from_s: float
    to_s: float
    rollout_id: str
    host: str
    what: str


SOAK, PROBES, REBOOT, ACTIVATION, NETWORK, PASS = (
    "soak clock",
    "probe results",
    "reboot",
    "activation",
    "network",
    "plan pass",
)
"""What a link may wait for, besides a gate by its name (gates 1, 5 and 6, which open by themselves). `plan pass`: the
next pass, by which a finished wave or host is noticed."""


def critical_path(result: Result, rollout_id: str) -> list[Link]:
    """The chain that set a finished rollout's end, in order of time and without gaps from the opening to the end.

    Raises:
        LookupError: there is no such rollout, or it has not finished: what it waits for is in `stalled`.
    """
    summaries = {one["rollout_id"]: one for one in result.summary["rollouts"]}
    if rollout_id not in summaries:
        raise LookupError(f"no rollout {rollout_id!r}; there are {', '.join(summaries) or 'none'}")
    if summaries[rollout_id]["terminal_at_s"] is None:
        raise LookupError(f"{rollout_id} has not finished, so nothing set its end")
    return list(_Walk(result).back_from(rollout_id))[::-1]


class _Rollout:
    """A rollout's tables, looked up by host."""

    def __init__(self, result: Result, rollout_id: str):
        hosts = result.hosts[result.hosts["rollout_id"] == rollout_id]
        self.rollout_id = rollout_id
        self.hosts: dict[str, dict[Any, Any]] = {row["host"]: row for row in hosts.to_dict("records")}
        self.gates = result.gates[result.gates["rollout_id"] == rollout_id]
        waves = result.waves[result.waves["rollout_id"] == rollout_id]
        self.wave_opened_at: dict[int, float] = dict(zip(waves["wave"], waves["opened_at"], strict=True))
        about = result.rollouts[result.rollouts["rollout_id"] == rollout_id].iloc[0]
        self.channel, self.opened_at = str(about["channel"]), float(about["opened_at"])

    def gate_of(self, host: str) -> str:
        """Of the gates that open by themselves the one that held the host's wave longest; `plan pass` if none did."""
        held = self.gates[self.gates["gate"].isin((QUARANTINE, DISRUPTION_BUDGET, COMPLIANCE_WAVE))]
        wave = _number(self.hosts[host]["wave"])
        held = held[held["wave"].isna() if wave is None else held["wave"] == wave]
        return PASS if held.empty else str(held.sort_values("blocked_s")["gate"].iloc[-1])

    def last_converged(self) -> str:
        return max(self.hosts, key=lambda host: (self.hosts[host]["converged_at"], host))


class _Walk:
    def __init__(self, result: Result):
        self.result = result
        self.scenario = result.scenario
        self.artifact: FleetArtifact = result.scenario.artifact()
        self.strict = self.scenario.rules.deferred == "strict"

    def back_from(self, rollout_id: str) -> Iterator[Link]:
        rollout = _Rollout(self.result, rollout_id)
        host, until = rollout.last_converged(), "converged"
        while True:
            begun = rollout.opened_at
            for link in self._of_host(rollout, host, until):
                begun = link.from_s
                if link.to_s > link.from_s:
                    yield link
            if begun <= rollout.opened_at:
                return
            released_at, what, name = self._released(rollout, host, begun)
            if released_at < begun:
                soon = begun - released_at <= self.scenario.control_plane.plan_tick
                waited = PASS if soon else rollout.gate_of(host)
                yield Link(released_at, begun, rollout.rollout_id, host, waited)
            if what == "opening":
                return
            if what == "channel":
                rollout = _Rollout(self.result, name)
                host, until = rollout.last_converged(), "converged"
            else:
                host, until = name, "eligible"

    def _of_host(self, rollout: _Rollout, host: str, until: str) -> Iterator[Link]:
        """The host's own stretches, the last first, back to when its dispatch was queued or its soak clock began."""
        row, name = rollout.hosts[host], rollout.rollout_id
        deferred, soaking, converged = row["deferred_at"], row["soaking_at"], row["converged_at"]
        activating, queued = row["activating_at"], row["queued_at"]
        if until == "eligible" and not self.strict and not isnan(deferred) and not deferred > converged:
            yield Link(activating, deferred, name, host, ACTIVATION)
        else:
            from_, due = self._soak(rollout, row)
            if due > soaking:
                overdue = row["failing_s"] > 0 and converged > due + 2 * self.scenario.control_plane.advance_tick
                if overdue:
                    yield Link(due, converged, name, host, PROBES)
                yield Link(from_, due if overdue else converged, name, host, SOAK)
                if from_ < soaking:
                    return
            else:
                yield Link(soaking, converged, name, host, PROBES)
            if not isnan(deferred):
                yield Link(deferred, soaking, name, host, REBOOT)
                soaking = deferred
            yield Link(activating, soaking, name, host, ACTIVATION)
        if not isnan(queued) and queued <= activating:
            yield Link(queued, activating, name, host, NETWORK)

    def _soak(self, rollout: _Rollout, row: dict[str, Any]) -> tuple[float, float]:
        """Since when the host's soak clock ran, and when it was due."""
        policy = self.artifact.rollout_policies[self.artifact.channels[rollout.channel].rollout_policy]
        wave = _number(row["wave"]) or 0
        declared = policy.waves[wave].soak_minutes * 60.0 if wave < len(policy.waves) else None
        soak = self.scenario.control_plane.default_soak if declared is None else declared
        start = {"open": rollout.opened_at, "dispatch": row["queued_at"], "activation": row["soaking_at"]}
        from_ = float(start[self.scenario.rules.soak_from])
        return from_, from_ + soak

    def _released(self, rollout: _Rollout, host: str, by: float) -> tuple[float, str, str]:
        """The last thing that had to be done before the host could be queued: when, what, and its host or rollout."""
        found: list[tuple[float, str, str]] = [(rollout.opened_at, "opening", "")]
        wave = _number(rollout.hosts[host]["wave"])
        if wave:
            before = [name for name, row in rollout.hosts.items() if _number(row["wave"]) == wave - 1]
            found += [(self._eligible(rollout, name), "host", name) for name in before]
        for edge in self.artifact.edges:
            if edge.gated == host and edge.gates in rollout.hosts:
                found.append((self._eligible(rollout, edge.gates), "host", edge.gates))
        for edge in self.artifact.channel_edges:
            if edge.gated == rollout.channel:
                rollouts = self.result.rollouts
                mine = rollouts[(rollouts["channel"] == edge.gates) & (rollouts["terminal_at"] <= by)]
                found += [
                    (float(at), "channel", str(name)) for name, at in mine[["rollout_id", "terminal_at"]].to_numpy()
                ]
        return max((one for one in found if one[0] <= by), key=lambda one: (one[0], one[2]))

    def _eligible(self, rollout: _Rollout, host: str) -> float:
        row = rollout.hosts[host]
        times = [row["converged_at"]] if self.strict else [row["deferred_at"], row["converged_at"]]
        return min((at for at in times if not isnan(at)), default=float("inf"))


def _number(wave: Any) -> int | None:
    """A wave of a table: None where the host is in none."""
    import pandas as pd

    return None if pd.isna(wave) else int(wave)
