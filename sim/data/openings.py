"""What a log shows of the fleet and its releases: openings, waves, soaks, budgets, the control plane's clock, delays.

- The hosts of a rollout, their channel and their waves are in the rows of its opening (spec page 7).
- A soak is `soak_due_at` of a dispatch less the rollout's opening; where these differ within a wave and the times since
  the dispatch do not, the soak begins at the dispatch (`rules.soak_from`). Without `soak_due_at` it begins at the
  activation, and is what passed from there to the soonest `Converged` of the wave. The planner then writes the time of
  its pass (spec page 3), as it would for soaks of nothing; those are told apart by hosts that take a minute and more.
- The network delay of a host is the least time between an event and its row, of events whose payload has the time at
  which they were sent (`startedAt`, `observedAt`, `declaredAt`, `convergedAt`). It has the difference of the two clocks
  in it.
"""

from __future__ import annotations

from collections import Counter

from sim.data.rows import GateDecision, OpenRollout, QueueDispatch, Row
from sim.reducer.events import HostJoined
from sim.reducer.payloads import (
    ActivationCompleted,
    ActivationDeferred,
    ActivationFailed,
    ActivationStarted,
    Converged,
    DispatchAck,
    Failed,
    ProbeResult,
    ProbeTopologyDeclared,
)

MINUTE = 60.0
"""The shortest soak that a policy declares, but for none (s): it is told in minutes."""
PASSES = 12
"""Passes from which the control plane's clock is told."""
CLOCK = 0.05
"""How far from a multiple of the plan tick a pass may be written: a share of the tick."""
TICKS = (5.0, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0, 300.0)
"""Plan ticks that someone may have set (s); the longest that every pass falls on is taken."""


class Opening:
    """A rollout: who is in it, in which wave, and when each soak was due (s since the log's start)."""

    def __init__(self, rollout: str, channel: str, ref: str, at: float, hosts: list[str]):
        self.rollout = rollout
        self.channel = channel
        self.ref = ref
        self.at = at
        self.hosts = hosts
        self.waves: dict[str, int] = {}
        self.due: dict[str, tuple[float, float | None]] = {}
        """By host: when its first dispatch was queued, and the `soak_due_at` of that."""
        self.targets: dict[str, str] = {}
        self.soaked: dict[int, float] = {}
        """By wave: the shortest time (s) from an activation's end to `Converged`."""


