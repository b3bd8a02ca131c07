"""Every single thing that happens, on request: the rows of the frame `events` (page 9, `--events`).

A row is {at, cp_at, what, rollout_id, host, detail}: `at` is the agent's time and `cp_at` the control plane's
(seconds; None on the side where it has none), `what` one of `report`, `rejected` (a report, or what a heartbeat was
taken to mean, that the control plane's record refuses), `move`, `dispatch`, `taken`, `delivery`, `gate`,
`rollout_event`, `rollout_move`, `promotion`, `opened`, `quarantine`, `heartbeat` (one by which the control plane makes
a step that no agent reported; the report logged for it follows), `adopted` (an agent takes a record from a heartbeat's
reply), `reboot`, `boot`, `online`, `offline`, and `detail` the fields of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from sim.model.host import Host
from sim.model.rollouts import Rollout
from sim.reducer.effects import RecordRolloutTransition, RecordTransition, RemoteInsertQuarantine
from sim.reducer.events import HostEvent, RolloutEvent
from sim.reducer.payloads import Report
from sim.reducer.records import HostRecord

if TYPE_CHECKING:
    from sim.model.world import World


class Journal:
    """The rows so far, in the order in which they happened."""

    takes_every_report = False
    """Whether a report that changes nothing has to be made too, and not only counted."""

    def __init__(self, world: World):
        self.rows: list[dict[str, Any]] = []
        self._world = world

    def _row(
        self,
        at: float | None,
        cp_at: float | None,
        what: str,
        rollout_id: str | None,
        host: str | None,
        detail: dict[str, Any],
    ) -> None:
        self.rows.append(
            {"at": at, "cp_at": cp_at, "what": what, "rollout_id": rollout_id, "host": host, "detail": detail}
        )

    def agent_move(self, now: float, rollout: Rollout, host: Host, move: RecordTransition) -> None:
        self._row(
            now,
            None,
            "move",
            rollout.rollout_id,
            host.name,
            {"from": move.from_, "to": move.to, "side": "agent"},
        )

    def mirror_move(self, now: float, rollout: Rollout, host: Host, move: RecordTransition) -> None:
        detail = {"from": move.from_, "to": move.to, "side": "control plane"}
        self._row(move.at, now, "move", rollout.rollout_id, host.name, detail)

    def host_event(self, now: float, host: Host, what: str, detail: dict[str, Any]) -> None:
        self._row(now, None, what, None, host.name, detail)

    def logged(self, now: float, rollout: Rollout, host: Host, report: Report) -> None:
        self._told(now, "report", rollout, host, report, {})

    def rejected(self, now: float, rollout: Rollout, host: Host, told: Report | HostEvent, error: str) -> None:
        self._told(now, "rejected", rollout, host, told, {"error": error})

    def _told(
        self, now: float, what: str, rollout: Rollout, host: Host, told: Report | HostEvent, more: dict[str, Any]
    ) -> None:
        fields = {**msgspec.to_builtins(told)}
        sent = next((fields[key] for key in REPORTED_AT if key in fields), None)
        kind = type(told).__name__.removeprefix("Remote")
        self._row(sent, now, what, rollout.rollout_id, host.name, {"kind": kind, **more, **fields})

    def made_up(self, now: float, rollout: Rollout, host: Host, event: HostEvent) -> None:
        kind = type(event).__name__.removeprefix("Remote")
        self._row(None, now, "heartbeat", rollout.rollout_id, host.name, {"kind": kind})

    def adopted(self, now: float, rollout: Rollout, host: Host, ours: HostRecord | None, theirs: HostRecord) -> None:
        if theirs.state != "Pending":  # that changes nothing, and whether it is looked at depends on the fidelity
            detail = {"from": None if ours is None else ours.state, "to": theirs.state}
            self._row(now, None, "adopted", rollout.rollout_id, host.name, detail)

    def queued(self, now: float, rollout: Rollout, host: Host, closure: str, soak_due_at: float | None) -> None:
        detail = {"target_closure": closure, "soak_due_at": soak_due_at}
        self._row(None, now, "dispatch", rollout.rollout_id, host.name, detail)

    def taken(self, now: float, rollout: Rollout, host: Host) -> None:
        self._row(now, now, "taken", rollout.rollout_id, host.name, {})

    def delivery(self, now: float, rollout: Rollout, host: Host, outcome: str) -> None:
        """`accepted`, `ignored` (it has the dispatch already), `lost` (the host is offline) or `refused` (too old)."""
        self._row(now, None, "delivery", rollout.rollout_id, host.name, {"outcome": outcome})

    def gate(self, now: float, rollout_id: str, host: str, gate: str | None, reason: str | None) -> None:
        self._row(None, now, "gate", rollout_id, host, {"gate": gate, "reason": reason})

    def rollout_opened(self, now: float, rollout: Rollout) -> None:
        self._row(
            None,
            now,
            "opened",
            rollout.rollout_id,
            None,
            {"channel": rollout.channel, "hosts": len(rollout.hosts)},
        )

    def all_joined(self, now: float, rollout: Rollout) -> None:
        """The rollout that opens has a record of each host: nothing more happens at its opening."""

    def passed(self, now: float) -> None:
        """A plan pass is over, its dispatches queued."""

    def finish(self, ended_at: float, end: str) -> None:
        """The run is over; what was noted after `ended_at` (s) is not part of it."""

    def rollout_event(self, now: float, rollout: Rollout, event: RolloutEvent) -> None:
        detail = {"kind": type(event).__name__, **msgspec.to_builtins(event)}
        self._row(None, now, "rollout_event", rollout.rollout_id, detail.get("host_id"), detail)

    def rollout_move(self, now: float, rollout: Rollout, move: RecordRolloutTransition) -> None:
        self._row(None, now, "rollout_move", rollout.rollout_id, None, {"from": move.from_, "to": move.to})

    def promotion(self, now: float, rollout: Rollout, wave: int) -> None:
        self._row(None, now, "promotion", rollout.rollout_id, None, {"wave": wave})

    def quarantine(self, now: float, rollout: Rollout, host: Host, effect: RemoteInsertQuarantine) -> None:
        detail = {"channel": effect.channel, "closure": effect.closure}
        self._row(None, now, "quarantine", rollout.rollout_id, host.name, detail)


REPORTED_AT = (
    "received_at",
    "started_at",
    "completed_at",
    "deferred_at",
    "failed_at",
    "declared_at",
    "observed_at",
    "first_failed_at",
    "converged_at",
)
