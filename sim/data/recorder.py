"""What a control plane writes into its event log while it runs (spec page 7), in the order of writing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sim.data.rows import GateDecision, Kind, OpenRollout, Payload, QueueDispatch
from sim.model.host import Host
from sim.model.journal import Journal
from sim.model.rollouts import Rollout
from sim.reducer import events
from sim.reducer.effects import RecordRolloutTransition, RecordTransition, RemoteInsertQuarantine
from sim.reducer.payloads import Report

if TYPE_CHECKING:
    from sim.model.world import World

Write = Callable[[float, str | None, str | None, Kind, Payload], None]
"""Takes a row: when (s), the host, the rollout, the kind and the payload."""


class AuditLog(Journal):
    """Writes the rows of the event log, and keeps those of the frame `events` too where they are asked for.

    The rows of a pass are held back until it is over: the planner tells its gates' decisions before the dispatches, and
    of a host that is offline nothing at all, while the control plane goes through its hosts once.
    """

    takes_every_report = True

    def __init__(
        self,
        world: World,
        *,
        write: Write,
        done: Callable[[World, float, str], None],
        every_pass: bool,
        frame: bool,
    ):
        """`done` is called at the end with the world as it then is, when it ended (s) and how. `every_pass`: whether
        each pass writes a row for each host that it holds, or only one that comes to be held by another gate."""
        super().__init__(world)
        self._write = write
        self._done = done
        self._every_pass = every_pass
        self._frame = frame
        self._gates: dict[tuple[str, str], str] = {}
        self._of_pass: dict[str, dict[str, QueueDispatch | GateDecision]] = defaultdict(dict)

    def _row(self, *cells: Any) -> None:
        if self._frame:
            super()._row(*cells)

    # -- reports and what comes of them

    def logged(self, now: float, rollout: Rollout, host: Host, report: Report) -> None:
        if self._frame:
            super().logged(now, rollout, host, report)
        self._write(now, host.name, rollout.rollout_id, "agent_event", report)

    def mirror_move(self, now: float, rollout: Rollout, host: Host, move: RecordTransition) -> None:
        super().mirror_move(now, rollout, host, move)
        self._write(now, host.name, rollout.rollout_id, "effect", move)

    def quarantine(self, now: float, rollout: Rollout, host: Host, effect: RemoteInsertQuarantine) -> None:
        super().quarantine(now, rollout, host, effect)
        self._write(now, host.name, rollout.rollout_id, "effect", effect)

    # -- rollouts

    def rollout_opened(self, now: float, rollout: Rollout) -> None:
        super().rollout_opened(now, rollout)
        opened = events.RolloutOpened(rollout.rollout_id, rollout.channel, rollout.ref, now)
        self._write(now, None, rollout.rollout_id, "rollout_event", opened)

    def rollout_event(self, now: float, rollout: Rollout, event: events.RolloutEvent) -> None:
        if self._frame:
            super().rollout_event(now, rollout, event)
        self._write(now, getattr(event, "host_id", None), rollout.rollout_id, "rollout_event", event)

    def rollout_move(self, now: float, rollout: Rollout, move: RecordRolloutTransition) -> None:
        super().rollout_move(now, rollout, move)
        self._write(now, None, rollout.rollout_id, "effect", move)

    def all_joined(self, now: float, rollout: Rollout) -> None:
        names = [self._world.fleet.names[number] for number in rollout.hosts]
        action = OpenRollout(rollout.rollout_id, rollout.channel, rollout.ref, names)
        self._write(now, None, rollout.rollout_id, "plan_action", action)

    # -- plan passes

    def gate(self, now: float, rollout_id: str, host: str, gate: str | None, reason: str | None) -> None:
        super().gate(now, rollout_id, host, gate, reason)
        if gate is None:
            self._gates.pop((rollout_id, host), None)
        elif self._gates.get((rollout_id, host)) != gate:
            self._gates[rollout_id, host] = gate
            self._of_pass[rollout_id][host] = GateDecision(gate, reason or "", host, rollout_id)

    def queued(self, now: float, rollout: Rollout, host: Host, closure: str, soak_due_at: float | None) -> None:
        super().queued(now, rollout, host, closure, soak_due_at)
        dispatch = QueueDispatch(host.name, rollout.rollout_id, closure, soak_due_at)
        self._of_pass[rollout.rollout_id][host.name] = dispatch

    def passed(self, now: float) -> None:
        index = self._world.control_plane.index
        self._queue_parked(now)
        if self._every_pass:
            for one in index.deferrals():
                self._of_pass[one.rollout][one.host] = GateDecision(one.gate, one.reason, one.host, one.rollout)
        for rollout_id in sorted(self._of_pass):
            rows = self._of_pass[rollout_id]
            for host in index.in_order(list(rows)):
                row = rows[host]
                kind: Kind = "plan_action" if type(row) is QueueDispatch else "gate_decision"
                self._write(now, host, rollout_id, kind, row)
        self._of_pass.clear()

    def _queue_parked(self, now: float) -> None:
        """The dispatches that the pass queued again for hosts that are offline: the planner only counts them."""
        world = self._world
        plane, names = world.control_plane, world.fleet.names
        for rollout in plane.rollouts:
            if not rollout.parked:
                continue
            rows = self._of_pass[rollout.rollout_id]
            parked = [names[number] for number in rollout.parked if names[number] not in rows]
            for name in plane.index.queued_again(rollout.rollout_id, parked):
                number = world.fleet.numbers[name]
                due = rollout.mirrors[number].soak_due_at
                if world.rules.soak_from == "dispatch":
                    due = now + rollout.soak_of(number)
                elif due is None:
                    due = now
                rows[name] = QueueDispatch(name, rollout.rollout_id, rollout.target_of[number], due)

    def finish(self, ended_at: float, end: str) -> None:
        self._done(self._world, ended_at, end)
