"""The rows of a log as rows of the frame `events`, for `trace`: those of them that a log can tell.

There is nothing of what leaves no row: dispatches taken and delivered, heartbeats, reports refused, reboots, and hosts
that come and go.
"""

from __future__ import annotations

from typing import Any

import msgspec

from sim.data.rows import GateDecision, OpenRollout, QueueDispatch, Row
from sim.model.journal import REPORTED_AT
from sim.reducer.effects import RecordRolloutTransition, RecordTransition, RemoteInsertQuarantine
from sim.reducer.events import HostJoined, RolloutOpened


class EventRows:
    """Takes the rows of a log (`take`); `agents_time`: whether its payloads have the agents' true times."""

    def __init__(self, *, agents_time: bool):
        self._agents_time = agents_time
        self._rows: list[dict[str, Any]] = []
        self._opened: dict[str, dict[str, Any]] = {}
        self._held: dict[str, dict[str, str]] = {}
        """Rollout -> host -> the gate that holds it."""

    def take(self, row: Row) -> None:
        """Note what a row says."""
        payload = row.payload
        detail: dict[str, Any]
        match payload:
            case QueueDispatch():
                self._let_go(row.at, payload.rollout, payload.host)
                detail = {"target_closure": payload.target_closure, "soak_due_at": payload.soak_due_at}
                self._add(None, row.at, "dispatch", payload.rollout, payload.host, detail)
            case GateDecision():
                held = self._held.setdefault(payload.rollout, {})
                if held.get(payload.host) != payload.gate + payload.reason:
                    held[payload.host] = payload.gate + payload.reason
                    detail = {"gate": payload.gate, "reason": payload.reason}
                    self._add(None, row.at, "gate", payload.rollout, payload.host, detail)
            case OpenRollout():
                pass  # the rows before have said it
            case RecordTransition():
                self._moved(row, payload)
            case RecordRolloutTransition():
                detail = {"from": payload.from_, "to": payload.to}
                self._add(None, row.at, "rollout_move", payload.rollout_id, None, detail)
                if payload.to == "Superseded":
                    for host in list(self._held.get(payload.rollout_id, ())):
                        self._let_go(row.at, payload.rollout_id, host)
            case RemoteInsertQuarantine():
                detail = {"channel": payload.channel, "closure": payload.closure}
                self._add(None, row.at, "quarantine", row.rollout, row.host, detail)
            case RolloutOpened():
                detail = self._opened[payload.rollout_id] = {"channel": payload.channel, "hosts": 0}
                self._add(None, row.at, "opened", payload.rollout_id, None, detail)
            case _ if row.kind == "rollout_event":
                detail = {"kind": type(payload).__name__, **msgspec.to_builtins(payload)}
                self._add(None, row.at, "rollout_event", row.rollout, detail.get("host_id"), detail)
                if isinstance(payload, HostJoined) and payload.rollout_id in self._opened:
                    self._opened[payload.rollout_id]["hosts"] += 1
            case _:
                detail = {"kind": type(payload).__name__, **msgspec.to_builtins(payload)}
                sent = next((detail[name] for name in REPORTED_AT if name in detail), row.at)
                self._add(self._by_agent(sent, row.at), row.at, "report", row.rollout, row.host, detail)

    def rows(self, opened: dict[str, dict[int, float]]) -> list[dict[str, Any]]:
        """All rows in order of time. `opened`: by rollout when each of its waves opened (s)."""
        for rollout_id, waves in opened.items():
            for wave, at in waves.items():
                if wave:
                    self._add(None, at, "promotion", rollout_id, None, {"wave": wave})
        return sorted(self._rows, key=lambda row: row["at"] if row["cp_at"] is None else row["cp_at"])

    def _moved(self, row: Row, move: RecordTransition) -> None:
        self._let_go(row.at, move.rollout_id, move.host)
        at = self._by_agent(move.at, row.at)
        detail = {"from": move.from_, "to": move.to}
        self._add(at, None, "move", move.rollout_id, move.host, {**detail, "side": "agent"})
        self._add(at, row.at, "move", move.rollout_id, move.host, {**detail, "side": "control plane"})

    def _by_agent(self, said: float, applied: float) -> float:
        """When the agent did it: as it says itself, unless that is later or cannot be relied on."""
        return min(said, applied) if self._agents_time else applied

    def _let_go(self, at: float, rollout_id: str, host: str) -> None:
        if self._held.get(rollout_id, {}).pop(host, None) is not None:
            self._add(None, at, "gate", rollout_id, host, {"gate": None, "reason": ""})

    def _add(
        self,
        at: float | None,
        cp_at: float | None,
        what: str,
        rollout_id: str | None,
        host: str | None,
        detail: dict[str, Any],
    ) -> None:
        self._rows.append(
            {"at": at, "cp_at": cp_at, "what": what, "rollout_id": rollout_id, "host": host, "detail": detail}
        )
