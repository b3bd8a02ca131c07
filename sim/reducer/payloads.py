"""The reports on the wire: what an agent sends and the log keeps (spec page 1, Effects).

`events` tells each of them to either side, with the same fields in the same order; `reports` turns a report into
the control plane's event. Times in seconds.
"""

from __future__ import annotations

import msgspec

from sim.reducer.records import HealthPolicy, ProbeMode, ProbeStatus


class Tagged(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag=True):
    """Written as JSON with its class name in `type`, as the vectors do (spec page 8)."""


class DeclaredProbe(msgspec.Struct, frozen=True, gc=False):
    """One probe of a declared topology."""

    probe_name: str
    kind: str
    mode: ProbeMode


class DispatchAck(Tagged, frozen=True):
    """The agent took the dispatch; what it ran then, None if it does not know."""

    seq: int
    current_closure_at_dispatch: str | None
    received_at: float


class ActivationStarted(Tagged, frozen=True):
    """The switch has begun."""

    seq: int
    started_at: float
    switch_method: str


class ActivationCompleted(Tagged, frozen=True):
    """The switch is over, or a reboot was; the closure that runs now."""

    seq: int
    observed_current_closure: str
    exit_code: int
    completed_at: float


class ActivationDeferred(Tagged, frozen=True):
    """The switch waits for a reboot because of `component`: `dbus`, `systemd`, `kernel` or `init`."""

    seq: int
    component: str
    deferred_at: float


class ActivationFailed(Tagged, frozen=True):
    """The switch failed."""

    seq: int
    exit_code: int
    stderr_tail: str
    failed_at: float


class ProbeTopologyDeclared(Tagged, frozen=True):
    """The probes that will watch this rollout on the host."""

    seq: int
    probes: list[DeclaredProbe]
    declared_at: float


class ProbeObservedFirst(Tagged, frozen=True):
    """A probe gave its first result."""

    seq: int
    probe_name: str
    mode: ProbeMode
    observed_at: float


class ProbeResult(Tagged, frozen=True):
    """A probe ran."""

    seq: int
    probe_name: str
    mode: ProbeMode
    status: ProbeStatus
    observed_at: float
    failure_reason: str | None = None


class ProbeFailureFirst(Tagged, frozen=True):
    """A probe failed for the first time."""

    seq: int
    probe_name: str
    mode: ProbeMode
    first_failed_at: float


class Failed(Tagged, frozen=True):
    """Probes failed for longer than is borne; which, for how many seconds, and what is done about it."""

    seq: int
    failed_at: float
    sustained_duration_secs: float
    failing_probes: list[str]
    policy_applied: HealthPolicy


class RollbackComplete(Tagged, frozen=True):
    """The host is back on an earlier closure."""

    seq: int
    reverted_to_closure: str
    exit_code: int
    completed_at: float


class Converged(Tagged, frozen=True):
    """The host runs the target and has soaked."""

    seq: int
    converged_at: float
    current_closure: str


Report = (
    DispatchAck
    | ActivationStarted
    | ActivationCompleted
    | ActivationDeferred
    | ActivationFailed
    | ProbeTopologyDeclared
    | ProbeObservedFirst
    | ProbeResult
    | ProbeFailureFirst
    | Failed
    | RollbackComplete
    | Converged
)
