"""The events the reducers step on (spec pages 1 and 2).

A `Local*` event is told to the agent's record, the `Remote*` event beside it to the control plane's mirror.
Both have the fields of the report they cause (`payloads`), in its order, `seq` first. Times in seconds.
"""

from __future__ import annotations

import msgspec

from sim.reducer import payloads
from sim.reducer.payloads import Tagged
from sim.reducer.records import HostState

DeclaredProbe = payloads.DeclaredProbe


class LocalActivate(Tagged, frozen=True):
    """A dispatch was taken. `target_closure` and `soak_due_at` are for the caller, who made the record from
    them."""

    seq: int
    target_closure: str
    soak_due_at: float | None
    current_closure_at_dispatch: str | None
    received_at: float


class RemoteDispatchAck(payloads.DispatchAck, frozen=True):
    """See `payloads.DispatchAck`."""


class LocalActivationStarted(payloads.ActivationStarted, frozen=True):
    """See `payloads.ActivationStarted`."""


class RemoteActivationStarted(payloads.ActivationStarted, frozen=True):
    """See `payloads.ActivationStarted`."""


class LocalActivationCompleted(payloads.ActivationCompleted, frozen=True):
    """See `payloads.ActivationCompleted`."""


class RemoteActivationCompleted(payloads.ActivationCompleted, frozen=True):
    """See `payloads.ActivationCompleted`."""


class LocalActivationDeferred(payloads.ActivationDeferred, frozen=True):
    """See `payloads.ActivationDeferred`."""


class RemoteActivationDeferred(payloads.ActivationDeferred, frozen=True):
    """See `payloads.ActivationDeferred`."""


class LocalActivationFailed(payloads.ActivationFailed, frozen=True):
    """See `payloads.ActivationFailed`."""


class RemoteActivationFailed(payloads.ActivationFailed, frozen=True):
    """See `payloads.ActivationFailed`."""


class LocalProbeTopologyDeclared(payloads.ProbeTopologyDeclared, frozen=True):
    """See `payloads.ProbeTopologyDeclared`."""


class RemoteProbeTopologyDeclared(payloads.ProbeTopologyDeclared, frozen=True):
    """See `payloads.ProbeTopologyDeclared`."""


class LocalProbeObservedFirst(payloads.ProbeObservedFirst, frozen=True):
    """See `payloads.ProbeObservedFirst`."""


class RemoteProbeObservedFirst(payloads.ProbeObservedFirst, frozen=True):
    """See `payloads.ProbeObservedFirst`."""


class LocalProbeResult(payloads.ProbeResult, frozen=True):
    """See `payloads.ProbeResult`."""


class RemoteProbeResult(payloads.ProbeResult, frozen=True):
    """See `payloads.ProbeResult`."""


class LocalProbeFailureFirst(payloads.ProbeFailureFirst, frozen=True):
    """See `payloads.ProbeFailureFirst`."""


class RemoteProbeFailureFirst(payloads.ProbeFailureFirst, frozen=True):
    """See `payloads.ProbeFailureFirst`."""


class LocalSustainedFailureCrossed(payloads.Failed, frozen=True):
    """See `payloads.Failed`."""


class RemoteFailed(payloads.Failed, frozen=True):
    """See `payloads.Failed`."""


class LocalRollbackCompleted(payloads.RollbackComplete, frozen=True):
    """See `payloads.RollbackComplete`."""


class RemoteRollbackComplete(payloads.RollbackComplete, frozen=True):
    """See `payloads.RollbackComplete`."""


class LocalConvergedReached(payloads.Converged, frozen=True):
    """See `payloads.Converged`."""


class RemoteConverged(payloads.Converged, frozen=True):
    """See `payloads.Converged`."""


RemoteEvent = (
    RemoteDispatchAck
    | RemoteActivationStarted
    | RemoteActivationCompleted
    | RemoteActivationDeferred
    | RemoteActivationFailed
    | RemoteProbeTopologyDeclared
    | RemoteProbeObservedFirst
    | RemoteProbeResult
    | RemoteProbeFailureFirst
    | RemoteFailed
    | RemoteRollbackComplete
    | RemoteConverged
)
HostEvent = (
    RemoteEvent
    | LocalActivate
    | LocalActivationStarted
    | LocalActivationCompleted
    | LocalActivationDeferred
    | LocalActivationFailed
    | LocalProbeTopologyDeclared
    | LocalProbeObservedFirst
    | LocalProbeResult
    | LocalProbeFailureFirst
    | LocalSustainedFailureCrossed
    | LocalRollbackCompleted
    | LocalConvergedReached
)


class RolloutOpened(Tagged, frozen=True):
    """A rollout was opened; its record is made by the caller, so the event is legal nowhere."""

    rollout_id: str
    channel: str
    target_ref: str
    at: float


class HostJoined(Tagged, frozen=True):
    """A host's record was made, `wave` being its wave index."""

    rollout_id: str
    host_id: str
    wave: int
    at: float


class HostStateChanged(Tagged, frozen=True):
    """A host's record changed state."""

    rollout_id: str
    host_id: str
    from_: HostState = msgspec.field(name="from")
    to: HostState
    at: float


class WaveAdvanced(Tagged, frozen=True):
    """A wave is over."""

    rollout_id: str
    from_wave: int
    to_wave: int
    at: float


class RolloutTerminal(Tagged, frozen=True):
    """Every host of the rollout has converged."""

    rollout_id: str
    at: float


class SuccessorOpened(Tagged, frozen=True):
    """Another rollout of the channel was opened."""

    superseded_rollout_id: str
    successor_rollout_id: str
    at: float


class RetentionExpired(Tagged, frozen=True):
    """The rollout is old enough to be forgotten."""

    rollout_id: str
    at: float


class OperatorClearance(Tagged, frozen=True):
    """An operator let a stopped rollout go on."""

    rollout_id: str
    operator: str
    reason: str
    at: float


RolloutEvent = (
    RolloutOpened
    | HostJoined
    | HostStateChanged
    | WaveAdvanced
    | RolloutTerminal
    | SuccessorOpened
    | RetentionExpired
    | OperatorClearance
)
