"""The host reducer: one record, one event, what follows (spec page 1).

Legal here, by source state (everything else is `IllegalForState`):

    Pending      LocalActivate, RemoteDispatchAck
    Activating   *ActivationStarted, *ActivationCompleted, *ActivationDeferred, *ActivationFailed
    Deferred     *ActivationCompleted, *ActivationFailed
    Soaking      the *Probe… events, LocalSustainedFailureCrossed, RemoteFailed, LocalConvergedReached,
                 RemoteConverged
    Failed       LocalRollbackCompleted, RemoteRollbackComplete
    Converged    nothing
    Reverted     nothing
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import astuple, replace

from sim.reducer import events, payloads
from sim.reducer.effects import (
    HostEffect,
    LocalEmitEvent,
    LocalFireRollbackTo,
    LocalFireSwitch,
    LocalResetProbeCache,
    RecordTransition,
    RemoteAppendEventLog,
    RemoteInsertQuarantine,
)
from sim.reducer.errors import IllegalForState, Invariant, SeqRegression
from sim.reducer.events import HostEvent
from sim.reducer.payloads import Report
from sim.reducer.records import NO_PROBES, HealthPolicy, HostRecord, HostState, ProbeEntry

Effects = tuple[HostEffect, ...]
Step = tuple[HostRecord, Effects]
Handler = Callable[[HostRecord, Any, HealthPolicy], Step]


def step(record: HostRecord, event: HostEvent, on_health_failure: HealthPolicy) -> Step:
    """The record after the event, and the effects in the order of the spec. The given record is not changed.

    Args:
        on_health_failure: the channel's policy, applied when an activation fails.

    Raises:
        SeqRegression, IllegalForState, Invariant: the event is refused (spec page 1, Checks).
    """
    if event.seq <= record.last_event_seq:
        raise SeqRegression(f"seq {event.seq} is not above {record.last_event_seq}")
    handler = _HANDLERS[record.state].get(type(event))
    if handler is None:
        raise IllegalForState(f"{type(event).__name__} in {record.state}")
    return handler(record, event, on_health_failure)


def _emit(record: HostRecord, payload: Report, durable: bool = True) -> LocalEmitEvent:
    return LocalEmitEvent(record.rollout_id, payload, durable)


def _log(record: HostRecord, payload: Report) -> RemoteAppendEventLog:
    return RemoteAppendEventLog(record.hostname, record.rollout_id, payload)


def _moved(record: HostRecord, to: HostState, at: float) -> RecordTransition:
    return RecordTransition(record.hostname, record.rollout_id, record.state, to, at)


def _rollback(record: HostRecord, policy: HealthPolicy) -> Effects:
    """The agent goes back by itself only if the policy says so and it knows where to."""
    if policy == "rollback-and-halt" and record.current_closure_at_dispatch is not None:
        return (LocalFireRollbackTo(record.rollout_id, record.current_closure_at_dispatch),)
    return ()


# -- Pending


def _activate(record: HostRecord, event: events.LocalActivate, policy: HealthPolicy) -> Step:
    ack = payloads.DispatchAck(event.seq, event.current_closure_at_dispatch, event.received_at)
    return _activating(record, ack), (
        _moved(record, "Activating", event.received_at),
        _emit(record, ack),
        LocalFireSwitch(record.rollout_id, record.target_closure),
    )


def _dispatch_ack(record: HostRecord, event: events.RemoteDispatchAck, policy: HealthPolicy) -> Step:
    ack = payloads.DispatchAck(event.seq, event.current_closure_at_dispatch, event.received_at)
    return _activating(record, ack), (_log(record, ack), _moved(record, "Activating", event.received_at))


def _activating(record: HostRecord, ack: payloads.DispatchAck) -> HostRecord:
    return replace(
        record,
        state="Activating",
        current_closure_at_dispatch=ack.current_closure_at_dispatch,
        dispatch_acked_at=ack.received_at,
        last_event_seq=ack.seq,
    )


# -- Activating, Deferred


def _started(record: HostRecord, event: payloads.ActivationStarted, policy: HealthPolicy) -> Step:
    after = replace(record, activation_started_at=event.started_at, last_event_seq=event.seq)
    report = payloads.ActivationStarted(event.seq, event.started_at, event.switch_method)
    if type(event) is events.LocalActivationStarted:
        return after, (_emit(record, report),)
    return after, (_log(record, report),)


def _completed(record: HostRecord, event: payloads.ActivationCompleted, policy: HealthPolicy) -> Step:
    after = replace(
        record,
        state="Soaking",
        activation_completed_at=event.completed_at,
        current_closure=event.observed_current_closure,
        probes=NO_PROBES,
        last_event_seq=event.seq,
    )
    report = payloads.ActivationCompleted(*astuple(event))
    moved = _moved(record, "Soaking", event.completed_at)
    if type(event) is events.LocalActivationCompleted:
        return after, (LocalResetProbeCache(record.rollout_id), _emit(record, report), moved)
    return after, (_log(record, report), moved)


def _deferred(record: HostRecord, event: payloads.ActivationDeferred, policy: HealthPolicy) -> Step:
    after = replace(record, state="Deferred", last_event_seq=event.seq)
    report = payloads.ActivationDeferred(*astuple(event))
    moved = _moved(record, "Deferred", event.deferred_at)
    if type(event) is events.LocalActivationDeferred:
        return after, (_emit(record, report), moved)
    return after, (_log(record, report), moved)


def _activation_failed(record: HostRecord, event: payloads.ActivationFailed, policy: HealthPolicy) -> Step:
    failed_at = event.failed_at
    report = payloads.ActivationFailed(*astuple(event))
    moved = _moved(record, "Failed", failed_at)
    after = replace(
        record, state="Failed", activation_failed_at=failed_at, failed_at=failed_at, last_event_seq=event.seq
    )
    local = type(event) is events.LocalActivationFailed
    said = _emit(record, report) if local else _log(record, report)
    if record.state == "Deferred":  # what was deferred has not been switched to: there is nothing to roll back
        return after, (said, moved)
    return replace(after, policy_applied=policy), (said, moved, *(_rollback(record, policy) if local else ()))


# -- Soaking


def _topology(record: HostRecord, event: payloads.ProbeTopologyDeclared, policy: HealthPolicy) -> Step:
    after = replace(record, last_event_seq=event.seq)
    report = payloads.ProbeTopologyDeclared(*astuple(event))
    if type(event) is events.LocalProbeTopologyDeclared:
        return after, (_emit(record, report),)
    return after, (_log(record, report),)


def _observed_first(record: HostRecord, event: payloads.ProbeObservedFirst, policy: HealthPolicy) -> Step:
    known = record.probe_observed_first_at
    first = event.observed_at if known is None else known
    after = replace(record, probe_observed_first_at=first, last_event_seq=event.seq)
    report = payloads.ProbeObservedFirst(*astuple(event))
    if type(event) is events.LocalProbeObservedFirst:
        return after, (_emit(record, report, durable=False),)
    return after, (_log(record, report),)


def _probe_result(record: HostRecord, event: payloads.ProbeResult, policy: HealthPolicy) -> Step:
    at = event.observed_at
    if event.status == "pass":
        entry = ProbeEntry("pass", event.mode, at, at, None)
    else:
        before = record.probes.get(event.probe_name)
        last_pass_at = None if before is None else before.last_pass_at
        entry = ProbeEntry("fail", event.mode, at, last_pass_at, event.failure_reason)
    after = replace(record, probes={**record.probes, event.probe_name: entry}, last_event_seq=event.seq)
    report = payloads.ProbeResult(*astuple(event))
    if type(event) is events.LocalProbeResult:
        return after, (_emit(record, report, durable=False),)
    return after, (_log(record, report),)


def _failure_first(record: HostRecord, event: payloads.ProbeFailureFirst, policy: HealthPolicy) -> Step:
    known = record.probe_failure_first_at
    first = event.first_failed_at if known is None else known
    after = replace(record, probe_failure_first_at=first, last_event_seq=event.seq)
    report = payloads.ProbeFailureFirst(*astuple(event))
    if type(event) is events.LocalProbeFailureFirst:
        return after, (_emit(record, report, durable=False),)
    return after, (_log(record, report),)


def _failed(record: HostRecord, event: payloads.Failed, policy: HealthPolicy) -> Step:
    after = replace(
        record,
        state="Failed",
        failed_at=event.failed_at,
        policy_applied=event.policy_applied,
        last_event_seq=event.seq,
    )
    report = payloads.Failed(*astuple(event))
    moved = _moved(record, "Failed", event.failed_at)
    if type(event) is events.LocalSustainedFailureCrossed:
        return after, (_emit(record, report), moved, *_rollback(record, event.policy_applied))
    return after, (_log(record, report), moved)


def _converged(record: HostRecord, event: payloads.Converged, policy: HealthPolicy) -> Step:
    if event.current_closure != record.target_closure:  # what the host runs now, not what it last said it did
        raise Invariant(f"runs {event.current_closure}, not {record.target_closure}")
    if record.soak_due_at is not None and event.converged_at < record.soak_due_at:
        raise Invariant(f"soak is due at {record.soak_due_at}, not at {event.converged_at}")
    for name, entry in record.probes.items():
        # an enforce probe that has no entry does not stand in the way: only a seen failure does
        if entry.mode == "enforce" and entry.status != "pass":
            raise Invariant(f"probe {name} fails")
    after = replace(
        record,
        state="Converged",
        converged_at=event.converged_at,
        current_closure=event.current_closure,
        last_event_seq=event.seq,
    )
    report = payloads.Converged(event.seq, event.converged_at, event.current_closure)
    moved = _moved(record, "Converged", event.converged_at)
    if type(event) is events.LocalConvergedReached:
        return after, (_emit(record, report), moved)
    return after, (_log(record, report), moved)


# -- Failed


def _rolled_back(record: HostRecord, event: payloads.RollbackComplete, policy: HealthPolicy) -> Step:
    after = replace(
        record,
        state="Reverted",
        reverted_at=event.completed_at,
        reverted_to=event.reverted_to_closure,
        current_closure=event.reverted_to_closure,
        last_event_seq=event.seq,
    )
    report = payloads.RollbackComplete(*astuple(event))
    moved = _moved(record, "Reverted", event.completed_at)
    if type(event) is events.LocalRollbackCompleted:
        return after, (_emit(record, report), moved)
    quarantine = RemoteInsertQuarantine(record.channel, record.target_closure)
    return after, (_log(record, report), quarantine, moved)


_LEGAL: dict[HostState, dict[Handler, tuple[type[Any], ...]]] = {
    "Pending": {
        _activate: (events.LocalActivate,),
        _dispatch_ack: (events.RemoteDispatchAck,),
    },
    "Activating": {
        _started: (events.LocalActivationStarted, events.RemoteActivationStarted),
        _completed: (events.LocalActivationCompleted, events.RemoteActivationCompleted),
        _deferred: (events.LocalActivationDeferred, events.RemoteActivationDeferred),
        _activation_failed: (events.LocalActivationFailed, events.RemoteActivationFailed),
    },
    "Deferred": {
        _completed: (events.LocalActivationCompleted, events.RemoteActivationCompleted),
        _activation_failed: (events.LocalActivationFailed, events.RemoteActivationFailed),
    },
    "Soaking": {
        _topology: (events.LocalProbeTopologyDeclared, events.RemoteProbeTopologyDeclared),
        _observed_first: (events.LocalProbeObservedFirst, events.RemoteProbeObservedFirst),
        _probe_result: (events.LocalProbeResult, events.RemoteProbeResult),
        _failure_first: (events.LocalProbeFailureFirst, events.RemoteProbeFailureFirst),
        _failed: (events.LocalSustainedFailureCrossed, events.RemoteFailed),
        _converged: (events.LocalConvergedReached, events.RemoteConverged),
    },
    "Failed": {_rolled_back: (events.LocalRollbackCompleted, events.RemoteRollbackComplete)},
    "Converged": {},
    "Reverted": {},
}
_HANDLERS: dict[HostState, dict[type[Any], Handler]] = {
    state: {kind: handler for handler, kinds in handlers.items() for kind in kinds}
    for state, handlers in _LEGAL.items()
}
