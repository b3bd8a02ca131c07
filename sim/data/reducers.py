"""A log played through the reducers: is every transition that was recorded the one the reducer makes (spec page 7)?

An agent's event in a log was accepted, so `step` has to accept it, and what it answers is the transition that follows
in the log. A rollout event is written accepted or not; what the rollout's reducer answers has to follow likewise.
Where the two part, the replay goes on from what the reducer says as long as it accepts what comes, else from the log.

What a log does not say is assumed: a host's target and the end of its soak are those of the first dispatch queued for
it, and the target of a host that never was queued one is what it first says it runs. Where a run's soaks do not begin
at the opening (`rules.soak_from`) the log has no time at which the control plane takes one for over, and it is not
checked. The channel's health policy need not be known: no transition of the control plane's records depends on it.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from typing import Any, get_args

import msgspec
from msgspec.structs import replace

from sim.data.rows import OpenRollout, QueueDispatch, Row
from sim.reducer.effects import HostEffect, RecordRolloutTransition, RecordTransition, RemoteInsertQuarantine
from sim.reducer.errors import SeqRegression, StepError
from sim.reducer.events import HostJoined, RolloutEvent, RolloutOpened, SuccessorOpened
from sim.reducer.host import step as host_step
from sim.reducer.payloads import ActivationCompleted, Converged, Report
from sim.reducer.records import HostRecord, RolloutRecord
from sim.reducer.reports import remote_event
from sim.reducer.rollout import step as rollout_step

UNKNOWN = ""
"""The target of a host before the log has said it."""
BEFORE, AFTER, TOLD = 3, 2, 3
"""Rows shown around a difference, and how many differences are told in full."""

Key = tuple[str | None, str | None]
"""A rollout and, for a host's record, the host."""
Move = RecordTransition | RecordRolloutTransition


class Difference(msgspec.Struct):
    """Where log and reducer part: at which row, what the one says and the other, and the rows around it."""

    row: int
    rollout: str | None
    host: str | None
    what: str
    rows: list[Row]


