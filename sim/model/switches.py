"""The rule switches that touch a host record, as work around the reducer's `step` (spec README, last line).

The reducer knows no rules. Both the agent and the control plane call `adjust` after each accepted step on one of the
`adjusted_events`.
"""

from __future__ import annotations

from msgspec.structs import replace

from sim.reducer import events
from sim.reducer.records import HostRecord
from sim.scenario.schema import Rules

_COMPLETED = (events.LocalActivationCompleted, events.RemoteActivationCompleted)
_FAILURE_FIRST = (events.LocalProbeFailureFirst, events.RemoteProbeFailureFirst)
_RESULT = (events.LocalProbeResult, events.RemoteProbeResult)


def adjusted_events(rules: Rules) -> frozenset[type[object]]:
    """The events after which `adjust` may change a record under these rules."""
    if rules.failure_clock == "sustained":
        return frozenset((*_COMPLETED, *_FAILURE_FIRST, *_RESULT))
    return frozenset(_COMPLETED if rules.soak_from == "activation" else ())


def adjust(rules: Rules, before: HostRecord, event: object, after: HostRecord, soak: float) -> HostRecord:
    """The record after a step as the rules would have it.

    `soak_from: activation` sets `soak_due_at` to `completed_at` + `soak` (seconds). `failure_clock: sustained`
    keeps `probe_failure_first_at` as the start of the present failure of enforce probes: set by a failing run of
    one, cleared by a run after which none fails and by the completion of an activation (page 5, advance tick).
    """
    if isinstance(event, _COMPLETED):
        if rules.soak_from == "activation":
            after = replace(after, soak_due_at=event.completed_at + soak)
        if rules.failure_clock == "sustained":
            after = replace(after, probe_failure_first_at=None)
    elif rules.failure_clock == "sustained":
        if isinstance(event, _FAILURE_FIRST):
            after = replace(after, probe_failure_first_at=before.probe_failure_first_at)
        elif isinstance(event, _RESULT):
            failing = any(entry.mode == "enforce" and entry.status == "fail" for entry in after.probes.values())
            if not failing:
                after = replace(after, probe_failure_first_at=None)
            elif event.mode == "enforce" and event.status == "fail" and after.probe_failure_first_at is None:
                after = replace(after, probe_failure_first_at=event.observed_at)
    return after
