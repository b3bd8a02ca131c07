"""Reports and what becomes of them at the control plane (spec page 1, Events).

The structs are those of `payloads`; the conversion rests on events having the fields of their reports, in
order.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import astuple

from sim.reducer import events
from sim.reducer.payloads import (
    ActivationCompleted,
    ActivationDeferred,
    ActivationFailed,
    ActivationStarted,
    Converged,
    DeclaredProbe,
    DispatchAck,
    Failed,
    ProbeFailureFirst,
    ProbeObservedFirst,
    ProbeResult,
    ProbeTopologyDeclared,
    Report,
    RollbackComplete,
)

__all__ = [
    "REMOTE_OF",
    "ActivationCompleted",
    "ActivationDeferred",
    "ActivationFailed",
    "ActivationStarted",
    "Converged",
    "DeclaredProbe",
    "DispatchAck",
    "Failed",
    "ProbeFailureFirst",
    "ProbeObservedFirst",
    "ProbeResult",
    "ProbeTopologyDeclared",
    "Report",
    "RollbackComplete",
    "remote_event",
]

REMOTE_OF: dict[type[Any], type[Any]] = {
    DispatchAck: events.RemoteDispatchAck,
    ActivationStarted: events.RemoteActivationStarted,
    ActivationCompleted: events.RemoteActivationCompleted,
    ActivationDeferred: events.RemoteActivationDeferred,
    ActivationFailed: events.RemoteActivationFailed,
    ProbeTopologyDeclared: events.RemoteProbeTopologyDeclared,
    ProbeObservedFirst: events.RemoteProbeObservedFirst,
    ProbeResult: events.RemoteProbeResult,
    ProbeFailureFirst: events.RemoteProbeFailureFirst,
    Failed: events.RemoteFailed,
    RollbackComplete: events.RemoteRollbackComplete,
    Converged: events.RemoteConverged,
}
"""The event of each kind of report."""


def remote_event(report: Report) -> events.RemoteEvent:
    """The event with which the control plane steps its mirror on an agent's report."""
    event: events.RemoteEvent = REMOTE_OF[type(report)](*astuple(report))
    return event
