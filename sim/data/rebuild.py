"""A log as the `Recording` of a run, so that every frame, figure and measure works on a rollout that happened.

What a log cannot say is missing there, or as said here:

- An agent's own clock. A log of this program has its true times; a real one reads some of them before the work starts
  (spec page 7), so of that the time is the one at which the control plane applied it. Steps of an agent that the
  control plane refused or never heard of are not in a log; those it made up from a heartbeat look like an agent's.
- Probe runs are those that were logged. Heartbeats, deliveries, dispatches taken or refused, wake-ups, gates asked and
  reports refused leave no row: they count as none. Why a rollout is not over is not known.
- A host is in the wave that `HostJoined` names, and in none if the gate `wave-promotion-host-unstaged` ever held it,
  unless the fleet is known. Waves open when it shows (`told`). The release left a host unchanged if it ran its target
  before.
- Where rows are missing, so that a host leaves a state that it never entered, it enters that state when it leaves it.
- A host is held by a gate from a row that says so until a row says otherwise, or it is no longer pending.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import numpy as np

from sim.data.passes import Passes
from sim.data.rows import GateDecision, OpenRollout, QueueDispatch, Row
from sim.data.told import Told
from sim.model.recording import FailingTime, MoveLog, Recording, RolloutLog
from sim.reducer.effects import RecordRolloutTransition, RecordTransition
from sim.reducer.events import HostJoined, RolloutOpened
from sim.reducer.gates import CHANNEL_EDGES, QUARANTINE, UNSTAGED, WAVE_PROMOTION
from sim.reducer.payloads import DispatchAck, Failed, ProbeResult
from sim.reducer.records import STATES, HostState

BEFORE_WAVES = frozenset({QUARANTINE, CHANNEL_EDGES, WAVE_PROMOTION, UNSTAGED})
"""Gates that may hold a host whose wave is not open."""
MINUTE = 60.0
ORDER = {state: place for place, state in enumerate(STATES)}


class Fleet(msgspec.Struct):
    """What is known of the fleet besides the log. `hosts`: all names. `waves`: host names per wave of each channel.
    `unchanged`: by rollout id the hosts that the release left as they were. `eligible`: in which states a host lets the
    next wave go. None, or nothing, where it is not known."""

    hosts: list[str] = []
    waves: dict[str, list[list[str]]] | None = None
    passes: Passes | None = None
    unchanged: dict[str, set[str]] | None = None
    eligible: frozenset[HostState] = frozenset({"Converged", "Deferred"})
    agents_time: bool = False
    """Whether the times in the payloads are those at which agents did what they say."""


class Rebuilder:
    """Takes the rows of a log (`take`), then gives the recording."""

    def __init__(self, fleet: Fleet):
        self._fleet = fleet
        self._numbers = {name: number for number, name in enumerate(fleet.hosts)}
        self._waves: dict[str, list[list[int]]] | None = None
        if fleet.waves is not None:
            self._waves = {
                channel: [[self._numbers[host] for host in wave] for wave in waves]
                for channel, waves in fleet.waves.items()
            }
        self.rollouts: dict[str, Told] = {}
        """By rollout id, in order of opening."""
        self._agent, self._mirror = MoveLog(), MoveLog()
        self._failing = FailingTime()
        self._counts: Counter[tuple[str, int]] = Counter()
        self._soonest = float("inf")
        self._last = 0.0

    def take(self, row: Row) -> None:
        """Note what a row says."""
        at = self._last = row.at
        minute = int(at // MINUTE)
        self._counts[f"event_log.{row.kind}", minute] += 1
        if at > self._soonest:
            self._advance(at, including=False)
        payload = row.payload
        match row.kind:
            case "agent_event":
                self._counts[f"reports.{type(payload).__name__}", minute] += 1
                self._counts["host_steps", minute] += 1
                if isinstance(payload, ProbeResult | DispatchAck | Failed):
                    self._report(row, payload)
            case "rollout_event":
                if isinstance(payload, RolloutOpened):
                    self._told(payload.rollout_id, payload.channel, payload.target_ref, at)
                else:
                    self._counts["rollout_steps", minute] += 1
                    if isinstance(payload, HostJoined):
                        told = self._known(payload.rollout_id, at)
                        told.join(self._number(payload.host_id), payload.wave)
            case "effect":
                if isinstance(payload, RecordTransition):
                    self._moved(payload, at)
                elif isinstance(payload, RecordRolloutTransition):
                    self._rollout_moved(payload, at)
            case "plan_action":
                if isinstance(payload, QueueDispatch):
                    self._queued(payload, at, minute)
                elif isinstance(payload, OpenRollout):
                    told = self._told(payload.rollout_id, payload.channel, payload.target_ref, at)
                    for host in payload.hosts:
                        told.join(self._number(host), 0)
            case "gate_decision":
                if isinstance(payload, GateDecision):
                    self._held(payload, at)

    # -- rollouts

    def _told(self, rollout_id: str, channel: str, ref: str, at: float) -> Told:
        told = self.rollouts.get(rollout_id)
        if told is None:
            waves = None if self._waves is None else self._waves.get(channel, [])
            passes, eligible = self._fleet.passes, self._fleet.eligible
            told = Told(len(self.rollouts), rollout_id, channel, ref, at, waves, passes, eligible)
            self.rollouts[rollout_id] = told
        return told

    def _known(self, rollout_id: str, at: float) -> Told:
        """The rollout, from its id if its opening is not in the log."""
        channel, _, ref = rollout_id.partition("@")
        return self._told(rollout_id, channel, ref, at)

    def _number(self, host: str) -> int:
        return self._numbers.setdefault(host, len(self._numbers))

    def _rollout_moved(self, move: RecordRolloutTransition, at: float) -> None:
        told = self._known(move.rollout_id, at)
        told.state = move.to
        if move.to == "Terminal":
            told.terminal_at = move.at
        elif move.to == "Superseded":
            told.superseded_at = move.at
            told.holds.finish(at)

    def _advance(self, upto: float, *, including: bool) -> None:
        """Open the waves that passes have opened meanwhile."""
        for told in self.rollouts.values():
            told.advance(upto, including=including)
        self._note_due()

    def _note_due(self) -> None:
        self._soonest = min((one.due[0] for one in self.rollouts.values() if one.due is not None), default=float("inf"))

    # -- hosts

    def _moved(self, move: RecordTransition, at: float) -> None:
        told = self._known(move.rollout_id, at)
        host = self._number(move.host)
        told.join(host, 0)
        by_agent = min(move.at, at) if self._fleet.agents_time else at
        source = move.from_
        if told.state_of[host] != source:  # rows are missing
            self._note(told, host, told.state_of[host], source, by_agent, at)
        self._note(told, host, source, move.to, by_agent, at)
        due = told.due
        told.moved(host, move.to, at)
        if told.due != due:
            self._note_due()
        if move.from_ == "Pending":
            told.holds.left(host, at, float("inf"))
        elif move.from_ == "Soaking":
            told.failing.pop(host, None)
            self._failing.note(told.number, host, False, by_agent)

    def _note(self, told: Told, host: int, source: HostState, target: HostState, by_agent: float, at: float) -> None:
        self._agent.append(told.number, host, ORDER[source], ORDER[target], by_agent)
        self._mirror.append(told.number, host, ORDER[source], ORDER[target], at)

    def _report(self, row: Row, report: ProbeResult | DispatchAck | Failed) -> None:
        assert row.rollout is not None and row.host is not None
        told, host = self._known(row.rollout, row.at), self._number(row.host)
        if isinstance(report, DispatchAck):
            ran = report.current_closure_at_dispatch
            if ran is not None and ran in ("", told.targets.get(host)):
                told.unchanged.add(host)
            return
        if isinstance(report, Failed):
            told.on_health_failure = report.policy_applied
            return
        told.probe_runs[host] = told.probe_runs.get(host, 0) + 1
        failed = report.status == "fail"
        if failed:
            told.probe_fails[host] = told.probe_fails.get(host, 0) + 1
        if report.mode == "enforce":
            failing = told.failing.setdefault(host, set())
            (failing.add if failed else failing.discard)(report.probe_name)
            at = min(report.observed_at, row.at) if self._fleet.agents_time else row.at
            self._failing.note(told.number, host, bool(failing), at)

    def _queued(self, action: QueueDispatch, at: float, minute: int) -> None:
        told, host = self._asked(action.rollout, action.host, at, past_waves=True)
        told.targets.setdefault(host, action.target_closure)
        first = told.queue(host, at, action.soak_due_at)
        self._counts["dispatches_queued" if first else "dispatches_requeued", minute] += 1
        told.holds.let_go(host, at)

    def _held(self, decision: GateDecision, at: float) -> None:
        past_waves = decision.gate not in BEFORE_WAVES
        told, host = self._asked(decision.rollout, decision.host, at, past_waves=past_waves)
        if decision.gate == UNSTAGED:
            told.wave_of[host] = -1
        told.holds.held(host, told.wave_of.get(host, 0), decision.gate, decision.reason, at)

    def _asked(self, rollout_id: str, name: str, at: float, *, past_waves: bool) -> tuple[Told, int]:
        told, host = self._known(rollout_id, at), self._number(name)
        told.join(host, 0)
        if at == self._soonest:
            self._advance(at, including=True)
        told.asked(host, at, past_waves=past_waves)
        return told, host

    # -- the end

    def recording(self, about: dict[str, Any], ended_at: float | None) -> Recording:
        """The recording of what was taken.

        Args:
            about: its scenario, seed and replication.
            ended_at: when the run ended (s); None: at the last row.
        """
        end = self._last if ended_at is None else ended_at
        self._advance(end, including=True)
        names = list(self._numbers)
        failing = self._failing.upto(end)
        logs = [self._log(told, names, failing, end) for told in self.rollouts.values()]
        minutes = int(end // MINUTE) + 1
        load: dict[str, Any] = {}
        for (kind, minute), count in self._counts.items():
            if 0 <= minute < minutes:
                load.setdefault(kind, np.zeros(minutes, dtype=np.int64))[minute] += count
        return Recording(
            **about,
            fidelity="log",
            host_names=names,
            rollouts=logs,
            agent=self._agent.columns(),
            mirror=self._mirror.columns(),
            gates=[hold for told in self.rollouts.values() for hold in told.holds.holds(told.rollout_id)],
            load=load,
            rejected={},
            ended_at=end,
            end="log",
            wall_s=0.0,
            simulated=0,
            skipped=0,
            host_steps=int(sum(load.get("host_steps", [0]))),
            rollout_steps=int(sum(load.get("rollout_steps", [0]))),
            events=None,
        )

    def _log(self, told: Told, names: list[str], failing: dict[tuple[int, int], float], end: float) -> RolloutLog:
        told.holds.finish(end)
        hosts = sorted(told.state_of, key=names.__getitem__)
        passes = self._fleet.passes
        asked_at = told.asked_at
        if asked_at is None and passes is not None:
            asked_at = passes.after(passes.at_or_after(told.opened_at))[0]
        known = (self._fleet.unchanged or {}).get(told.rollout_id)
        unchanged = told.unchanged if known is None else {self._numbers[name] for name in known}
        return RolloutLog(
            rollout_id=told.rollout_id,
            channel=told.channel,
            ref=told.ref,
            state=told.state,
            opened_at=told.opened_at,
            terminal_at=told.terminal_at,
            superseded_at=told.superseded_at,
            current_wave=told.current_wave,
            hosts=np.array(hosts, dtype=np.int32),
            wave=np.array([told.wave_of.get(host, 0) for host in hosts], dtype=np.int32),
            unchanged=np.array([host in unchanged for host in hosts], dtype=np.bool_),
            wave_count=max(1, len(told.waves)),
            wave_opened_at=told.wave_opened_at,
            first_dispatch_at=told.first_dispatch_at,
            deferred_at_promotion=told.deferred_at_promotion,
            probe_runs=np.array([told.probe_runs.get(host, 0) for host in hosts], dtype=np.int64),
            probe_fails=np.array([told.probe_fails.get(host, 0) for host in hosts], dtype=np.int64),
            failing_s=np.array([failing.get((told.number, host), 0.0) for host in hosts], dtype=np.float64),
            blocked_s=np.array([told.holds.seconds.get(host, 0.0) for host in hosts], dtype=np.float64),
            queued_at=np.array([told.queued_at.get(host, np.nan) for host in hosts], dtype=np.float64),
            asked_at=asked_at if asked_at is None or asked_at <= end else None,
            stall=None,
        )