class Openings:
    """Fed the rows of a log one by one (`take`)."""

    def __init__(self) -> None:
        self.rollouts: dict[str, Opening] = {}
        self.gates: dict[str, Counter[str]] = {}
        """By gate: decisions by channel."""
        self.most_in_flight: Counter[str] = Counter()
        """By channel: the most hosts that were activating or soaking, or about to."""
        self.delays: dict[str, float] = {}
        """By host: the least time (s) between an event and its row."""
        self.passes: set[float] = set()
        """When a pass did something (s), to a tenth: its rows are milliseconds apart."""
        self.rows = 0
        self.end = 0.0
        self._joining: dict[str, dict[str, int]] = {}
        self._flying: dict[str, set[tuple[str, str]]] = {}
        self._completed: dict[tuple[str, str], float] = {}

    def take(self, row: Row) -> None:
        """One row, in order of `seq`."""
        self.rows += 1
        self.end = max(self.end, row.at)
        if row.kind == "effect":
            return
        payload = row.payload
        match payload:
            case HostJoined(rollout_id=rollout, host_id=host, wave=wave):
                self._joining.setdefault(rollout, {})[host] = wave
            case OpenRollout():
                opening = Opening(payload.rollout_id, payload.channel, payload.target_ref, row.at, payload.hosts)
                opening.waves = self._joining.pop(payload.rollout_id, {})
                self.rollouts[payload.rollout_id] = opening
                self.passes.add(round(row.at, 1))
            case QueueDispatch():
                self.passes.add(round(row.at, 1))
                found = self.rollouts.get(payload.rollout)
                if found is not None and payload.host not in found.due:
                    found.due[payload.host] = (row.at, payload.soak_due_at)
                    found.targets[payload.host] = payload.target_closure
                    self._fly(payload.rollout, payload.host, True)
            case GateDecision():
                self.passes.add(round(row.at, 1))
                found = self.rollouts.get(payload.rollout)
                if found is not None:
                    self.gates.setdefault(payload.gate, Counter())[found.channel] += 1
            case _ if row.host is not None and row.rollout is not None:
                self._agent(row, row.host, row.rollout)

    def _agent(self, row: Row, host: str, rollout: str) -> None:
        match row.payload:
            case ActivationStarted(started_at=sent):
                self._delayed(host, row.at - sent)
            case ProbeResult(observed_at=sent) | ProbeTopologyDeclared(declared_at=sent):
                self._delayed(host, row.at - sent)
            case DispatchAck():
                self._fly(rollout, host, True)
            case ActivationCompleted():
                self._completed[rollout, host] = row.at
                self._fly(rollout, host, True)
            case ActivationDeferred() | ActivationFailed() | Failed():
                self._fly(rollout, host, False)
            case Converged():
                self._fly(rollout, host, False)
                found, since = self.rollouts.get(rollout), self._completed.get((rollout, host))
                if found is not None and since is not None and row.at > since:
                    wave = found.waves.get(host, 0)
                    found.soaked[wave] = min(found.soaked.get(wave, row.at - since), row.at - since)

    def _delayed(self, host: str, seconds: float) -> None:
        self.delays[host] = min(self.delays.get(host, seconds), seconds)

    def _fly(self, rollout: str, host: str, up: bool) -> None:
        found = self.rollouts.get(rollout)
        if found is None:
            return
        flying = self._flying.setdefault(found.channel, set())
        if up:
            flying.add((rollout, host))
            self.most_in_flight[found.channel] = max(self.most_in_flight[found.channel], len(flying))
        else:
            flying.discard((rollout, host))

    def channels(self) -> dict[str, dict[str, int]]:
        """By channel the hosts, in the order of the log, with the wave of the last rollout each was in."""
        found: dict[str, dict[str, int]] = {}
        for opening in self.rollouts.values():
            hosts = found.setdefault(opening.channel, {})
            hosts.update({host: opening.waves.get(host, 0) for host in opening.hosts})
        return found

    def soak_from(self) -> str | None:
        """From when a soak counts: `open`, `dispatch` or `activation`; None where no dispatch tells. Without soaks it
        makes no difference, and is `dispatch`."""
        dispatched = [(one.at, at, due) for one in self.rollouts.values() for at, due in one.due.values()]
        if not dispatched:
            return None
        if all(due is None for _, _, due in dispatched):
            return "activation"
        if all(due is None or abs(due - at) < 1.0 for _, at, due in dispatched):
            if any(soak >= MINUTE for one in self.rollouts.values() for soak in one.soaked.values()):
                return "activation"
            return "dispatch"  # a soak of nothing, which counted from the opening would look like the wait for a wave
        since_opening, since_dispatch = self._spread(False), self._spread(True)
        return "dispatch" if since_dispatch < since_opening else "open"

    def _spread(self, from_dispatch: bool) -> float:
        """How much (s) the soaks of a wave differ at most, counted from the dispatch or the opening."""
        widest = 0.0
        for opening in self.rollouts.values():
            by_wave: dict[int, list[float]] = {}
            for host, (at, due) in opening.due.items():
                if due is not None:
                    since = at if from_dispatch else opening.at
                    by_wave.setdefault(opening.waves.get(host, 0), []).append(due - since)
            widest = max([widest, *(max(soaks) - min(soaks) for soaks in by_wave.values())])
        return widest

    def soaks(self) -> dict[str, dict[int, float]]:
        """By channel the soak (s) of each wave that was seen to start, in the last rollout that shows it."""
        rule = self.soak_from()
        found: dict[str, dict[int, float]] = {}
        for opening in self.rollouts.values():
            soaks = found.setdefault(opening.channel, {})
            if rule == "activation":
                soaks.update(opening.soaked)
                continue
            for host, (at, due) in opening.due.items():
                if due is not None:
                    soaks[opening.waves.get(host, 0)] = due - (at if rule == "dispatch" else opening.at)
        return found

    def plan_tick(self) -> float | None:
        """The time (s) of which the passes that did something are multiples, counted from the first; None where too
        few of them are there, or none fits."""
        passes = sorted(self.passes)
        if len(passes) < PASSES:
            return None
        since = [at - passes[0] for at in passes]
        for tick in reversed(TICKS):
            if all(abs(at - round(at / tick) * tick) <= CLOCK * tick for at in since):
                return tick
        return None