class Replay:
    """Feed it the rows of a log (`take`), then `finish`.

    `agree` and `differ` count transitions, and events that the reducer refuses; `skipped` counts what could not be
    compared, by kind: `no record` (what is of a record whose beginning the log does not hold), `doubled` (an event that
    is the one before once more) and `cut off` (transitions that the end of the log cuts off).
    """

    def __init__(self, *, soaks_from_opening: bool = True) -> None:
        self._soaks_from_opening = soaks_from_opening
        self.rows = self.agree = self.differ = 0
        self.skipped: Counter[str] = Counter()
        self.differences: list[Difference] = []
        self._rollouts: dict[str, RolloutRecord] = {}
        self._hosts: dict[Key, HostRecord] = {}
        self._last_report: dict[Key, Report] = {}
        self._expected: dict[Key, tuple[Row, list[Move]]] = {}
        self._quarantines: dict[tuple[str, str], Row] = {}
        self._refused: set[Key] = set()
        self._by_log: dict[Key, HostRecord] = {}
        """The records as the log has them, where the reducer says otherwise."""
        self._before: deque[Row] = deque(maxlen=BEFORE)
        self._open: list[Difference] = []
        self._last_event = 0
        self._takes: dict[type, Callable[[Row, Any], None]] = {
            **dict.fromkeys(get_args(Report), self._agent_event),
            **dict.fromkeys(get_args(RolloutEvent), self._rollout_event),
            RecordTransition: self._host_moved,
            RecordRolloutTransition: self._rollout_moved,
            RemoteInsertQuarantine: self._quarantined,
            QueueDispatch: self._queued,
            OpenRollout: self._opened,
        }

    def take(self, row: Row) -> None:
        """Compare a row."""
        self.rows += 1
        if self._open:
            for difference in self._open:
                difference.rows.append(row)
            self._open = [one for one in self._open if sum(after.seq > one.row for after in one.rows) < AFTER]
        payload = row.payload
        take = self._takes.get(type(payload))
        if take is not None:
            take(row, payload)
        self._before.append(row)

    def finish(self) -> None:
        """The log has ended: transitions that should have followed are missing, or cut off by the end."""
        for row, missing in self._expected.values():
            for move in missing:
                if row.seq >= self._last_event:
                    self.skipped["cut off"] += 1
                else:
                    self._differs(row, f"the reducer moves it {_said(move)}, which the log does not")
        for (channel, closure), row in self._quarantines.items():
            if row.seq >= self._last_event:
                self.skipped["cut off"] += 1
            else:
                self._differs(row, f"the reducer puts {closure} in quarantine on {channel}, which the log does not")

    # -- hosts

    def _agent_event(self, row: Row, report: Report) -> None:
        self._last_event = row.seq
        key = row.rollout, row.host
        record = self._hosts.get(key)
        if record is None:
            self.skipped["no record"] += 1
            return
        if key in self._expected:
            self._lacks(row, key)
        if record.target_closure == UNKNOWN:
            if type(report) is ActivationCompleted:
                record = replace(record, target_closure=report.observed_current_closure)
            elif type(report) is Converged:
                record = replace(record, target_closure=report.current_closure)
        try:
            after, (_, *effects) = self._step(key, record, report)
        except StepError as error:
            if type(error) is SeqRegression and self._last_report.get(key) == report:
                self.skipped["doubled"] += 1
                return
            self._differs(row, f"the reducer refuses it: {error.kind}, {error}")
            self._refused.add(key)
            return
        self._hosts[key] = after
        self._last_report[key] = report
        if not effects:
            return
        moves: list[Move] = []
        for effect in effects:
            if type(effect) is RecordTransition:
                moves.append(effect)
            elif type(effect) is RemoteInsertQuarantine:
                self._quarantines[effect.channel, effect.closure] = row
        self._expected[key] = row, moves

    def _step(self, key: Key, record: HostRecord, report: Report) -> tuple[HostRecord, tuple[HostEffect, ...]]:
        """A step of the record, or, if the reducer refuses and the log has another, of that."""
        event = remote_event(report)
        other = self._by_log.pop(key, None) if self._by_log else None
        try:
            return host_step(record, event, "halt")
        except StepError:
            if other is None:
                raise
            return host_step(other, event, "halt")

    def _host_moved(self, row: Row, move: RecordTransition) -> None:
        key = move.rollout_id, move.host
        _, expected = self._expected.pop(key, (row, ()))
        if expected and expected[0] == move:
            self.agree += 1
            return
        record = self._hosts.get(key)
        if record is None:
            self.skipped["no record"] += 1
            self._hosts[key] = replace(self._record(move.rollout_id, move.host, row.at), state=move.to)
            return
        if key in self._refused:
            self._refused.discard(key)  # told already
        else:
            said = f"moves it {_said(expected[0])}" if expected else "does not move it"
            self._differs(row, f"the log moves it {_said(move)}, the reducer {said}")
        if record.state != move.to:
            self._by_log[key] = replace(record, state=move.to)

    def _quarantined(self, row: Row, effect: RemoteInsertQuarantine) -> None:
        if self._quarantines.pop((effect.channel, effect.closure), None) is None:
            self._differs(row, f"the log puts {effect.closure} in quarantine, the reducer does not")

    def _queued(self, row: Row, action: QueueDispatch) -> None:
        key = action.rollout, action.host
        record = self._hosts.get(key)
        if record is None:
            record = self._record(action.rollout, action.host, row.at)
        elif record.target_closure != UNKNOWN:
            return
        due = action.soak_due_at if self._soaks_from_opening else None
        self._hosts[key] = replace(record, target_closure=action.target_closure, soak_due_at=due)

    def _record(self, rollout_id: str, host: str, at: float) -> HostRecord:
        """A new record; the rollout's too, where the log begins after its opening."""
        channel = self._rollout(rollout_id, at).channel
        return HostRecord(
            rollout_id=rollout_id, hostname=host, channel=channel, target_closure=UNKNOWN, dispatched_at=at
        )

    def _rollout(self, rollout_id: str, at: float) -> RolloutRecord:
        rollout = self._rollouts.get(rollout_id)
        if rollout is None:
            channel, _, ref = rollout_id.partition("@")
            rollout = self._rollouts[rollout_id] = RolloutRecord(
                rollout_id=rollout_id, channel=channel, target_ref=ref, state="Active", opened_at=at
            )
        return rollout

    # -- rollouts

    def _rollout_event(self, row: Row, event: RolloutEvent) -> None:
        self._last_event = row.seq
        if isinstance(event, RolloutOpened):
            self._rollouts.setdefault(event.rollout_id, opened(event))
            return
        rollout_id = event.superseded_rollout_id if isinstance(event, SuccessorOpened) else event.rollout_id
        if type(event) is HostJoined and (rollout_id, event.host_id) not in self._hosts:
            self._hosts[rollout_id, event.host_id] = self._record(rollout_id, event.host_id, row.at)
        key = rollout_id, None
        if key in self._expected:
            self._lacks(row, key)
        record = self._rollouts.get(rollout_id)
        if record is None:
            self.skipped["no record"] += 1
            return
        try:
            after, effects = rollout_step(record, event)
        except StepError:
            return  # written before the step, which then changed nothing
        self._rollouts[rollout_id] = after
        moves: list[Move] = [effect for effect in effects if type(effect) is RecordRolloutTransition]
        if moves:
            self._expected[key] = row, moves

    def _rollout_moved(self, row: Row, move: RecordRolloutTransition) -> None:
        key = move.rollout_id, None
        _, expected = self._expected.get(key, (row, []))
        if expected and expected[0] == move:
            self.agree += 1
            del expected[0]
            if not expected:
                del self._expected[key]
            return
        self._expected.pop(key, None)
        said = f"moves it {_said(expected[0])}" if expected else "does not move it"
        record = self._rollouts.get(move.rollout_id)
        if record is None:
            self.skipped["no record"] += 1
            record = self._rollout(move.rollout_id, row.at)
        else:
            self._differs(row, f"the log moves it {_said(move)}, the reducer {said}")
        self._rollouts[move.rollout_id] = replace(record, state=move.to)

    def _opened(self, row: Row, action: OpenRollout) -> None:
        """The hosts of which the log has lost that they joined."""
        for host in action.hosts:
            if (action.rollout_id, host) not in self._hosts:
                self._hosts[action.rollout_id, host] = self._record(action.rollout_id, host, row.at)

    # -- differences

    def _lacks(self, row: Row, key: Key) -> None:
        """The log goes on without the transitions that the reducer has made."""
        since, missing = self._expected.pop(key)
        for move in missing:
            self._differs(since, f"the reducer moves it {_said(move)}, which the log does not")
        _, host = key
        if host is not None:
            self._by_log[key] = replace(self._hosts[key], state=missing[0].from_)

    def _differs(self, row: Row, what: str) -> None:
        self.differ += 1
        if len(self.differences) < TOLD:
            rows = [*self._before]
            if row not in rows:
                rows.append(row)
            found = Difference(row.seq, row.rollout, row.host, what, rows)
            self.differences.append(found)
            self._open.append(found)


def opened(event: RolloutOpened) -> RolloutRecord:
    """The record of a rollout that opens."""
    return RolloutRecord(
        rollout_id=event.rollout_id, channel=event.channel, target_ref=event.target_ref, opened_at=event.at
    )


def _said(move: Move) -> str:
    return f"{move.from_} -> {move.to} at {move.at:.9g} s"
