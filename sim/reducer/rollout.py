"""The rollout reducer: one record, one event, what follows (spec page 2). Control plane only.

Legal here, by source state (everything else is `IllegalForState`):

    Opening      HostJoined, SuccessorOpened
    Active       HostJoined, HostStateChanged, WaveAdvanced, RolloutTerminal, SuccessorOpened
    Converging   the same
    Terminal     RolloutTerminal, HostStateChanged, HostJoined, SuccessorOpened, RetentionExpired
    Failed       HostStateChanged, HostJoined, WaveAdvanced, RolloutTerminal, SuccessorOpened,
                 RetentionExpired
    Reverted     the same
    Superseded   the same
    Pruned       nothing

`OperatorClearance` from Failed or Reverted is `Unimplemented`.
"""

from __future__ import annotations

from msgspec.structs import replace

from sim.reducer.effects import RecordRolloutTransition, RolloutEffect, UpdateCurrentWave
from sim.reducer.errors import IllegalForState, Unimplemented
from sim.reducer.events import (
    HostJoined,
    HostStateChanged,
    OperatorClearance,
    RetentionExpired,
    RolloutEvent,
    RolloutTerminal,
    SuccessorOpened,
    WaveAdvanced,
)
from sim.reducer.records import RolloutRecord, RolloutState

Step = tuple[RolloutRecord, tuple[RolloutEffect, ...]]


def step(record: RolloutRecord, event: RolloutEvent) -> Step:
    """The record after the event, and the effects in order. The given record is not changed.

    Raises:
        IllegalForState, Unimplemented: the event is refused (spec page 2).
    """
    match record.state:
        case "Opening":
            return _opening(record, event)
        case "Active" | "Converging":
            return _running(record, event)
        case "Terminal":
            return _terminal(record, event)
        case "Failed" | "Reverted":
            return _stopped(record, event)
        case "Superseded":
            return _superseded(record, event)
        case _:
            raise _illegal(record, event)


def _illegal(record: RolloutRecord, event: RolloutEvent) -> IllegalForState:
    return IllegalForState(f"{type(event).__name__} in {record.state}")


def _to(record: RolloutRecord, state: RolloutState, at: float) -> Step:
    after = replace(record, state=state)
    if state == "Terminal":
        after = replace(after, terminal_at=at)
    elif state == "Superseded":
        after = replace(after, superseded_at=at)
    return after, (RecordRolloutTransition(record.rollout_id, record.state, state, at),)


def _opening(record: RolloutRecord, event: RolloutEvent) -> Step:
    match event:
        case HostJoined():
            return _to(record, "Active", event.at)
        case SuccessorOpened():
            return _to(record, "Superseded", event.at)
        case _:
            raise _illegal(record, event)


def _running(record: RolloutRecord, event: RolloutEvent) -> Step:
    match event:
        case HostJoined():
            return record, ()
        case HostStateChanged(to="Reverted"):
            return _to(record, "Reverted", event.at)
        case HostStateChanged(to="Failed"):
            return _to(record, "Failed", event.at)
        case HostStateChanged():
            return record, ()
        case WaveAdvanced():
            return _wave_advanced(record, event)
        case RolloutTerminal():
            return _to(record, "Terminal", event.at)
        case SuccessorOpened():
            return _to(record, "Superseded", event.at)
        case _:
            raise _illegal(record, event)


def _wave_advanced(record: RolloutRecord, event: WaveAdvanced) -> Step:
    effects: tuple[RolloutEffect, ...] = ()
    if event.to_wave <= event.from_wave:
        return (record, ()) if record.state == "Converging" else _to(record, "Converging", event.at)
    if record.state == "Converging":
        record, effects = _to(record, "Active", event.at)
    if event.to_wave > record.current_wave:
        record = replace(record, current_wave=event.to_wave)
        effects = (*effects, UpdateCurrentWave(record.rollout_id, event.to_wave))
    return record, effects


def _terminal(record: RolloutRecord, event: RolloutEvent) -> Step:
    match event:
        case SuccessorOpened():
            return _to(record, "Superseded", event.at)
        case RetentionExpired():
            return _to(record, "Pruned", event.at)
        case RolloutTerminal() | HostStateChanged() | HostJoined():
            return record, ()
        case _:
            raise _illegal(record, event)


def _stopped(record: RolloutRecord, event: RolloutEvent) -> Step:
    match event:
        case SuccessorOpened():
            return _to(record, "Superseded", event.at)
        case RetentionExpired():
            return _to(record, "Pruned", event.at)
        case HostStateChanged() | HostJoined() | WaveAdvanced() | RolloutTerminal():
            return record, ()
        case OperatorClearance():
            raise Unimplemented(f"OperatorClearance in {record.state}")
        case _:
            raise _illegal(record, event)


def _superseded(record: RolloutRecord, event: RolloutEvent) -> Step:
    match event:
        case RetentionExpired():
            return _to(record, "Pruned", event.at)
        case HostStateChanged() | HostJoined() | WaveAdvanced() | RolloutTerminal() | SuccessorOpened():
            return record, ()
        case _:
            raise _illegal(record, event)
