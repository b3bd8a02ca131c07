"""What a step asks its caller to do (spec pages 1 and 2). Times in seconds."""

from __future__ import annotations

from typing import final

import msgspec

from sim.reducer.payloads import Report, Tagged
from sim.reducer.records import HostState, RolloutState


@final
class LocalFireSwitch(Tagged, frozen=True):
    """Agent: switch to the closure `target`."""

    rollout_id: str
    target: str


@final
class LocalFireRollbackTo(Tagged, frozen=True):
    """Agent: go back to `closure`."""

    rollout_id: str
    closure: str


@final
class LocalResetProbeCache(Tagged, frozen=True):
    """Agent: forget the probe results of the rollout."""

    rollout_id: str


@final
class LocalEmitEvent(Tagged, frozen=True):
    """Agent: send the report; one that is `durable` is kept until it has arrived."""

    rollout_id: str
    payload: Report
    durable: bool


@final
class RemoteAppendEventLog(Tagged, frozen=True):
    """Control plane: append the report to the event log."""

    host: str
    rollout_id: str
    payload: Report


@final
class RemoteInsertQuarantine(Tagged, frozen=True):
    """Control plane: hold `closure` back on `channel`."""

    channel: str
    closure: str


@final
class RecordTransition(Tagged, frozen=True):
    """Both sides: the host's record changed state."""

    host: str
    rollout_id: str
    from_: HostState = msgspec.field(name="from")
    to: HostState
    at: float


HostEffect = (
    LocalFireSwitch
    | LocalFireRollbackTo
    | LocalResetProbeCache
    | LocalEmitEvent
    | RemoteAppendEventLog
    | RemoteInsertQuarantine
    | RecordTransition
)


@final
class RecordRolloutTransition(Tagged, frozen=True):
    """The rollout's record changed state."""

    rollout_id: str
    from_: RolloutState = msgspec.field(name="from")
    to: RolloutState
    at: float


@final
class UpdateCurrentWave(Tagged, frozen=True):
    """The rollout's current wave moved up to `wave`."""

    rollout_id: str
    wave: int


RolloutEffect = RecordRolloutTransition | UpdateCurrentWave
