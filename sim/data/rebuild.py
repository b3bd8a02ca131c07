"""A log as the `Recording` of a run, so that every frame, figure and measure works on a rollout that happened.

What a log cannot say is missing there, or as said here:

- An agent's own clock. A log of this program has its true times; a real one reads some of them before the work starts
  (spec page 7), so of that the time is the one at which the control plane applied it. Steps of an agent that the
  control plane refused or never heard of are not in a log; those it made up from a heartbeat look like an agent's.
- Probe runs are those that were logged. Heartbeats, deliveries, dispatches taken or refused, wake-ups, gates asked and
  reports refused leave no row: they count as none. Why a rollout is not over is not known.
- A host is in the wave that `HostJoined` names, and in none if the gate `wave-promotion-host-unstaged` ever held it,
  unless the fleet is known. Waves open when it shows (`followed`). The release left a host unchanged if it ran its
  target before.
- Where rows are missing, so that a host leaves a state that it never entered, it enters that state when it leaves it.
- A host is held by a gate from a row that says so until a row says otherwise, or it is no longer pending.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from sim.data.followed import Followed
from sim.data.passes import Passes
from sim.data.rows import KIND_OF, GateDecision, OpenRollout, QueueDispatch, Row
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
        # a host that a wave lists and the fleet lacks never gets anywhere, and holds the wave
        self._waves: dict[str, list[list[int]]] | None = None
        if fleet.waves is not None:
            self._waves = {
                channel: [[self._numbers.get(host, -1) for host in wave] for wave in waves]
                for channel, waves in fleet.waves.items()
            }
        self.rollouts: dict[str, Followed] = {}
        """By rollout id, in order of opening."""
        self._agent, self._mirror = MoveLog(), MoveLog()
        self._failing = FailingTime()
        self._counts: dict[int, dict[type, int]] = {}
        """Minute -> kind of payload -> how many rows."""
        self._minute = -1
        self._now: dict[type, int] = {}
        """The counts of that minute."""
        self._first_dispatches: Counter[int] = Counter()
        """Minute -> dispatches to hosts that had none before."""
        self._takes: dict[type, Callable[[Row, Any], None]] = {
            RolloutOpened: self._opened,
            HostJoined: self._joined,
            RecordTransition: self._moved,
            RecordRolloutTransition: self._rollout_moved,
            DispatchAck: self._acknowledged,
            ProbeResult: self._probe_result,
            Failed: self._failed,
            OpenRollout: self._listed,
            QueueDispatch: self._queued,
            GateDecision: self._held,
        }
        self._soonest = float("inf")
        self._last = 0.0

    def take(self, row: Row) -> None:
        """Note what a row says."""
        at = row.at
        self._last = max(self._last, at)
        if at > self._soonest:
            self._advance(at, including=False)
        minute = int(at // MINUTE)
        if minute != self._minute:
            self._minute = minute
            self._now = self._counts.setdefault(minute, {})
        payload = row.payload
        kind = type(payload)
        self._now[kind] = self._now.get(kind, 0) + 1
        take = self._takes.get(kind)
        if take is not None:
            take(row, payload)

    # -- rollouts

    def _follow(self, rollout_id: str, channel: str, ref: str, at: float) -> Followed:
        followed = self.rollouts.get(rollout_id)
        if followed is None:
            waves = None if self._waves is None else self._waves.get(channel, [])
            passes, eligible = self._fleet.passes, self._fleet.eligible
            followed = Followed(len(self.rollouts), rollout_id, channel, ref, at, waves, passes, eligible)
            self.rollouts[rollout_id] = followed
        return followed

    def _known(self, rollout_id: str, at: float) -> Followed:
        """The rollout, from its id if its opening is not in the log."""
        followed = self.rollouts.get(rollout_id)
        if followed is not None:
            return followed
        channel, _, ref = rollout_id.partition("@")
        return self._follow(rollout_id, channel, ref, at)

    def _number(self, host: str) -> int:
        return self._numbers.setdefault(host, len(self._numbers))

    def _opened(self, row: Row, event: RolloutOpened) -> None:
        self._follow(event.rollout_id, event.channel, event.target_ref, row.at)

    def _joined(self, row: Row, event: HostJoined) -> None:
        self._known(event.rollout_id, row.at).join(self._number(event.host_id), event.wave)

    def _listed(self, row: Row, action: OpenRollout) -> None:
        followed = self._follow(action.rollout_id, action.channel, action.target_ref, row.at)
        for host in action.hosts:
            followed.join(self._number(host), 0)

    def _rollout_moved(self, row: Row, move: RecordRolloutTransition) -> None:
        at = row.at
        followed = self._known(move.rollout_id, at)
        followed.state = move.to
        if move.to == "Terminal":
            followed.terminal_at = at
        elif move.to == "Superseded":
            followed.superseded_at = at
            followed.holds.finish(at)

    def _advance(self, upto: float, *, including: bool) -> None:
        """Open the waves that passes have opened meanwhile."""
        for followed in self.rollouts.values():
            followed.advance(upto, including=including)
        self._note_due()

    def _note_due(self) -> None:
        self._soonest = min((one.due[0] for one in self.rollouts.values() if one.due is not None), default=float("inf"))

    # -- hosts

    def _moved(self, row: Row, move: RecordTransition) -> None:
        at = row.at
        followed = self._known(move.rollout_id, at)
        host = self._number(move.host)
        followed.join(host, 0)
        by_agent = min(move.at, at) if self._fleet.agents_time else at
        source = move.from_
        if followed.state_of[host] != source:  # rows are missing
            self._note(followed, host, followed.state_of[host], source, by_agent, at)
        self._note(followed, host, source, move.to, by_agent, at)
        due = followed.due
        followed.moved(host, move.to, at)
        if followed.due != due:
            self._note_due()
        if move.from_ == "Pending":
            followed.holds.left(host, at, float("inf"))
        elif move.from_ == "Soaking":
            followed.failing.pop(host, None)
            self._failing.note(followed.number, host, False, by_agent)

    def _note(
        self, followed: Followed, host: int, source: HostState, target: HostState, by_agent: float, at: float
    ) -> None:
        self._agent.append(followed.number, host, ORDER[source], ORDER[target], by_agent)
        self._mirror.append(followed.number, host, ORDER[source], ORDER[target], at)

    def _of(self, row: Row) -> tuple[Followed, int]:
        """Whose report it is."""
        assert row.rollout is not None and row.host is not None
        return self._known(row.rollout, row.at), self._number(row.host)

    def _acknowledged(self, row: Row, report: DispatchAck) -> None:
        followed, host = self._of(row)
        ran = report.current_closure_at_dispatch
        if ran is not None and ran in ("", followed.targets.get(host)):
            followed.unchanged.add(host)

    def _failed(self, row: Row, report: Failed) -> None:
        self._of(row)[0].on_health_failure = report.policy_applied

    def _probe_result(self, row: Row, result: ProbeResult) -> None:
        followed, host = self._of(row)
        followed.probe_runs[host] = followed.probe_runs.get(host, 0) + 1
        failed = result.status == "fail"
        if failed:
            followed.probe_fails[host] = followed.probe_fails.get(host, 0) + 1
        elif host not in followed.failing:
            return
        if result.mode == "enforce":
            failing = followed.failing.setdefault(host, set())
            (failing.add if failed else failing.discard)(result.probe_name)
            at = min(result.observed_at, row.at) if self._fleet.agents_time else row.at
            self._failing.note(followed.number, host, bool(failing), at)

    def _queued(self, row: Row, action: QueueDispatch) -> None:
        at = row.at
        followed, host = self._asked(action.rollout, action.host, at, past_waves=True)
        followed.targets.setdefault(host, action.target_closure)
        self._first_dispatches[self._minute] += followed.queue(host, at, action.soak_due_at)
        followed.holds.let_go(host, at)

    def _held(self, row: Row, decision: GateDecision) -> None:
        at = row.at
        past_waves = decision.gate not in BEFORE_WAVES
        followed, host = self._asked(decision.rollout, decision.host, at, past_waves=past_waves)
        if decision.gate == UNSTAGED:
            followed.wave_of[host] = -1
        followed.holds.held(host, followed.wave_of.get(host, 0), decision.gate, decision.reason, at)

    def _asked(self, rollout_id: str, name: str, at: float, *, past_waves: bool) -> tuple[Followed, int]:
        followed, host = self._known(rollout_id, at), self._number(name)
        followed.join(host, 0)
        if at == self._soonest:
            self._advance(at, including=True)
        followed.asked(host, at, past_waves=past_waves)
        return followed, host

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
        logs = [self._log(followed, names, failing, end) for followed in self.rollouts.values()]
        load = self._load(int(end // MINUTE) + 1)
        return Recording(
            **about,
            fidelity="log",
            host_names=names,
            rollouts=logs,
            agent=self._agent.columns(),
            mirror=self._mirror.columns(),
            gates=[hold for followed in self.rollouts.values() for hold in followed.holds.holds(followed.rollout_id)],
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

    def _load(self, minutes: int) -> dict[str, NDArray[np.int64]]:
        """What a log tells of the load (spec page 4), per minute."""
        columns: dict[str, NDArray[np.int64]] = defaultdict(lambda: np.zeros(minutes, dtype=np.int64))
        for minute, counts in self._counts.items():
            if not 0 <= minute < minutes:
                continue
            for kind, count in counts.items():
                of = KIND_OF[kind]
                columns[f"event_log.{of}"][minute] += count
                if of == "agent_event":
                    columns[f"reports.{kind.__name__}"][minute] += count
                    columns["host_steps"][minute] += count
                elif of == "rollout_event" and kind is not RolloutOpened:
                    columns["rollout_steps"][minute] += count
            first = self._first_dispatches[minute]
            columns["dispatches_queued"][minute] += first
            columns["dispatches_requeued"][minute] += counts.get(QueueDispatch, 0) - first
        return dict(columns)

    def _log(
        self, followed: Followed, names: list[str], failing: dict[tuple[int, int], float], end: float
    ) -> RolloutLog:
        followed.holds.finish(end)
        hosts = sorted(followed.state_of, key=names.__getitem__)
        passes = self._fleet.passes
        asked_at = followed.asked_at
        if asked_at is None and passes is not None:
            asked_at = passes.after(passes.at_or_after(followed.opened_at))[0]
        known = (self._fleet.unchanged or {}).get(followed.rollout_id)
        unchanged = followed.unchanged if known is None else {self._numbers[name] for name in known}
        return RolloutLog(
            rollout_id=followed.rollout_id,
            channel=followed.channel,
            ref=followed.ref,
            state=followed.state,
            opened_at=followed.opened_at,
            terminal_at=followed.terminal_at,
            superseded_at=followed.superseded_at,
            current_wave=followed.current_wave,
            hosts=np.array(hosts, dtype=np.int32),
            wave=np.array([followed.wave_of.get(host, 0) for host in hosts], dtype=np.int32),
            unchanged=np.array([host in unchanged for host in hosts], dtype=np.bool_),
            wave_count=max(1, len(followed.waves)),
            wave_opened_at=followed.wave_opened_at,
            first_dispatch_at=followed.first_dispatch_at,
            deferred_at_promotion=followed.deferred_at_promotion,
            probe_runs=np.array([followed.probe_runs.get(host, 0) for host in hosts], dtype=np.int64),
            probe_fails=np.array([followed.probe_fails.get(host, 0) for host in hosts], dtype=np.int64),
            failing_s=np.array([failing.get((followed.number, host), 0.0) for host in hosts], dtype=np.float64),
            blocked_s=np.array([followed.holds.seconds.get(host, 0.0) for host in hosts], dtype=np.float64),
            queued_at=np.array([followed.queued_at.get(host, np.nan) for host in hosts], dtype=np.float64),
            asked_at=asked_at if asked_at is None or asked_at <= end else None,
            stall=None,
        )
